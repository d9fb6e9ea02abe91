//! Which addresses a migration may reach.
//!
//! A user names the server, so without this rule a form on the internet would be a door into the
//! operator's own network. Public addresses are permitted; every other one only where
//! `allowed_networks` lists it. The tables follow IANA's special-purpose address registries
//! (RFC 6890) and are stricter: what is public there only for anycast or experiments is refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Most entries of `allowed_networks` that are read; more is a mistake in the setting.
const NETWORKS_MAX: usize = 1000;

/// A network as address and prefix length, RFC 4632.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cidr {
    V4 { bits: u32, prefix: u32 },
    V6 { bits: u128, prefix: u32 },
}

/// The private networks that may be reached, besides all public addresses but the own ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks {
    listed: Vec<Cidr>,
    ports: Ports,
    own: Vec<Cidr>,
}

/// At which ports public addresses may be reached; those that are listed, at any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Ports {
    #[default]
    All,
    These(Vec<u16>),
}

/// The ports of IMAP (143, 993, and 585 of old), POP3 (110, 995), and of the web pages that tell where
/// mail servers are, and webhooks (443, 80). Those that take mail (25, 465, 587) are none of them.
const MAIL_PORTS: [u16; 7] = [143, 993, 585, 110, 995, 443, 80];

/// An entry of `allowed_networks` or `own_addresses` that is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {entry} is not a network such as 192.168.0.0/16 or fd00::/8")]
pub struct NotANetwork {
    /// The variable.
    pub variable: &'static str,
    /// The entry.
    pub entry: String,
}

/// An entry of `allowed_ports` that is not a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("allowed_ports: {entry} is not a port number such as 1143, nor *")]
pub struct NotAPort {
    /// The entry.
    pub entry: String,
}

impl Networks {
    /// Reads `allowed_networks`: addresses and CIDRs, separated by commas or spaces; empty means
    /// public addresses only.
    pub fn parse(text: &str) -> Result<Networks, NotANetwork> {
        let (listed, own) = (cidrs("allowed_networks", text)?, Vec::new());
        Ok(Networks { listed, own, ports: Ports::All })
    }

    /// The same, with public addresses reached at the ports of mail only, and at those of
    /// `allowed_ports`: numbers, separated by commas or spaces; `*` means all.
    pub fn with_ports(self, allowed_ports: &str) -> Result<Networks, NotAPort> {
        let entries = allowed_ports.split([',', ' ', '\n', '\t', '\r']);
        let mut ports = MAIL_PORTS.to_vec();
        for entry in entries.filter(|entry| !entry.is_empty()).take(NETWORKS_MAX) {
            if entry == "*" {
                return Ok(Networks { ports: Ports::All, ..self });
            }
            let wrong = || NotAPort { entry: entry.chars().take(60).collect() };
            ports.push(entry.parse().map_err(|_| wrong())?);
        }
        Ok(Networks { ports: Ports::These(ports), ..self })
    }

    /// Whether this address, which is permitted, may be connected to at this port.
    pub fn permits_port(&self, address: IpAddr, port: u16) -> bool {
        match &self.ports {
            Ports::All => true,
            Ports::These(ports) => ports.contains(&port) || self.lists(canonical(address)),
        }
    }

    /// Without the installation's own addresses, written in the same way: whatever listens there
    /// behind a firewall would be reachable from inside. What `allowed_networks` lists is permitted
    /// all the same.
    pub fn without(self, own: &str) -> Result<Networks, NotANetwork> {
        Ok(Networks { own: cidrs("own_addresses", own)?, ..self })
    }

    /// Every address: for a server that the operator named.
    pub fn everything() -> Networks {
        let (bits, prefix) = (0, 0);
        let listed = vec![Cidr::V4 { bits, prefix }, Cidr::V6 { bits: 0, prefix }];
        Networks { listed, own: Vec::new(), ports: Ports::All }
    }

    /// Whether this address may be connected to. Addresses that carry an IPv4 address inside
    /// (6to4, NAT64 and the like) are judged by that one too, since it is where packets end up.
    pub fn permits(&self, address: IpAddr) -> bool {
        match canonical(address) {
            IpAddr::V4(v4) => {
                (is_public_v4(v4) && !self.owns(IpAddr::V4(v4))) || self.lists(IpAddr::V4(v4))
            }
            IpAddr::V6(v6) => {
                ((is_public_v6(v6) && !self.owns(IpAddr::V6(v6))) || self.lists(IpAddr::V6(v6)))
                    && embedded(v6).all(|v4| self.permits(IpAddr::V4(v4)))
            }
        }
    }

    /// Whether an entry names this address.
    pub fn lists(&self, address: IpAddr) -> bool {
        self.listed.iter().any(|cidr| cidr.contains(address))
    }

    fn owns(&self, address: IpAddr) -> bool {
        self.own.iter().any(|cidr| cidr.contains(address))
    }
}

fn cidrs(variable: &'static str, text: &str) -> Result<Vec<Cidr>, NotANetwork> {
    let entries = text.split([',', ' ', '\n', '\t', '\r']).filter(|entry| !entry.is_empty());
    let mut cidrs = Vec::new();
    for entry in entries {
        let wrong = || NotANetwork { variable, entry: entry.chars().take(60).collect() };
        if cidrs.len() == NETWORKS_MAX {
            return Err(wrong());
        }
        cidrs.push(Cidr::take(entry).ok_or_else(wrong)?);
    }
    Ok(cidrs)
}

/// The IPv4 address of an IPv4-mapped one (`::ffff:0:0/96`, RFC 4291 section 2.5.5.2), because
/// the socket layer connects to exactly that; any other address as it is.
pub(crate) fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
    }
}

impl Cidr {
    fn take(text: &str) -> Option<Cidr> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => {
                let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
                (address, digits.then(|| prefix.parse::<u32>().ok())??.into())
            }
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix: u32 = prefix.unwrap_or(width);
        match (address, canonical(address)) {
            _ if prefix > width => None,
            (IpAddr::V4(v4), _) => Some(Cidr::v4(v4, prefix)),
            (IpAddr::V6(_), IpAddr::V4(v4)) if prefix >= 96 => Some(Cidr::v4(v4, prefix - 96)),
            (IpAddr::V6(v6), _) => {
                Some(Cidr::V6 { bits: u128::from(v6) & mask_v6(prefix), prefix })
            }
        }
    }

    fn v4(address: Ipv4Addr, prefix: u32) -> Cidr {
        Cidr::V4 { bits: u32::from(address) & mask_v4(prefix), prefix }
    }

    fn contains(self, address: IpAddr) -> bool {
        match (self, address) {
            (Cidr::V4 { bits, prefix }, IpAddr::V4(v4)) => u32::from(v4) & mask_v4(prefix) == bits,
            (Cidr::V6 { bits, prefix }, IpAddr::V6(v6)) => u128::from(v6) & mask_v6(prefix) == bits,
            (Cidr::V4 { .. }, IpAddr::V6(_)) | (Cidr::V6 { .. }, IpAddr::V4(_)) => false,
        }
    }
}

fn mask_v4(prefix: u32) -> u32 {
    u32::MAX.checked_shl(32 - prefix).unwrap_or(0)
}

fn mask_v6(prefix: u32) -> u128 {
    u128::MAX.checked_shl(128 - prefix).unwrap_or(0)
}

/// IPv4 networks that are not public.
const NOT_PUBLIC_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),       // this network, RFC 791; 0.0.0.0 reaches the local host
    ([10, 0, 0, 0], 8),      // private, RFC 1918
    ([100, 64, 0, 0], 10),   // shared by carriers, RFC 6598
    ([127, 0, 0, 0], 8),     // loopback, RFC 1122
    ([169, 254, 0, 0], 16),  // link-local, RFC 3927; metadata services of clouds
    ([172, 16, 0, 0], 12),   // private, RFC 1918
    ([192, 0, 0, 0], 24),    // protocol assignments, RFC 6890
    ([192, 0, 2, 0], 24),    // documentation, RFC 5737
    ([192, 88, 99, 0], 24),  // 6to4 relays, RFC 7526
    ([192, 168, 0, 0], 16),  // private, RFC 1918
    ([198, 18, 0, 0], 15),   // benchmarking, RFC 2544
    ([198, 51, 100, 0], 24), // documentation, RFC 5737
    ([203, 0, 113, 0], 24),  // documentation, RFC 5737
    ([224, 0, 0, 0], 4),     // multicast, RFC 5771
    ([240, 0, 0, 0], 4),     // reserved and broadcast, RFC 1112
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    !NOT_PUBLIC_V4
        .iter()
        .any(|&(network, prefix)| within_v4(address, Ipv4Addr::from(network), prefix))
}

fn within_v4(address: Ipv4Addr, network: Ipv4Addr, prefix: u32) -> bool {
    u32::from(address) & mask_v4(prefix) == u32::from(network)
}

/// The part of the IPv6 space that IANA hands out as global unicast, RFC 4291 section 2.4.
const GLOBAL_UNICAST: (u16, u32) = (0x2000, 3);

/// Networks inside [`GLOBAL_UNICAST`] that are not public.
const NOT_PUBLIC_V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, RFC 2928: Teredo, ORCHID, benchmarking
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation, RFC 3849
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation, RFC 9637
];

/// The well-known NAT64 prefix, RFC 6052 section 2.1: public, since it stands for public IPv4.
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

fn is_public_v6(address: Ipv6Addr) -> bool {
    let (top, prefix) = GLOBAL_UNICAST;
    let global = within_v6(address, (Ipv6Addr::new(top, 0, 0, 0, 0, 0, 0, 0), prefix));
    let special = NOT_PUBLIC_V6.iter().any(|&network| within_v6(address, network));
    (global && !special) || within_v6(address, NAT64)
}

fn within_v6(address: Ipv6Addr, (network, prefix): (Ipv6Addr, u32)) -> bool {
    u128::from(address) & mask_v6(prefix) == u128::from(network)
}

/// IPv4 addresses that packets to this IPv6 address may be translated or tunnelled to.
fn embedded(address: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let bits = u128::from(address);
    let at = |shift: u32| Ipv4Addr::from(u32::try_from((bits >> shift) & 0xffff_ffff).unwrap_or(0));
    let [a, b, _, _, e, f, _, _] = address.segments();
    let first = |prefix: u32| bits >> (128 - prefix);
    let compatible = first(96) == 0 && bits > 1; // ::/96 but not :: and ::1, RFC 4291 2.5.5.1
    let translated = first(96) == 0xffff_0000; // ::ffff:0:0:0/96, RFC 2765
    let nat64 = within_v6(address, NAT64);
    let nat64_local = first(48) == 0x64_ff9b_0001; // 64:ff9b:1::/48, RFC 8215
    let isatap = e & 0xfdff == 0 && f == 0x5efe; // RFC 5214 section 6.1
    let to4 = a == 0x2002; // RFC 3056
    let teredo = a == 0x2001 && b == 0; // RFC 4380 section 4
    let last = compatible || translated || nat64 || nat64_local || isatap;
    let found = [
        last.then(|| at(0)),
        to4.then(|| at(80)),
        teredo.then(|| at(64)),
        teredo.then(|| Ipv4Addr::from(!u32::from(at(0)))),
    ];
    found.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_everything() {
        for address in ["127.0.0.1", "::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "9.9.9.9"] {
            assert!(Networks::everything().permits(address.parse().unwrap()), "{address}");
        }
    }

    fn permits(allowed: &str, address: &str) -> bool {
        Networks::parse(allowed).unwrap().permits(address.parse().unwrap())
    }

    #[test]
    fn public_addresses() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2001:db7:ffff::1",
            "2001:db9::1",
            "2606:4700::1111",
            "2a00:1450::6d",
            "3ffe::1",
            "3fff:1000::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "2a00::5efe:808:808",
            "2a00::200:5efe:808:808",
        ] {
            assert!(permits("", address), "{address}");
        }
    }

    #[test]
    fn addresses_that_are_not_public() {
        for address in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.0.0",
            "169.254.169.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.0",
            "192.0.0.255",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::2",
            "100::1",
            "1fff::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2001:db8:ffff::1",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
        ] {
            assert!(!permits("", address), "{address}");
        }
    }

    #[test]
    fn private_addresses_in_disguise() {
        for address in [
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::ffff:169.254.169.254",
            "::ffff:0.0.0.0",
            "::127.0.0.1",
            "::10.0.0.1",
            "::8.8.8.8",
            "::ffff:0:127.0.0.1",
            "::ffff:0:8.8.8.8",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::8.8.8.8",
            "64:ff9b:1::10.0.0.1",
            "2002:7f00:1::1",
            "2002:a00:1::1",
            "2002:a9fe:a9fe::1",
            "2002:c0a8:101::1",
            "2001:0:808:808::f5ff:fffe",
            "2001:0:7f00:1::1",
            "2a00::5efe:7f00:1",
            "2a00::200:5efe:a00:1",
        ] {
            assert!(!permits("", address), "{address}");
        }
    }

    #[test]
    fn listed_networks() {
        let allowed = "127.0.0.0/8, ::1,192.168.7.1 fd00::/8,10.9.8.7/16,::ffff:172.16.0.0/108";
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "192.168.7.1",
            "fd00::1",
            "fdff::1",
            "10.9.0.0",
            "10.9.255.255",
            "::ffff:127.0.0.1",
            "172.16.5.5",
            "172.31.0.1",
            "8.8.8.8",
            "64:ff9b::127.0.0.1",
            "2002:7f00:1::1",
        ] {
            assert!(permits(allowed, address), "{address}");
        }
        for address in ["192.168.7.2", "10.8.255.255", "fc00::1", "::2", "10.10.0.0"] {
            assert!(!permits(allowed, address), "{address}");
        }
    }

    #[test]
    fn own_addresses_only_where_listed() {
        let permits = |allowed: &str, address: &str| {
            let own = "9.9.9.9,2a00:1450::6d,2606:4700::/48,127.0.0.1";
            let networks = Networks::parse(allowed).unwrap().without(own).unwrap();
            networks.permits(address.parse().unwrap())
        };
        let own = [
            "9.9.9.9",
            "::ffff:9.9.9.9",
            "64:ff9b::9.9.9.9",
            "2002:909:909::1",
            "2a00:1450::6d",
            "2606:4700::1111",
            "127.0.0.1",
        ];
        for address in own {
            assert!(!permits("", address), "{address}");
            assert!(permits("0.0.0.0/0 ::/0", address), "{address}");
        }
        for address in ["9.9.9.8", "2a00:1450::6e", "64:ff9b::9.9.9.8"] {
            assert!(permits("", address), "{address}");
        }
        assert!(permits("9.9.9.9", "9.9.9.9"));
    }

    #[test]
    fn listing_ipv6_lets_no_ipv4_through() {
        assert!(permits("::/0", "fe80::1"));
        for address in ["127.0.0.1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::10.0.0.1"] {
            assert!(!permits("::/0", address), "{address}");
        }
        assert!(permits("0.0.0.0/0", "10.0.0.1"));
        assert!(!permits("0.0.0.0/0", "fd00::1"));
    }

    #[test]
    fn refuses_what_is_no_network() {
        for entry in ["10.0.0.0/33", "10.0.0", "fd00::/129", "x", "10.0.0.0/", "10.0.0.0/+8", "/8"]
        {
            let wrong = |variable| Err(NotANetwork { variable, entry: entry.into() });
            let text = format!("127.0.0.1,{entry}");
            assert_eq!(Networks::parse(&text), wrong("allowed_networks"));
            assert_eq!(Networks::default().without(&text), wrong("own_addresses"));
        }
        assert_eq!(Networks::parse(" , ,"), Ok(Networks::default()));
    }
}
