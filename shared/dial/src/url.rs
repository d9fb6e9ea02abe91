//! The URL a user writes to name a server: `imaps://login@host:993`.
//!
//! RFC 5092 (IMAP URLs) and RFC 2384 (POP URLs) in the part that names a server: scheme, login,
//! host and port. A bare host means `imaps://host`. `?tls=none` is ours.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use wire::Secret;

/// Longest URL that is looked at; host names end at 253 octets and logins far below this.
const URL_MAX_BYTES: usize = 2048;
/// Longest host name, RFC 1035 section 2.3.4 in text form.
const HOST_MAX_BYTES: usize = 253;
/// Longest label of a host name, RFC 1035 section 2.3.4.
const LABEL_MAX_BYTES: usize = 63;

/// The protocol, with or without TLS from the first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// IMAP, port 143, STARTTLS.
    Imap,
    /// IMAP over TLS, port 993, RFC 8314.
    Imaps,
    /// POP3, port 110, STLS.
    Pop,
    /// POP3 over TLS, port 995, RFC 8314.
    Pops,
    /// Submission of mail, port 587, STARTTLS.
    Smtp,
    /// Submission of mail over TLS, port 465, RFC 8314.
    Smtps,
}

impl Scheme {
    /// The name before `://`.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Imap => "imap",
            Scheme::Imaps => "imaps",
            Scheme::Pop => "pop",
            Scheme::Pops => "pops",
            Scheme::Smtp => "smtp",
            Scheme::Smtps => "smtps",
        }
    }

    /// The registered port.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Imap => 143,
            Scheme::Imaps => 993,
            Scheme::Pop => 110,
            Scheme::Pops => 995,
            Scheme::Smtp => 587,
            Scheme::Smtps => 465,
        }
    }

    fn implicit_tls(self) -> bool {
        match self {
            Scheme::Imaps | Scheme::Pops | Scheme::Smtps => true,
            Scheme::Imap | Scheme::Pop | Scheme::Smtp => false,
        }
    }

    /// The scheme of a server that submits mail.
    fn take_submission(name: &str) -> Option<Scheme> {
        match name.to_ascii_lowercase().as_str() {
            "smtp" | "submission" => Some(Scheme::Smtp),
            "smtps" | "submissions" => Some(Scheme::Smtps),
            _ => None,
        }
    }

    fn take(name: &str) -> Option<Scheme> {
        Some(match name.to_ascii_lowercase().as_str() {
            "imap" => Scheme::Imap,
            "imaps" => Scheme::Imaps,
            "pop" | "pop3" => Scheme::Pop,
            "pops" | "pop3s" => Scheme::Pops,
            _ => return None,
        })
    }
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tls {
    /// With the first byte.
    Implicit,
    /// After the protocol's own command (RFC 9051 section 6.2.1, RFC 2595).
    StartTls,
    /// Never.
    None,
}

/// Whether this installation permits connections without TLS (`allow_plaintext`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plaintext {
    /// `?tls=none` is accepted.
    Allowed,
    /// `?tls=none` is refused.
    Refused,
}

/// A server, and how to speak to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The protocol.
    pub scheme: Scheme,
    /// Host name in ASCII, lower case, or an IP address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// When TLS begins.
    pub tls: Tls,
    /// The login written before `@`, percent-decoded. Never printed.
    pub login: Option<String>,
}

/// What is wrong with a server's URL, as a sentence for whoever typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Nothing was written, or no host.
    #[error("the address names no server; write for example imaps://mail.example.org")]
    NoHost,
    /// Longer than any server's address.
    #[error("the address is longer than {URL_MAX_BYTES} characters")]
    TooLong,
    /// Another protocol.
    #[error("{scheme}:// is not a mail server's address; use imaps://, imap://, pops:// or pop://")]
    Scheme {
        /// What stood before `://`.
        scheme: String,
    },
    /// No server that mail could be handed to.
    #[error("smtp_url must begin with smtps:// or smtp://")]
    NotSubmission,
    /// Letters that a host name cannot have.
    #[error("{host} is not a host name or an IP address")]
    Host {
        /// What was written.
        host: String,
    },
    /// Not 1 to 65535.
    #[error("{port} is not a port number (1 to 65535)")]
    Port {
        /// What was written.
        port: String,
    },
    /// `%` without two hexadecimal digits, or not UTF-8.
    #[error("the login in the address is not correctly percent-encoded (@ is written %40)")]
    Login,
    /// `login:password@`.
    #[error("a password does not belong in the address; give it in its own field")]
    Password,
    /// A path, a fragment or an unknown option.
    #[error("the part {part} of the address has no meaning here; only ?tls=none has")]
    Rest {
        /// The part.
        part: String,
    },
    /// `imaps://…?tls=none`.
    #[error("{scheme}:// means TLS, so ?tls=none contradicts it; write {plain}://")]
    Contradiction {
        /// What was written.
        scheme: &'static str,
        /// The scheme without TLS.
        plain: &'static str,
    },
    /// `?tls=none` where `allow_plaintext` is false.
    #[error("connections without TLS are not allowed by this installation (allow_plaintext)")]
    PlaintextRefused,
}

impl Endpoint {
    /// Reads a server's URL, or a bare host name, which means `imaps://`.
    pub fn parse(text: &str, plaintext: Plaintext) -> Result<Endpoint, UrlError> {
        Endpoint::parse_as(text, Scheme::Imaps, plaintext)
    }

    /// The same where a bare host name means `default`.
    pub fn parse_as(
        text: &str,
        default: Scheme,
        plaintext: Plaintext,
    ) -> Result<Endpoint, UrlError> {
        let text = text.trim();
        if text.len() > URL_MAX_BYTES {
            return Err(UrlError::TooLong);
        }
        let (scheme, rest) = match text.split_once("://") {
            None => (default, text),
            Some((name, rest)) => {
                let unknown = || UrlError::Scheme { scheme: printable(name) };
                (Scheme::take(name).ok_or_else(unknown)?, rest)
            }
        };
        let (login, host_port, tail) = split_authority(rest);
        if login.is_some_and(|login| login.contains(':')) {
            return Err(UrlError::Password);
        }
        let login = login.map(decoded).transpose()?;
        Endpoint::of(scheme, host_port, take_options(scheme, tail, plaintext)?, login)
    }

    /// Reads the URL of the operator's submission server, `smtps://login:password@host:465`, and
    /// its password. Unlike [`Endpoint::parse`] this is no input of a stranger's: `?tls=none` is
    /// always accepted.
    pub fn parse_submission(url: &Secret) -> Result<(Endpoint, Option<Secret>), UrlError> {
        let text = url.expose().trim();
        if text.len() > URL_MAX_BYTES {
            return Err(UrlError::TooLong);
        }
        let (name, rest) = text.split_once("://").ok_or(UrlError::NotSubmission)?;
        let scheme = Scheme::take_submission(name).ok_or(UrlError::NotSubmission)?;
        let (login, host_port, tail) = split_authority(rest);
        let (login, password) =
            match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
                Some((login, password)) => {
                    (Some(decoded(login)?), Some(Secret::new(decoded(password)?)))
                }
                None => (None, None),
            };
        let tls = take_options(scheme, tail, Plaintext::Allowed)?;
        Ok((Endpoint::of(scheme, host_port, tls, login)?, password))
    }

    fn of(
        scheme: Scheme,
        host_port: &str,
        tls: Tls,
        login: Option<String>,
    ) -> Result<Endpoint, UrlError> {
        let (host, port) = take_host_port(host_port)?;
        let port = port.unwrap_or_else(|| scheme.default_port());
        Ok(Endpoint { scheme, host, port, tls, login })
    }

    /// The address itself, where the host is written as one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// The URL without the login; the port only where it is not the scheme's own.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v6 = self.host.contains(':');
        let (open, close) = if v6 { ("[", "]") } else { ("", "") };
        write!(f, "{}://{open}{}{close}", self.scheme.name(), self.host)?;
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        match self.tls {
            Tls::None => f.write_str("?tls=none"),
            Tls::Implicit | Tls::StartTls => Ok(()),
        }
    }
}

fn take_options(scheme: Scheme, tail: &str, plaintext: Plaintext) -> Result<Tls, UrlError> {
    let usual = if scheme.implicit_tls() { Tls::Implicit } else { Tls::StartTls };
    let tail = tail.strip_prefix('/').unwrap_or(tail);
    match tail.to_ascii_lowercase().as_str() {
        "" | "?" => Ok(usual),
        "?tls=starttls" if usual == Tls::StartTls => Ok(usual),
        "?tls=implicit" if usual == Tls::Implicit => Ok(usual),
        "?tls=none" => match (scheme, plaintext) {
            (Scheme::Imaps, _) => Err(UrlError::Contradiction { scheme: "imaps", plain: "imap" }),
            (Scheme::Pops, _) => Err(UrlError::Contradiction { scheme: "pops", plain: "pop" }),
            (Scheme::Smtps, _) => Err(UrlError::Contradiction { scheme: "smtps", plain: "smtp" }),
            (Scheme::Imap | Scheme::Pop | Scheme::Smtp, Plaintext::Allowed) => Ok(Tls::None),
            (Scheme::Imap | Scheme::Pop | Scheme::Smtp, Plaintext::Refused) => {
                Err(UrlError::PlaintextRefused)
            }
        },
        _ => Err(UrlError::Rest { part: printable(tail) }),
    }
}

/// What stands before `@`, host with port, and what follows them.
fn split_authority(rest: &str) -> (Option<&str>, &str, &str) {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((login, host_port)) => (Some(login), host_port, tail),
        None => (None, authority, tail),
    }
}

fn decoded(text: &str) -> Result<String, UrlError> {
    wire::percent::decode(text).ok_or(UrlError::Login)
}

fn take_host_port(text: &str) -> Result<(String, Option<u16>), UrlError> {
    // An IPv6 address holds colons: with a port it stands in brackets (RFC 3986 section 3.2.2).
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Ok((address.to_string(), None));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let wrong = || UrlError::Host { host: printable(text) };
        let (inside, after) = rest.split_once(']').ok_or_else(wrong)?;
        let address: Ipv6Addr = inside.parse().map_err(|_| wrong())?;
        let port = match after.strip_prefix(':') {
            Some(port) => take_port(port)?,
            None if after.is_empty() => None,
            None => return Err(wrong()),
        };
        return Ok((address.to_string(), port));
    }
    match text.split_once(':') {
        Some((host, port)) => Ok((take_host(host)?, take_port(port)?)),
        None => Ok((take_host(text)?, None)),
    }
}

/// An empty port is the scheme's own, RFC 3986 section 3.2.3.
fn take_port(text: &str) -> Result<Option<u16>, UrlError> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<u16>() {
        Ok(port) if port > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(port)),
        _ => Err(UrlError::Port { port: printable(text) }),
    }
}

fn take_host(text: &str) -> Result<String, UrlError> {
    let wrong = || UrlError::Host { host: printable(text) };
    if text.is_empty() {
        return Err(UrlError::NoHost);
    }
    let ascii = idna::domain_to_ascii(text).map_err(|_| wrong())?;
    let host = ascii.strip_suffix('.').unwrap_or(&ascii);
    // Underscores are no letters of host names, but such names exist and resolve.
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let label = |label: &str| {
        !label.is_empty() && label.len() <= LABEL_MAX_BYTES && label.bytes().all(letter)
    };
    if host.len() <= HOST_MAX_BYTES && host.split('.').all(label) {
        Ok(host.to_owned())
    } else {
        Err(wrong())
    }
}

/// Foreign text, short enough and without control characters, for a sentence.
fn printable(text: &str) -> String {
    let start: String = text.chars().take(60).collect();
    start.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<(String, Option<String>, String, u16, Tls), UrlError> {
        Endpoint::parse(text, Plaintext::Allowed)
            .map(|e| (e.to_string(), e.login, e.host, e.port, e.tls))
    }

    fn check(text: &str, printed: &str, login: Option<&str>, host: &str, port: u16, tls: Tls) {
        let expected = (printed.into(), login.map(str::to_owned), host.to_owned(), port, tls);
        assert_eq!(parsed(text), Ok(expected), "{text}");
    }

    #[test]
    fn reads_and_prints() {
        check("imaps://h", "imaps://h", None, "h", 993, Tls::Implicit);
        check("h.example", "imaps://h.example", None, "h.example", 993, Tls::Implicit);
        check("h:1993", "imaps://h:1993", None, "h", 1993, Tls::Implicit);
        check(
            " IMAP://H.Example.:143/ ",
            "imap://h.example",
            None,
            "h.example",
            143,
            Tls::StartTls,
        );
        check("imap://h?tls=none", "imap://h?tls=none", None, "h", 143, Tls::None);
        check("imap://h:99/?tls=none", "imap://h:99?tls=none", None, "h", 99, Tls::None);
        check("imap://h/?tls=starttls", "imap://h", None, "h", 143, Tls::StartTls);
        check("pop://h", "pop://h", None, "h", 110, Tls::StartTls);
        check("pops://h:", "pops://h", None, "h", 995, Tls::Implicit);
        check("imaps://a%40b.c@h", "imaps://h", Some("a@b.c"), "h", 993, Tls::Implicit);
        check("imaps://a@b.c@h", "imaps://h", Some("a@b.c"), "h", 993, Tls::Implicit);
        check("a%3Ab%20c@h:1", "imaps://h:1", Some("a:b c"), "h", 1, Tls::Implicit);
        check("imaps://[::1]", "imaps://[::1]", None, "::1", 993, Tls::Implicit);
        check(
            "imap://u@[2001:DB8::1]:99",
            "imap://[2001:db8::1]:99",
            Some("u"),
            "2001:db8::1",
            99,
            Tls::StartTls,
        );
        check("2001:db8::1", "imaps://[2001:db8::1]", None, "2001:db8::1", 993, Tls::Implicit);
        check("imaps://127.0.0.1:1", "imaps://127.0.0.1:1", None, "127.0.0.1", 1, Tls::Implicit);
        check(
            "bücher.example",
            "imaps://xn--bcher-kva.example",
            None,
            "xn--bcher-kva.example",
            993,
            Tls::Implicit,
        );
    }

    #[test]
    fn a_bare_host_is_what_the_account_is() {
        let endpoint = Endpoint::parse_as("h", Scheme::Pops, Plaintext::Refused).unwrap();
        assert_eq!((endpoint.to_string().as_str(), endpoint.port), ("pops://h", 995));
        let endpoint = Endpoint::parse_as("imap://h", Scheme::Pops, Plaintext::Refused).unwrap();
        assert_eq!(endpoint.scheme, Scheme::Imap);
    }

    #[test]
    fn what_is_printed_reads_the_same() {
        for text in ["imap://u@h:1?tls=none", "pops://[::1]:9", "mail.example.org", "imap://h"] {
            let endpoint = Endpoint::parse(text, Plaintext::Allowed).unwrap();
            let again = Endpoint::parse(&endpoint.to_string(), Plaintext::Allowed).unwrap();
            assert_eq!(again, Endpoint { login: None, ..endpoint });
        }
    }

    #[test]
    fn refuses() {
        let host = |host: &str| Err(UrlError::Host { host: host.into() });
        let port = |port: &str| Err(UrlError::Port { port: port.into() });
        let rest = |part: &str| Err(UrlError::Rest { part: part.into() });
        assert_eq!(parsed(""), Err(UrlError::NoHost));
        assert_eq!(parsed("imaps://"), Err(UrlError::NoHost));
        assert_eq!(parsed("imaps://user@"), Err(UrlError::NoHost));
        assert_eq!(parsed("imaps://:993"), Err(UrlError::NoHost));
        assert_eq!(parsed(&"h".repeat(3000)), Err(UrlError::TooLong));
        assert_eq!(parsed("http://h"), Err(UrlError::Scheme { scheme: "http".into() }));
        assert_eq!(parsed("imaps://a b"), host("a b"));
        assert_eq!(parsed("a..b"), host("a..b"));
        assert_eq!(parsed("h\r\nx"), host("h\\r\\nx"));
        assert_eq!(parsed("[::1"), host("[::1"));
        assert_eq!(parsed("[::1]x"), host("[::1]x"));
        assert_eq!(parsed("[1.2.3.4]"), host("[1.2.3.4]"));
        assert_eq!(parsed("h:0"), port("0"));
        assert_eq!(parsed("h:65536"), port("65536"));
        assert_eq!(parsed("h:+1"), port("+1"));
        assert_eq!(parsed("h:1:2"), port("1:2"));
        assert_eq!(parsed("a%4@h"), Err(UrlError::Login));
        assert_eq!(parsed("a%@h"), Err(UrlError::Login));
        assert_eq!(parsed("a%+1@h"), Err(UrlError::Login));
        assert_eq!(parsed("a%ff@h"), Err(UrlError::Login));
        assert_eq!(parsed("anna:hunter2@h"), Err(UrlError::Password));
        assert_eq!(parsed("imaps://h/INBOX"), rest("INBOX"));
        assert_eq!(parsed("imaps://h?tls=off"), rest("?tls=off"));
        assert_eq!(parsed("imaps://h#x"), rest("#x"));
        assert_eq!(parsed("imaps://h?tls=starttls"), rest("?tls=starttls"));
        let contradiction = UrlError::Contradiction { scheme: "imaps", plain: "imap" };
        assert_eq!(parsed("h?tls=none"), Err(contradiction));
    }

    #[test]
    fn plaintext_needs_permission() {
        let refused = Endpoint::parse("imap://h?tls=none", Plaintext::Refused);
        assert_eq!(refused, Err(UrlError::PlaintextRefused));
        assert!(Endpoint::parse("imap://h", Plaintext::Refused).is_ok());
    }

    #[test]
    fn submission_servers_are_the_operators() {
        let read = |text: &str| Endpoint::parse_submission(&Secret::new(text.into()));
        let (endpoint, password) = read("smtps://anna%40h:p%3Aa%40ss@mail.example").unwrap();
        assert_eq!(endpoint.to_string(), "smtps://mail.example");
        assert_eq!((endpoint.port, endpoint.tls), (465, Tls::Implicit));
        assert_eq!(endpoint.login.as_deref(), Some("anna@h"));
        assert_eq!(password, Some(Secret::new("p:a@ss".into())));
        let (endpoint, password) = read("smtp://mail.example").unwrap();
        assert_eq!((endpoint.port, endpoint.tls, password), (587, Tls::StartTls, None));
        let (endpoint, _) = read("smtp://[::1]:25?tls=none").unwrap();
        assert_eq!((endpoint.port, endpoint.tls), (25, Tls::None));
        for text in ["imaps://h", "mail.example", "http://h", ""] {
            assert_eq!(read(text), Err(UrlError::NotSubmission), "{text}");
        }
        assert!(read("smtps://h?tls=none").is_err() && read("smtp://").is_err());
        let error = read("smtp://anna:hunter2@h/hunter2?x").unwrap_err();
        assert!(matches!(error, UrlError::Rest { .. }));
        let scheme = "smtp".into();
        assert_eq!(parsed("smtp://h"), Err(UrlError::Scheme { scheme }), "no user may name one");
    }

    #[test]
    fn no_sentence_repeats_a_password() {
        let error = parsed("imaps://anna:hunter2@h").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
