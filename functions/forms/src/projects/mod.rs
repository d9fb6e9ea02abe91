//! Projects: many migrations behind one password.
//!
//! Reading order: [`session`] (who is let in), [`input`] (the API's objects), [`shown`] (what is
//! told of a project), [`api`] (the JSON face), [`add`] (migrations that are added), [`import`] (many of them) with [`repeated`],
//! [`export`] (their state as a table),
//! [`web`] (the pages' face), [`openapi`] (their description).
//!
//! Invariant: without the project's password, or a token that was given for it, nobody learns
//! whether a project is there.

pub mod add;
pub mod api;
pub mod export;
pub mod import;
pub mod repeated;
pub mod session;
pub mod web;
