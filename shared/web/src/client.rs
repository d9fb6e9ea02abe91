//! The client: requests out, answers in, over a few lines to each origin.

use http::{HeaderMap, StatusCode, header};
use wire::Bytes;

use crate::auth::Tried;
use crate::coding::{self, Decoder};
use crate::connection::{Connection, Line};
use crate::pool::{Place, Pool};
use crate::receive::{Head, Receiver};
use crate::redirect::{self, Next};
use crate::request::{Coding, Request};
use crate::url::{Origin, Scheme};
use crate::{Error, Url, write};

/// How often a request is sent again because the server asks for a log-in: once without one, once
/// with Basic where it wants Digest, once with a nonce that is too old.
const LOGINS_MAX: u32 = 3;
/// The most bytes of an answer that nobody wants (a redirection's page) read to keep its line.
const UNWANTED_MAX_BYTES: usize = 64 << 10;

/// Opens lines to origins, and tells how time goes by.
pub trait Connect {
    /// A line on which HTTP is spoken at once: TLS is on where the origin has it.
    type Line: Line;
    /// Opens one. Whoever implements this decides which origins may be reached at all.
    async fn connect(&self, origin: &Origin) -> Result<Self::Line, wire::Error>;
    /// Milliseconds since some moment; never goes back.
    fn monotonic_ms(&self) -> u64;
}

/// A client. Requests may be sent at the same time; each has a line of its own while it lasts.
pub struct Client<C: Connect> {
    connector: C,
    pool: Pool<C::Line>,
}

/// An answer: its head, and its body as it arrives. Dropping it before the end of the body closes
/// the line. Whoever holds one holds a place of its origin.
pub struct Answer<'c, C: Connect> {
    client: &'c Client<C>,
    head: Head,
    url: Url,
    place: Option<Place<'c, C::Line>>,
    receiver: Receiver,
    decoder: Option<Decoder>,
    /// Arrived and not unpacked yet.
    packed: Bytes,
    failure: Option<Error>,
}

impl<C: Connect> Client<C> {
    /// A client with at most `lines_max` lines to one origin; further requests wait for one.
    pub fn new(connector: C, lines_max: usize) -> Client<C> {
        Client { connector, pool: Pool::new(lines_max) }
    }

    /// Sends a request and waits for the head of its answer. How long is the caller's business.
    ///
    /// A request is sent again as its [`Repeat`](crate::Repeat) says, where its login is asked for,
    /// and where it is redirected. A streamed body is sent once: an answer that asks for more is
    /// given to the caller.
    pub async fn send(&self, mut request: Request<'_>) -> Result<Answer<'_, C>, Error> {
        let login = request.login;
        let answer = self.answered(&mut request).await;
        // Servers repeat what they were told, also in addresses.
        answer.map_err(|error| match (error, login) {
            (Error::Redirected(to), Some(login)) => Error::Redirected(login.sent().cleaned(&to)),
            (error, _) => error,
        })
    }

    async fn answered(&self, request: &mut Request<'_>) -> Result<Answer<'_, C>, Error> {
        let (mut hops, mut logins) = (0, 0);
        // Each turn is a redirection or a log-in, and both have a limit.
        loop {
            let (authorization, tried) = match request.login {
                Some(login) => login.authorization(&request.method, &request.url)?,
                None => (None, Tried::Nothing),
            };
            let answer = self.exchange(request, authorization).await?;
            if let Some(login) = request.login {
                login.answered(&request.url, answer.headers());
                if answer.status() == StatusCode::UNAUTHORIZED
                    && logins < LOGINS_MAX
                    && request.is_repeatable()
                    && login.challenged(&request.url, &tried, answer.headers())
                {
                    logins += 1;
                    answer.pass_over().await;
                    continue;
                }
            }
            let asked = (&request.method, &request.url);
            let told = (answer.status(), answer.headers());
            match redirect::next(&request.redirects, asked, told, hops)? {
                Next::Here => return Ok(answer),
                next @ (Next::Again(_) | Next::Get(_)) => redirect::follow(request, next)?,
            }
            hops += 1;
            answer.pass_over().await;
        }
    }

    /// One exchange; a second one on a new line where the first line was an old one.
    async fn exchange(
        &self,
        request: &mut Request<'_>,
        authorization: Option<http::HeaderValue>,
    ) -> Result<Answer<'_, C>, Error> {
        let origin = request.url.origin().clone();
        let mut first = None;
        // Twice at most.
        loop {
            let (head, mut writer) = write::head(request, authorization.clone())?;
            let mut receiver = Receiver::new(&request.method)?;
            let mut place = self.pool.place(&origin, self.connector.monotonic_ms()).await;
            // After an old line failed, the others are as old.
            let old = place.connection.take().filter(|_| first.is_none());
            let (mut connection, is_new) = match self.line(&origin, old).await {
                Ok(line) => line,
                Err(line) => return Err(first.unwrap_or(Error::Unsent(line))),
            };
            let body = (&mut writer, &mut request.body);
            match connection.exchange(head, body, &mut receiver).await {
                Ok(head) => {
                    place.connection = Some(connection);
                    return self.answer(request, head, (place, receiver));
                }
                Err(error @ Error::Unanswered(_))
                    if !is_new && request.may_repeat() && request.is_repeatable() =>
                {
                    first = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The old line where nothing happened on it, else a new one, and which of them it is.
    async fn line(
        &self,
        origin: &Origin,
        old: Option<Connection<C::Line>>,
    ) -> Result<(Connection<C::Line>, bool), wire::Error> {
        if let Some(mut old) = old
            && old.is_quiet().await
        {
            return Ok((old, false));
        }
        let line = self.connector.connect(origin).await?;
        Ok((Connection::new(line, origin.scheme == Scheme::Http), true))
    }

    fn answer<'c>(
        &'c self,
        request: &Request<'_>,
        mut head: Head,
        (place, receiver): (Place<'c, C::Line>, Receiver),
    ) -> Result<Answer<'c, C>, Error> {
        let decoder = match request.coding {
            Coding::Plain => None,
            Coding::Decoded => coding::of(&head.headers)?,
        };
        if decoder.is_some() {
            // They are about what was packed.
            head.headers.remove(header::CONTENT_ENCODING);
            head.headers.remove(header::CONTENT_LENGTH);
        }
        let (url, place, packed) = (request.url.clone(), Some(place), Bytes::new());
        Ok(Answer { client: self, head, url, place, receiver, decoder, packed, failure: None })
    }

    /// Lines without a question on them, for tests.
    #[cfg(test)]
    pub(crate) fn n_idle(&self) -> usize {
        self.pool.n_idle()
    }
}

impl<C: Connect> Answer<'_, C> {
    /// 200 and the like.
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The fields of its head.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The address that answered, after redirections.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The next piece of the body, never an empty one; `None` at its end. After an error it gives
    /// that error again: a body that broke off is never taken for a whole one.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let next = self.piece().await;
        if let Err(error) = &next {
            self.failure = Some(error.clone());
            self.place = None;
        }
        next
    }

    /// The whole body, which may have at most `max_bytes` bytes.
    pub async fn collect(mut self, max_bytes: usize) -> Result<Vec<u8>, Error> {
        let too_long = || Error::TooLong { what: "the answer", max_bytes };
        let announced = self.head.headers.get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        if self.receiver.has_body() && announced.is_some_and(|length: usize| length > max_bytes) {
            return Err(too_long());
        }
        let mut body = Vec::new();
        while let Some(piece) = self.next().await? {
            if body.len().saturating_add(piece.len()) > max_bytes {
                return Err(too_long());
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        // Each turn unpacks something, or reads more of the body.
        loop {
            if let Some(decoder) = &mut self.decoder {
                let piece = decoder.piece(&mut self.packed)?;
                if !piece.is_empty() {
                    return Ok(Some(piece));
                }
            }
            let Some(place) = &mut self.place else { return Ok(None) };
            let Some(connection) = &mut place.connection else { return Ok(None) };
            match (connection.next(&mut self.receiver).await?, &mut self.decoder) {
                (Some(piece), None) => return Ok(Some(piece)),
                (Some(piece), Some(_)) => self.packed = piece,
                (None, decoder) => {
                    decoder.as_mut().map_or(Ok(()), Decoder::end)?;
                    self.let_go();
                    return Ok(None);
                }
            }
        }
    }

    /// Leaves the line to others, where it can carry another exchange.
    fn let_go(&mut self) {
        let Some(place) = self.place.take() else { return };
        let reusable = |it: &Connection<C::Line>| it.is_reusable(&self.receiver);
        if place.connection.as_ref().is_some_and(reusable) {
            place.keep(self.client.connector.monotonic_ms());
        }
    }

    /// Reads what nobody wants, if that is little, so that the line can be used again.
    async fn pass_over(mut self) {
        self.decoder = None;
        let mut left = UNWANTED_MAX_BYTES;
        while !self.receiver.is_until_end()
            && let Ok(Some(piece)) = self.next().await
        {
            match left.checked_sub(piece.len()) {
                Some(less) => left = less,
                None => return,
            }
        }
    }
}
