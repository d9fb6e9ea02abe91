//! One slice of one migration: claim, open, reconcile, work, conclude, release.

use model::{Migration, MigrationId, Phase, Status, SyncPoint, Timestamp};
use notify::Outbox;
use services::mail::{MailService, MailSource};
use store::lease::Lease;
use store::seal::Credentials;
use store::{Store, due, keys, lease, records};

use crate::advance::Ended;

pub(crate) use crate::conclude::conclude;
use crate::fruitless::{self, Before, FRUITLESS_MAX};
use crate::holding::Asked;
pub(crate) use crate::lines::Lines;
use crate::run::Run;
use crate::trouble::Halt;
use crate::world::{Host, World};
use crate::{
    changes, copy, discover, erase, finding, folders, holding, lifecycle, lines, moves, numbers,
    projects,
};
use crate::{pairs, reconcile, remove, servers, verify, watch};
use ledger::folder::Folder;

/// How a slice ended, for whoever drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advanced {
    /// It worked; due again at this time (ms), or never.
    Until(Option<u64>),
    /// Someone else is at it.
    Busy,
}

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
        if lifecycle::read(world.store, id).await?.is_none() {
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
    let Some(mut migration) = lifecycle::read(world.store, id).await? else {
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
    let asked = holding::request(world.store, &migration).await?;
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
        projects::due(world.store, &migration, later, now).await?;
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
        projects::due(world.store, &migration, Some(again_ms), now).await?;
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
    projects::due(world.store, &migration, None, now).await?;
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

/// Takes away what no run needs any more.
pub(crate) async fn tidy_up(
    store: &impl Store,
    migration: &Migration,
    now: Timestamp,
) -> Result<(), store::Error> {
    store.delete_many(&[keys::control(&migration.id), keys::hold(&migration.id)]).await?;
    if migration.keeps_credentials(now) {
        return Ok(());
    }
    store.delete_many(&[keys::credentials(&migration.id), keys::hook(&migration.id)]).await
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

pub(crate) async fn work<H: Host, S: Store>(run: &mut Run<'_, H, S>) -> Result<(), Halt> {
    if run.migration.status == Status::Paused {
        // Held for too long: passwords are not kept for ever.
        return Err(Halt::Stopped);
    }
    let begins = run.migration.status != Status::Running;
    begin(run);
    run.checkpoint().await?;
    if begins {
        projects::show(run.store(), &run.migration).await?;
    }
    if run.cursor.phase == Phase::Finished {
        return Ok(());
    }
    let credentials = unseal(run).await?;
    if run.cursor.phase == Phase::Remove {
        pairs::take(run, true).await?;
        return remove::remove(run, &credentials.destination).await;
    }
    finding::name_servers(run).await?;
    pairs::take(run, begins).await?;
    run.opening = true;
    let mut lines = lines::open(run, &credentials).await?;
    run.opening = false;
    run.true_sizes = !lines.source.facts().size_is_estimate;
    if run.cursor.phase != Phase::Discover {
        lines = lines.compressed().await?;
    }
    let mut done = prepare(run, &mut lines).await;
    while done.is_ok() && !matches!(run.cursor.phase, Phase::Remove | Phase::Finished) {
        let before = run.cursor.phase;
        done = phase(run, &mut lines).await;
        let carries = |folder: &Folder| folder.listed && (!folder.done || folder.stale);
        if done.is_ok() && before == Phase::Discover && run.folders.iter().any(carries) {
            lines = lines.compressed().await?;
        }
    }
    match &done {
        Ok(()) => {
            lines.farewell(run.world.host, run.migration.project.is_some()).await;
        }
        // Nothing is wrong with the line.
        Err(
            Halt::Budget
            | Halt::Stopped
            | Halt::Paused
            | Halt::Held
            | Halt::Taken
            | Halt::Quiet(_)
            | Halt::Later(..),
        ) => {
            lines.source.part(run.world.host).await;
        }
        Err(Halt::Lost | Halt::Trouble(..) | Halt::Impossible(_) | Halt::Store(_)) => {}
    }
    done
}

/// What comes before anything else is done.
async fn prepare<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
) -> Result<(), Halt> {
    numbers::number(run, &mut lines.source).await?;
    reconcile::reconcile(run, lines).await?;
    moves::reconcile(run, lines).await
}

async fn phase<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
) -> Result<(), Halt> {
    match run.cursor.phase {
        Phase::Discover => discover::discover(run, lines).await,
        Phase::Folders => folders::make(run, lines).await,
        Phase::Changes => changes::changes(run, lines).await,
        Phase::Mail => copy::copy(run, lines).await,
        Phase::Verify => verify::verify(run, lines).await,
        // Entered by the owner only, and seen to before.
        Phase::Remove | Phase::Finished => Ok(()),
    }
}

/// Marks the run as running; the first slice of a run makes its sync point.
fn begin<H: Host, S: Store>(run: &mut Run<'_, H, S>) {
    let now = run.now();
    let migration = &mut run.migration;
    // A removal that was cut off after its last message has no phase left, but ends as a removal:
    // it must not begin another run.
    if run.cursor.phase == Phase::Remove || migration.status == Status::Removing {
        migration.status = Status::Removing;
        migration.waiting = None;
        migration.phase = Some(Phase::Remove);
        return;
    }
    let number = migration.sync_point();
    let open = migration.sync_points.last().is_some_and(|point| point.finished_at.is_none());
    if !open {
        migration.removal = None;
        let started_at = now;
        migration.sync_points.push(SyncPoint {
            number: number + 1,
            started_at,
            ..SyncPoint::default()
        });
        for counters in migration.progress.values_mut() {
            *counters = model::Counters::default();
        }
    }
    migration.status = Status::Running;
    (migration.waiting, migration.next_run_at) = (None, None);
    migration.phase = Some(run.cursor.phase);
    if let Some(outbox) = &mut run.outbox {
        outbox.started(migration, now);
    }
}

async fn unseal<H: Host, S: Store>(run: &Run<'_, H, S>) -> Result<Credentials, Halt> {
    let sealed = run.store().get(&keys::credentials(run.id())).await?;
    let Some(sealed) = sealed.filter(|sealed| !sealed.is_empty()) else {
        return Err(Halt::Impossible(
            "The passwords of this migration were erased. Synchronise to give them again.".into(),
        ));
    };
    run.world.seal.open(run.id(), &sealed).map_err(|_| {
        Halt::Impossible(
            "The passwords cannot be opened: the secret key of this installation was changed. \
             Synchronise to give them again."
                .into(),
        )
    })
}

impl Advanced {
    /// For whoever fans out.
    pub(crate) fn ended(self) -> Ended {
        match self {
            Advanced::Until(due_ms) => Ended::Worked { active: due_ms.is_some() },
            Advanced::Busy => Ended::Busy,
        }
    }
}
