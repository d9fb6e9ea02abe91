//! One mailbox: SELECT and EXAMINE, CREATE, SUBSCRIBE, RENAME, DELETE (RFC 9051 section 6.3).

use wire::Stream;

use crate::error::Error;
use crate::fetching::Asked;
use crate::reply::{Code, Reply};
use crate::response::Line;
use crate::session::Session;
use mailbox::MailboxName;
use mailbox::SpecialUse;
use mailbox::{Flags, PermanentFlags};

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
        self.put_select(name, mode).await?;
        self.flush().await
    }

    async fn put_select(&mut self, name: &MailboxName, mode: Mode) -> Result<(), Error> {
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
        Ok(())
    }

    /// What SELECT says of a mailbox, which is not open afterwards: one round trip where UNSELECT is
    /// announced. CLOSE is never sent ahead: where an EXAMINE before it failed, it would expunge.
    pub async fn look_into(&mut self, name: &MailboxName) -> Result<Selected, Error> {
        if !self.state.capabilities.unselect() {
            let selected = self.select(name, Mode::ReadWrite).await?;
            self.unselect().await?;
            return Ok(selected);
        }
        self.put_select(name, Mode::ReadWrite).await?;
        let unselect = self.command("UNSELECT");
        let tag = unselect.tag;
        self.send(unselect).await?;
        self.flush().await?;
        let selected = self.selected().await;
        if matches!(&selected, Ok(_) | Err(Error::Refused(_))) {
            let left = self.finish(tag, |_| Ok(())).await?;
            if selected.is_ok() && !left.is_ok() {
                return Err(Error::Refused(left));
            }
        }
        self.state.selected = None;
        selected
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
                    Line::Flags(mut list) => selected.flags = crate::flags::read(&mut list),
                    Line::Status(Reply { code: Some(Code::PermanentFlags(list)), .. }) => {
                        permanent = Some(crate::flags::read_permanent(list.as_bytes()));
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
    /// (CREATE-SPECIAL-USE), and is left out where another mailbox has it (`USEATTR`).
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
        let mut replies = self.run_all(commands, |_, _| Ok(())).await?;
        for (reply, (name, _)) in replies.iter_mut().zip(mailboxes) {
            if reply.code == Some(Code::UseAttr) {
                let command = self.command("CREATE").mailbox(name)?;
                *reply = self.answer(command, |_| Ok(())).await?;
            }
        }
        Ok(replies.into_iter().map(done).collect())
    }

    /// Subscribes to mailboxes, pipelined.
    pub async fn subscribe(
        &mut self,
        names: &[MailboxName],
    ) -> Result<Vec<Result<(), Reply>>, Error> {
        self.each("SUBSCRIBE", names).await
    }

    /// Takes subscriptions back, pipelined.
    pub async fn unsubscribe(
        &mut self,
        names: &[MailboxName],
    ) -> Result<Vec<Result<(), Reply>>, Error> {
        self.each("UNSUBSCRIBE", names).await
    }

    async fn each(
        &mut self,
        verb: &str,
        names: &[MailboxName],
    ) -> Result<Vec<Result<(), Reply>>, Error> {
        let mut commands = Vec::with_capacity(names.len());
        for name in names {
            commands.push(self.command(verb).mailbox(name)?);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Status;
    use crate::testing::{name, play};
    use mailbox::SystemFlag;

    #[test]
    fn selects() {
        // RFC 9051 section 6.3.2, RFC 7162 section 3.1.8, RFC 8474 section 4.2.
        let selected = play(
            "CONDSTORE",
            "C: A1 SELECT \"Entw&APw-rfe\" (CONDSTORE)
             S: * 172 EXISTS
             S: * 1 RECENT
             S: * OK [UNSEEN 12] Message 12 is first unseen
             S: * OK [UIDVALIDITY 3857529045] UIDs valid
             S: * OK [UIDNEXT 4392] Predicted next UID
             S: * FLAGS (\\Answered \\Deleted Junk)
             S: * OK [PERMANENTFLAGS (\\Deleted \\*)] Limited
             S: * OK [HIGHESTMODSEQ 715194045007]
             S: * OK [MAILBOXID (F2212ea87)] Ok
             S: A1 OK [READ-WRITE] SELECT completed",
            async |session| session.select(&name("Entwürfe"), Mode::ReadWrite).await,
        );
        let expected = Selected {
            exists: 172,
            uid_validity: 3_857_529_045,
            uid_next: Some(4392),
            highest_modseq: Some(715_194_045_007),
            flags: ["\\Answered", "\\Deleted", "Junk"].into_iter().collect(),
            permanent_flags: PermanentFlags {
                flags: [SystemFlag::Deleted].into_iter().collect(),
                any_keyword: true,
            },
            read_only: false,
            uids_not_sticky: false,
            mailbox_id: Some("F2212ea87".into()),
        };
        assert_eq!(selected, Ok(expected));
    }

    #[test]
    fn an_old_server_says_little() {
        let selected = play(
            "",
            "C: A1 EXAMINE \"INBOX\"
             S: * FLAGS (\\Seen)
             S: * 2 EXISTS
             S: * NO [UIDNOTSTICKY] sorry
             S: A1 OK [READ-ONLY] done",
            async |session| session.select(&name("inbox"), Mode::ReadOnly).await,
        )
        .unwrap();
        assert_eq!((selected.exists, selected.uid_next, selected.uid_validity), (2, None, 0));
        assert!(selected.read_only && selected.uids_not_sticky);
        assert_eq!(selected.permanent_flags.flags, selected.flags);
    }

    #[test]
    fn creates_many_at_once() {
        let created = play(
            "CREATE-SPECIAL-USE LITERAL+",
            "C: A1 CREATE \"Sent\" (USE (\\Sent))
             C: A2 CREATE \"a \\\"b\\\"\"
             S: A1 OK done
             S: A2 NO [ALREADYEXISTS] there",
            async |session| {
                let wanted = [(name("Sent"), Some(SpecialUse::Sent)), (name("a \"b\""), None)];
                session.create(&wanted).await
            },
        );
        let there =
            Reply { status: Status::No, code: Some(Code::AlreadyExists), text: "there".into() };
        assert_eq!(created, Ok(vec![Ok(()), Err(there)]));
        let taken = play(
            "CREATE-SPECIAL-USE",
            "C: A1 CREATE \"Junk2\" (USE (\\Junk))
             S: A1 NO [USEATTR] SPECIAL-USE flag conflict
             C: A2 CREATE \"Junk2\"
             S: A2 OK done",
            async |session| session.create(&[(name("Junk2"), Some(SpecialUse::Junk))]).await,
        );
        assert_eq!(taken, Ok(vec![Ok(())]));
        let without = play("", "C: A1 CREATE \"Sent\"\nS: A1 OK done", async |session| {
            session.create(&[(name("Sent"), Some(SpecialUse::Sent))]).await
        });
        assert_eq!(without, Ok(vec![Ok(())]));
    }

    #[test]
    fn names_that_need_literals() {
        // A server's own 8-bit name, sent back as it came.
        let odd = MailboxName::from_wire(b"caf\xe9", mailbox::Spelling::ModifiedUtf7);
        let refused = play(
            "",
            "C: A1 SUBSCRIBE \"a\"
             S: A1 OK done
             C: A2 SUBSCRIBE {4}
             S: A2 BAD no literals here",
            async |session| session.subscribe(&[name("a"), odd.clone()]).await,
        );
        let bad = Reply { status: Status::Bad, code: None, text: "no literals here".into() };
        assert_eq!(refused, Ok(vec![Ok(()), Err(bad)]));
    }

    #[test]
    fn renames_and_deletes() {
        let done = play(
            "",
            "C: A1 RENAME \"a\" \"b\"
             S: A1 OK done
             C: A2 DELETE \"b\"
             S: A2 NO [NONEXISTENT] gone",
            async |session| {
                session.rename(&name("a"), &name("b")).await?;
                session.delete_mailbox(&name("b")).await
            },
        );
        let gone = Reply { status: Status::No, code: Some(Code::NonExistent), text: "gone".into() };
        assert_eq!(done, Err(Error::Refused(gone)));
    }

    #[test]
    fn looks_into_a_mailbox_in_one_round_trip() {
        let said = "S: * 3 EXISTS\nS: * OK [PERMANENTFLAGS (\\Seen \\*)] Limited\n";
        let opened = "S: A1 OK [READ-WRITE] done\n";
        let alone = "C: A1 SELECT \"a\"\n";
        let both = "C: A1 SELECT \"a\"\nC: A2 UNSELECT\n";
        let closed = "C: A2 EXAMINE \"a\"\nS: A2 OK done\nC: A3 CLOSE\nS: A3 OK done\n";
        for (capabilities, script, exists) in [
            ("UNSELECT", [both, said, opened, "S: A2 OK done\n"].concat(), Ok(3)),
            // Answered in another order, which nothing forbids.
            ("UNSELECT", [both, "S: A2 OK done\n", said, opened].concat(), Ok(3)),
            ("UNSELECT", [both, "S: A1 NO gone\nS: A2 BAD none is open\n"].concat(), Err("gone")),
            ("UNSELECT", [both, said, opened, "S: A2 NO later\n"].concat(), Err("later")),
            ("", [alone, said, opened, closed].concat(), Ok(3)),
        ] {
            let script = format!("{script}C: A9 NOOP\nS: A9 OK done");
            let looked = play(capabilities, &script, async |session| {
                let looked = session.look_into(&name("a")).await;
                session.state.last_tag = 8;
                session.noop().await?;
                looked.map(|selected| selected.exists)
            });
            let words = looked.map_err(|error| match error {
                Error::Refused(reply) => reply.text,
                other => other.to_string(),
            });
            assert_eq!(words, exists.map_err(str::to_owned), "{script}");
        }
    }

    #[test]
    fn leaves_without_expunging() {
        let select = "C: A1 SELECT \"a\"\nS: * 0 EXISTS\nS: A1 OK done\n";
        for (capabilities, rest) in [
            ("UNSELECT", "C: A2 UNSELECT\nS: A2 OK done"),
            ("", "C: A2 EXAMINE \"a\"\nS: A2 OK done\nC: A3 CLOSE\nS: A3 OK done"),
            ("", "C: A2 EXAMINE \"a\"\nS: A2 NO gone"),
        ] {
            let left = play(capabilities, &format!("{select}{rest}"), async |session| {
                session.unselect().await?;
                session.select(&name("a"), Mode::ReadWrite).await?;
                session.unselect().await?;
                session.unselect().await
            });
            assert_eq!(left, Ok(()));
        }
    }
}
