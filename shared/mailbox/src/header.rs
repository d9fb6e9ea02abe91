//! Reads what identifies a message off its header while it streams by.
//!
//! RFC 5322 section 2.2: fields up to the first empty line. Only the first `Message-ID` and the
//! first `Subject` are kept, each with a limit; nothing else is held.

use crate::arrival;
use crate::date::InternalDate;
use sha2::{Digest, Sha256};

/// The most bytes kept of a field; RFC 5322 section 2.1.1 allows lines of 998, folded ones more.
const FIELD_MAX_BYTES: usize = 4096;
/// A header that does not end before this is taken as ended: Exchange and Gmail allow 256 KiB.
const HEADER_MAX_BYTES: usize = 1 << 20;

/// What a header said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// The value of `Message-ID`, unfolded and trimmed; empty where there is none.
    pub message_id: Vec<u8>,
    /// The value of `Subject`, unfolded and trimmed, not decoded.
    pub subject: Vec<u8>,
    /// SHA-256 of the whole message, where it was asked for.
    pub digest: Option<[u8; 32]>,
    /// How many octets of the whole message are LF, where that was counted: some servers count a
    /// line end as one octet.
    pub line_feeds: u64,
    /// When the message arrived, where the source does not keep that: the date of the topmost
    /// `Received` that has one, else the `Date`.
    pub date: Option<InternalDate>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    MessageId,
    Subject,
    Received,
    Date,
    Other,
}

/// Reads a header that comes in pieces of any size.
pub struct HeaderReader {
    found: Header,
    line: Vec<u8>,
    seen_bytes: usize,
    field: Field,
    have: (bool, bool),
    ended: bool,
    dates: Option<Dates>,
}

/// The dates of a header whose message has no other.
#[derive(Debug, Default)]
struct Dates {
    value: Vec<u8>,
    received: Option<InternalDate>,
    date: Option<InternalDate>,
}

impl Default for HeaderReader {
    fn default() -> Self {
        HeaderReader {
            found: Header::default(),
            line: Vec::new(),
            seen_bytes: 0,
            field: Field::Other,
            have: (false, false),
            ended: false,
            dates: None,
        }
    }
}

impl HeaderReader {
    /// One that also looks when the message arrived.
    pub fn dating() -> Self {
        HeaderReader { dates: Some(Dates::default()), ..HeaderReader::default() }
    }

    /// Takes the next octets of the message; those after the header cost nothing.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !self.ended && !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes);
            let (piece, rest) = bytes.split_at(end.map_or(bytes.len(), |at| at + 1));
            self.seen_bytes += piece.len();
            let room = FIELD_MAX_BYTES.saturating_sub(self.line.len());
            if end.is_some() && self.line.is_empty() {
                self.line_ends(piece.get(..FIELD_MAX_BYTES).unwrap_or(piece));
            } else {
                self.line.extend_from_slice(piece.get(..room).unwrap_or(piece));
                if end.is_some() {
                    let line = std::mem::take(&mut self.line);
                    self.line_ends(&line);
                }
            }
            self.ended |= self.seen_bytes > HEADER_MAX_BYTES;
            bytes = rest;
        }
    }

    /// What was found; a header that never ended counts as far as it went.
    pub fn finish(mut self) -> Header {
        if !self.ended && !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.line_ends(&line);
        }
        self.field_ends();
        self.found.date = self.dates.take().and_then(|dates| dates.received.or(dates.date));
        for value in [&mut self.found.message_id, &mut self.found.subject] {
            *value = value.trim_ascii().to_vec();
        }
        self.found
    }

    fn line_ends(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line.first() {
            None => self.ended = true,
            Some(b' ' | b'\t') => self.keep(line),
            Some(_) => {
                self.field_ends();
                self.field = Field::Other;
                let Some(colon) = line.iter().take(64).position(|byte| *byte == b':') else {
                    return;
                };
                let (name, value) = line.split_at(colon);
                let name = name.trim_ascii_end();
                if name.eq_ignore_ascii_case(b"message-id") && !self.have.0 {
                    (self.field, self.have.0) = (Field::MessageId, true);
                } else if name.eq_ignore_ascii_case(b"subject") && !self.have.1 {
                    (self.field, self.have.1) = (Field::Subject, true);
                } else if let Some(dates) = &self.dates {
                    if dates.received.is_none() && name.eq_ignore_ascii_case(b"received") {
                        self.field = Field::Received;
                    } else if dates.date.is_none() && name.eq_ignore_ascii_case(b"date") {
                        self.field = Field::Date;
                    }
                }
                self.keep(value.get(1..).unwrap_or_default());
            }
        }
    }

    fn field_ends(&mut self) {
        let Some(dates) = &mut self.dates else { return };
        match self.field {
            Field::Received => dates.received = arrival::of_received(&dates.value),
            Field::Date => dates.date = arrival::of_date(&dates.value),
            Field::MessageId | Field::Subject | Field::Other => {}
        }
        dates.value.clear();
    }

    fn keep(&mut self, text: &[u8]) {
        let value = match self.field {
            Field::MessageId => &mut self.found.message_id,
            Field::Subject => &mut self.found.subject,
            Field::Received | Field::Date => match &mut self.dates {
                Some(dates) => &mut dates.value,
                None => return,
            },
            Field::Other => return,
        };
        let room = FIELD_MAX_BYTES.saturating_sub(value.len());
        value.extend_from_slice(text.get(..room).unwrap_or(text));
    }
}

/// A number for a Message-ID, the same in every version of this program (it is stored); 0 for none.
pub fn identity(message_id: &[u8]) -> u64 {
    let trimmed = message_id.trim_ascii();
    if trimmed.is_empty() {
        return 0;
    }
    let digest = Sha256::digest(trimmed);
    let head = digest.first_chunk::<8>().copied().unwrap_or_default();
    u64::from_le_bytes(head).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, message_id: &str, subject: &str) {
        for bite in [1, 2, 7, usize::MAX] {
            let mut reader = HeaderReader::default();
            message.as_bytes().chunks(bite.min(message.len().max(1))).for_each(|c| reader.feed(c));
            let found = reader.finish();
            assert_eq!(found.message_id, message_id.as_bytes(), "in bites of {bite}");
            assert_eq!(found.subject, subject.as_bytes(), "in bites of {bite}");
        }
    }

    #[test]
    fn finds_the_first_of_each() {
        check("Subject: a\r\nMessage-ID: <1@x>\r\n\r\nMessage-ID: <body>\r\n", "<1@x>", "a");
        check("message-id:\r\n <folded@x>\r\nX: y\r\n\r\n", "<folded@x>", "");
        check("MESSAGE-ID : <blank@x>\nSubject: lf only\n\n", "<blank@x>", "lf only");
        check("Message-ID: <1@x>\r\nMessage-ID: <2@x>\r\n\r\n", "<1@x>", "");
        check("no header at all", "", "");
        check("", "", "");
        check("\r\nSubject: in the body\r\n", "", "");
        check("Subject: cut off", "", "cut off");
    }

    #[test]
    fn says_when_a_message_arrived() {
        let check = |message: &str, expected: Option<&str>| {
            for bite in [1, 7, usize::MAX] {
                let mut reader = HeaderReader::dating();
                message.as_bytes().chunks(bite.min(message.len())).for_each(|c| reader.feed(c));
                let date = reader.finish().date.map(|date| date.to_string());
                assert_eq!(date.as_deref(), expected, "{message}");
            }
        };
        let date = "Date: Wed, 1 Jan 2020 10:00:00 +0100\r\n";
        let received = "Received: from a\r\n by b;\r\n\tFri, 3 Jan 2020 10:00:00 +0100 (CET)\r\n";
        let older = received.replace("3 Jan", "2 Jan");
        check(&format!("{date}{received}{older}\r\n"), Some("03-Jan-2020 10:00:00 +0100"));
        check(&format!("Received: by c\r\n{older}{date}\r\n"), Some("02-Jan-2020 10:00:00 +0100"));
        check(&format!("Subject: a\r\n{date}\r\n{received}"), Some("01-Jan-2020 10:00:00 +0100"));
        check(date.trim_end(), Some("01-Jan-2020 10:00:00 +0100"));
        check("Subject: none\r\nDate: soon\r\n\r\n", None);
        let mut plain = HeaderReader::default();
        plain.feed(date.as_bytes());
        assert_eq!(plain.finish().date, None, "nobody asked");
    }

    #[test]
    fn holds_little_of_a_huge_header() {
        let mut reader = HeaderReader::default();
        reader.feed(b"Subject: ");
        for _ in 0..10_000 {
            reader.feed(&[b'x'; 1000]);
            assert!(reader.line.capacity() <= 4 * FIELD_MAX_BYTES);
        }
        reader.feed(b"\r\nMessage-ID: <late@x>\r\n\r\n");
        let found = reader.finish();
        assert!(found.subject.len() <= FIELD_MAX_BYTES && found.message_id.is_empty());
    }

    #[test]
    fn an_identity_is_stable_and_zero_is_none() {
        assert_eq!(identity(b"<1@x>"), identity(b" <1@x> "));
        assert_eq!(identity(b"<1@x>"), 0xddcd_c4a6_6dd0_133c);
        assert_eq!(identity(b"\r\n"), 0);
    }
}
