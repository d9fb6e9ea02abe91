//! One slice of one migration: claim, open, reconcile, work, conclude, release.

use model::{Migration, MigrationId, Status, Timestamp};
use notify::Outbox;
use store::lease::Lease;
use store::{Store, due, keys, lease, records};

use crate::conclude::conclude;
use crate::counted::Before;
use crate::ended::{Advanced, tidy_up};
use crate::fruitless::{self, FRUITLESS_MAX};
use crate::owner::holding;
use crate::requests::Asked;
use crate::run::Run;
use crate::trouble::Halt;
use crate::world::{Host, World};
use crate::{erase, servers, watch};

/// Works on `id` until the slice's budget is spent, it ends, or it has to wait.
pub(crate) async fn advance<H: Host, S: Store>(
    world: &World<'_, H, S>,
    id: &MigrationId,
) -> Result<Advanced, store::Error> {
    let now_ms = world.host.now_ms();
    if erase::is_under_way(world.store, id).await? {
        due::set(world.store, id, None).await?;
        return Ok(Advanced::Until(None));
    }
    let Some(mut held) = lease::claim_at(world.store, id, world.moment()).await? else {
        if crate::stored::read(world.store, id).await?.is_none() {
            due::set(world.store, id, None).await?;
            return Ok(Advanced::Until(None));
        }
        return Ok(Advanced::Busy);
    };
    if held.is_contested() && !watch::wait_out(world, &mut held).await? {
        return Ok(Advanced::Busy);
    }
    let fence = held.fence();
    let done = match advance_held(world, id, held.clone(), now_ms).await {
        Err(error) => fruitless::in_trouble(world, id, held, error).await?,
        Ok(done) => done,
    };
    erase::acknowledge(world.store, id, fence, world.host.now_ms()).await?;
    Ok(done)
}

/// The same with the lease held.
async fn advance_held<H: Host, S: Store>(
    world: &World<'_, H, S>,
    id: &MigrationId,
    held: Lease,
    now_ms: u64,
) -> Result<Advanced, store::Error> {
    let Some(mut migration) = crate::stored::read(world.store, id).await? else {
        due::set(world.store, id, None).await?;
        return Ok(Advanced::Until(None));
    };
    let before = Before::read(world.store, id).await?;
    if before.fruitless >= FRUITLESS_MAX && not_yet(&migration, Timestamp(now_ms)).is_none() {
        return fruitless::give_up(world, id, held, fruitless::too_many()).await;
    }
    // A write that made something to be told may have been the last thing before a cut.
    if let Some(mut outbox) = Outbox::read(world.store, &migration).await? {
        outbox.announce(world.store, id, now_ms).await?;
    }
    let now = Timestamp(now_ms);
    if migration.repeats_no_more(now) {
        return repeated(world, held, migration, now).await;
    }
    let asked = crate::requests::request(world.store, &migration).await?;
    match asked {
        Some(Asked::Stop) => {
            let run = Run::load(world, held, migration).await?;
            return conclude(run, Err(Halt::Stopped)).await;
        }
        Some(Asked::Pause) => {
            let run = Run::load(world, held, migration).await?;
            return conclude(run, Err(Halt::Paused)).await;
        }
        // Written with the first checkpoint; until then it is asked for as before.
        Some(Asked::Resume) => holding::let_go(&mut migration),
        None => {}
    }
    if let Some(later) = not_yet(&migration, now) {
        if later.is_none() {
            // A slice that ended the run was cut off before it had tidied up.
            tidy_up(world.store, &migration, now).await?;
        }
        let migration = replan(world.store, &held, migration, later).await?;
        crate::membership::due(world.store, &migration, later, now).await?;
        held.release(world.store).await?;
        return Ok(Advanced::Until(later));
    }
    if migration.status != Status::Paused && migration.quiet_until(now).is_some() {
        let mut run = Run::load(world, held, migration).await?;
        let result = run.checkpoint().await.and(Err(Halt::Budget));
        return conclude(run, result).await;
    }
    let fence = held.fence();
    let slow_before = before.slow;
    if let Err(again_ms) = servers::take(world, &migration, (fence, slow_before)).await? {
        // Nothing was begun, so nothing is written down of it.
        crate::membership::due(world.store, &migration, Some(again_ms), now).await?;
        held.release(world.store).await?;
        return Ok(Advanced::Until(Some(again_ms)));
    }
    before.begin(world.store, id, world.boot).await?;
    watch::watched(world, held, migration).await
}

/// The time of a migration that was repeated is over: it stays as its last run left it.
async fn repeated<H: Host, S: Store>(
    world: &World<'_, H, S>,
    held: Lease,
    mut migration: Migration,
    now: Timestamp,
) -> Result<Advanced, store::Error> {
    migration.status = migration.last_outcome();
    (migration.next_run_at, migration.updated_at) = (None, now);
    let key = keys::migration(&migration.id);
    let mut pairs = vec![(key.clone(), records::encode(&key, &migration)?)];
    if !migration.keeps_credentials(now) {
        pairs.push((keys::credentials(&migration.id), Vec::new()));
    }
    if !held.write(world.store, pairs).await? {
        return Ok(Advanced::Busy);
    }
    tidy_up(world.store, &migration, now).await?;
    crate::membership::due(world.store, &migration, None, now).await?;
    held.release(world.store).await?;
    Ok(Advanced::Until(None))
}

/// Writes down that a run comes sooner than it was planned, after the clock was set back.
async fn replan(
    store: &impl Store,
    held: &Lease,
    mut migration: Migration,
    later: Option<u64>,
) -> Result<Migration, store::Error> {
    let later = later.map(Timestamp);
    if migration.next_run_at.is_some() && later.is_some() && migration.next_run_at != later {
        migration.next_run_at = later;
        let key = keys::migration(&migration.id);
        let record = records::encode(&key, &migration)?;
        // Where the lease was lost, whoever has it does the same.
        held.write(store, vec![(key, record)]).await?;
    }
    Ok(migration)
}

/// `Some` where there is nothing to do now: when it is due, or `None` for never.
fn not_yet(migration: &Migration, now: Timestamp) -> Option<Option<u64>> {
    match migration.status {
        Status::Scheduled => {
            let start = migration.run_due(now);
            (start > now).then_some(Some(start.0))
        }
        Status::Pending | Status::Running | Status::Waiting | Status::Removing => None,
        Status::Paused => {
            let until_ms = migration.updated_at.0.saturating_add(holding::PAUSED_MAX_MS);
            (until_ms > now.0).then_some(Some(until_ms))
        }
        Status::AwaitingUpload
        | Status::AwaitingStart
        | Status::Completed
        | Status::CompletedWithErrors
        | Status::Stopped
        | Status::Failed => Some(None),
    }
}
