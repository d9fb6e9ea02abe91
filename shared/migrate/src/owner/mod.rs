//! What owners do with a migration, from outside a slice: pages and API call this.
//!
//! Reading order: [`lifecycle`], `idle.rs` (with the lease held, where no slice is at work), `holding.rs` (pause
//! and resume), [`hook`], [`report`].

pub(crate) mod holding;
pub mod hook;
pub(crate) mod idle;
pub mod lifecycle;
pub mod report;
