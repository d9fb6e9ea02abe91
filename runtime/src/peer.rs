//! Whose request it is: the client's address, also behind a proxy, and what counts as one client.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};
use http::HeaderMap;

/// Where a proxy says for whom it asks.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Addresses in one forwarding header that are looked at, from its end; no chain of proxies is longer.
const MAX_FORWARDED: usize = 16;

/// What is counted as one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Peer {
    /// This application itself: the driver, and components that ask each other.
    Inner,
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// The first 64 bits of an IPv6 address: a household or a server has at least that much to
    /// choose from (RFC 6177).
    V6(u64),
}

impl Peer {
    /// The client of an address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Peer::V4(address),
            IpAddr::V6(address) => Peer::V6((address.to_bits() >> 64) as u64),
        }
    }
}

/// Which proxies say for whom they ask, as the variables have it.
#[derive(Debug, Default)]
pub struct Proxies {
    /// Their addresses (`trusted_proxies`).
    networks: Vec<(IpAddr, u8)>,
    /// Said once where a proxy seems to be there that nobody has told of.
    hinted: AtomicBool,
}

impl Proxies {
    /// Reads `trusted_proxies`: addresses and CIDRs with commas or spaces between them; empty:
    /// nobody is believed.
    pub fn parse(networks: &str) -> Result<Self> {
        let entries =
            networks.split([',', ' ', '\n', '\t', '\r']).filter(|entry| !entry.is_empty());
        let network = |entry: &str| match network(entry) {
            Some(network) => Ok(network),
            None => bail!("trusted_proxies: {entry:?} is not a network such as 10.0.0.0/8"),
        };
        let networks = entries.map(network).collect::<Result<_>>()?;
        Ok(Proxies { networks, hinted: AtomicBool::new(false) })
    }

    /// Whether whoever connects from here is a proxy whose word is taken.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.lists(address)
    }

    /// The client's address: where a trusted proxy connected, the last address in its header that
    /// is no trusted proxy's. What stands before that one is the client's own word.
    pub fn client(&self, connected: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        if !self.lists(connected.ip()) {
            let told = headers.contains_key(FORWARDED_FOR) && self.networks.is_empty();
            if told && !self.hinted.swap(true, Ordering::Relaxed) {
                let proxy = connected.ip();
                log::warn!(
                    "requests come through a proxy at {proxy}: unless trusted_proxies lists it, \
                     all clients behind it count as one"
                );
            }
            return connected;
        }
        let values = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
        let named: Vec<&str> = values.flat_map(|value| value.split(',')).collect();
        let mut client = connected;
        for text in named.into_iter().rev().take(MAX_FORWARDED) {
            let Some(address) = forwarded(text) else { break };
            client = address;
            if !self.lists(address.ip()) {
                break;
            }
        }
        client
    }

    fn lists(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| contains(*network, address.to_canonical()))
    }
}

/// An element of `X-Forwarded-For`: an address, some proxies write the port behind it.
fn forwarded(text: &str) -> Option<SocketAddr> {
    let text = text.trim();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = text.parse::<SocketAddr>().ok();
    let address = address.or_else(|| Some(SocketAddr::new(bare.parse().ok()?, 0)))?;
    Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

fn network(entry: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = match entry.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
        None => (entry, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.unwrap_or(width);
    (prefix <= width).then_some((address, prefix))
}

fn contains((network, prefix): (IpAddr, u8), address: IpAddr) -> bool {
    let prefix = u32::from(prefix);
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let differ = network.to_bits() ^ address.to_bits();
            differ.checked_shr(32 - prefix).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let differ = network.to_bits() ^ address.to_bits();
            differ.checked_shr(128 - prefix).unwrap_or(0) == 0
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_an_address_or_a_network_of_64_bits() {
        let peer = |text: &str| Peer::of(text.parse().unwrap());
        assert_eq!(peer("192.0.2.1"), peer("::ffff:192.0.2.1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
        assert_eq!(peer("2001:db8:0:1::1"), peer("2001:db8:0:1:ffff::2"));
        assert_ne!(peer("2001:db8:0:1::1"), peer("2001:db8:0:2::1"));
    }

    fn client(proxies: &Proxies, connected: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let connected = SocketAddr::new(connected.parse().unwrap(), 9);
        proxies.client(connected, &headers).ip().to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_its_own_word() {
        let proxies = Proxies::parse("127.0.0.0/8 ::1, 10.0.0.0/8").unwrap();
        for (connected, lines, expected) in [
            ("127.0.0.1", &["198.51.100.7"][..], "198.51.100.7"),
            ("127.0.0.1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            ("127.0.0.1", &["1.1.1.1", "198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("127.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("::1", &["[2001:db8::1]:80"], "2001:db8::1"),
            ("::1", &["192.0.2.60, [2001:db8::1]"], "2001:db8::1"),
            ("127.0.0.1", &["198.51.100.7, unknown"], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.7, unknown, 10.0.0.2"], "10.0.0.2"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("203.0.113.9", &["198.51.100.7"], "203.0.113.9"),
        ] {
            assert_eq!(client(&proxies, connected, lines), expected, "{connected} {lines:?}");
        }
        let nobody = Proxies::parse("").unwrap();
        assert_eq!(client(&nobody, "127.0.0.1", &["198.51.100.7"]), "127.0.0.1");
        assert!(!nobody.trusts("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn refuses_what_is_no_network() {
        for entry in ["10.0.0.0/33", "x", "::/129", "10.0.0.0/"] {
            assert!(Proxies::parse(entry).is_err(), "{entry}");
        }
        let all = Proxies::parse("0.0.0.0/0 ::/0").unwrap();
        assert!(all.trusts("9.9.9.9".parse().unwrap()) && all.trusts("2a00::1".parse().unwrap()));
    }
}
