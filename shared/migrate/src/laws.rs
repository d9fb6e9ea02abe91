//! Laws of what the engine reads: its own records, whatever became of them, and messages.
//!
//! Each takes bytes and panics where it is broken; for the fuzz targets and the test suite.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken panics"
)]

use std::fmt::Debug;

use ledger::folder::{Counts, Folder, Verified};
use ledger::journal::{Intention, Segment};
use ledger::{Cursor, FolderName, Uids};
use mailbox::arrival;
use mailbox::header::HeaderReader;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::records;
use wire::fed::cuts;

use crate::mail::repair::mended;

/// A segment of the journal: read or refused, and what is read is written as the same.
pub fn journal(bytes: &[u8]) {
    if let Ok(segment) = Segment::decode("j", bytes) {
        let again = segment.encode();
        assert_eq!(Segment::decode("j", &again).as_ref(), Ok(&segment));
        for entry in &segment.entries {
            let _ = segment.flags_of(entry);
        }
    }
}

/// An intention: as [`journal`].
pub fn intention(bytes: &[u8]) {
    if let Ok(intention) = Intention::decode("i", bytes) {
        assert_eq!(Intention::decode("i", &intention.encode()), Ok(intention));
    }
}

/// A record of one kind: read or refused, and what is read is written as the same.
fn record<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    let Ok(value) = records::decode::<T>("k", bytes) else { return };
    let written = records::encode("k", &value).expect("what was read can be written");
    let again = records::decode::<T>("k", &written).expect("what was written can be read");
    assert_eq!(again, value);
}

/// All records in JSON.
pub fn stored(bytes: &[u8]) {
    record::<Cursor>(bytes);
    record::<Folder>(bytes);
    record::<Vec<Folder>>(bytes);
    record::<FolderName>(bytes);
    record::<Uids>(bytes);
    record::<Counts>(bytes);
    record::<Vec<Verified>>(bytes);
    record::<model::Migration>(bytes);
    record::<model::Project>(bytes);
    record::<Vec<model::Failure>>(bytes);
    record::<Vec<model::FolderReport>>(bytes);
    record::<notify::Outbox>(bytes);
    record::<notify::delivery::Delivery>(bytes);
    record::<project::queue::Queue>(bytes);
    record::<project::members::Row>(bytes);
    record::<project::members::Sums>(bytes);
    record::<autodetect::Detection>(bytes);
    if let Ok(name) = records::decode::<FolderName>("k", bytes) {
        let _ = name.mailbox();
    }
}

/// The header of a message: the same however it comes, within its limits.
pub fn header(bytes: &[u8]) {
    let read = |bites: &[usize]| {
        let (mut reader, mut rest) = (HeaderReader::dating(), bytes);
        for bite in bites.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*bite).clamp(1, rest.len()));
            reader.feed(piece);
            rest = after;
        }
        reader.finish()
    };
    let whole = read(&[usize::MAX]);
    for bites in cuts(bytes) {
        assert_eq!(read(&bites), whole, "cut into {bites:?}");
    }
    for value in [&whole.message_id, &whole.subject] {
        assert!(value.len() <= 4096 && value.trim_ascii() == &value[..]);
        assert!(!value.contains(&b'\n'));
    }
    let _ = (arrival::of_received(bytes), arrival::of_date(bytes));
}

/// A message that was refused: mended alike however it comes; line ends are CRLF, there is no NUL,
/// and the header says in ASCII what it said before.
pub fn mender(bytes: &[u8]) {
    for is_last in [false, true] {
        let (whole, changed) = mended(is_last, bytes, &[usize::MAX]);
        for bites in cuts(bytes) {
            assert_eq!(mended(is_last, bytes, &bites), (whole.clone(), changed), "{bites:?}");
        }
        assert_eq!(changed, whole != bytes, "whether it was changed");
        assert!(!whole.contains(&0), "NUL");
        for (at, byte) in whole.iter().enumerate() {
            match byte {
                b'\r' => assert_eq!(whole.get(at + 1), Some(&b'\n'), "CR alone"),
                b'\n' => assert!(at > 0 && whole[at - 1] == b'\r', "LF alone"),
                _ => {}
            }
        }
        assert_eq!(mended(is_last, &whole, &[usize::MAX]), (whole, false), "mended twice");
    }
    says_the_same(bytes);
}

fn says_the_same(bytes: &[u8]) {
    let (lines, _) = mended(false, bytes, &[usize::MAX]);
    let (ascii, _) = mended(true, bytes, &[usize::MAX]);
    // The header ends at the first empty line, which may be the first of all.
    let end = |text: &[u8]| match text.starts_with(b"\r\n") {
        true => 0,
        false => memchr::memmem::find(text, b"\r\n\r\n").unwrap_or(text.len()),
    };
    let ((header, body), (encoded, same)) =
        (lines.split_at(end(&lines)), ascii.split_at(end(&ascii)));
    assert!(encoded.is_ascii(), "eight bits in a header");
    assert_eq!(body, same, "the body is left alone");
    let Ok(text) = std::str::from_utf8(header) else { return };
    // Blanks beyond all lines are not carried along; encoded words of others are theirs.
    if !text.contains("=?") && !text.contains("?=") && bytes.len() < 900 {
        let (text, encoded) = (unfolded(text), unfolded(std::str::from_utf8(encoded).unwrap()));
        assert_eq!(decoded(&encoded), Some(text), "the header says something else");
    }
}

/// RFC 5322 section 2.2.3.
fn unfolded(header: &str) -> String {
    header.replace("\r\n ", " ").replace("\r\n\t", "\t")
}

/// Reads encoded words of UTF-8 as RFC 2047 has them, for all octets in hexadecimal.
fn decoded(header: &str) -> Option<String> {
    const START: &str = "=?utf-8?Q?";
    let (mut text, mut rest) = (String::new(), header);
    while let Some((before, word)) = rest.split_once(START) {
        let (word, after) = word.split_once("?=")?;
        assert!(word.len() <= 45, "a word too long");
        let octets: Option<Vec<u8>> =
            word.split('=').skip(1).map(|hex| u8::from_str_radix(hex, 16).ok()).collect();
        text.push_str(before);
        // Whole characters in each word.
        text.push_str(&String::from_utf8(octets?).ok()?);
        let next = after.trim_start_matches([' ', '\t']);
        assert!(!after.starts_with(START), "words are parted");
        rest = if next.starts_with(START) { next } else { after };
    }
    text.push_str(rest);
    Some(text)
}

#[cfg(test)]
mod tests {
    use laws::hold;

    #[test]
    fn of_journal() {
        hold("journal", 20_000, super::journal);
    }

    #[test]
    fn of_intention() {
        hold("intention", 20_000, super::intention);
    }

    #[test]
    fn of_stored() {
        hold("stored", 5_000, super::stored);
    }

    #[test]
    fn of_header() {
        hold("header", 5_000, super::header);
    }

    #[test]
    fn of_mender() {
        hold("mender", 5_000, super::mender);
    }
}
