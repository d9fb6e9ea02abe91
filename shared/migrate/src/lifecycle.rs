//! What an owner can do with a migration, from outside a slice.
//!
//! A migration's record has one writer at a time: whoever holds its lease. Creating makes the
//! lease; stopping leaves a request that the running slice sees; the rest takes the lease itself.
//! [`crate::erase`] erases.

use model::{Action, Migration, MigrationId, Phase, Removal, Status, Timestamp};
use notify::Outbox;
use notify::delivery::Delivery;
use store::control::{self, Request};
use store::seal::{Credential, Credentials, Seal};
use store::{Error, Store, calendar, due, keys, lease, records};
use wire::{Random, Secret};

pub use crate::holding::{pause, resume};
use crate::run::Run;
use crate::world::Host;
use crate::{pairs, projects, upkeep, watch};
use ledger::Cursor;
use ledger::folder::Folder;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, or will be with the next checkpoint.
    Done,
    /// Not in this status; `Status::actions` says what is possible.
    NotInThisState(Status),
    /// There is no such migration.
    Gone,
    /// Another migration of the same accounts is at work.
    Taken,
}

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
    let look_ms = upkeep::first_look_ms(migration);
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

/// The migration; `None` where there is none, or where it is being erased.
pub async fn read(store: &impl Store, id: &MigrationId) -> Result<Option<Migration>, Error> {
    // In this order: once the erasure is no longer noted, the migration is gone.
    let names = [keys::erasing(id), keys::migration(id)];
    match store.get_many(&names).await?.as_slice() {
        [None, Some(bytes)] => records::decode(&keys::migration(id), bytes).map(Some),
        _ => Ok(None),
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
        projects::due(store, &migration, None, now).await?;
    }
    lease.release(store).await?;
    Ok(Outcome::Done)
}

/// Leaves a request for the slice at work; the lease where none is.
pub(crate) async fn interrupt(
    store: &impl Store,
    id: &MigrationId,
    now: Timestamp,
    boot: &str,
    (action, request): (Action, &dyn Fn(u32) -> Request),
) -> Result<Option<lease::Lease>, Error> {
    let Some(migration) = read(store, id).await? else { return Ok(None) };
    if !migration.status.allows(action) {
        return Ok(None);
    }
    // A slice that takes it up in this very moment makes the next sync point.
    control::ask(store, id, &request(watch::sync_point(&migration))).await?;
    lease::claim(store, id, now.0, boot).await
}

/// What became of a request that no lease was got for.
pub(crate) async fn outcome_of(
    store: &impl Store,
    id: &MigrationId,
    action: Action,
) -> Result<Outcome, Error> {
    Ok(match read(store, id).await? {
        None => Outcome::Gone,
        Some(migration) if migration.status.allows(action) => Outcome::Done,
        Some(migration) => Outcome::NotInThisState(migration.status),
    })
}

/// Sets what every ended run has.
pub(crate) fn end(migration: &mut Migration, status: Status, now: Timestamp) {
    migration.status = status;
    migration.phase = Some(Phase::Finished);
    migration.waiting = None;
    migration.next_run_at = None;
    migration.folder = None;
    migration.eta_seconds = None;
    migration.updated_at = now;
    if let Some(point) = migration.sync_points.last_mut() {
        point.finished_at.get_or_insert(now);
    }
}

/// Has the owner told how a slice left the migration: that it ended, or waits for too long.
pub(crate) fn tell<H: Host, S: Store>(run: &mut Run<'_, H, S>, now: Timestamp) {
    let Some(outbox) = &mut run.outbox else { return };
    if run.migration.status.is_final() {
        outbox.ended(&run.migration, outcome(&run.migration, &run.folders), now);
    } else {
        outbox.settled(&run.migration, run.progressed, now);
    }
}

/// How the last run ended.
pub(crate) fn outcome(migration: &Migration, folders: &[Folder]) -> model::Outcome {
    let point = migration.sync_points.last();
    let verdicts = folders.iter().map(|folder| folder.report().verdict);
    model::Outcome {
        sync_point: migration.sync_point(),
        status: migration.status,
        started_at: point.map(|point| point.started_at),
        progress: migration.progress.clone(),
        failures: point.map_or(0, |point| point.failed),
        folders: folders.len() as u64,
        verdict: model::Verdict::overall(verdicts),
        last_error: migration.last_error.clone(),
        removal: migration.removal,
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

/// Writes a migration that is to run from now on; `false` where the lease is no longer ours. It is
/// due before it is written: of two writes the first may be the last, and a slice that finds nothing to
/// do takes it out of the index again, while nobody looks for what is in none.
pub(crate) async fn make_due(
    store: &impl Store,
    lease: &lease::Lease,
    (migration, pairs): (&Migration, Vec<(String, Vec<u8>)>),
    now: Timestamp,
) -> Result<bool, Error> {
    due::by(store, &migration.id, now.0).await?;
    if !lease.write(store, pairs).await? {
        return Ok(false);
    }
    projects::due(store, migration, Some(now.0), now).await?;
    Ok(true)
}

/// Changes a migration that no slice works on, with its cursor where that changes too, and makes
/// it due.
pub(crate) async fn change_idle(
    store: &impl Store,
    id: &MigrationId,
    (now, boot): (Timestamp, &str),
    action: Action,
    change: impl FnOnce(&mut Migration, Option<Cursor>) -> Option<Cursor>,
    sealed: Option<Vec<u8>>,
) -> Result<Outcome, Error> {
    let Some(before) = read(store, id).await? else { return Ok(Outcome::Gone) };
    if !before.status.allows(action) {
        return Ok(Outcome::NotInThisState(before.status));
    }
    let Some(lease) = lease::claim(store, id, now.0, boot).await? else {
        return Ok(Outcome::NotInThisState(Status::Running));
    };
    let Some(mut migration) = read(store, id).await? else { return Ok(Outcome::Gone) };
    let sides = (&migration.source, &migration.destination);
    let taken = migration.status.allows(action) && pairs::claim(store, sides, id).await?.is_err();
    let outcome = if taken {
        Outcome::Taken
    } else if migration.status.allows(action) {
        migration.phase = None;
        migration.last_error = None;
        migration.held_by_project = false;
        migration.updated_at = now;
        let cursor: Option<Cursor> = records::read(store, &keys::cursor(id)).await?;
        let cursor = change(&mut migration, cursor);
        let key = keys::migration(id);
        let mut pairs = vec![(key.clone(), records::encode(&key, &migration)?)];
        pairs.extend(sealed.map(|sealed| (keys::credentials(id), sealed)));
        if let Some(cursor) = cursor {
            let key = keys::cursor(id);
            pairs.push((key.clone(), records::encode(&key, &cursor)?));
        }
        // What was asked of the run that goes on still holds; a removal has the number of the run
        // before it.
        if action != Action::Resume {
            store.delete(&keys::control(id)).await?;
        }
        if !make_due(store, &lease, (&migration, pairs), now).await? {
            return Ok(Outcome::NotInThisState(Status::Running));
        }
        Outcome::Done
    } else {
        Outcome::NotInThisState(migration.status)
    };
    lease.release(store).await?;
    Ok(outcome)
}
