//! An e-mail address, as far as its server is concerned.

/// The most bytes of an address, RFC 5321 section 4.5.3.1.3 (a path without its brackets).
const ADDRESS_MAX_BYTES: usize = 254;
/// The most bytes before `@`, RFC 5321 section 4.5.3.1.1.
const LOCAL_MAX_BYTES: usize = 64;

/// An address whose domain could be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    local: String,
    domain: String,
}

impl Address {
    /// Reads an address; `None` where no mail server could belong to it: no domain with a dot, an
    /// IP address instead of one, or blanks inside.
    pub fn parse(text: &str) -> Option<Address> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@')?;
        let clean = |c: char| !c.is_control() && !c.is_whitespace();
        if text.len() > ADDRESS_MAX_BYTES
            || local.is_empty()
            || local.len() > LOCAL_MAX_BYTES
            || !local.chars().all(clean)
        {
            return None;
        }
        let domain = host_name(domain)?;
        // In ASCII a domain may be longer than it was written.
        let fits = local.len() + 1 + domain.len() <= ADDRESS_MAX_BYTES;
        fits.then(|| Address { local: local.to_owned(), domain })
    }

    /// What stands before `@`.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain in ASCII, lower case.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The address within a path or a query (RFC 3986 section 2.3), where `@` is written `%40`.
    pub fn encoded(&self) -> String {
        wire::percent::encode(&self.to_string())
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

/// A name of a host on the internet in ASCII and lower case; `None` for IP addresses, names
/// without a dot and those that never leave a machine.
pub fn host_name(text: &str) -> Option<String> {
    let ascii = idna::domain_to_ascii(text.trim()).ok()?;
    let name = ascii.strip_suffix('.').unwrap_or(&ascii);
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let label = |label: &str| !label.is_empty() && label.len() <= 63 && label.bytes().all(letter);
    // The last label of a name has a letter; without one it would be read as an address.
    let last = name.rsplit('.').next().unwrap_or_default();
    let named = last.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !last.starts_with("0x")
        && last != "localhost";
    let whole = name.len() <= 253 && name.contains('.') && name.split('.').all(label);
    (whole && named).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_what_is_none() {
        let read = |text: &str| Address::parse(text).map(|address| address.to_string());
        assert_eq!(read(" Anna@Example.ORG "), Some("Anna@example.org".into()));
        assert_eq!(read("anna@münchen.example"), Some("anna@xn--mnchen-3ya.example".into()));
        assert_eq!(read("\"a@b\"@example.org."), Some("\"a@b\"@example.org".into()));
        for wrong in [
            "",
            "anna",
            "@example.org",
            "anna@",
            "anna@localhost",
            "anna@x.localhost",
            "anna@127.0.0.1",
            "anna@[127.0.0.1]",
            "anna@::1",
            "anna@2130706433",
            "anna@0x7f.0.0.0x1",
            "an na@example.org",
            "anna@exa mple.org",
            "anna@example..org",
            "anna@example.org/x",
            "anna@example.org:25",
            "anna@a.b\u{0}c",
            "anna\r\n@example.org",
        ] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        assert_eq!(read(&format!("{}@example.org", "a".repeat(65))), None);
        assert_eq!(read(&format!("anna@{}.org", "a".repeat(64))), None);
        assert_eq!(read(&format!("anna@{}org", "a.".repeat(150))), None);
        // 143 octets as it is written, 268 in ASCII; what is read can be read again.
        let domain = "ü.".repeat(25);
        assert_eq!(read(&format!("{}@{domain}org", "a".repeat(64))), None);
        let address = read(&format!("{}@{domain}org", "a".repeat(30))).expect("an address");
        assert_eq!(read(&address), Some(address));
    }
}
