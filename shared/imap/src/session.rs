//! One connection, from greeting to logout.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use wire::Stream;

use crate::append::Appending;
use crate::capability::Capabilities;
use crate::command::{Command, Dialect};
use crate::error::{Error, sample};
use crate::fetching::Fetching;
use crate::input::{Bodies, Input, Response};
use crate::mailbox_name::{MailboxName, Spelling};
use crate::quirks::Quirks;
use crate::reply::{Code, Reply, Status};
use crate::response::{Cursor, Line, Malformed};

/// Most responses to one command that tell nothing it asked for: a server may report every
/// message of a large mailbox as expunged, but not go on for ever.
pub(crate) const UNASKED_MAX: usize = 5_000_000;

/// Most commands that are sent ahead of their answers. Small enough that neither side's socket
/// buffers fill while both write, large enough to hide any round trip.
pub(crate) const PIPELINE_MAX: usize = 100;

/// Longest greeting, in octets; Cyrus's, with all capabilities, has 1,500.
const GREETING_MAX: usize = 16 * 1024;

/// Most responses read after LOGOUT: a BYE is due at once, and nobody waits for more.
const FAREWELL_MAX: usize = 100;

/// One connection to an IMAP server.
///
/// A call must run to its end: dropping its future half-way leaves the connection unusable.
pub struct Session<S> {
    pub(crate) stream: S,
    pub(crate) input: Input,
    pub(crate) output: BytesMut,
    pub(crate) state: State,
    pub(crate) fetching: Fetching,
    pub(crate) appending: Appending,
    /// Replies that came before their turn.
    overtaken: Vec<(u32, Reply)>,
}

/// What outlives a change of stream (STARTTLS, COMPRESS).
#[derive(Debug)]
pub struct Resume {
    state: State,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) greeting: String,
    pub(crate) server_id: Option<String>,
    pub(crate) capabilities: Capabilities,
    pub(crate) spelling: Spelling,
    pub(crate) preauth: bool,
    pub(crate) encrypted: bool,
    pub(crate) selected: Option<MailboxName>,
    pub(crate) enabled: Vec<String>,
    pub(crate) quirks: Quirks,
    last_tag: u32,
}

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
    /// Reads the greeting. A peer that speaks something else is [`Error::NotImap`].
    pub async fn greet(mut stream: S) -> Result<Self, Error> {
        let mut input = Input::default();
        loop {
            let end = memchr::memchr(b'\n', input.buffered()).map(|end| end + 1);
            if end.is_some() || input.buffered().len() > GREETING_MAX {
                let end = end.unwrap_or(GREETING_MAX);
                let line = Bytes::copy_from_slice(input.buffered().get(..end).unwrap_or_default());
                input.drop_front(end);
                let state = State::greeted(&line)?;
                return Ok(Session::new(stream, input, state));
            }
            match input.more(&mut stream).await {
                Err(Error::Wire(wire::Error::Closed)) if !input.is_empty() => {
                    return Err(Error::NotImap { said: sample(input.buffered()) });
                }
                more => more?,
            }
        }
    }

    fn new(stream: S, input: Input, state: State) -> Self {
        Session {
            stream,
            input,
            state,
            output: BytesMut::new(),
            fetching: Fetching::default(),
            appending: Appending::default(),
            overtaken: Vec::new(),
        }
    }

    /// Goes on over another stream, after TLS or compression was put around the first.
    pub fn resume(stream: S, resume: Resume) -> Self {
        Session::new(stream, Input::default(), resume.state)
    }

    /// Gives the stream back. Fails with [`Error::Unreadable`] where the server sent more than
    /// its answer: after STARTTLS that is what an attacker injects (CVE-2011-0411).
    pub fn into_stream(self) -> Result<(S, Resume), Error> {
        if !self.input.is_empty() {
            let what = "octets between the answer and the change of stream";
            return Err(self.input.unreadable(what, self.input.buffered()));
        }
        Ok((self.stream, Resume { state: self.state }))
    }

    /// What the server announced last; empty right after STARTTLS.
    pub fn capabilities(&self) -> &Capabilities {
        &self.state.capabilities
    }

    /// The words of the greeting.
    pub fn greeting(&self) -> &str {
        &self.state.greeting
    }

    /// Name and version of the server, where [`Session::id`] was called and answered.
    pub fn server_id(&self) -> Option<&str> {
        self.state.server_id.as_deref()
    }

    /// What is different on this server.
    pub fn quirks(&self) -> Quirks {
        self.state.quirks
    }

    /// How names of mailboxes are spelled on this connection.
    pub fn spelling(&self) -> Spelling {
        self.state.spelling
    }

    /// Whether the server logged us in by itself.
    pub fn is_preauth(&self) -> bool {
        self.state.preauth
    }

    /// Says that the line is encrypted and the server's certificate was checked.
    pub fn set_encrypted(&mut self) {
        self.state.encrypted = true;
    }

    /// Asks for CAPABILITY where it is not known.
    pub async fn learn_capabilities(&mut self) -> Result<(), Error> {
        if self.state.capabilities.is_empty() {
            let command = self.command("CAPABILITY");
            self.run(command, |_| Ok(())).await?;
        }
        Ok(())
    }

    /// STARTTLS; the caller then takes the stream, wraps it and resumes. Capabilities are
    /// forgotten, because nobody vouches for them.
    ///
    /// A `PREAUTH` session cannot be encrypted any more: going on would let an attacker choose
    /// what we see (RFC 9051 section 11.1).
    pub async fn start_tls(&mut self) -> Result<(), Error> {
        if self.state.preauth {
            return Err(Error::NoStartTls);
        }
        self.learn_capabilities().await?;
        if !self.state.capabilities.start_tls() {
            return Err(Error::NoStartTls);
        }
        let command = self.command("STARTTLS");
        self.run(command, |_| Ok(())).await?;
        self.state.capabilities = Capabilities::default();
        self.state.server_id = None;
        Ok(())
    }

    /// COMPRESS DEFLATE (RFC 4978); the caller then takes the stream, wraps it and resumes.
    pub async fn compress(&mut self) -> Result<(), Error> {
        let command = self.command("COMPRESS DEFLATE");
        self.run(command, |_| Ok(())).await?;
        Ok(())
    }

    /// Says who we are and asks who the server is (RFC 2971); nothing where not announced.
    pub async fn id(&mut self, name: &str, version: &str) -> Result<(), Error> {
        if !self.state.capabilities.id() {
            return Ok(());
        }
        let what = "the name of this program";
        let command = self.command("ID (\"name\"").string(name.as_bytes(), what)?;
        let command = command.text(" \"version\"").string(version.as_bytes(), what)?.text(")");
        let mut found = None;
        let reply = self
            .answer(command, |line| {
                if let Line::Id(mut fields) = line {
                    found = Some(read_id(&mut fields)?);
                }
                Ok(())
            })
            .await?;
        // Servers that announce ID and then refuse it are no reason to stop.
        if reply.is_ok() {
            self.state.server_id = found.filter(|found| !found.is_empty());
            self.state.choose_quirks();
        }
        Ok(())
    }

    /// ENABLE (RFC 5161), for those of `what` that are announced; gives those that were enabled.
    /// UTF8=ACCEPT changes [`Session::spelling`]: names made before must be made anew.
    pub async fn enable(&mut self, what: &[&str]) -> Result<Vec<String>, Error> {
        let announced = |word: &&&str| {
            let capabilities = &self.state.capabilities;
            capabilities.has(word) || (**word == "CONDSTORE" && capabilities.condstore())
        };
        let words: Vec<&str> = what.iter().filter(announced).copied().collect();
        if words.is_empty() || !self.state.capabilities.enable() {
            return Ok(Vec::new());
        }
        let command = self.command("ENABLE").text(" ").text(&words.join(" "));
        let mut enabled: Vec<String> = Vec::new();
        self.run(command, |line| {
            if let Line::Enabled(text) = line {
                let words = String::from_utf8_lossy(text).to_ascii_uppercase();
                let asked = |word: &&str| what.iter().any(|own| own.eq_ignore_ascii_case(word));
                enabled = words.split_ascii_whitespace().filter(asked).map(str::to_owned).collect();
            }
            Ok(())
        })
        .await?;
        if enabled.iter().any(|word| word == "UTF8=ACCEPT" || word == "IMAP4REV2") {
            self.state.spelling = Spelling::Utf8;
        }
        self.state.enabled.extend(enabled.iter().cloned());
        Ok(enabled)
    }

    /// NOOP.
    pub async fn noop(&mut self) -> Result<(), Error> {
        let command = self.command("NOOP");
        self.run(command, |_| Ok(())).await?;
        Ok(())
    }

    /// Says goodbye; the work is done, so an error of the line is none.
    pub async fn logout(mut self) {
        self.say_goodbye().await;
    }

    async fn say_goodbye(&mut self) {
        let command = self.command("LOGOUT");
        if self.send(command).await.is_ok() && self.flush().await.is_ok() {
            for _ in 0..FAREWELL_MAX {
                let Ok(Heard::Data(_) | Heard::Status(_)) = self.hear(Bodies::Within).await else {
                    return;
                };
            }
        }
    }
}

impl State {
    fn greeted(line: &[u8]) -> Result<Self, Error> {
        let not_imap = || Error::NotImap { said: sample(line.trim_ascii_end()) };
        let text = line.trim_ascii_end().strip_prefix(b"* ").ok_or_else(not_imap)?;
        let (status, rest) = match memchr::memchr(b' ', text) {
            Some(at) => text.split_at(at),
            None => (text, &[][..]),
        };
        let status = read_status(status).ok_or_else(not_imap)?;
        let reply = Reply::read(status, rest);
        let mut state = State::default();
        match status {
            Status::Ok => {}
            Status::PreAuth => state.preauth = true,
            Status::Bye => return Err(Error::Bye(reply)),
            Status::No | Status::Bad => return Err(not_imap()),
        }
        state.learn(&reply);
        state.greeting = reply.text;
        state.choose_quirks();
        Ok(state)
    }

    fn learn(&mut self, reply: &Reply) {
        if let Some(Code::Capability(words)) = &reply.code {
            self.capabilities = Capabilities::parse(words);
        }
    }

    pub(crate) fn choose_quirks(&mut self) {
        let id = self.server_id.as_deref().unwrap_or_default();
        self.quirks = Quirks::of(&self.greeting, id, &self.capabilities);
    }
}

/// `id-params-list`: name, vendor and version are kept, in that order.
fn read_id(cursor: &mut Cursor<'_>) -> Result<String, Malformed> {
    let mut found = [const { String::new() }; 3];
    cursor.spaces();
    if !cursor.eat(b'(') {
        return Ok(String::new());
    }
    loop {
        cursor.spaces();
        if cursor.eat(b')') || cursor.at_end() {
            break;
        }
        let field = cursor.nstring()?.unwrap_or_default().to_ascii_lowercase();
        cursor.spaces();
        let value = cursor.nstring()?.unwrap_or_default();
        let slot = match &field[..] {
            b"name" => found.first_mut(),
            b"vendor" => found.get_mut(1),
            b"version" => found.get_mut(2),
            _ => None,
        };
        if let Some(slot) = slot {
            *slot = String::from_utf8_lossy(&value).into_owned();
        }
    }
    let said: Vec<&str> = found.iter().map(String::as_str).filter(|s| !s.is_empty()).collect();
    Ok(said.join(" "))
}

fn read_status(word: &[u8]) -> Option<Status> {
    let known: [(&[u8], Status); 5] = [
        (b"OK", Status::Ok),
        (b"NO", Status::No),
        (b"BAD", Status::Bad),
        (b"BYE", Status::Bye),
        (b"PREAUTH", Status::PreAuth),
    ];
    known.iter().find(|(own, _)| own.eq_ignore_ascii_case(word)).map(|(_, status)| *status)
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

    /// Writes; where the line is broken, what the server said last tells more than the system.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        const LAST_WORDS_MAX: usize = 100;
        let Err(broken) = self.stream.write(bytes).await else { return Ok(()) };
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
            let reply = Reply::read(status, cursor.rest());
            self.state.learn(&reply);
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
        let reply = Reply::read(status, cursor.rest());
        self.state.learn(&reply);
        Some(Heard::Tagged(tag, reply))
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
    use futures::executor::block_on;
    use wire::script::Script;

    use super::*;
    use crate::testing::{play, play_error};

    fn greet(transcript: &str) -> Result<(String, bool), Error> {
        block_on(async {
            let session = Session::greet(Script::new(transcript, 1)).await?;
            Ok((session.greeting().to_owned(), session.is_preauth()))
        })
    }

    #[test]
    fn greetings() {
        assert_eq!(greet("S: * OK Dovecot ready."), Ok(("Dovecot ready.".into(), false)));
        assert_eq!(greet("S: * PREAUTH [CAPABILITY IMAP4rev1] hi"), Ok(("hi".into(), true)));
        assert_eq!(greet("S: * OK"), Ok((String::new(), false)));
        let Err(Error::Bye(reply)) = greet("S: * BYE [UNAVAILABLE] Too many connections") else {
            panic!()
        };
        assert_eq!(
            (reply.code, reply.text.as_str()),
            (Some(Code::Unavailable), "Too many connections")
        );
        for other in [
            "+OK POP3 ready",
            "220 mail ESMTP",
            "HTTP/1.1 400 Bad Request",
            "* 220 x",
            "* NO x",
            "A1 OK",
        ] {
            assert_eq!(greet(&format!("S: {other}")), Err(Error::NotImap { said: other.into() }));
        }
        let Err(Error::NotImap { said }) = greet("S~ 20000") else { panic!() };
        assert_eq!(said.len(), 80);
        assert_eq!(greet(""), Err(wire::Error::Closed.into()));
    }

    #[test]
    fn start_tls_forgets_what_was_announced() {
        let upgraded = play(
            "STARTTLS LOGINDISABLED",
            "C: A1 STARTTLS
             S: A1 OK go ahead",
            async |session| {
                session.start_tls().await?;
                Ok::<_, Error>(session.capabilities().is_empty())
            },
        );
        assert_eq!(upgraded, Ok(true));
        assert_eq!(play("AUTH=PLAIN", "", async |s| s.start_tls().await), Err(Error::NoStartTls));
        let preauth = block_on(async {
            let stream = Script::new("S: * PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hi", 9);
            Session::greet(stream).await?.start_tls().await
        });
        assert_eq!(preauth, Err(Error::NoStartTls));
    }

    #[test]
    fn injected_answers_are_noticed() {
        let transcript = "S: * OK [CAPABILITY IMAP4rev1 STARTTLS] hi
             C: A1 STARTTLS
             S: A1 OK go ahead
             S: * CAPABILITY IMAP4rev1 AUTH=PLAIN";
        let injected = block_on(async {
            let mut session = Session::greet(Script::new(transcript, usize::MAX)).await?;
            session.start_tls().await?;
            session.into_stream().map(drop)
        });
        assert!(matches!(injected, Err(Error::Unreadable { .. })), "{injected:?}");
    }

    #[test]
    fn resumes_on_another_stream() {
        let transcript = "S: * OK [CAPABILITY IMAP4rev1 STARTTLS] Cyrus
             C: A1 STARTTLS
             S: A1 OK go ahead
             C: A2 CAPABILITY
             S: * CAPABILITY IMAP4rev1 ID
             S: A2 OK done";
        block_on(async {
            let mut session = Session::greet(Script::new(transcript, 5)).await.unwrap();
            session.start_tls().await.unwrap();
            let (stream, resume) = session.into_stream().unwrap();
            let mut session = Session::resume(stream, resume);
            session.learn_capabilities().await.unwrap();
            assert!(session.capabilities().id() && session.greeting() == "Cyrus");
            assert_eq!(session.stream.finish(), Ok(()));
        });
    }

    #[test]
    fn identifies() {
        let id = play(
            "ID",
            "C: A1 ID (\"name\" \"trasloco\" \"version\" \"1.0\")
             S: * ID (\"version\" \"3.8\" \"name\" {5}
             S: Cyrus \"os\" NIL)
             S: A1 OK done",
            async |session| {
                session.id("trasloco", "1.0").await?;
                Ok::<_, Error>(session.server_id().map(str::to_owned))
            },
        );
        assert_eq!(id, Ok(Some("Cyrus 3.8".into())));
        let refused = play(
            "ID",
            "C: A1 ID (\"name\" \"x\" \"version\" \"1\")
             S: A1 BAD what",
            async |session| session.id("x", "1").await,
        );
        assert_eq!(refused, Ok(()));
    }

    #[test]
    fn enables_what_is_announced() {
        let enabled = play(
            "ENABLE UTF8=ACCEPT CONDSTORE",
            "C: A1 ENABLE UTF8=ACCEPT CONDSTORE
             S: * ENABLED utf8=accept
             S: A1 OK done",
            async |session| {
                let enabled = session.enable(&["UTF8=ACCEPT", "CONDSTORE", "QRESYNC"]).await?;
                Ok::<_, Error>((enabled, session.spelling()))
            },
        );
        assert_eq!(enabled, Ok((vec!["UTF8=ACCEPT".into()], Spelling::Utf8)));
    }

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

    #[test]
    fn logout_is_polite_and_brief() {
        for answers in ["S: * BYE see you", "S: A1 OK done", "S: * 1 EXPUNGE\nS: A1 BAD no", ""] {
            let said = format!("C: A1 LOGOUT\n{answers}");
            play("", &said, async |session| session.say_goodbye().await);
        }
    }
}
