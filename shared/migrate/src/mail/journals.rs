//! Segments of a folder's journal: read, and staged for the next checkpoint.

use ledger::journal::{Entry, Segment};
use ledger::{Message, Origin};
use model::MigrationId;
use store::{Store, keys};

use crate::mail::ITEM;
use crate::run::Run;
use crate::trouble::Halt;
use crate::world::Host;

/// A segment of a folder's journal.
pub(crate) async fn segment<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    at: usize,
    number: u32,
) -> Result<Segment, Halt> {
    segment_of(run.store(), run.id(), at, number).await
}

/// The same, of any migration.
pub(crate) async fn segment_of(
    store: &impl Store,
    id: &MigrationId,
    at: usize,
    number: u32,
) -> Result<Segment, Halt> {
    let key = keys::journal(id, u32::try_from(at).unwrap_or(u32::MAX), number);
    let bytes = store.get(&key).await?;
    let missing = || store::Error::Unreadable { key: key.clone(), reason: "it is gone".into() };
    Ok(Segment::decode(&key, &bytes.ok_or_else(missing)?)?)
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

/// Journals messages that are settled without standing in this folder of the destination: moved or
/// deleted there by the user.
pub(crate) fn passed<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    messages: &[Message],
) -> Result<(), Halt> {
    if messages.is_empty() {
        return Ok(());
    }
    run.counters(ITEM).skipped += messages.len() as u64;
    let folder = run.folder_mut(at)?;
    messages.iter().for_each(|message| folder.moved_uids.0.insert(message.uid));
    let mut segment = segment_for(run, at)?;
    let flags = segment.flag_set(&mailbox::Flags::new());
    segment.entries.extend(messages.iter().map(|message| Entry {
        source_uid: message.uid,
        destination_uid: 0,
        size: 0,
        date: message.date,
        identity: message.identity,
        flags,
        origin: Origin::Adopted,
    }));
    stage_segment(run, at, &segment)
}
