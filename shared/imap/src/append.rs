//! Writing messages: APPEND and MULTIAPPEND (RFC 9051 section 6.3.12, RFC 3502, RFC 7888).

use bytes::Bytes;
use wire::Stream;

use crate::appending::{Appended, Open, Waiting};
use crate::command::Command;
use crate::dialogue::PIPELINE_MAX;
use crate::error::Error;
use crate::reply::Reply;
use crate::session::Session;
use mailbox::Flags;
use mailbox::InternalDate;
use mailbox::MailboxName;

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

/// Output is sent when it holds this much, in octets: small messages share a write.
const WRITE_AT: usize = 128 * 1024;

/// A chunk of this size or more goes to the stream as it is, not through the output, in octets.
const DIRECT_AT: usize = 32 * 1024;

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

    /// Ends the open command and sends what is held, without waiting; a later message begins
    /// another command, and [`Session::append_answer`] takes the replies one by one.
    pub async fn append_end(&mut self) -> Result<(), Error> {
        if self.append_poisoned() {
            return Err(Error::OutOfTurn { what: "octets of the last message are owed" });
        }
        self.close_append().await?;
        self.flush().await
    }

    /// Waits for the reply to the oldest unanswered command that was ended, and tells what became
    /// of the messages settled since the last call, in order; empty where nothing is unanswered.
    /// May be called while a later message is under way.
    pub async fn append_answer(&mut self) -> Result<Vec<Appended>, Error> {
        let waiting = self.appending.waiting.len();
        if self.appending.done.is_empty() && waiting > 0 {
            self.settle_appends(waiting - 1).await?;
        }
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
        // Gromox takes no message without the list, though RFC 9051 makes it optional (issue 60).
        let command = command.text(&format!(" ({})", self.flags));
        let command = match self.internal_date {
            Some(date) => command.text(&format!(" \"{date}\"")),
            None => command,
        };
        command.literal_head(self.size, self.binary)
    }
}

#[cfg(test)]
mod tests {
    use wire::script::Script;

    use super::*;
    use crate::reply::Code;
    use crate::testing::{name, play, play_error};

    async fn start(
        session: &mut Session<Script>,
        to: &str,
        size: u64,
        multi: bool,
    ) -> Result<Started, Error> {
        let flags = Flags::new();
        let head = AppendHead { flags: &flags, internal_date: None, size, binary: false };
        session.append_message(&name(to), &head, multi).await
    }

    async fn put(
        session: &mut Session<Script>,
        to: &str,
        size: u64,
        multi: bool,
    ) -> Result<Started, Error> {
        let started = start(session, to, size, multi).await?;
        if started == Started::Ready {
            session.append_chunk(vec![b'x'; size as usize].into()).await?;
        }
        Ok(started)
    }

    fn ok(uid: u32) -> Appended {
        Appended::Ok { uid: Some(uid), uid_validity: Some(9) }
    }

    fn reply(status: crate::Status, text: &str) -> Reply {
        Reply { status, code: None, text: text.into() }
    }

    #[test]
    fn one_command_for_many_messages() {
        // RFC 3502 section 6.3.11, with flags and dates.
        let done = play(
            "LITERAL+ MULTIAPPEND",
            "C: A1 APPEND \"saved\" (\\Seen Junk) \"17-Jul-1996 02:44:25 -0700\" {3+}
             C: abc () {2+}
             C: xx () {0+}
             C:
             S: * 3 EXISTS
             S: A1 OK [APPENDUID 9 4:6] done",
            async |session| {
                let flags: Flags = ["\\Seen", "\\Recent", "Junk"].into_iter().collect();
                let date = InternalDate::parse(b"17-Jul-1996 02:44:25 -0700");
                let head = AppendHead {
                    flags: &flags,
                    internal_date: date.as_ref(),
                    size: 3,
                    binary: false,
                };
                session.append_message(&name("saved"), &head, true).await?;
                session.append_chunk(Bytes::from_static(b"a")).await?;
                session.append_chunk(Bytes::from_static(b"bc")).await?;
                put(session, "saved", 2, true).await?;
                start(session, "saved", 0, true).await?;
                session.append_finish().await
            },
        );
        assert_eq!(done, Ok(vec![ok(4), ok(5), ok(6)]));
    }

    #[test]
    fn single_messages_are_sent_ahead() {
        let done = play(
            "LITERAL+",
            "C: A1 APPEND \"a\" () {2+}
             C: xx
             C: A2 APPEND \"a\" () {3+}
             C: xxx
             S: A1 OK [APPENDUID 9 1] done
             S: A2 NO [OVERQUOTA] full",
            async |session| {
                put(session, "a", 2, true).await?;
                put(session, "a", 3, true).await?;
                session.append_finish().await
            },
        );
        let full =
            Reply { status: crate::Status::No, code: Some(Code::OverQuota), text: "full".into() };
        assert_eq!(done, Ok(vec![ok(1), Appended::Refused(full)]));
    }

    #[test]
    fn another_mailbox_or_no_multi_begins_another_command() {
        let done = play(
            "LITERAL+ MULTIAPPEND",
            "C: A1 APPEND \"a\" () {1+}
             C: x () {1+}
             C: x
             C: A2 APPEND \"b\" () {1+}
             C: x
             C: A3 APPEND \"b\" () ~{1+}
             C: \0
             S: A1 OK done
             S: A2 OK [APPENDUID 9 7] done
             S: A3 OK [APPENDUID 9 8:9] done"
                .replace("\\0", "\0")
                .as_str(),
            async |session| {
                put(session, "a", 1, true).await?;
                put(session, "a", 1, true).await?;
                put(session, "b", 1, true).await?;
                let flags = Flags::new();
                let head = AppendHead { flags: &flags, internal_date: None, size: 1, binary: true };
                session.append_message(&name("b"), &head, false).await?;
                session.append_chunk(Bytes::from_static(b"\0")).await?;
                session.append_finish().await
            },
        );
        let unknown = Appended::Ok { uid: None, uid_validity: None };
        let odd = Appended::Ok { uid: None, uid_validity: Some(9) };
        assert_eq!(done, Ok(vec![unknown.clone(), unknown, ok(7), odd]));
    }

    #[test]
    fn a_refused_multiappend_refuses_all_its_messages() {
        let done = play(
            "LITERAL+ MULTIAPPEND",
            "C: A1 APPEND \"a\" () {1+}
             C: x () {1+}
             C: x
             S: A1 NO bare LF",
            async |session| {
                put(session, "a", 1, true).await?;
                put(session, "a", 1, true).await?;
                session.append_finish().await
            },
        );
        let refused = Appended::Refused(reply(crate::Status::No, "bare LF"));
        assert_eq!(done, Ok(vec![refused.clone(), refused]));
    }

    #[test]
    fn answers_may_be_taken_one_by_one() {
        let done = play(
            "LITERAL+ MULTIAPPEND",
            "C: A1 APPEND \"a\" () {1+}
             C: x () {1+}
             C: x
             C: A2 APPEND \"a\" () {1+}
             S: A1 OK [APPENDUID 9 1:2] done
             C: x
             S: A2 OK [APPENDUID 9 3] done",
            async |session| {
                put(session, "a", 1, true).await?;
                put(session, "a", 1, true).await?;
                session.append_end().await?;
                start(session, "a", 1, true).await?;
                session.flush().await?;
                let first = session.append_answer().await?;
                session.append_chunk(Bytes::from_static(b"x")).await?;
                session.append_end().await?;
                let second = session.append_answer().await?;
                Ok::<_, Error>((first, second, session.append_answer().await?))
            },
        );
        assert_eq!(done, Ok((vec![ok(1), ok(2)], vec![ok(3)], vec![])));
    }

    #[test]
    fn waits_where_the_server_must_agree() {
        let done = play(
            "MULTIAPPEND",
            "C: A1 APPEND \"a\" () {1}
             S: + go
             C: x () {2}
             S: * OK still here
             S: +
             C: xx
             S: A1 OK [APPENDUID 9 1:2] done
             C: A2 APPEND \"a\" () {3}
             S: A2 NO [TRYCREATE] none
             C: A3 APPEND \"a\" () {1}
             S: + go
             C: x
             S: A3 OK [APPENDUID 9 3] done",
            async |session| {
                put(session, "a", 1, true).await?;
                put(session, "a", 2, true).await?;
                let first = session.append_finish().await?;
                let refused = put(session, "a", 3, true).await?;
                put(session, "a", 1, true).await?;
                Ok::<_, Error>((first, refused, session.append_finish().await?))
            },
        );
        let none =
            Reply { status: crate::Status::No, code: Some(Code::TryCreate), text: "none".into() };
        assert_eq!(done, Ok((vec![ok(1), ok(2)], Started::Refused(none), vec![ok(3)])));
    }

    #[test]
    fn a_literal_refused_in_the_middle_ends_the_command() {
        let done = play(
            "MULTIAPPEND",
            "C: A1 APPEND \"a\" () {1}
             S: + go
             C: x () {900}
             S: A1 NO [TOOBIG] no
             C: A2 APPEND \"a\" () {2}
             S: + go
             C: xx
             S: A2 OK [APPENDUID 9 5] done",
            async |session| {
                put(session, "a", 1, true).await?;
                let refused = put(session, "a", 900, true).await?;
                put(session, "a", 2, true).await?;
                Ok::<_, Error>((refused, session.append_finish().await?))
            },
        );
        let no = Reply { status: crate::Status::No, code: Some(Code::TooBig), text: "no".into() };
        assert_eq!(done, Ok((Started::Refused(no.clone()), vec![Appended::Refused(no), ok(5)])));
    }

    #[test]
    fn literal_minus_waits_above_its_limit() {
        let done = play(
            "LITERAL-",
            "C: A1 APPEND \"a\" () {4096+}
             C~ 4096
             C:
             C: A2 APPEND \"a\" () {4097}
             S: A1 OK [APPENDUID 9 1] done
             S: + go
             C~ 4097
             C:
             S: A2 OK [APPENDUID 9 2] done",
            async |session| {
                put(session, "a", 4096, false).await?;
                put(session, "a", 4097, false).await?;
                session.append_finish().await
            },
        );
        assert_eq!(done, Ok(vec![ok(1), ok(2)]));
    }

    #[test]
    fn answers_are_read_before_there_are_too_many() {
        let sent = |from: u32, to: u32| -> String {
            (from..=to).map(|n| format!("C: A{n} APPEND \"a\" () {{1+}}\nC: x\n")).collect()
        };
        let said = |from: u32, to: u32| -> String {
            (from..=to).map(|n| format!("S: A{n} OK [APPENDUID 9 {n}] done\n")).collect()
        };
        let dialogue = [sent(1, 100), said(1, 50), sent(101, 120), said(51, 120)].concat();
        let done = play("LITERAL+", &dialogue, async |session| {
            for _ in 0..120 {
                put(session, "a", 1, false).await?;
            }
            session.append_finish().await
        });
        assert_eq!(done, Ok((1..=120).map(ok).collect()));
    }

    #[test]
    fn output_is_coalesced_but_large_chunks_pass() {
        // Written out as one turn: the script cannot see writes, the next assertions can.
        let done = play(
            "LITERAL+",
            "C: A1 APPEND \"a\" () {200100+}
             C~ 200100
             C:
             S: A1 OK done",
            async |session| {
                start(session, "a", 200_100, false).await?;
                session.append_chunk(vec![b'x'; 100].into()).await?;
                let held = session.output.len();
                session.append_chunk(vec![b'x'; DIRECT_AT].into()).await?;
                let passed = session.output.len();
                for _ in 0..16 {
                    let left = session.appending.open.as_ref().map_or(0, |open| open.owed);
                    session.append_chunk(vec![b'x'; left.min(20_000) as usize].into()).await?;
                    assert!(session.output.len() < WRITE_AT);
                }
                session.append_finish().await.map(|done| (held, passed, done.len()))
            },
        );
        assert_eq!(done, Ok((128, 0, 1)));
    }

    #[test]
    fn promises_are_kept() {
        let what = |error| match error {
            Error::OutOfTurn { what } => what,
            other => panic!("{other:?}"),
        };
        let owed = play_error("", async |session| {
            start(session, "a", 5, true).await?;
            session.append_chunk(Bytes::from_static(b"abcd")).await?;
            assert!(session.append_poisoned());
            session.append_finish().await
        });
        assert_eq!(what(owed), "octets of the last message are owed");
        let owed = play_error("", async |session| {
            start(session, "a", 5, true).await?;
            start(session, "a", 5, true).await
        });
        assert_eq!(what(owed), "octets of the last message are owed");
        let over = play_error("", async |session| {
            start(session, "a", 1, true).await?;
            session.append_chunk(Bytes::from_static(b"ab")).await
        });
        assert_eq!(what(over), "the message has more octets than promised");
        let busy = play_error("", async |session| {
            put(session, "a", 1, true).await?;
            session.noop().await
        });
        assert_eq!(what(busy), "an append is not finished");
    }

    #[test]
    fn last_words_outlive_a_broken_line() {
        // The server hangs up while we write: what it said is worth more than "broken pipe".
        let error = play_error(
            "C: A1 APPEND \"a\" () {9+}
             S: * BYE [OVERQUOTA] enough",
            async |session| {
                put(session, "a", 9, true).await?;
                session.append_finish().await
            },
        );
        assert!(matches!(error, Error::Bye(reply) if reply.text == "enough"), "BYE is told");
        let error =
            play_error("C: A1 APPEND \"a\" () {1+}\nC: x\nS: A7 OK done", async |session| {
                put(session, "a", 1, true).await?;
                session.append_finish().await
            });
        assert!(matches!(error, Error::Unreadable { .. }));
    }
}
