//! Who asks: the network a request came from, and how its address was reached.
//!
//! The runtime, as Spin does, tells the peer of a connection in `spin-client-addr` and drops what a
//! client sends under that name. Behind a proxy the peer is the proxy, and what the proxy says of the
//! client is believed only of proxies that the operator names (`trusted_proxies`).

use std::net::IpAddr;

use dial::Networks;
use http::HeaderMap;

/// The header field with the peer's address, with or without its port.
const PEER: &str = "spin-client-addr";
/// The most proxies in a row that are looked through.
const HOPS_MAX: usize = 20;
/// Bits of an IPv6 address that a provider gives to one customer (RFC 6177): in between /64 and /48.
const CUSTOMER_BITS: u32 = 56;
/// What stands for a client whose address nobody tells.
const UNKNOWN: &str = "unknown";

/// The address of the peer, where the host tells it.
pub fn peer(headers: &HeaderMap) -> Option<IpAddr> {
    address(headers.get(PEER)?.to_str().ok()?)
}

/// An address as header fields have it: bare, with a port, in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = |text: &str| text.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let found: Option<IpAddr> = text.parse::<std::net::SocketAddr>().ok().map(|it| it.ip());
    found.or_else(|| bare(text)).map(|found| found.to_canonical())
}

/// The network of whoever asks, as limits know it: an IPv4 address, or what one customer has of
/// IPv6.
pub fn network(headers: &HeaderMap, proxies: &Networks) -> String {
    match client(headers, proxies) {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - CUSTOMER_BITS).unwrap_or(0);
            format!("{}/{CUSTOMER_BITS}", std::net::Ipv6Addr::from(u128::from(address) & mask))
        }
        None => UNKNOWN.to_owned(),
    }
}

/// The client's address: the last one of `X-Forwarded-For` that is no trusted proxy's, since each
/// proxy adds the address that it saw itself at the end.
fn client(headers: &HeaderMap, proxies: &Networks) -> Option<IpAddr> {
    let peer = peer(headers)?;
    if !proxies.lists(peer) {
        return Some(peer);
    }
    let said: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let mut last = peer;
    for one in said.into_iter().rev().take(HOPS_MAX) {
        // What is no address was not written by a proxy.
        let Some(address) = address(one) else { break };
        last = address;
        if !proxies.lists(address) {
            break;
        }
    }
    Some(last)
}

/// Whether a proxy says that its client came by TLS. A proxy on this very machine is believed
/// without being named: all that follows is that a cookie is kept to TLS.
pub fn over_tls(headers: &HeaderMap, proxies: &Networks) -> bool {
    let trusted = peer(headers).is_some_and(|peer| peer.is_loopback() || proxies.lists(peer));
    let said = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    trusted && said.is_some_and(|said| said.trim().eq_ignore_ascii_case("https"))
}

/// Whether a request may be for this installation: under the name of `public_url`, or under an
/// address or a name that no name server can lead elsewhere. A page of another site, whose name was
/// made to lead here (DNS rebinding), is neither.
pub fn is_for_us(authority: &str, public_url: &str, headers: &HeaderMap) -> bool {
    let host = name(authority);
    let local = host == "localhost" || host.ends_with(".localhost") || host.ends_with(".internal");
    if host.is_empty() || local || host.parse::<IpAddr>().is_ok() {
        return true;
    }
    if public_url.is_empty() {
        // Who is not on this machine was let in by the operator under whatever name.
        return !peer(headers).is_some_and(|peer| peer.is_loopback());
    }
    host == name(public_url.split_once("://").map_or(public_url, |(_, rest)| rest))
}

/// The host of an authority or what follows a scheme, in lower case.
fn name(authority: &str) -> String {
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    fn seen(peer: &str, forwarded: &[&str], proxies: &str) -> String {
        let mut pairs = vec![("spin-client-addr", peer)];
        pairs.extend(forwarded.iter().map(|it| ("x-forwarded-for", *it)));
        network(&headers(&pairs), &Networks::parse(proxies).unwrap())
    }

    #[test]
    fn proxies_are_believed_only_where_they_are_named() {
        assert_eq!(seen("192.0.2.1:40000", &[], ""), "192.0.2.1");
        assert_eq!(seen("127.0.0.1:40000", &["198.51.100.1"], ""), "127.0.0.1");
        assert_eq!(seen("192.0.2.1:4", &["198.51.100.1"], "127.0.0.1"), "192.0.2.1");
        assert_eq!(seen("127.0.0.1:4", &["198.51.100.1"], "127.0.0.1"), "198.51.100.1");
        // What the client made up stands in front of what the proxy saw.
        assert_eq!(seen("127.0.0.1:4", &["9.9.9.9, 198.51.100.1"], "127.0.0.1"), "198.51.100.1");
        let two = "127.0.0.1,10.0.0.0/8";
        assert_eq!(
            seen("127.0.0.1:4", &["9.9.9.9", "198.51.100.1, 10.0.0.3"], two),
            "198.51.100.1"
        );
        assert_eq!(seen("127.0.0.1:4", &["x, 10.0.0.3"], two), "10.0.0.3");
        assert_eq!(seen("127.0.0.1:4", &[], two), "127.0.0.1");
        assert_eq!(network(&HeaderMap::new(), &Networks::default()), "unknown");
    }

    #[test]
    fn a_customer_is_one_network() {
        assert_eq!(seen("[2001:db8:1:2ff::1]:80", &[], ""), "2001:db8:1:200::/56");
        assert_eq!(seen("2001:db8:1:2aa:1::9", &[], ""), "2001:db8:1:200::/56");
        assert_eq!(seen("[::ffff:192.0.2.1]:80", &[], ""), "192.0.2.1");
    }

    #[test]
    fn tls_in_front() {
        let at = |peer: &'static str, proto: &'static str, proxies: &str| {
            let pairs = headers(&[("spin-client-addr", peer), ("x-forwarded-proto", proto)]);
            over_tls(&pairs, &Networks::parse(proxies).unwrap())
        };
        assert!(at("127.0.0.1:4", "https", ""));
        assert!(!at("127.0.0.1:4", "http", ""));
        assert!(!at("192.0.2.1:4", "https", ""));
        assert!(at("192.0.2.1:4", "HTTPS", "192.0.2.0/24"));
    }

    #[test]
    fn names_that_lead_here_by_themselves() {
        let here = |host: &str, public: &str, peer: &str| {
            is_for_us(host, public, &headers(&[("spin-client-addr", peer)]))
        };
        let (near, far) = ("127.0.0.1:4", "192.0.2.1:4");
        for host in ["127.0.0.1:3000", "[::1]:3000", "localhost:3000", "192.0.2.9"] {
            assert!(here(host, "", near) && here(host, "https://move.example", far), "{host}");
        }
        assert!(!here("evil.example:3000", "", near), "a name that was made to lead here");
        assert!(here("evil.example", "", far), "the operator listens to others, by any name");
        assert!(here("Move.example", "https://move.example", near));
        assert!(here("move.example.:443", "https://move.example:443/", far));
        assert!(!here("evil.example", "https://move.example", far));
    }
}
