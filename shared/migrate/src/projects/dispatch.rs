//! Lets a project's migrations run as its queue decides.

use std::collections::BTreeMap;

use model::{MigrationId, Project, ProjectId, Status, Timestamp};
use project::queue::{Deeds, Left, Queue};
use project::{members, record};
use store::{Error, Store, due, hosts, keys, records};

use super::{add, erase};
use crate::ended::Advanced;
use crate::owner::holding;
use crate::owner::lifecycle::Outcome;
use crate::world::{Host, World};

/// Rounds of deciding and doing; each one that does nothing ends it.
const ROUNDS_MAX: u32 = 100;

/// Sees to the queue of a project that is due since `known_ms`.
pub(crate) async fn dispatch<H: Host, S: Store>(
    world: &World<'_, H, S>,
    id: &ProjectId,
    known_ms: u64,
) -> Result<Advanced, Error> {
    let (store, now) = (world.store, Timestamp(world.host.now_ms()));
    if erase::is_under_way(store, id).await? {
        return erase::slice(world, id, known_ms).await;
    }
    let Some(project) = record::read(store, id).await? else {
        due::settle_project(store, id, known_ms, None).await?;
        return Ok(Advanced::Until(None));
    };
    see_to(store, &project, (now, world.boot), known_ms).await.map(Advanced::Until)
}

/// Does what there is to do, and says when there is more (ms since 1970).
pub(crate) async fn see_to(
    store: &impl Store,
    project: &Project,
    (now, boot): (Timestamp, &str),
    known_ms: u64,
) -> Result<Option<u64>, Error> {
    let id = &project.id;
    let unfinished_ms = add::tidy_up(store, id, now).await?;
    for _ in 0..ROUNDS_MAX {
        if !round(store, project, (now, boot)).await? {
            break;
        }
    }
    let next_ms = record::queue(store, id).await?.next_ms(&project.options, now);
    let next_ms = next_ms.into_iter().chain(unfinished_ms).min();
    due::settle_project(store, id, known_ms, next_ms).await?;
    Ok(next_ms)
}

/// Decides and does; whether there was anything to do.
async fn round(
    store: &impl Store,
    project: &Project,
    (now, boot): (Timestamp, &str),
) -> Result<bool, Error> {
    let (id, key) = (&project.id, keys::queue(&project.id));
    let Some(before) = store.get(&key).await? else { return Ok(false) };
    let mut queue: Queue = records::decode(&key, &before)?;
    let ceilings = hosts::ceilings(store, queue.servers().into_iter(), now.0).await?;
    let deeds = queue.turn(&project.options, now, &ceilings);
    // Written before it is done: who is active is known to the next round, whatever happens.
    let after = records::encode(&key, &queue)?;
    if after != before && !store.swap(&key, &before, after).await? {
        return Ok(true);
    }
    if deeds.is_empty() {
        return Ok(false);
    }
    let deeds = perform(store, id, deeds, (now, boot)).await?;
    record::change_queue(store, id, |queue| queue.done(&deeds)).await?;
    Ok(!deeds.start.is_empty() || !deeds.resume.is_empty())
}

/// Does what the queue decided; what was done of it.
async fn perform(
    store: &impl Store,
    project: &ProjectId,
    mut deeds: Deeds,
    (now, boot): (Timestamp, &str),
) -> Result<Deeds, Error> {
    let numbers = deeds.start.iter().chain(&deeds.resume).map(|(number, _)| *number);
    let ids = members::ids(store, project, numbers.chain(deeds.hold.iter().copied())).await?;
    for (number, _) in &deeds.start {
        match ids.get(number) {
            Some(id) => due::by(store, id, now.0).await?,
            None => forget(store, project, *number).await?,
        }
    }
    let mut resumed = Vec::new();
    for (number, start) in std::mem::take(&mut deeds.resume) {
        if resume_one(store, project, (number, ids.get(&number)), (now, boot)).await? {
            resumed.push((number, start));
        }
    }
    deeds.resume = resumed;
    hold(store, project, (&deeds.hold, &ids), (now, boot)).await?;
    Ok(deeds)
}

/// Lets a migration go on; `false` where it still holds, since a slice that ended has it, so that it is
/// to be tried again.
async fn resume_one(
    store: &impl Store,
    project: &ProjectId,
    (number, id): (u32, Option<&MigrationId>),
    (now, boot): (Timestamp, &str),
) -> Result<bool, Error> {
    let Some(id) = id else {
        forget(store, project, number).await?;
        return Ok(true);
    };
    match holding::resume_for_project(store, id, now, boot).await? {
        Outcome::Done => return Ok(true),
        Outcome::Gone => forget(store, project, number).await?,
        Outcome::Taken | Outcome::NotInThisState(_) => {
            let migration = crate::stored::read(store, id).await?;
            let Some(held) = migration.filter(|it| it.status == Status::Paused) else {
                // Somebody else was quicker: it goes on, or has come to its end.
                return Ok(true);
            };
            if held.held_by_project {
                return Ok(false);
            }
            record::change_queue(store, project, |queue| queue.settle(number, Left::HeldByOwner))
                .await?;
        }
    }
    Ok(true)
}

/// Tells migrations to hold; a slice that is at work does so at its next checkpoint.
async fn hold(
    store: &impl Store,
    project: &ProjectId,
    (numbers, ids): (&[u32], &BTreeMap<u32, MigrationId>),
    (now, boot): (Timestamp, &str),
) -> Result<(), Error> {
    for number in numbers {
        let held = match ids.get(number) {
            Some(id) => holding::hold_for_project(store, project, id, (now, boot)).await?,
            None => Outcome::Gone,
        };
        match held {
            Outcome::Done | Outcome::Taken => {}
            Outcome::NotInThisState(Status::Paused) => {
                settle_paused(store, project, (*number, ids.get(number))).await?;
            }
            // It cannot be held (a removal): it comes to its end. Or it has.
            Outcome::NotInThisState(status) if !status.is_final() => {}
            Outcome::NotInThisState(_) | Outcome::Gone => forget(store, project, *number).await?,
        }
    }
    Ok(())
}

/// Takes note of who holds a migration that holds already.
async fn settle_paused(
    store: &impl Store,
    project: &ProjectId,
    (number, id): (u32, Option<&MigrationId>),
) -> Result<(), Error> {
    let Some(id) = id else { return Ok(()) };
    let migration = crate::stored::read(store, id).await?;
    let Some(held) = migration.filter(|it| it.status == Status::Paused) else { return Ok(()) };
    let left = if held.held_by_project { Left::Held } else { Left::HeldByOwner };
    record::change_queue(store, project, |queue| queue.settle(number, left)).await
}

async fn forget(store: &impl Store, project: &ProjectId, number: u32) -> Result<(), Error> {
    record::change_queue(store, project, |queue| queue.settle(number, Left::Ended)).await
}

/// Has the queue of a project looked at now, after its owner changed something.
pub async fn wake(store: &impl Store, id: &ProjectId, now: Timestamp) -> Result<(), Error> {
    due::project_by(store, id, now.0).await
}

/// Holds the queue: nothing begins, and what runs holds within one batch.
pub async fn pause(store: &impl Store, id: &ProjectId, now: Timestamp) -> Result<(), Error> {
    set_paused(store, id, now, true).await
}

/// Lets the queue go on.
pub async fn resume(store: &impl Store, id: &ProjectId, now: Timestamp) -> Result<(), Error> {
    members::begin_to_measure(store, id, now).await?;
    set_paused(store, id, now, false).await
}

async fn set_paused(
    store: &impl Store,
    id: &ProjectId,
    now: Timestamp,
    paused: bool,
) -> Result<(), Error> {
    crate::membership::change_queue(store, id, now, |queue| queue.paused = paused).await?;
    record::change(store, id, now, |_| {}).await
}
