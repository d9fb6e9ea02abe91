//! Compares: every message that this sync point says it put there is looked for at the
//! destination, with size, internal date and Message-ID. The verdict is in the report.

use std::collections::BTreeMap;

use imap::{MailboxName, Mode, Sequence, Session, UidSet};
use model::{Failure, FailureCode, Item, Phase, Verdict};
use store::Store;
use wire::Stream;

use crate::adopt::{self, imap_set_octets};
use crate::cursor::{Message, Verified};
use crate::journal::{Entry, Origin, Segment};
use crate::reconcile;
use crate::run::Run;
use crate::slice::Lines;
use crate::trouble::{At, Halt, Side};
use crate::world::Host;

/// Segments compared in one go: up to 10,000 messages.
const SEGMENTS_AT_ONCE: usize = 20;

/// What differs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Differences {
    missing: u64,
    size: u64,
    date: u64,
    identity: u64,
}

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
    run.enter(Phase::Finished);
    run.checkpoint().await
}

async fn verify_folder<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
) -> Result<(), Halt> {
    let name = run.folder(at)?.destination.mailbox();
    let (mut found, mut differences) = (run.folder(at)?.verified, Differences::default());
    let fresh = run.folder(at)?.segments_before..run.folder(at)?.segments;
    if !fresh.is_empty() {
        // Not waited for: the first question about messages goes along.
        lines.destination.start_select(&name, Mode::ReadOnly).await.at(Side::Destination)?;
    }
    let mut selecting = !fresh.is_empty();
    for first in fresh.clone().step_by(SEGMENTS_AT_ONCE) {
        let mut some = Vec::new();
        for number in (first..fresh.end).take(SEGMENTS_AT_ONCE) {
            some.push(reconcile::segment(run, at, number).await?);
        }
        let there = match there(&mut lines.destination, &some, &mut selecting).await {
            // The folder is gone: everything in it is missing.
            Err(imap::Error::Refused(_)) => BTreeMap::new(),
            other => other.at(Side::Destination)?,
        };
        let (messages, bytes) = compare(&some, &there, &mut differences);
        let old = found.unwrap_or(Verified { messages: 0, bytes: 0, verdict: Verdict::Unknown });
        found =
            Some(Verified { messages: old.messages + messages, bytes: old.bytes + bytes, ..old });
        run.hold().await?;
    }
    if selecting {
        lines.destination.selected().await.at(Side::Destination)?;
    }
    conclude(run, at, found, differences, &name)
}

/// The destination's own word on these messages.
async fn there<S: Stream>(
    session: &mut Session<S>,
    segments: &[Segment],
    selecting: &mut bool,
) -> Result<BTreeMap<u32, Message>, imap::Error> {
    let entries = segments.iter().flat_map(|segment| &segment.entries);
    let uids: UidSet = entries.map(|entry| entry.destination_uid).filter(|uid| *uid != 0).collect();
    let mut found = BTreeMap::new();
    for piece in uids.pieces(imap_set_octets()) {
        let sequence = Sequence::Uids(piece);
        adopt::ask(session, &sequence).await?;
        let selected = match std::mem::take(selecting) {
            true => session.selected().await.map(drop),
            false => Ok(()),
        };
        // The answer is taken in any case, so that nothing is left on the line.
        let rows = adopt::read(session).await;
        selected?;
        let rows = rows?;
        found.extend(rows.into_iter().map(|row| (row.uid, row)));
    }
    Ok(found)
}

/// Counts what is there, and what differs.
fn compare(
    segments: &[Segment],
    there: &BTreeMap<u32, Message>,
    differences: &mut Differences,
) -> (u64, u64) {
    let (mut messages, mut bytes) = (0, 0);
    // Size 0 and UID 0 say that a message is no longer here: it was moved.
    let here = |entry: &&Entry| entry.destination_uid != 0 || entry.size != 0;
    for entry in segments.iter().flat_map(|segment| &segment.entries).filter(here) {
        let Some(row) = there.get(&entry.destination_uid) else {
            differences.missing += 1;
            continue;
        };
        messages += 1;
        bytes += row.size;
        let copied = entry.origin == Origin::Copied;
        differences.size += u64::from(copied && row.size != entry.size);
        differences.date += u64::from(copied && row.date.unix_s() != entry.date.unix_s());
        differences.identity += u64::from(row.identity != entry.identity);
    }
    (messages, bytes)
}

fn conclude<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    found: Option<Verified>,
    differences: Differences,
    name: &MailboxName,
) -> Result<(), Halt> {
    let folder = run.folder(at)?;
    let serious = differences.missing + differences.identity > 0;
    let verdict = match (serious, folder.counts.failed, folder.refused) {
        (true, ..) => Verdict::Differs,
        (false, 0, false) => Verdict::Complete,
        (false, ..) => Verdict::CompleteButFailures,
    };
    let old = found.unwrap_or(Verified { messages: 0, bytes: 0, verdict });
    let kept = folder.verified.is_some_and(|before| before.verdict == Verdict::Differs) && !serious;
    let verdict = if kept { Verdict::Differs } else { verdict };
    run.folder_mut(at)?.verified = Some(Verified { verdict, ..old });
    if differences == Differences::default() {
        return Ok(());
    }
    let Differences { missing, size, date, identity } = differences;
    let text = name.text();
    let reason = format!(
        "The destination's folder {text} differs: {missing} messages are missing, {identity} have \
         another Message-ID, {size} another size, {date} another date."
    );
    let folder = run.folder_mut(at)?;
    folder.remark(reason.clone());
    if !serious {
        return Ok(());
    }
    let failure = Failure {
        item: Item::Mail,
        folder: folder.source_path.clone(),
        subject: String::new(),
        date: None,
        size_bytes: 0,
        code: FailureCode::Differs,
        reason,
    };
    run.fail(failure);
    Ok(())
}
