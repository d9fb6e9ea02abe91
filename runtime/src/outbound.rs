//! `allowed_outbound_hosts`: `scheme://host:port`, by the rules of Spin 4.
//!
//! A socket is checked as `tcp://IP:port`, so a host name never matches one; HTTP is checked by the
//! name in the URL. Ports are a number, `*` or `start..end` (the end is excluded); hosts are a
//! name, `*.name`, an address, a CIDR, `*` or `self`.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, bail, ensure};

/// Hosts of this domain are components of the application: `http://<component>.spin.internal`.
pub const INTERNAL_SUFFIX: &str = ".spin.internal";

/// The patterns of one component.
#[derive(Debug, Default)]
pub struct AllowedHosts(Vec<Pattern>);

#[derive(Debug)]
struct Pattern {
    /// `None`: any.
    scheme: Option<String>,
    host: Host,
    ports: Ports,
}

#[derive(Debug, PartialEq, Eq)]
enum Host {
    Any,
    Itself,
    /// With the leading dot.
    Below(String),
    Name(String),
    Network {
        address: IpAddr,
        prefix_bits: u8,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Ports {
    Any,
    One(u16),
    Range { start: u16, end: u16 },
}

impl AllowedHosts {
    /// Reads patterns whose templates are already replaced; `components` are those that
    /// `*.spin.internal` stands for.
    pub fn parse(patterns: &[String], components: &[String]) -> Result<Self> {
        let mut parsed = Vec::new();
        for text in patterns {
            // What an empty variable leaves over.
            if matches!(text.as_str(), "" | "http://" | "https://") {
                continue;
            }
            let pattern = Pattern::parse(text.trim())
                .with_context(|| format!("spin.toml: allowed_outbound_hosts {text:?}"))?;
            if matches!(&pattern.host, Host::Below(suffix) if suffix == INTERNAL_SUFFIX) {
                parsed.extend(components.iter().map(|component| Pattern {
                    scheme: pattern.scheme.clone(),
                    host: Host::Name(format!("{component}{INTERNAL_SUFFIX}")),
                    ports: pattern.ports.clone(),
                }));
            } else {
                parsed.push(pattern);
            }
        }
        Ok(AllowedHosts(parsed))
    }

    /// Whether a TCP connection to this address is allowed.
    pub fn allows_tcp(&self, address: SocketAddr) -> bool {
        self.allows_address("tcp", address)
    }

    /// Whether datagrams to this address are allowed.
    pub fn allows_udp(&self, address: SocketAddr) -> bool {
        self.allows_address("udp", address)
    }

    fn allows_address(&self, scheme: &str, address: SocketAddr) -> bool {
        self.0.iter().any(|pattern| {
            pattern.scheme_matches(scheme)
                && pattern.host.matches_address(address.ip())
                && pattern.ports.contains(address.port())
        })
    }

    /// Whether an HTTP request to this host is allowed.
    pub fn allows_http(&self, scheme: &str, host: &str, port: Option<u16>) -> bool {
        let Some(port) = port.or_else(|| well_known_port(scheme)) else { return false };
        self.0.iter().any(|pattern| {
            pattern.scheme_matches(scheme)
                && pattern.host.matches(host)
                && pattern.ports.contains(port)
        })
    }

    /// Whether requests to the application itself (`http://self.alt/path`) are allowed.
    pub fn allows_self(&self) -> bool {
        self.0.iter().any(|pattern| {
            pattern.scheme_matches("http") && matches!(pattern.host, Host::Any | Host::Itself)
        })
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self> {
        let (scheme, rest) = text
            .split_once("://")
            .context("it has no scheme; the form is <scheme>://<host>[:<port>]")?;
        ensure!(
            scheme == "*" || scheme.chars().all(char::is_alphabetic),
            "a scheme is * or made of letters"
        );
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, _)) if Host::parse(rest).is_ok() && host.contains(':') => (rest, ""),
            Some((host, port)) => (host, port.strip_suffix('/').unwrap_or(port)),
            None => (rest, ""),
        };
        Ok(Pattern {
            ports: Ports::parse(port, scheme)?,
            scheme: (scheme != "*").then(|| scheme.to_owned()),
            host: Host::parse(host)?,
        })
    }

    fn scheme_matches(&self, scheme: &str) -> bool {
        self.scheme.as_deref().is_none_or(|own| own == scheme)
    }
}

impl Host {
    fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text == "*" {
            return Ok(Host::Any);
        }
        if matches!(text, "self" | "self.alt") {
            return Ok(Host::Itself);
        }
        if let Some(network) = Host::network(text) {
            return Ok(network);
        }
        let text = text.strip_suffix('/').unwrap_or(text);
        ensure!(!text.contains('/'), "a path is not allowed");
        ensure!(!text.is_empty(), "the host is missing");
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        ensure!(!name.contains('*'), "a * stands for the whole host or for its subdomains");
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        ensure!(!name.is_empty() && name.chars().all(plain), "{name:?} is not a host name");
        let name = name.to_lowercase();
        Ok(if below { Host::Below(format!(".{name}")) } else { Host::Name(name) })
    }

    fn network(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) if !prefix.is_empty() => (address, Some(prefix)),
            _ => (text.strip_suffix('/').unwrap_or(text), None),
        };
        let address =
            address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
        let address: IpAddr = address.parse().ok()?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            Some(prefix) => prefix.parse().ok().filter(|bits| *bits <= whole)?,
            None => whole,
        };
        Some(Host::Network { address, prefix_bits })
    }

    /// `host` as in a URL: a name, an IPv4 address, or an IPv6 address in brackets.
    fn matches(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse() {
            return self.matches_address(address);
        }
        let host = host.to_lowercase();
        match self {
            Host::Any => true,
            Host::Below(suffix) => host.ends_with(suffix.as_str()),
            Host::Name(name) => host == *name,
            Host::Network { .. } | Host::Itself => false,
        }
    }

    fn matches_address(&self, asked: IpAddr) -> bool {
        match self {
            Host::Any => true,
            Host::Network { address, prefix_bits } => same_network(*address, asked, *prefix_bits),
            Host::Below(_) | Host::Name(_) | Host::Itself => false,
        }
    }
}

/// Whether both addresses begin with the same `bits`; never across address families.
fn same_network(one: IpAddr, other: IpAddr, bits: u8) -> bool {
    let (difference, width) = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u128::from(one.to_bits() ^ other.to_bits()), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits(), 128),
        _ => return false,
    };
    difference.checked_shr(width - u32::from(bits)).unwrap_or(0) == 0
}

impl Ports {
    fn parse(text: &str, scheme: &str) -> Result<Self> {
        let number =
            |text: &str| text.parse().with_context(|| format!("port {text:?} is not a number"));
        Ok(match (text, text.split_once("..")) {
            ("*", _) => Ports::Any,
            ("", _) => match well_known_port(scheme) {
                Some(port) => Ports::One(port),
                None => bail!("a port is needed, since {scheme} has none of its own"),
            },
            (_, Some((start, end))) => Ports::Range { start: number(start)?, end: number(end)? },
            (_, None) => Ports::One(number(text)?),
        })
    }

    fn contains(&self, port: u16) -> bool {
        match self {
            Ports::Any => true,
            Ports::One(one) => *one == port,
            Ports::Range { start, end } => (*start..*end).contains(&port),
        }
    }
}

fn well_known_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        "postgres" => Some(5432),
        "mysql" => Some(3306),
        "redis" => Some(6379),
        "mqtt" => Some(1883),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(pattern: &str) -> AllowedHosts {
        AllowedHosts::parse(&[pattern.to_owned()], &["forms".to_owned()]).unwrap()
    }

    /// Observed: Spin 4.1.0-pre0, 2026-11.
    #[test]
    fn sockets_match_addresses_only() {
        let v4: SocketAddr = "127.0.0.1:9997".parse().unwrap();
        let v6: SocketAddr = "[::1]:9997".parse().unwrap();
        for (pattern, four, six) in [
            ("tcp://127.0.0.1:9997", true, false),
            ("*://127.0.0.1:9997", true, false),
            ("tcp://127.0.0.0/8:9997", true, false),
            ("tcp://127.0.0.1:*", true, false),
            ("tcp://*:9997", true, true),
            ("*://*:9997", true, true),
            ("*://*:*", true, true),
            ("tcp://*:9000..9998", true, true),
            ("tcp://*:9000..9997", false, false),
            ("tcp://[::1]:9997", false, true),
            ("tcp://::/0:9997", false, true),
            ("tcp://localhost:9997", false, false),
            ("tcp://*.example.com:9997", false, false),
            ("http://127.0.0.1:9997", false, false),
            ("imaps://127.0.0.1:9997", false, false),
            ("udp://127.0.0.1:9997", false, false),
            ("tcp://128.0.0.0/8:9997", false, false),
        ] {
            assert_eq!(hosts(pattern).allows_tcp(v4), four, "{pattern} v4");
            assert_eq!(hosts(pattern).allows_tcp(v6), six, "{pattern} v6");
        }
        assert!(!AllowedHosts::default().allows_tcp(v4));
        assert!(hosts("udp://*:*").allows_udp(v4) && !hosts("udp://*:*").allows_tcp(v4));
    }

    #[test]
    fn http_matches_names() {
        for (pattern, scheme, host, port, allowed) in [
            ("https://example.com", "https", "example.com", None, true),
            ("https://example.com", "https", "EXAMPLE.com", Some(443), true),
            ("https://example.com", "http", "example.com", None, false),
            ("https://example.com", "https", "example.com", Some(8443), false),
            ("https://example.com/", "https", "example.com", None, true),
            ("https://*.example.com", "https", "a.b.example.com", None, true),
            ("https://*.example.com", "https", "example.com", None, false),
            ("https://*.example.com", "https", "badexample.com", None, false),
            ("http://*:*", "http", "anything", Some(9), true),
            ("http://10.0.0.0/8:*", "http", "10.1.2.3", Some(9), true),
            ("http://[::1]:80", "http", "[::1]", None, true),
            ("*://example.com:80", "http", "example.com", None, true),
            ("http://self", "http", "example.com", None, false),
            ("http://*.spin.internal", "http", "forms.spin.internal", None, true),
            ("http://*.spin.internal", "http", "other.spin.internal", None, false),
        ] {
            assert_eq!(hosts(pattern).allows_http(scheme, host, port), allowed, "{pattern} {host}");
        }
        assert!(hosts("http://self").allows_self() && hosts("http://*:*").allows_self());
        assert!(!hosts("https://self").allows_self() && !hosts("http://a").allows_self());
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        for pattern in
            ["*", "example.com", "*://*", "tcp://a", "http://a/b", "http://a*b", "tcp://a:x"]
        {
            assert!(AllowedHosts::parse(&[pattern.to_owned()], &[]).is_err(), "{pattern}");
        }
        assert!(!hosts("http://").allows_http("http", "a", None));
    }
}
