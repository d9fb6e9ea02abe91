//! What is known of providers without asking: facts as data, found by domain or by mail exchanger.
//!
//! Host names are those of the providers' own help pages and of Mozilla's database (checked against
//! its state of March 2026); a mail exchanger tells who keeps the mail, not which address it has, so
//! what is found by it is looked at before it is believed.

use model::ServerType;

use crate::candidate::{Candidate, Hint, LOCAL_PART};
use crate::{hosters, large, national};

/// What the owner logs in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// The whole address.
    Address,
    /// What stands before `@`.
    Local,
}

/// A provider of mailboxes.
#[derive(Debug, Clone, Copy)]
pub struct Provider {
    /// Its name, as its customers know it.
    pub name: &'static str,
    /// Domains of addresses that it gives out itself.
    pub domains: &'static [&'static str],
    /// Domains below which its mail exchangers are.
    pub mx: &'static [&'static str],
    /// Its IMAP server.
    pub imap: Option<&'static str>,
    /// Its POP server.
    pub pop: Option<&'static str>,
    /// Its Exchange Web Services.
    pub exchange: Option<&'static str>,
    /// Its calendars.
    pub caldav: Option<&'static str>,
    /// Its contacts.
    pub carddav: Option<&'static str>,
    /// What the owner logs in with.
    pub login: Login,
    /// What the owner has to know or do first.
    pub hint: Option<Hint>,
    /// Where a password for applications is made.
    pub app_passwords: Option<&'static str>,
    /// Connections that it documents as the most for one mailbox over IMAP.
    pub max_connections: Option<u32>,
}

/// A provider of which nothing is known; the tables say only what differs.
pub const UNKNOWN: Provider = Provider {
    name: "",
    domains: &[],
    mx: &[],
    imap: None,
    pop: None,
    exchange: None,
    caldav: None,
    carddav: None,
    login: Login::Address,
    hint: None,
    app_passwords: None,
    max_connections: None,
};

/// Every provider.
pub fn all() -> impl Iterator<Item = &'static Provider> {
    large::TABLE.iter().chain(national::TABLE).chain(hosters::TABLE)
}

/// The provider that gives out addresses of this domain.
pub fn by_domain(domain: &str) -> Option<&'static Provider> {
    all().find(|provider| provider.domains.contains(&domain))
}

/// The provider to which this mail exchanger belongs.
pub fn by_mx(exchanger: &str) -> Option<&'static Provider> {
    all().find(|provider| provider.mx.iter().any(|suffix| is_below(exchanger, suffix)))
}

/// The provider whose server this is.
pub fn by_host(host: &str) -> Option<&'static Provider> {
    let named = |url: Option<&str>| {
        url.and_then(|url| url.split_once("://")).is_some_and(|(_, name)| name == host)
    };
    all().find(|provider| named(provider.imap) || named(provider.pop))
}

/// Whether `name` is `suffix` or below it.
pub fn is_below(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

impl Provider {
    /// Its servers; each later one is a little less wanted.
    pub fn candidates(&self, confidence: f64, found_by: &str) -> Vec<Candidate> {
        let ways = [
            (ServerType::Imap, self.imap),
            (ServerType::Exchange, self.exchange),
            (ServerType::Pop, self.pop),
        ];
        let ways = ways.into_iter().filter_map(|(server_type, url)| Some((server_type, url?)));
        let mut confidence = confidence + 0.02;
        ways.map(|(server_type, url)| {
            confidence -= 0.02;
            let mut candidate = Candidate::new(server_type, url, confidence, found_by);
            self.describe(&mut candidate);
            candidate
        })
        .collect()
    }

    /// Adds to a candidate what is known of its provider.
    pub fn describe(&self, candidate: &mut Candidate) {
        let given = |text: Option<&str>| text.map(str::to_owned);
        candidate.provider = Some(self.name.to_owned());
        candidate.caldav_url = candidate.caldav_url.take().or(given(self.caldav));
        candidate.carddav_url = candidate.carddav_url.take().or(given(self.carddav));
        candidate.hint = self.hint;
        candidate.app_password_url = given(self.app_passwords);
        candidate.max_connections = self.max_connections;
        candidate.login = match self.login {
            Login::Address => None,
            Login::Local => Some(LOCAL_PART.to_owned()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::host_name;
    use dial::{Endpoint, Plaintext, Tls};
    use std::collections::BTreeSet;

    #[test]
    fn the_tables_are_in_order() {
        let (mut domains, mut exchangers, mut names) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for provider in all() {
            let name = provider.name;
            assert!(names.insert(name), "{name} twice");
            assert!(!provider.domains.is_empty() || !provider.mx.is_empty(), "{name}");
            for domain in provider.domains {
                assert!(domains.insert(*domain), "{domain} twice");
            }
            for exchanger in provider.mx {
                assert!(exchangers.insert(*exchanger), "{exchanger} twice");
            }
            for host in provider.domains.iter().chain(provider.mx) {
                assert_eq!(host_name(host).as_deref(), Some(*host), "{name}");
            }
            for (url, schemes) in
                [(provider.imap, ["imaps", "imap"]), (provider.pop, ["pops", "pop"])]
            {
                let Some(url) = url else { continue };
                let endpoint = Endpoint::parse(url, Plaintext::Refused).unwrap();
                assert!(schemes.contains(&endpoint.scheme.name()), "{url}");
                assert_ne!(endpoint.tls, Tls::None);
                assert_eq!(endpoint.to_string(), url);
            }
            let web =
                [provider.exchange, provider.caldav, provider.carddav, provider.app_passwords];
            for url in web.into_iter().flatten() {
                assert_eq!(url.parse::<http::Uri>().unwrap().scheme_str(), Some("https"), "{url}");
            }
            let reachable = provider.imap.is_some() || provider.pop.is_some();
            assert!(reachable || provider.hint == Some(Hint::OwnProgram), "{name}");
        }
        assert!(names.len() >= 50, "{}", names.len());
    }

    #[test]
    fn by_domain_and_by_exchanger() {
        let imap = |provider: Option<&Provider>| provider.and_then(|provider| provider.imap);
        assert_eq!(imap(by_domain("gmail.com")), Some("imaps://imap.gmail.com"));
        assert_eq!(imap(by_mx("alt1.aspmx.l.google.com")), Some("imaps://imap.gmail.com"));
        assert_eq!(imap(by_mx("gmx.net")), Some("imaps://imap.gmx.net"));
        assert_eq!(by_mx("notgoogle.com").map(|it| it.name), None);
        assert_eq!(by_domain("example.org").map(|it| it.name), None);
        assert_eq!(by_host("imap.gmail.com").unwrap().max_connections, Some(15));
        let found = by_domain("free.fr").unwrap().candidates(0.9, "table");
        assert_eq!(found[0].login.as_deref(), Some(LOCAL_PART));
    }
}
