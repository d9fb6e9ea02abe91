//! Addresses of the web, RFC 9110 section 4.2: `https` and `http`, and nothing secret in them.

use std::fmt;

use http::Uri;

use crate::Error;

/// Longest address; servers themselves stop at about this (RFC 9110 section 4.1 asks for 8000).
const URL_MAX_BYTES: usize = 8192;

/// With TLS or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// TLS from the first byte.
    Https,
}

impl Scheme {
    /// The port where an address names none.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// Who is spoken with: whatever has the same origin may share lines and log-ins (RFC 6454).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// With TLS or without.
    pub scheme: Scheme,
    /// Host name in lower case without the dot at its end, or an IP address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// An address with an origin: no login in it, no fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    uri: Uri,
    origin: Origin,
}

impl Url {
    /// Reads an address; a fragment is dropped, since no server is told it.
    pub fn parse(text: &str) -> Result<Url, Error> {
        let bad = |what: &str| Error::Request(what.to_owned());
        if text.len() > URL_MAX_BYTES {
            return Err(bad("the address is too long"));
        }
        let uri: Uri = text.parse().map_err(|_| bad("the address cannot be read"))?;
        let scheme = match uri.scheme_str() {
            Some("https") => Scheme::Https,
            Some("http") => Scheme::Http,
            _ => return Err(bad("the address is neither https:// nor http://")),
        };
        let authority = uri.authority().ok_or_else(|| bad("the address names no server"))?;
        if authority.as_str().contains('@') {
            return Err(bad("a login does not belong in the address"));
        }
        // The library's own `port` takes one that is too large for none.
        let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        let port = match port.strip_prefix(':') {
            None => Some(scheme.default_port()),
            Some(digits) => digits.parse().ok(),
        };
        let port = port.filter(|port| *port > 0).ok_or_else(|| bad("the port is no port"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if host.is_empty() {
            return Err(bad("the address names no server"));
        }
        Ok(Url { origin: Origin { scheme, host, port }, uri })
    }

    /// Who is spoken with.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The host, as [`Origin::host`].
    pub fn host(&self) -> &str {
        &self.origin.host
    }

    /// Path and query, as the first line of a request has them.
    pub fn target(&self) -> String {
        let target = self.uri.path_and_query().map_or("/", |it| it.as_str());
        if target.starts_with('/') { target.to_owned() } else { format!("/{target}") }
    }

    /// The address that `reference` means beside this one (RFC 3986 section 5), as in `Location`
    /// and in `href`.
    pub fn join(&self, reference: &str) -> Result<Url, Error> {
        let bad = || Error::Request("the address cannot be read".to_owned());
        if reference.len() > URL_MAX_BYTES {
            return Err(bad());
        }
        let base = url::Url::parse(&self.to_string()).map_err(|_| bad())?;
        let mut joined = base.join(reference).map_err(|_| bad())?;
        joined.set_fragment(None);
        Url::parse(joined.as_str())
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.uri)
    }
}

/// Without the query, where servers have tokens.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { scheme, host, port } = &self.origin;
        write!(f, "{scheme:?} {host}:{port}{}", self.uri.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_and_targets() {
        let read = |text: &str| {
            let url = Url::parse(text).ok()?;
            let Origin { scheme, host, port } = url.origin().clone();
            Some((scheme, host, port, url.target()))
        };
        let found = |scheme, host: &str, port, target: &str| {
            Some((scheme, host.to_owned(), port, target.to_owned()))
        };
        assert_eq!(
            read("https://A.Example/x?y=z#f"),
            found(Scheme::Https, "a.example", 443, "/x?y=z")
        );
        assert_eq!(read("HTTPS://a.example"), found(Scheme::Https, "a.example", 443, "/"));
        assert_eq!(read("http://a.example.:8080?q"), found(Scheme::Http, "a.example", 8080, "/?q"));
        assert_eq!(read("http://[::1]/"), found(Scheme::Http, "::1", 80, "/"));
        for wrong in [
            "",
            "/x",
            "a.example",
            "ftp://a.example/",
            "https:///x",
            "https://anna@a.example/",
            "https://anna:pw@a.example/",
            "https://a.example:/",
            "https://a.example:0/",
            "https://a.example:70000/",
            "https://a.example/ x",
            "https://./",
            &format!("https://a.example/{}", "x".repeat(URL_MAX_BYTES)),
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    /// The examples of RFC 3986 section 5.4.1 that have an origin, and those that servers send.
    #[test]
    fn references() {
        let base = Url::parse("http://a/b/c/d;p?q").unwrap();
        for (reference, whole) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("", "http://a/b/c/d;p?q"),
            ("..", "http://a/b/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("https://g:444/h#i", "https://g:444/h"),
            ("/with space/ü", "http://a/with%20space/%C3%BC"),
        ] {
            assert_eq!(base.join(reference).unwrap().to_string(), whole, "{reference}");
        }
        for wrong in ["ftp://g/", "mailto:a@b", "http://", "https://u:p@g/", "http://a:x/"] {
            assert!(base.join(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn queries_are_not_shown() {
        let url = Url::parse("https://a.example/x?token=hunter2").unwrap();
        assert_eq!(format!("{url:?}"), "Https a.example:443/x");
    }
}
