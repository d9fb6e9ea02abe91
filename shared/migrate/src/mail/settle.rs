//! Writes down what is known for good about messages: journal, counters, failures.

use std::collections::BTreeMap;

use ledger::Message;
use ledger::journal::{Entry, Intention, Origin, Segment};
use ledger::manifest::Lines;
use mailbox::header::{self, Header};
use model::FailureCode;
use store::{Store, keys};

use crate::mail::ITEM;
use crate::mail::failures::lost;
use crate::mail::fate::Fate;
use crate::mail::journals::stage_segment;
use crate::mail::limited;
use crate::run::Run;
use crate::trouble::Halt;
use crate::world::Host;

/// Stages what is known for good about these messages: journal, counters, failures. `identities`
/// are those of messages whose header was not seen now.
pub(crate) fn settle<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    settled: Vec<(Message, Fate)>,
    left: &Intention,
    identities: &BTreeMap<u32, u64>,
) -> Result<(), Halt> {
    let mut segment = Segment { sync_point: run.migration.sync_point(), ..left.batch.like() };
    let mut validity = run.folder(at)?.destination_uid_validity;
    let mut uid_next = run.folder(at)?.destination_uid_next;
    let (mut count, mut bytes) = (0u64, 0u64);
    let mut accepted = Vec::new();
    let mut lines = Lines::default();
    for (message, fate) in settled {
        match fate {
            Fate::Arrived { uid, uid_validity, size, delivered, header } => {
                let short = shortfall(run.true_sizes, &message, (size, delivered), &header);
                if let Some(reason) = &short {
                    let reason = reason.clone();
                    lost(run, at, &message, FailureCode::Incomplete, reason, &header.subject)?;
                }
                lines.put(&header.message_id, size, header.digest.as_ref());
                let flags = segment.flag_set(&message.flags);
                segment.entries.push(Entry {
                    source_uid: message.uid,
                    destination_uid: uid,
                    size,
                    date: message.date,
                    identity: identities
                        .get(&message.uid)
                        .copied()
                        .unwrap_or_else(|| header::identity(&header.message_id)),
                    flags,
                    origin: Origin::Copied,
                });
                validity = if uid_validity == 0 { validity } else { uid_validity };
                uid_next = uid_next.max(uid.saturating_add(1));
                if short.is_none() {
                    (count, bytes) = (count + 1, bytes + message.size);
                    accepted.push(message.uid);
                }
            }
            fate => not_arrived(run, at, &message, fate)?,
        }
    }
    segment.destination_uid_validity = validity;
    let folder = run.folder_mut(at)?;
    folder.counts.migrated += count;
    folder.counts.migrated_bytes += bytes;
    if !folder.refused_uids.0.is_empty() {
        accepted.into_iter().for_each(|uid| folder.refused_uids.0.remove(uid));
    }
    (folder.destination_uid_validity, folder.destination_uid_next) = (validity, uid_next);
    let mail = run.counters(ITEM);
    (mail.migrated, mail.bytes_migrated) = (mail.migrated + count, mail.bytes_migrated + bytes);
    // What arrived since discovery counts too, so that nothing ever shows more than its total.
    mail.total = mail.total.max(mail.done());
    if let Some(point) = run.migration.sync_points.last_mut() {
        point.migrated += count;
    }
    if !segment.entries.is_empty() {
        let (folder, number) = (u32::try_from(at).unwrap_or(u32::MAX), run.folder(at)?.segments);
        run.stage(keys::manifest(run.id(), folder, number), lines.finish(segment.sync_point));
        stage_segment(run, at, &segment)?;
    }
    let rest = if left.batch.entries.is_empty() { Vec::new() } else { left.encode() };
    run.stage(keys::intention(run.id()), rest);
    Ok(())
}

/// Writes down why a message is not at the destination.
fn not_arrived<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    message: &Message,
    fate: Fate,
) -> Result<(), Halt> {
    match fate {
        Fate::Arrived { .. } => Ok(()),
        Fate::Gone => {
            run.counters(ITEM).skipped += 1;
            run.folder_mut(at)?.remark(GONE.to_owned());
            Ok(())
        }
        Fate::Unreadable(reason) => lost(run, at, message, FailureCode::Unreadable, reason, &[]),
        Fate::Refused { why, header, .. } => {
            let code = match limited::is_about_size(&why) {
                true => FailureCode::TooLarge,
                false => FailureCode::Refused,
            };
            let reason = format!("The destination refused the message: {why}.");
            lost(run, at, message, code, reason, &header.subject)
        }
    }
}

/// What is said once about a folder whose messages went away while it was read.
const GONE: &str = "Messages were deleted at the source during the run, before they were reached.";

/// What is said of a message whose size the source does not tell, also when it is asked again.
const UNSIZED: &str = "The source does not tell how large this message is, so that nobody can tell \
                       whether it delivered all of it. What it delivered was copied.";

/// What is missing of a message, in a sentence: the source announced more octets than it delivered, or
/// than stand at the destination where a cut hid what was delivered. One that delivers more than it
/// announced keeps nothing back: its sizes are estimates. Of a message without a size nobody can know.
fn shortfall(
    true_sizes: bool,
    message: &Message,
    (size, delivered): (u64, Option<u64>),
    header: &Header,
) -> Option<String> {
    let announced = message.size;
    if !true_sizes {
        return None;
    }
    if announced == 0 {
        return Some(UNSIZED.to_owned());
    }
    match delivered {
        Some(octets) if octets < announced && !agrees(announced, octets, header) => Some(format!(
            "The source announced {announced} octets of this message and delivered {octets}. \
             What it delivered was copied; compare the two before you give the old mailbox up."
        )),
        None if size < announced => Some(format!(
            "The source announced {announced} octets of this message; {size} stand at the \
             destination after an interruption."
        )),
        Some(_) | None => None,
    }
}

/// Whether an announced size is that of the octets that were delivered: some servers count a line
/// end as two octets and deliver it as one.
fn agrees(announced: u64, delivered: u64, header: &Header) -> bool {
    [delivered, delivered + header.line_feeds].contains(&announced)
}
