//! Recognises what the destination has already, so that it is not put there twice.
//!
//! A message is recognised by Message-ID and size; one without Message-ID only by equal content,
//! since two reports of one program easily have one size and one second.

use std::collections::BTreeMap;

use imap::{Attributes, FetchEvent, FetchItems, Mode, Sequence, Session, UidSet};
use sha2::{Digest, Sha256};
use store::Store;
use wire::Stream;

use crate::cursor::Message;
use crate::journal::{Entry, Origin};
use crate::listing;
use crate::reconcile;
use crate::run::Run;
use crate::settle::{segment_for, stage_segment};
use crate::slice::Lines;
use crate::source::Fetch;
use crate::trouble::{At, Halt, Side, Trouble};
use crate::world::Host;

/// The most messages of a destination folder that are compared with a source folder: 24 bytes each.
pub(crate) const ADOPT_MAX: usize = 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    identity: u64,
    size: u64,
    uid: u32,
    taken: bool,
}

/// What stands in a folder of the destination.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    rows: Vec<Row>,
    /// Sizes mean nothing between these two servers.
    any_size: bool,
    /// What this migration put there before the source numbered its messages anew.
    ours: UidSet,
    /// Of these, what this very sync point put there.
    ours_now: UidSet,
}

/// What a range of a folder looks like: UID, size, date, identity.
pub(crate) async fn list<S: Stream>(
    session: &mut Session<S>,
    sequence: &Sequence,
) -> Result<Vec<Message>, imap::Error> {
    ask(session, sequence).await?;
    read(session).await
}

/// The question of [`list`], without waiting.
pub(crate) async fn ask<S: Stream>(
    session: &mut Session<S>,
    sequence: &Sequence,
) -> Result<(), imap::Error> {
    let items =
        FetchItems { internal_date: true, size: true, message_id: true, ..FetchItems::default() };
    session.start_fetch(sequence, items).await
}

/// The answer to [`ask`].
pub(crate) async fn read<S: Stream>(session: &mut Session<S>) -> Result<Vec<Message>, imap::Error> {
    let mut rows = Vec::new();
    loop {
        match session.next().await? {
            FetchEvent::Message(told) if told.uid != 0 => {
                rows.push(listing::Row::of(Attributes { flags: None, ..told }));
            }
            FetchEvent::Done => {
                let rows = listing::merged(rows).into_iter();
                return Ok(rows.filter_map(listing::Row::message).collect());
            }
            FetchEvent::Refused(reply) => return Err(imap::Error::Refused(reply)),
            FetchEvent::Message(_)
            | FetchEvent::Chunk(_)
            | FetchEvent::EndOfBody(_)
            | FetchEvent::Vanished(_) => {}
        }
        if rows.len() > ADOPT_MAX {
            return Err(imap::Error::TooMany {
                what: "messages at the destination",
                limit: ADOPT_MAX,
            });
        }
    }
}

impl Shelf {
    /// Looks at the whole folder, which is left open.
    pub(crate) async fn read<S: Stream>(
        session: &mut Session<S>,
        name: &imap::MailboxName,
        any_size: bool,
    ) -> Result<Self, imap::Error> {
        let selected = session.select(name, Mode::ReadOnly).await?;
        let all = Sequence::Numbers { first: 1, last: None };
        let listed = if selected.exists == 0 { Vec::new() } else { list(session, &all).await? };
        let row = |message: Message| Row {
            identity: message.identity,
            size: message.size,
            uid: message.uid,
            taken: false,
        };
        let mut rows: Vec<Row> = listed.into_iter().map(row).collect();
        rows.sort();
        Ok(Shelf { rows, any_size, ..Shelf::default() })
    }

    /// Takes the copy of `message` off the shelf, if its Message-ID tells it.
    pub(crate) fn take(&mut self, message: &Message) -> Option<u32> {
        if message.identity == 0 {
            return None;
        }
        let from = self.rows.partition_point(|row| row.identity < message.identity);
        let same =
            self.rows.iter_mut().skip(from).take_while(|row| row.identity == message.identity);
        let any_size = self.any_size;
        let found = same
            .filter(|row| !row.taken && (any_size || row.size == message.size))
            .min_by_key(|row| (row.size.abs_diff(message.size), row.uid))?;
        found.taken = true;
        Some(found.uid)
    }

    /// Messages without Message-ID and of this size that are not taken.
    pub(crate) fn nameless(&self, size: u64) -> impl Iterator<Item = u32> + '_ {
        let nameless = self.rows.iter().take_while(|row| row.identity == 0);
        nameless.filter(move |row| !row.taken && row.size == size).map(|row| row.uid)
    }

    /// Whether there are messages without Message-ID.
    fn has_nameless(&self) -> bool {
        self.rows.first().is_some_and(|row| row.identity == 0)
    }

    /// Takes those with these UIDs, which ascend.
    fn take_all(&mut self, uids: &[u32]) {
        for row in &mut self.rows {
            row.taken |= uids.binary_search(&row.uid).is_ok();
        }
    }

    /// Takes one by its UID.
    pub(crate) fn take_uid(&mut self, uid: u32) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.uid == uid) {
            row.taken = true;
        }
    }
}

/// SHA-256 of each message's content.
pub(crate) async fn digests(
    session: &mut impl Fetch,
    uids: &UidSet,
) -> Result<BTreeMap<u32, [u8; 32]>, Trouble> {
    let mut found = BTreeMap::new();
    for piece in uids.pieces(imap_set_octets()) {
        let items = FetchItems { body: true, ..FetchItems::default() };
        session.start_fetch(&Sequence::Uids(piece), items).await?;
        let (mut uid, mut hash) = (0, Sha256::new());
        loop {
            match session.next().await? {
                FetchEvent::Message(row) => (uid, hash) = (row.uid, Sha256::new()),
                FetchEvent::Chunk(bytes) => hash.update(&bytes),
                FetchEvent::EndOfBody(later) => {
                    let digest: [u8; 32] = hash.finalize_reset().into();
                    found.insert(if uid == 0 { later.uid } else { uid }, digest);
                }
                FetchEvent::Done => break,
                FetchEvent::Refused(reply) => return Err(imap::Error::Refused(reply).into()),
                FetchEvent::Vanished(_) => {}
            }
        }
    }
    Ok(found)
}

/// Octets of a UID set in one command: RFC 7162 section 4 asks clients to stay below 8192 a line.
pub(crate) fn imap_set_octets() -> usize {
    7_000
}

/// What the destination's folder held before us, where it has to be compared.
pub(crate) async fn shelf<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
) -> Result<Option<Shelf>, Halt> {
    match run.folder(at)?.adopt {
        true => look(run, lines, at).await,
        false => Ok(None),
    }
}

/// What the destination's folder holds that no journal knows.
pub(crate) async fn look<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
) -> Result<Option<Shelf>, Halt> {
    let folder = run.folder(at)?;
    let any_size =
        lines.source.quirks().size_is_estimate || lines.destination.quirks().size_is_estimate;
    let name = folder.destination.mailbox();
    let mut shelf =
        Shelf::read(&mut lines.destination, &name, any_size).await.at(Side::Destination)?;
    // What the journal knows belongs to a source message already, unless that has another number now.
    let mut known = Vec::new();
    for number in 0..folder.segments {
        let segment = reconcile::segment(run, at, number).await?;
        if segment.destination_uid_validity != folder.destination_uid_validity {
            continue;
        }
        if segment.source_uid_validity == folder.found.uid_validity {
            known.extend(segment.entries.iter().map(|entry| entry.destination_uid));
            continue;
        }
        let copied = segment.entries.iter().filter(|entry| entry.origin == Origin::Copied);
        for uid in copied.map(|entry| entry.destination_uid).filter(|uid| *uid != 0) {
            shelf.ours.insert(uid);
            if segment.sync_point == run.migration.sync_point() {
                shelf.ours_now.insert(uid);
            }
        }
    }
    known.sort_unstable();
    shelf.take_all(&known);
    Ok(Some(shelf))
}

/// Tells what the destination lacks from what it has already, which is journalled.
pub(crate) async fn adopted<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    messages: Vec<Message>,
    shelf: &mut Shelf,
) -> Result<(Vec<Message>, Vec<Message>), Halt> {
    let mut segment = segment_for(run, at)?;
    segment.destination_uid_validity = run.folder(at)?.destination_uid_validity;
    let (mut kept, mut found) = (Vec::new(), Vec::new());
    for mut message in messages {
        if message.size == 0 {
            // The source announced no size; the message itself has one.
            let own: UidSet = std::iter::once(message.uid).collect();
            let read = reconcile::headers(&mut lines.source, &own).await.at(Side::Source)?;
            message.size = read.first().map_or(0, |(_, _, octets)| *octets);
        }
        let uid = match shelf.take(&message) {
            Some(uid) => Some(uid),
            None if message.identity == 0 => twin(lines, &message, shelf).await?,
            None => None,
        };
        match uid {
            Some(uid) => found.push((message, uid)),
            None => kept.push(message),
        }
    }
    for (message, uid) in &found {
        let flags = segment.flag_set(&message.flags);
        segment.entries.push(Entry {
            source_uid: message.uid,
            destination_uid: *uid,
            size: message.size,
            date: message.date,
            identity: message.identity,
            flags,
            origin: if shelf.ours.contains(*uid) { Origin::Copied } else { Origin::Adopted },
        });
    }
    if !found.is_empty() {
        let (all, ours) = (found.len(), |set: &UidSet| {
            found.iter().filter(|(_, uid)| set.contains(*uid)).count()
        });
        // What this sync point put there is counted as migrated, and what an earlier one did was
        // counted then.
        run.mail().skipped += (all - ours(&shelf.ours_now)) as u64;
        let folder = run.folder_mut(at)?;
        // The slice may end before the rest of the window is through.
        found.iter().for_each(|(message, _)| folder.moved_uids.0.insert(message.uid));
        folder.counts.adopted += (all - ours(&shelf.ours)) as u64;
        stage_segment(run, at, &segment)?;
    }
    Ok((kept, found.into_iter().map(|(message, _)| message).collect()))
}

/// The copy of a message without Message-ID: one with the same content.
async fn twin<H: Host>(
    lines: &mut Lines<H>,
    message: &Message,
    shelf: &mut Shelf,
) -> Result<Option<u32>, Halt> {
    if !shelf.has_nameless() {
        return Ok(None);
    }
    let Some(size) = lines.source.true_size(message).await.at(Side::Source)? else {
        return Ok(None);
    };
    let candidates: UidSet = shelf.nameless(size).collect();
    if candidates.is_empty() {
        return Ok(None);
    }
    let own: UidSet = std::iter::once(message.uid).collect();
    let own = digests(&mut lines.source, &own).await.at(Side::Source)?;
    let Some(own) = own.get(&message.uid) else { return Ok(None) };
    let theirs = digests(&mut lines.destination, &candidates).await.at(Side::Destination)?;
    let uid = theirs.iter().find(|(_, digest)| *digest == own).map(|(uid, _)| *uid);
    if let Some(uid) = uid {
        shelf.take_uid(uid);
    }
    Ok(uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(identity: u64, size: u64) -> Message {
        let date = imap::InternalDate::new(0, 0).unwrap();
        Message { uid: 1, size, date, flags: imap::Flags::new(), identity }
    }

    #[test]
    fn each_copy_is_taken_once() {
        let row = |identity, size, uid| Row { identity, size, uid, taken: false };
        let mut rows = vec![row(5, 10, 3), row(5, 10, 1), row(5, 11, 2), row(0, 10, 4)];
        rows.sort();
        let mut shelf = Shelf { rows, ..Shelf::default() };
        assert_eq!(shelf.take(&message(5, 10)), Some(1));
        assert_eq!(shelf.take(&message(5, 10)), Some(3));
        assert_eq!(shelf.take(&message(5, 10)), None);
        assert_eq!(shelf.take(&message(0, 10)), None, "content decides");
        assert_eq!(shelf.nameless(10).collect::<Vec<_>>(), [4]);
        shelf.take_uid(4);
        assert_eq!(shelf.nameless(10).count(), 0);
    }
}
