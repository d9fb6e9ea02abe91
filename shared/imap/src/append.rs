//! Writing messages: APPEND and MULTIAPPEND (RFC 9051 section 6.3.12, RFC 3502, RFC 7888).

use std::collections::VecDeque;

use bytes::Bytes;
use wire::Stream;

use crate::command::Command;
use crate::date::InternalDate;
use crate::error::Error;
use crate::flags::Flags;
use crate::mailbox_name::MailboxName;
use crate::reply::{Code, Reply};
use crate::session::{PIPELINE_MAX, Session};

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

/// Output is sent when it holds this much, in octets: small messages share a write.
const WRITE_AT: usize = 128 * 1024;

/// A chunk of this size or more goes to the stream as it is, not through the output, in octets.
const DIRECT_AT: usize = 32 * 1024;

/// What is being appended.
#[derive(Debug, Default)]
pub(crate) struct Appending {
    /// The command whose end is not sent.
    open: Option<Open>,
    /// Commands that are sent and not answered, oldest first.
    waiting: VecDeque<Waiting>,
    done: Vec<Appended>,
}

#[derive(Debug)]
struct Open {
    tag: u32,
    to: MailboxName,
    messages: u32,
    /// Octets that were promised and did not come yet.
    owed: u64,
}

#[derive(Debug)]
struct Waiting {
    tag: u32,
    messages: u32,
}

impl Appending {
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_none() && self.waiting.is_empty()
    }

    /// Notes the reply to the oldest command; `false` where the tag is another's.
    pub(crate) fn settle(&mut self, tag: u32, reply: &Reply) -> bool {
        match self.waiting.pop_front() {
            Some(waiting) if waiting.tag == tag => {
                self.note(waiting.messages, reply);
                true
            }
            Some(other) => {
                self.waiting.push_front(other);
                false
            }
            None => false,
        }
    }

    fn note(&mut self, messages: u32, reply: &Reply) {
        if !reply.is_ok() {
            self.done.extend((0..messages).map(|_| Appended::Refused(reply.clone())));
            return;
        }
        let Some(Code::AppendUid { uid_validity, uids }) = &reply.code else {
            let unknown = Appended::Ok { uid: None, uid_validity: None };
            return self.done.extend((0..messages).map(|_| unknown.clone()));
        };
        let uid_validity = Some(*uid_validity);
        if uids.len() == u64::from(messages) {
            let ok = |uid| Appended::Ok { uid: Some(uid), uid_validity };
            self.done.extend(uids.iter().map(ok));
        } else {
            let unknown = Appended::Ok { uid: None, uid_validity };
            self.done.extend((0..messages).map(|_| unknown.clone()));
        }
    }
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
        to: &MailboxName,
        head: &AppendHead<'_>,
        multi: bool,
    ) -> Result<Started, Error> {
        if !self.fetching.is_idle() {
            return Err(Error::OutOfTurn { what: "answers to a fetch or select are outstanding" });
        }
        if self.append_poisoned() {
            return Err(Error::OutOfTurn { what: "octets of the last message are owed" });
        }
        let multi = multi && self.state.capabilities.multiappend();
        let open = self.appending.open.take_if(|open| multi && open.to == *to);
        let (command, to, messages) = match open {
            Some(open) => (Command::more(open.tag, self.dialect()), open.to, open.messages),
            None => {
                self.close_append().await?;
                (self.command("APPEND").mailbox(to)?, to.clone(), 0)
            }
        };
        let command = head.write(command);
        let tag = command.tag;
        match self.send_open(&command).await? {
            None => {
                let open = Open { tag, to, messages: messages + 1, owed: head.size };
                self.appending.open = Some(open);
                Ok(Started::Ready)
            }
            Some(reply) => {
                // RFC 3502 section 6.3.11: the command is over, and none of it is stored.
                self.appending.note(messages, &reply);
                Ok(Started::Refused(reply))
            }
        }
    }

    /// Octets of the message; never more than its head promised.
    pub async fn append_chunk(&mut self, bytes: Bytes) -> Result<(), Error> {
        let owed = self.appending.open.as_mut().map(|open| &mut open.owed);
        let fits = owed.is_some_and(|owed| {
            let left = owed.checked_sub(bytes.len() as u64);
            left.map(|left| *owed = left).is_some()
        });
        if !fits {
            return Err(Error::OutOfTurn { what: "the message has more octets than promised" });
        }
        if bytes.len() >= DIRECT_AT {
            self.flush().await?;
            return self.write(bytes).await;
        }
        if self.output.is_empty() {
            self.output.reserve(WRITE_AT + DIRECT_AT);
        }
        self.output.extend_from_slice(&bytes);
        if self.output.len() >= WRITE_AT { self.flush().await } else { Ok(()) }
    }

    /// Sends what is still held, waits for all answers, and tells what became of each message
    /// since the last call, in order.
    pub async fn append_finish(&mut self) -> Result<Vec<Appended>, Error> {
        if self.append_poisoned() {
            return Err(Error::OutOfTurn { what: "octets of the last message are owed" });
        }
        self.close_append().await?;
        self.flush().await?;
        self.settle_appends(0).await?;
        Ok(std::mem::take(&mut self.appending.done))
    }

    /// Whether octets are owed that a head promised. If their source died, the connection must be
    /// dropped: only that keeps the server from storing half a message.
    pub fn append_poisoned(&self) -> bool {
        self.appending.open.as_ref().is_some_and(|open| open.owed > 0)
    }

    /// Ends the open command; waits where many are unanswered.
    async fn close_append(&mut self) -> Result<(), Error> {
        let Some(open) = self.appending.open.take() else { return Ok(()) };
        self.output.extend_from_slice(b"\r\n");
        self.appending.waiting.push_back(Waiting { tag: open.tag, messages: open.messages });
        if self.appending.waiting.len() >= PIPELINE_MAX {
            self.flush().await?;
            // Half of them stay, so that the line is busy while the next are prepared.
            self.settle_appends(PIPELINE_MAX / 2).await?;
        }
        Ok(())
    }

    async fn settle_appends(&mut self, rest: usize) -> Result<(), Error> {
        while self.appending.waiting.len() > rest {
            let Some(waiting) = self.appending.waiting.pop_front() else { break };
            let reply = self.finish(waiting.tag, |_| Ok(())).await?;
            self.appending.note(waiting.messages, &reply);
        }
        Ok(())
    }
}

impl AppendHead<'_> {
    /// `[SP flag-list] [SP date-time] SP literal`.
    fn write(&self, command: Command) -> Command {
        let flags = self.flags.to_string();
        let command = if flags.is_empty() { command } else { command.text(&format!(" ({flags})")) };
        let command = match self.internal_date {
            Some(date) => command.text(&format!(" \"{date}\"")),
            None => command,
        };
        command.literal_head(self.size, self.binary)
    }
}
