//! The lane of mail: messages are streamed from one service into the other, and never held.
//!
//! Reading order: `lines.rs` (both accounts, logged in), `discover.rs` with [`mapping`] and `renames.rs` (which
//! folder becomes which), `folders.rs` (they are made), `changes.rs` with `difference.rs` and `orphans.rs` (flags,
//! what is gone); `copy.rs` with `listing.rs`, `ahead.rs`, `adopt.rs` and `standing.rs` (what is there already),
//! `moves.rs`, `brought.rs`; `transfer.rs` (octets) and `fate.rs` (what became of them), `attempt.rs`,
//! `limited.rs`, `repair.rs`, `settle.rs`, `failures.rs`, `journals.rs`; `reconcile.rs` with `arrivals.rs` and
//! `pairing.rs` (after a cut); `verify.rs` with `proof.rs` and `compare.rs`; `remove.rs` with [`removal`].
//! `reading.rs` is what both sides are asked, `numbers.rs` numbers what has names only, `renumbered.rs` is a
//! source that numbers anew, `windows.rs` reads the ledger.

pub(crate) mod adopt;
pub(crate) mod ahead;
pub(crate) mod arrivals;
pub(crate) mod attempt;
pub(crate) mod brought;
pub(crate) mod changes;
pub(crate) mod compare;
pub(crate) mod copy;
pub(crate) mod difference;
pub(crate) mod discover;
pub(crate) mod failures;
pub(crate) mod fate;
pub(crate) mod folders;
pub(crate) mod journals;
pub(crate) mod limited;
pub(crate) mod lines;
pub(crate) mod listing;
pub mod mapping;
pub(crate) mod moves;
pub(crate) mod numbers;
pub(crate) mod orphans;
pub(crate) mod pairing;
pub(crate) mod proof;
pub(crate) mod reading;
pub(crate) mod reconcile;
pub mod removal;
pub(crate) mod remove;
pub(crate) mod renames;
pub(crate) mod renumbered;
pub(crate) mod repair;
pub(crate) mod settle;
pub(crate) mod standing;
pub(crate) mod transfer;
pub(crate) mod verify;
pub(crate) mod windows;

/// The kind of item that this lane carries; nothing else in the engine names it.
pub(crate) const ITEM: model::Item = model::Item::Mail;
