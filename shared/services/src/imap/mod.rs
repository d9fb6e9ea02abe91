//! IMAP (RFC 9051 and 3501): one session answers as a source and as a destination.
//!
//! Reading order: [`words`] (what a refusal means), [`service`] with [`listing`] (what both sides are asked),
//! [`destination`], [`login`].

pub mod destination;
pub mod listing;
pub mod login;
pub mod service;
pub mod words;

pub use service::Imap;
pub use words::asks_to_wait;
