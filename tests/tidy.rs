//! Checks on the source itself.
