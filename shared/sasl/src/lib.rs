//! SASL (RFC 4422): how a client proves to a server who it is, without any protocol around it.
//!
//! In scope: which mechanism to use ([`choose`]), and what a mechanism says ([`Exchange`]: challenge
//! in, response out, no IO). Out of scope: how a protocol carries challenges and responses, the
//! commands for logging in that protocols have besides (LOGIN, USER and PASS, APOP), and what
//! follows from a refusal.
//!
//! Reading order: [`Credentials`], [`Mechanism`] with [`choose`], [`Exchange`], and `scram` with `prepared` for the one
//! mechanism that computes.
//!
//! A protocol does this:
//!
//! ```text
//! for mechanism in choose(offered, credentials, line) {
//!     let mut exchange = Exchange::begin(mechanism, credentials, nonce, &mut sent)?;
//!     // AUTHENTICATE exchange.name(), and exchange.initial() where the protocol has room for it
//!     // for each challenge: the line exchange.respond(challenge, &mut sent)
//!     // at the end: exchange.settle(whether the server said yes, its words)?
//! }
//! ```
//!
//! Invariants: whatever goes out in confidence is noted in [`wire::echo::Sent`] before it goes out,
//! so that a server that repeats it is quoted without it; a server that must prove itself and has
//! not is never believed ([`Exchange::settle`]); nothing that it says makes an exchange longer than
//! [`CHALLENGES_MAX`] answers.
#![forbid(unsafe_code)]

mod credentials;
mod exchange;
#[cfg(any(test, fuzzing))]
pub mod laws;
mod mechanism;
mod prepared;
mod scram;

pub use credentials::{Credentials, Unsendable};
pub use exchange::{CHALLENGES_MAX, Exchange, NotProven};
pub use mechanism::{Line, Mechanism, choose};
