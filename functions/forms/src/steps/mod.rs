//! What both faces do, the pages and the API: each step takes what was read, and answers with a value or a
//! refusal. How either is written down is for the faces.
//!
//! Reading order: [`limiting`] (how often, and by whom), [`finding`] (servers that are not named),
//! [`looking`] (before a start), [`life`] (what an owner does with a migration); for projects
//! [`session`] (who is let in), [`projects`], [`adding`], [`importing`] with [`repeated`].
//!
//! Invariant: without a project's password, or a token that was given for it, nobody learns whether the
//! project is there.

pub mod adding;
pub mod finding;
pub mod importing;
pub mod life;
pub mod limiting;
pub mod looking;
pub mod projects;
mod repeated;
pub mod session;
