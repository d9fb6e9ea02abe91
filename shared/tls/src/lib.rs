//! A TLS client over any [`wire::Stream`]: who is trusted, which ciphers are offered, the handshake,
//! and records of our own.
//!
//! In scope: what an auditor of TLS reads. The handshake, certificates, keys and tickets are rustls's
//! with ring; the records after it are opened and sealed here, since both go several times as fast
//! in a component that way (`SECURITY.md`, "Our own TLS records"). Out of scope: names and their
//! addresses, connections, what is said on them (`dial` and the protocols).
//!
//! Reading order: [`Trust`], [`Ciphers`], [`TlsStream`] in `stream`, then `handshake`, `layer` (who deals with
//! records), `records`, `aead` with `chacha20`, `poly1305` and `lanes`; `sentences` for what users are
//! told.
//!
//! Invariants: a certificate is always checked; a record is handed out only once its tag was found
//! right; keys and texts are wiped when they are done with; nothing that a server sends makes a
//! buffer grow beyond its named limit.
#![forbid(unsafe_code)]

mod aead;
mod chacha20;
mod handshake;
mod lanes;
#[cfg(any(test, fuzzing))]
pub mod laws;
mod layer;
mod offers;
mod poly1305;
mod records;
mod sentences;
mod stream;
mod trust;

pub use handshake::Failure;
pub use layer::RecordLayer;
pub use offers::Ciphers;
pub use sentences::NO_TLS;
pub use stream::{TlsFacts, TlsStream};
pub use trust::{BadTrust, Trust};
