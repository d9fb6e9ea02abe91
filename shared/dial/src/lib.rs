//! From the name of a server to a line that may be trusted.
//!
//! In scope: server URLs, names to addresses, which addresses may be reached, TCP, TLS with
//! certificates always checked, compression. Out of scope: what is said on the line (STARTTLS is
//! a command of the protocol; [`Dialer::open_with`] lets the protocol's crate say it).
//!
//! Reading order: [`url`], [`networks`], [`resolve`] and [`doh`], [`trust`], [`offers`], [`handshake`], [`tls`], [`layer`], [`records`], [`aead`] with [`chacha20`],
//! [`poly1305`] and [`lanes`], [`deflate`], [`line`], [`sentences`].
//!
//! Invariants: a name is resolved once, the addresses are checked, and exactly these are connected
//! to; no connection is made without TLS unless the endpoint says so and the installation allows
//! it; nothing waits longer than its named limit.
#![allow(async_fn_in_trait)] // single-threaded by design: no `Send` bound is wanted
#![forbid(unsafe_code)]

mod aead;
mod chacha20;
mod deflate;
mod doh;
mod handshake;
mod lanes;
#[cfg(any(test, fuzzing))]
pub mod laws;
mod layer;
mod line;
mod networks;
mod offers;
mod poly1305;
mod records;
mod resolve;
mod sentences;
#[cfg(any(test, fuzzing))]
mod testing;
mod tls;
mod trust;
mod url;

pub use deflate::Deflate;
pub use doh::query;
pub use hickory_proto::rr::{RData, RecordType};
pub use layer::RecordLayer;
pub use line::{Dialer, Line, OPEN_TIMEOUT_S, Opened};
pub use networks::{Networks, NotANetwork, NotAPort};
pub use offers::Ciphers;
pub use sentences::NO_TLS;
pub use tls::{TlsFacts, TlsStream};
pub use trust::{BadTrust, Trust};
pub use url::{Endpoint, Plaintext, Scheme, Tls, UrlError};
