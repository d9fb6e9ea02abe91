//! What the outside world looks like from inside: byte streams, HTTP, the clock, randomness.
//!
//! In scope: the traits that protocol crates and the engine are written against, the error of a
//! broken line, and the doubles that tests play transcripts with. Out of scope: any protocol,
//! and any implementation; `host` puts Spin behind these traits.
//!
//! Reading order: [`Stream`], [`Network`], [`Http`], [`Clock`], [`Random`], [`Secret`], [`echo`], [`percent`], then
//! [`script`], [`pipe`] and [`fed`], the doubles.
//!
//! Invariant: components are single-threaded, so nothing here asks for `Send`.
#![allow(async_fn_in_trait)] // single-threaded by design: no `Send` bound is wanted

pub mod echo;
pub mod fed;
pub mod percent;
pub mod pipe;
pub mod script;
mod secret;
mod words;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;

pub use bytes::Bytes;
use futures::future::{Either, select};
pub use secret::Secret;
pub use words::{WORDS_MAX, cut, plain, sample, words};

/// The line broke; neither side said anything about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The peer closed the connection, or it was cut.
    #[error("the connection was closed")]
    Closed,
    /// Nothing arrived, or nothing could be sent, for this long.
    #[error("no answer for {seconds} s")]
    TimedOut {
        /// How long was waited.
        seconds: u32,
    },
    /// The connection could not be made; the words of the system are kept.
    #[error("cannot connect to {address}: {reason}")]
    Unreachable {
        /// Address and port.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// The name has no address, or it could not be looked up.
    #[error("the name {name} cannot be resolved: {reason}")]
    Unresolved {
        /// The host name asked for.
        name: String,
        /// What the resolver said.
        reason: String,
    },
    /// The host of this program refuses look-ups on sockets (Spin does, always).
    #[error("name look-ups are refused here")]
    LookupRefused,
    /// The address lies in a network that migrations may not reach (`allowed_networks`).
    #[error("{address} is a private or local address, which this installation does not allow")]
    Forbidden {
        /// The address.
        address: String,
    },
    /// Public servers are reached at the ports of mail only (`allowed_ports`).
    #[error(
        "port {port} is no port of a mail server, and this installation reaches no other ones \
             (allowed_ports)"
    )]
    Port {
        /// The port.
        port: u16,
    },
    /// Nobody there speaks as a mail server. What is there instead, if anything, is not told: whoever
    /// may name any server would look through networks with the help of this installation.
    #[error("no mail server answers at {address}")]
    NoServer {
        /// Host and port, as they were named.
        address: String,
        /// Whether the line was opened and then closed.
        hung_up: bool,
    },
    /// The TLS handshake or a TLS record failed, in rustls's words.
    #[error("TLS: {0}")]
    Tls(String),
    /// The compressed stream cannot be inflated (RFC 4978).
    #[error("the compressed stream is damaged")]
    Compression,
    /// An HTTP exchange failed below HTTP.
    #[error("HTTP: {0}")]
    Http(String),
}

/// A connection: bytes in, bytes out. Buffers are handed over, not copied.
pub trait Stream {
    /// The next bytes, as many as are there (at most some hundred KiB); empty at the end.
    async fn read(&mut self) -> Result<Bytes, Error>;
    /// Sends all of `bytes`; returns once the system has taken them. A few may be held back until
    /// the next write or read, so that many small writes go out as one. To write nothing sends what
    /// is held back.
    async fn write(&mut self, bytes: Bytes) -> Result<(), Error>;
}

/// Opens connections and resolves names.
pub trait Network {
    /// A plain TCP connection.
    type Stream: Stream;
    /// Connects to exactly this address. Reads and writes that make no progress for
    /// `idle_timeout_s` fail with [`Error::TimedOut`], and so does connecting.
    async fn connect(
        &self,
        address: SocketAddr,
        idle_timeout_s: u32,
    ) -> Result<Self::Stream, Error>;
    /// Addresses of `name` by the socket's resolver; [`Error::LookupRefused`] where it may not.
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Error>;
}

/// Sends one HTTP request and holds the whole answer, at most `max_bytes` of it.
pub trait Http {
    /// Sends `request`; redirects are not followed.
    async fn send(
        &self,
        request: http::Request<Bytes>,
        max_bytes: usize,
    ) -> Result<http::Response<Bytes>, Error>;
}

/// The host: network, HTTP, clock and randomness in one.
pub trait Host: Network + Http + Clock + Random {}
impl<T: Network + Http + Clock + Random> Host for T {}

/// Time. Wall time for what is stored, monotonic time for budgets.
pub trait Clock {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> u64;
    /// Milliseconds since some moment; never goes back.
    fn monotonic_ms(&self) -> u64;
    /// Waits.
    async fn sleep_ms(&self, ms: u64);
    /// Lets other work run; call it every 10 ms of computing.
    async fn give_way(&self);
}

/// Randomness fit for keys.
pub trait Random {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// Runs `work` for at most `seconds`; [`Error::TimedOut`] after that.
pub async fn within<T, E: From<Error>>(
    clock: &impl Clock,
    seconds: u32,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let timer = pin!(clock.sleep_ms(u64::from(seconds) * 1000));
    match select(pin!(work), timer).await {
        Either::Left((done, _)) => done,
        Either::Right(_) => Err(Error::TimedOut { seconds }.into()),
    }
}
