//! Recognises what the destination has already, so that it is not put there twice.
//!
//! A message is recognised by Message-ID and size; one without Message-ID only by equal content,
//! since two reports of one program easily have one size and one second.

use std::collections::BTreeMap;

use imap::{FetchEvent, FetchItems, Mode, Sequence, Session, UidSet};
use sha2::{Digest, Sha256};
use store::Store;
use wire::Stream;

use crate::cursor::Message;
use crate::header;
use crate::journal::{Entry, Origin};
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
            FetchEvent::Message(row) if row.uid != 0 => {
                let Some(date) = row.internal_date.or_else(|| imap::InternalDate::new(0, 0)) else {
                    continue;
                };
                rows.push(Message {
                    uid: row.uid,
                    size: row.size.unwrap_or(0),
                    date,
                    flags: imap::Flags::new(),
                    identity: row.message_id.map_or(0, |block| header::identity(&block)),
                });
            }
            FetchEvent::Done => return Ok(rows),
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
        Ok(Shelf { rows, any_size })
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
    let folder = run.folder(at)?;
    if !folder.adopt {
        return Ok(None);
    }
    let any_size =
        lines.source.quirks().size_is_estimate || lines.destination.quirks().size_is_estimate;
    let name = folder.destination.mailbox();
    let mut shelf =
        Shelf::read(&mut lines.destination, &name, any_size).await.at(Side::Destination)?;
    // What the journal knows belongs to a source message already.
    for number in 0..folder.segments {
        let segment = reconcile::segment(run, at, number).await?;
        if segment.destination_uid_validity == folder.destination_uid_validity
            && segment.source_uid_validity == folder.found.uid_validity
        {
            segment.entries.iter().for_each(|entry| shelf.take_uid(entry.destination_uid));
        }
    }
    Ok(Some(shelf))
}

/// Leaves out what the destination has already, and journals it.
pub(crate) async fn adopted<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    messages: Vec<Message>,
    shelf: &mut Shelf,
) -> Result<Vec<Message>, Halt> {
    let mut segment = segment_for(run, at)?;
    segment.destination_uid_validity = run.folder(at)?.destination_uid_validity;
    let (mut kept, mut found) = (Vec::new(), Vec::new());
    for message in messages {
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
            origin: Origin::Adopted,
        });
    }
    if !found.is_empty() {
        let n = found.len() as u64;
        run.mail().skipped += n;
        run.folder_mut(at)?.counts.adopted += n;
        stage_segment(run, at, &segment)?;
    }
    Ok(kept)
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
        let mut shelf = Shelf { rows, any_size: false };
        assert_eq!(shelf.take(&message(5, 10)), Some(1));
        assert_eq!(shelf.take(&message(5, 10)), Some(3));
        assert_eq!(shelf.take(&message(5, 10)), None);
        assert_eq!(shelf.take(&message(0, 10)), None, "content decides");
        assert_eq!(shelf.nameless(10).collect::<Vec<_>>(), [4]);
        shelf.take_uid(4);
        assert_eq!(shelf.nameless(10).count(), 0);
    }
}
