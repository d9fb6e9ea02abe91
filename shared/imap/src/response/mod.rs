//! From bytes to values: the grammar of RFC 9051 section 9, read leniently.
//!
//! `../cursor.rs` reads tokens; this file tells responses apart; `fetch.rs` and `list.rs` read the
//! two large kinds. Everything here is pure: a response is whole before it is read.

mod fetch;
mod list;

pub(crate) use fetch::{Fetched, Item};
pub(crate) use list::{read_mailbox, read_namespaces, read_status_of};

use crate::cursor::{Cursor, Malformed};
use crate::reply::{Reply, Status};

/// The word of a status response.
pub(crate) fn read_status(word: &[u8]) -> Option<Status> {
    let known: [(&[u8], Status); 5] = [
        (b"OK", Status::Ok),
        (b"NO", Status::No),
        (b"BAD", Status::Bad),
        (b"BYE", Status::Bye),
        (b"PREAUTH", Status::PreAuth),
    ];
    known.iter().find(|(own, _)| own.eq_ignore_ascii_case(word)).map(|(_, status)| *status)
}

/// Untagged data, told apart by its first words; the cursor stands behind them.
#[derive(Debug)]
pub(crate) enum Line<'a> {
    /// `OK`, `NO`, `BAD`.
    Status(&'a Reply),
    /// `n EXISTS`.
    Exists(u32),
    /// `n FETCH`.
    Fetch(u32, Cursor<'a>),
    /// `FLAGS`.
    Flags(Cursor<'a>),
    /// `LIST` and `XLIST`.
    List(Cursor<'a>),
    /// `LSUB`.
    Lsub(Cursor<'a>),
    /// `STATUS`.
    StatusOf(Cursor<'a>),
    /// `NAMESPACE`.
    Namespace(Cursor<'a>),
    /// `SEARCH`.
    Search(Cursor<'a>),
    /// `ESEARCH`.
    Esearch(Cursor<'a>),
    /// `ENABLED`.
    Enabled(&'a [u8]),
    /// `ID`.
    Id(Cursor<'a>),
    /// `QUOTA`.
    Quota(Cursor<'a>),
    /// `VANISHED`.
    Vanished(Cursor<'a>),
    /// Anything else; it is skipped.
    Other,
}

impl<'a> Line<'a> {
    pub(crate) fn read(data: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(data);
        cursor.spaces();
        if cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            let number = cursor.number32()?;
            cursor.spaces();
            return Ok(match cursor.atom() {
                name if name.eq_ignore_ascii_case(b"FETCH") => Line::Fetch(number, cursor),
                name if name.eq_ignore_ascii_case(b"EXISTS") => Line::Exists(number),
                _ => Line::Other,
            });
        }
        let name = cursor.atom().to_ascii_uppercase();
        cursor.spaces();
        Ok(match &name[..] {
            b"FLAGS" => Line::Flags(cursor),
            b"LIST" | b"XLIST" => Line::List(cursor),
            b"LSUB" => Line::Lsub(cursor),
            b"STATUS" => Line::StatusOf(cursor),
            b"NAMESPACE" => Line::Namespace(cursor),
            b"SEARCH" => Line::Search(cursor),
            b"ESEARCH" => Line::Esearch(cursor),
            b"ENABLED" => Line::Enabled(cursor.rest()),
            b"ID" => Line::Id(cursor),
            b"QUOTA" => Line::Quota(cursor),
            b"VANISHED" => Line::Vanished(cursor),
            _ => Line::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator, so that every run tries the same bytes.
    fn noise(seed: &mut u64) -> u64 {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed
    }

    fn read_everything(data: &[u8]) {
        let spelling = mailbox::Spelling::ModifiedUtf7;
        let Ok(line) = Line::read(data) else { return };
        let _ = match line {
            Line::Fetch(number, cursor) => Fetched::read(number, cursor, spelling).map(drop),
            Line::List(mut cursor) | Line::Lsub(mut cursor) => {
                read_mailbox(&mut cursor, spelling).map(drop)
            }
            Line::StatusOf(mut cursor) => read_status_of(&mut cursor, spelling).map(drop),
            Line::Namespace(mut cursor) => read_namespaces(&mut cursor, spelling).map(drop),
            Line::Flags(mut cursor) => {
                crate::flags::read(&mut cursor);
                Ok(())
            }
            _ => Ok(()),
        };
        crate::Reply::read(crate::Status::No, data);
    }

    #[test]
    fn never_panics_on_any_bytes() {
        const TOKENS: [&[u8]; 24] = [
            b"* ",
            b"1 FETCH (",
            b"UID ",
            b"FLAGS (",
            b"\\Seen",
            b"(",
            b")",
            b"\"",
            b"\\",
            b"{3}\r\n",
            b"BODY[",
            b"]",
            b"NIL",
            b" ",
            b"LIST ",
            b"STATUS ",
            b"NAMESPACE ",
            b"99999999999999999999",
            b"X-GM-LABELS ",
            b"[COPYUID 1 2:3 ",
            b"MODSEQ (",
            b"\xff\0",
            b"INTERNALDATE ",
            b"7",
        ];
        let mut seed = 0x9E37_79B9_7F4A_7C15;
        for _ in 0..20_000 {
            let length = noise(&mut seed) % 12;
            let data: Vec<u8> = (0..length)
                .flat_map(|_| match noise(&mut seed) % 5 {
                    0 => vec![noise(&mut seed) as u8],
                    _ => TOKENS[noise(&mut seed) as usize % TOKENS.len()].to_vec(),
                })
                .collect();
            for prefix in [&b""[..], b"1 FETCH ", b"LIST ", b"STATUS ", b"NAMESPACE "] {
                read_everything(&[prefix, &data[..]].concat());
            }
        }
    }
}
