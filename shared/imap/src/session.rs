//! One connection, from greeting to logout.

use bytes::{Bytes, BytesMut};
use wire::Stream;
use wire::echo::Sent;

use crate::appending::Appending;
use crate::capability::Capabilities;
use crate::error::Error;
use crate::fetching::Fetching;
use crate::input::Input;
use crate::quirks::Quirks;
use crate::reply::{Code, Reply, Status};
use crate::response::read_status;
use mailbox::{MailboxName, Spelling};

/// Longest greeting, in octets; Cyrus's, with all capabilities, has 1,500.
const GREETING_MAX: usize = 16 * 1024;

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
    pub(crate) overtaken: Vec<(u32, Reply)>,
}

/// What outlives a change of stream (STARTTLS, COMPRESS).
#[derive(Debug)]
#[cfg_attr(test, derive(Default))]
pub struct Resume {
    state: State,
    sent: Sent,
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
    pub(crate) last_tag: u32,
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
                    return Err(Error::NotImap { said: wire::sample(input.buffered()) });
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
        let mut input = Input::default();
        input.sent = resume.sent;
        Session::new(stream, input, resume.state)
    }

    /// Gives the stream back. Fails with [`Error::Unreadable`] where the server sent more than
    /// its answer: after STARTTLS that is what an attacker injects (CVE-2011-0411).
    pub fn into_stream(self) -> Result<(S, Resume), Error> {
        if !self.input.is_empty() {
            let what = "octets between the answer and the change of stream";
            return Err(self.input.unreadable(what, self.input.buffered()));
        }
        Ok((self.stream, Resume { state: self.state, sent: self.input.sent }))
    }

    /// What the server announced last, word for word, for people.
    pub fn announced(&self) -> Vec<String> {
        let words = self.state.capabilities.words();
        words.map(|word| self.input.sent.cleaned(word)).collect()
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
}

impl State {
    fn greeted(line: &[u8]) -> Result<Self, Error> {
        let not_imap = || Error::NotImap { said: wire::sample(line.trim_ascii_end()) };
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

    pub(crate) fn learn(&mut self, reply: &Reply) {
        if let Some(Code::Capability(words)) = &reply.code {
            self.capabilities = Capabilities::parse(words);
        }
    }

    pub(crate) fn choose_quirks(&mut self) {
        let id = self.server_id.as_deref().unwrap_or_default();
        self.quirks = Quirks::of(&self.greeting, id, &self.capabilities);
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use wire::script::Script;

    use super::*;

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
}
