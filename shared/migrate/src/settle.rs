//! Writes down what is known for good about messages: journal, counters, failures.

use std::collections::BTreeMap;

use model::{Failure, FailureCode, Item, Timestamp};
use store::{Store, keys};

use crate::cursor::Message;
use crate::header;
use crate::journal::{Entry, Intention, Origin, Segment};
use crate::manifest::Lines;
use crate::run::Run;
use crate::transfer::Fate;
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
            Fate::Arrived { uid, uid_validity, size, header } => {
                lines.put(&header, size);
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
                (count, bytes) = (count + 1, bytes + message.size);
                accepted.push(message.uid);
            }
            Fate::Gone => {
                run.mail().skipped += 1;
                run.folder_mut(at)?.counts.left_out += 1;
            }
            Fate::Unreadable => {
                let reason = "The source lists this message but does not deliver it.".to_owned();
                lost(run, at, &message, FailureCode::Unreadable, reason, &[])?;
            }
            Fate::Refused(reply, header) => {
                let code = match reply.code {
                    Some(imap::Code::TooBig) => FailureCode::TooLarge,
                    _ => FailureCode::Refused,
                };
                let reason = format!("The destination refused the message: {reply}.");
                lost(run, at, &message, code, reason, &header.subject)?;
            }
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
    let mail = run.mail();
    (mail.migrated, mail.bytes_migrated) = (mail.migrated + count, mail.bytes_migrated + bytes);
    // What arrived since discovery counts too, so that nothing ever shows more than its total.
    mail.total = mail.total.max(mail.migrated + mail.skipped + mail.failed);
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

/// Stages a segment of a folder's journal; as several where it has no room in one record.
pub(crate) fn stage_segment<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    segment: &Segment,
) -> Result<(), Halt> {
    for piece in segment.pieces() {
        let folder = run.folder_mut(at)?;
        let number = folder.segments;
        folder.segments += 1;
        let key = keys::journal(run.id(), u32::try_from(at).unwrap_or(u32::MAX), number);
        run.stage(key, piece.encode());
    }
    Ok(())
}

/// An empty segment of this sync point for a folder.
pub(crate) fn segment_for<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    at: usize,
) -> Result<Segment, Halt> {
    Ok(Segment {
        sync_point: run.migration.sync_point(),
        source_uid_validity: run.folder(at)?.found.uid_validity,
        ..Segment::default()
    })
}

/// One line in the failures.
pub(crate) fn lost<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    message: &Message,
    code: FailureCode,
    reason: String,
    subject: &[u8],
) -> Result<(), Halt> {
    let folder = run.folder_mut(at)?;
    folder.counts.failed += u64::from(code.is_loss());
    if code.is_loss() {
        folder.refuse(message.uid);
    }
    let seconds = u64::try_from(message.date.unix_s()).unwrap_or(0);
    let failure = Failure {
        item: Item::Mail,
        folder: folder.source_path.clone(),
        subject: String::from_utf8_lossy(subject).into_owned(),
        date: Some(Timestamp(seconds * 1000).rfc3339()),
        size_bytes: message.size,
        code,
        reason,
    };
    run.fail(failure);
    Ok(())
}

/// A folder that could not be made: its messages count as lost. Its line in the failures, which
/// counts for one, was written when it was refused.
pub(crate) fn lost_folder<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
) -> Result<(), Halt> {
    let folder = run.folder_mut(at)?;
    let lost = folder.found.messages;
    (folder.counts.failed, folder.done) = (lost, true);
    let further = lost.saturating_sub(u64::from(folder.refused));
    run.mail().failed += further;
    if let Some(point) = run.migration.sync_points.last_mut() {
        point.failed += further;
    }
    Ok(())
}
