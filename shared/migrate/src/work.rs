//! The work of a slice: both accounts are opened, what a cut left is resolved, then phase after phase.

use ledger::folder::Folder;
use model::{Phase, Status, SyncPoint};
use services::mail::{MailService, MailSource};
use store::seal::Credentials;
use store::{Store, keys};

use crate::mail::lines::Lines;
use crate::mail::{
    changes, copy, discover, folders, lines, moves, numbers, reconcile, remove, verify,
};
use crate::run::Run;
use crate::trouble::Halt;
use crate::world::Host;
use crate::{finding, pairs};

pub(crate) async fn work<H: Host, S: Store>(run: &mut Run<'_, H, S>) -> Result<(), Halt> {
    if run.migration.status == Status::Paused {
        // Held for too long: passwords are not kept for ever.
        return Err(Halt::Stopped);
    }
    let begins = run.migration.status != Status::Running;
    begin(run);
    run.checkpoint().await?;
    if begins {
        crate::membership::show(run.store(), &run.migration).await?;
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
pub(crate) async fn prepare<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
) -> Result<(), Halt> {
    numbers::number(run, &mut lines.source).await?;
    reconcile::reconcile(run, lines).await?;
    moves::reconcile(run, lines).await
}

pub(crate) async fn phase<H: Host, S: Store>(
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
pub(crate) fn begin<H: Host, S: Store>(run: &mut Run<'_, H, S>) {
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

pub(crate) async fn unseal<H: Host, S: Store>(run: &Run<'_, H, S>) -> Result<Credentials, Halt> {
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
