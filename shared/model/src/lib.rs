//! Stub: the model crate.
