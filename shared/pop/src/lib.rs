//! A POP3 client (RFC 1939) that reads a maildrop and leaves it as it is.
//!
//! In scope: bytes to values, values to bytes, and the order of commands on one connection, over
//! any [`wire::Stream`]: CAPA (RFC 2449), STLS (RFC 2595), AUTH (RFC 5034), APOP, UIDL, LIST, TOP,
//! RETR, pipelined where the server allows it. Out of scope: opening connections and TLS (the
//! caller wraps the stream and resumes), what is migrated and why, when to try again.
//!
//! Reading order: [`Session`] in `session.rs` (one connection), `auth.rs` (logging in),
//! `messages.rs` (listing and reading messages); below them `input.rs` (lines and dot-stuffed
//! content) and `content.rs` (where content ends); the values `reply.rs` and `capability.rs`.
//!
//! Invariants:
//! - Nothing is deleted: DELE is never sent, no code for it exists.
//! - No message is held: content passes in chunks as [`bytes::Bytes`], mostly slices of what the
//!   stream gave.
//! - Memory is bounded whatever the peer sends; each limit is a constant with its reason.
//! - A password in clear goes over a line only that is encrypted, or where the caller permits it.
//! - The content is octets: after UTF8 (RFC 6856), which is not asked for, it would be read the same.
#![forbid(unsafe_code)]
#![allow(async_fn_in_trait)]

mod auth;
mod capability;
mod content;
mod error;
mod input;
#[cfg(any(test, fuzzing))]
pub mod laws;
mod messages;
mod reply;
mod session;
#[cfg(test)]
mod testing;

pub use capability::Capabilities;
pub use error::Error;
pub use messages::{Command, Listed, MESSAGES_MAX};
pub use reply::{Code, Reply};
pub use sasl::Credentials;
pub use session::{Resume, Session};
