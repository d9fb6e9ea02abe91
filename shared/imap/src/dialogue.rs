//! Sending commands, hearing answers, and telling which belongs to which.

use std::collections::VecDeque;

use bytes::Bytes;
use wire::Stream;

use crate::capability::Capabilities;
use crate::command::{Command, Dialect};
use crate::cursor::{Cursor, Malformed};
use crate::error::Error;
use crate::input::{Bodies, Response};
use crate::reply::{Code, Reply, Status};
use crate::response::{Line, read_status};
use crate::session::Session;

/// Most responses to one command that tell nothing it asked for: a server may report every
/// message of a large mailbox as expunged, but not go on for ever.
pub(crate) const UNASKED_MAX: usize = 5_000_000;

/// Most commands that are sent ahead of their answers. Small enough that neither side's socket
/// buffers fill while both write, large enough to hide any round trip.
pub(crate) const PIPELINE_MAX: usize = 100;

/// What a server said, sorted by who it is for.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The answer to a command.
    Tagged(u32, Reply),
    /// `+`: go on, with the words or base64 after it.
    Continue(Bytes),
    /// An untagged status.
    Status(Reply),
    /// Untagged data, without `* `; octets of a body may follow.
    Data(Response),
}

impl<S: Stream> Session<S> {
    pub(crate) fn dialect(&self) -> Dialect {
        Dialect::new(&self.state.capabilities, self.state.spelling)
    }

    /// A command with the next tag.
    pub(crate) fn command(&mut self, name: &str) -> Command {
        self.command_in(self.dialect(), name)
    }

    pub(crate) fn command_in(&mut self, dialect: Dialect, name: &str) -> Command {
        self.state.last_tag = self.state.last_tag.wrapping_add(1);
        Command::new(self.state.last_tag, dialect, name)
    }

    /// Puts a command into the output; waits only where the server must agree to a literal.
    /// Gives the reply of a server that refused the literal.
    pub(crate) async fn send(&mut self, command: Command) -> Result<Option<Reply>, Error> {
        let refused = self.send_open(&command).await?;
        if refused.is_none() {
            self.output.extend_from_slice(b"\r\n");
        }
        Ok(refused)
    }

    /// As [`Session::send`], without the line end: an APPEND goes on.
    pub(crate) async fn send_open(&mut self, command: &Command) -> Result<Option<Reply>, Error> {
        let mut start = 0;
        for wait in &command.waits {
            self.output.extend_from_slice(command.bytes.get(start..*wait).unwrap_or_default());
            start = *wait;
            self.flush().await?;
            if let Some(reply) = self.go_ahead(command.tag).await? {
                return Ok(Some(reply));
            }
        }
        self.output.extend_from_slice(command.bytes.get(start..).unwrap_or_default());
        Ok(None)
    }

    /// Waits for `+`; a reply to the command instead of it is given back. Replies to appends
    /// that were sent before are settled on the way.
    async fn go_ahead(&mut self, tag: u32) -> Result<Option<Reply>, Error> {
        for _ in 0..UNASKED_MAX {
            match self.hear(Bodies::Within).await? {
                Heard::Continue(_) => return Ok(None),
                Heard::Tagged(own, reply) if own == tag => return Ok(Some(reply)),
                Heard::Tagged(own, reply) => {
                    if !self.appending.settle(own, &reply) {
                        return Err(self.stranger());
                    }
                }
                Heard::Status(_) | Heard::Data(_) => {}
            }
        }
        Err(self.endless())
    }

    /// Sends what is in the output.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        if self.output.is_empty() {
            return Ok(());
        }
        let bytes = self.output.split().freeze();
        self.write(bytes).await
    }

    /// Sends what was asked and is held back, although no answer is waited for yet: the server begins
    /// meanwhile.
    pub async fn push(&mut self) -> Result<(), Error> {
        self.flush().await?;
        self.write(Bytes::new()).await
    }

    /// Writes; where the line is broken, what the server said last tells more than the system.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        const LAST_WORDS_MAX: usize = 100;
        let Err(broken) = self.stream.write(bytes).await else { return Ok(()) };
        if broken != wire::Error::Closed {
            return Err(broken.into());
        }
        for _ in 0..LAST_WORDS_MAX {
            match self.hear(Bodies::Within).await {
                Err(Error::Bye(reply)) => return Err(Error::Bye(reply)),
                Err(_) => break,
                Ok(_) => {}
            }
        }
        Err(broken.into())
    }

    /// The next thing the server says. CAPABILITY is remembered; BYE is an error.
    pub(crate) async fn hear(&mut self, bodies: Bodies) -> Result<Heard, Error> {
        let response = self.input.response(&mut self.stream, bodies).await?;
        let bytes = &response.bytes;
        if let Some(data) = bytes.strip_prefix(b"* ") {
            return self.untagged(data.len(), response);
        }
        if let Some(text) = bytes.strip_prefix(b"+") {
            return Ok(Heard::Continue(bytes.slice_ref(text.trim_ascii())));
        }
        self.tagged(bytes).ok_or_else(|| self.input.unreadable("no response of IMAP", bytes))
    }

    fn untagged(&mut self, length: usize, mut response: Response) -> Result<Heard, Error> {
        let start = response.bytes.len() - length;
        response.bytes = response.bytes.slice(start..);
        // Data that begins with a number is by far the most frequent.
        if response.bytes.first().is_some_and(u8::is_ascii_digit) {
            return Ok(Heard::Data(response));
        }
        let mut cursor = Cursor::new(&response.bytes);
        let word = cursor.atom();
        if let Some(status) = read_status(word) {
            let reply = self.read_reply(status, cursor.rest());
            return match status {
                Status::Bye => Err(Error::Bye(reply)),
                Status::Ok | Status::No | Status::Bad | Status::PreAuth => Ok(Heard::Status(reply)),
            };
        }
        if word.eq_ignore_ascii_case(b"CAPABILITY") {
            let words = String::from_utf8_lossy(cursor.rest());
            self.state.capabilities = Capabilities::parse(&words);
        }
        Ok(Heard::Data(response))
    }

    fn tagged(&mut self, line: &[u8]) -> Option<Heard> {
        let mut cursor = Cursor::new(line.strip_prefix(b"A")?);
        let tag = cursor.number32().ok()?;
        cursor.spaces();
        let status = read_status(cursor.atom())?;
        Some(Heard::Tagged(tag, self.read_reply(status, cursor.rest())))
    }

    fn read_reply(&mut self, status: Status, text: &[u8]) -> Reply {
        let reply = Reply::read(status, text);
        self.state.learn(&reply);
        self.discreet(reply)
    }

    /// The reply without what the server was told while it was logged in to. Words of an OK are
    /// handed on to nobody.
    fn discreet(&self, mut reply: Reply) -> Reply {
        let sent = &self.input.sent;
        if !reply.is_ok() && !sent.is_empty() {
            reply.text = sent.cleaned(&reply.text);
            if let Some(Code::Other(words) | Code::WebAlert(words)) = &mut reply.code {
                *words = sent.cleaned(words);
            }
        }
        reply
    }

    /// Reads up to the reply to `tag`; `each` sees what comes before it.
    pub(crate) async fn finish(
        &mut self,
        tag: u32,
        mut each: impl FnMut(Line<'_>) -> Result<(), Malformed>,
    ) -> Result<Reply, Error> {
        if let Some(at) = self.overtaken.iter().position(|own| own.0 == tag) {
            return Ok(self.overtaken.swap_remove(at).1);
        }
        for _ in 0..UNASKED_MAX {
            match self.hear(Bodies::Within).await? {
                Heard::Tagged(own, reply) if own == tag => return Ok(reply),
                Heard::Tagged(own, reply) => {
                    if !self.overtakes(tag, own, &reply) && !self.fetching.settle(own, reply) {
                        return Err(self.stranger());
                    }
                }
                Heard::Continue(text) => {
                    let what = "a request for more that nothing called for";
                    return Err(self.input.unreadable(what, &text));
                }
                Heard::Status(reply) => {
                    each(Line::Status(&reply)).map_err(|m| self.malformed(m, b"*"))?;
                }
                Heard::Data(response) => {
                    let line = Line::read(&response.bytes);
                    line.and_then(&mut each).map_err(|m| self.malformed(m, &response.bytes))?;
                }
            }
        }
        Err(self.endless())
    }

    /// Keeps the reply to a command that was sent after `tag`, for commands that do not depend on
    /// each other may be answered in any order (RFC 9051 section 5.5).
    fn overtakes(&mut self, tag: u32, own: u32, reply: &Reply) -> bool {
        let later = own > tag && own <= self.state.last_tag;
        let room = self.overtaken.len() < PIPELINE_MAX;
        if later && room && !self.fetching.awaits(own) {
            self.overtaken.push((own, reply.clone()));
            return true;
        }
        false
    }

    pub(crate) fn malformed(&self, malformed: Malformed, bytes: &[u8]) -> Error {
        self.input.unreadable(malformed.0, bytes)
    }

    pub(crate) fn stranger(&self) -> Error {
        self.input.unreadable("an answer to a command that was not sent", b"")
    }

    pub(crate) fn endless(&self) -> Error {
        self.input.unreadable("answers without end", b"")
    }

    /// Sends a command and reads up to its reply, whatever that is.
    pub(crate) async fn answer(
        &mut self,
        command: Command,
        each: impl FnMut(Line<'_>) -> Result<(), Malformed>,
    ) -> Result<Reply, Error> {
        self.idle()?;
        let tag = command.tag;
        if let Some(reply) = self.send(command).await? {
            return Ok(reply);
        }
        self.flush().await?;
        self.finish(tag, each).await
    }

    /// Sends a command, reads up to its reply, and makes an error of a refusal.
    pub(crate) async fn run(
        &mut self,
        command: Command,
        each: impl FnMut(Line<'_>) -> Result<(), Malformed>,
    ) -> Result<Reply, Error> {
        let reply = self.answer(command, each).await?;
        if reply.is_ok() { Ok(reply) } else { Err(Error::Refused(reply)) }
    }

    /// Sends commands ahead of their answers and gives the replies in order; `each` sees the
    /// position of the command that is being answered.
    pub(crate) async fn run_all(
        &mut self,
        commands: Vec<Command>,
        mut each: impl FnMut(usize, Line<'_>) -> Result<(), Malformed>,
    ) -> Result<Vec<Reply>, Error> {
        self.idle()?;
        let mut replies = Vec::with_capacity(commands.len());
        let mut waiting = VecDeque::new();
        let mut commands = commands.into_iter().peekable();
        while commands.peek().is_some() || !waiting.is_empty() {
            // Refilled when half is answered, so that a flush carries many commands.
            while waiting.len() < PIPELINE_MAX {
                let plain = |next: &Command| next.waits.is_empty() || waiting.is_empty();
                let Some(command) = commands.next_if(plain) else { break };
                let tag = command.tag;
                match self.send(command).await? {
                    Some(refused) => replies.push(refused),
                    None => waiting.push_back(tag),
                }
            }
            self.flush().await?;
            let floor = if commands.peek().is_some_and(|next| next.waits.is_empty()) {
                PIPELINE_MAX / 2
            } else {
                0
            };
            while waiting.len() > floor {
                let Some(tag) = waiting.pop_front() else { break };
                let position = replies.len();
                replies.push(self.finish(tag, |line| each(position, line)).await?);
            }
        }
        Ok(replies)
    }

    /// Nothing may be outstanding when a command is sent whose answer is waited for.
    pub(crate) fn idle(&self) -> Result<(), Error> {
        if !self.fetching.is_idle() {
            return Err(Error::OutOfTurn { what: "answers to a fetch or select are outstanding" });
        }
        if !self.appending.is_idle() {
            return Err(Error::OutOfTurn { what: "an append is not finished" });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Code;
    use crate::testing::{play, play_error};

    #[test]
    fn unasked_responses_are_skipped() {
        let done = play(
            "",
            "C: A1 NOOP
             S: * 5 EXISTS
             S: * 2 EXPUNGE
             S: * 1 FETCH (FLAGS (\\Seen))
             S: * OK [ALERT] maintenance {3}
             S: * X-UNKNOWN (a {2}
             S: )) \"b)\"
             S: *  STATUS x ()
             S: * CAPABILITY IMAP4rev1 MOVE
             S: * NO slow disk
             S: * LSUB garbage
             S: A1 OK done",
            async |session| (session.noop().await, session.capabilities().move_()),
        );
        assert_eq!(done, (Ok(()), true));
    }

    #[test]
    fn refusals_keep_the_words() {
        let refused = play("", "C: A1 NOOP\nS: A1 NO [SERVERBUG] oh", async |s| s.noop().await);
        let reply = Reply { status: Status::No, code: Some(Code::ServerBug), text: "oh".into() };
        assert_eq!(refused, Err(Error::Refused(reply)));
    }

    #[test]
    fn the_end_may_come_at_any_moment() {
        let error =
            |said: &str| play_error(&format!("C: A1 NOOP\n{said}"), async |s| s.noop().await);
        assert!(
            matches!(error("S: * BYE going down"), Error::Bye(reply) if reply.text == "going down")
        );
        assert_eq!(error(""), wire::Error::Closed.into());
        assert_eq!(error("S: * OK half"), wire::Error::Closed.into());
        for garbage in ["A2 OK", "+ what", "hello", "A1", "A1 MAYBE", "", "*", "A99999999999 OK"] {
            let error = error(&format!("S: {garbage}\nS: x"));
            assert!(matches!(error, Error::Unreadable { .. }), "{garbage}: {error:?}");
        }
    }

    #[test]
    fn replies_may_overtake_each_other() {
        let replies = play(
            "",
            "C: A1 X
             C: A2 X
             C: A3 X
             S: A3 OK three
             S: A1 NO one
             S: A2 OK two",
            async |session| {
                let commands = (0..3).map(|_| session.command("X")).collect();
                let replies = session.run_all(commands, |_, _| Ok(())).await?;
                Ok::<_, Error>(replies.into_iter().map(|reply| reply.text).collect::<Vec<_>>())
            },
        );
        assert_eq!(replies, Ok(vec!["one".into(), "two".into(), "three".into()]));
    }

    #[test]
    fn many_commands_share_round_trips() {
        let said = |from: u32, to: u32, side: &str, text: &str| -> String {
            (from..=to).map(|n| format!("{side} A{n} {text}\n")).collect()
        };
        // 100 go out at once, then 50 whenever 50 are answered.
        let dialogue = [
            said(1, 100, "C:", "X"),
            said(1, 50, "S:", "OK"),
            said(101, 150, "C:", "X"),
            said(51, 100, "S:", "OK"),
            said(151, 160, "C:", "X"),
            said(101, 160, "S:", "OK"),
        ];
        let count = play("", &dialogue.concat(), async |session| {
            let commands = (0..160).map(|_| session.command("X")).collect();
            session.run_all(commands, |_, _| Ok(())).await.map(|replies| replies.len())
        });
        assert_eq!(count, Ok(160));
    }

    /// Says what comes to its mind, in small bites, and hangs up after a while. Lines begin as
    /// they should, or the first would end it all.
    struct Babbler {
        seed: u64,
        begins: bool,
        left: u32,
    }

    impl Babbler {
        fn next(&mut self) -> u64 {
            self.seed ^= self.seed << 13;
            self.seed ^= self.seed >> 7;
            self.seed ^= self.seed << 17;
            self.seed
        }
    }

    impl Stream for Babbler {
        async fn read(&mut self) -> Result<Bytes, wire::Error> {
            const WORDS: [&[u8]; 40] = [
                b"* ",
                b"A1 ",
                b"A2 ",
                b"A3 ",
                b"OK ",
                b"NO ",
                b"[",
                b"]",
                b"+ \r\n",
                b"\r\n",
                b"\r\n",
                b"\r\n",
                b"1 ",
                b"2 FETCH (",
                b"UID ",
                b"1",
                b"FLAGS (",
                b"\\Seen",
                b")",
                b")",
                b"(",
                b"\"",
                b"{3}\r\n",
                b"{70000}\r\n",
                b"BODY[] ",
                b"BODY[",
                b"LIST ",
                b"STATUS ",
                b"SEARCH ",
                b"ESEARCH ",
                b"ALL ",
                b"QUOTA ",
                b"NAMESPACE ",
                b"EXISTS",
                b"APPENDUID 1 ",
                b"1:9",
                b"NIL",
                b"VANISHED ",
                b"\xff",
                b" ",
            ];
            if self.left == 0 {
                return Ok(Bytes::new());
            }
            self.left -= 1;
            let choice = if self.begins { 4 } else { WORDS.len() };
            let word = WORDS[self.next() as usize % choice];
            self.begins = word == b"\r\n";
            Ok(Bytes::from_static(word))
        }

        async fn write(&mut self, _bytes: Bytes) -> Result<(), wire::Error> {
            Ok(())
        }
    }

    #[test]
    fn any_answers_end_without_panic() {
        use crate::testing::name;
        let inbox = name("INBOX");
        let all = crate::Sequence::Numbers { first: 1, last: None };
        let items = crate::FetchItems { flags: true, body: true, ..Default::default() };
        let flags = mailbox::Flags::new();
        let head = crate::AppendHead { flags: &flags, internal_date: None, size: 1, binary: false };
        for seed in 1..3_000u64 {
            futures::executor::block_on(async {
                let seed_word = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                let babbler = Babbler { seed: seed_word, begins: true, left: 80 };
                let mut session = Session::resume(babbler, crate::session::Resume::default());
                match seed % 6 {
                    0 => drop(session.list(true).await),
                    1 => drop(session.select(&inbox, crate::Mode::ReadWrite).await),
                    2 => drop(session.search(&crate::Criteria::default()).await),
                    3 => drop(session.quota(&inbox).await),
                    4 => {
                        if session.append_message(&inbox, &head, true).await.is_ok() {
                            let _ = session.append_chunk(Bytes::from_static(b"x")).await;
                            let _ = session.append_finish().await;
                        }
                    }
                    _ => {
                        let _ = session.start_fetch(&all, items).await;
                        while session
                            .next()
                            .await
                            .is_ok_and(|event| event != crate::FetchEvent::Done)
                        {
                        }
                    }
                }
            });
        }
    }
}
