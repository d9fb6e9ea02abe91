//! The engine: moves a mailbox slice by slice, so that any await may be the last.
//!
//! In scope: what to do next, doing it, writing it down; logging in at both sides; what users are
//! told. Out of scope: bytes of a protocol (`imap`), connections (`dial`), keys (`store`).
//!
//! Reading order: [`advance`] (what is due), `upkeep.rs` (what is old), `slice.rs` (one slice of
//! one migration), `watch.rs` with `gauge.rs` and [`limits`] (what ends it from beside), `lines.rs` (both accounts), `source.rs` with `pop/` (where from, whatever it speaks),
//! `run.rs` (its state and its checkpoints), then the phases `discover.rs` with
//! `renames.rs`, `folders.rs`, `changes.rs` (flags, what is gone), `copy.rs` with `listing.rs`,
//! `adopt.rs`, `moves.rs`, `transfer.rs`, `settle.rs`, `reconcile.rs`, `repair.rs`, `verify.rs`, and
//! `remove.rs` with [`removal`]; crate `ledger` is what all of it is written down in;
//! [`mapping`] is pure; `trouble.rs` says what follows from an error;
//! [`manifest`] lists what arrived; [`projects`] is how many migrations share one queue, `servers.rs` how they share servers; [`lifecycle`], [`hook`], [`erase`] and [`report`] are what pages and API call, [`login`] and [`finding`] what both call; [`preflight`] looks before anything begins.
//!
//! Invariants: an intention is written before a batch goes out and settled after it; nothing is
//! deleted at the source, no code for it exists; no message is held, but one of a maildrop up to a
//! named limit.
#![forbid(unsafe_code)]
#![allow(async_fn_in_trait)] // single-threaded by design: no `Send` bound is wanted

mod adopt;
pub mod advance;
mod ahead;
mod attempt;
pub mod backlog;
mod brought;
mod changes;
mod compare;
mod conclude;
mod copy;
mod discover;
pub mod erase;
pub mod finding;
mod folders;
mod forecast;
pub mod fruitless;
mod gauge;
mod holding;
pub mod hook;
#[cfg(any(test, fuzzing))]
pub mod laws;
pub mod lifecycle;
mod limited;
pub mod limits;
mod lines;
mod listing;
pub mod mapping;
mod moves;
mod numbers;
mod orphans;
mod pairing;
pub mod pairs;
pub mod preflight;
pub mod projects;
mod proof;
mod reconcile;
pub mod removal;
mod remove;
mod renames;
mod renumbered;
mod repair;
pub mod report;
mod run;
mod servers;
mod settle;
mod slice;
mod standing;
#[cfg(test)]
mod tests;
mod transfer;
pub mod tries;
mod trouble;
mod upkeep;
mod verify;
mod watch;
mod windows;
mod world;

pub use ledger::manifest;
pub use services::{Side, login};
pub use watch::long_slices;
pub use world::{Host, World};
