//! OVHcloud's products: which one a domain has, and where it is.
//!
//! All products of a region share their mail exchangers, so those tell the region alone. The SRV
//! record `_autodiscover._tcp` that OVHcloud writes into a zone names the product's own server.
//! Sources: OVHcloud's guides on MX Plan, Email Pro, Exchange and Zimbra, state of 2026.

use model::ServerType;

use crate::candidate::{ADDRESS_IN_URL, Candidate, Hint};
use crate::facts::Facts;
use crate::providers::is_below;

/// Digits of a platform's number; there are some dozens.
const NUMBER_MAX_DIGITS: usize = 4;
/// Most sure, since the zone itself names the product.
const BY_SRV: f64 = 0.96;
const BY_ALIAS: f64 = 0.9;
const BY_DKIM: f64 = 0.86;
/// The region is sure, the product is the most common one.
const BY_REGION: f64 = 0.6;

/// Where a product is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// `ovh.net`.
    Europe,
    /// `ovh.ca`: America and Asia-Pacific.
    Canada,
}

/// What a domain has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Product {
    /// MX Plan, whatever its web page is made with.
    MxPlan(Region),
    /// Zimbra Starter and Pro, with the server of its web services.
    Zimbra(String),
    /// Email Pro, with its server.
    EmailPro(String),
    /// Hosted Exchange, with its server.
    Exchange(String),
}

/// A product, and what told it.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The product.
    pub product: Product,
    /// From 0 to 1.
    pub confidence: f64,
    /// What told it.
    pub found_by: &'static str,
    /// Whether another product is as possible.
    pub uncertain: bool,
}

/// The product, if the domain is hosted by OVHcloud.
pub fn product(facts: &Facts) -> Option<Found> {
    let region = region(facts);
    let named = |name: &str| of_name(name, region.unwrap_or(Region::Europe));
    let found = |product, confidence, found_by| {
        Some(Found { product, confidence, found_by, uncertain: false })
    };
    let srv = facts.autodiscover.places().iter().find_map(|place| named(&place.host));
    if let Some(product) = srv {
        return found(product, BY_SRV, "srv: _autodiscover._tcp");
    }
    let aliases = [
        (&facts.autodiscover_alias, "cname: autodiscover"),
        (&facts.autoconfig_alias, "cname: autoconfig"),
    ];
    for (alias, found_by) in aliases {
        if let Some(product) = alias.as_deref().and_then(named) {
            return found(product, BY_ALIAS, found_by);
        }
    }
    // This selector has one name for MX Plan and Zimbra, whose IMAP servers are the same.
    if facts.ovh_dkim.as_deref().is_some_and(is_ovh) {
        let product = Product::MxPlan(region.unwrap_or(Region::Europe));
        return found(product, BY_DKIM, "cname: ovhmo-selector-1._domainkey");
    }
    let product = Product::MxPlan(region?);
    Some(Found { product, confidence: BY_REGION, found_by: "mx", uncertain: true })
}

/// Whether the exchangers are those of OVHcloud's redirections, behind which no mailbox is.
pub fn only_redirects(facts: &Facts) -> bool {
    let mut exchangers = facts.exchangers.iter();
    !facts.exchangers.is_empty() && exchangers.all(|name| name == "redirect.ovh.net")
}

/// What is known of the server `host`, if it is one of OVHcloud's.
pub fn of_host(host: &str) -> Option<&'static str> {
    match of_name(host, Region::Europe) {
        Some(Product::Zimbra(_)) => Some("OVHcloud Zimbra"),
        Some(Product::EmailPro(_)) => Some("OVHcloud Email Pro"),
        Some(Product::Exchange(_)) => Some("OVHcloud Exchange"),
        Some(Product::MxPlan(_)) => Some("OVHcloud MX Plan"),
        None => {
            let shared =
                ["ssl0.ovh.net", "imap.mail.ovh.net", "pop.mail.ovh.net", "imap.mail.ovh.ca"];
            (shared.contains(&host) || host == "pop.mail.ovh.ca").then_some("OVHcloud MX Plan")
        }
    }
}

fn region(facts: &Facts) -> Option<Region> {
    let below = |suffix: &str| facts.exchangers.iter().any(|name| is_below(name, suffix));
    match (below("mail.ovh.net"), below("mail.ovh.ca")) {
        (true, _) => Some(Region::Europe),
        (false, true) => Some(Region::Canada),
        (false, false) => None,
    }
}

fn is_ovh(name: &str) -> bool {
    is_below(name, "mail.ovh.net") || is_below(name, "mail.ovh.ca")
}

/// The product whose name this is.
fn of_name(name: &str, region: Region) -> Option<Product> {
    if matches!(name, "mailconfig.ovh.net" | "mailconfig.ovh.ca") {
        let region = if name.ends_with(".ca") { Region::Canada } else { region };
        return Some(Product::MxPlan(region));
    }
    let label = name.strip_suffix(".mail.ovh.net").or_else(|| name.strip_suffix(".mail.ovh.ca"))?;
    let number = |prefix: &str| {
        let digits = label.strip_prefix(prefix)?;
        let all = digits.bytes().all(|byte| byte.is_ascii_digit());
        (all && digits.len() <= NUMBER_MAX_DIGITS).then_some(digits)
    };
    if number("zimbra").is_some() {
        Some(Product::Zimbra(name.to_owned()))
    } else if number("pro").is_some() {
        Some(Product::EmailPro(name.to_owned()))
    } else if number("ex").is_some() {
        Some(Product::Exchange(name.to_owned()))
    } else {
        None
    }
}

/// The servers of what was found. The product's own protocol carries more than
/// mail, so it stands first.
pub fn candidates(found: &Found) -> Vec<Candidate> {
    let (name, servers) = servers(&found.product);
    let mut confidence = found.confidence + 0.01;
    let hint = found.uncertain.then_some(Hint::OvhProduct);
    let caldav_url = match &found.product {
        Product::Zimbra(host) => Some(format!("https://{host}/dav/{ADDRESS_IN_URL}/")),
        Product::MxPlan(_) | Product::EmailPro(_) | Product::Exchange(_) => None,
    };
    servers
        .into_iter()
        .map(|(server_type, url)| {
            confidence -= 0.01;
            Candidate {
                provider: Some(name.to_owned()),
                caldav_url: caldav_url.clone(),
                hint,
                ..Candidate::new(server_type, url, confidence, found.found_by)
            }
        })
        .collect()
}

fn servers(product: &Product) -> (&'static str, Vec<(ServerType, String)>) {
    let both = |imap: &str, pop: &str| {
        vec![
            (ServerType::Imap, format!("imaps://{imap}")),
            (ServerType::Pop, format!("pops://{pop}")),
        ]
    };
    match product {
        Product::MxPlan(Region::Europe) => {
            ("OVHcloud MX Plan", both("imap.mail.ovh.net", "pop.mail.ovh.net"))
        }
        Product::MxPlan(Region::Canada) => {
            ("OVHcloud MX Plan", both("imap.mail.ovh.ca", "pop.mail.ovh.ca"))
        }
        Product::Zimbra(host) => {
            let mut servers = vec![(ServerType::Zimbra, format!("https://{host}"))];
            servers.extend(both("imap.mail.ovh.net", "pop.mail.ovh.net"));
            ("OVHcloud Zimbra", servers)
        }
        Product::EmailPro(host) => ("OVHcloud Email Pro", both(host, host)),
        Product::Exchange(host) => {
            let ews = format!("https://{host}/EWS/Exchange.asmx");
            let mut servers = vec![(ServerType::Exchange, ews)];
            servers.extend(both(host, host));
            ("OVHcloud Exchange", servers)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;
    use crate::candidate::Detection;
    use crate::facts::{Offer, Place};

    fn eu() -> Vec<String> {
        (0..5).map(|at| format!("mx{at}.mail.ovh.net")).collect()
    }

    fn ca() -> Vec<String> {
        (0..5).map(|at| format!("mx{at}.mail.ovh.ca")).collect()
    }

    fn at(host: &str) -> Offer {
        Offer::At(vec![Place { host: host.into(), port: 443 }])
    }

    fn found(facts: &Facts) -> Vec<(String, String, String)> {
        let found = product(facts).map(|found| candidates(&found)).unwrap_or_default();
        assert!(found.is_sorted_by(|a, b| a.confidence >= b.confidence));
        found
            .into_iter()
            .map(|one| (one.server_type.name().to_owned(), one.url, one.provider.unwrap()))
            .collect()
    }

    fn check(facts: Facts, name: &str, expected: &[(&str, &str)]) {
        let rows = found(&facts);
        let urls: Vec<_> =
            rows.iter().map(|(kind, url, _)| (kind.as_str(), url.as_str())).collect();
        assert_eq!(urls, expected, "{facts:?}");
        assert!(rows.iter().all(|(.., provider)| provider == name), "{rows:?}");
    }

    #[test]
    fn every_documented_product_by_its_srv_record() {
        let srv = |host: &str, exchangers| Facts {
            autodiscover: at(host),
            exchangers,
            ..Facts::default()
        };
        let mx_plan = [("imap", "imaps://imap.mail.ovh.net"), ("pop", "pops://pop.mail.ovh.net")];
        check(srv("mailconfig.ovh.net", eu()), "OVHcloud MX Plan", &mx_plan);
        let canada = [("imap", "imaps://imap.mail.ovh.ca"), ("pop", "pops://pop.mail.ovh.ca")];
        check(srv("mailconfig.ovh.net", ca()), "OVHcloud MX Plan", &canada);
        let zimbra = [("zimbra", "https://zimbra1.mail.ovh.net"), mx_plan[0], mx_plan[1]];
        check(srv("zimbra1.mail.ovh.net", eu()), "OVHcloud Zimbra", &zimbra);
        let pro = [("imap", "imaps://pro2.mail.ovh.net"), ("pop", "pops://pro2.mail.ovh.net")];
        check(srv("pro2.mail.ovh.net", eu()), "OVHcloud Email Pro", &pro);
        let exchange = [
            ("exchange", "https://ex3.mail.ovh.net/EWS/Exchange.asmx"),
            ("imap", "imaps://ex3.mail.ovh.net"),
            ("pop", "pops://ex3.mail.ovh.net"),
        ];
        check(srv("ex3.mail.ovh.net", eu()), "OVHcloud Exchange", &exchange);
        let canada = [
            ("exchange", "https://ex.mail.ovh.ca/EWS/Exchange.asmx"),
            ("imap", "imaps://ex.mail.ovh.ca"),
            ("pop", "pops://ex.mail.ovh.ca"),
        ];
        check(srv("ex.mail.ovh.ca", ca()), "OVHcloud Exchange", &canada);
    }

    #[test]
    fn aliases_dkim_and_exchangers_tell_less() {
        let mx_plan = [("imap", "imaps://imap.mail.ovh.net"), ("pop", "pops://pop.mail.ovh.net")];
        let alias = Facts {
            autodiscover_alias: Some("mailconfig.ovh.net".into()),
            exchangers: eu(),
            ..Facts::default()
        };
        check(alias.clone(), "OVHcloud MX Plan", &mx_plan);
        let dkim = "ovhmo-selector-1._domainkey.12345.ab.dkim.mail.ovh.net";
        let dkim = Facts { ovh_dkim: Some(dkim.into()), exchangers: eu(), ..Facts::default() };
        check(dkim.clone(), "OVHcloud MX Plan", &mx_plan);
        let region = Facts { exchangers: eu(), ..Facts::default() };
        check(region.clone(), "OVHcloud MX Plan", &mx_plan);
        let sure = |facts: &Facts| product(facts).unwrap();
        assert!(sure(&alias).confidence > sure(&dkim).confidence);
        assert!(sure(&dkim).confidence > sure(&region).confidence);
        let hints: Vec<bool> = [&alias, &dkim, &region].map(|it| sure(it).uncertain).to_vec();
        assert_eq!(hints, [false, false, true]);
    }

    #[test]
    fn others_are_not_ovh() {
        for host in [
            "pro.example.org",
            "evil-pro1.mail.ovh.net.example.org",
            "prox.mail.ovh.net",
            "pro12345.mail.ovh.net",
            "mail.ovh.net",
            "x.pro1.mail.ovh.net",
            "1.mail.ovh.net",
        ] {
            let facts = Facts { autodiscover: at(host), ..Facts::default() };
            assert_eq!(product(&facts), None, "{host}");
        }
        let private = Facts { exchangers: vec!["mail.example.org".into()], ..Facts::default() };
        assert_eq!(product(&private), None);
        let redirect = Facts { exchangers: vec!["redirect.ovh.net".into()], ..Facts::default() };
        assert_eq!((product(&redirect), only_redirects(&redirect)), (None, true));
        assert!(!only_redirects(&private) && !only_redirects(&Facts::default()));
    }

    #[test]
    fn calendars_of_zimbra() {
        let facts = Facts { autodiscover: at("zimbra1.mail.ovh.net"), ..Facts::default() };
        let found =
            Detection { candidates: candidates(&product(&facts).unwrap()), ..Detection::default() };
        let found = found.filled(&Address::parse("anna+x@example.org").unwrap());
        let url = "https://zimbra1.mail.ovh.net/dav/anna%2Bx%40example.org/";
        assert_eq!(found.candidates[1].caldav_url.as_deref(), Some(url));
        assert_eq!(of_host("ssl0.ovh.net"), Some("OVHcloud MX Plan"));
        assert_eq!(of_host("ex2.mail.ovh.net"), Some("OVHcloud Exchange"));
        assert_eq!(of_host("ovh.net"), None);
    }
}
