//! Writing messages: APPEND and MULTIAPPEND (RFC 9051 section 6.3.12, RFC 3502, RFC 7888).

use bytes::Bytes;
use wire::Stream;

use crate::date::InternalDate;
use crate::error::Error;
use crate::flags::Flags;
use crate::mailbox_name::MailboxName;
use crate::reply::Reply;
use crate::session::Session;

/// What goes before a message's octets.
#[derive(Debug, Clone, Copy)]
pub struct AppendHead<'a> {
    /// Flags to set; `\Recent` is left out.
    pub flags: &'a Flags,
    /// INTERNALDATE; the server's clock where `None`.
    pub internal_date: Option<&'a InternalDate>,
    /// Octets that will follow, exactly.
    pub size: u64,
    /// Sends the message as `literal8` (RFC 3516), which may hold NUL; only where
    /// [`crate::Capabilities::binary`] says so.
    pub binary: bool,
}

/// Whether a message may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// Its octets go to [`Session::append_chunk`].
    Ready,
    /// The server does not want it; nothing of it was sent, and [`Session::append_finish`] says
    /// nothing about it. Messages before it in the same MULTIAPPEND are refused as well.
    Refused(Reply),
}

/// What became of a message that was [`Started::Ready`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// It is in the mailbox.
    Ok {
        /// Its UID, where the server tells (UIDPLUS).
        uid: Option<u32>,
        /// UIDVALIDITY that belongs to the UID.
        uid_validity: Option<u32>,
    },
    /// It is not; in a MULTIAPPEND none of that command is.
    Refused(Reply),
}

impl<S: Stream> Session<S> {
    /// Starts a message. With `multi` it joins the MULTIAPPEND that is open for the same
    /// mailbox, or opens one that a later message may join; without, it begins a command of its
    /// own. Where MULTIAPPEND is not announced each message has its own command anyway.
    ///
    /// Waits only where the server must agree first (no LITERAL+, or more than 4096 octets with
    /// LITERAL-).
    pub async fn append_message(
        &mut self,
        _to: &MailboxName,
        _head: &AppendHead<'_>,
        _multi: bool,
    ) -> Result<Started, Error> {
        todo!()
    }

    /// Octets of the message; never more than its head promised.
    pub async fn append_chunk(&mut self, _bytes: Bytes) -> Result<(), Error> {
        todo!()
    }

    /// Sends what is still held, waits for all answers, and tells what became of each message
    /// since the last call, in order.
    pub async fn append_finish(&mut self) -> Result<Vec<Appended>, Error> {
        todo!()
    }

    /// Whether octets are owed that a head promised. If their source died, the connection must be
    /// dropped: only that keeps the server from storing half a message.
    pub fn append_poisoned(&self) -> bool {
        todo!()
    }
}
