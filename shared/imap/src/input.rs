//! The reading half of a connection: from the stream's buffers to whole responses.
//!
//! A response that lies in one buffer is a slice of it; only one that spans buffers is copied.
//! Literals are gathered in place, but for the body of a message, which passes in chunks.

use bytes::{Buf, Bytes};
use wire::Stream;
use wire::echo::Sent;

use crate::error::Error;

/// Longest response, literals within it included, bodies excluded, in octets. It must hold a
/// SEARCH answer without ESEARCH (some 250,000 UIDs) and a LIST or VANISHED line of any real
/// server; several connections that all send this much still fit into 64 MiB.
pub(crate) const RESPONSE_MAX: usize = 2 * 1024 * 1024;

/// Longest literal that is gathered, in octets: mailbox names and single header fields are far
/// shorter. A longer one in a FETCH (a Message-ID of a megabyte) is dropped and reads as `NIL`.
const LITERAL_MAX: u64 = 64 * 1024;

/// What may pass in chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bodies {
    /// The response ends before the body of a message, `BODY[] {n}`.
    Apart,
    /// Bodies are gathered or dropped like any literal: nobody asked for them.
    Within,
    /// As `Within`, for what follows a body: it does not begin like a response.
    Rest,
}

/// A response without its last line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    /// The bytes; where `body` is given they end before its `{`.
    pub(crate) bytes: Bytes,
    /// Octets of a body that follow.
    pub(crate) body: Option<u64>,
}

/// A `{n}` at the end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Literal {
    /// Where its `{` or `~{` is.
    at: usize,
    size: u64,
}

/// What was read from the stream and not consumed.
#[derive(Debug, Default)]
pub(crate) struct Input {
    current: Bytes,
    taken: u64,
    /// What the server was told while it was logged in to; nothing of it is handed on.
    pub(crate) sent: Sent,
    /// Why nobody can say any more where a response begins.
    lost: Option<Error>,
}

impl Input {
    pub(crate) fn is_empty(&self) -> bool {
        self.current.is_empty()
    }

    pub(crate) fn unreadable(&self, what: &'static str, bytes: &[u8]) -> Error {
        Error::Unreadable { offset: self.taken, what, sample: self.sent.sample(bytes) }
    }

    /// What is there without waiting for more.
    pub(crate) fn buffered(&self) -> &[u8] {
        &self.current
    }

    /// Reads more behind what is there, for a look at the start of a conversation.
    pub(crate) async fn more(&mut self, stream: &mut impl Stream) -> Result<(), Error> {
        let next = stream.read().await?;
        if next.is_empty() {
            return Err(wire::Error::Closed.into());
        }
        self.current = match self.current.is_empty() {
            true => next,
            false => [&self.current[..], &next[..]].concat().into(),
        };
        Ok(())
    }

    async fn fill(&mut self, stream: &mut impl Stream) -> Result<(), Error> {
        if self.current.is_empty() {
            self.current = stream.read().await?;
            if self.current.is_empty() {
                return Err(wire::Error::Closed.into());
            }
        }
        Ok(())
    }

    fn take(&mut self, n: usize) -> Bytes {
        let n = n.min(self.current.len());
        self.taken += n as u64;
        self.current.split_to(n)
    }

    /// At most `most` octets, as many as are at hand; at least one.
    pub(crate) async fn chunk(
        &mut self,
        stream: &mut impl Stream,
        most: u64,
    ) -> Result<Bytes, Error> {
        self.fill(stream).await?;
        Ok(self.take(usize::try_from(most).unwrap_or(usize::MAX)))
    }

    /// Lets `octets` pass unread.
    pub(crate) async fn discard(
        &mut self,
        stream: &mut impl Stream,
        mut octets: u64,
    ) -> Result<(), Error> {
        while octets > 0 {
            octets -= self.chunk(stream, octets).await?.len() as u64;
        }
        Ok(())
    }

    /// The next response. Once one was unreadable, so is everything behind it: to go on in the
    /// middle would take a part of one response for another.
    pub(crate) async fn response(
        &mut self,
        stream: &mut impl Stream,
        bodies: Bodies,
    ) -> Result<Response, Error> {
        if let Some(lost) = &self.lost {
            return Err(lost.clone());
        }
        let read = self.read_response(stream, bodies).await;
        if let Err(error @ Error::Unreadable { .. }) = &read {
            self.lost = Some(error.clone());
        }
        read
    }

    async fn read_response(
        &mut self,
        stream: &mut impl Stream,
        bodies: Bodies,
    ) -> Result<Response, Error> {
        self.fill(stream).await?;
        match self.contiguous(bodies)? {
            Some(response) => Ok(response),
            None => self.gathered(stream, bodies).await,
        }
    }

    /// The next response, if all of it lies in the buffer.
    fn contiguous(&mut self, bodies: Bodies) -> Result<Option<Response>, Error> {
        let mut start = 0;
        loop {
            let rest = self.current.get(start..).unwrap_or_default();
            let Some(end) = memchr::memchr(b'\n', rest) else { return Ok(None) };
            let line = rest.get(..=end).unwrap_or_default();
            let data = start > 0 || bodies == Bodies::Rest || holds_literals(line);
            let literal = if data { self.literal(line)? } else { None };
            let next = start + end + 1;
            let Some(literal) = literal else {
                let mut bytes = self.take(next);
                bytes.truncate(without_line_end(&bytes).len());
                return Ok(Some(Response { bytes, body: None }));
            };
            if bodies == Bodies::Apart && is_body(line, literal) {
                let mut bytes = self.take(next);
                bytes.truncate(start + literal.at);
                return Ok(Some(Response { bytes, body: Some(literal.size) }));
            }
            let size = usize::try_from(literal.size).unwrap_or(usize::MAX);
            start = next.saturating_add(size);
            if literal.size > LITERAL_MAX || start >= self.current.len() {
                return Ok(None);
            }
        }
    }

    /// The next response, copied together from buffer after buffer.
    async fn gathered(
        &mut self,
        stream: &mut impl Stream,
        bodies: Bodies,
    ) -> Result<Response, Error> {
        let mut whole = Vec::new();
        loop {
            let start = whole.len();
            self.line_into(stream, &mut whole).await?;
            let line = whole.get(start..).unwrap_or_default();
            let data = start > 0 || bodies == Bodies::Rest || holds_literals(line);
            let literal = if data { self.literal(line)? } else { None };
            let Some(literal) = literal else {
                whole.truncate(without_line_end(&whole).len());
                return Ok(Response { bytes: whole.into(), body: None });
            };
            if bodies == Bodies::Apart && is_body(line, literal) {
                whole.truncate(start + literal.at);
                return Ok(Response { bytes: whole.into(), body: Some(literal.size) });
            }
            if literal.size <= LITERAL_MAX {
                self.octets_into(stream, literal.size, &mut whole).await?;
            } else if bodies == Bodies::Rest || is_fetch(&whole) {
                whole.truncate(start + literal.at);
                whole.extend_from_slice(b"NIL");
                self.discard(stream, literal.size).await?;
            } else {
                return Err(self.unreadable("a literal too large", &whole));
            }
        }
    }

    async fn line_into(
        &mut self,
        stream: &mut impl Stream,
        whole: &mut Vec<u8>,
    ) -> Result<(), Error> {
        loop {
            self.fill(stream).await?;
            let end = memchr::memchr(b'\n', &self.current);
            let part = self.take(end.map_or(usize::MAX, |end| end + 1));
            self.append(whole, &part)?;
            if end.is_some() {
                return Ok(());
            }
        }
    }

    async fn octets_into(
        &mut self,
        stream: &mut impl Stream,
        mut octets: u64,
        whole: &mut Vec<u8>,
    ) -> Result<(), Error> {
        while octets > 0 {
            let part = self.chunk(stream, octets).await?;
            octets -= part.len() as u64;
            self.append(whole, &part)?;
        }
        Ok(())
    }

    fn append(&self, whole: &mut Vec<u8>, part: &[u8]) -> Result<(), Error> {
        if whole.len() + part.len() > RESPONSE_MAX {
            return Err(self.unreadable("a response without end", whole));
        }
        whole.extend_from_slice(part);
        Ok(())
    }

    /// `literal = "{" number64 ["+"] "}" CRLF`, at the end of a line; a `~` before it belongs to
    /// it (RFC 3516). Braces around anything else than a number at the end of data are an error:
    /// nobody could say where the next response begins.
    fn literal(&self, line: &[u8]) -> Result<Option<Literal>, Error> {
        let text = without_line_end(line);
        let Some(inner) = text.strip_suffix(b"}") else { return Ok(None) };
        let Some(brace) = memchr::memrchr(b'{', inner) else { return Ok(None) };
        let digits = inner.get(brace + 1..).unwrap_or_default();
        let digits = digits.strip_suffix(b"+").unwrap_or(digits);
        let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let size = std::str::from_utf8(digits).ok().filter(|_| plain).and_then(|d| d.parse().ok());
        let size = size.filter(|size: &u64| *size <= i64::MAX as u64);
        let size = size.ok_or_else(|| self.unreadable("a literal of impossible size", line))?;
        let tilde = inner.get(..brace).is_some_and(|before| before.ends_with(b"~"));
        Ok(Some(Literal { at: brace - usize::from(tilde), size }))
    }
}

/// Whether literals can occur in the response that begins so: in data, not in words for people,
/// which may well end in braces.
fn holds_literals(line: &[u8]) -> bool {
    let Some(data) = line.strip_prefix(b"* ") else { return false };
    let words: [&[u8]; 5] = [b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"];
    let word = data.split(|byte| matches!(byte, b' ' | b'\r' | b'\n')).next().unwrap_or_default();
    !words.iter().any(|status| status.eq_ignore_ascii_case(word))
}

/// Whether a literal is the whole text of a message: `BODY[] {n}`, or `BODY[]<0> {n}`.
fn is_body(line: &[u8], literal: Literal) -> bool {
    let before = line.get(..literal.at).unwrap_or_default().trim_ascii_end();
    let before = before.strip_suffix(b"<0>").unwrap_or(before);
    let Some(at) = before.len().checked_sub(6) else { return false };
    let (before, name) = before.split_at(at);
    name.eq_ignore_ascii_case(b"BODY[]") && matches!(before.last(), None | Some(b' ' | b'('))
}

fn is_fetch(response: &[u8]) -> bool {
    let mut words = response.split(|byte| *byte == b' ').skip(1).filter(|word| !word.is_empty());
    words.next().is_some() && words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"FETCH"))
}

/// `line` without CRLF; a lone LF is taken as well, as several servers end lines so.
fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl Input {
    /// Consumes what is buffered up to `n` octets; for the greeting.
    pub(crate) fn drop_front(&mut self, n: usize) {
        let n = n.min(self.current.len());
        self.taken += n as u64;
        self.current.advance(n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use wire::script::Script;

    fn read(
        script: &mut Script,
        input: &mut Input,
        bodies: Bodies,
    ) -> Result<(String, Option<u64>), Error> {
        let response = block_on(input.response(script, bodies))?;
        Ok((String::from_utf8_lossy(&response.bytes).into_owned(), response.body))
    }

    fn check(transcript: &str, bodies: Bodies, expected: &[(&str, Option<u64>)]) {
        for bite in [usize::MAX, 1, 3] {
            let (mut script, mut input) = (Script::new(transcript, bite), Input::default());
            for (text, body) in expected {
                let response = read(&mut script, &mut input, bodies).unwrap();
                assert_eq!(response, ((*text).into(), *body), "{bite} {transcript}");
                block_on(input.discard(&mut script, body.unwrap_or(0))).unwrap();
            }
        }
    }

    fn check_error(transcript: &str, what: &'static str) {
        let bites: &[usize] = match transcript.contains('~') {
            true => &[usize::MAX, 400_000],
            false => &[usize::MAX, 1],
        };
        for bite in bites {
            let (mut script, mut input) = (Script::new(transcript, *bite), Input::default());
            match read(&mut script, &mut input, Bodies::Apart) {
                Err(Error::Unreadable { what: own, .. }) => assert_eq!(own, what),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn gathers_literals_in_place() {
        check(
            "S: * LIST () \"/\" {4}
             S: a\"b}
             S: * OK see {1}
             S: * LIST () \"/\" {3+}
             S: abc (\"X\")
             S: A1 OK {-1}",
            Bodies::Apart,
            &[
                ("* LIST () \"/\" {4}\r\na\"b}", None),
                ("* OK see {1}", None),
                ("* LIST () \"/\" {3+}\r\nabc (\"X\")", None),
                ("A1 OK {-1}", None),
            ],
        );
    }

    #[test]
    fn stops_at_bodies() {
        check(
            "S: * 1 FETCH (UID 7 BODY[] {7}
             S: Hello
             S:  FLAGS ())
             S: * 2 FETCH (BODY[]<0> ~{2}
             S: ab)
             S: * 3 FETCH (X.BODY[] {0}
             S: )",
            Bodies::Apart,
            &[
                ("* 1 FETCH (UID 7 BODY[] ", Some(7)),
                (" FLAGS ())", None),
                ("* 2 FETCH (BODY[]<0> ", Some(2)),
                (")", None),
                ("* 3 FETCH (X.BODY[] {0}\r\n)", None),
            ],
        );
        check(
            "S: * 1 FETCH (BODY[] {2}
             S: ab)",
            Bodies::Within,
            &[("* 1 FETCH (BODY[] {2}\r\nab)", None)],
        );
    }

    #[test]
    fn huge_literals_in_a_fetch_read_as_nil() {
        check(
            "S: * 1 FETCH (BODY[HEADER.FIELDS (MESSAGE-ID)] {100000}
             S~ 100000
             S:  UID 7)",
            Bodies::Apart,
            &[("* 1 FETCH (BODY[HEADER.FIELDS (MESSAGE-ID)] NIL UID 7)", None)],
        );
    }

    #[test]
    fn hostile_sizes_end_at_once() {
        for size in ["-1", "18446744073709551616", "9223372036854775808", "", "1x", "+"] {
            check_error(
                &format!("S: * 1 FETCH (BODY[] {{{size}}}"),
                "a literal of impossible size",
            );
        }
        check_error("S: * LIST () \"/\" {4000000000}", "a literal too large");
        check_error("S~ 3000000", "a response without end");
        let many =
            "S: * LIST {60000}\nS~ 60000\n".to_owned() + &"S: {60000}\nS~ 60000\n".repeat(40);
        check_error(&many, "a response without end");
    }

    #[test]
    fn behind_the_unreadable_nothing_is_read() {
        let transcript = "S: * LIST () \"/\" {-1}\nS: A1 OK done";
        for bite in [usize::MAX, 1, 7] {
            let (mut script, mut input) = (Script::new(transcript, bite), Input::default());
            for _ in 0..3 {
                let Err(Error::Unreadable { what, .. }) =
                    read(&mut script, &mut input, Bodies::Apart)
                else {
                    panic!("{bite}");
                };
                assert_eq!(what, "a literal of impossible size", "{bite}");
            }
        }
    }

    #[test]
    fn end_of_stream_is_an_error() {
        let (mut script, mut input) = (Script::new("S~ 10", 3), Input::default());
        assert_eq!(read(&mut script, &mut input, Bodies::Apart), Err(wire::Error::Closed.into()));
    }
}
