//! The mail phase: folder by folder, window by window, batch by batch.
//!
//! A batch is an intention first (`reconcile.rs` resolves what an interrupted one left), then a
//! transfer, then a journal segment. The next batch is asked for before this one is read.

use std::collections::BTreeMap;

use ledger::journal::{Entry, Intention, Origin};
use ledger::{Message, Uids, journal};
use mailbox::UidSet;
use model::{Failure, FailureCode, Options, Phase, Timestamp};
use services::Side;
use services::mail::{MailDestination, MailService, MailSource};
use store::{Store, keys};

use crate::mail::ITEM;
use crate::mail::adopt::{adopted, standing};
use crate::mail::ahead::{self, Opening};
use crate::mail::attempt::attempt;
use crate::mail::brought::Brought;
use crate::mail::failures::lost_folder;
use crate::mail::journals::{passed, segment_for};
use crate::mail::lines::Lines;
use crate::mail::listing::{self, Wanted, Window};
use crate::mail::orphans::Orphans;
use crate::mail::standing::Standing;
use crate::mail::transfer::{Next, ask};
use crate::mail::{moves, renumbered};
use crate::run::Run;
use crate::trouble::{At, Halt};
use crate::world::Host;

/// Messages in one batch: enough that the answer's round trip does not count.
const BATCH_MESSAGES: usize = if cfg!(test) { 3 } else { 2_000 };
/// Bytes that the intention of a batch may take in the store, with room for its own fields.
const BATCH_RECORD_BYTES: usize = 900_000;
/// Bytes in a batch before the line's rate is known.
const BATCH_BYTES: u64 = if cfg!(test) { 5 << 20 } else { 16 << 20 };
/// A batch is what the line carries in this time: a stop takes effect after it, and a cut costs it.
const BATCH_MS: u64 = 1_000;
/// The bounds of that.
const BATCH_BYTES_MIN: u64 = 1 << 20;
const BATCH_BYTES_MAX: u64 = 64 << 20;

/// The phase.
pub(crate) async fn copy<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
) -> Result<(), Halt> {
    let mut orphans = Orphans::read(run, lines.source.facts().size_is_estimate).await?;
    while let Some(folder) = usize::try_from(run.cursor.at).ok().and_then(|at| run.folders.get(at))
    {
        let at = usize::try_from(run.cursor.at).unwrap_or(usize::MAX);
        let found = folder.found;
        if folder.listed && !folder.done {
            run.migration.folder = Some(folder.source_path.clone());
            if run.cursor.retry && folder.settled.is_some() {
                retry_folder(run, lines, at).await?;
            } else if folder.exists && !folder.refused {
                copy_folder(run, lines, at, &mut orphans).await?;
            } else {
                lost_folder(run, at)?;
            }
        } else if folder.listed
            && !run.cursor.retry
            && folder.settled.is_some_and(|old| old != found)
        {
            run.folder_mut(at)?.settled = Some(found);
        }
        run.cursor.at += 1;
    }
    if lines.ahead.take().is_some() {
        Opening::discard(&mut lines.source).await.at(Side::Source)?;
    }
    run.enter(Phase::Verify);
    run.checkpoint().await
}

async fn copy_folder<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    orphans: &mut Orphans,
) -> Result<(), Halt> {
    if let Some(opening) = Opening::of(run, at, !orphans.is_empty())? {
        let Opening { window: (mut first, _), mut wanted, .. } = opening;
        let asked = lines.ahead.take();
        if asked.as_ref() != Some(&opening) {
            if asked.is_some() {
                Opening::discard(&mut lines.source).await.at(Side::Source)?;
            }
            opening.ask(&mut lines.source).await.at(Side::Source)?;
        }
        let selected = lines.source.selected().await.at(Side::Source)?;
        let exists = selected.exists;
        renumbered::learn(run.folder_mut(at)?, &selected);
        if renumbered::is(run.folder(at)?, &selected) {
            listing::discard(&mut lines.source).await.at(Side::Source)?;
            if renumbered::is_given_up(run.folder(at)?) {
                return renumbered::give_up(run, at);
            }
            renumbered::begin_anew(run, at, &selected)?;
            run.checkpoint().await?;
            (first, wanted.identity) = (1, true);
            listing::start_window(&mut lines.source, (first, exists), wanted)
                .await
                .at(Side::Source)?;
        }
        let standing = standing(run, lines, at).await?;
        let mut known = Known { standing, brought: Brought::read(run, at).await?, orphans };
        loop {
            let after = run.folder(at)?.done_uid;
            let answer = listing::read(&mut lines.source, (first, exists), after, wanted).await;
            let window = answer.at(Side::Source)?;
            let next = window.next;
            window_through(run, lines, at, window, &mut known).await?;
            let Some(next) = next else { break };
            first = next;
            run.folder_mut(at)?.number_hint = next;
            run.check_budget()?;
            listing::start_window(&mut lines.source, (first, exists), wanted)
                .await
                .at(Side::Source)?;
        }
        run.folder_mut(at)?.number_hint = exists.max(1);
    }
    let folder = run.folder_mut(at)?;
    folder.settled = Some(folder.found);
    (folder.done, folder.adopt, folder.readopt, folder.recognise) = (true, false, false, false);
    folder.moved_uids = Uids::default();
    run.progressed = true;
    Ok(())
}

/// What need not be copied, since it is there or was.
struct Known<'o> {
    /// What stands at the destination and no journal knows.
    standing: Option<Standing>,
    /// What was brought before a side numbered its messages anew: what of it is not at the
    /// destination, the user deleted.
    brought: Brought,
    /// What left another folder of the source.
    orphans: &'o mut Orphans,
}

/// Tries once more what was refused in this folder, and nothing else.
async fn retry_folder<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
) -> Result<(), Halt> {
    let folder = run.folder(at)?;
    let (uids, name) = (folder.retry_uids.0.clone(), folder.source.mailbox());
    let unlabelled_only = folder.unlabelled_only;
    if !uids.is_empty() && folder.exists {
        let selected = lines.source.select(&name).await.at(Side::Source)?;
        if renumbered::is(run.folder(at)?, &selected) {
            renumbered::begin_anew(run, at, &selected)?;
            run.checkpoint().await?;
            return Err(Halt::Budget);
        }
        let wanted = Wanted { identity: false, unlabelled_only, dates: false };
        let messages = listing::of(&mut lines.source, uids.clone(), wanted).await;
        let messages = messages.at(Side::Source)?;
        let there: UidSet = messages.iter().map(|message| message.uid).collect();
        let folder = run.folder_mut(at)?;
        // What the source no longer has needs no further try.
        uids.iter().filter(|uid| !there.contains(*uid)).for_each(|uid| {
            folder.retry_uids.0.remove(uid);
        });
        batches(run, lines, at, messages, None).await?;
    }
    run.folder_mut(at)?.done = true;
    run.progressed = true;
    run.checkpoint().await
}

/// Takes one window through: options, adoption, batches.
async fn window_through<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    window: Window,
    known: &mut Known<'_>,
) -> Result<(), Halt> {
    let listed = window.messages.len();
    if run.folder(at)?.found.bytes == 0 {
        let bytes: u64 = window.messages.iter().map(|message| message.size).sum();
        run.counters(ITEM).bytes_total += bytes;
    }
    let moved = run.folder(at)?.moved_uids.0.clone();
    let fresh = window.messages.into_iter().filter(|message| !moved.contains(message.uid));
    let mut messages = chosen(run, at, fresh.collect())?;
    messages = moves::carry(run, lines, at, messages, known.orphans).await?;
    if let Some(standing) = &mut known.standing {
        let (kept, found) = adopted(run, lines, at, messages, standing).await?;
        for message in found {
            known.brought.take(&message);
        }
        messages = kept;
    }
    messages = not_deleted(run, at, messages, &mut known.brought)?;
    let left_out = (listed - messages.len()) as u64;
    let ahead = match window.next {
        None => ahead::after(run, at, !known.orphans.is_empty())?,
        Some(_) => None,
    };
    batches(run, lines, at, messages, ahead).await?;
    let folder = run.folder_mut(at)?;
    folder.done_uid = folder.done_uid.max(window.last_uid);
    let done_uid = folder.done_uid;
    folder.moved_uids = Uids(folder.moved_uids.0.iter().filter(|uid| *uid > done_uid).collect());
    run.counters(ITEM).skipped += window.elsewhere;
    if left_out + window.elsewhere > 0 {
        run.checkpoint().await?;
    }
    Ok(())
}

/// Carries messages over, batch by batch; the folder after them is opened with the last, where there
/// is one and nothing speaks against it.
pub(crate) async fn batches<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    mut messages: Vec<Message>,
    ahead: Option<Opening>,
) -> Result<(), Halt> {
    let multi = lines.destination.destination_facts().appends_together;
    let batches = plan(&messages, batch_bytes(run.migration.bytes_per_second));
    let first = batches.first().and_then(|range| messages.get(range.clone()));
    let mut asked = false;
    if let Some(batch) = first.filter(|_| !run.cursor.bodies_alone) {
        // The source begins while the destination is asked and the intention written.
        ask(&mut lines.source, batch).await.at(Side::Source)?;
        lines.source.push().await.at(Side::Source)?;
        asked = true;
    }
    learn_flags(run, lines, at, &mut messages).await?;
    let mut batches = batches.iter().filter_map(|range| messages.get(range.clone())).peekable();
    while let Some(batch) = batches.next() {
        if !asked && !run.cursor.bodies_alone {
            ask(&mut lines.source, batch).await.at(Side::Source)?;
        }
        // A message that is refused alone is fetched again, which needs a line without more on it.
        let several = multi && batch.len() > 1 && !run.cursor.bodies_alone;
        let bodies = batches.peek().copied().map(Next::Bodies);
        let mut next = bodies.or(ahead.as_ref().map(Next::Folder)).filter(|_| several);
        let more = next.is_some();
        carry(run, lines, at, (batch, &mut next)).await?;
        asked = more && next.is_none();
        if asked && batches.peek().is_none() {
            lines.ahead.clone_from(&ahead);
        }
    }
    Ok(())
}

/// Leaves out what was brought before and is not at the destination any more.
fn not_deleted<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    mut messages: Vec<Message>,
    brought: &mut Brought,
) -> Result<Vec<Message>, Halt> {
    if brought.is_empty() {
        return Ok(messages);
    }
    let is_deleted = |message: &mut Message| brought.take(message);
    let deleted: Vec<Message> = messages.extract_if(.., is_deleted).collect();
    passed(run, at, &deleted)?;
    Ok(messages)
}

/// Whether the owner's options leave a message out.
pub(crate) fn is_left_out(options: &Options, message: &Message) -> bool {
    let day_s = |day: &Option<String>| {
        let start = day.as_deref().and_then(Timestamp::parse_day)?;
        i64::try_from(start.0 / 1000).ok()
    };
    let (since, until) = (day_s(&options.since), day_s(&options.until));
    let when = message.date.unix_s();
    since.is_some_and(|since| when < since)
        || until.is_some_and(|until| when >= until)
        || options.max_item_bytes.is_some_and(|most| message.size > most)
}

/// Leaves out what the options leave out.
fn chosen<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    mut messages: Vec<Message>,
) -> Result<Vec<Message>, Halt> {
    let options = run.migration.options.clone();
    let before = messages.len();
    messages.retain(|message| !is_left_out(&options, message));
    let left_out = (before - messages.len()) as u64;
    run.counters(ITEM).left_out += left_out;
    run.folder_mut(at)?.counts.left_out += left_out;
    Ok(messages)
}

/// Takes away the keywords that the destination would not keep, and says so once.
async fn learn_flags<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    messages: &mut [Message],
) -> Result<(), Halt> {
    if messages.iter().all(|message| message.flags.keywords().next().is_none()) {
        return Ok(());
    }
    let name = run.folder(at)?.destination.mailbox();
    let selected = lines.destination.look_into(&name).await.at(Side::Destination)?;
    let mut dropped: BTreeMap<String, u64> = BTreeMap::new();
    for message in messages {
        let (kept, lost) = selected.permanent_flags.split(&message.flags);
        lost.into_iter().for_each(|name| *dropped.entry(name).or_default() += 1);
        message.flags = kept;
    }
    for (keyword, count) in dropped {
        let folder = run.folder_mut(at)?;
        let reason = format!(
            "The destination does not keep the keyword {keyword} ({count} messages have it)."
        );
        folder.remark(reason.clone());
        let failure = Failure {
            item: ITEM,
            folder: folder.source_path.clone(),
            subject: String::new(),
            date: None,
            size_bytes: 0,
            code: FailureCode::FlagNotKept,
            reason,
        };
        run.fail(failure);
    }
    Ok(())
}

fn batch_bytes(bytes_per_second: u64) -> u64 {
    match bytes_per_second {
        0 => BATCH_BYTES,
        rate => (rate.saturating_mul(BATCH_MS) / 1000).clamp(BATCH_BYTES_MIN, BATCH_BYTES_MAX),
    }
}

/// Cuts a window into batches. A message larger than a batch is one by itself.
fn plan(messages: &[Message], batch_bytes: u64) -> Vec<std::ops::Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0u64);
    let mut record = 0;
    for (at, message) in messages.iter().enumerate() {
        let own = journal::weight(&message.flags.to_string());
        if at > start
            && (at - start >= BATCH_MESSAGES
                || record + own > BATCH_RECORD_BYTES
                || bytes.saturating_add(message.size) > batch_bytes)
        {
            batches.push(start..at);
            (start, bytes, record) = (at, 0, 0);
        }
        bytes = bytes.saturating_add(message.size);
        record += own;
    }
    if start < messages.len() {
        batches.push(start..messages.len());
    }
    batches
}

/// Writes the intention of a batch that was asked for, and carries it over.
async fn carry<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    (batch, next): (&[Message], &mut Option<Next<'_>>),
) -> Result<(), Halt> {
    let Some(last) = batch.last() else { return Ok(()) };
    let mut intention = intend(run, at, batch)?;
    // The intention is resolved before anything else, so these are as good as settled.
    let folder = run.folder_mut(at)?;
    folder.done_uid = folder.done_uid.max(last.uid);
    if let Some(comparing) = &mut folder.comparing {
        comparing.missed_to = comparing.missed_to.max(last.uid);
    }
    if !folder.retry_uids.0.is_empty() {
        batch.iter().for_each(|message| folder.retry_uids.0.remove(message.uid));
    }
    run.stage(keys::intention(run.id()), intention.encode());
    run.checkpoint().await?;
    attempt(run, lines, at, &mut intention, (batch, next)).await?;
    run.check_budget()
}

fn intend<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    at: usize,
    batch: &[Message],
) -> Result<Intention, Halt> {
    let folder = run.folder(at)?;
    let mut segment = segment_for(run, at)?;
    for message in batch {
        let flags = segment.flag_set(&message.flags);
        segment.entries.push(Entry {
            source_uid: message.uid,
            destination_uid: 0,
            size: message.size,
            date: message.date,
            identity: message.identity,
            flags,
            origin: Origin::Copied,
        });
    }
    Ok(Intention {
        folder: u32::try_from(at).unwrap_or(u32::MAX),
        uid_next: folder.destination_uid_next,
        sent: u32::try_from(batch.len()).unwrap_or(u32::MAX),
        tries: 1,
        one_by_one: false,
        batch: segment,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_both_ways() {
        let date = mailbox::InternalDate::new(0, 0).unwrap();
        let message =
            |size| Message { uid: 1, size, date, flags: mailbox::Flags::new(), identity: 0 };
        let many: Vec<_> = (0..2 * BATCH_MESSAGES + 1).map(|_| message(10)).collect();
        let n = BATCH_MESSAGES;
        assert_eq!(plan(&many, BATCH_BYTES), [0..n, n..2 * n, 2 * n..2 * n + 1]);
        let big = [message(1), message(BATCH_BYTES + 1), message(1), message(BATCH_BYTES - 1)];
        assert_eq!(plan(&big, BATCH_BYTES), [0..1, 1..2, 2..4]);
        assert_eq!(plan(&[], BATCH_BYTES), []);
        // Messages whose flags leave no room for as many in one record.
        let mut flagged = message(1);
        flagged.flags.insert(&"k".repeat(BATCH_RECORD_BYTES / 2));
        assert_eq!(plan(&[flagged.clone(), flagged], BATCH_BYTES), [0..1, 1..2]);
    }
}
