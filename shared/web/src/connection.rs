//! One line, and one exchange after the other on it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bytes::BytesMut;
use futures::StreamExt as _;
use wire::{Bytes, Stream};

use crate::Error;
use crate::receive::{End, Head, Lost, Piece, Receiver};
use crate::request::Body;
use crate::write::Writer;

/// The most bytes of a body that are written at once; in between it is looked whether the server
/// has answered already.
const WRITE_MAX_BYTES: usize = 64 << 10;

/// A line that web servers are spoken with.
pub trait Line: Stream {
    /// Whether the server said (in TLS) that it sends nothing more. At an end without that anybody
    /// on the way may have cut the line.
    fn said_end(&self) -> bool;
}

/// A line with what has arrived on it.
pub(crate) struct Connection<L> {
    line: L,
    received: BytesMut,
    /// Without TLS nobody's word counts more than an orderly end.
    is_plain: bool,
    /// The request did not go out whole, so nothing more can be asked here.
    is_spent: bool,
}

/// How far the sending of a request came.
enum Said {
    All,
    /// The server answered before that, and this is the answer.
    Enough(Head),
    /// It began to answer well before that; the rest was sent, too.
    AllBeside(Head),
}

impl<L: Line> Connection<L> {
    pub(crate) fn new(line: L, is_plain: bool) -> Connection<L> {
        Connection { line, received: BytesMut::new(), is_plain, is_spent: false }
    }

    /// Whether nothing happened on the line since the last exchange: a server that hung up, or says
    /// something unasked, is not asked any more here.
    pub(crate) async fn is_quiet(&mut self) -> bool {
        self.received.is_empty() && self.look().await.is_none()
    }

    /// Sends a request and reads the head of its answer. [`Error::Unanswered`] means that not a byte
    /// came back.
    pub(crate) async fn exchange(
        &mut self,
        head: Bytes,
        (writer, body): (&mut Writer, &mut Body<'_>),
        receiver: &mut Receiver,
    ) -> Result<Head, Error> {
        match self.say(head, (writer, body), receiver).await {
            Ok(Said::All) => self.listen(receiver).await,
            Ok(Said::AllBeside(head)) => Ok(head),
            Ok(Said::Enough(head)) => {
                self.is_spent = true;
                Ok(head)
            }
            // A server that refuses a body says so and hangs up: what it said last tells more.
            Err(Error::Unanswered(line)) => {
                self.is_spent = true;
                self.last_words(&line, receiver).await.ok_or(Error::Unanswered(line))
            }
            Err(error) => Err(error),
        }
    }

    /// The next piece of the answer's body; `None` at its end.
    pub(crate) async fn next(&mut self, receiver: &mut Receiver) -> Result<Option<Bytes>, Error> {
        // Each turn takes some of what has arrived, or waits for more.
        loop {
            match receiver.body(&mut self.received)? {
                Piece::Bytes(piece) => return Ok(Some(piece)),
                Piece::End => return Ok(None),
                Piece::More => {}
            }
            match self.line.read().await {
                Ok(bytes) if bytes.is_empty() => receiver.end(self.end())?,
                Ok(bytes) => self.received.extend_from_slice(&bytes),
                // Many servers hang up without a farewell: an answer that says its length is whole.
                Err(line @ (wire::Error::Closed | wire::Error::Tls(_))) => {
                    receiver.end(End::Cut(Lost::Other)).map_err(|_| Error::Cut(line))?;
                }
                Err(line) => return Err(Error::Cut(line)),
            }
        }
    }

    /// Whether another exchange may follow.
    pub(crate) fn is_reusable(&self, receiver: &Receiver) -> bool {
        !self.is_spent && receiver.is_reusable(&self.received)
    }

    async fn say(
        &mut self,
        head: Bytes,
        (writer, body): (&mut Writer, &mut Body<'_>),
        receiver: &mut Receiver,
    ) -> Result<Said, Error> {
        self.write(head).await?;
        let mut early = None;
        match body {
            Body::Empty => {}
            Body::Whole(bytes) => {
                let mut rest = bytes.clone();
                while !rest.is_empty() {
                    let piece = rest.split_to(rest.len().min(WRITE_MAX_BYTES));
                    self.write(writer.piece(piece)?).await?;
                    if !rest.is_empty() && self.answers(&mut early, receiver).await? {
                        break;
                    }
                }
            }
            Body::Streamed { pieces, .. } => {
                while let Some(piece) = pieces.next().await {
                    let mut rest = piece.map_err(Error::Source)?;
                    while !rest.is_empty() {
                        let piece = rest.split_to(rest.len().min(WRITE_MAX_BYTES));
                        self.write(writer.piece(piece)?).await?;
                    }
                    if self.answers(&mut early, receiver).await? {
                        break;
                    }
                }
            }
        }
        match early {
            Some(head) if is_refusal(&head) => Ok(Said::Enough(head)),
            early => {
                self.write(writer.end()?).await?;
                Ok(early.map_or(Said::All, Said::AllBeside))
            }
        }
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.line.write(bytes).await.map_err(Error::Unanswered)
    }

    /// Whether the server has answered before the request was whole, in a way that makes the rest of
    /// it pointless (RFC 9112 section 9.3).
    async fn answers(
        &mut self,
        early: &mut Option<Head>,
        receiver: &mut Receiver,
    ) -> Result<bool, Error> {
        if early.is_some() {
            return Ok(false);
        }
        match self.look().await {
            None => return Ok(false),
            Some(Ok(bytes)) if bytes.is_empty() => {
                return Err(Error::Unanswered(wire::Error::Closed));
            }
            Some(Ok(bytes)) => self.received.extend_from_slice(&bytes),
            Some(Err(line)) => return Err(Error::Unanswered(line)),
        }
        *early = receiver.head(&mut self.received)?;
        Ok(early.as_ref().is_some_and(is_refusal))
    }

    async fn listen(&mut self, receiver: &mut Receiver) -> Result<Head, Error> {
        // Each turn waits for more, and a head has a limit.
        loop {
            if let Some(head) = receiver.head(&mut self.received)? {
                return Ok(head);
            }
            let line = match self.line.read().await {
                Ok(bytes) if bytes.is_empty() => wire::Error::Closed,
                Ok(bytes) => {
                    self.received.extend_from_slice(&bytes);
                    continue;
                }
                Err(line) => line,
            };
            let heard = receiver.has_heard() || !self.received.is_empty();
            return Err(if heard { Error::Cut(line) } else { Error::Unanswered(line) });
        }
    }

    /// The answer that is there although the request could not be sent whole.
    async fn last_words(&mut self, line: &wire::Error, receiver: &mut Receiver) -> Option<Head> {
        // Each turn takes what is there already, and a head has a limit.
        loop {
            match receiver.head(&mut self.received) {
                Ok(None) => {}
                Ok(Some(head)) => return Some(head),
                Err(_) => return None,
            }
            // A line that was closed gives its end at once. Any other one is only looked at: it
            // has been waited for already.
            let read = match line {
                wire::Error::Closed => Some(self.line.read().await),
                _ => self.look().await,
            };
            match read {
                Some(Ok(bytes)) if !bytes.is_empty() => self.received.extend_from_slice(&bytes),
                _ => return None,
            }
        }
    }

    fn end(&self) -> End {
        match self.is_plain || self.line.said_end() {
            true => End::Said,
            false => End::Cut(Lost::Closed),
        }
    }

    /// What has arrived by now, without waiting: reads may be abandoned.
    async fn look(&mut self) -> Option<Result<Bytes, wire::Error>> {
        let mut reading = pin!(self.line.read());
        poll_fn(|context| {
            Poll::Ready(match reading.as_mut().poll(context) {
                Poll::Ready(read) => Some(read),
                Poll::Pending => None,
            })
        })
        .await
    }
}

fn is_refusal(head: &Head) -> bool {
    !head.status.is_success()
}
