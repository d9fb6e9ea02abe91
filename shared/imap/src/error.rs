//! What can go wrong in a dialogue, by who must act.

use crate::reply::Reply;

/// Why a command has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The server understood and said no, in its own words.
    #[error("the server refused: {0}")]
    Refused(Reply),
    /// The server broke the protocol; the connection is of no use any more.
    #[error("the server's answer cannot be read at octet {offset} ({what}): {sample}")]
    Unreadable {
        /// Octets read on this connection before the trouble.
        offset: u64,
        /// What is wrong.
        what: &'static str,
        /// The start of it, escaped, at most 80 octets.
        sample: String,
    },
    /// Something else than an IMAP server answers at this address.
    #[error("this is no IMAP server, it says: {said}")]
    NotImap {
        /// Its first line, escaped, at most 80 octets.
        said: String,
    },
    /// The server hung up and said why.
    #[error("the server ended the connection: {0}")]
    Bye(Reply),
    /// There is more of something than this program carries.
    #[error("the server has more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are accepted.
        limit: usize,
    },
    /// The login name, password or token is wrong, or the account is locked.
    #[error("the server refused the login: {0}")]
    AuthenticationFailed(Reply),
    /// The server offers no way to log in that these credentials fit.
    #[error("no way to log in: the server offers {}{}", .announced.join(", "),
        if *.login_disabled { " and forbids LOGIN on this line" } else { "" })]
    NoMechanism {
        /// SASL mechanisms that were announced.
        announced: Vec<String>,
        /// Whether `LOGINDISABLED` was announced.
        login_disabled: bool,
    },
    /// The server does not offer STARTTLS, or has logged in by itself before it could be asked.
    #[error("the server offers no encryption (STARTTLS) on this port")]
    NoStartTls,
    /// The server's proof of the password is wrong (SCRAM, RFC 5802): somebody sits in between.
    #[error("the server did not prove that it knows the password")]
    ServerNotProven,
    /// A value of the caller's cannot be said in IMAP.
    #[error("{what} cannot be sent over IMAP")]
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

impl Error {
    /// The server's reply, where the error carries one.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Error::Refused(reply) | Error::Bye(reply) | Error::AuthenticationFailed(reply) => {
                Some(reply)
            }
            Error::Unreadable { .. }
            | Error::NotImap { .. }
            | Error::TooMany { .. }
            | Error::NoMechanism { .. }
            | Error::NoStartTls
            | Error::ServerNotProven
            | Error::Unsendable { .. }
            | Error::OutOfTurn { .. }
            | Error::Wire(_) => None,
        }
    }
}
