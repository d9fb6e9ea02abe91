//! What named servers do differently, as data.
//!
//! A row is chosen by words of the greeting or of ID, or by a capability. Capabilities that are
//! announced are obeyed first; a row exists only where an announcement is wrong or missing.

use crate::capability::Capabilities;

/// What differs on one kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quirks {
    /// Which server this is, for reports; empty where it was not recognised.
    pub server: &'static str,
    /// RFC822.SIZE may differ from the octets of the body.
    pub size_is_estimate: bool,
}

impl Quirks {
    pub(crate) fn of(_greeting: &str, _id: &str, _capabilities: &Capabilities) -> Self {
        Quirks::default()
    }
}

/// Whether words without a code ask for patience.
pub(crate) fn is_throttling(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    THROTTLING.iter().any(|words| text.contains(words))
}

/// What servers say, in lower case, when a client is too much for them right now.
const THROTTLING: [&str; 9] = [
    // Gmail: "Too many simultaneous connections. (Failure)"
    "too many simultaneous connections",
    // Gmail: "[OVERQUOTA] Account exceeded command or bandwidth limits."
    "exceeded command or bandwidth limits",
    // Exchange Online: "Server Unavailable. 15", "Request is throttled. Suggested Backoff Time: …"
    "server unavailable",
    "throttled",
    // Dovecot: "Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)"
    "maximum number of connections",
    // Courier: "Maximum connection limit reached for …"
    "maximum connection limit",
    "too many connections",
    "rate limit",
    "temporarily",
];
