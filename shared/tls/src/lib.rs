//! A TLS client over any [`wire::Stream`]: who is trusted, which ciphers are offered, the handshake,
//! and records of our own.
//!
//! In scope: what an auditor of TLS reads. The handshake, certificates, keys and tickets are rustls's
//! with ring; the records after it are opened and sealed here, since both go several times as fast
//! in a component that way (`SECURITY.md`, "Our own TLS records"). Out of scope: names and their
//! addresses, connections, what is said on them (`dial` and the protocols).
//!
//! Reading order: [`Trust`], [`Ciphers`], [`TlsStream`] in `stream`, then `handshake` over `unbuffered` (rustls's
//! part), `layer` (who deals with records), `records` with `direction`, `record` and
//! `post_handshake` (our part), `aead` with `chacha20`, `poly1305` and `lanes`; `sentences` for what
//! users are told.
//!
//! Invariants: a certificate is always checked; a record is handed out only once its tag was found
//! right; keys and texts are wiped when they are done with; nothing that a server sends makes a
//! buffer grow beyond its named limit.
#![forbid(unsafe_code)]

mod aead;
mod chacha20;
mod direction;
mod handshake;
mod lanes;
#[cfg(any(test, fuzzing))]
pub mod laws;
mod layer;
mod offers;
mod poly1305;
mod post_handshake;
mod record;
mod record_layer;
mod records;
mod sentences;
mod stream;
mod trust;
mod unbuffered;

pub use handshake::{Failure, TlsFacts};
pub use offers::Ciphers;
pub use record_layer::{BadRecordLayer, RecordLayer};
pub use sentences::NO_TLS;
pub use stream::TlsStream;
pub use trust::{BadTrust, Trust};
