//! One connection, from greeting to farewell.

use bytes::{Bytes, BytesMut};
use wire::Stream;
use wire::echo::Sent;

use crate::capability::{Capabilities, LINES_MAX};
use crate::error::{Error, unreadable};
use crate::input::Input;
use crate::reply::{Code, Reply};

/// Longest command line that is sent: RFC 5034 section 4 leaves answers of AUTH to the
/// mechanism; access tokens have some thousand octets.
const COMMAND_MAX: usize = 32 << 10;

/// One connection to a POP3 server.
///
/// A call must run to its end: dropping its future half-way leaves the connection unusable.
pub struct Session<S> {
    pub(crate) stream: S,
    pub(crate) input: Input,
    pub(crate) output: BytesMut,
    pub(crate) state: State,
    /// Commands whose answers have not begun.
    pub(crate) outstanding: usize,
}

/// What outlives a change of stream (STLS).
#[derive(Debug)]
pub struct Resume {
    state: State,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) greeting: String,
    pub(crate) capabilities: Capabilities,
    pub(crate) encrypted: bool,
    pub(crate) clear_permitted: bool,
    /// What the server was told while it was logged in to; nothing of it is handed on.
    pub(crate) sent: Sent,
}

impl<S: Stream> Session<S> {
    /// Reads the greeting. A peer that speaks something else is [`Error::NotPop`].
    pub async fn greet(mut stream: S) -> Result<Self, Error> {
        let mut input = Input::default();
        let line = match input.line(&mut stream).await {
            Err(Error::Unreadable { sample, .. }) => return Err(Error::NotPop { said: sample }),
            line => line?,
        };
        let not_pop = || Error::NotPop { said: wire::sample(&line) };
        let reply = Reply::read(&line).ok_or_else(not_pop)?;
        if !reply.ok {
            return Err(Error::Refused(reply));
        }
        let state = State { greeting: reply.text, ..State::default() };
        Ok(Session::new(stream, input, state))
    }

    fn new(stream: S, input: Input, state: State) -> Self {
        Session { stream, input, state, output: BytesMut::new(), outstanding: 0 }
    }

    /// Goes on over another stream, after TLS was put around the first.
    pub fn resume(stream: S, resume: Resume) -> Self {
        Session::new(stream, Input::default(), resume.state)
    }

    /// Gives the stream back. Fails with [`Error::Unreadable`] where the server sent more than
    /// its answer: after STLS that is what an attacker injects (CVE-2011-0411).
    pub fn into_stream(self) -> Result<(S, Resume), Error> {
        if !self.input.is_empty() {
            return Err(unreadable("octets between the answer and the change of stream", b""));
        }
        Ok((self.stream, Resume { state: self.state }))
    }

    /// What the server announced last; empty right after STLS, and where it does not know CAPA.
    pub fn capabilities(&self) -> &Capabilities {
        &self.state.capabilities
    }

    /// What the server announced last, line for line, for people.
    pub fn announced(&self) -> Vec<String> {
        let lines = self.state.capabilities.lines();
        lines.map(|line| self.state.sent.cleaned(line)).collect()
    }

    /// The words of the greeting.
    pub fn greeting(&self) -> &str {
        &self.state.greeting
    }

    /// Says that the line is encrypted and the server's certificate was checked.
    pub fn set_encrypted(&mut self) {
        self.state.encrypted = true;
    }

    /// Permits a password in clear on a line that is not encrypted.
    pub fn permit_clear(&mut self) {
        self.state.clear_permitted = true;
    }

    /// Asks for CAPA (RFC 2449 section 5); a server that does not know it has none.
    pub async fn learn_capabilities(&mut self) -> Result<(), Error> {
        self.state.capabilities = Capabilities::default();
        if !self.command("CAPA").await?.ok {
            return Ok(());
        }
        for _ in 0..LINES_MAX {
            let line = self.input.line(&mut self.stream).await?;
            if &line[..] == b"." {
                return Ok(());
            }
            self.state.capabilities.add(&line);
        }
        Err(unreadable("an announcement without end", b""))
    }

    /// STLS (RFC 2595 section 4); the caller then takes the stream, wraps it and resumes. What
    /// was announced is forgotten, because nobody vouches for it.
    pub async fn start_tls(&mut self) -> Result<(), Error> {
        self.learn_capabilities().await?;
        if !self.state.capabilities.start_tls() {
            return Err(Error::NoStartTls);
        }
        let reply = self.command("STLS").await?;
        if !reply.ok {
            return Err(Error::Refused(reply));
        }
        self.state.capabilities = Capabilities::default();
        Ok(())
    }

    /// NOOP.
    pub async fn noop(&mut self) -> Result<(), Error> {
        let reply = self.command("NOOP").await?;
        if reply.ok { Ok(()) } else { Err(Error::Refused(reply)) }
    }

    /// Says goodbye and waits for the answer, so that the server has let go of the maildrop; the
    /// work is done, so an error of the line is none. Where something is under way the line is
    /// given up without a word.
    pub async fn quit(mut self) {
        if self.outstanding == 0 && !self.input.in_content() {
            // Nothing is marked as deleted, so there is nothing that it could refuse.
            let _ = self.command("QUIT").await;
        }
    }

    /// Sends a command and reads the status line of its answer.
    pub(crate) async fn command(&mut self, command: &str) -> Result<Reply, Error> {
        if self.outstanding > 0 || self.input.in_content() {
            return Err(Error::OutOfTurn { what: "an answer has not been read to its end" });
        }
        self.put(command)?;
        self.flush().await?;
        self.reply().await
    }

    /// Adds a line to what is sent with the next [`Session::flush`].
    pub(crate) fn put(&mut self, line: &str) -> Result<(), Error> {
        let plain = line.bytes().all(|byte| byte >= b' ' && byte != 0x7f);
        if line.len() > COMMAND_MAX || !plain {
            return Err(Error::Unsendable { what: "a login or password of this form" });
        }
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
        Ok(())
    }

    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        let bytes: Bytes = self.output.split().freeze();
        Ok(self.stream.write(bytes).await?)
    }

    /// The next status line.
    pub(crate) async fn reply(&mut self) -> Result<Reply, Error> {
        let line = self.input.line(&mut self.stream).await.map_err(|error| self.discreet(error))?;
        match Reply::read(&line) {
            Some(reply) => Ok(self.discreet_reply(reply)),
            None => Err(self.unreadable("this is no status", &line)),
        }
    }

    /// What cannot be read, without what the server was told while it was logged in to.
    pub(crate) fn unreadable(&self, what: &'static str, line: &[u8]) -> Error {
        Error::Unreadable { what, sample: self.state.sent.sample(line) }
    }

    /// An error without it.
    pub(crate) fn discreet(&self, error: Error) -> Error {
        match error {
            Error::Unreadable { what, sample } => {
                Error::Unreadable { what, sample: self.state.sent.cleaned(&sample) }
            }
            other => other,
        }
    }

    /// A reply without it. Words of a success are handed on to nobody, and read on.
    pub(crate) fn discreet_reply(&self, mut reply: Reply) -> Reply {
        let sent = &self.state.sent;
        if !reply.ok && !sent.is_empty() {
            reply.text = sent.cleaned(&reply.text);
            if let Some(Code::Other(words)) = &mut reply.code {
                *words = sent.cleaned(words);
            }
        }
        reply
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use wire::script::Script;

    use super::*;
    use crate::reply::Code;
    use crate::testing::play;

    fn greet(transcript: &str) -> Result<String, Error> {
        let results = [usize::MAX, 1].map(|bite| {
            block_on(async {
                let session = Session::greet(Script::new(transcript, bite)).await?;
                Ok(session.greeting().to_owned())
            })
        });
        let [whole, single] = results;
        assert_eq!(whole, single);
        whole
    }

    #[test]
    fn greetings() {
        assert_eq!(greet("S: +OK POP3 server ready"), Ok("POP3 server ready".into()));
        assert_eq!(greet("S: +OK"), Ok(String::new()));
        let Err(Error::Refused(reply)) = greet("S: -ERR [SYS/TEMP] too many") else { panic!() };
        assert_eq!(reply.code, Some(Code::SysTemp));
        let said = |said: &str| Err(Error::NotPop { said: said.into() });
        assert_eq!(greet("S: * OK IMAP4rev1"), said("* OK IMAP4rev1"));
        assert_eq!(greet("S: HTTP/1.1 400 Bad"), said("HTTP/1.1 400 Bad"));
        assert!(matches!(greet("S~ 5000"), Err(Error::NotPop { .. })));
        assert_eq!(greet(""), Err(wire::Error::Closed.into()));
    }

    #[test]
    fn capabilities_and_encryption() {
        let dialogue = "C: CAPA
            S: +OK Capability list follows
            S: USER
            S: STLS
            S: .
            C: STLS
            S: +OK Begin TLS negotiation";
        play(dialogue, async |session| {
            session.start_tls().await.unwrap();
            assert!(session.capabilities().is_empty());
        });
        let without = "C: CAPA
            S: -ERR unknown command";
        assert_eq!(play(without, async |s| s.start_tls().await), Err(Error::NoStartTls));
    }

    #[test]
    fn what_is_injected_before_encryption_is_refused() {
        let dialogue = "S: +OK hi
            C: CAPA
            S: +OK
            S: STLS
            S: .
            C: STLS
            S: +OK go on
            S: +OK injected";
        let error = block_on(async {
            let mut session = Session::greet(Script::new(dialogue, usize::MAX)).await.unwrap();
            session.start_tls().await.unwrap();
            session.into_stream().err()
        });
        assert!(matches!(error, Some(Error::Unreadable { .. })), "{error:?}");
    }

    #[test]
    fn announcements_without_end_end() {
        let dialogue = format!("C: CAPA\nS: +OK\n{}", "S: X\n".repeat(LINES_MAX));
        let error = play(&dialogue, async |session| session.learn_capabilities().await);
        assert!(matches!(error, Err(Error::Unreadable { .. })), "{error:?}");
    }
}
