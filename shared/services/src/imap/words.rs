//! What an IMAP server says, in the terms of the engine.

use imap::{Code, Error, Reply};

use crate::trouble::{FULL_WAIT_S, Lack, Reason, Rejection, THROTTLED_WAIT_S, Trouble};

/// A part of the server is down, or something else holds the mailbox: seconds that are waited.
const UNAVAILABLE_WAIT_S: u64 = 5;

impl From<&Reply> for Rejection {
    /// The reason comes from the response code alone (RFC 9051 section 7.1, RFC 5530).
    fn from(reply: &Reply) -> Self {
        let reason = match &reply.code {
            Some(Code::TooBig) => Reason::TooLarge,
            Some(Code::OverQuota) => Reason::Full,
            Some(Code::Limit) => Reason::Limit,
            Some(Code::Throttled) => Reason::Throttled,
            Some(Code::Unavailable | Code::InUse) => Reason::Unavailable,
            Some(Code::TryCreate | Code::NonExistent) => Reason::NoFolder,
            Some(Code::AlreadyExists) => Reason::Exists,
            Some(Code::Permission | Code::Cannot | Code::ClientBug) => Reason::Forbidden,
            Some(_) | None => Reason::Other,
        };
        Rejection { reason, wait_s: asks_to_wait(reply), words: reply.to_string() }
    }
}

impl From<Reply> for Rejection {
    fn from(reply: Reply) -> Self {
        Rejection::from(&reply)
    }
}

/// Whether a reply asks to come back later, and when.
pub fn asks_to_wait(reply: &Reply) -> Option<u64> {
    match &reply.code {
        Some(Code::OverQuota) => Some(FULL_WAIT_S),
        Some(Code::Limit | Code::Throttled) => Some(THROTTLED_WAIT_S),
        Some(Code::Unavailable | Code::InUse) => Some(UNAVAILABLE_WAIT_S),
        _ => None,
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let words = error.to_string();
        match error {
            Error::AuthenticationFailed(reply) => Trouble::Credentials(reply.into()),
            Error::Refused(reply) => Trouble::Rejected(reply.into()),
            Error::Bye(reply) => Trouble::HungUp(reply.into()),
            Error::TooMany { .. } => Trouble::Impossible(Lack::Room, words),
            Error::NoMechanism { .. }
            | Error::NoStartTls
            | Error::ServerNotProven
            | Error::Unsendable { .. }
            | Error::OutOfTurn { .. } => Trouble::Impossible(Lack::Other, words),
            Error::Unreadable { .. } | Error::NotImap { .. } => Trouble::Unreadable(words),
            Error::Wire(error) => Trouble::Line(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trouble::{Side, Verdict, is_crowded, sentence, verdict};

    fn reply(code: Option<Code>) -> Reply {
        Reply { status: imap::Status::No, code, text: "x".into() }
    }

    /// What follows from each kind of error, and what the owner reads.
    #[test]
    fn errors_in_the_terms_of_the_engine() {
        let wait = |at_least_s| Verdict::Wait { at_least_s };
        let unreadable = Error::Unreadable { offset: 7, what: "a tag", sample: "?".into() };
        let forbidden = wire::Error::Forbidden { address: "10.0.0.1".parse().unwrap() };
        for (error, follows, crowded, told) in [
            (Error::Refused(reply(None)), wait(1), false, "The source refused: NO x."),
            (
                Error::Refused(reply(Some(Code::OverQuota))),
                wait(600),
                false,
                "The source refused: NO [OVERQUOTA] x.",
            ),
            (
                Error::Refused(reply(Some(Code::Limit))),
                wait(60),
                true,
                "The source refused: NO [LIMIT] x.",
            ),
            (
                Error::Bye(reply(Some(Code::Unavailable))),
                wait(5),
                true,
                "The source hung up: NO [UNAVAILABLE] x.",
            ),
            (
                Error::AuthenticationFailed(reply(Some(Code::AuthenticationFailed))),
                Verdict::Fail,
                false,
                "The source does not accept the login and password: NO [AUTHENTICATIONFAILED] x.",
            ),
            (
                Error::AuthenticationFailed(reply(Some(Code::InUse))),
                wait(5),
                true,
                "The source does not accept the login and password: NO [INUSE] x.",
            ),
            (
                Error::NoStartTls,
                Verdict::Fail,
                false,
                "The source: the server offers no encryption (STARTTLS) on this port.",
            ),
            (
                unreadable,
                wait(0),
                false,
                "The source: the server's answer cannot be read at octet 7 (a tag): ?.",
            ),
            (
                Error::Wire(wire::Error::Closed),
                wait(0),
                true,
                "The source: the connection was closed.",
            ),
            (Error::Wire(forbidden), Verdict::Fail, false, ""),
        ] {
            let trouble = Trouble::from(error);
            assert_eq!(verdict(&trouble), follows, "{trouble:?}");
            assert_eq!(is_crowded(&trouble), crowded, "{trouble:?}");
            let sentence = sentence(Side::Source, &trouble);
            assert!(told.is_empty() || sentence == told, "{sentence}");
        }
    }
}
