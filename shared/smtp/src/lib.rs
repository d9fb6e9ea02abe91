//! Submission of mail: RFC 5321 and RFC 6409, as the client.
//!
//! In scope: greeting, STARTTLS (RFC 3207), AUTH PLAIN and LOGIN (RFC 4954), SIZE (RFC 1870),
//! 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531), PIPELINING (RFC 2920), enhanced status codes
//! (RFC 2034), one message with one recipient, dot-stuffing. Out of scope: connections and TLS
//! (`dial`), what a mail looks like, when one is sent again.
//!
//! Reading order: [`reply`], [`error`], [`input`], [`extensions`], [`session`], [`submission`], [`login`].
//!
//! Invariants: a reply of the server is at most [`input::LINES_MAX`] lines; no command is made of
//! text with a line end in it; the line that ends a message goes out only in
//! [`Session::finish`], so whatever ends before that has sent nothing.
#![forbid(unsafe_code)]

pub mod error;
pub mod extensions;
pub mod input;
#[cfg(any(test, fuzzing))]
pub mod laws;
pub mod login;
pub mod reply;
pub mod session;
pub mod submission;

pub use error::Error;
pub use extensions::Extensions;
pub use reply::Reply;
pub use session::Session;
pub use submission::Envelope;
