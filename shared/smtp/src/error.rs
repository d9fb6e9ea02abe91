//! What can go wrong in a dialogue, by who must act.

use crate::reply::Reply;

/// Why a mail was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The server understood and said no, in its own words; `Reply::is_permanent` tells whether it
    /// would say so again.
    #[error("the mail server refused: {0}")]
    Refused(Reply),
    /// The login or password of `smtp_url` is wrong.
    #[error("the mail server refused the login: {0}")]
    AuthenticationFailed(Reply),
    /// The server offers no way to log in that is known here.
    #[error("no way to log in to the mail server: it offers {}", if .announced.is_empty() { "none".to_owned() } else { .announced.join(", ") })]
    NoMechanism {
        /// SASL mechanisms that were announced.
        announced: Vec<String>,
    },
    /// The server offers no STARTTLS.
    #[error("the mail server offers no encryption (STARTTLS) on this port")]
    NoStartTls,
    /// The server broke the protocol; the connection is of no use any more.
    #[error("the mail server's answer cannot be read ({what}): {sample}")]
    Unreadable {
        /// What is wrong.
        what: &'static str,
        /// The start of it, escaped, at most 80 octets.
        sample: String,
    },
    /// The mail is larger than the server takes.
    #[error("the mail has {size} bytes, the mail server takes at most {limit}")]
    TooLarge {
        /// Of the mail, in bytes.
        size: usize,
        /// What the server announced, in bytes.
        limit: usize,
    },
    /// Something cannot be said to this server.
    #[error("{what} cannot be sent to this mail server")]
    Unsendable {
        /// What.
        what: &'static str,
    },
    /// The line broke.
    #[error(transparent)]
    Wire(#[from] wire::Error),
}

impl Error {
    /// Whether the same mail would be refused again. What the operator can set right (login,
    /// encryption, a server that is down) is not of that kind.
    pub fn is_permanent(&self) -> bool {
        match self {
            Error::Refused(reply) => reply.is_permanent(),
            Error::TooLarge { .. } | Error::Unsendable { .. } => true,
            Error::AuthenticationFailed(_)
            | Error::NoMechanism { .. }
            | Error::NoStartTls
            | Error::Unreadable { .. }
            | Error::Wire(_) => false,
        }
    }
}
