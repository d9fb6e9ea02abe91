//! What is told of a project: to programs as JSON, to pages as values.

use std::collections::BTreeMap;

use model::{
    Counters, MigrationId, Project, ProjectId, ProjectOptions, Removal, Status, Timestamp, Verdict,
};
use project::members::{Row, Totals};
use project::queue::Queue;
use schemars::JsonSchema;
use serde::Serialize;

use crate::refusals::Links;
use crate::shown::migration::links_of;

/// A project with its queue and sums.
#[derive(Debug)]
pub struct Overview {
    /// The project.
    pub project: Project,
    /// Its queue.
    pub queue: Queue,
    /// Its sums.
    pub totals: Totals,
    /// Seconds until everything has ended, where they can be told.
    pub eta_seconds: Option<u64>,
}

/// Whether the queue of a project moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its owner holds it.
    Paused,
    /// Something is to be done.
    Running,
    /// Nothing is to be done.
    Idle,
}

/// The object of `GET /projects/{id}`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Project")]
pub struct Shown<'p> {
    /// Identifies it.
    pub id: &'p ProjectId,
    /// What its owner calls it.
    pub name: &'p str,
    /// Where mails about it go.
    pub email: Option<&'p str>,
    /// In which language.
    pub language: Option<&'p str>,
    /// Whether its queue moves.
    pub state: State,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its owner did anything with it last.
    pub updated_at: Timestamp,
    /// What the clock here says.
    pub now: Timestamp,
    /// Seconds until everything has ended, where they can be told.
    pub eta_seconds: Option<u64>,
    /// What its owner chose.
    pub options: &'p ProjectOptions,
    /// Its queue.
    pub queue: QueueShown,
    /// Its sums.
    pub totals: TotalsShown,
    /// A page of its migrations; only where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migrations: Option<Vec<Member<'p>>>,
    /// What `after` of the next page is; `null` on the last one.
    pub next_after: Option<u32>,
}

/// How many migrations are in the queue.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Queue")]
pub struct QueueShown {
    /// At work.
    pub active: usize,
    /// Waiting for their turn.
    pub waiting: usize,
}

/// Sums over all migrations of a project.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Totals")]
pub struct TotalsShown {
    /// Migrations.
    pub migrations: u64,
    /// Those that have ended.
    pub ended: u64,
    /// Migrations by where they stand.
    pub by_status: BTreeMap<Status, u32>,
    /// Of all items of all of them.
    #[serde(flatten)]
    pub progress: Counters,
}

/// A row of a project's list.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Member<'r> {
    /// Its number in the project, from 0.
    pub number: u32,
    /// Identifies the migration.
    pub id: &'r MigrationId,
    /// Where it stands; `null` once it was erased.
    pub status: Option<Status>,
    /// What became of the last removal, where no run began after it.
    pub removal: Option<&'r Removal>,
    /// What the last verification found.
    pub verdict: Option<Verdict>,
    /// Where from.
    pub source: MemberAccount<'r>,
    /// Where to.
    pub destination: MemberAccount<'r>,
    /// Its wave.
    pub group: Option<&'r str>,
    /// Of all kinds of items together.
    pub progress: Counters,
    /// When its first run began.
    pub started_at: Option<Timestamp>,
    /// When its last run ended.
    pub finished_at: Option<Timestamp>,
    /// Why it waits or failed.
    pub error: Option<&'r str>,
    /// Where it is.
    pub links: Links,
}

/// A side of a row.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MemberAccount<'r> {
    /// The login.
    pub login: &'r str,
    /// The server; empty where it is found from the address.
    pub url: &'r str,
}

/// A project that was made.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ProjectCreated {
    /// Identifies it.
    pub id: ProjectId,
    /// Opens it for a while, as its password does.
    pub token: String,
    /// Where it is.
    pub links: Links,
}

/// What a project was opened with.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ProjectToken {
    /// Opens it for a while, as its password does.
    pub token: String,
}

/// A migration that was added to a project.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Joined {
    /// Identifies it.
    pub id: MigrationId,
    /// Where it stands.
    pub status: Status,
    /// Where its project is.
    pub links: ProjectLink,
}

/// Where a project is.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ProjectLink {
    /// The object of the API.
    pub project: String,
}

impl Overview {
    /// Whether the queue moves.
    pub fn state(&self) -> State {
        match (self.queue.paused, self.queue.active() + self.queue.waiting()) {
            (true, _) => State::Paused,
            (false, 0) => State::Idle,
            (false, _) => State::Running,
        }
    }

    /// The object, without its migrations.
    pub fn object(&self, now: Timestamp) -> Shown<'_> {
        let (project, totals) = (&self.project, &self.totals);
        Shown {
            id: &project.id,
            name: &project.name,
            email: project.email.as_deref(),
            language: project.language.as_deref(),
            state: self.state(),
            created_at: project.created_at,
            updated_at: project.updated_at,
            now,
            eta_seconds: self.eta_seconds,
            options: &project.options,
            queue: QueueShown { active: self.queue.active(), waiting: self.queue.waiting() },
            totals: TotalsShown {
                migrations: totals.members().into(),
                ended: totals.ended().into(),
                by_status: totals.by_status.clone(),
                progress: totals.progress,
            },
            migrations: None,
            next_after: None,
        }
    }
}

/// A row of the list.
pub fn member<'r>(base: &str, number: u32, row: &'r Row) -> Member<'r> {
    let account = |login: &'r str, url: &'r str| MemberAccount { login, url };
    Member {
        number,
        id: &row.id,
        status: row.status,
        removal: row.removal.as_ref(),
        verdict: row.verdict,
        source: account(&row.source, &row.source_url),
        destination: account(&row.destination, &row.destination_url),
        group: row.group.as_deref(),
        progress: row.progress,
        started_at: row.started_at,
        finished_at: row.finished_at,
        error: row.error.as_deref(),
        links: links_of(base, &row.id, &row.source),
    }
}
