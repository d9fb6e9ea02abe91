//! How the servers of a bed behave, and what they have seen.

use wire::Bytes;

/// How the mail server behaves.
#[derive(Debug, Clone, Default)]
pub(super) struct Mood {
    /// What it answers to RCPT.
    pub(super) recipient: Option<&'static str>,
    /// What it answers to a message; empty: it takes the message and hangs up.
    pub(super) message: Option<&'static str>,
    /// It takes the message and says nothing more.
    pub(super) silent: bool,
}

/// What the world outside has seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) mails: Vec<String>,
    pub(super) calls: Vec<(http::HeaderMap, Bytes)>,
}
