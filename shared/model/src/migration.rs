//! One migration, as it is stored and shown.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Account, Counters, Item, Membership, MigrationId, Notify, Options, Phase, Status, Timestamp,
    Verdict,
};

/// Why nothing moves, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Waiting {
    /// When it goes on.
    pub until: Timestamp,
    /// A sentence, with the server's own words.
    pub reason: String,
}

/// One run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SyncPoint {
    /// From 1.
    pub number: u32,
    /// When its first slice began.
    pub started_at: Timestamp,
    /// When it ended, whatever way.
    pub finished_at: Option<Timestamp>,
    /// Items it put at the destination.
    pub migrated: u64,
    /// Items that were refused in it.
    pub failed: u64,
    /// Messages whose flags it changed at the destination.
    #[serde(default)]
    pub updated: u64,
    /// Messages it moved to another folder of the destination.
    #[serde(default)]
    pub moved: u64,
    /// Whether what it brought was taken back.
    pub removed: bool,
    /// What the verification found over all folders; `None` before it.
    #[serde(default)]
    pub verdict: Option<Verdict>,
}

/// What became of the last removal, until the next run begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Removal {
    /// The first sync point that was taken back.
    pub from_sync_point: u32,
    /// When it was carried out; `None` while it is not.
    pub finished_at: Option<Timestamp>,
    /// Messages that were taken back.
    pub removed: u64,
    /// Messages that stay although they were to be taken back; the failures say why.
    pub kept: u64,
    /// Messages that this migration brought and that are still at the destination, for whatever
    /// reason: they were kept, or are of earlier sync points.
    pub left: u64,
}

impl Removal {
    /// Whether nothing is left of what was brought.
    pub fn is_whole(&self) -> bool {
        self.finished_at.is_some() && self.left == 0 && self.kept == 0
    }
}

/// One migration. Written by whoever holds its lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// Identifies it.
    pub id: MigrationId,
    /// Where it stands.
    pub status: Status,
    /// What it is doing, while it runs.
    pub phase: Option<Phase>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When anything here changed last.
    pub updated_at: Timestamp,
    /// Why nothing moves, while `status` is `waiting`.
    pub waiting: Option<Waiting>,
    /// The last thing that went wrong, as a sentence.
    pub last_error: Option<String>,
    /// Where from.
    pub source: Account,
    /// Where to.
    pub destination: Account,
    /// What is moved.
    pub items: Vec<Item>,
    /// How.
    pub options: Options,
    /// Who is told.
    pub notify: Notify,
    /// How far each kind of item is in the current sync point.
    pub progress: BTreeMap<Item, Counters>,
    /// The folder being worked on, as the source names it.
    #[serde(default)]
    pub folder: Option<String>,
    /// Bytes a second over the current slice.
    #[serde(default)]
    pub bytes_per_second: u64,
    /// Seconds left, where they can be told.
    #[serde(default)]
    pub eta_seconds: Option<u64>,
    /// When the next of repeated runs begins, while `status` is `scheduled`.
    #[serde(default)]
    pub next_run_at: Option<Timestamp>,
    /// Whether it is its project that holds it, while `status` is `paused`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held_by_project: bool,
    /// The last removal, where no run began after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<Removal>,
    /// All runs, oldest first.
    pub sync_points: Vec<SyncPoint>,
    /// The project it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Membership>,
}

impl Migration {
    /// A migration that has not begun; it is stored as `pending` or `scheduled`.
    pub fn new(
        id: MigrationId,
        now: Timestamp,
        (source, destination): (Account, Account),
        items: Vec<Item>,
        options: Options,
        notify: Notify,
    ) -> Self {
        let status = match options.start_at {
            Some(start) if start > now => Status::Scheduled,
            _ => Status::Pending,
        };
        let progress = items.iter().map(|item| (*item, Counters::default())).collect();
        Migration {
            id,
            status,
            phase: None,
            created_at: now,
            updated_at: now,
            waiting: None,
            last_error: None,
            source,
            destination,
            items,
            options,
            notify,
            progress,
            folder: None,
            bytes_per_second: 0,
            eta_seconds: None,
            next_run_at: None,
            held_by_project: false,
            removal: None,
            sync_points: Vec::new(),
            project: None,
        }
    }

    /// The login that opens its pages: the source's, or for a file the destination's.
    pub fn key_account(&self) -> &Account {
        if self.source.server_type.is_file() { &self.destination } else { &self.source }
    }

    /// When it is erased unless something happens with it; `None` while something goes on by
    /// itself. `retention_ms` is how long what is idle is kept.
    pub fn expires_at(&self, retention_ms: u64) -> Option<Timestamp> {
        match self.status {
            Status::Scheduled
            | Status::Pending
            | Status::Running
            | Status::Waiting
            | Status::Removing => None,
            Status::AwaitingUpload
            | Status::AwaitingStart
            | Status::Paused
            | Status::Completed
            | Status::CompletedWithErrors
            | Status::Stopped
            | Status::Failed => {
                let kept = self.options.keep_credentials_until.unwrap_or_default();
                Some(Timestamp(self.updated_at.max(kept).0.saturating_add(retention_ms)))
            }
        }
    }

    /// Number of the current sync point; 0 before the first.
    pub fn sync_point(&self) -> u32 {
        self.sync_points.last().map_or(0, |point| point.number)
    }
}

/// When it runs.
impl Migration {
    /// When a run begins by itself; `None` where none does.
    pub fn next_run(&self) -> Option<Timestamp> {
        match self.status {
            Status::Scheduled => self.next_run_at.or(self.options.start_at),
            _ => None,
        }
    }

    /// When a scheduled run begins as the clock stands `now`: after the clock was set back, a run
    /// that repeats must not wait for longer than its interval.
    pub fn run_due(&self, now: Timestamp) -> Timestamp {
        let planned = self.next_run().unwrap_or(now);
        match (&self.options.repeat, self.next_run_at) {
            (Some(repeat), Some(_)) => planned.min(Timestamp(now.0 + repeat.every_ms())),
            _ => planned,
        }
    }

    /// Whether the time of a repeated migration is over that waits for its next run.
    pub fn repeats_no_more(&self, now: Timestamp) -> bool {
        let over = self.options.repeat.is_some_and(|repeat| repeat.until <= now);
        over && self.next_run_at.is_some() && self.next_run().is_some()
    }

    /// The run is over: plans the next one, if there is to be one, and says when.
    pub fn plan_next_run(&mut self, now: Timestamp) -> Option<Timestamp> {
        let first = self.options.start_at.unwrap_or(self.created_at).max(self.created_at);
        let begun = self.sync_points.last().map_or(now, |point| point.started_at);
        self.next_run_at = match (&self.options.repeat, self.status) {
            (None, _) | (_, Status::Stopped) => None,
            (Some(repeat), _) => repeat.next(first, begun, now),
        };
        if self.next_run_at.is_some() {
            self.status = Status::Scheduled;
        }
        self.next_run_at
    }

    /// How its last run ended, for a migration that does not repeat any more.
    pub fn last_outcome(&self) -> Status {
        match (&self.last_error, self.sync_points.last()) {
            (Some(_), _) => Status::Failed,
            (None, Some(SyncPoint { failed: 0, .. }) | None) => Status::Completed,
            (None, Some(_)) => Status::CompletedWithErrors,
        }
    }

    /// Whether the credentials stay sealed although no run needs them.
    pub fn keeps_credentials(&self, now: Timestamp) -> bool {
        let until = self.options.keep_credentials_until;
        until.is_some_and(|until| until > now) && self.status != Status::Stopped
    }

    /// When the quiet hours end that `now` lies in.
    pub fn quiet_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.options.quiet_hours.and_then(|hours| hours.end(now))
    }
}
