//! What is being appended: the message that is under way, and the commands that are not answered.

use std::collections::VecDeque;

use mailbox::MailboxName;

use crate::reply::{Code, Reply};

/// What became of a message that was [`crate::Started::Ready`].
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

/// What is being appended.
#[derive(Debug, Default)]
pub(crate) struct Appending {
    /// The command whose end is not sent.
    pub(crate) open: Option<Open>,
    /// Commands that are sent and not answered, oldest first.
    pub(crate) waiting: VecDeque<Waiting>,
    pub(crate) done: Vec<Appended>,
}

#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) tag: u32,
    pub(crate) to: MailboxName,
    pub(crate) messages: u32,
    /// Octets that were promised and did not come yet.
    pub(crate) owed: u64,
}

#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) tag: u32,
    pub(crate) messages: u32,
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

    /// Notes what became of so many messages.
    pub(crate) fn note(&mut self, messages: u32, reply: &Reply) {
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
