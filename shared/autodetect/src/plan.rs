//! From what was said to what is worth looking at: pure.

use dial::{Endpoint, Scheme, Tls};
use model::ServerType;

use crate::address::Address;
use crate::autoconfig::{Config, Server};
use crate::candidate::{ADDRESS, Candidate, Hint, LOCAL_PART};
use crate::facts::{Facts, Offer, Place};
use crate::provider::Provider;

/// The owner of the domain says so, in its zone.
const BY_SRV: f64 = 0.93;
/// The provider that keeps the mail is a known one.
const BY_EXCHANGER: f64 = 0.88;
/// A server with the right name is there, and nobody said so.
const BY_GUESS: f64 = 0.6;
/// What is left of a statement about a server that does not answer.
const SILENT: f64 = 0.6;

/// A candidate to be looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// What it becomes where its server answers as it should.
    pub candidate: Candidate,
    /// Where to look.
    pub endpoint: Endpoint,
    /// Its confidence where the server does not answer; `None` where it is no candidate then.
    pub silent: Option<f64>,
}

/// A web service of the domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dav {
    /// Calendars.
    Calendars,
    /// Contacts.
    Contacts,
}

impl Dav {
    /// The name below `.well-known`, RFC 6764 section 5.
    pub fn name(self) -> &'static str {
        match self {
            Dav::Calendars => "caldav",
            Dav::Contacts => "carddav",
        }
    }
}

fn endpoint(scheme: Scheme, host: &str, port: u16) -> Endpoint {
    let tls = match scheme {
        Scheme::Imaps | Scheme::Pops | Scheme::Smtps => Tls::Implicit,
        Scheme::Imap | Scheme::Pop | Scheme::Smtp => Tls::StartTls,
    };
    Endpoint { scheme, host: host.to_owned(), port, tls, login: None }
}

fn server_type(scheme: Scheme) -> ServerType {
    match scheme {
        Scheme::Pop | Scheme::Pops => ServerType::Pop,
        Scheme::Imap | Scheme::Imaps | Scheme::Smtp | Scheme::Smtps => ServerType::Imap,
    }
}

fn proposal(endpoint: Endpoint, confidence: f64, found_by: String) -> Proposal {
    let url = endpoint.to_string();
    let candidate = Candidate::new(server_type(endpoint.scheme), url, confidence, found_by);
    Proposal { candidate, endpoint, silent: None }
}

/// Mail servers by SRV records, RFC 6186. TLS from the first byte is preferred, RFC 8314
/// section 5.1, and IMAP to POP.
pub fn by_srv(facts: &Facts, domain: &str) -> Vec<Proposal> {
    let services: [(&Offer, Scheme, &str); 4] = [
        (&facts.imaps, Scheme::Imaps, "_imaps"),
        (&facts.imap, Scheme::Imap, "_imap"),
        (&facts.pop3s, Scheme::Pops, "_pop3s"),
        (&facts.pop3, Scheme::Pop, "_pop3"),
    ];
    let mut confidence = BY_SRV;
    let mut proposals = Vec::new();
    for (offer, scheme, service) in services {
        for place in offer.places() {
            let found_by = format!("srv: {service}._tcp.{domain}");
            let endpoint = endpoint(scheme, &place.host, place.port);
            let silent = Some(confidence * SILENT);
            proposals.push(Proposal { silent, ..proposal(endpoint, confidence, found_by) });
            confidence -= 0.01;
        }
    }
    proposals
}

/// Whether the domain says that it has no IMAP.
pub fn refuses_imap(facts: &Facts) -> bool {
    facts.imaps == Offer::Refused && facts.imap.places().is_empty()
}

/// Where a web service is by SRV and TXT records, RFC 6764 section 6.
pub fn dav_by_srv(facts: &Facts, dav: Dav) -> Option<String> {
    let (offer, path) = match dav {
        Dav::Calendars => (&facts.caldavs, &facts.caldav_path),
        Dav::Contacts => (&facts.carddavs, &facts.carddav_path),
    };
    let Place { host, port } = offer.places().first()?;
    let port = if *port == 443 { String::new() } else { format!(":{port}") };
    let well_known = format!("/.well-known/{}", dav.name());
    Some(format!("https://{host}{port}{}", path.as_deref().unwrap_or(&well_known)))
}

/// The servers of the provider that keeps the mail of the domain.
pub fn by_exchanger(provider: &Provider, exchanger: &str) -> (Vec<Proposal>, Vec<Candidate>) {
    let found_by = format!("mx: {exchanger}");
    let (mut proposals, mut candidates) = (Vec::new(), Vec::new());
    for candidate in provider.candidates(BY_EXCHANGER, &found_by) {
        match Endpoint::parse(&candidate.url, dial::Plaintext::Refused) {
            Ok(endpoint) => {
                let silent = Some(candidate.confidence * SILENT);
                proposals.push(Proposal { candidate, endpoint, silent });
            }
            Err(_) => candidates.push(candidate),
        }
    }
    (proposals, candidates)
}

/// The servers that a file names. `source` says whose file it is.
pub fn by_config(
    config: &Config,
    address: &Address,
    (source, confidence): (&str, f64),
) -> (Vec<Proposal>, Vec<Candidate>) {
    let mut confidence = confidence + 0.01;
    let mut proposals = Vec::new();
    for server in &config.servers {
        confidence -= 0.01;
        let endpoint = endpoint(scheme(server), &server.host, server.port);
        let mut proposal = proposal(endpoint, confidence, source.to_owned());
        proposal.silent = Some(confidence * SILENT);
        let whole = [ADDRESS, &address.to_string(), ""].contains(&server.login.as_str());
        let login = (!whole).then(|| server.login.clone());
        let local = [LOCAL_PART, address.local()].contains(&server.login.as_str());
        proposal.candidate.hint = match (server.token_only, local) {
            (true, _) => Some(Hint::TokenOnly),
            (false, true) => Some(Hint::LocalLogin),
            (false, false) => None,
        };
        proposal.candidate.login = login;
        proposal.candidate.caldav_url = config.caldav_url.clone();
        proposal.candidate.carddav_url = config.carddav_url.clone();
        proposals.push(proposal);
    }
    let ews = config.ews_url.as_ref();
    let ews = ews.map(|url| Candidate::new(ServerType::Exchange, url, confidence - 0.01, source));
    (proposals, ews.into_iter().collect())
}

fn scheme(server: &Server) -> Scheme {
    match (server.server_type, server.implicit_tls) {
        (ServerType::Pop, true) => Scheme::Pops,
        (ServerType::Pop, false) => Scheme::Pop,
        (_, true) => Scheme::Imaps,
        (_, false) => Scheme::Imap,
    }
}

/// Names that mail servers mostly have.
pub fn guesses(domain: &str) -> Vec<Proposal> {
    let names = [
        (Scheme::Imaps, format!("imap.{domain}")),
        (Scheme::Imaps, format!("mail.{domain}")),
        (Scheme::Imaps, domain.to_owned()),
        (Scheme::Pops, format!("pop.{domain}")),
    ];
    let mut confidence = BY_GUESS + 0.05;
    let guess = |(scheme, host): (Scheme, String)| {
        confidence -= 0.05;
        let found_by = format!("guess: {host}");
        proposal(endpoint(scheme, &host, scheme.default_port()), confidence, found_by)
    };
    names.into_iter().map(guess).collect()
}

/// An IMAP server where Exchange answers: most have one.
pub fn beside_exchange(host: &str, found_by: &str, confidence: f64) -> Proposal {
    proposal(endpoint(Scheme::Imaps, host, 993), confidence, found_by.to_owned())
}

/// Hosts at which Autodiscover may answer.
pub fn exchange_hosts(facts: &Facts, domain: &str) -> Vec<String> {
    let standard = |place: &&Place| place.port == 443;
    let named = facts.autodiscover.places().iter().find(standard).map(|place| place.host.clone());
    let mut hosts: Vec<String> = named.into_iter().collect();
    for host in [format!("autodiscover.{domain}"), domain.to_owned()] {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

/// The domain under which the provider of a mail exchanger publishes its file. Public suffixes of
/// two labels are told by their look, since a wrong guess only finds no file.
pub fn provider_domain(exchanger: &str) -> Option<String> {
    let labels: Vec<&str> = exchanger.rsplit('.').collect();
    let second = ["co", "com", "net", "org", "ac", "gov", "edu", "ne", "or"];
    let wanted = match labels.as_slice() {
        [top, label, _, ..] if top.len() == 2 && second.contains(label) => 3,
        [_, _, ..] => 2,
        _ => return None,
    };
    let mut kept: Vec<&str> = labels.into_iter().take(wanted).collect();
    kept.reverse();
    Some(kept.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers;

    fn anna() -> Address {
        Address::parse("anna@example.org").unwrap()
    }

    fn urls(proposals: &[Proposal]) -> Vec<&str> {
        proposals.iter().map(|it| it.candidate.url.as_str()).collect()
    }

    fn at(host: &str, port: u16) -> Offer {
        Offer::At(vec![Place { host: host.into(), port }])
    }

    #[test]
    fn srv_records_become_urls() {
        let facts = Facts {
            imaps: at("imap.example.net", 31993),
            imap: at("imap.example.net", 143),
            pop3s: at("pop.example.net", 995),
            pop3: Offer::Refused,
            caldavs: at("dav.example.net", 8443),
            carddavs: at("dav.example.net", 443),
            caldav_path: Some("/dav/".into()),
            ..Facts::default()
        };
        let found = by_srv(&facts, "example.org");
        let expected =
            ["imaps://imap.example.net:31993", "imap://imap.example.net", "pops://pop.example.net"];
        assert_eq!(urls(&found), expected);
        assert_eq!(found[0].candidate.found_by, "srv: _imaps._tcp.example.org");
        assert!(found.is_sorted_by(|a, b| a.candidate.confidence > b.candidate.confidence));
        let calendars = dav_by_srv(&facts, Dav::Calendars);
        assert_eq!(calendars.as_deref(), Some("https://dav.example.net:8443/dav/"));
        let contacts = dav_by_srv(&facts, Dav::Contacts);
        assert_eq!(contacts.as_deref(), Some("https://dav.example.net/.well-known/carddav"));
        assert!(!refuses_imap(&facts));
        assert!(refuses_imap(&Facts { imaps: Offer::Refused, ..Facts::default() }));
    }

    #[test]
    fn providers_by_exchanger() {
        let provider = providers::by_mx("example-org.mail.protection.outlook.com").unwrap();
        let (proposals, candidates) = by_exchanger(provider, "x");
        assert_eq!(
            urls(&proposals),
            ["imaps://outlook.office365.com", "pops://outlook.office365.com"]
        );
        assert_eq!(candidates[0].server_type, ServerType::Exchange);
        assert_eq!(proposals[0].candidate.hint, Some(Hint::TokenOnly));
    }

    #[test]
    fn files_name_servers_and_logins() {
        let server = |server_type, implicit_tls, login: &str| Server {
            server_type,
            host: "mail.example.org".into(),
            port: 1000,
            implicit_tls,
            login: login.into(),
            token_only: false,
        };
        let config = Config {
            servers: vec![
                server(ServerType::Imap, true, "anna@example.org"),
                server(ServerType::Imap, false, "anna"),
                server(ServerType::Pop, true, ""),
                server(ServerType::Pop, false, "EXAMPLE\\anna"),
            ],
            ews_url: Some("https://ex.example.org/EWS/Exchange.asmx".into()),
            ..Config::default()
        };
        let (proposals, ews) = by_config(&config, &anna(), ("autoconfig: x", 0.9));
        let expected =
            ["imaps", "imap", "pops", "pop"].map(|it| format!("{it}://mail.example.org:1000"));
        assert_eq!(urls(&proposals), expected);
        let logins: Vec<_> = proposals.iter().map(|it| it.candidate.login.as_deref()).collect();
        assert_eq!(logins, [None, Some("anna"), None, Some("EXAMPLE\\anna")]);
        assert_eq!(proposals[1].candidate.hint, Some(Hint::LocalLogin));
        assert_eq!(ews[0].url, "https://ex.example.org/EWS/Exchange.asmx");
    }

    #[test]
    fn names_that_follow_from_others() {
        let found = guesses("example.org");
        let expected = [
            "imaps://imap.example.org",
            "imaps://mail.example.org",
            "imaps://example.org",
            "pops://pop.example.org",
        ];
        assert_eq!(urls(&found), expected);
        assert!(found.iter().all(|it| it.silent.is_none()));
        let facts = Facts { autodiscover: at("ex.example.net", 443), ..Facts::default() };
        let hosts = ["ex.example.net", "autodiscover.example.org", "example.org"];
        assert_eq!(exchange_hosts(&facts, "example.org"), hosts);
        let domain = |name| provider_domain(name);
        assert_eq!(domain("mx1.mail.example.net").as_deref(), Some("example.net"));
        assert_eq!(domain("mx.example.co.uk").as_deref(), Some("example.co.uk"));
        assert_eq!(domain("example.com").as_deref(), Some("example.com"));
        assert_eq!(domain("mx"), None);
    }
}
