//! The engine: moves a mailbox slice by slice, so that any await may be the last.
//!
//! In scope: what to do next, doing it, writing it down; logging in at both sides; what users are
//! told. Out of scope: bytes of a protocol (`imap`), connections (`dial`), keys (`store`).
//!
//! Reading order: [`advance`] (what is due) with `ended.rs`, `upkeep.rs` (what is old), `slice.rs` (one slice of
//! one migration: claimed, begun, ended) with `counted.rs`, `fruitless.rs` and `conclude.rs`, `work.rs` (what it
//! does), `watch.rs` with `gauge.rs` and [`limits`] (what ends it from beside), `run.rs` (its state and its
//! checkpoints) with `requests.rs` (what the owner asked for) and `trouble.rs` (why it goes no further); then
//! `mail/` (the lane of mail), `owner/` (what pages and API call: [`lifecycle`], [`hook`], [`report`]) and `before/`
//! ([`preflight`]). [`projects`] with `membership.rs` is how many migrations share one queue, `servers.rs` how they share servers,
//! [`pairs`] that of two migrations of the same accounts one is at work; [`finding`] looks servers up, [`tries`]
//! counts log-ins, [`erase`] erases. Crate `ledger` is what all of it is written down in, crate `services` whom it
//! asks.
//!
//! Arrows between modules point one way: nobody below `slice.rs` knows it, no lane knows another.
//!
//! Invariants: an intention is written before a batch goes out and settled after it; nothing is
//! deleted at the source, no code for it exists; no message is held, but one of a maildrop up to a
//! named limit.
#![forbid(unsafe_code)]
#![allow(async_fn_in_trait)] // single-threaded by design: no `Send` bound is wanted

pub mod advance;
pub mod backlog;
mod before;
mod conclude;
mod counted;
mod ended;
mod endings;
pub mod erase;
pub mod finding;
pub mod fruitless;
mod gauge;
#[cfg(any(test, fuzzing))]
pub mod laws;
pub mod limits;
mod mail;
mod membership;
mod owner;
pub mod pairs;
pub mod projects;
mod requests;
mod run;
mod servers;
mod slice;
mod stored;
#[cfg(test)]
mod tests;
pub mod tries;
mod trouble;
mod upkeep;
mod watch;
mod work;
mod world;

pub use before::preflight;
pub use ledger::manifest;
pub use mail::{mapping, removal};
pub use owner::{hook, lifecycle, report};
pub use services::{Side, login};
pub use watch::long_slices;
pub use world::{Host, World};
