//! Stub: the pages crate.
