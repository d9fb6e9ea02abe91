//! The pages' face: forms in, pages and redirections out.
//!
//! Reading order: [`page`] (what all have), [`fixed`], [`begin`] with [`new`] and [`checked`], [`migration`],
//! [`life`], [`project`], [`problem`].

pub mod begin;
pub mod checked;
pub mod fixed;
pub mod life;
pub mod migration;
pub mod new;
pub mod page;
pub mod problem;
pub mod project;
