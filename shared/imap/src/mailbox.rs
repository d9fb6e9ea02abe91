//! One mailbox: SELECT and EXAMINE, CREATE, SUBSCRIBE, RENAME, DELETE (RFC 9051 section 6.3).

use wire::Stream;

use crate::error::Error;
use crate::flags::{Flags, PermanentFlags};
use crate::list::SpecialUse;
use crate::mailbox_name::MailboxName;
use crate::reply::Reply;
use crate::session::Session;

/// How a mailbox is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// EXAMINE.
    ReadOnly,
    /// SELECT.
    ReadWrite,
}

/// A mailbox that is open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selected {
    /// Number of messages.
    pub exists: u32,
    /// UIDVALIDITY; 0 where the server has no lasting UIDs and did not say.
    pub uid_validity: u32,
    /// UIDNEXT; `None` where an old server did not say.
    pub uid_next: Option<u32>,
    /// HIGHESTMODSEQ; `None` where the mailbox keeps no modification sequences.
    pub highest_modseq: Option<u64>,
    /// Flags in use.
    pub flags: Flags,
    /// Flags that can be kept. Where the server did not say, all of `flags` (RFC 9051 section
    /// 6.3.2).
    pub permanent_flags: PermanentFlags,
    /// Whether the server opened it for reading only.
    pub read_only: bool,
    /// `UIDNOTSTICKY`: UIDs do not outlive the session.
    pub uids_not_sticky: bool,
    /// MAILBOXID (RFC 8474).
    pub mailbox_id: Option<String>,
}

impl<S: Stream> Session<S> {
    /// Opens a mailbox and waits for the answer.
    pub async fn select(&mut self, name: &MailboxName, mode: Mode) -> Result<Selected, Error> {
        self.start_select(name, mode).await?;
        self.selected().await
    }

    /// Sends SELECT or EXAMINE without waiting; a [`Session::start_fetch`] may follow at once.
    /// [`Session::selected`] takes the answer, before those of what was sent later.
    pub async fn start_select(&mut self, _name: &MailboxName, _mode: Mode) -> Result<(), Error> {
        todo!()
    }

    /// The answer to [`Session::start_select`].
    pub async fn selected(&mut self) -> Result<Selected, Error> {
        todo!()
    }

    /// Creates mailboxes, pipelined; the special use goes along where the server takes it
    /// (CREATE-SPECIAL-USE).
    pub async fn create(
        &mut self,
        _mailboxes: &[(MailboxName, Option<SpecialUse>)],
    ) -> Result<Vec<Result<(), Reply>>, Error> {
        todo!()
    }

    /// Subscribes to mailboxes, pipelined.
    pub async fn subscribe(
        &mut self,
        _names: &[MailboxName],
    ) -> Result<Vec<Result<(), Reply>>, Error> {
        todo!()
    }

    /// Deletes a mailbox.
    pub async fn delete_mailbox(&mut self, _name: &MailboxName) -> Result<(), Error> {
        todo!()
    }

    /// Renames a mailbox.
    pub async fn rename(&mut self, _from: &MailboxName, _to: &MailboxName) -> Result<(), Error> {
        todo!()
    }

    /// Leaves the mailbox without expunging: UNSELECT where announced, else by opening one that
    /// does not exist.
    pub async fn unselect(&mut self) -> Result<(), Error> {
        todo!()
    }
}
