//! Mailboxes as a server lists them (LIST, STATUS, NAMESPACE; RFC 9051 section 7.3).

use mailbox::{MailboxName, SpecialUse};

/// Most octets of a mailbox's name on the line. Dovecot and Cyrus stop at 490 or fewer; of a
/// longer one only the beginning is told, with [`Mailbox::overlong`].
pub const NAME_OCTETS_MAX: usize = 1_000;

/// A mailbox as LIST shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Its name.
    pub name: MailboxName,
    /// What separates levels of hierarchy; `None` where there are none.
    pub delimiter: Option<char>,
    /// Whether it can be selected: neither `\Noselect` nor `\NonExistent`.
    pub selectable: bool,
    /// Whether it can have children: no `\Noinferiors`.
    pub inferiors: bool,
    /// Whether the user subscribed to it.
    pub subscribed: bool,
    /// What it is for.
    pub special_use: Option<SpecialUse>,
    /// Its STATUS, where it was asked for and the server gave it.
    pub status: Option<MailboxStatus>,
    /// Whether `name` is only the beginning of one that is longer than [`NAME_OCTETS_MAX`]; such a
    /// mailbox cannot be used.
    pub overlong: bool,
}

/// Figures of a mailbox that is not selected (STATUS); `None` where the server did not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailboxStatus {
    /// Number of messages.
    pub messages: Option<u64>,
    /// Sum of message sizes in octets (RFC 8438).
    pub size: Option<u64>,
    /// UIDNEXT.
    pub uid_next: Option<u32>,
    /// UIDVALIDITY.
    pub uid_validity: Option<u32>,
    /// HIGHESTMODSEQ (RFC 7162).
    pub highest_modseq: Option<u64>,
    /// MAILBOXID (RFC 8474), which outlives renaming.
    pub mailbox_id: Option<String>,
    /// APPENDLIMIT of this mailbox in octets (RFC 7889).
    pub append_limit: Option<u64>,
}

/// A prefix under which mailboxes live, with its delimiter (RFC 2342).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Prefix, delimiter included.
    pub prefix: MailboxName,
    /// What separates levels of hierarchy.
    pub delimiter: Option<char>,
}

/// Where one's own, others' and shared mailboxes live.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namespaces {
    /// One's own; the first is the usual one.
    pub personal: Vec<Namespace>,
    /// Other users'.
    pub others: Vec<Namespace>,
    /// Shared.
    pub shared: Vec<Namespace>,
}
