//! Stub: the host crate.
