//! Stub: the migrate crate.
