//! What both sides are asked about messages.

use std::collections::BTreeMap;

use ledger::Message;
use mailbox::UidSet;
use mailbox::header::{Header, HeaderReader};
use services::mail::{Asked, Event, Fetch, Row as Told, Which};
use services::{Source, Trouble};
use sha2::{Digest, Sha256};
use wire::Stream;

use crate::mail::listing;

/// The most messages of a folder that are listed at once, about 150 bytes each while they are read.
pub(crate) const LISTED_MAX: usize = 100_000;

/// What a range of a folder looks like: UID, size, date, identity. Only of messages that are
/// `wanted`, as far as a response tells: a folder may hold millions of others.
pub(crate) async fn list(
    session: &mut impl Fetch,
    sequence: &Which,
    wanted: impl Fn(&listing::Row) -> bool,
) -> Result<Vec<Message>, Trouble> {
    ask(session, sequence).await?;
    read(session, wanted).await
}

/// The question of [`list`], without waiting.
pub(crate) async fn ask(session: &mut impl Fetch, sequence: &Which) -> Result<(), Trouble> {
    let items = Asked { date: true, size: true, message_id: true, ..Asked::default() };
    session.start_fetch(sequence, items).await
}

/// The answer to [`ask`].
pub(crate) async fn read(
    session: &mut impl Fetch,
    wanted: impl Fn(&listing::Row) -> bool,
) -> Result<Vec<Message>, Trouble> {
    let mut rows = Vec::new();
    loop {
        match session.next().await? {
            Event::Message(told) if told.uid != 0 => {
                let row = listing::Row::of(Told { flags: None, ..told });
                rows.extend(Some(row).filter(&wanted));
            }
            Event::Done => {
                let rows = listing::merged(rows).into_iter();
                return Ok(rows.filter_map(listing::Row::message).collect());
            }
            Event::Refused(reply) => return Err(Trouble::Rejected(reply)),
            Event::Message(_) | Event::Chunk(_) | Event::EndOfBody(_) | Event::Vanished(_) => {}
        }
        if rows.len() > LISTED_MAX {
            return Err(Trouble::too_many("messages in one answer", LISTED_MAX));
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
        let items = Asked { body: true, ..Asked::default() };
        session.start_fetch(&Which::Uids(piece), items).await?;
        let (mut uid, mut hash) = (0, Sha256::new());
        loop {
            match session.next().await? {
                Event::Message(row) => (uid, hash) = (row.uid, Sha256::new()),
                Event::Chunk(bytes) => hash.update(&bytes),
                Event::EndOfBody(later) => {
                    let digest: [u8; 32] = hash.finalize_reset().into();
                    found.insert(if uid == 0 { later.uid } else { uid }, digest);
                }
                Event::Done => break,
                Event::Refused(reply) => return Err(Trouble::Rejected(reply)),
                Event::Vanished(_) => {}
            }
        }
    }
    Ok(found)
}

/// Octets of a UID set in one command: RFC 7162 section 4 asks clients to stay below 8192 a line.
pub(crate) fn imap_set_octets() -> usize {
    7_000
}

/// UIDs, headers and octets of these messages, from their bodies: a source that does not tell a
/// Message-ID may still deliver the message.
pub(crate) async fn headers<S: Stream>(
    source: &mut Source<S>,
    uids: &UidSet,
) -> Result<Vec<(u32, Header, u64)>, Trouble> {
    let mut found = Vec::new();
    // One at a time, since a body may come before its UID.
    for uid in uids.iter() {
        let items = Asked { body: true, ..Asked::default() };
        let own: UidSet = std::iter::once(uid).collect();
        source.start_fetch(&Which::Uids(own), items).await?;
        let (mut reader, mut octets) = (HeaderReader::default(), 0);
        loop {
            match source.next().await? {
                Event::Chunk(bytes) => {
                    octets += bytes.len() as u64;
                    reader.feed(&bytes);
                }
                Event::EndOfBody(_) => {
                    let header = std::mem::take(&mut reader).finish();
                    found.push((uid, header, std::mem::take(&mut octets)));
                }
                // Later it may deliver it; without it, nobody knows which message this is.
                Event::Refused(reply) if reply.wait_s.is_some() => {
                    return Err(Trouble::Rejected(reply));
                }
                Event::Done | Event::Refused(_) => break,
                Event::Message(_) | Event::Vanished(_) => {}
            }
        }
    }
    Ok(found)
}
