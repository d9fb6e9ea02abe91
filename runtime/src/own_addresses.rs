//! The addresses of this machine: no migration may lead back into it.
//!
//! A service that listens on all addresses behind a firewall is reachable from inside by the public
//! one. Components refuse these addresses unless `allowed_networks` lists them; they learn them from
//! the environment, since only a host knows its interfaces.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::timeout;

use crate::app::App;

/// The environment variable with the addresses, commas between them.
pub const ENVIRONMENT: &str = "TRASLOCO_OWN_ADDRESSES";

/// How often addresses are looked at anew: IPv6 changes them by itself (RFC 8981).
const EVERY: Duration = Duration::from_secs(60);

/// How long `public_url` is looked up; as long as that the first request may have to wait.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// Addresses that are told; more than that has no machine that runs this.
const MAX_ADDRESSES: usize = 1000;

/// Public addresses that tell which of ours leads to them; nothing is sent there.
const FAR: [&str; 2] = ["192.88.99.1:9", "[2001:db8::1]:9"];

/// The addresses as text; empty until they are looked at.
#[derive(Default)]
pub struct OwnAddresses(RwLock<String>);

impl OwnAddresses {
    /// As the environment variable has them.
    pub fn text(&self) -> String {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, addresses: &BTreeSet<IpAddr>) {
        let all = addresses.iter().take(MAX_ADDRESSES).map(ToString::to_string);
        let text = all.collect::<Vec<_>>().join(",");
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

/// Looks at the interfaces and at what `public_url` resolves to, and returns the latter; these stay
/// the `known` ones when the name cannot be looked up now. Requests are answered only after the
/// first look: without it the first of them could lead back into this machine.
pub async fn look(own: &OwnAddresses, public_url: &str, known: Vec<IpAddr>) -> Vec<IpAddr> {
    let of_url = of_url(public_url).await.unwrap_or(known);
    let mut addresses = of_interfaces();
    addresses.extend(&of_url);
    own.set(&addresses);
    of_url
}

/// Looks again and again; `known` is what the first look returned.
pub async fn watch(app: Arc<App>, mut known: Vec<IpAddr>) {
    loop {
        tokio::time::sleep(EVERY).await;
        known = look(&app.own_addresses, &app.public_url, known).await;
    }
}

fn of_interfaces() -> BTreeSet<IpAddr> {
    let mut addresses = BTreeSet::new();
    // Where there is no such file, the addresses of the way out have to do.
    if let Ok(text) = std::fs::read_to_string("/proc/net/fib_trie") {
        addresses.extend(local_v4(&text).map(IpAddr::V4));
    }
    if let Ok(text) = std::fs::read_to_string("/proc/net/if_inet6") {
        addresses.extend(local_v6(&text).map(IpAddr::V6));
    }
    for far in FAR {
        addresses.extend(way_out(far));
    }
    addresses
}

/// The local addresses in the kernel's table of routes: `32 host LOCAL` stands below each.
fn local_v4(text: &str) -> impl Iterator<Item = Ipv4Addr> {
    let lines = text.lines().map(str::trim);
    lines.clone().zip(lines.skip(1)).filter_map(|(address, kind)| {
        let address = address.strip_prefix("|-- ")?.parse().ok()?;
        kind.starts_with("/32 host LOCAL").then_some(address)
    })
}

/// The addresses of all interfaces, 32 hexadecimal digits at the beginning of each line.
fn local_v6(text: &str) -> impl Iterator<Item = Ipv6Addr> {
    text.lines().filter_map(|line| {
        let digits = line.split_whitespace().next().filter(|digits| digits.len() == 32)?;
        Some(Ipv6Addr::from_bits(u128::from_str_radix(digits, 16).ok()?))
    })
}

/// The own address from which packets to `far` would go. A datagram socket that connects sends nothing.
fn way_out(far: &str) -> Option<IpAddr> {
    let far: SocketAddr = far.parse().ok()?;
    let any: IpAddr =
        if far.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(far).ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_unspecified()).then_some(own)
}

/// What the host of this URL resolves to; nothing when the name cannot be looked up.
async fn of_url(url: &str) -> Option<Vec<IpAddr>> {
    let Some(host) = url.parse::<http::Uri>().ok().and_then(|uri| Some(uri.host()?.to_owned()))
    else {
        return Some(Vec::new());
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let reason = match timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((host, 443))).await {
        Ok(Ok(found)) => return Some(found.map(|address| address.ip().to_canonical()).collect()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} seconds", LOOKUP_TIMEOUT.as_secs()),
    };
    log::warn!("public_url: {host} cannot be looked up: {reason}");
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIE: &str = "Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
     |-- 198.51.100.7
        /32 host LOCAL
     |-- 198.51.100.255
        /32 link BROADCAST
";

    #[test]
    fn reads_what_the_kernel_tells() {
        let found: Vec<String> = local_v4(TRIE).map(|address| address.to_string()).collect();
        assert_eq!(found, ["127.0.0.1", "198.51.100.7"]);
        let lines = "00000000000000000000000000000001 01 80 10 80       lo\n\
                     2a000db8000000000000000000000007 02 40 00 00     eth0\n\nx\n";
        let found: Vec<String> = local_v6(lines).map(|address| address.to_string()).collect();
        assert_eq!(found, ["::1", "2a00:db8::7"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_addresses() {
        assert!(of_interfaces().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }

    #[tokio::test]
    async fn an_address_in_public_url_is_its_own() {
        let found = of_url("https://[2a00:db8::7]:8443/mail").await;
        let own: IpAddr = "2a00:db8::7".parse().unwrap();
        assert_eq!(found, Some(vec![own]));
        assert_eq!(of_url("").await, Some(Vec::new()));
    }

    #[tokio::test]
    async fn known_after_the_first_look_and_kept_while_no_name_is_found() {
        let own = OwnAddresses::default();
        let known = look(&own, "https://192.31.196.1", Vec::new()).await;
        let told = |own: &OwnAddresses| own.text().split(',').any(|one| one == "192.31.196.1");
        assert!(told(&own), "{}", own.text());
        // RFC 2606 section 2: nothing ever resolves below `invalid`.
        let known = look(&own, "https://move.invalid", known).await;
        assert!(told(&own), "{}", own.text());
        assert_eq!(known, ["192.31.196.1".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn told_as_text() {
        let own = OwnAddresses::default();
        own.set(&["198.51.100.7".parse().unwrap(), "2a00::7".parse().unwrap()].into());
        assert_eq!(own.text(), "198.51.100.7,2a00::7");
    }
}
