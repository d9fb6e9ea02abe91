//! Stub: the dial crate.
