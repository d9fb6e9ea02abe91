//! An IMAP server in memory, for tests: correct by default, broken on demand.
//!
//! In scope: what a migration client asks of a server (RFC 3501 and RFC 9051 with the extensions
//! of [`Features`]), strictness about what the client sends ([`Mailboxes::complaints`]), and
//! scripted misbehaviour ([`Faults`]). Out of scope: TLS, several users, persistence, speed.
//!
//! Reading order: [`Features`], [`Mailboxes`], [`Faults`], [`serve`]; then `command` (octets to
//! arguments), `session` (states and dispatch) and one module for each family of commands.
//!
//! Invariants: nothing reads a clock or draws randomness, so equal input gives equal output; an
//! effect on an account is complete before the first octet of its reply is sent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test double: a panic is a failed test, which is what it is for"
)]

mod account;
mod append;
mod command;
mod faults;
mod features;
mod fetch;
mod folders;
mod header;
mod list;
mod login;
mod names;
mod odd;
mod search;
mod session;
mod sets;
mod snapshot;
mod store;
#[cfg(test)]
mod tests;

pub use account::{Digest, Mailboxes, Message, Stored};
pub use faults::{Act, At, Faults};
pub use features::Features;
pub use names::{from_utf7, to_utf7};
pub use odd::{Odd, Style};
pub use session::serve;
