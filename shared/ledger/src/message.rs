//! What the engine knows of a message before it is read.

use mailbox::{Flags, InternalDate};

/// A message as the source lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its UID.
    pub uid: u32,
    /// RFC822.SIZE.
    pub size: u64,
    /// INTERNALDATE.
    pub date: InternalDate,
    /// Flags without `\Recent`.
    pub flags: Flags,
    /// Hash of the Message-ID where it was asked for; 0 where there is none.
    pub identity: u64,
}
