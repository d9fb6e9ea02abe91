//! Holding a migration and letting it go on, and what its owner asked for last.
//!
//! A request is left for the slice at work and seen at its next look. Where no slice is at work the
//! change is made at once, with the lease held. A slice that ends looks for requests once more after it
//! has released the lease: who asked and did not get the lease counts on that. So whatever is asked in
//! which order, the last request that was accepted is the one that holds.
//!
//! A project holds its migrations in another way: it leaves word with each, which means something only
//! while the project itself is held, so that no order of holding and letting go leaves anything behind.

use ledger::Cursor;
use model::{Action, Migration, MigrationId, Phase, ProjectId, Status, Timestamp};
use project::record;
use store::control::{self, Request};
use store::{Error, Store, keys, lease, records};

use crate::owner::idle::{Outcome, change_idle, interrupt, outcome_of};
use crate::requests::{Asked, request};
use crate::stored::read;

/// How long a paused run is kept: its passwords are sealed here meanwhile.
pub(crate) const PAUSED_MAX_MS: u64 = 7 * 24 * 3600 * 1000;

/// Holds a run where it is, for [`PAUSED_MAX_MS`] at most; after that it ends as stopped.
pub async fn pause(
    store: &impl Store,
    id: &MigrationId,
    now: Timestamp,
    boot: &str,
) -> Result<Outcome, Error> {
    let request = |sync_point| Request::Pause { sync_point };
    let Some(lease) = interrupt(store, id, now, boot, (Action::Pause, &request)).await? else {
        return outcome_of(store, id, Action::Pause).await;
    };
    if let Some(mut migration) = read(store, id).await?
        && migration.status.allows(Action::Pause)
    {
        hold_idle(store, &lease, &mut migration, (now, HeldBy::Owner)).await?;
    }
    lease.release(store).await?;
    Ok(Outcome::Done)
}

/// Has a migration hold as long as its project does: within one batch where a slice is at it, at once
/// otherwise.
pub(crate) async fn hold_for_project(
    store: &impl Store,
    project: &ProjectId,
    id: &MigrationId,
    (now, boot): (Timestamp, &str),
) -> Result<Outcome, Error> {
    let Some(migration) = read(store, id).await? else { return Ok(Outcome::Gone) };
    if !migration.status.allows(Action::Pause) {
        return Ok(Outcome::NotInThisState(migration.status));
    }
    control::hint(store, id).await?;
    let Some(lease) = lease::claim(store, id, now.0, boot).await? else {
        return Ok(Outcome::Done);
    };
    if let Some(mut migration) = read(store, id).await?
        && migration.status.allows(Action::Pause)
        && record::queue(store, project).await?.paused
    {
        hold_idle(store, &lease, &mut migration, (now, HeldBy::Project)).await?;
    }
    lease.release(store).await?;
    Ok(Outcome::Done)
}

/// Holds a migration that no slice works on.
async fn hold_idle(
    store: &impl Store,
    lease: &lease::Lease,
    migration: &mut Migration,
    (now, by): (Timestamp, HeldBy),
) -> Result<(), Error> {
    hold(migration, now, by);
    let key = keys::migration(&migration.id);
    let record = records::encode(&key, migration)?;
    // Where the lease was taken, its taker sees what was asked for.
    if lease.write(store, vec![(key, record)]).await? {
        let due_ms = Some(now.0.saturating_add(PAUSED_MAX_MS));
        crate::membership::due(store, migration, due_ms, now).await?;
    }
    Ok(())
}

/// Sets what a run has that goes on after a pause.
pub(crate) fn let_go(migration: &mut Migration) {
    migration.status = Status::Pending;
    migration.held_by_project = false;
}

/// Goes on after a pause; of one that a slice has not seen so far, nothing comes.
pub async fn resume(
    store: &impl Store,
    id: &MigrationId,
    now: Timestamp,
    boot: &str,
) -> Result<Outcome, Error> {
    let Some(migration) = read(store, id).await? else { return Ok(Outcome::Gone) };
    let holds = request(store, &migration).await? == Some(Asked::Pause);
    if !migration.status.allows(Action::Resume) && !holds {
        return Ok(Outcome::NotInThisState(migration.status));
    }
    let sync_point = crate::requests::sync_point(&migration);
    control::ask(store, id, &Request::Resume { sync_point }).await?;
    match go_on(store, id, now, boot).await? {
        // A slice is at it, and sees what was asked for.
        Outcome::NotInThisState(status) if !status.is_final() => Ok(Outcome::Done),
        outcome => Ok(outcome),
    }
}

/// Lets a migration go on that its project held, and nobody else.
pub(crate) async fn resume_for_project(
    store: &impl Store,
    id: &MigrationId,
    now: Timestamp,
    boot: &str,
) -> Result<Outcome, Error> {
    match read(store, id).await? {
        None => Ok(Outcome::Gone),
        Some(held) if held.status == Status::Paused && !held.held_by_project => {
            Ok(Outcome::NotInThisState(Status::Paused))
        }
        Some(_) => go_on(store, id, now, boot).await,
    }
}

async fn go_on(
    store: &impl Store,
    id: &MigrationId,
    now: Timestamp,
    boot: &str,
) -> Result<Outcome, Error> {
    let change = |migration: &mut Migration, cursor: Option<Cursor>| {
        let removing = cursor.is_some_and(|cursor| cursor.phase == Phase::Remove);
        let_go(migration);
        if removing {
            migration.status = Status::Removing;
        }
        None
    };
    change_idle(store, id, (now, boot), Action::Resume, change, None).await
}

/// Who wants a migration held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeldBy {
    /// Its owner, until that one says otherwise.
    Owner,
    /// Its project, as long as that is held.
    Project,
}

/// Sets what a held run has.
pub(crate) fn hold(migration: &mut Migration, now: Timestamp, by: HeldBy) {
    migration.status = Status::Paused;
    migration.held_by_project = by == HeldBy::Project;
    migration.waiting = None;
    migration.folder = None;
    migration.eta_seconds = None;
    migration.updated_at = now;
}
