//! What stands in a folder of the destination that may have been put there by somebody else.
//!
//! A folder may hold a million messages, so that 20 bytes are held of each, and looking one up takes
//! no longer where many look alike.

use std::collections::BTreeMap;

use ledger::Message;
use ledger::skips::Skips;
use mailbox::{UidSet, header};
use services::mail::{Asked, Event, Fetch, MailService, Which};
use services::{Destination, Trouble};
use wire::Stream;

use crate::mail::reading::digests;

/// The most messages of a destination folder that are compared with a source folder: 20 bytes each,
/// 30 MB of the 64 MiB of a component.
pub(crate) const STANDING_MAX: usize = 1_500_000;
/// Messages whose content is read in one go, about 60 bytes each.
const READ_AT_ONCE: usize = 10_000;

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    /// Hash of the Message-ID; 0 where there is none.
    identity: u64,
    /// RFC822.SIZE; 0 where the server told none. Larger ones than a number of 32 bits holds are
    /// told apart by nothing but their Message-ID.
    size: u32,
    uid: u32,
}

/// The first octets of a SHA-256 of a message's content.
type Digest = [u8; 16];

/// Messages without Message-ID, all of one size, by content.
#[derive(Debug)]
struct Contents {
    /// With each, its place among the rows; in order.
    rows: Vec<(Digest, u32)>,
    taken: Skips,
}

/// What stands in a folder of the destination, and what of it belongs to nobody yet.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// In order.
    rows: Vec<Row>,
    taken: Skips,
    /// Sizes mean nothing between these two servers.
    any_size: bool,
    /// By size, once they were read.
    contents: BTreeMap<u32, Contents>,
    /// What this migration put there before the source numbered its messages anew.
    pub(crate) ours: UidSet,
    /// Of these, what this very sync point put there.
    pub(crate) ours_now: UidSet,
}

impl Standing {
    /// Looks at the whole folder, which is left open.
    pub(crate) async fn read<S: Stream>(
        session: &mut Destination<S>,
        name: &mailbox::MailboxName,
        any_size: bool,
    ) -> Result<Self, Trouble> {
        let selected = session.select(name).await?;
        let mut rows = Vec::new();
        if selected.exists > 0 {
            let exists = usize::try_from(selected.exists).unwrap_or(usize::MAX);
            // Growing step by step would hold it twice at times.
            rows.reserve_exact(exists.min(STANDING_MAX));
            read_rows(session, &mut rows).await?;
        }
        Ok(Standing::of(rows, any_size))
    }

    fn of(mut rows: Vec<Row>, any_size: bool) -> Self {
        merge(&mut rows);
        rows.sort_unstable();
        let taken = Skips::new(rows.len());
        Standing { rows, taken, any_size, ..Standing::default() }
    }

    /// Takes those with these UIDs.
    pub(crate) fn take_all(&mut self, uids: &UidSet) {
        for (place, row) in self.rows.iter().enumerate() {
            if uids.contains(row.uid) {
                self.taken.take(place);
            }
        }
    }

    /// Takes the copy of `message`, if its Message-ID tells it; its UID.
    pub(crate) fn take(&mut self, message: &Message) -> Option<u32> {
        let identity = message.identity;
        if identity == 0 {
            return None;
        }
        let size = narrow(message.size);
        let exact = self.free((identity, size)).filter(|(_, row)| row.size == size);
        let found = match exact {
            None if self.any_size => {
                self.free((identity, size)).or_else(|| self.free((identity, 0)))
            }
            exact => exact,
        };
        let (place, row) = found?;
        self.taken.take(place);
        Some(row.uid)
    }

    /// Some of this identity and size that belong to nobody, `most` at most: places and UIDs. None where
    /// sizes mean nothing.
    pub(crate) fn some(&mut self, (identity, size): (u64, u64), most: usize) -> Vec<(usize, u32)> {
        let size = narrow(size);
        let mut some = Vec::new();
        let mut next = if self.any_size { None } else { self.free((identity, size)) };
        while let Some((place, row)) = next.filter(|(_, row)| row.size == size) {
            some.push((place, row.uid));
            if some.len() == most {
                break;
            }
            let after = self.taken.free(place + 1);
            let row = self.rows.get(after).filter(|row| row.identity == identity);
            next = row.map(|row| (after, *row));
        }
        some
    }

    /// Takes the message at this place.
    pub(crate) fn take_place(&mut self, place: usize) {
        self.taken.take(place);
    }

    /// The first of this identity that belongs to nobody, from this size on.
    fn free(&mut self, (identity, size): (u64, u32)) -> Option<(usize, Row)> {
        let from = self.rows.partition_point(|row| (row.identity, row.size) < (identity, size));
        let place = self.taken.free(from);
        let row = self.rows.get(place).filter(|row| row.identity == identity)?;
        Some((place, *row))
    }

    /// Whether there are messages without Message-ID.
    pub(crate) fn has_any_nameless(&self) -> bool {
        self.rows.first().is_some_and(|row| row.identity == 0)
    }

    /// Whether there is a message without Message-ID of this size that belongs to nobody.
    pub(crate) fn has_nameless(&mut self, size: u64) -> bool {
        let size = narrow(size);
        self.free((0, size)).is_some_and(|(_, row)| row.size == size)
    }

    /// Takes a message without Message-ID of this size and content; its UID.
    pub(crate) async fn take_nameless(
        &mut self,
        session: &mut impl Fetch,
        size: u64,
        digest: &[u8; 32],
    ) -> Result<Option<u32>, Trouble> {
        let size = narrow(size);
        if !self.contents.contains_key(&size) {
            let contents = self.contents_of(session, size).await?;
            self.contents.insert(size, contents);
        }
        let Some(contents) = self.contents.get_mut(&size) else { return Ok(None) };
        let digest = shortened(digest);
        let from = contents.rows.partition_point(|row| row.0 < digest);
        let at = contents.taken.free(from);
        let Some((_, place)) = contents.rows.get(at).filter(|row| row.0 == digest) else {
            return Ok(None);
        };
        contents.taken.take(at);
        let place = usize::try_from(*place).unwrap_or(usize::MAX);
        self.taken.take(place);
        Ok(self.rows.get(place).map(|row| row.uid))
    }

    /// Reads the messages without Message-ID of this size that belong to nobody.
    async fn contents_of(
        &mut self,
        session: &mut impl Fetch,
        size: u32,
    ) -> Result<Contents, Trouble> {
        let mut rows = Vec::new();
        let mut next = self.free((0, size));
        while next.is_some() {
            let mut some: Vec<(u32, u32)> = Vec::new();
            while let Some((place, row)) = next.filter(|(_, row)| row.size == size) {
                if some.len() == READ_AT_ONCE {
                    break;
                }
                some.push((row.uid, u32::try_from(place).unwrap_or(u32::MAX)));
                let after = self.taken.free(place + 1);
                let row = self.rows.get(after).filter(|row| row.identity == 0);
                next = row.map(|row| (after, *row));
            }
            if some.is_empty() {
                break;
            }
            let uids: UidSet = some.iter().map(|(uid, _)| *uid).collect();
            let read = digests(session, &uids).await?;
            let digest = |(uid, place): &(u32, u32)| Some((shortened(read.get(uid)?), *place));
            rows.extend(some.iter().filter_map(digest));
        }
        rows.sort_unstable();
        let taken = Skips::new(rows.len());
        Ok(Contents { rows, taken })
    }
}

fn narrow(size: u64) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

fn shortened(digest: &[u8; 32]) -> Digest {
    digest.first_chunk().copied().unwrap_or_default()
}

/// Size and Message-ID of everything in the open folder.
async fn read_rows<S: Stream>(
    session: &mut Destination<S>,
    rows: &mut Vec<Row>,
) -> Result<(), Trouble> {
    let all = Which::Numbers { first: 1, last: None };
    let items = Asked { size: true, message_id: true, ..Asked::default() };
    session.start_fetch(&all, items).await?;
    loop {
        match session.next().await? {
            Event::Message(told) if told.uid != 0 => {
                let identity = told.message_id.map_or(0, |block| header::identity(&block));
                let size = told.size.map_or(0, narrow);
                rows.push(Row { identity, size, uid: told.uid });
            }
            Event::Done => return Ok(()),
            Event::Refused(reply) => return Err(Trouble::Rejected(reply)),
            Event::Message(_) | Event::Chunk(_) | Event::EndOfBody(_) | Event::Vanished(_) => {}
        }
        if rows.len() > STANDING_MAX {
            return Err(Trouble::too_many("messages at the destination", STANDING_MAX));
        }
    }
}

/// One row a message: what is said of one may come in several responses, or twice (RFC 9051 section
/// 7.5.2).
fn merge(rows: &mut Vec<Row>) {
    if rows.is_sorted_by(|a, b| a.uid < b.uid) {
        return;
    }
    rows.sort_unstable_by_key(|row| row.uid);
    rows.dedup_by(|later, first| {
        let same = later.uid == first.uid;
        if same {
            first.identity = first.identity.max(later.identity);
            first.size = first.size.max(later.size);
        }
        same
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(identity: u64, size: u64) -> Message {
        let date = mailbox::InternalDate::new(0, 0).unwrap();
        Message { uid: 1, size, date, flags: mailbox::Flags::new(), identity }
    }

    fn row(identity: u64, size: u32, uid: u32) -> Row {
        Row { identity, size, uid }
    }

    #[test]
    fn each_copy_is_taken_once() {
        let rows = vec![row(5, 10, 3), row(5, 10, 1), row(5, 11, 2), row(0, 10, 4)];
        let mut standing = Standing::of(rows, false);
        assert_eq!(standing.take(&message(5, 10)), Some(1));
        assert_eq!(standing.take(&message(5, 10)), Some(3));
        assert_eq!(standing.take(&message(5, 10)), None);
        assert_eq!(standing.take(&message(0, 10)), None, "content decides");
        assert!(standing.has_nameless(10));
        let taken: UidSet = [4].into_iter().collect();
        standing.take_all(&taken);
        assert!(!standing.has_nameless(10));
    }

    /// Where sizes are estimates the nearest larger one is as good as any, and an equal one better.
    #[test]
    fn sizes_that_mean_nothing() {
        let rows = vec![row(5, 10, 3), row(5, 12, 1), row(6, 9, 7)];
        let mut standing = Standing::of(rows, true);
        assert_eq!(standing.take(&message(5, 12)), Some(1));
        assert_eq!(standing.take(&message(5, 99)), Some(3));
        assert_eq!(standing.take(&message(5, 99)), None);
        assert_eq!(standing.take(&message(6, 1)), Some(7));
    }

    /// What is told in two responses is one message.
    #[test]
    fn parts_of_a_row_are_one() {
        let rows = vec![row(0, 10, 3), row(8, 11, 2), row(5, 0, 3)];
        let mut standing = Standing::of(rows, false);
        assert_eq!(standing.take(&message(5, 10)), Some(3));
        assert!(!standing.has_nameless(0));
    }

    /// Many that look alike cost no more than others.
    #[test]
    fn many_alike() {
        let count = 200_000;
        let rows = (0..count).map(|uid| row(5, 10, uid + 1)).collect();
        let mut standing = Standing::of(rows, false);
        for uid in 1..=count {
            assert_eq!(standing.take(&message(5, 10)), Some(uid));
        }
        assert_eq!(standing.take(&message(5, 10)), None);
        assert_eq!(size_of::<Row>(), 16);
    }
}
