//! What a POP3 server says, in the terms of the engine.

use pop::{Code, Error, Reply};

use crate::trouble::{Lack, Reason, Rejection, THROTTLED_WAIT_S, Trouble};

/// Another session holds the maildrop, perhaps one of ours that the server has not yet seen end.
const HELD_WAIT_S: u64 = 2;
/// A trouble of the server's that will pass (RFC 3206).
const TEMPORARY_WAIT_S: u64 = 5;
/// The longest time between two logins that a server is believed to mean.
const LOGIN_DELAY_MAX_S: u64 = 3600;

impl From<Reply> for Rejection {
    fn from(reply: Reply) -> Self {
        let (reason, wait_s) = match &reply.code {
            Some(Code::SysPerm) => (Reason::Permanent, None),
            Some(Code::LoginDelay) => {
                let wait_s = reply.wait_s.unwrap_or(THROTTLED_WAIT_S);
                (Reason::Other, Some(wait_s.min(LOGIN_DELAY_MAX_S)))
            }
            Some(Code::SysTemp) => (Reason::Other, Some(TEMPORARY_WAIT_S)),
            // IN-USE is about one maildrop, and no matter of how many connections there are.
            _ if reply.says_held() => (Reason::Other, Some(HELD_WAIT_S)),
            _ => (Reason::Other, None),
        };
        Rejection { reason, wait_s, words: reply.to_string() }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let words = error.to_string();
        match error {
            // No code of POP3 asks for patience about a password.
            Error::AuthenticationFailed(reply) => {
                Trouble::Credentials(Rejection { wait_s: None, ..reply.into() })
            }
            Error::Refused(reply) => Trouble::Rejected(reply.into()),
            Error::TooMany { .. } | Error::NoIdentifiers(_) => {
                Trouble::Impossible(Lack::Support, words)
            }
            Error::NoMechanism { .. }
            | Error::NoStartTls
            | Error::ServerNotProven
            | Error::Unsendable { .. }
            | Error::OutOfTurn { .. } => Trouble::Impossible(Lack::Other, words),
            Error::Unreadable { .. } | Error::NotPop { .. } => Trouble::Unreadable(words),
            Error::Wire(error) => Trouble::Line(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trouble::{Side, Verdict, is_crowded, sentence, verdict};

    fn reply(code: Code, wait_s: Option<u64>) -> Reply {
        Reply { ok: false, code: Some(code), text: "x".into(), wait_s }
    }

    #[test]
    fn a_held_maildrop_is_waited_for() {
        let refused = |code, wait_s| verdict(&Error::Refused(reply(code, wait_s)).into());
        let wait = |at_least_s| Verdict::Wait { at_least_s };
        assert_eq!(refused(Code::InUse, None), wait(2));
        assert_eq!(refused(Code::LoginDelay, None), wait(60));
        assert_eq!(refused(Code::LoginDelay, Some(900)), wait(900));
        assert_eq!(refused(Code::LoginDelay, Some(u64::MAX)), wait(3600));
        assert_eq!(refused(Code::SysTemp, None), wait(5));
        assert_eq!(refused(Code::SysPerm, None), Verdict::Fail);
        let wrong = Trouble::from(Error::AuthenticationFailed(reply(Code::Auth, None)));
        assert_eq!(verdict(&wrong), Verdict::Fail);
        let told = sentence(Side::Source, &wrong);
        assert_eq!(told, "The source does not accept the login and password: [AUTH] x.");
    }

    #[test]
    fn only_words_tell_of_too_many_connections() {
        let held = Error::Refused(reply(Code::InUse, None));
        assert!(!is_crowded(&held.into()));
        let words = Reply { text: "too many connections".into(), ..reply(Code::SysTemp, None) };
        assert!(is_crowded(&Error::Refused(words).into()));
    }
}
