//! The values of a mailbox, whatever protocol tells them: flags, dates, sets of UIDs, what folders are
//! for.
//!
//! In scope: values, and the rules that need nothing else. Out of scope: bytes on a line (`imap`), what is
//! done with messages (`migrate`). The model is IMAP's (RFC 9051 section 2), which Exchange, POP3, JMAP and
//! files map onto.
//!
//! Reading order: [`flags`], [`date`], [`uid_set`], [`special_use`], [`mailbox_name`] with [`utf7`], [`hierarchy`],
//! [`header`] with [`arrival`] (what identifies a message).
#![forbid(unsafe_code)]

pub mod arrival;
pub mod date;
pub mod flags;
pub mod header;
pub mod hierarchy;
pub mod mailbox_name;
pub mod special_use;
pub mod uid_set;
pub mod utf7;

pub use date::{Day, InternalDate};
pub use flags::{Flags, PermanentFlags, SystemFlag};
pub use hierarchy::Hierarchy;
pub use mailbox_name::{MailboxName, Spelling};
pub use special_use::SpecialUse;
pub use uid_set::UidSet;
