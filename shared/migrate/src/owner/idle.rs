//! Changing a migration that no slice works on, with its lease held; and leaving a request for a slice that
//! does.

use ledger::Cursor;
use model::{Action, Migration, MigrationId, Status, Timestamp};
use store::control::{self, Request};
use store::{Error, Store, due, keys, lease, records};

use crate::pairs;
use crate::stored::read;

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
    control::ask(store, id, &request(crate::requests::sync_point(&migration))).await?;
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
    crate::membership::due(store, migration, Some(now.0), now).await?;
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
