//! What the DNS of a domain says about its mail: RFC 6186, RFC 6764, RFC 8314 and custom.

use dial::RData;

use crate::address::host_name;

/// The most servers of one service that are looked at.
const PLACES_MAX: usize = 4;
/// The most mail exchangers that are looked at.
const EXCHANGERS_MAX: usize = 8;
/// The longest path of a TXT record, RFC 6764 section 4.
const PATH_MAX_BYTES: usize = 255;

/// A host and its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The name in ASCII, lower case.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// What is said about one service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Offer {
    /// Nothing.
    #[default]
    Unknown,
    /// That it is not offered: the target is the root (RFC 6186 section 3.4).
    Refused,
    /// Where it is, the first to be tried first.
    At(Vec<Place>),
}

impl Offer {
    /// The places; none where nothing is said.
    pub fn places(&self) -> &[Place] {
        match self {
            Offer::At(places) => places,
            Offer::Unknown | Offer::Refused => &[],
        }
    }
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// `_imaps._tcp`.
    pub imaps: Offer,
    /// `_imap._tcp`.
    pub imap: Offer,
    /// `_pop3s._tcp`.
    pub pop3s: Offer,
    /// `_pop3._tcp`.
    pub pop3: Offer,
    /// `_caldavs._tcp`.
    pub caldavs: Offer,
    /// `_carddavs._tcp`.
    pub carddavs: Offer,
    /// `_autodiscover._tcp`, which is Exchange's.
    pub autodiscover: Offer,
    /// The path of the calendars, where it is said.
    pub caldav_path: Option<String>,
    /// The path of the contacts, where it is said.
    pub carddav_path: Option<String>,
    /// Names of the mail exchangers, the preferred first.
    pub exchangers: Vec<String>,
    /// What `autodiscover.DOMAIN` stands for.
    pub autodiscover_alias: Option<String>,
    /// What `autoconfig.DOMAIN` stands for.
    pub autoconfig_alias: Option<String>,
    /// What OVHcloud's first DKIM selector of MX Plan and Zimbra stands for.
    pub ovh_dkim: Option<String>,
}

/// Reads SRV records. By priority, and within one by weight: RFC 2782 draws lots there, which
/// would make two detections of one domain disagree.
pub fn service(records: &[RData]) -> Offer {
    let mut found = Vec::new();
    let mut refused = false;
    for record in records {
        let RData::SRV(srv) = record else { continue };
        if srv.target.is_root() {
            refused = true;
        } else if let Some(host) = host_name(&srv.target.to_ascii()).filter(|_| srv.port > 0) {
            found.push((srv.priority, u16::MAX - srv.weight, Place { host, port: srv.port }));
        }
    }
    found.sort_by(|a, b| (a.0, a.1, &a.2.host, a.2.port).cmp(&(b.0, b.1, &b.2.host, b.2.port)));
    let places: Vec<Place> = found.into_iter().map(|(.., place)| place).take(PLACES_MAX).collect();
    match (places.is_empty(), refused) {
        (false, _) => Offer::At(places),
        (true, true) => Offer::Refused,
        (true, false) => Offer::Unknown,
    }
}

/// Reads MX records. The null MX of RFC 7505 has no name, so it is none.
pub fn exchangers(records: &[RData]) -> Vec<String> {
    let named = |record: &RData| match record {
        RData::MX(mx) => Some((mx.preference, host_name(&mx.exchange.to_ascii())?)),
        _ => None,
    };
    let mut found: Vec<(u16, String)> = records.iter().filter_map(named).collect();
    found.sort();
    found.into_iter().map(|(_, name)| name).take(EXCHANGERS_MAX).collect()
}

/// Reads a CNAME record.
pub fn alias(records: &[RData]) -> Option<String> {
    records.iter().find_map(|record| match record {
        RData::CNAME(alias) => host_name(&alias.0.to_ascii()),
        _ => None,
    })
}

/// Reads the `path=` of a TXT record, RFC 6764 section 4.
pub fn path(records: &[RData]) -> Option<String> {
    records.iter().find_map(|record| {
        let RData::TXT(text) = record else { return None };
        text.txt_data.iter().find_map(|line| {
            let line = std::str::from_utf8(line).ok()?;
            let (key, path) = line.split_once('=')?;
            let clean = path.starts_with('/')
                && path.len() <= PATH_MAX_BYTES
                && path.bytes().all(|byte| byte.is_ascii_graphic());
            (key.eq_ignore_ascii_case("path") && clean).then(|| path.to_owned())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::Name;
    use hickory_proto::rr::rdata::{CNAME, MX, SRV, TXT};

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn srv(priority: u16, weight: u16, port: u16, target: &str) -> RData {
        RData::SRV(SRV::new(priority, weight, port, name(target)))
    }

    fn place(host: &str, port: u16) -> Place {
        Place { host: host.into(), port }
    }

    #[test]
    fn priority_then_weight() {
        let records = [
            srv(10, 0, 993, "c.example."),
            srv(0, 1, 993, "b.example."),
            srv(0, 9, 1993, "A.Example."),
            RData::CNAME(CNAME(name("x.example."))),
        ];
        let expected = [place("a.example", 1993), place("b.example", 993), place("c.example", 993)];
        assert_eq!(service(&records), Offer::At(expected.to_vec()));
        let many: Vec<RData> = (0..50).map(|at| srv(at, 0, 993, "a.example.")).collect();
        assert_eq!(service(&many).places().len(), PLACES_MAX);
    }

    #[test]
    fn a_service_that_is_not_offered() {
        assert_eq!(service(&[srv(0, 0, 0, ".")]), Offer::Refused);
        assert_eq!(service(&[]), Offer::Unknown);
        for target in ["localhost.", "127.0.0.1.", "x y.example.", "1.2.3.4."] {
            let Ok(name) = Name::from_ascii(target) else { continue };
            assert_eq!(
                service(&[RData::SRV(SRV::new(0, 0, 993, name))]),
                Offer::Unknown,
                "{target}"
            );
        }
        assert_eq!(service(&[srv(0, 0, 0, "a.example.")]), Offer::Unknown);
    }

    #[test]
    fn exchangers_aliases_and_paths() {
        let mx = |preference, target: &str| RData::MX(MX::new(preference, name(target)));
        let records = [mx(5, "MX1.mail.ovh.net."), mx(1, "mx0.mail.ovh.net."), mx(0, ".")];
        assert_eq!(exchangers(&records), ["mx0.mail.ovh.net", "mx1.mail.ovh.net"]);
        assert_eq!(alias(&[RData::CNAME(CNAME(name("A.b.")))]).as_deref(), Some("a.b"));
        let txt = |lines: &[&str]| {
            path(&[RData::TXT(TXT::new(lines.iter().map(|line| (*line).to_owned()).collect()))])
        };
        assert_eq!(txt(&["v=1", "PATH=/dav/"]).as_deref(), Some("/dav/"));
        for wrong in ["path=dav", "path=/a b", "path=/a\r\n", "/dav", "path"] {
            assert_eq!(txt(&[wrong]), None, "{wrong:?}");
        }
    }
}
