//! What follows from an error: wait, or end, and what the user is told.

use std::fmt;

use imap::{Code, Reply};
use model::Timestamp;
use store::Error as StoreError;

use crate::limits::SLOW_WAIT_S;

/// Which account the trouble is with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Where from.
    Source,
    /// Where to.
    Destination,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Source => "source",
            Side::Destination => "destination",
        })
    }
}

/// Why a slice goes no further.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The slice's time is over.
    Budget,
    /// The owner asked to stop.
    Stopped,
    /// The owner asked to hold on.
    Paused,
    /// The owner of its project asked to hold all of it on.
    Held,
    /// The quiet hours have begun; until when they last.
    Quiet(Timestamp),
    /// Not before this moment, for a reason; nothing was begun.
    Later(Timestamp, &'static str),
    /// Another migration of the same accounts is at work.
    Taken,
    /// Someone else has the lease.
    Lost,
    /// A server or the line.
    Trouble(Side, Trouble),
    /// Not possible, whatever one does; a sentence.
    Impossible(String),
    /// The store.
    Store(StoreError),
}

/// What a server or the line did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// In a dialogue over IMAP.
    Imap(imap::Error),
    /// In a dialogue over POP3.
    Pop(pop::Error),
    /// It sends and takes too little for the slice to go on.
    Slow {
        /// Octets that its lines carried, both ways.
        octets: u64,
        /// In this time.
        seconds: u64,
    },
    /// It is slow, and others wait for the place that the slice has.
    InTheWay,
}

impl Trouble {
    /// Whether the server did not take login and password.
    pub(crate) fn is_refused_login(&self) -> bool {
        matches!(
            self,
            Trouble::Imap(imap::Error::AuthenticationFailed(_))
                | Trouble::Pop(pop::Error::AuthenticationFailed(_))
        )
    }
}

impl From<imap::Error> for Trouble {
    fn from(error: imap::Error) -> Self {
        Trouble::Imap(error)
    }
}

impl From<pop::Error> for Trouble {
    fn from(error: pop::Error) -> Self {
        Trouble::Pop(error)
    }
}

impl From<wire::Error> for Trouble {
    fn from(error: wire::Error) -> Self {
        Trouble::Imap(error.into())
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Halt::Store(error)
    }
}

/// Says whose error it is.
pub(crate) trait At<T> {
    /// The error as one of this side.
    fn at(self, side: Side) -> Result<T, Halt>;
}

impl<T, E: Into<Trouble>> At<T> for Result<T, E> {
    fn at(self, side: Side) -> Result<T, Halt> {
        self.map_err(|error| Halt::Trouble(side, error.into()))
    }
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Goes on by itself after a while; `at_least_s` is what the kind of trouble asks for.
    Wait {
        /// Seconds that are waited at least.
        at_least_s: u64,
    },
    /// Needs the owner.
    Fail,
}

/// A mailbox that is full or a server that is throttling needs minutes, not seconds.
const THROTTLED_WAIT_S: u64 = 60;
const FULL_WAIT_S: u64 = 600;
/// Tries without progress before a run is given up: with the back-off, about two days.
pub(crate) const ATTEMPTS_MAX: u32 = 300;
/// The longest back-off.
const BACK_OFF_MAX_S: u64 = 600;

/// Whether a reply asks to come back later, and when.
pub(crate) fn asks_to_wait(reply: &Reply) -> Option<u64> {
    match &reply.code {
        Some(Code::OverQuota) => Some(FULL_WAIT_S),
        Some(Code::Limit | Code::Throttled) => Some(THROTTLED_WAIT_S),
        Some(Code::Unavailable | Code::InUse) => Some(5),
        _ => None,
    }
}

/// Whether a server that was just connected to has too many connections, as it says or by hanging up
/// before it has said anything.
pub(crate) fn is_crowded(error: &Trouble) -> bool {
    let in_words = |text: &str| {
        let text = text.to_lowercase();
        ["too many", "maximum number", "connection limit"].iter().any(|w| text.contains(w))
    };
    let says = |reply: &Reply| {
        let code = matches!(
            reply.code,
            Some(Code::Limit | Code::Throttled | Code::Unavailable | Code::InUse)
        );
        code || in_words(&reply.text)
    };
    match error {
        Trouble::Imap(
            imap::Error::AuthenticationFailed(reply)
            | imap::Error::Refused(reply)
            | imap::Error::Bye(reply),
        ) => says(reply),
        // IN-USE is about one maildrop, and no matter of how many connections there are.
        Trouble::Pop(pop::Error::AuthenticationFailed(reply) | pop::Error::Refused(reply)) => {
            in_words(&reply.text)
        }
        Trouble::Imap(imap::Error::Wire(error)) | Trouble::Pop(pop::Error::Wire(error)) => {
            matches!(error, wire::Error::Closed | wire::Error::NoServer { hung_up: true, .. })
        }
        Trouble::Imap(_) | Trouble::Pop(_) | Trouble::Slow { .. } | Trouble::InTheWay => false,
    }
}

/// What follows from `error`.
pub(crate) fn verdict(error: &Trouble) -> Verdict {
    match error {
        Trouble::Imap(error) => imap_verdict(error),
        Trouble::Pop(error) => pop_verdict(error),
        Trouble::Slow { .. } | Trouble::InTheWay => Verdict::Wait { at_least_s: SLOW_WAIT_S },
    }
}

/// Another session holds the maildrop, perhaps one of ours that the server has not yet seen end.
const HELD_WAIT_S: u64 = 2;
/// The longest time between two logins that a server is believed to mean.
const LOGIN_DELAY_MAX_S: u64 = 3600;

fn pop_verdict(error: &pop::Error) -> Verdict {
    match error {
        pop::Error::AuthenticationFailed(_)
        | pop::Error::TooMany { .. }
        | pop::Error::NoIdentifiers(_)
        | pop::Error::NoMechanism { .. }
        | pop::Error::NoStartTls
        | pop::Error::Unsendable { .. }
        | pop::Error::OutOfTurn { .. }
        | pop::Error::Wire(wire::Error::Forbidden { .. } | wire::Error::Port { .. }) => {
            Verdict::Fail
        }
        pop::Error::Refused(reply) => match &reply.code {
            Some(pop::Code::SysPerm) => Verdict::Fail,
            Some(pop::Code::LoginDelay) => {
                let wait_s = reply.wait_s.unwrap_or(THROTTLED_WAIT_S);
                Verdict::Wait { at_least_s: wait_s.min(LOGIN_DELAY_MAX_S) }
            }
            Some(pop::Code::SysTemp) => Verdict::Wait { at_least_s: 5 },
            _ if reply.says_held() => Verdict::Wait { at_least_s: HELD_WAIT_S },
            _ => Verdict::Wait { at_least_s: 1 },
        },
        pop::Error::Wire(_) | pop::Error::Unreadable { .. } | pop::Error::NotPop { .. } => {
            Verdict::Wait { at_least_s: 0 }
        }
    }
}

fn imap_verdict(error: &imap::Error) -> Verdict {
    match error {
        imap::Error::AuthenticationFailed(reply) => match asks_to_wait(reply) {
            Some(at_least_s) => Verdict::Wait { at_least_s },
            None => Verdict::Fail,
        },
        imap::Error::NoMechanism { .. }
        | imap::Error::TooMany { .. }
        | imap::Error::NoStartTls
        | imap::Error::ServerNotProven
        | imap::Error::Unsendable { .. }
        | imap::Error::OutOfTurn { .. } => Verdict::Fail,
        imap::Error::Refused(reply) | imap::Error::Bye(reply) => {
            Verdict::Wait { at_least_s: asks_to_wait(reply).unwrap_or(1) }
        }
        imap::Error::Wire(wire::Error::Forbidden { .. } | wire::Error::Port { .. }) => {
            Verdict::Fail
        }
        imap::Error::Wire(_) | imap::Error::Unreadable { .. } | imap::Error::NotImap { .. } => {
            Verdict::Wait { at_least_s: 0 }
        }
    }
}

/// How long to wait before try `attempts` (from 1): at once, then doubling up to ten minutes.
pub(crate) fn back_off_s(attempts: u32, at_least_s: u64) -> u64 {
    let doubled = if attempts < 2 { 0 } else { 1u64 << (attempts - 2).min(20) };
    doubled.min(BACK_OFF_MAX_S).max(at_least_s)
}

/// A sentence for the user, with the server's words.
pub(crate) fn sentence(side: Side, error: &Trouble) -> String {
    let wrong = |reply: &dyn fmt::Display| {
        format!("The {side} does not accept the login and password: {reply}")
    };
    let said = match error {
        Trouble::Imap(imap::Error::AuthenticationFailed(reply)) => wrong(reply),
        Trouble::Pop(pop::Error::AuthenticationFailed(reply)) => wrong(reply),
        Trouble::Imap(imap::Error::Refused(reply)) => format!("The {side} refused: {reply}"),
        Trouble::Pop(pop::Error::Refused(reply)) => format!("The {side} refused: {reply}"),
        Trouble::Imap(imap::Error::Bye(reply)) => format!("The {side} hung up: {reply}"),
        Trouble::Imap(other) => format!("The {side}: {other}"),
        Trouble::Pop(other) => format!("The {side}: {other}"),
        Trouble::Slow { octets, seconds } => format!(
            "The {side} is too slow: its line carried {octets} octets in {seconds} s. What has \
             arrived stays, and the rest is tried again"
        ),
        Trouble::InTheWay => format!(
            "The {side} is slow, and others wait for the same server. What has arrived stays, and \
             the rest is tried again"
        ),
    };
    // Many servers end their words with a full stop of their own.
    format!("{}.", said.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_each_time_but_not_for_ever() {
        let waits: Vec<u64> = (1..14).map(|attempt| back_off_s(attempt, 0)).collect();
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(back_off_s(1, 60), 60);
        assert_eq!(back_off_s(u32::MAX, 0), 600);
    }

    #[test]
    fn throttling_is_waiting_and_a_wrong_password_is_not() {
        let reply = |code| Reply { status: imap::Status::No, code, text: "x".into() };
        let full = imap::Error::Refused(reply(Some(Code::OverQuota)));
        assert_eq!(imap_verdict(&full), Verdict::Wait { at_least_s: 600 });
        let wrong = imap::Error::AuthenticationFailed(reply(Some(Code::AuthenticationFailed)));
        assert_eq!(imap_verdict(&wrong), Verdict::Fail);
        let busy = imap::Error::AuthenticationFailed(reply(Some(Code::Unavailable)));
        assert_eq!(imap_verdict(&busy), Verdict::Wait { at_least_s: 5 });
    }

    #[test]
    fn a_held_maildrop_is_waited_for() {
        let reply =
            |code, wait_s| pop::Reply { ok: false, code: Some(code), text: "x".into(), wait_s };
        let refused = |code, wait_s| verdict(&pop::Error::Refused(reply(code, wait_s)).into());
        let wait = |at_least_s| Verdict::Wait { at_least_s };
        assert_eq!(refused(pop::Code::InUse, None), wait(2));
        assert_eq!(refused(pop::Code::LoginDelay, None), wait(60));
        assert_eq!(refused(pop::Code::LoginDelay, Some(900)), wait(900));
        assert_eq!(refused(pop::Code::LoginDelay, Some(u64::MAX)), wait(3600));
        assert_eq!(refused(pop::Code::SysTemp, None), wait(5));
        assert_eq!(refused(pop::Code::SysPerm, None), Verdict::Fail);
        let wrong = pop::Error::AuthenticationFailed(reply(pop::Code::Auth, None));
        assert_eq!(verdict(&wrong.clone().into()), Verdict::Fail);
        let told = sentence(Side::Source, &wrong.into());
        assert_eq!(told, "The source does not accept the login and password: [AUTH] x.");
    }
}
