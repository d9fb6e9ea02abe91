//! Projects: many migrations that one person looks after, and the queue that works them off.
//!
//! In scope: the records of a project and how they change; who may open it; which of its migrations
//! run next. Out of scope: how a migration works, and putting it to work (`migrate`); pages.
//!
//! Reading order: [`queue`] (pure decisions), [`members`] (rows and their sums), [`guard`] (password,
//! tokens, guessing), [`record`] (making, reading and changing a project).
//!
//! Invariants: every record is changed by compare-and-swap; what a list or a progress bar shows is
//! in rows and sums, never collected from the migrations; nobody but the queue's active migrations
//! is in the index of what is due.
#![forbid(unsafe_code)]
#![allow(async_fn_in_trait)] // single-threaded by design: no `Send` bound is wanted

pub mod guard;
pub mod members;
pub mod queue;
pub mod record;
