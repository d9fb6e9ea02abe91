//! What went wrong with a service, in terms that no protocol owns; and what follows from it: wait, or
//! end, and what the user is told.

use std::fmt;

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

/// What a server says when it does not do what it was asked, in terms that no protocol owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Why, as far as a code tells.
    pub reason: Reason,
    /// The server asks for patience: seconds after which it may be asked again.
    pub wait_s: Option<u64>,
    /// The server's own words with its code, of bounded length.
    pub words: String,
}

/// Why a server does not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The item is larger than it takes.
    TooLarge,
    /// The account is full, or has no room for this item.
    Full,
    /// Some limit: on one item, on what was carried, or on how fast one asks.
    Limit,
    /// Too much was asked in too short a time.
    Throttled,
    /// A part of the server is down, or something else holds what was asked for.
    Unavailable,
    /// There is no such folder.
    NoFolder,
    /// There is one already.
    Exists,
    /// Never for this login, or never on this server.
    Forbidden,
    /// A trouble of the server's that somebody must see to.
    Permanent,
    /// The server gives no code, or one that says nothing else.
    Other,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// What a server or the line did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The server did not take login and password.
    Credentials(Rejection),
    /// It understood, and said no.
    Rejected(Rejection),
    /// It ended the connection and said why.
    HungUp(Rejection),
    /// It does not work, however often it is tried; a sentence.
    Impossible(Lack, String),
    /// It broke the rules of its protocol, or speaks another; a sentence.
    Unreadable(String),
    /// The line could not be opened, or broke.
    Line(wire::Error),
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

/// What is lacking where something does not work, however often it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// The account has more of something than this program carries.
    Room,
    /// An account of this form cannot be moved.
    Support,
    /// Something else, such as encryption or a way to log in.
    Other,
}

impl Trouble {
    /// There is more of something than is accepted, in the words of a protocol's own limits.
    pub fn too_many(what: &str, limit: usize) -> Trouble {
        Trouble::Impossible(Lack::Room, format!("the server has more than {limit} {what}"))
    }

    /// The service refuses, and asks for patience.
    pub fn asks_to_wait(&self) -> bool {
        matches!(self, Trouble::Rejected(why) if why.wait_s.is_some())
    }

    /// Whether the server did not take login and password.
    pub fn is_refused_login(&self) -> bool {
        matches!(self, Trouble::Credentials(_))
    }
}

impl From<wire::Error> for Trouble {
    fn from(error: wire::Error) -> Self {
        Trouble::Line(error)
    }
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Goes on by itself after a while; `at_least_s` is what the kind of trouble asks for.
    Wait {
        /// Seconds that are waited at least.
        at_least_s: u64,
    },
    /// Needs the owner.
    Fail,
}

/// A migration whose lines were too slow waits this long before its next slice, at least.
pub const SLOW_WAIT_S: u64 = 60;
/// A server that is throttling needs minutes, not seconds.
pub const THROTTLED_WAIT_S: u64 = 60;
/// A mailbox that is full needs its owner, most often.
pub const FULL_WAIT_S: u64 = 600;
/// Tries without progress before a run is given up: with the back-off, about two days.
pub const ATTEMPTS_MAX: u32 = 300;
/// The longest back-off.
const BACK_OFF_MAX_S: u64 = 600;

/// Whether a server that was just connected to has too many connections, as it says or by hanging up
/// before it has said anything.
pub fn is_crowded(error: &Trouble) -> bool {
    match error {
        Trouble::Credentials(said) | Trouble::Rejected(said) | Trouble::HungUp(said) => {
            let text = said.words.to_lowercase();
            let words = ["too many", "maximum number", "connection limit"];
            matches!(said.reason, Reason::Limit | Reason::Throttled | Reason::Unavailable)
                || words.iter().any(|some| text.contains(some))
        }
        Trouble::Line(error) => {
            matches!(error, wire::Error::Closed | wire::Error::NoServer { hung_up: true, .. })
        }
        Trouble::Impossible(..)
        | Trouble::Unreadable(_)
        | Trouble::Slow { .. }
        | Trouble::InTheWay => false,
    }
}

/// What follows from `error`.
pub fn verdict(error: &Trouble) -> Verdict {
    match error {
        Trouble::Credentials(said) => match said.wait_s {
            Some(at_least_s) => Verdict::Wait { at_least_s },
            None => Verdict::Fail,
        },
        Trouble::Rejected(said) if said.reason == Reason::Permanent => Verdict::Fail,
        Trouble::Rejected(said) | Trouble::HungUp(said) => {
            Verdict::Wait { at_least_s: said.wait_s.unwrap_or(1) }
        }
        Trouble::Impossible(..)
        | Trouble::Line(wire::Error::Forbidden { .. } | wire::Error::Port { .. }) => Verdict::Fail,
        Trouble::Line(_) | Trouble::Unreadable(_) => Verdict::Wait { at_least_s: 0 },
        Trouble::Slow { .. } | Trouble::InTheWay => Verdict::Wait { at_least_s: SLOW_WAIT_S },
    }
}

/// How long to wait before try `attempts` (from 1): at once, then doubling up to ten minutes.
pub fn back_off_s(attempts: u32, at_least_s: u64) -> u64 {
    let doubled = if attempts < 2 { 0 } else { 1u64 << (attempts - 2).min(20) };
    doubled.min(BACK_OFF_MAX_S).max(at_least_s)
}

/// A sentence for the user, with the server's words.
pub fn sentence(side: Side, error: &Trouble) -> String {
    let said = match error {
        Trouble::Credentials(said) => {
            format!("The {side} does not accept the login and password: {said}")
        }
        Trouble::Rejected(said) => format!("The {side} refused: {said}"),
        Trouble::HungUp(said) => format!("The {side} hung up: {said}"),
        Trouble::Impossible(_, words) | Trouble::Unreadable(words) => {
            format!("The {side}: {words}")
        }
        Trouble::Line(error) => format!("The {side}: {error}"),
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
}
