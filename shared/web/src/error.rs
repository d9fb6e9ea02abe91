//! What can go wrong in an exchange, by what is known of the request.

/// An exchange failed. The variants tell what a caller has to know before trying again: whether
/// the server may have got the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request cannot be sent as it is; nothing was sent. Whoever made it must act.
    #[error("the request cannot be sent: {0}")]
    Request(String),
    /// There was no line to the server: nothing of the request was sent.
    #[error(transparent)]
    Unsent(wire::Error),
    /// The line broke after something was sent and before the server answered.
    #[error("{0} before the server answered; it is not known whether the request arrived")]
    Unanswered(wire::Error),
    /// The server answered, and the answer broke off before its end.
    #[error("the answer broke off: {0}")]
    Cut(wire::Error),
    /// The answer says no length, and nobody said that it was over: it may have been cut.
    #[error("the answer may have been cut off: it says no length, and the line just ended")]
    NoEnd,
    /// What came is no lawful answer of HTTP/1.
    #[error("{0}")]
    Unreadable(String),
    /// More came than this exchange allows.
    #[error("{what} is longer than {max_bytes} bytes")]
    TooLong {
        /// What of the answer.
        what: &'static str,
        /// The limit.
        max_bytes: usize,
    },
    /// The server leads to where the caller does not follow.
    #[error("the server leads to another address, which is not followed: {0}")]
    Redirected(String),
    /// Reading the request's own body failed; the server did not get it whole.
    #[error("the body of the request could not be read: {0}")]
    Source(wire::Error),
}

impl From<Error> for wire::Error {
    /// For callers that only tell broken lines from broken answers.
    fn from(error: Error) -> wire::Error {
        match error {
            Error::Unsent(line) | Error::Unanswered(line) | Error::Cut(line) => line,
            Error::Source(line) => line,
            other @ (Error::Request(_)
            | Error::NoEnd
            | Error::Unreadable(_)
            | Error::TooLong { .. }
            | Error::Redirected(_)) => wire::Error::Http(other.to_string()),
        }
    }
}
