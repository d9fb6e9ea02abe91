//! From the name of a server to a line that may be trusted.
//!
//! In scope: server URLs, names to addresses, which addresses may be reached, TCP, when TLS begins,
//! compression. Out of scope: TLS itself (`tls`), and what is said on the line (STARTTLS is a command
//! of the protocol; [`Dialer::open_with`] lets the protocol's crate say it).
//!
//! Reading order: [`url`], [`networks`], [`resolve`] and [`doh`], [`deflate`], [`line`], [`https`].
//!
//! Invariants: a name is resolved once, the addresses are checked, and exactly these are connected
//! to; no connection is made without TLS unless the endpoint says so and the installation allows
//! it; nothing waits longer than its named limit.
#![allow(async_fn_in_trait)] // single-threaded by design: no `Send` bound is wanted
#![forbid(unsafe_code)]

mod deflate;
mod doh;
mod https;
#[cfg(any(test, fuzzing))]
pub mod laws;
mod line;
mod networks;
mod resolve;
#[cfg(test)]
mod testing;
mod url;

pub use deflate::Deflate;
pub use doh::query;
pub use hickory_proto::rr::{RData, RecordType};
pub use https::Web;
pub use line::{Dialer, Line, OPEN_TIMEOUT_S, Opened};
pub use networks::{Networks, NotANetwork, NotAPort};
// What a dialer is made of and gives, so that its users need not name `tls`.
pub use tls::{Ciphers, NO_TLS, RecordLayer, TlsFacts, TlsStream, Trust};
pub use url::{Endpoint, Plaintext, Scheme, Tls, UrlError};
