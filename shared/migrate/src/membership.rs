//! What a migration of a project and the queue of its project say to each other.

use model::{Account, Migration, MigrationId, ProjectId, Status, Timestamp};
use project::members::{self, Row};
use project::queue::{Left, Place, Queue};
use project::record;
use store::{Error, Store, due};

use crate::servers;

/// Where a migration belongs in the queue of its project.
pub(crate) fn place(group: Option<&String>, source: &Account, destination: &Account) -> Place {
    Place {
        group: group.cloned().unwrap_or_default(),
        source: servers::name(source),
        destination: servers::name(destination),
    }
}

/// Says when `migration` is due again, as it was just written; one of a project through its queue.
pub(crate) async fn due(
    store: &impl Store,
    migration: &Migration,
    due_ms: Option<u64>,
    now: Timestamp,
) -> Result<(), Error> {
    let id = &migration.id;
    let Some(membership) = &migration.project else { return due::set(store, id, due_ms).await };
    let (project, number) = (&membership.project, membership.number);
    members::update(store, project, number, &Row::of(migration)).await?;
    let left = match (migration.status, due_ms) {
        (Status::Paused, _) if migration.held_by_project => Left::Held,
        (Status::Paused, _) => Left::HeldByOwner,
        (_, None) => Left::Ended,
        (_, Some(at_ms)) if at_ms > now.0 => Left::Waiting(at_ms),
        (_, Some(_)) => Left::Unfinished,
    };
    if left == Left::Unfinished {
        let queue = record::queue(store, project).await?;
        if queue.is_active(number) {
            record::change_queue(store, project, |queue| queue.settle(number, left)).await?;
            if queue.paused {
                // It was let go alone, or has not seen that all are to hold.
                due::project_by(store, project, now.0).await?;
            }
            return due::set(store, id, due_ms).await;
        }
    }
    let place = place(membership.group.as_ref(), &migration.source, &migration.destination);
    // From the change of the queue on another driver may begin it again: that is not undone.
    let known_ms = due::known(store, id).await?;
    change_queue(store, project, now, |queue| match left {
        Left::Unfinished => queue.again(number, &place),
        Left::Held => queue.hold(number, &place),
        Left::Waiting(at_ms) => queue.wait(number, at_ms, &place),
        left => queue.settle(number, left),
    })
    .await?;
    // What is held for too long ends by itself.
    let due_ms = due_ms.filter(|_| matches!(left, Left::Held | Left::HeldByOwner));
    due::settle(store, id, known_ms, due_ms).await.map(|_| ())
}

/// Writes into the list of its project how a migration stands.
pub(crate) async fn show(store: &impl Store, migration: &Migration) -> Result<(), Error> {
    match &migration.project {
        None => Ok(()),
        Some(place) => {
            members::update(store, &place.project, place.number, &Row::of(migration)).await
        }
    }
}

/// Takes a migration that is being erased out of its project.
pub(crate) async fn leave(
    store: &impl Store,
    id: &MigrationId,
    now: Timestamp,
) -> Result<(), Error> {
    let key = store::keys::migration(id);
    let migration: Option<Migration> = store::records::read(store, &key).await?;
    let Some(membership) = migration.and_then(|migration| migration.project) else {
        return Ok(());
    };
    let (project, number) = (&membership.project, membership.number);
    members::erased(store, project, number).await?;
    change_queue(store, project, now, |queue| queue.settle(number, Left::Ended)).await
}

/// Whoever dies while a queue is changed has it looked at after this long.
pub(crate) const SAFETY_MS: u64 = 5_000;

/// Changes a queue and has it looked at. It is put down for later before, in case that this is cut
/// off, and for now afterwards: who looked in between may have found nothing to do.
pub(crate) async fn change_queue(
    store: &impl Store,
    id: &ProjectId,
    now: Timestamp,
    with: impl Fn(&mut Queue),
) -> Result<(), Error> {
    due::project_by(store, id, now.0 + SAFETY_MS).await?;
    record::change_queue(store, id, with).await?;
    due::project_by(store, id, now.0).await
}
