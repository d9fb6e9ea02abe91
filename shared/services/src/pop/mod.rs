//! POP3 (RFC 1939) as a source: one folder, INBOX, without flags.
//!
//! Reading order: [`words`] (what a refusal means), `names.rs` (what messages are called), [`maildrop`] and
//! [`service`] (the questions of a source, answered), [`spool`] (a message whose size is not known yet),
//! [`login`].
//!
//! A message has the same unique-id (UIDL) in every session; the first time it is seen the engine gives it a
//! number, which is its UID from then on.

pub mod login;
pub mod maildrop;
mod names;
pub mod service;
pub mod spool;
pub mod words;

pub use maildrop::Maildrop;
