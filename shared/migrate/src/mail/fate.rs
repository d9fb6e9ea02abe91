//! What became of a message.

use mailbox::InternalDate;
use mailbox::header::Header;
use services::Rejection;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The destination took it.
    Arrived {
        /// Its UID there; 0 where the server did not say.
        uid: u32,
        /// UIDVALIDITY there; 0 where the server did not say.
        uid_validity: u32,
        /// Bytes sent.
        size: u64,
        /// Bytes that the source delivered; `None` where that was not seen, after a cut.
        delivered: Option<u64>,
        /// What its header says.
        header: Header,
    },
    /// The source did not send it. Whether it still has it must be asked.
    Gone,
    /// The source has it and did not deliver it; a sentence.
    Unreadable(String),
    /// The destination refused it, as it says.
    Refused {
        /// Why.
        why: Rejection,
        /// Bytes of the message.
        size: u64,
        /// What its header says.
        header: Header,
    },
}

impl Fate {
    /// When the message arrived, where only its header tells.
    pub(crate) fn date(&self) -> Option<InternalDate> {
        match self {
            Fate::Arrived { header, .. } | Fate::Refused { header, .. } => header.date,
            Fate::Gone | Fate::Unreadable(_) => None,
        }
    }
}
