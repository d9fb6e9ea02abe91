//! The pages and the JSON API: reads a request, asks the engine, answers.
//!
//! In scope: routes, reading and checking input, refusals, feeds (events, tables), metrics, the
//! API's description. Out of scope: how a migration works (`migrate`), what pages look like
//! (`pages`).
//!
//! Reading order: [`routes`] (the one table of addresses); [`request`], [`answer`], [`refusals`];
//! [`reading`] (the API's objects, read), [`form_fields`] and [`multipart`] (the same from a form),
//! [`import`] (the same from a table), [`offer`]; [`shown`] (the API's objects, written); [`client`]
//! (who asks), [`limiting`] (how often); [`app`] with [`finding`], [`checking`] and [`checked`] (what
//! both faces share), [`api`] and [`web`] (the two faces), [`feeds`], [`metrics`], [`openapi`] (the
//! API's description, made of all that). Only `entry` touches Spin.
//!
//! Invariants: nothing secret goes back, into a log or into an address; whatever a refusal is, it
//! is in the table of [`refusals`]; a migration is found by identifier and account together, and
//! a wrong account is answered exactly as an unknown identifier.
#![allow(async_fn_in_trait)] // single-threaded by design: no `Send` bound is wanted

pub mod answer;
pub mod api;
pub mod app;
pub mod checked;
pub mod checking;
pub mod client;
#[cfg(target_family = "wasm")]
mod entry;
pub mod feeds;
pub mod finding;
pub mod form_fields;
pub mod health;
pub mod import;
#[cfg(any(test, fuzzing))]
pub mod laws;
pub mod life;
pub mod limiting;
pub mod metrics;
pub mod multipart;
pub mod offer;
pub mod openapi;
pub mod projects;
pub mod reading;
pub mod refusals;
mod repeated;
pub mod request;
pub mod routes;
pub mod shown;
pub mod web;

pub use routes::{Route, route};

#[cfg(test)]
mod tests;
