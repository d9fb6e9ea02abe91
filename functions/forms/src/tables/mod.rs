//! Migrations from a table: its columns, its rows, and the template of both.
//!
//! Reading order: [`columns`] (their names), [`template`], [`drafts`] (rows as they are written),
//! [`entries`] (rows as migrations that could be made, and everything that is wrong with them).
//!
//! Invariant: a password is a [`wire::Secret`] from the moment its column is known.

pub mod columns;
pub mod drafts;
pub mod entries;
pub mod template;
