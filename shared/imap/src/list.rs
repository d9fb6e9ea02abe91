//! Mailboxes of an account: NAMESPACE, LIST, LSUB and STATUS (RFC 9051 sections 6.3.9 to 6.3.11).

use wire::Stream;

use crate::error::Error;
use crate::mailbox_name::MailboxName;
use crate::reply::Reply;
use crate::session::Session;

/// Most mailboxes of one account; more is a mistake or an attack, and would not fit into memory.
pub const MAILBOXES_MAX: usize = 100_000;

/// What a mailbox is for (RFC 6154 section 2, RFC 8457).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpecialUse {
    /// `\All`: every message.
    All,
    /// `\Archive`.
    Archive,
    /// `\Drafts`.
    Drafts,
    /// `\Flagged`: every flagged message.
    Flagged,
    /// `\Important` (RFC 8457).
    Important,
    /// `\Junk`.
    Junk,
    /// `\Sent`.
    Sent,
    /// `\Trash`.
    Trash,
}

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

impl<S: Stream> Session<S> {
    /// Where mailboxes live; from NAMESPACE, or from `LIST "" ""` where that is not announced.
    pub async fn namespace(&mut self) -> Result<Namespaces, Error> {
        todo!()
    }

    /// All mailboxes, with subscription and special use, and with STATUS of the selectable ones
    /// where `with_status` asks for it; in one round trip on servers with LIST-STATUS, else two.
    pub async fn list(&mut self, _with_status: bool) -> Result<Vec<Mailbox>, Error> {
        todo!()
    }

    /// STATUS of each name, pipelined; a refusal belongs to its name.
    pub async fn status(
        &mut self,
        _names: &[MailboxName],
    ) -> Result<Vec<(MailboxName, Result<MailboxStatus, Reply>)>, Error> {
        todo!()
    }
}
