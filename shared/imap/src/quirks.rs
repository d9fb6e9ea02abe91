//! What named servers do differently, as data.
//!
//! A server is known by words of its greeting, of its answer to ID, or by a capability. What it
//! announces is obeyed first; a row exists only for what no announcement tells.

use crate::capability::Capabilities;

/// What differs on one kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quirks {
    /// Which server this is, for reports; empty where it was not recognised.
    pub server: &'static str,
    /// RFC822.SIZE may differ from the octets of the body: compare something else.
    pub size_is_estimate: bool,
    /// What is read back is not, octet for octet, what was appended.
    pub rewrites_messages: bool,
    /// The same message appended to a second mailbox, or twice, is kept once.
    pub merges_duplicates: bool,
    /// SEARCH HEADER fails or misses messages: list and compare instead.
    pub search_unreliable: bool,
}

/// How a server is recognised.
enum Sign {
    /// Words in the greeting or in ID, in lower case.
    Words(&'static str),
    /// A capability.
    Announces(&'static str),
}

const NONE: Quirks = Quirks {
    server: "",
    size_is_estimate: false,
    rewrites_messages: false,
    merges_duplicates: false,
    search_unreliable: false,
};

/// The first row that fits holds.
const SERVERS: [(Sign, Quirks); 12] = [
    (
        // Labels are mailboxes over one store; Message-IDs that begin with "!&!" are not found
        // (MailKit issue 647).
        Sign::Announces("X-GM-EXT-1"),
        Quirks {
            server: "Gmail",
            merges_duplicates: true,
            search_unreliable: true,
            rewrites_messages: false,
            size_is_estimate: false,
        },
    ),
    (
        // Messages are kept as MAPI properties and written anew when read; the size is that of
        // the store: a body of 6298 octets was announced with 19189 (Vandelay issue 12).
        Sign::Words("microsoft exchange"),
        Quirks { server: "Exchange", size_is_estimate: true, rewrites_messages: true, ..NONE },
    ),
    (
        // The size is taken before Return-Path and Delivered-To are put in front (hMailServer
        // issue 476).
        Sign::Words("hmailserver"),
        Quirks { server: "hMailServer", size_is_estimate: true, ..NONE },
    ),
    (
        // Keeps MIME parts apart and joins them again, now and then with other line ends
        // (WildDuck issue 536).
        Sign::Words("wildduck"),
        Quirks { server: "WildDuck", size_is_estimate: true, rewrites_messages: true, ..NONE },
    ),
    (
        // "NO [SERVERBUG] UID SEARCH Server error" to any HEADER (node-imap issue 737).
        Sign::Words("yahoo"),
        Quirks { server: "Yahoo", search_unreliable: true, ..NONE },
    ),
    (Sign::Words("dovecot"), Quirks { server: "Dovecot", ..NONE }),
    (Sign::Words("cyrus"), Quirks { server: "Cyrus", ..NONE }),
    (Sign::Words("courier"), Quirks { server: "Courier", ..NONE }),
    (Sign::Words("zimbra"), Quirks { server: "Zimbra", ..NONE }),
    (Sign::Words("domino"), Quirks { server: "Domino", ..NONE }),
    (Sign::Words("stalwart"), Quirks { server: "Stalwart", ..NONE }),
    (Sign::Words("gimap"), Quirks { server: "Gmail", ..NONE }),
];

impl Quirks {
    pub(crate) fn of(greeting: &str, id: &str, capabilities: &Capabilities) -> Self {
        let said = format!("{greeting} {id}").to_ascii_lowercase();
        let fits = |sign: &Sign| match sign {
            Sign::Words(words) => said.contains(words),
            Sign::Announces(word) => capabilities.has(word),
        };
        SERVERS.iter().find(|(sign, _)| fits(sign)).map_or(NONE, |(_, quirks)| *quirks)
    }
}

/// What servers say, in lower case, when a client is too much for them right now.
const THROTTLING: [&str; 9] = [
    // Gmail: "Too many simultaneous connections. (Failure)"
    "too many simultaneous connections",
    // Gmail: "[OVERQUOTA] Account exceeded command or bandwidth limits."
    "exceeded command or bandwidth limits",
    // Exchange: "Server Unavailable. 15"
    "server unavailable",
    // Exchange Online: "Request is throttled. Suggested Backoff Time: 201317 milliseconds"
    "throttled",
    // Dovecot: "Maximum number of connections from user+IP exceeded"
    "maximum number of connections",
    // Courier: "Maximum connection limit reached"
    "maximum connection limit",
    "too many connections",
    "rate limit",
    "temporarily",
];

/// Whether words without a code ask for patience.
pub(crate) fn is_throttling(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    THROTTLING.iter().any(|words| text.contains(words))
}

/// The milliseconds that Exchange Online names: "Suggested Backoff Time: 201317 milliseconds".
pub(crate) fn backoff_ms(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("Suggested Backoff Time: ")?;
    let (number, unit) = rest.split_once(' ')?;
    number.parse().ok().filter(|_| unit.starts_with("milliseconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(greeting: &str, id: &str, capabilities: &str) -> &'static str {
        Quirks::of(greeting, id, &Capabilities::parse(capabilities)).server
    }

    #[test]
    fn servers_are_recognised() {
        assert_eq!(server("Dovecot (Debian) ready.", "", ""), "Dovecot");
        assert_eq!(server("ready", "Cyrus IMAPd 3.8", ""), "Cyrus");
        assert_eq!(server("Courier-IMAP ready.", "", ""), "Courier");
        assert_eq!(server("The Microsoft Exchange IMAP4 service is ready.", "", ""), "Exchange");
        assert_eq!(server("Gimap ready for requests", "", ""), "Gmail");
        assert_eq!(server("Gimap ready for requests", "", "X-GM-EXT-1"), "Gmail");
        assert_eq!(server("IMAP4 ready", "", ""), "");
        let exchange = Quirks::of("Microsoft Exchange", "", &Capabilities::default());
        assert!(exchange.size_is_estimate && exchange.rewrites_messages);
        assert_eq!(Quirks::of("x", "", &Capabilities::default()), Quirks::default());
    }

    #[test]
    fn patience_is_asked_for_in_many_ways() {
        assert!(is_throttling("Server Unavailable. 15"));
        assert!(!is_throttling("Mailbox does not exist"));
        let throttled = "Request is throttled. Suggested Backoff Time: 201317 milliseconds";
        assert_eq!(backoff_ms(throttled), Some(201_317));
        assert_eq!(backoff_ms("Suggested Backoff Time: x milliseconds"), None);
        assert_eq!(backoff_ms("no"), None);
    }
}
