//! Where the content of a multi-line answer ends, and which dots in it are not part of it (RFC
//! 1939 section 3).
//!
//! A line is what ends with CRLF. A lone LF ends a line only where the server ended its status
//! line so: a message with lone LFs may well hold a dot between two of them, and taking it for
//! the end would read the rest of the message as the server's answers.

use bytes::{Buf, Bytes};
use memchr::memmem;

/// Where in the content the next octet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    LineStart,
    /// Behind a dot at the start of a line, which was not handed out.
    Dot,
    /// Behind a dot and a CR.
    DotCr,
    Middle,
    /// Behind a CR in the middle.
    Cr,
}

/// What the buffer gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Octets of the content.
    Octets(Bytes),
    /// All of it was handed out.
    End,
    /// The buffer is used up.
    More,
}

/// Reads one content.
#[derive(Debug)]
pub(crate) struct Content {
    at: At,
    lone_lf: bool,
}

impl Content {
    /// Begins; `lone_lf` says that the server ends lines with LF alone.
    pub(crate) fn new(lone_lf: bool) -> Self {
        Content { at: At::LineStart, lone_lf }
    }

    /// Takes from the front of `buffer` what can be told for certain.
    pub(crate) fn take(&mut self, buffer: &mut Bytes) -> Piece {
        loop {
            let Some(&first) = buffer.first() else { return Piece::More };
            match (self.at, first) {
                (At::LineStart, b'.') => {
                    buffer.advance(1);
                    self.at = At::Dot;
                }
                (At::Dot, b'\r') => {
                    buffer.advance(1);
                    self.at = At::DotCr;
                }
                // What begins with a dot is stuffed, so a dot alone ends it, whatever follows.
                (At::Dot | At::DotCr, b'\n') => {
                    buffer.advance(1);
                    return Piece::End;
                }
                (At::DotCr, _) => {
                    self.at = At::Cr;
                    return Piece::Octets(Bytes::from_static(b"\r"));
                }
                (At::Cr, b'\n') => {
                    self.at = At::LineStart;
                    return Piece::Octets(buffer.split_to(1));
                }
                (At::LineStart | At::Dot | At::Cr | At::Middle, _) => {
                    return Piece::Octets(self.line_ends(buffer));
                }
            }
        }
    }

    /// Everything up to the next line that begins with a dot.
    fn line_ends(&mut self, buffer: &mut Bytes) -> Bytes {
        let needle: &[u8] = if self.lone_lf { b"\n." } else { b"\r\n." };
        if let Some(found) = memmem::find(buffer, needle) {
            self.at = At::LineStart;
            return buffer.split_to(found + needle.len() - 1);
        }
        let all = buffer.split_to(buffer.len());
        self.at = match self.lone_lf {
            _ if all.ends_with(b"\r\n") => At::LineStart,
            true if all.ends_with(b"\n") => At::LineStart,
            false if all.ends_with(b"\r") => At::Cr,
            _ => At::Middle,
        };
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The content and what is left behind it.
    fn read(sent: &[u8], bite: usize, lone_lf: bool) -> Option<(Vec<u8>, Vec<u8>)> {
        let (mut content, mut out) = (Content::new(lone_lf), Vec::new());
        let mut rest = sent;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(bite.min(rest.len()));
            rest = after;
            let mut buffer = Bytes::copy_from_slice(piece);
            loop {
                match content.take(&mut buffer) {
                    Piece::Octets(octets) => {
                        assert!(!octets.is_empty());
                        out.extend_from_slice(&octets);
                    }
                    Piece::End => return Some((out, [&buffer[..], rest].concat())),
                    Piece::More => break,
                }
            }
        }
        None
    }

    #[track_caller]
    fn check(sent: &str, content: &str) {
        for bite in [usize::MAX, 1, 2, 3, 5] {
            let sent = format!("{sent}+OK");
            let expected = Some((content.as_bytes().to_vec(), b"+OK".to_vec()));
            assert_eq!(read(sent.as_bytes(), bite, false), expected, "{sent:?} by {bite}");
        }
    }

    #[test]
    fn dots_and_ends() {
        check(".\r\n", "");
        check("a\r\n.\r\n", "a\r\n");
        check("..\r\n.\r\n", ".\r\n");
        check("..a\r\n...\r\n.\r\n", ".a\r\n..\r\n");
        check("a.\r\n.b\r\n.\r\n", "a.\r\nb\r\n");
        check("\r\n\r\n.\r\n", "\r\n\r\n");
        check("a\r\r\n.\r\n", "a\r\r\n");
        check(".\rx\r\n.\r\n", "\rx\r\n");
        check("a\r\n.\n", "a\r\n");
    }

    #[test]
    fn a_dot_between_lone_line_feeds_is_content() {
        check("a\n.\nb\n.\r\nc\r\n.\r\n", "a\n.\nb\n.\r\nc\r\n");
        check("a\r.\rb\r\n.\r\n", "a\r.\rb\r\n");
        for bite in [usize::MAX, 1, 2] {
            let expected = Some((b"a\n.b\r\n".to_vec(), Vec::new()));
            assert_eq!(read(b"a\n..b\r\n.\n", bite, true), expected);
        }
    }

    #[test]
    fn every_text_comes_back_however_it_is_cut() {
        // All texts of six letters over what matters here.
        for number in 0..4usize.pow(6) {
            let text: Vec<u8> = (0..6).map(|n| b".\r\na"[number / 4usize.pow(n) % 4]).collect();
            // What a server does: a CRLF at the end, dots doubled at the start of lines.
            let mut sent = Vec::new();
            let mut line_start = true;
            for (at, byte) in text.iter().enumerate() {
                if line_start && *byte == b'.' {
                    sent.push(b'.');
                }
                sent.push(*byte);
                line_start = text[..=at].ends_with(b"\r\n");
            }
            let mut whole = text.clone();
            if !line_start {
                sent.extend_from_slice(b"\r\n");
                whole.extend_from_slice(b"\r\n");
            }
            sent.extend_from_slice(b".\r\n");
            for bite in [usize::MAX, 1, 2, 3] {
                let expected = Some((whole.clone(), Vec::new()));
                assert_eq!(read(&sent, bite, false), expected, "{}", text.escape_ascii());
            }
        }
    }
}
