//! What can go wrong in a dialogue, by who must act.

use wire::sample;

use crate::reply::Reply;

/// Why a command has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The server understood and said no, in its own words.
    #[error("the server refused: {0}")]
    Refused(Reply),
    /// The login name, password or token is wrong, or the account may not use POP3.
    #[error("the server refused the login: {0}")]
    AuthenticationFailed(Reply),
    /// The server broke the protocol; the connection is of no use any more.
    #[error("the server's answer cannot be read ({what}): {sample}")]
    Unreadable {
        /// What is wrong.
        what: &'static str,
        /// The start of it, escaped, at most 80 octets.
        sample: String,
    },
    /// Something else than a POP3 server answers at this address.
    #[error("this is no POP3 server, it says: {said}")]
    NotPop {
        /// Its first line, escaped, at most 80 octets.
        said: String,
    },
    /// There is more of something than this program carries.
    #[error("the server has more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are accepted.
        limit: usize,
    },
    /// The server does not name its messages, so nobody could tell which are new.
    #[error("the server does not tell its messages apart (UIDL): {0}; use IMAP with this account")]
    NoIdentifiers(String),
    /// The server offers no way to log in that these credentials and this line permit.
    #[error("no way to log in: the server offers {}", if .announced.is_empty() { "none".to_owned() }
        else { .announced.join(", ") })]
    NoMechanism {
        /// What was announced.
        announced: Vec<String>,
    },
    /// The server does not offer STLS.
    #[error("the server offers no encryption (STLS) on this port")]
    NoStartTls,
    /// The server's proof of the password is wrong (SCRAM, RFC 5802): somebody sits in between.
    #[error("the server did not prove that it knows the password")]
    ServerNotProven,
    /// A value of the caller's cannot be said in POP3.
    #[error("{what} cannot be sent over POP3")]
    Unsendable {
        /// Which value.
        what: &'static str,
    },
    /// The caller asked for something while something else is unfinished.
    #[error("out of turn: {what}")]
    OutOfTurn {
        /// What is unfinished.
        what: &'static str,
    },
    /// The line broke.
    #[error(transparent)]
    Wire(#[from] wire::Error),
}

pub(crate) fn unreadable(what: &'static str, bytes: &[u8]) -> Error {
    Error::Unreadable { what, sample: sample(bytes) }
}
