//! One mailbox: SELECT and EXAMINE, CREATE, SUBSCRIBE, RENAME, DELETE (RFC 9051 section 6.3).

use wire::Stream;

use crate::error::Error;
use crate::fetching::Asked;
use crate::flags::{Flags, PermanentFlags};
use crate::list::SpecialUse;
use crate::mailbox_name::MailboxName;
use crate::reply::{Code, Reply};
use crate::response::Line;
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
    pub async fn start_select(&mut self, name: &MailboxName, mode: Mode) -> Result<(), Error> {
        if !self.appending.is_idle() {
            return Err(Error::OutOfTurn { what: "an append is not finished" });
        }
        let verb = match mode {
            Mode::ReadOnly => "EXAMINE",
            Mode::ReadWrite => "SELECT",
        };
        let condstore = self.state.capabilities.condstore();
        let command = self.command(verb).mailbox(name)?;
        let command = if condstore { command.text(" (CONDSTORE)") } else { command };
        let tag = command.tag;
        if !command.waits.is_empty() {
            self.idle()?;
        }
        if let Some(refused) = self.send(command).await? {
            return Err(Error::Refused(refused));
        }
        self.fetching.queue.push_back(Asked::Select { tag, name: name.clone() });
        self.flush().await
    }

    /// The answer to [`Session::start_select`].
    pub async fn selected(&mut self) -> Result<Selected, Error> {
        let Some((tag, name)) = self.fetching.take_select() else {
            return Err(Error::OutOfTurn { what: "no select is the oldest command" });
        };
        let mut selected = Selected::default();
        let mut permanent = None;
        let reply = self
            .finish(tag, |line| {
                match line {
                    Line::Exists(exists) => selected.exists = exists,
                    Line::Flags(mut list) => selected.flags = Flags::read(&mut list),
                    Line::Status(Reply { code: Some(Code::PermanentFlags(list)), .. }) => {
                        permanent = Some(PermanentFlags::read(list.as_bytes()));
                    }
                    Line::Status(Reply { code: Some(code), .. }) => selected.note(code),
                    _ => {}
                }
                Ok(())
            })
            .await?;
        if !reply.is_ok() {
            self.state.selected = None;
            return Err(Error::Refused(reply));
        }
        selected.read_only = reply.code == Some(Code::ReadOnly);
        let flags = &selected.flags;
        selected.permanent_flags = permanent
            .unwrap_or_else(|| PermanentFlags { flags: flags.clone(), any_keyword: false });
        self.state.selected = Some(name);
        Ok(selected)
    }

    /// Creates mailboxes, pipelined; the special use goes along where the server takes it
    /// (CREATE-SPECIAL-USE).
    pub async fn create(
        &mut self,
        mailboxes: &[(MailboxName, Option<SpecialUse>)],
    ) -> Result<Vec<Result<(), Reply>>, Error> {
        let with_use = self.state.capabilities.create_special_use();
        let mut commands = Vec::with_capacity(mailboxes.len());
        for (name, special_use) in mailboxes {
            let command = self.command("CREATE").mailbox(name)?;
            commands.push(match special_use.filter(|_| with_use) {
                Some(special_use) => {
                    command.text(" (USE (").text(special_use.attribute()).text("))")
                }
                None => command,
            });
        }
        let replies = self.run_all(commands, |_, _| Ok(())).await?;
        Ok(replies.into_iter().map(done).collect())
    }

    /// Subscribes to mailboxes, pipelined.
    pub async fn subscribe(
        &mut self,
        names: &[MailboxName],
    ) -> Result<Vec<Result<(), Reply>>, Error> {
        let mut commands = Vec::with_capacity(names.len());
        for name in names {
            commands.push(self.command("SUBSCRIBE").mailbox(name)?);
        }
        let replies = self.run_all(commands, |_, _| Ok(())).await?;
        Ok(replies.into_iter().map(done).collect())
    }

    /// Deletes a mailbox.
    pub async fn delete_mailbox(&mut self, name: &MailboxName) -> Result<(), Error> {
        let command = self.command("DELETE").mailbox(name)?;
        self.run(command, |_| Ok(())).await.map(drop)
    }

    /// Renames a mailbox.
    pub async fn rename(&mut self, from: &MailboxName, to: &MailboxName) -> Result<(), Error> {
        let command = self.command("RENAME").mailbox(from)?.mailbox(to)?;
        self.run(command, |_| Ok(())).await.map(drop)
    }

    /// Leaves the mailbox without expunging: UNSELECT where announced, else EXAMINE and CLOSE,
    /// since CLOSE removes nothing from a mailbox that was opened for reading (RFC 9051 section
    /// 6.4.1).
    pub async fn unselect(&mut self) -> Result<(), Error> {
        let Some(name) = self.state.selected.clone() else { return Ok(()) };
        if self.state.capabilities.unselect() {
            let command = self.command("UNSELECT");
            self.run(command, |_| Ok(())).await?;
        } else {
            let command = self.command("EXAMINE").mailbox(&name)?;
            // Where EXAMINE fails no mailbox is open any more.
            if self.answer(command, |_| Ok(())).await?.is_ok() {
                let command = self.command("CLOSE");
                self.run(command, |_| Ok(())).await?;
            }
        }
        self.state.selected = None;
        Ok(())
    }
}

fn done(reply: Reply) -> Result<(), Reply> {
    if reply.is_ok() { Ok(()) } else { Err(reply) }
}

impl Selected {
    fn note(&mut self, code: &Code) {
        match code {
            Code::UidValidity(n) => self.uid_validity = *n,
            Code::UidNext(n) => self.uid_next = Some(*n),
            Code::HighestModSeq(n) => self.highest_modseq = Some(*n),
            Code::NoModSeq => self.highest_modseq = None,
            Code::UidNotSticky => self.uids_not_sticky = true,
            Code::MailboxId(id) => self.mailbox_id = Some(id.clone()),
            _ => {}
        }
    }
}
