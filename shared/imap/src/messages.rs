//! What happens to messages in a mailbox: STORE, COPY, MOVE, EXPUNGE, SEARCH; and QUOTA.

use wire::Stream;

use crate::date::Day;
use crate::error::Error;
use crate::flags::Flags;
use crate::mailbox_name::MailboxName;
use crate::reply::CopyUid;
use crate::session::Session;
use crate::uid_set::UidSet;

/// What STORE does with flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// `+FLAGS.SILENT`.
    Add,
    /// `-FLAGS.SILENT`.
    Remove,
    /// `FLAGS.SILENT`.
    Replace,
}

/// What SEARCH looks for; all that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Criteria {
    /// Only among these UIDs.
    pub uids: Option<UidSet>,
    /// A Message-ID field that contains this.
    pub message_id: Option<String>,
    /// Internal date on this day or later, in the server's zone.
    pub since: Option<Day>,
    /// Internal date before this day.
    pub before: Option<Day>,
}

/// What a quota root has of one resource (RFC 9208).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaResource {
    /// `STORAGE` (in units of 1024 octets), `MESSAGE`, ….
    pub name: String,
    /// In use.
    pub usage: u64,
    /// Allowed.
    pub limit: u64,
}

/// A quota root that holds for a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Its name.
    pub root: String,
    /// Its resources.
    pub resources: Vec<QuotaResource>,
}

impl<S: Stream> Session<S> {
    /// Changes flags by UID, without asking for the result.
    pub async fn store_flags(
        &mut self,
        _uids: &UidSet,
        _flags: &Flags,
        _change: Change,
    ) -> Result<(), Error> {
        todo!()
    }

    /// Copies messages; one [`CopyUid`] a command where the server tells.
    pub async fn copy(&mut self, _uids: &UidSet, _to: &MailboxName) -> Result<Vec<CopyUid>, Error> {
        todo!()
    }

    /// Moves messages (MOVE must be announced); one [`CopyUid`] a command where the server tells.
    pub async fn move_(
        &mut self,
        _uids: &UidSet,
        _to: &MailboxName,
    ) -> Result<Vec<CopyUid>, Error> {
        todo!()
    }

    /// Removes those of these UIDs that are `\Deleted`; UIDPLUS must be announced, because plain
    /// EXPUNGE would take others along.
    pub async fn expunge_uids(&mut self, _uids: &UidSet) -> Result<(), Error> {
        todo!()
    }

    /// UIDs that meet the criteria.
    pub async fn search(&mut self, _criteria: &Criteria) -> Result<UidSet, Error> {
        todo!()
    }

    /// The quota that holds for a mailbox (GETQUOTAROOT).
    pub async fn quota(&mut self, _mailbox: &MailboxName) -> Result<Vec<Quota>, Error> {
        todo!()
    }
}
