//! Reading an answer from whatever arrives, RFC 9112 sections 6 and 7. Pure: bytes in, values out.
//!
//! The states, the framing and the chunks are `ureq-proto`'s. Beside it stands what it lacks: limits,
//! chunk extensions of any length, interim answers with fields (Observed: ureq-proto 0.7.1 takes at
//! most 20 octets of a chunk's line and refuses fields of a 100), and answers that come while the
//! request is still being sent. For these, reading has a call of its own, apart from the writing's.

use bytes::{Buf, BytesMut};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version, header};
use ureq_proto::BodyMode;
use ureq_proto::client::state::{RecvBody, RecvResponse};
use ureq_proto::client::{
    Call, MAX_RESPONSE_HEADERS, RecvBodyResult, RecvResponseResult, SendRequestResult,
};
use ureq_proto::parser::try_parse_response;
use wire::Bytes;

use crate::Error;

/// The most bytes before a body, interim answers included; servers themselves accept 8 to 64 KiB.
pub const HEAD_MAX_BYTES: usize = 32 << 10;
/// The most bytes of all lines before chunks, without their lengths: extensions, which nobody uses.
pub const EXTENSIONS_MAX_BYTES: usize = 16 << 10;
/// The most bytes after the last chunk: trailer fields, which nobody reads.
pub const TRAILERS_MAX_BYTES: usize = 16 << 10;
/// The most bytes handed out at once.
pub(crate) const PIECE_MAX_BYTES: usize = 64 << 10;
/// Longest length of a chunk in hexadecimal, which is no extension.
const LENGTH_BYTES: usize = 18;

/// The first part of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// 200 and the like; never an interim one.
    pub(crate) status: StatusCode,
    /// The fields.
    pub(crate) headers: HeaderMap,
}

/// How a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The server said that nothing more comes.
    Said,
    /// It just ended: anybody on the way may have cut it.
    Cut(Lost),
}

/// Why a line just ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It was closed.
    Closed,
    /// Something else, which the caller knows.
    Other,
}

/// What a look at the arrived bytes gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Some of the body; never empty.
    Bytes(Bytes),
    /// More has to arrive.
    More,
    /// The body is over.
    End,
}

/// Reads one answer.
pub(crate) struct Receiver {
    state: State,
    /// The method decides whether a body follows.
    method: Method,
    /// The framing is such that whoever sits between may see another one (RFC 9112 section 11.2).
    doubtful: bool,
    head_bytes: usize,
    extension_bytes: usize,
    trailer_bytes: usize,
}

enum State {
    Head(Call<RecvResponse>),
    Body(Call<RecvBody>),
    /// The body is over; whether the line may carry another exchange.
    Done(bool),
    /// An error was given, or the library's state was taken and not put back.
    Broken,
}

impl Receiver {
    /// For the answer to a request with this method.
    pub(crate) fn new(method: &Method) -> Result<Receiver, Error> {
        Ok(Receiver {
            state: State::Head(reading(method)?),
            method: method.clone(),
            doubtful: false,
            head_bytes: 0,
            extension_bytes: 0,
            trailer_bytes: 0,
        })
    }

    /// Takes the head off the front of `input` once it is there whole; interim answers before it
    /// are dropped.
    pub(crate) fn head(&mut self, input: &mut BytesMut) -> Result<Option<Head>, Error> {
        let State::Head(_) = &self.state else { return Err(broken("the head was read already")) };
        // Each turn takes a head, and all of them together have a limit.
        loop {
            let parsed = try_parse_response::<MAX_RESPONSE_HEADERS>(input).map_err(no_http)?;
            let n_bytes = parsed.as_ref().map_or(input.len(), |(n_bytes, _)| *n_bytes);
            if self.head_bytes.saturating_add(n_bytes) > HEAD_MAX_BYTES {
                return Err(Error::TooLong {
                    what: "the head of the answer",
                    max_bytes: HEAD_MAX_BYTES,
                });
            }
            let Some((n_bytes, response)) = parsed else { return Ok(None) };
            self.head_bytes += n_bytes;
            let status = response.status();
            if status == StatusCode::SWITCHING_PROTOCOLS {
                return Err(broken("the server changes the protocol, which nobody asked for"));
            }
            if status.is_informational() {
                input.advance(n_bytes);
                continue;
            }
            self.doubtful = self.check_framing(&response)?;
            self.begin_body(input, n_bytes)?;
            return Ok(Some(Head { status, headers: response.into_parts().0.headers }));
        }
    }

    /// Takes the next piece of the body off the front of `input`.
    pub(crate) fn body(&mut self, input: &mut BytesMut) -> Result<Piece, Error> {
        let mut call = match std::mem::replace(&mut self.state, State::Broken) {
            State::Body(call) => call,
            State::Done(again) => {
                self.state = State::Done(again);
                return Ok(Piece::End);
            }
            State::Head(_) | State::Broken => return Err(broken("there is no body to read")),
        };
        let piece = self.take(&mut call, input)?;
        let is_over = !matches!(call.body_mode(), BodyMode::CloseDelimited) && call.can_proceed();
        self.state = if is_over { self.over(call) } else { State::Body(call) };
        match (piece.is_empty(), is_over) {
            (false, _) => Ok(Piece::Bytes(piece)),
            (true, true) => Ok(Piece::End),
            (true, false) => Ok(Piece::More),
        }
    }

    /// The line is at its end, and all that came was looked at. An answer that says its length and
    /// is shorter is cut, never whole.
    pub(crate) fn end(&mut self, end: End) -> Result<(), Error> {
        let cut = || Error::Cut(wire::Error::Closed);
        match std::mem::replace(&mut self.state, State::Broken) {
            State::Done(_) => {}
            // RFC 9112 section 8: complete once the last chunk is there.
            State::Body(call) if call.is_ended_chunked() => {}
            State::Body(call) if matches!(call.body_mode(), BodyMode::CloseDelimited) => {
                match end {
                    End::Said => {}
                    // RFC 9112 section 9.8: such an answer counts as incomplete.
                    End::Cut(Lost::Closed) => return Err(Error::NoEnd),
                    End::Cut(Lost::Other) => return Err(cut()),
                }
            }
            State::Body(_) | State::Head(_) | State::Broken => return Err(cut()),
        }
        self.state = State::Done(false);
        Ok(())
    }

    /// Whether the line may carry another exchange, given what was not read of it.
    pub(crate) fn is_reusable(&self, rest: &[u8]) -> bool {
        // What comes unasked after a body belongs to nothing, or to somebody else's question.
        matches!(self.state, State::Done(true)) && !self.doubtful && rest.is_empty()
    }

    /// Whether something came, if only an interim answer.
    pub(crate) fn has_heard(&self) -> bool {
        self.head_bytes > 0
    }

    /// Whether a body is still to come.
    pub(crate) fn has_body(&self) -> bool {
        matches!(self.state, State::Body(_))
    }

    /// Whether the body ends only with the line.
    pub(crate) fn is_until_end(&self) -> bool {
        match &self.state {
            State::Body(call) => matches!(call.body_mode(), BodyMode::CloseDelimited),
            State::Head(_) | State::Done(_) | State::Broken => false,
        }
    }

    /// RFC 9112 sections 6.1 and 6.3; the answer is whether the line must end with this exchange.
    fn check_framing(&self, response: &Response<()>) -> Result<bool, Error> {
        let headers = response.headers();
        let no_body =
            self.method == Method::HEAD || matches!(response.status().as_u16(), 204 | 304);
        let codings = headers.get_all(header::TRANSFER_ENCODING).iter();
        let codings = codings.map(|value| value.to_str().unwrap_or("?").trim());
        // An old name for none at all, which RFC 2616 section 3.6 still had.
        let none = |value: &str| value.is_empty() || value.eq_ignore_ascii_case("identity");
        let codings: Vec<&str> = codings.filter(|value| !none(value)).collect();
        if codings.is_empty() || no_body {
            return Ok(false);
        }
        let chunked = codings.iter().all(|value| value.eq_ignore_ascii_case("chunked"));
        if codings.len() > 1 || !chunked {
            return Err(broken("the answer comes in a transfer coding that nobody asked for"));
        }
        let old = response.version() == Version::HTTP_10;
        Ok(old || headers.contains_key(header::CONTENT_LENGTH))
    }

    fn begin_body(&mut self, input: &mut BytesMut, n_bytes: usize) -> Result<(), Error> {
        let State::Head(mut call) = std::mem::replace(&mut self.state, State::Broken) else {
            return Ok(());
        };
        let head = input.split_to(n_bytes);
        call.try_response(&head, false).map_err(no_http)?;
        self.state = match call.proceed().ok_or_else(|| broken("the answer has no end"))? {
            RecvResponseResult::RecvBody(mut call) => {
                call.stop_on_chunk_boundary(true);
                State::Body(call)
            }
            RecvResponseResult::Redirect(call) => {
                State::Done(!call.proceed().must_close_connection())
            }
            RecvResponseResult::Cleanup(call) => State::Done(!call.must_close_connection()),
        };
        Ok(())
    }

    fn over(&self, call: Call<RecvBody>) -> State {
        State::Done(match call.proceed() {
            Some(RecvBodyResult::Redirect(call)) => !call.proceed().must_close_connection(),
            Some(RecvBodyResult::Cleanup(call)) => !call.must_close_connection(),
            None => false,
        })
    }

    fn take(&mut self, call: &mut Call<RecvBody>, input: &mut BytesMut) -> Result<Bytes, Error> {
        let mut output = vec![0; input.len().min(PIECE_MAX_BYTES)];
        let mut n_output = 0;
        let is_chunked = matches!(call.body_mode(), BodyMode::Chunked);
        // Each turn takes some of the input, or is the last one.
        while !input.is_empty() && n_output < output.len() && !call.can_proceed_by_itself() {
            if is_chunked && call.is_on_chunk_boundary() {
                if !self.chunk_line(call, input)? {
                    break;
                }
                continue;
            }
            let in_trailer = is_chunked && call.is_ended_chunked();
            let room = output.get_mut(n_output..).unwrap_or_default();
            let (used, filled) = call.read(input, room).map_err(no_chunk)?;
            input.advance(used);
            n_output += filled;
            if in_trailer {
                self.trailer(used, input)?;
            } else if used == 0 && is_chunked && input.len() > 1 {
                return Err(broken("the chunks of the answer are broken"));
            }
            if used == 0 {
                break;
            }
        }
        output.truncate(n_output);
        Ok(output.into())
    }

    /// Takes the line before a chunk; the library gets its length alone. `false` where it is not
    /// there yet.
    fn chunk_line(
        &mut self,
        call: &mut Call<RecvBody>,
        input: &mut BytesMut,
    ) -> Result<bool, Error> {
        let is_digit = input.first().is_some_and(u8::is_ascii_hexdigit);
        let line = httparse::parse_chunk_size(input).ok().filter(|_| is_digit);
        let line = line.ok_or_else(|| broken("the chunks of the answer are broken"))?;
        let (n_bytes, length) = match line {
            httparse::Status::Complete((n_bytes, length)) => (n_bytes, Some(length)),
            httparse::Status::Partial => (input.len(), None),
        };
        let extension_bytes = self.extension_bytes + n_bytes.saturating_sub(LENGTH_BYTES);
        if extension_bytes > EXTENSIONS_MAX_BYTES {
            let max_bytes = EXTENSIONS_MAX_BYTES;
            return Err(Error::TooLong {
                what: "what the answer says between its chunks",
                max_bytes,
            });
        }
        let Some(length) = length else { return Ok(false) };
        self.extension_bytes = extension_bytes;
        let plain = format!("{length:x}\r\n");
        call.read(plain.as_bytes(), &mut []).map_err(no_chunk)?;
        input.advance(n_bytes);
        Ok(true)
    }

    fn trailer(&mut self, used: usize, rest: &BytesMut) -> Result<(), Error> {
        self.trailer_bytes += used;
        let waiting = if used == 0 { rest.len() } else { 0 };
        if self.trailer_bytes + waiting > TRAILERS_MAX_BYTES {
            return Err(Error::TooLong {
                what: "what the answer says after its body",
                max_bytes: TRAILERS_MAX_BYTES,
            });
        }
        Ok(())
    }
}

/// Whether a call is over without more input; what ends with the line never is.
trait Over {
    fn can_proceed_by_itself(&self) -> bool;
}

impl Over for Call<RecvBody> {
    fn can_proceed_by_itself(&self) -> bool {
        self.can_proceed() && !matches!(self.body_mode(), BodyMode::CloseDelimited)
    }
}

/// A call of the library that is as far as if the request had been sent. Only the method counts.
fn reading(method: &Method) -> Result<Call<RecvResponse>, Error> {
    let bad = |error: ureq_proto::Error| Error::Request(error.to_string());
    let request = Request::builder().method(method).uri("/").header(header::CONTENT_LENGTH, 0);
    let request = request.body(()).map_err(|error| Error::Request(error.to_string()))?;
    let mut call = Call::new(request).map_err(bad)?;
    call.allow_non_standard_methods(true);
    let mut call = call.proceed();
    call.write(&mut [0; 128]).map_err(bad)?;
    match call.proceed().map_err(bad)? {
        Some(SendRequestResult::RecvResponse(call)) => Ok(call),
        _ => Err(Error::Request(format!("the method {method:.40} is not spoken here"))),
    }
}

fn broken(what: &str) -> Error {
    Error::Unreadable(what.to_owned())
}

/// Not in the library's words: whoever answers is perhaps no web server, and what it says instead
/// is nobody's business.
fn no_http(error: ureq_proto::Error) -> Error {
    use ureq_proto::Error as Proto;
    broken(match error {
        Proto::HttpParseTooManyHeaders => "the answer has too many header fields",
        Proto::TooManyContentLengthHeaders | Proto::BadContentLengthHeader => {
            "the answer contradicts itself about its length"
        }
        _ => "no web server answers there",
    })
}

fn no_chunk(_: ureq_proto::Error) -> Error {
    broken("the chunks of the answer are broken")
}
