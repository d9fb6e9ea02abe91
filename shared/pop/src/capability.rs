//! What a server announces with CAPA (RFC 2449 section 5).

/// Most capabilities kept: servers announce some fifteen.
pub(crate) const LINES_MAX: usize = 100;

/// What a server announced; empty where it does not know CAPA.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    lines: Vec<String>,
}

impl Capabilities {
    pub(crate) fn add(&mut self, line: &[u8]) {
        if self.lines.len() < LINES_MAX {
            self.lines.push(String::from_utf8_lossy(line).trim().to_owned());
        }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines as they were announced.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// The words after a capability's name; `None` where it is not announced.
    fn words<'a>(&'a self, name: &str) -> Option<impl Iterator<Item = &'a str> + use<'a>> {
        self.lines.iter().find_map(|line| {
            let mut words = line.split_ascii_whitespace();
            words.next().filter(|own| own.eq_ignore_ascii_case(name)).map(|_| words)
        })
    }

    /// Whether a capability is announced.
    pub fn has(&self, name: &str) -> bool {
        self.words(name).is_some()
    }

    /// Whether a SASL mechanism is announced (RFC 5034 section 3).
    pub fn auth(&self, mechanism: &str) -> bool {
        self.mechanisms().any(|own| own.eq_ignore_ascii_case(mechanism))
    }

    /// The SASL mechanisms announced.
    pub fn mechanisms(&self) -> impl Iterator<Item = &str> {
        self.words("SASL").into_iter().flatten()
    }

    /// Several commands may be sent before the first is answered (RFC 2449 section 6.6).
    pub fn pipelining(&self) -> bool {
        self.has("PIPELINING")
    }

    /// TOP, which reads a header alone.
    pub fn top(&self) -> bool {
        self.has("TOP")
    }

    /// STLS (RFC 2595 section 4).
    pub fn start_tls(&self) -> bool {
        self.has("STLS")
    }

    /// USER and PASS are accepted; assumed where the server does not know CAPA.
    pub fn user(&self) -> bool {
        self.is_empty() || self.has("USER")
    }

    /// Seconds that must pass between two logins (RFC 2449 section 6.5).
    pub fn login_delay_s(&self) -> Option<u64> {
        self.words("LOGIN-DELAY")?.next()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_announcements() {
        // RFC 2449 section 5.
        let mut found = Capabilities::default();
        for line in [
            "TOP",
            "USER",
            "SASL CRAM-MD5 KERBEROS_V4",
            "RESP-CODES",
            "LOGIN-DELAY 900",
            "PIPELINING",
            "EXPIRE 60",
            "UIDL",
            "IMPLEMENTATION Shlemazle-Plotz-v302",
        ] {
            found.add(line.as_bytes());
        }
        assert!(found.top() && found.user() && found.pipelining() && found.has("uidl"));
        assert!(found.auth("cram-md5") && !found.auth("PLAIN") && !found.start_tls());
        assert_eq!(found.login_delay_s(), Some(900));
        assert_eq!(found.mechanisms().collect::<Vec<_>>(), ["CRAM-MD5", "KERBEROS_V4"]);
        assert!(Capabilities::default().user() && !Capabilities::default().top());
        (0..500).for_each(|_| found.add(b"X"));
        assert_eq!(found.lines().count(), LINES_MAX);
    }
}
