//! How a slice ended: what is written down of it, and when the migration is due again.

use model::{Migration, Phase, Status, Timestamp, Waiting};
use services::{Side, Trouble, Verdict, trouble};
use store::{Store, keys, metrics};

use crate::counted::Before;
use crate::ended::{Advanced, tidy_up};
use crate::endings::outcome;
use crate::owner::holding::{self, HeldBy};
use crate::pairs;
use crate::run::Run;
use crate::trouble::Halt;
use crate::world::Host;

/// Writes how the slice ended and says when the migration is due again.
pub(crate) async fn conclude<H: Host, S: Store>(
    mut run: Run<'_, H, S>,
    result: Result<(), Halt>,
) -> Result<Advanced, store::Error> {
    let now = run.now();
    // A removal came with the destination's password alone: nothing follows with that.
    let removing = run.cursor.phase == Phase::Remove || run.migration.status == Status::Removing;
    let needs_owner = removing || needs_owner(&result);
    let slow = matches!(result, Err(Halt::Trouble(_, Trouble::Slow { .. } | Trouble::InTheWay)));
    let due_ms = match result {
        Err(Halt::Lost) => return Ok(Advanced::Busy),
        Err(Halt::Store(error)) => return Err(error),
        Ok(()) => finish(&mut run, now),
        Err(halt) => halted(&mut run, halt, now),
    };
    match run.hold().await {
        Ok(()) => {}
        Err(Halt::Store(error)) => return Err(error),
        Err(_) => return Ok(Advanced::Busy),
    }
    // While it stands there as ended.
    crate::conclude::tell(&mut run, now);
    let ended = due_ms.is_none();
    let next = (ended && !needs_owner).then(|| run.migration.plan_next_run(now)).flatten();
    if next.is_some() {
        run.cursor = run.cursor.clone().again();
    }
    let due_ms = due_ms.or(next.map(|next| next.0));
    let id = run.id().clone();
    if due_ms.is_none() && (removing || !run.migration.keeps_credentials(now)) {
        // Emptied in the write that ends the run, so that no cut leaves them behind.
        run.stage(keys::credentials(&id), Vec::new());
    }
    let (key, cleared) = Before::cleared(&id, slow)?;
    run.stage(key, cleared);
    run.fruitless = false;
    match run.write().await {
        Ok(()) => {}
        Err(Halt::Store(error)) => return Err(error),
        Err(_) => return Ok(Advanced::Busy),
    }
    if due_ms.is_none() {
        tidy_up(run.store(), &run.migration, now).await?;
    } else if ended {
        run.store().delete(&keys::control(&id)).await?;
    }
    crate::membership::due(run.world.store, &run.migration, due_ms, now).await?;
    run.lease.release(run.world.store).await?;
    let due_ms =
        crate::requests::asked_meanwhile(run.world.store, &run.migration, (due_ms, now)).await?;
    if ended {
        count(run.world.store, &run.migration).await;
    }
    Ok(Advanced::Until(due_ms))
}

/// Writes down why a slice went no further; when it is due again, or `None` where its run ended.
fn halted<H: Host, S: Store>(run: &mut Run<'_, H, S>, halt: Halt, now: Timestamp) -> Option<u64> {
    match halt {
        // Seen before: nothing may be written.
        Halt::Lost | Halt::Store(_) => Some(now.0),
        Halt::Budget => {
            run.cursor.attempts = 0;
            Some(now.0)
        }
        Halt::Stopped => {
            crate::endings::end(&mut run.migration, Status::Stopped, now);
            None
        }
        Halt::Paused => {
            holding::hold(&mut run.migration, now, HeldBy::Owner);
            Some(now.0 + holding::PAUSED_MAX_MS)
        }
        Halt::Held => {
            holding::hold(&mut run.migration, now, HeldBy::Project);
            Some(now.0 + holding::PAUSED_MAX_MS)
        }
        Halt::Quiet(until) => {
            let reason = model::schedule::QUIET_REASON.to_owned();
            run.migration.status = Status::Waiting;
            run.migration.waiting = Some(Waiting { until, reason });
            Some(until.0)
        }
        Halt::Later(until, reason) => {
            run.migration.status = Status::Waiting;
            run.migration.waiting = Some(Waiting { until, reason: reason.to_owned() });
            Some(until.0)
        }
        Halt::Taken => {
            let until = Timestamp(now.0 + pairs::LOOK_MS);
            let reason = "Another migration of the same two accounts is at work; this one goes on \
                          when that one has ended."
                .to_owned();
            if run.migration.status != Status::Removing {
                run.migration.status = Status::Waiting;
            }
            run.migration.waiting = Some(Waiting { until, reason });
            Some(until.0)
        }
        Halt::Impossible(sentence) => fail(run, sentence, now),
        Halt::Trouble(side, error) => troubled(run, side, &error, now),
    }
}

/// Whether a run ended for a reason that only its owner can change, so that none follows by itself.
fn needs_owner(result: &Result<(), Halt>) -> bool {
    match result {
        Err(Halt::Impossible(_) | Halt::Stopped) => true,
        Err(Halt::Trouble(_, error)) => trouble::verdict(error) == Verdict::Fail,
        Ok(())
        | Err(
            Halt::Budget
            | Halt::Paused
            | Halt::Held
            | Halt::Taken
            | Halt::Quiet(_)
            | Halt::Later(..)
            | Halt::Lost
            | Halt::Store(_),
        ) => false,
    }
}

/// Counts an ended run for `/metrics`. What cannot be counted is no reason to fail the run.
async fn count(store: &impl Store, migration: &Migration) {
    let (moved, refused) =
        migration.sync_points.last().map_or((0, 0), |point| (point.migrated, point.failed));
    for (name, by) in [
        (metrics::RUNS_FINISHED, 1),
        (metrics::ITEMS_MIGRATED, moved),
        (metrics::ITEMS_FAILED, refused),
    ] {
        let _ = metrics::count(store, name, by).await;
    }
}

fn finish<H: Host, S: Store>(run: &mut Run<'_, H, S>, now: Timestamp) -> Option<u64> {
    run.cursor.retry = false;
    let progress = &run.migration.progress;
    let met = progress.values().all(|counters| counters.failed == 0 && counters.meet());
    let verdicts = run.folders.iter().map(|folder| folder.report().verdict);
    let verdict = model::Verdict::overall(verdicts);
    let clean = run.cursor.losses == 0 && met && verdict != model::Verdict::Differs;
    let status = if clean { Status::Completed } else { Status::CompletedWithErrors };
    crate::endings::end(&mut run.migration, status, now);
    if let Some(point) = run.migration.sync_points.last_mut() {
        point.verdict = Some(verdict);
    }
    run.migration.last_error = None;
    None
}

fn fail<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    sentence: String,
    now: Timestamp,
) -> Option<u64> {
    crate::endings::end(&mut run.migration, Status::Failed, now);
    run.migration.last_error = Some(sentence);
    None
}

/// Trouble with a server: waits, or gives up.
fn troubled<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    side: Side,
    error: &Trouble,
    now: Timestamp,
) -> Option<u64> {
    let sentence = trouble::sentence(side, error);
    run.cursor.attempts = if run.progressed { 1 } else { run.cursor.attempts + 1 };
    let Verdict::Wait { at_least_s } = trouble::verdict(error) else {
        return fail(run, sentence, now);
    };
    if run.cursor.attempts > trouble::ATTEMPTS_MAX {
        let tries = format!("{sentence} Tried {} times.", run.cursor.attempts);
        return fail(run, tries, now);
    }
    let seconds = trouble::back_off_s(run.cursor.attempts, at_least_s);
    let until = Timestamp(now.0 + seconds * 1000);
    if run.migration.status != Status::Removing {
        run.migration.status = Status::Waiting;
    }
    run.migration.last_error = Some(sentence.clone());
    run.migration.waiting = Some(Waiting { until, reason: sentence });
    Some(until.0)
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
