//! What follows from an error: wait, or end, and what the user is told.

use std::fmt;

use imap::{Code, Reply};
use model::Timestamp;
use store::Error as StoreError;

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
    /// The quiet hours have begun; until when they last.
    Quiet(Timestamp),
    /// Someone else has the lease.
    Lost,
    /// A server or the line.
    Trouble(Side, imap::Error),
    /// Not possible, whatever one does; a sentence.
    Impossible(String),
    /// The store.
    Store(StoreError),
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

impl<T, E: Into<imap::Error>> At<T> for Result<T, E> {
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
pub(crate) fn is_crowded(error: &imap::Error) -> bool {
    let says = |reply: &Reply| {
        let code = matches!(
            reply.code,
            Some(Code::Limit | Code::Throttled | Code::Unavailable | Code::InUse)
        );
        let text = reply.text.to_lowercase();
        code || ["too many", "maximum number", "connection limit"].iter().any(|w| text.contains(w))
    };
    match error {
        imap::Error::AuthenticationFailed(reply)
        | imap::Error::Refused(reply)
        | imap::Error::Bye(reply) => says(reply),
        imap::Error::Wire(error) => matches!(error, wire::Error::Closed),
        _ => false,
    }
}

/// What follows from `error`.
pub(crate) fn verdict(error: &imap::Error) -> Verdict {
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
        imap::Error::Wire(wire::Error::Forbidden { .. }) => Verdict::Fail,
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
pub(crate) fn sentence(side: Side, error: &imap::Error) -> String {
    let said = match error {
        imap::Error::AuthenticationFailed(reply) => {
            format!("The {side} does not accept the login and password: {reply}")
        }
        imap::Error::Refused(reply) => format!("The {side} refused: {reply}"),
        imap::Error::Bye(reply) => format!("The {side} hung up: {reply}"),
        other => format!("The {side}: {other}"),
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
        assert_eq!(verdict(&full), Verdict::Wait { at_least_s: 600 });
        let wrong = imap::Error::AuthenticationFailed(reply(Some(Code::AuthenticationFailed)));
        assert_eq!(verdict(&wrong), Verdict::Fail);
        let busy = imap::Error::AuthenticationFailed(reply(Some(Code::Unavailable)));
        assert_eq!(verdict(&busy), Verdict::Wait { at_least_s: 5 });
    }
}
