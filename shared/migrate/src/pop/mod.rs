//! A POP3 maildrop as a source: one mailbox, INBOX, without flags.
//!
//! Reading order: `names.rs` (which UID a message has here), `maildrop.rs` (IMAP's questions,
//! answered), `spool.rs` (a message whose size is not known yet), `arrival.rs` (its date),
//! `login.rs`.
//!
//! A message has the same unique-id (UIDL) in every session; the first time it is seen it gets a
//! number, which is its UID for the engine: journal, intentions and second runs work as with IMAP.
//! What a listing says of sizes is not believed: IMAP must be told the size before the message, so
//! a message is read before it is handed on, and read twice where it is large.

pub(crate) mod arrival;
pub(crate) mod login;
mod maildrop;
mod names;
mod spool;

pub(crate) use maildrop::Maildrop;
pub(crate) use names::{NAMES_PER_PAGE, number, provisional};
