//! The lane of objects that are held whole: contacts, groups, events, tasks, rules, absence notes.
//!
//! In scope: what is asked of two services (`services::objects`), in which order, and what is written down so that
//! any await may be the last. Out of scope: protocols and forms of content, and the frame of a slice (`migrate`),
//! which is asked through [`Context`].
//!
//! A run goes through its collections: [`discover`] finds them and their places, `list` asks the source what
//! there is and writes down what has to be looked at, `bring` reads, plans, intends, puts and settles, `verify`
//! asks both sides once more. [`plan`] decides what is done with an object; `settle` what became of it.
//!
//! **Exactly once.** An object gets a name that follows from the migration, its collection and its identity, and
//! is put only if there is none of this name. What is about to be sent is written down before; after a cut, or
//! a refusal, it is looked for by that name, and where it is not there the collection is looked through. What
//! cannot be known is said: such an object counts as the user's, and is never replaced or removed.
//!
//! **What is stored**: [`record`]; keys are `store::keys::objects` and what stands below it. **Memory**: an index of
//! some 100 bytes an object of one collection, and 4 MiB of objects.
//!
//! Reading order: [`plan`], [`record`], [`context`], `known`, `standing`, `list`, `bring`, `decide`, `settle`, `outcome`,
//! `verify`, `remove`, [`erase`].
#![forbid(unsafe_code)]
#![allow(async_fn_in_trait)] // single-threaded by design: no `Send` bound is wanted

mod asking;
mod bring;
pub mod context;
mod decide;
pub mod discover;
pub mod erase;
mod known;
mod lane;
mod list;
mod outcome;
pub mod plan;
pub mod record;
mod remove;
mod run;
mod settle;
mod sides;
mod standing;
mod verify;

#[cfg(test)]
mod tests;

pub use context::{Context, Deed, Halt};
pub use run::{is_finished, remove, report, run, verdict};
