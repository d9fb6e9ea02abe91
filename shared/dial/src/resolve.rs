//! From a name to the addresses that may be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures::future::join;
use hickory_proto::rr::{RData, RecordType};
use wire::{Error, Http, Network};

use crate::doh;
use crate::networks::{Networks, canonical};

/// Most addresses of one name that are tried; the opening has a deadline anyway.
const ADDRESSES_MAX: usize = 6;

/// The addresses of `name` that `networks` permits, in the order to try them; never empty.
pub(crate) async fn permitted<H: Network + Http>(
    host: &H,
    doh_url: &str,
    networks: &Networks,
    name: &str,
) -> Result<Vec<IpAddr>, Error> {
    let found: Vec<IpAddr> =
        addresses(host, doh_url, name).await?.into_iter().map(canonical).collect();
    let Some(first) = found.first().copied() else {
        return Err(no_address(name));
    };
    let mut permitted: Vec<IpAddr> =
        found.into_iter().filter(|address| networks.permits(*address)).collect();
    permitted.truncate(ADDRESSES_MAX);
    if permitted.is_empty() {
        return Err(Error::Forbidden { address: first.to_string() });
    }
    Ok(permitted)
}

/// Makes sure that every address of `name` may be reached, for a request over HTTP that looks the
/// name up by itself.
pub(crate) async fn all_permitted<H: Network + Http>(
    host: &H,
    doh_url: &str,
    networks: &Networks,
    name: &str,
) -> Result<(), Error> {
    let found = addresses(host, doh_url, name).await?;
    if found.is_empty() {
        return Err(no_address(name));
    }
    match found.into_iter().map(canonical).find(|address| !networks.permits(*address)) {
        Some(address) => Err(Error::Forbidden { address: address.to_string() }),
        None => Ok(()),
    }
}

fn no_address(name: &str) -> Error {
    Error::Unresolved { name: name.to_owned(), reason: "it has no address".to_owned() }
}

async fn addresses<H: Network + Http>(
    host: &H,
    doh_url: &str,
    name: &str,
) -> Result<Vec<IpAddr>, Error> {
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    // RFC 6761 section 6.3: this name never leaves the machine.
    if name == "localhost" || name.ends_with(".localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    match host.resolve(name).await {
        Err(Error::LookupRefused) => over_https(host, doh_url, name).await,
        resolved => resolved,
    }
}

async fn over_https(http: &impl Http, doh_url: &str, name: &str) -> Result<Vec<IpAddr>, Error> {
    let v4 = doh::query(http, doh_url, name, RecordType::A);
    let v6 = doh::query(http, doh_url, name, RecordType::AAAA);
    let (v4, v6) = match join(v4, v6).await {
        (Err(error), Err(_)) => return Err(error),
        (v4, v6) => (v4.unwrap_or_default(), v6.unwrap_or_default()),
    };
    let addresses = |records: Vec<RData>| records.into_iter().filter_map(|record| address(&record));
    Ok(alternating(addresses(v4), addresses(v6)))
}

fn address(record: &RData) -> Option<IpAddr> {
    match record {
        RData::A(v4) => Some(v4.0.into()),
        RData::AAAA(v6) => Some(v6.0.into()),
        _ => None,
    }
}

/// The families in turn, RFC 8305 section 4. IPv4 goes first, unlike there: addresses are tried
/// one after the other, and a host without IPv6 would pay for the attempt at every opening.
fn alternating(
    mut v4: impl Iterator<Item = IpAddr>,
    mut v6: impl Iterator<Item = IpAddr>,
) -> Vec<IpAddr> {
    let mut all = Vec::new();
    for _ in 0..ADDRESSES_MAX {
        all.extend(v4.next());
        all.extend(v6.next());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doh::tests::{Resolver, a, answer, cname};
    use futures::executor::block_on;
    use hickory_proto::op::Message;
    use hickory_proto::rr::Name;
    use hickory_proto::rr::rdata::AAAA;
    use http::{Request, Response};
    use std::net::SocketAddr;
    use wire::Bytes;
    use wire::pipe::End;

    struct World<F: Fn(&Name, RecordType) -> Message> {
        socket: Result<Vec<IpAddr>, Error>,
        resolver: Resolver<F>,
    }

    impl<F: Fn(&Name, RecordType) -> Message> Network for World<F> {
        type Stream = End;
        async fn connect(&self, _: SocketAddr, _: u32) -> Result<End, Error> {
            unreachable!()
        }
        async fn resolve(&self, _: &str) -> Result<Vec<IpAddr>, Error> {
            self.socket.clone()
        }
    }

    impl<F: Fn(&Name, RecordType) -> Message> Http for World<F> {
        async fn send(&self, r: Request<Bytes>, n: usize) -> Result<Response<Bytes>, Error> {
            self.resolver.send(r, n).await
        }
    }

    fn dns(name: &Name, kind: RecordType) -> Message {
        let v6 = |text: &str| RData::AAAA(AAAA(text.parse().unwrap()));
        match (name.to_ascii().as_str(), kind) {
            ("both.example.", RecordType::A) => {
                answer(&[("both.example", a("8.8.4.4")), ("both.example", a("8.8.8.8"))])
            }
            ("both.example.", _) => answer(&[("both.example", v6("2a00::1"))]),
            ("inside.example.", RecordType::A) => {
                answer(&[("inside.example", cname("x.example")), ("x.example", a("10.0.0.7"))])
            }
            ("mixed.example.", RecordType::A) => {
                answer(&[("mixed.example", a("127.0.0.1")), ("mixed.example", a("9.9.9.9"))])
            }
            ("mapped.example.", RecordType::AAAA) => {
                answer(&[("mapped.example", v6("::ffff:169.254.169.254"))])
            }
            ("many.example.", RecordType::A) => answer(&vec![("many.example", a("9.9.9.9")); 500]),
            ("gone.example.", _) => {
                let mut message = answer(&[]);
                message.metadata.response_code = hickory_proto::op::ResponseCode::NXDomain;
                message
            }
            _ => answer(&[]),
        }
    }

    fn look_up(socket: Result<Vec<IpAddr>, Error>, name: &str) -> Result<Vec<String>, Error> {
        let world = World { socket, resolver: Resolver(dns) };
        let networks = Networks::default();
        let found = block_on(permitted(&world, "https://dns.example/", &networks, name))?;
        Ok(found.iter().map(IpAddr::to_string).collect())
    }

    fn refused(name: &str) -> Result<Vec<String>, Error> {
        look_up(Err(Error::LookupRefused), name)
    }

    fn forbidden(address: &str) -> Result<Vec<String>, Error> {
        Err(Error::Forbidden { address: address.into() })
    }

    #[test]
    fn over_https_where_the_socket_may_not() {
        let all = ["8.8.4.4", "2a00::1", "8.8.8.8"].map(str::to_owned).to_vec();
        assert_eq!(refused("both.example"), Ok(all));
        assert_eq!(refused("mixed.example"), Ok(vec!["9.9.9.9".into()]));
        assert_eq!(refused("many.example").unwrap().len(), ADDRESSES_MAX);
        assert_eq!(refused("inside.example"), forbidden("10.0.0.7"));
        assert_eq!(refused("mapped.example"), forbidden("169.254.169.254"));
        let reason = "it has no address".to_owned();
        let name = "empty.example".to_owned();
        assert_eq!(refused("empty.example"), Err(Error::Unresolved { name, reason }));
        assert!(refused("gone.example").unwrap_err().to_string().ends_with("no such name"));
    }

    #[test]
    fn a_request_over_http_needs_all_of_them() {
        let check = |name: &str| {
            let world = World { socket: Err(Error::LookupRefused), resolver: Resolver(dns) };
            let networks = Networks::default();
            block_on(all_permitted(&world, "https://dns.example/", &networks, name))
        };
        assert_eq!(check("both.example"), Ok(()));
        let forbidden = |address: &str| Err(Error::Forbidden { address: address.into() });
        assert_eq!(check("mixed.example"), forbidden("127.0.0.1"));
        assert_eq!(check("127.0.0.1"), forbidden("127.0.0.1"));
        assert!(matches!(check("empty.example"), Err(Error::Unresolved { .. })));
    }

    #[test]
    fn the_socket_first() {
        let found = look_up(Ok(vec!["1.1.1.1".parse().unwrap()]), "both.example");
        assert_eq!(found, Ok(vec!["1.1.1.1".into()]));
        assert_eq!(look_up(Ok(vec!["fe80::1".parse().unwrap()]), "x"), forbidden("fe80::1"));
        assert_eq!(look_up(Err(Error::Closed), "x"), Err(Error::Closed));
    }

    #[test]
    fn literals_need_no_look_up() {
        let never = || Err(Error::Closed);
        assert_eq!(look_up(never(), "9.9.9.9"), Ok(vec!["9.9.9.9".into()]));
        assert_eq!(look_up(never(), "::ffff:9.9.9.9"), Ok(vec!["9.9.9.9".into()]));
        assert_eq!(look_up(never(), "127.0.0.1"), forbidden("127.0.0.1"));
        assert_eq!(look_up(never(), "localhost"), forbidden("127.0.0.1"));
    }
}
