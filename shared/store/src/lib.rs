//! Stub: the store crate.
