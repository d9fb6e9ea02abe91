//! Replies off a stream: lines, and which of them belong together (RFC 5321 section 4.2).

use bytes::Bytes;
use memchr::memchr;
use wire::Stream;

use crate::error::Error;
use crate::reply::{Enhanced, Reply};

/// Longest line of a reply. RFC 5321 section 4.5.3.1.5 allows 512 octets; some servers put long
/// addresses of help pages into theirs.
pub const LINE_MAX: usize = 2048;
/// Most lines of a reply: EHLO of servers with every extension has some thirty.
pub const LINES_MAX: usize = 100;

/// What was read and not used.
#[derive(Debug, Default)]
pub(crate) struct Input {
    rest: Bytes,
}

impl Input {
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next reply.
    pub(crate) async fn reply(&mut self, stream: &mut impl Stream) -> Result<Reply, Error> {
        let mut reply: Option<Reply> = None;
        for _ in 0..LINES_MAX {
            let line = self.line(stream).await?;
            let (code, more, text) = split(&line)?;
            let (enhanced, text) = split_enhanced(text);
            let text = wire::words(text).trim_end().to_owned();
            let reply = reply.get_or_insert(Reply { code, enhanced, lines: Vec::new() });
            if reply.code != code {
                return Err(unreadable("the lines of a reply have different codes", &line));
            }
            reply.lines.push(text);
            if !more {
                return Ok(reply.clone());
            }
        }
        Err(unreadable("a reply without end", b""))
    }

    /// A line without its end; a lone LF ends one too, as some servers send it.
    async fn line(&mut self, stream: &mut impl Stream) -> Result<Vec<u8>, Error> {
        let mut line = Vec::new();
        loop {
            if self.rest.is_empty() {
                self.rest = stream.read().await?;
            }
            if self.rest.is_empty() {
                return Err(wire::Error::Closed.into());
            }
            let end = memchr(b'\n', &self.rest);
            let taken = self.rest.split_to(end.map_or(self.rest.len(), |end| end + 1));
            line.extend_from_slice(&taken);
            if line.len() > LINE_MAX {
                return Err(unreadable("a line without end", &line));
            }
            if end.is_some() {
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
        }
    }
}

fn unreadable(what: &'static str, line: &[u8]) -> Error {
    Error::Unreadable { what, sample: wire::sample(line) }
}

/// Code, whether more lines follow, text: `Reply-line = *( Reply-code "-" [ textstring ] CRLF )
/// Reply-code [ SP textstring ] CRLF`.
fn split(line: &[u8]) -> Result<(u16, bool, &[u8]), Error> {
    let wrong = || unreadable("it begins with no code", line);
    let (digits, rest) = line.split_first_chunk::<3>().ok_or_else(wrong)?;
    let text = std::str::from_utf8(digits).map_err(|_| wrong())?;
    let code = text.parse().map_err(|_| wrong())?;
    if !(200..600).contains(&code) || text.starts_with('+') {
        return Err(wrong());
    }
    match rest.split_first() {
        None => Ok((code, false, rest)),
        Some((b' ', text)) => Ok((code, false, text)),
        Some((b'-', text)) => Ok((code, true, text)),
        Some(_) => Err(wrong()),
    }
}

/// `class "." subject "." detail SP` in front of the text (RFC 2034 section 4).
fn split_enhanced(text: &[u8]) -> (Option<Enhanced>, &[u8]) {
    let end = memchr(b' ', text).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, b""));
    match std::str::from_utf8(word).ok().and_then(enhanced) {
        Some(code) => (Some(code), rest.strip_prefix(b" ").unwrap_or(rest)),
        None => (None, text),
    }
}

fn enhanced(word: &str) -> Option<Enhanced> {
    let mut parts = word.split('.');
    let mut part = || {
        let digits = parts.next()?;
        let plain = digits.len() <= 3 && digits.bytes().all(|digit| digit.is_ascii_digit());
        if plain { digits.parse::<u16>().ok() } else { None }
    };
    let (class, subject, detail) = (part()?, part()?, part()?);
    let class = u8::try_from(class).ok().filter(|class| matches!(class, 2 | 4 | 5))?;
    parts.next().is_none().then_some(Enhanced { class, subject, detail })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use wire::script::Script;

    fn read(lines: &str) -> Result<Reply, Error> {
        let results = [usize::MAX, 1, 3].map(|bite| {
            let mut script = Script::new(lines, bite);
            block_on(Input::default().reply(&mut script))
        });
        let [whole, single, three] = results;
        assert_eq!(whole, single);
        assert_eq!(whole, three);
        whole
    }

    #[test]
    fn reads_replies() {
        let reply = read("S: 250-first\nS: 250-\nS: 250 last").unwrap();
        assert_eq!((reply.code, reply.lines.join("|")), (250, "first||last".into()));
        let reply = read("S: 550-5.1.1 no such user\nS: 550 5.1.1 see https://h.example").unwrap();
        assert_eq!(reply.enhanced, Some(Enhanced { class: 5, subject: 1, detail: 1 }));
        assert_eq!(reply.to_string(), "550 5.1.1 no such user see https://h.example");
        assert!(reply.is_permanent() && !reply.is_done());
        assert_eq!(read("S: 354").unwrap().to_string(), "354");
        assert!(read("S: 354").unwrap().wants_more());
        assert_eq!(read("S: 220 1.2 x").unwrap().enhanced, None);
        assert_eq!(read("S: 220 10.0.0.1 ready").unwrap().enhanced, None);
    }

    #[test]
    fn refuses_what_is_no_reply() {
        for line in ["hello", "25", "2500 x", "25x y", "+50 x", "199 x", "600 x", "250_x"] {
            assert!(matches!(read(&format!("S: {line}")), Err(Error::Unreadable { .. })), "{line}");
        }
        let changing = read("S: 250-a\nS: 251 b");
        assert!(matches!(changing, Err(Error::Unreadable { .. })));
        assert_eq!(read("S: 250-a"), Err(Error::Wire(wire::Error::Closed)));
        let endless = "S: 250-a\n".repeat(LINES_MAX + 1);
        assert!(matches!(read(&endless), Err(Error::Unreadable { .. })));
        let long = format!("S~ {}", LINE_MAX + 1);
        assert!(matches!(read(&long), Err(Error::Unreadable { .. })));
    }
}
