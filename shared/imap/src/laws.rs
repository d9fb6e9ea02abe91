//! Laws that hold for whatever a server sends; for the fuzz targets and the test suite.
//!
//! Each takes the bytes of a server, from the greeting on, and panics where it is broken. Tags are
//! `A1`, `A2`, …, so the seeds of `fuzz/seeds/imap_*` can answer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken panics"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use futures::executor::block_on;
use laws::{Same, any_cut_gives_the_same};
use sasl::Credentials;
use wire::Secret;
use wire::fed::Fed;

use crate::Capabilities;
use crate::append::AppendHead;
use crate::attributes::{Attributes, FetchItems};
use crate::error::Error;
use crate::fetch::{FetchEvent, Sequence};
use crate::input::{Bodies, Input};
use crate::mailboxes::Mode;
use crate::messages::Criteria;
use crate::response::Line;
use crate::session::Session;
use mailbox::InternalDate;
use mailbox::UidSet;
use mailbox::utf7;
use mailbox::{MailboxName, Spelling};

/// Most events of a dialogue that are looked at: an input of some kilobytes has fewer.
const EVENTS_MAX: usize = 10_000;
/// Most numbers of a set that are compared one by one.
const NUMBERS_MAX: u64 = 2_000;

/// An error without what depends on the buffers: how far they were read, and what they hold.
fn shown(error: &Error) -> String {
    match error {
        Error::Unreadable { what, .. } => format!("unreadable: {what}"),
        other => format!("{other:?}"),
    }
}

/// Responses are the same however they arrive, and each is read to a value or refused.
pub fn responses(bytes: &[u8]) {
    for bodies in [Bodies::Apart, Bodies::Within] {
        any_cut_gives_the_same(bytes, |mut stream| {
            let (mut input, mut said) = (Input::default(), String::new());
            for _ in 0..EVENTS_MAX {
                let response = match block_on(input.response(&mut stream, bodies)) {
                    Ok(response) => response,
                    Err(error) => {
                        let _ = write!(said, "{}", shown(&error));
                        break;
                    }
                };
                let data = response.bytes.strip_prefix(b"* ").unwrap_or(&response.bytes);
                let line = Line::read(data);
                let _ = writeln!(said, "{:?} {:?} {line:?}", response.bytes, response.body);
                if block_on(input.discard(&mut stream, response.body.unwrap_or(0))).is_err() {
                    break;
                }
            }
            said
        });
    }
}

/// A fetch: the same events however they arrive, and each body as long as it was announced.
pub fn fetch(bytes: &[u8]) {
    let items = FetchItems {
        flags: true,
        internal_date: true,
        size: true,
        message_id: true,
        modseq: true,
        body: true,
        gmail: true,
        changed_since: None,
        vanished: false,
    };
    let listing = FetchItems { body: false, changed_since: Some(7), vanished: true, ..items };
    let known: UidSet = (1..100).collect();
    for (sequence, items) in [
        (Sequence::UidsFrom(1), items),
        (Sequence::Uids(known), items),
        (Sequence::Numbers { first: 1, last: Some(20) }, listing),
    ] {
        any_cut_gives_the_same(bytes, |stream| block_on(fetched(stream, &sequence, items)));
    }
}

async fn fetched(stream: Fed, sequence: &Sequence, items: FetchItems) -> String {
    let mut said = String::new();
    let mut session = match Session::greet(stream).await {
        Ok(session) => session,
        Err(error) => return shown(&error),
    };
    if let Err(error) = session.start_fetch(sequence, items).await {
        return shown(&error);
    }
    let (mut announced, mut body) = (None, Vec::new());
    for _ in 0..EVENTS_MAX {
        match session.next().await {
            Ok(FetchEvent::Chunk(chunk)) => body.extend_from_slice(&chunk),
            Ok(event) => {
                if let FetchEvent::Message(Attributes { body: octets, .. }) = &event {
                    announced = *octets;
                }
                if let FetchEvent::EndOfBody(_) = &event {
                    assert_eq!(announced.take(), Some(body.len() as u64), "octets of a body");
                    let _ = writeln!(said, "{}", std::mem::take(&mut body).escape_ascii());
                }
                let _ = writeln!(said, "{event:?}");
                if matches!(event, FetchEvent::Done | FetchEvent::Refused(_)) {
                    break;
                }
            }
            Err(error) => {
                let _ = writeln!(said, "{} {}", body.escape_ascii(), shown(&error));
                break;
            }
        }
    }
    said
}

/// The listing of mailboxes: the same however it arrives; names go back as they came.
pub fn list(bytes: &[u8]) {
    any_cut_gives_the_same(bytes, |stream| {
        block_on(async {
            let mut session = match Session::greet(stream).await {
                Ok(session) => session,
                Err(error) => return shown(&error),
            };
            let namespaces = session.namespace().await.map_err(|error| shown(&error));
            let mailboxes = session.list(true).await.map_err(|error| shown(&error));
            for mailbox in mailboxes.iter().flatten() {
                name_goes_back(mailbox.name.raw());
            }
            let status = session.status(&[MailboxName::inbox()]).await;
            format!("{namespaces:?} {mailboxes:?} {:?}", status.map_err(|error| shown(&error)))
        })
    });
    name_goes_back(bytes);
}

fn name_goes_back(raw: &[u8]) {
    for spelling in [Spelling::ModifiedUtf7, Spelling::Utf8] {
        let name = MailboxName::from_wire(raw, spelling);
        assert!(name.is_inbox() || name.raw() == raw, "the octets are kept");
        let again = MailboxName::new(name.text(), spelling);
        assert_eq!(again.text(), name.text());
        let read = MailboxName::from_wire(again.raw(), spelling);
        assert_eq!(read, again, "what we spell is read as it was meant");
        assert!(again.is_regular(spelling));
    }
    if let Ok(text) = std::str::from_utf8(raw) {
        assert_eq!(utf7::decode(&utf7::encode(text)).as_deref(), Some(text));
    }
}

/// Opening a mailbox, searching it, quota, STORE and COPY: the same however the answers arrive.
pub fn search(bytes: &[u8]) {
    any_cut_gives_the_same(bytes, |stream| {
        block_on(async {
            let mut session = match Session::greet(stream).await {
                Ok(session) => session,
                Err(error) => return shown(&error),
            };
            let inbox = MailboxName::inbox();
            let selected = session.select(&inbox, Mode::ReadWrite).await;
            let mut said = format!("{:?}", selected.map_err(|error| shown(&error)));
            let found = session.search(&Criteria::default()).await;
            let _ = write!(said, "{:?}", found.map_err(|error| shown(&error)));
            let quota = session.quota(&inbox).await;
            let _ = write!(said, "{:?}", quota.map_err(|error| shown(&error)));
            let copied = session.copy(&UidSet::from_iter([1, 2, 9]), &inbox).await;
            let _ = write!(said, "{:?}", copied.map_err(|error| shown(&error)));
            said
        })
    });
}

/// Logging in, ID, ENABLE and an APPEND: the same however the answers arrive.
pub fn dialogue(bytes: &[u8]) {
    for encrypted in [true, false] {
        any_cut_gives_the_same(bytes, |stream| {
            block_on(async {
                let mut session = match Session::greet(stream).await {
                    Ok(session) => session,
                    Err(error) => return shown(&error),
                };
                if encrypted {
                    session.set_encrypted();
                }
                let password = Secret::new("secret".into());
                let credentials = Credentials::password("anna", password);
                let done = session.authenticate(&credentials, &Same(9)).await;
                let mut said = format!("{:?}", done.map_err(|error| shown(&error)));
                let done = session.id("trasloco", "1").await;
                let _ = write!(said, "{:?}", done.map_err(|error| shown(&error)));
                let done = session.enable(&["UTF8=ACCEPT", "QRESYNC"]).await;
                let _ = write!(said, "{:?}", done.map_err(|error| shown(&error)));
                let _ = write!(said, "{:?}", appended(&mut session).await);
                let _ = write!(said, "{:?} {:?}", session.capabilities(), session.server_id());
                session.logout().await;
                said
            })
        });
    }
}

async fn appended(session: &mut Session<Fed>) -> Result<String, String> {
    let flags = ["\\Seen", "Junk"].into_iter().collect();
    let head = AppendHead { flags: &flags, internal_date: None, size: 3, binary: false };
    let inbox = MailboxName::inbox();
    let mut said = String::new();
    for _ in 0..2 {
        let started = session.append_message(&inbox, &head, true).await;
        let started = started.map_err(|error| shown(&error))?;
        let _ = write!(said, "{started:?}");
        if started == crate::Started::Ready {
            let chunk = wire::Bytes::from_static(b"abc");
            session.append_chunk(chunk).await.map_err(|error| shown(&error))?;
        }
    }
    let done = session.append_finish().await.map_err(|error| shown(&error))?;
    Ok(format!("{said} {done:?}"))
}

/// Sets of UIDs, capabilities and dates: what is read and printed is read as the same.
pub fn words(bytes: &[u8]) {
    if let Some(set) = UidSet::parse(bytes) {
        let again = UidSet::parse(set.to_string().as_bytes()).expect("what we print can be read");
        assert_eq!(again, set);
        let pieces = set.pieces(40);
        let ranges: Vec<_> = pieces.iter().flat_map(UidSet::ranges).collect();
        assert_eq!(ranges, set.ranges().collect::<Vec<_>>());
        if set.len() < NUMBERS_MAX {
            same_as_a_plain_set(&set);
        }
    }
    if let Some(date) = InternalDate::parse(bytes) {
        let printed = date.to_string();
        assert_eq!(InternalDate::parse(printed.as_bytes()), Some(date), "{printed}");
    }
    let text = String::from_utf8_lossy(bytes);
    let capabilities = Capabilities::parse(&text);
    for word in capabilities.words() {
        assert!(capabilities.has(word) && capabilities.has(&word.to_ascii_lowercase()), "{word}");
    }
    let _ = (capabilities.append_limit(), capabilities.mechanisms().count());
}

fn same_as_a_plain_set(set: &UidSet) {
    let mut plain: BTreeSet<u32> = set.iter().collect();
    let mut own: UidSet = set.iter().collect();
    assert_eq!(own.iter().collect::<Vec<_>>(), plain.iter().copied().collect::<Vec<_>>());
    for uid in set.iter().step_by(3) {
        own.remove(uid);
        plain.remove(&uid);
    }
    for uid in set.iter().step_by(7) {
        own.insert(uid);
        plain.insert(uid);
    }
    assert_eq!(own.iter().collect::<Vec<_>>(), plain.iter().copied().collect::<Vec<_>>());
    assert_eq!(own.len(), plain.len() as u64);
    assert_eq!((own.first(), own.last()), (plain.first().copied(), plain.last().copied()));
    for uid in set.iter() {
        assert_eq!(own.contains(uid), plain.contains(&uid));
        assert!(set.contains(uid));
    }
}

#[cfg(test)]
mod tests {
    use laws::hold;

    #[test]
    fn of_responses() {
        hold("imap_responses", 3_000, super::responses);
    }

    #[test]
    fn of_fetch() {
        hold("imap_fetch", 2_000, super::fetch);
    }

    #[test]
    fn of_list() {
        hold("imap_list", 2_000, super::list);
    }

    #[test]
    fn of_search() {
        hold("imap_search", 2_000, super::search);
    }

    #[test]
    fn of_dialogue() {
        hold("imap_dialogue", 2_000, super::dialogue);
    }

    #[test]
    fn of_words() {
        hold("imap_words", 10_000, super::words);
    }
}
