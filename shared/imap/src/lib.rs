//! An IMAP client: IMAP4rev2 (RFC 9051), IMAP4rev1 (RFC 3501) and the extensions a migration uses.
//!
//! In scope: bytes to values, values to bytes, and the order of commands on one connection, over
//! any [`wire::Stream`]. Out of scope: opening connections, TLS and compression (the caller wraps
//! the stream and resumes), what is migrated and why, when to try again.
//!
//! Reading order: [`Session`] in `session.rs` (one connection), `connection.rs` (commands about it), `auth.rs`
//! (logging in, with the mechanisms of crate `sasl`), `list.rs` and `mailboxes.rs` (mailboxes), `fetch.rs`
//! with `fetching.rs`, `append.rs` with `appending.rs`, `messages.rs` (flags, copies, searches); below
//! them `dialogue.rs` (which answer belongs to which command), `command.rs` (what is sent), `input.rs`
//! and `response/` over `cursor.rs` (what is read); the values `reply.rs`, `capability.rs`, `attributes.rs`,
//! `listed.rs`, `flags.rs` (those of crate `mailbox`, read); `quirks.rs`, what named servers do
//! differently, as data.
//!
//! Invariants:
//! - No message is held: bodies pass as [`bytes::Bytes`] slices of what the stream gave.
//! - Memory is bounded whatever the peer sends; each limit is a constant with its reason.
//! - A server's words are never lost: they are in [`Reply`] and [`Error`].
//! - What a server sends unasked, or in items we do not know, is skipped and never an error.
#![forbid(unsafe_code)]
#![allow(async_fn_in_trait)]

mod append;
mod appending;
mod attributes;
mod auth;
mod capability;
mod command;
mod connection;
mod cursor;
mod dialogue;
mod error;
mod fetch;
mod fetching;
mod flags;
mod input;
#[cfg(any(test, fuzzing))]
pub mod laws;
mod list;
mod listed;
mod mailboxes;
mod messages;
mod quirks;
mod reply;
mod response;
mod session;
#[cfg(test)]
mod testing;

pub use append::{AppendHead, Started};
pub use appending::Appended;
pub use attributes::{Attributes, FetchItems};
pub use capability::Capabilities;
pub use error::Error;
pub use fetch::{FetchEvent, Sequence};
pub use list::MAILBOXES_MAX;
pub use listed::{Mailbox, MailboxStatus, NAME_OCTETS_MAX, Namespace, Namespaces};
pub use mailboxes::{Mode, Selected};
pub use messages::{Change, Criteria, Quota, QuotaResource};
pub use quirks::Quirks;
pub use reply::{Code, CopyUid, Reply, Status};
pub use sasl::Credentials;
pub use session::{Resume, Session};
