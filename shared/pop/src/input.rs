//! The reading half of a connection: lines, and content in chunks.

use bytes::{Bytes, BytesMut};
use memchr::memchr;
use wire::Stream;

use crate::content::{Content, Piece};
use crate::error::{Error, unreadable};

/// Longest line that is read. RFC 2449 section 4 has 512 octets with CRLF; four times that for
/// servers that put addresses of help pages into theirs, and for long unique-ids.
pub(crate) const LINE_MAX: usize = 2048;

/// The most octets of one message: IMAP, where it goes, counts them in 32 bits (RFC 3501 section
/// 4.3 `number`).
const CONTENT_MAX: u64 = u32::MAX as u64;

/// What was read from the stream and not consumed.
#[derive(Debug, Default)]
pub(crate) struct Input {
    current: Bytes,
    /// The last line ended with LF alone.
    lone_lf: bool,
    content: Option<Content>,
    passed: u64,
    /// A line or a message had no end: where the next one begins cannot be known.
    broken: Option<Error>,
}

impl Input {
    pub(crate) fn is_empty(&self) -> bool {
        self.current.is_empty()
    }

    /// Whether content is being read.
    pub(crate) fn in_content(&self) -> bool {
        self.content.is_some()
    }

    async fn fill(&mut self, stream: &mut impl Stream) -> Result<(), Error> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        if self.current.is_empty() {
            self.current = stream.read().await?;
            if self.current.is_empty() {
                return Err(wire::Error::Closed.into());
            }
        }
        Ok(())
    }

    /// Nothing is read any more; how much of what arrived is dropped with that depends on the line.
    fn give_up(&mut self, what: &'static str, sample: &[u8]) -> Error {
        let error = unreadable(what, sample);
        (self.broken, self.current) = (Some(error.clone()), Bytes::new());
        error
    }

    /// The next line without its end.
    pub(crate) async fn line(&mut self, stream: &mut impl Stream) -> Result<Bytes, Error> {
        self.fill(stream).await?;
        let line = match memchr(b'\n', &self.current) {
            Some(end) => self.current.split_to(end + 1),
            None => self.gathered(stream).await?,
        };
        if line.len() > LINE_MAX {
            return Err(self.give_up("a line without end", &line));
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let without = text.strip_suffix(b"\r").unwrap_or(text);
        self.lone_lf = without.len() == text.len();
        Ok(line.slice(..without.len()))
    }

    /// A line that spans buffers.
    async fn gathered(&mut self, stream: &mut impl Stream) -> Result<Bytes, Error> {
        let mut line = BytesMut::new();
        loop {
            self.fill(stream).await?;
            let end = memchr(b'\n', &self.current);
            let part = self.current.split_to(end.map_or(self.current.len(), |end| end + 1));
            line.extend_from_slice(&part);
            if line.len() > LINE_MAX {
                return Err(self.give_up("a line without end", &line));
            }
            if end.is_some() {
                return Ok(line.freeze());
            }
        }
    }

    /// What follows the line that was just read is content.
    pub(crate) fn begin_content(&mut self) {
        self.content = Some(Content::new(self.lone_lf));
        self.passed = 0;
    }

    /// The next octets of the content, as many as are at hand; `None` at its end.
    pub(crate) async fn chunk(&mut self, stream: &mut impl Stream) -> Result<Option<Bytes>, Error> {
        loop {
            let Some(content) = &mut self.content else { return Ok(None) };
            // One chunk a buffer: content full of stuffed dots would be as many tiny ones.
            let (mut one, mut several) = (None, None);
            loop {
                match content.take(&mut self.current) {
                    Piece::Octets(octets) => match (&mut several, one.take()) {
                        (None, None) => one = Some(octets),
                        (Some(several), _) => BytesMut::extend_from_slice(several, &octets),
                        (None, Some(first)) => {
                            let most = first.len() + octets.len() + self.current.len();
                            let mut both = BytesMut::with_capacity(most);
                            both.extend_from_slice(&first);
                            both.extend_from_slice(&octets);
                            several = Some(both);
                        }
                    },
                    Piece::More => break,
                    Piece::End => {
                        self.content = None;
                        break;
                    }
                }
            }
            let chunk = several.map(BytesMut::freeze).or(one);
            if let Some(chunk) = chunk {
                self.passed += chunk.len() as u64;
                if self.passed > CONTENT_MAX {
                    return Err(self.give_up("a message without end", &chunk));
                }
                return Ok(Some(chunk));
            }
            if self.content.is_some() {
                self.fill(stream).await?;
            }
        }
    }
}
