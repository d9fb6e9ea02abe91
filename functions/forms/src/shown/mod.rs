//! What goes back, as programs read it: each object is one type, which is written (serde) and described
//! (JSON Schema) by the same lines.
//!
//! Invariant: nothing secret has a field here, but for what is made for its owner and told once.

pub mod detection;
pub mod installation;
pub mod migration;
pub mod preflight;
pub mod project;
pub mod removal;
pub mod report;
pub mod tables;
