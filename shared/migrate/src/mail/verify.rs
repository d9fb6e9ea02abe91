//! Compares: every message that this sync point says it put there is looked for at the
//! destination, with size, internal date and Message-ID, while the source is asked what it has
//! ([`proof`]). The verdict is in the report.

use futures::join;
use ledger::folder::{Comparing, Proof, Verified};
use model::{Phase, Sums, Verdict};
use services::Side;
use store::Store;

use crate::mail::compare::{LINES_MAX, compare};
use crate::mail::failures::failure_of;
use crate::mail::lines::Lines;
use crate::mail::{proof, renumbered};
use crate::run::Run;
use crate::trouble::{At, Halt};
use crate::world::Host;

/// Segments whose messages are compared while the source is asked, up to 50,000 messages: what takes
/// longer is compared first, slice by slice.
const TOGETHER: u32 = 25;
/// How often a folder that the source numbers anew again and again is begun anew in one run.
const RENUMBERED_MAX: u32 = 3;

/// The phase.
pub(crate) async fn verify<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
) -> Result<(), Halt> {
    run.migration.folder = None;
    while let Some(at) = usize::try_from(run.cursor.at).ok().filter(|at| *at < run.folders.len()) {
        if run.folder(at)?.listed {
            verify_folder(run, lines, at).await?;
        }
        run.cursor.at += 1;
        if run.check_budget().is_err() {
            run.checkpoint().await?;
            return Err(Halt::Budget);
        }
    }
    proof::meet(run);
    run.enter(Phase::Finished);
    run.checkpoint().await
}

async fn verify_folder<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
) -> Result<(), Halt> {
    let folder = run.folder(at)?;
    if !folder.exists || folder.refused {
        // Nothing of it could be put there; or the user took it away, with all that was there.
        let lost = folder.refused || folder.counts.failed >= folder.found.messages.max(1);
        let source = folder.found.messages;
        let sums = match lost {
            true => Sums { source, failed: source, ..Sums::default() },
            false => Sums { source, elsewhere: source, ..Sums::default() },
        };
        let state = folder.found;
        run.folder_mut(at)?.proof = Some(Proof { state, sums, uncounted: 0 });
        return conclude(run, at, 0);
    }
    let fresh = folder.segments_before..folder.segments;
    let proved = folder.proof.is_some_and(|proof| proof.state == folder.found);
    if proved && fresh.is_empty() && !run.cursor.retry {
        return conclude(run, at, 0);
    }
    if renumbered::is_given_up(folder) {
        return conclude(run, at, 0);
    }
    let (name, messages) = (folder.source.mailbox(), folder.found.messages);
    let listed = if fresh.len() > TOGETHER as usize {
        compare(run, &mut lines.destination, at, fresh.clone()).await?;
        proof::ask(&mut lines.source, &name, messages).await.at(Side::Source)?
    } else {
        let Lines { source, destination, .. } = lines;
        // Neither side waits for the other.
        let (listed, compared) = join!(
            async { proof::ask(source, &name, messages).await.at(Side::Source) },
            compare(run, destination, at, fresh.clone()),
        );
        compared?;
        listed?
    };
    renumbered::learn(run.folder_mut(at)?, &listed.selected);
    if renumbered::is(run.folder(at)?, &listed.selected) {
        if run.folder(at)?.renumbered < RENUMBERED_MAX {
            renumbered::begin_anew(run, at, &listed.selected)?;
            run.enter(Phase::Mail);
            run.checkpoint().await?;
            return Err(Halt::Budget);
        }
        renumbered::give_up(run, at)?;
        return conclude(run, at, 0);
    }
    let shared = proof::close(run, lines, at, &listed).await?;
    let later = fresh.end..run.folder(at)?.segments;
    compare(run, &mut lines.destination, at, later).await?;
    conclude(run, at, shared)
}

/// Writes down what the verification of a folder says. So many messages of it share their place at
/// the destination with another.
fn conclude<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    shared: u64,
) -> Result<(), Halt> {
    let mut comparing = run.folder_mut(at)?.comparing.take().unwrap_or_default();
    if shared > 0 {
        let reason = format!(
            "{shared} messages of this folder are at the destination only once with another of the \
             same Message-ID."
        );
        let path = run.folder(at)?.source_path.clone();
        run.fail(failure_of(path, None, reason));
    }
    let folder = run.folder_mut(at)?;
    if comparing.settle_sizes() {
        folder.remark(
            "The destination tells other sizes than those of what it was sent, so that sizes were \
             not compared."
                .to_owned(),
        );
    }
    let wrong = comparing.wrong() + shared;
    if let Some(proof) = &mut folder.proof {
        // What was put there and does not stand there is not migrated.
        let moved = wrong.min(proof.sums.migrated + proof.sums.adopted);
        let of_ours = moved.min(proof.sums.migrated);
        proof.sums.migrated -= of_ours;
        proof.sums.adopted -= moved - of_ours;
        proof.sums.failed += moved;
    }
    let failed = folder.counts.failed.max(folder.proof.map_or(0, |proof| proof.sums.failed));
    let unknown = folder.proof.is_none();
    let unmet = folder.proof.is_some_and(|proof| proof.uncounted > 0 || !proof.sums.meet());
    let serious = wrong > 0 || unknown || unmet;
    let kept = folder.verified.is_some_and(|before| before.verdict == Verdict::Differs);
    let verdict = match (serious || kept, failed, folder.refused) {
        (true, ..) => Verdict::Differs,
        (false, 0, false) => Verdict::Complete,
        (false, ..) => Verdict::CompleteButFailures,
    };
    let old = folder.verified.unwrap_or(Verified { messages: 0, bytes: 0, verdict });
    let (messages, bytes) = (old.messages + comparing.messages, old.bytes + comparing.bytes);
    folder.verified = Some(Verified { messages, bytes, verdict });
    tell(run, at, &comparing)
}

/// Says what differs: a remark, and how many there are beside those that have a line.
fn tell<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    comparing: &Comparing,
) -> Result<(), Halt> {
    let Comparing { missing, other, smaller, larger, date, lines, .. } = comparing;
    let wrong = comparing.wrong();
    if wrong == 0 && *larger == 0 && *date == 0 {
        return Ok(());
    }
    let folder = run.folder_mut(at)?;
    let (path, text) = (folder.source_path.clone(), folder.destination_path.clone());
    folder.remark(format!(
        "The destination's folder {text} differs: {missing} messages are missing, {other} have \
         another Message-ID, {smaller} are smaller than what was sent, {larger} larger, {date} have \
         another date."
    ));
    let told = (*lines).min(LINES_MAX);
    if wrong > told {
        let rest = wrong - told;
        let reason = format!("{rest} further messages of this folder differ in the same ways.");
        run.fail(failure_of(path, None, reason));
    }
    Ok(())
}
