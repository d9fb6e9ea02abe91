//! One connection, from greeting to logout.

use wire::Stream;

use crate::capability::Capabilities;
use crate::error::Error;
use crate::mailbox_name::Spelling;
use crate::quirks::Quirks;

/// One connection to an IMAP server.
pub struct Session<S> {
    stream: S,
    state: State,
}

/// What outlives a change of stream (STARTTLS, COMPRESS).
#[derive(Debug)]
pub struct Resume {
    state: State,
}

#[derive(Debug, Default)]
struct State {
    greeting: String,
    server_id: Option<String>,
    capabilities: Capabilities,
    spelling: Spelling,
    preauth: bool,
}

impl<S: Stream> Session<S> {
    /// Reads the greeting.
    pub async fn greet(_stream: S) -> Result<Self, Error> {
        todo!()
    }

    /// Goes on over another stream, after TLS or compression was put around the first.
    pub fn resume(stream: S, resume: Resume) -> Self {
        Session { stream, state: resume.state }
    }

    /// Gives the stream back. Fails with [`Error::Unreadable`] where the server sent more than
    /// its answer: after STARTTLS that is what an attacker injects (RFC 9051 section 6.2.1).
    pub fn into_stream(self) -> Result<(S, Resume), Error> {
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
        Quirks::default()
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
    pub fn set_encrypted(&mut self) {}

    /// STARTTLS; the caller then takes the stream, wraps it and resumes. Capabilities are
    /// forgotten, because nobody vouches for them.
    pub async fn start_tls(&mut self) -> Result<(), Error> {
        todo!()
    }

    /// COMPRESS DEFLATE (RFC 4978); the caller then takes the stream, wraps it and resumes.
    pub async fn compress(&mut self) -> Result<(), Error> {
        todo!()
    }

    /// Asks for CAPABILITY where it is not known.
    pub async fn learn_capabilities(&mut self) -> Result<(), Error> {
        todo!()
    }

    /// Says who we are and asks who the server is (RFC 2971); nothing where not announced.
    pub async fn id(&mut self, _name: &str, _version: &str) -> Result<(), Error> {
        todo!()
    }

    /// ENABLE (RFC 5161), for those of `what` that are announced; gives those that were enabled.
    pub async fn enable(&mut self, _what: &[&str]) -> Result<Vec<String>, Error> {
        todo!()
    }

    /// NOOP.
    pub async fn noop(&mut self) -> Result<(), Error> {
        todo!()
    }

    /// Says goodbye; an error of the line is none, for the work is done.
    pub async fn logout(self) {
        todo!()
    }
}
