//! What an owner can do with a migration, from outside a slice.
//!
//! A migration's record has one writer at a time: whoever holds its lease. Creating makes the
//! lease; stopping leaves a request that the running slice sees; the rest takes the lease itself.

use model::{Action, Migration, MigrationId, Phase, Status, Timestamp};
use store::control::{self, Request};
use store::seal::{Credentials, Seal};
use store::{Error, Store, due, keys, lease, records};
use wire::Random;

use crate::cursor::Cursor;
use crate::report;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, or will be with the next checkpoint.
    Done,
    /// Not in this status; `Status::actions` says what is possible.
    NotInThisState(Status),
    /// There is no such migration.
    Gone,
}

/// Stores a new migration; its first slice may begin before this returns.
pub async fn create(
    store: &impl Store,
    seal: &Seal,
    random: &impl Random,
    migration: &Migration,
    credentials: &Credentials,
) -> Result<(), Error> {
    let id = &migration.id;
    let sealed = seal.seal(id, credentials, random)?;
    let key = keys::migration(id);
    let record = records::encode(&key, migration)?;
    store
        .set_many(vec![(key, record), (keys::credentials(id), sealed), lease::unclaimed(id)?])
        .await?;
    let start = migration.options.start_at.unwrap_or_default().max(migration.created_at);
    due::set(store, id, Some(start.0)).await
}

/// The migration; `None` where there is none.
pub async fn read(store: &impl Store, id: &MigrationId) -> Result<Option<Migration>, Error> {
    records::read(store, &keys::migration(id)).await
}

/// Ends a run: within one batch where a slice is at it, at once otherwise.
pub async fn stop(
    store: &impl Store,
    id: &MigrationId,
    now: Timestamp,
    boot: &str,
) -> Result<Outcome, Error> {
    let Some(migration) = read(store, id).await? else { return Ok(Outcome::Gone) };
    if !migration.status.allows(Action::Stop) {
        return Ok(Outcome::NotInThisState(migration.status));
    }
    // A slice that takes it up in this very moment makes the next sync point.
    let waits = matches!(migration.status, Status::Pending | Status::Scheduled);
    let sync_point = migration.sync_point() + u32::from(waits);
    control::ask(store, id, &Request::Stop { sync_point }).await?;
    let Some(lease) = lease::claim(store, id, now.0, boot).await? else { return Ok(Outcome::Done) };
    if let Some(mut migration) = read(store, id).await?
        && migration.status.allows(Action::Stop)
    {
        end(&mut migration, Status::Stopped, now);
        records::write(store, &keys::migration(id), &migration).await?;
        store.delete_many(&[keys::credentials(id), keys::control(id)]).await?;
        due::set(store, id, None).await?;
    }
    lease.release(store).await?;
    Ok(Outcome::Done)
}

/// Sets what every ended run has.
pub(crate) fn end(migration: &mut Migration, status: Status, now: Timestamp) {
    migration.status = status;
    migration.phase = Some(Phase::Finished);
    migration.waiting = None;
    migration.folder = None;
    migration.eta_seconds = None;
    migration.updated_at = now;
    if let Some(point) = migration.sync_points.last_mut() {
        point.finished_at.get_or_insert(now);
    }
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
    let Some(before) = read(store, id).await? else { return Ok(Outcome::Gone) };
    if !before.status.allows(Action::Synchronise) {
        return Ok(Outcome::NotInThisState(before.status));
    }
    let Some(lease) = lease::claim(store, id, now.0, boot).await? else {
        return Ok(Outcome::NotInThisState(Status::Running));
    };
    let Some(mut migration) = read(store, id).await? else { return Ok(Outcome::Gone) };
    let outcome = if migration.status.allows(Action::Synchronise) {
        migration.status = Status::Pending;
        migration.phase = None;
        migration.last_error = None;
        migration.updated_at = now;
        let cursor: Option<Cursor> = records::read(store, &keys::cursor(id)).await?;
        let key = keys::migration(id);
        let record = records::encode(&key, &migration)?;
        let sealed = seal.seal(id, credentials, random)?;
        let mut pairs = vec![(key, record), (keys::credentials(id), sealed)];
        if let Some(cursor) = cursor {
            let key = keys::cursor(id);
            let fresh = Cursor { phase: Phase::Discover, at: 0, attempts: 0, losses: 0, ..cursor };
            let record = records::encode(&key, &fresh)?;
            pairs.push((key, record));
        }
        store.delete(&keys::control(id)).await?;
        store.set_many(pairs).await?;
        due::set(store, id, Some(now.0)).await?;
        Outcome::Done
    } else {
        Outcome::NotInThisState(migration.status)
    };
    lease.release(store).await?;
    Ok(outcome)
}

/// Keys deleted in one call; keeps a single write short.
const DELETE_MANY_MAX: usize = 500;

/// Erases every trace. A slice that is at it stops at its next checkpoint, since its lease is gone.
pub async fn erase(store: &impl Store, id: &MigrationId) -> Result<Outcome, Error> {
    if read(store, id).await?.is_none() {
        return Ok(Outcome::Gone);
    }
    // The lease first: without it no slice writes any more.
    store.delete_many(&[keys::lease(id), keys::credentials(id)]).await?;
    due::set(store, id, None).await?;
    let lists = report::listed_keys(store, id).await?;
    for piece in lists.chunks(DELETE_MANY_MAX) {
        store.delete_many(piece).await?;
    }
    // The record last: an erasure that was interrupted can be asked for again.
    let mut fixed = keys::of_migration(id);
    fixed.sort_by_key(|key| *key == keys::migration(id));
    store.delete_many(&fixed).await?;
    Ok(Outcome::Done)
}
