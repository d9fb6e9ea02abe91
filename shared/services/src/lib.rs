//! What the engine asks of a service of an account, whatever protocol it speaks, and what it is told.
//!
//! In scope: the questions, one adapter for each protocol that answers them, and what went wrong in terms
//! that no protocol owns. Out of scope: the protocols themselves (crates `imap`, `pop`), what is asked and
//! when (`migrate`). Nobody else names a protocol's crate.
//!
//! Reading order: [`trouble`], [`mail`], [`objects`], then the adapters [`imap`] and [`pop`], and
//! [`source`] and [`destination`], which name them, and [`login`], which opens them with
//! `credentials`.
#![forbid(unsafe_code)]
#![allow(async_fn_in_trait)] // single-threaded by design: no `Send` bound is wanted

pub mod account;
mod credentials;
pub mod destination;
pub mod imap;
pub mod login;
pub mod mail;
pub mod objects;
pub mod pop;
pub mod source;
#[cfg(feature = "testing")]
pub mod toy;
pub mod trouble;

pub use destination::Destination;
pub use source::Source;
pub use trouble::{Lack, Reason, Rejection, Side, Trouble, Verdict};
