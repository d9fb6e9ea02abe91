//! What is known of providers without asking: facts as data, found by domain or by mail exchanger.
//!
//! Host names are those of the providers' own help pages and of Mozilla's database (checked against
//! its state of March 2026); a mail exchanger tells who keeps the mail, not which address it has, so
//! what is found by it is looked at before it is believed.

use crate::provider::Provider;
use crate::{hosters, large, national};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::host_name;
    use crate::candidate::{Hint, LOCAL_PART};
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
