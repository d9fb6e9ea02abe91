//! The pages and the JSON API: reads a request, asks the engine, answers.
//!
//! In scope: routes, reading and checking input, refusals, feeds (events, tables), metrics, the
//! API's description. Out of scope: how a migration works (`migrate`), what pages look like
//! (`pages`).
//!
//! The rooms, each of which needs only those below it:
//!
//! - [`router`]: from a request to whoever answers it, by the one table of addresses ([`routes`]);
//! - [`web`] and [`api`]: the two faces, pages and JSON; [`openapi`]: the API's description, made of the
//!   table and of the types that are read and written;
//! - [`steps`]: what both faces do, on an [`app`] that reaches the store and mail servers;
//! - [`reading`]: objects from JSON and forms, [`tables`]: the same from spreadsheets; [`shown`]: objects that go back; [`feeds`]: what
//!   goes back piece by piece;
//! - [`request`], [`answer`] with [`feed`], [`refusals`], [`client`] (who asks).
//!
//! Only `entry` touches Spin.
//!
//! Invariants: nothing secret goes back, into a log or into an address; whatever a refusal is, it
//! is in the table of [`refusals`]; a migration is found by identifier and account together, and
//! a wrong account is answered exactly as an unknown identifier.
#![allow(async_fn_in_trait)] // single-threaded by design: no `Send` bound is wanted

pub mod answer;
pub mod api;
pub mod app;
pub mod client;
#[cfg(target_family = "wasm")]
mod entry;
pub mod feed;
pub mod feeds;
#[cfg(any(test, fuzzing))]
pub mod laws;
pub mod openapi;
pub mod reading;
pub mod refusals;
pub mod request;
pub mod router;
pub mod routes;
pub mod shown;
pub mod steps;
pub mod tables;
pub mod web;

#[cfg(test)]
mod tests;
