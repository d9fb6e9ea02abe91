//! What an owner can do with a migration, from outside a slice.
//!
//! A migration's record has one writer at a time: whoever holds its lease. Creating makes the
//! lease; stopping leaves a request that the running slice sees; the rest takes the lease itself.
//! [`crate::erase`] erases.

use model::{Action, Migration, MigrationId, Phase, Removal, Status, Timestamp};
use notify::Outbox;
use notify::delivery::Delivery;
use store::control::Request;
use store::seal::{Credential, Credentials, Seal};
use store::{Error, Store, calendar, due, keys, lease, records};
use wire::{Random, Secret};

use crate::endings::{end, outcome};
use crate::owner::idle::{change_idle, interrupt, outcome_of};

pub use crate::owner::holding::{pause, resume};
pub use crate::owner::idle::Outcome;
use crate::pairs;
pub use crate::stored::read;
use ledger::Cursor;

/// How the owner of a new migration is reached.
#[derive(Debug, Clone, Copy, Default)]
pub struct Contact<'a> {
    /// Where users reach this installation, as the operator says; never as a request does.
    pub base: &'a str,
    /// Signs what goes to `notify.webhook`.
    pub webhook_secret: Option<&'a Secret>,
}

/// Stores a new migration; its first slice may begin before this returns.
pub async fn create(
    store: &impl Store,
    (seal, random): (&Seal, &impl Random),
    migration: &Migration,
    credentials: &Credentials,
    contact: Contact<'_>,
) -> Result<(), Error> {
    let pairs = Vec::new();
    create_with(store, (seal, random), migration, credentials, contact, pairs).await.map(|_| ())
}

/// The same with further records in its first write. Where another migration has the pair of
/// accounts, that one is given back, and nothing is left of the new one.
pub async fn create_with(
    store: &impl Store,
    (seal, random): (&Seal, &impl Random),
    migration: &Migration,
    credentials: &Credentials,
    contact: Contact<'_>,
    mut pairs: Vec<(String, Vec<u8>)>,
) -> Result<Result<(), Box<Migration>>, Error> {
    let id = &migration.id;
    let sealed = seal.seal(id, credentials, random)?;
    let key = keys::migration(id);
    let record = records::encode(&key, migration)?;
    let look_ms = crate::owner::lifecycle::first_look_ms(migration);
    calendar::add(store, id, look_ms).await?;
    pairs.extend([(key, record), (keys::credentials(id), sealed)]);
    pairs.extend([lease::unclaimed(id)?, calendar::entry(id, look_ms)?]);
    if let Some(secret) = contact.webhook_secret {
        let key = keys::webhook_secret(id);
        let sealed = seal.seal_secret(&key, secret, random)?;
        pairs.push((key, sealed));
    }
    let mut outbox = Outbox::new(migration, contact.base);
    if let Some(outbox) = &mut outbox {
        pairs.extend(outbox.take_change(id)?);
        pairs.push(Delivery::unclaimed(id)?);
    }
    store.set_many(pairs).await?;
    // Nothing calls it before it is due, so that of two that are made at once one is never begun.
    let sides = (&migration.source, &migration.destination);
    if let Err(first) = pairs::claim(store, sides, id).await? {
        calendar::remove(store, id).await?;
        store.delete_many(&keys::of_migration(id)).await?;
        return Ok(Err(Box::new(first)));
    }
    let start = migration.options.start_at.unwrap_or_default().max(migration.created_at);
    due::set(store, id, Some(start.0)).await?;
    match &mut outbox {
        Some(outbox) => outbox.announce(store, id, migration.created_at.0).await.map(Ok),
        None => Ok(Ok(())),
    }
}

/// Ends a run: within one batch where a slice is at it, at once otherwise.
pub async fn stop(
    store: &impl Store,
    id: &MigrationId,
    now: Timestamp,
    boot: &str,
) -> Result<Outcome, Error> {
    let request = |sync_point| Request::Stop { sync_point };
    let Some(lease) = interrupt(store, id, now, boot, (Action::Stop, &request)).await? else {
        return outcome_of(store, id, Action::Stop).await;
    };
    if let Some(mut migration) = read(store, id).await?
        && migration.status.allows(Action::Stop)
    {
        end(&mut migration, Status::Stopped, now);
        let key = keys::migration(id);
        let record = records::encode(&key, &migration)?;
        let mut pairs = vec![(key, record), (keys::credentials(id), Vec::new())];
        let mut outbox = Outbox::read(store, &migration).await?;
        if let Some(outbox) = &mut outbox {
            outbox.ended(&migration, outcome(&migration, &[]), now);
            pairs.extend(outbox.take_change(id)?);
        }
        // Where this is cut off, a slice tells the owner and tidies up.
        due::by(store, id, now.0).await?;
        if !lease.write(store, pairs).await? {
            // Whoever took the lease sees what was asked for.
            return Ok(Outcome::Done);
        }
        if let Some(outbox) = &mut outbox {
            outbox.announce(store, id, now.0).await?;
        }
        store.delete_many(&[keys::credentials(id), keys::control(id), keys::hold(id)]).await?;
        crate::membership::due(store, &migration, None, now).await?;
    }
    lease.release(store).await?;
    Ok(Outcome::Done)
}

/// Begins a new sync point with fresh credentials.
pub async fn synchronise(
    store: &impl Store,
    (seal, random): (&Seal, &impl Random),
    id: &MigrationId,
    credentials: &Credentials,
    now: Timestamp,
    boot: &str,
) -> Result<Outcome, Error> {
    let sealed = seal.seal(id, credentials, random)?;
    let change = |migration: &mut Migration, cursor: Option<Cursor>| {
        migration.status = Status::Pending;
        let fresh = |cursor| Cursor { retry: false, ..begun(cursor) };
        cursor.map(fresh)
    };
    change_idle(store, id, (now, boot), Action::Synchronise, change, Some(sealed)).await
}

/// Begins a new sync point that only tries once more what was refused. The list of failures
/// begins anew: what fails again is in it again.
pub async fn retry(
    store: &impl Store,
    (seal, random): (&Seal, &impl Random),
    id: &MigrationId,
    credentials: &Credentials,
    now: Timestamp,
    boot: &str,
) -> Result<Outcome, Error> {
    let sealed = seal.seal(id, credentials, random)?;
    let change = |migration: &mut Migration, cursor: Option<Cursor>| {
        migration.status = Status::Pending;
        cursor.map(|cursor| Cursor { retry: true, failures: 0, ..begun(cursor) })
    };
    change_idle(store, id, (now, boot), Action::Retry, change, Some(sealed)).await
}

/// Takes back what the sync points from `from` on put at the destination. Only the destination's
/// credential is needed.
pub async fn remove(
    store: &impl Store,
    (seal, random): (&Seal, &impl Random),
    id: &MigrationId,
    (from, destination): (u32, Credential),
    now: Timestamp,
    boot: &str,
) -> Result<Outcome, Error> {
    let source = Credential::Password(Secret::new(String::new()));
    let sealed = seal.seal(id, &Credentials { source, destination }, random)?;
    let change = |migration: &mut Migration, cursor: Option<Cursor>| {
        migration.status = Status::Removing;
        migration.removal = Some(Removal { from_sync_point: from, ..Removal::default() });
        let cursor = cursor.unwrap_or_default();
        let begun = begun(cursor);
        Some(Cursor { phase: Phase::Remove, remove_from: from, retry: false, ..begun })
    };
    change_idle(store, id, (now, boot), Action::Remove, change, Some(sealed)).await
}

/// A cursor at the beginning of a run.
fn begun(cursor: Cursor) -> Cursor {
    Cursor { phase: Phase::Discover, at: 0, attempts: 0, losses: 0, ..cursor }
}

/// A new migration is looked at for the first time after this long: by then most have ended.
pub(crate) const FIRST_LOOK_MS: u64 = 3_600_000;

/// When a new migration is looked at for the first time (ms since 1970).
pub(crate) fn first_look_ms(migration: &Migration) -> u64 {
    migration.created_at.0.saturating_add(FIRST_LOOK_MS)
}
