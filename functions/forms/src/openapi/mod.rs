//! The API's description (OpenAPI 3.1), made of the table of routes and of the types that are read and
//! written.
//!
//! Reading order: [`operation`] (what an operation is described with), [`operations`] (all of them),
//! [`document`] (how they are written down).
//!
//! A new address of the API needs a row in the table of routes, and the row needs its operation. What
//! the operation may be refused for follows in part from what it is ([`document::refusals`]).

pub mod document;
pub mod operation;
pub mod operations;
