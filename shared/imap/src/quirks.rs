//! What named servers do differently, as data.

/// What differs on one kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quirks {
    /// Which server this is, for reports; empty where it was not recognised.
    pub server: &'static str,
    /// RFC822.SIZE may differ from the octets of the body.
    pub size_is_estimate: bool,
}
