//! What an owner is to be told, on its way.
//!
//! The record belongs to whoever writes the migration's record, and goes out in the same write:
//! an event is told if and only if it is true. What was delivered stands in another record.

use model::{Event, Migration, MigrationId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Error, Store, due, keys, records};

use crate::delivery::Delivery;
use crate::notice::{Channel, Notice};

/// The most notices that wait; a migration that repeats every hour makes 48 a day and channel,
/// and what is older than a day is given up.
const NOTICES_MAX: usize = 200;

/// Everything that is to be told of one migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbox {
    /// The address of this installation when the migration was created; kept for older records, and
    /// used for nothing.
    pub base: String,
    /// The number of the last notice; 0 before the first.
    pub last: u32,
    /// Those that were not delivered, as far as the writer knows; oldest first.
    pub notices: Vec<Notice>,
    /// The last sync point whose begin was told.
    started: u32,
    /// The last sync point of which it was told that it waits.
    waited: u32,
    /// The last sync point whose end was told.
    ended: Option<u32>,
    /// When the last removal ended of which it was told.
    #[serde(default)]
    removed: Option<Timestamp>,
    /// Since when nothing moves.
    waiting_since: Option<Timestamp>,
    /// Whether it differs from what is stored.
    #[serde(skip)]
    changed: bool,
    /// Whether it has notices that nobody who delivers has seen.
    #[serde(skip)]
    unseen: bool,
}

impl Outbox {
    /// The outbox of a new migration, and in it that the migration was created; `None` where
    /// nobody wants to be told.
    pub fn new(migration: &Migration, base: &str) -> Option<Outbox> {
        if !migration.notify.is_wanted() {
            return None;
        }
        let mut outbox = Outbox {
            base: base.to_owned(),
            last: 0,
            notices: Vec::new(),
            started: 0,
            waited: 0,
            ended: None,
            removed: None,
            waiting_since: None,
            changed: true,
            unseen: true,
        };
        let start_at = migration.options.start_at.filter(|start| *start > migration.created_at);
        outbox.tell(migration, migration.created_at, Event::Created { start_at });
        Some(outbox)
    }

    /// Reads it, without what was delivered; `None` where nobody wants to be told.
    pub async fn read(store: &impl Store, migration: &Migration) -> Result<Option<Self>, Error> {
        if !migration.notify.is_wanted() {
            return Ok(None);
        }
        let names = [keys::notices(&migration.id), keys::delivery(&migration.id)];
        let mut values = store.get_many(&names).await?.into_iter();
        let (Some(Some(bytes)), delivery) = (values.next(), values.next().flatten()) else {
            return Ok(None);
        };
        let [key, delivery_key] = names;
        let mut outbox: Outbox = records::decode(&key, &bytes)?;
        let delivery = delivery.map(|bytes| records::decode::<Delivery>(&delivery_key, &bytes));
        let delivery = delivery.transpose()?.unwrap_or_default();
        outbox.notices.retain(|notice| !delivery.is_settled(notice.number));
        outbox.unseen = outbox.last > delivery.seen;
        Ok(Some(outbox))
    }

    /// A run began.
    pub fn started(&mut self, migration: &Migration, now: Timestamp) {
        let sync_point = migration.sync_point();
        if self.started < sync_point {
            self.started = sync_point;
            self.waiting_since = None;
            self.tell(migration, now, Event::Started { sync_point });
        }
    }

    /// A slice ended with the migration in its present state; `progressed` tells whether it moved
    /// anything.
    pub fn settled(&mut self, migration: &Migration, progressed: bool, now: Timestamp) {
        let Some(waiting) = &migration.waiting else {
            self.moves_on();
            return;
        };
        if progressed {
            self.moves_on();
        }
        self.changed |= self.waiting_since.is_none();
        let since = *self.waiting_since.get_or_insert(now);
        let sync_point = migration.sync_point();
        if now.0.saturating_sub(since.0) >= Event::WAITING_MS && self.waited < sync_point {
            self.waited = sync_point;
            let (until, reason) = (waiting.until, waiting.reason.clone());
            self.tell(migration, now, Event::Waiting { sync_point, since, until, reason });
        }
    }

    fn moves_on(&mut self) {
        self.changed |= self.waiting_since.take().is_some();
    }

    /// A run or a removal ended.
    pub fn ended(&mut self, migration: &Migration, outcome: model::Outcome, now: Timestamp) {
        let removed = outcome.removal.and_then(|removal| removal.finished_at);
        let run = self.ended.is_none_or(|ended| ended < outcome.sync_point);
        if run || (removed.is_some() && removed != self.removed) {
            (self.ended, self.removed) = (Some(outcome.sync_point), removed);
            self.waiting_since = None;
            self.tell(migration, now, Event::Ended(Box::new(outcome)));
        }
    }

    /// Adds a notice for each way to the owner.
    fn tell(&mut self, migration: &Migration, at: Timestamp, event: Event) {
        let mail = migration.notify.email.as_ref().map(|_| Channel::Mail);
        let webhook = migration.notify.webhook.as_ref().map(|_| Channel::Webhook);
        for channel in [mail, webhook].into_iter().flatten() {
            self.last += 1;
            let number = self.last;
            self.notices.push(Notice { number, channel, at, event: event.clone() });
        }
        let extra = self.notices.len().saturating_sub(NOTICES_MAX);
        self.notices.drain(..extra);
        self.changed = true;
        self.unseen = true;
    }

    /// What has to be written with the migration's record, where anything changed.
    pub fn take_change(&mut self, id: &MigrationId) -> Result<Option<(String, Vec<u8>)>, Error> {
        if !std::mem::take(&mut self.changed) {
            return Ok(None);
        }
        let key = keys::notices(id);
        let bytes = records::encode(&key, self)?;
        Ok(Some((key, bytes)))
    }

    /// Puts the migration on the list of those whose owners are to be told something, where it
    /// may be missing there; after the write that had [`Outbox::take_change`].
    pub async fn announce(
        &mut self,
        store: &impl Store,
        id: &MigrationId,
        now_ms: u64,
    ) -> Result<(), Error> {
        if std::mem::take(&mut self.unseen) {
            due::set_notices(store, id, Some(now_ms)).await?;
        }
        Ok(())
    }
}
