//! Stub: the imap crate.
