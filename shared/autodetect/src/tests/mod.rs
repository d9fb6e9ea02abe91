//! Detection against names and servers that a test makes up: DNS over HTTPS by a table, servers
//! with TLS in memory.

mod world;

use std::net::IpAddr;

use dial::{Ciphers, Dialer, Networks, RecordType, Trust};
use hickory_proto::rr::RData;
use model::ServerType;

use crate::candidate::{Candidate, Detection, Hint};
use crate::{Address, Settings, detect};
use world::{World, a, cname, mx, srv, txt};

/// Detects in a world whose servers are on 127.0.0.0/8, which is allowed unless said otherwise.
fn detected(world: &World, address: &str, allowed: &str) -> Detection {
    let dialer = Dialer {
        host: world,
        networks: Networks::parse(allowed).unwrap(),
        trust: Trust::new(&world.authority.pem).unwrap(),
        doh_url: "https://dns.example/dns-query".into(),
        allow_plaintext: false,
        idle_timeout_s: 5,
        ciphers: Ciphers::ChaCha20,
    };
    let settings = Settings { ispdb_url: "https://ispdb.example.test/v1.1/".into() };
    let address = Address::parse(address).unwrap();
    world.run(detect(&dialer, &settings, &address)).filled(&address)
}

const LOOPBACK: &str = "127.0.0.0/8";

fn found(world: &World) -> Detection {
    detected(world, "anna@example.test", LOOPBACK)
}

fn rows(detection: &Detection) -> Vec<(ServerType, &str, &str, bool)> {
    let row = |one: &'_ Candidate| (one.server_type, one.confirmed);
    detection
        .candidates
        .iter()
        .map(|one| (row(one).0, one.url.as_str(), one.found_by.as_str(), row(one).1))
        .collect()
}

/// A world with the mail exchangers of OVHcloud in Europe.
fn ovh(records: Vec<(&'static str, RData)>) -> World {
    let exchangers = (0..4).map(|at| ("example.test", mx(at, "mx1.mail.ovh.net")));
    World::new(exchangers.chain(records).collect())
}

#[test]
fn known_providers_need_no_network() {
    let world = World::new(vec![]);
    let detection = detected(&world, "anna@gmail.com", "");
    let google = "provider: Google";
    assert_eq!(
        rows(&detection),
        [
            (ServerType::Imap, "imaps://imap.gmail.com", google, false),
            (ServerType::Pop, "pops://pop.gmail.com", google, false)
        ]
    );
    let first = &detection.candidates[0];
    assert_eq!((first.hint, first.max_connections), (Some(Hint::AppPassword), Some(15)));
    assert!(first.app_password_url.is_some());
    assert_eq!((world.asked(), world.connected().len()), (0, 0));
    let proton = detected(&world, "anna@proton.me", "");
    assert_eq!((proton.candidates.len(), proton.hint), (0, Some(Hint::OwnProgram)));
    assert!(proton.sentence("proton.me").contains("bridge"));
}

#[test]
fn ovh_products() {
    for (target, server, url) in [
        ("mailconfig.ovh.net", ServerType::Imap, "imaps://imap.mail.ovh.net"),
        ("zimbra1.mail.ovh.net", ServerType::Zimbra, "https://zimbra1.mail.ovh.net"),
        ("pro3.mail.ovh.net", ServerType::Imap, "imaps://pro3.mail.ovh.net"),
        ("ex2.mail.ovh.net", ServerType::Exchange, "https://ex2.mail.ovh.net/EWS/Exchange.asmx"),
    ] {
        let world = ovh(vec![("_autodiscover._tcp.example.test", srv(0, 443, target))]);
        let detection = found(&world);
        let first = &detection.candidates[0];
        assert_eq!((first.server_type, first.url.as_str()), (server, url));
        assert_eq!(first.found_by, "srv: _autodiscover._tcp");
        // Mail itself is carried by IMAP, whatever the product.
        assert!(detection.best(|kind| kind == ServerType::Imap).is_some());
    }
    let alias = ovh(vec![("autodiscover.example.test", cname("mailconfig.ovh.net"))]);
    assert_eq!(found(&alias).candidates[0].url, "imaps://imap.mail.ovh.net");
    let region = found(&ovh(vec![]));
    assert_eq!(region.candidates[0].url, "imaps://imap.mail.ovh.net");
    assert_eq!(region.candidates[0].hint, Some(Hint::OvhProduct));
    let redirect = World::new(vec![("example.test", mx(1, "redirect.ovh.net"))]);
    assert_eq!(found(&redirect).hint, Some(Hint::RedirectOnly));
}

#[test]
fn srv_records_lead_to_servers_that_are_looked_at() {
    let mut world = World::new(vec![
        ("_imaps._tcp.example.test", srv(10, 993, "slow.example.test")),
        ("_imaps._tcp.example.test", srv(0, 31993, "imap.example.test")),
        ("_imap._tcp.example.test", srv(0, 31143, "imap.example.test")),
        ("_pop3s._tcp.example.test", srv(0, 31995, "imap.example.test")),
        ("_caldavs._tcp.example.test", srv(0, 443, "imap.example.test")),
        ("_caldavs._tcp.example.test", txt("path=/dav/")),
        ("imap.example.test", a("127.0.0.2")),
        ("slow.example.test", a("127.0.0.3")),
    ]);
    world.greet("127.0.0.2:31993", "imap.example.test", "* OK [CAPABILITY IMAP4rev1] hello\r\n");
    world.greet("127.0.0.2:31995", "imap.example.test", "+OK hello\r\n");
    world.start_tls("127.0.0.2:31143", "imap.example.test", "* OK hello\r\n", "a OK go on\r\n");
    let detection = found(&world);
    let by = |service: &str| format!("srv: {service}._tcp.example.test");
    let imap = |port: u16| format!("imap.example.test:{port}");
    let got: Vec<_> = rows(&detection)
        .into_iter()
        .map(|(_, url, by, ok)| (url.to_owned(), by.to_owned(), ok))
        .collect();
    assert_eq!(
        got,
        [
            (format!("imaps://{}", imap(31993)), by("_imaps"), true),
            (format!("imap://{}", imap(31143)), by("_imap"), true),
            (format!("pops://{}", imap(31995)), by("_pop3s"), true),
            ("imaps://slow.example.test".to_owned(), by("_imaps"), false),
        ]
    );
    let calendars = detection.candidates[0].caldav_url.as_deref();
    assert_eq!(calendars, Some("https://imap.example.test/dav/"));
}

const FILE: &str = "<clientConfig><emailProvider><incomingServer type='imap'>\
    <hostname>mx.example.net</hostname><port>993</port><socketType>SSL</socketType>\
    <username>%EMAILLOCALPART%</username></incomingServer></emailProvider></clientConfig>";

fn file() -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{FILE}", FILE.len())
}

#[test]
fn files_of_the_domain_and_of_mozilla() {
    let own = "GET /mail/config-v1.1.xml?emailaddress=anna%40example.test HTTP/1.1";
    let well_known = "GET /.well-known/autoconfig/mail/config-v1.1.xml HTTP/1.1";
    let mozilla = "GET /v1.1/example.test HTTP/1.1";
    for (host, request, source) in [
        (
            "autoconfig.example.test",
            own,
            "autoconfig: https://autoconfig.example.test/mail/config-v1.1.xml",
        ),
        (
            "example.test",
            well_known,
            "autoconfig: https://example.test/.well-known/autoconfig/mail/config-v1.1.xml",
        ),
        ("ispdb.example.test", mozilla, "ispdb: https://ispdb.example.test/v1.1/example.test"),
    ] {
        let mut world =
            World::new(vec![(host, a("127.0.0.9")), ("mx.example.net", a("127.0.0.2"))]);
        world.web("127.0.0.9:443", host, &[(request, &file())]);
        world.greet("127.0.0.2:993", "mx.example.net", "* OK hello\r\n");
        let detection = found(&world);
        let row = (ServerType::Imap, "imaps://mx.example.net", source, true);
        assert_eq!(rows(&detection), [row]);
        let first = &detection.candidates[0];
        assert_eq!((first.login.as_deref(), first.hint), (Some("anna"), Some(Hint::LocalLogin)));
    }
}

#[test]
fn redirections_are_followed_and_checked() {
    let moved =
        |to: &str| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
    let own = "GET /mail/config-v1.1.xml?emailaddress=anna%40example.test HTTP/1.1";
    let moving = |to: &str, target: &str| {
        let mut world = World::new(vec![
            ("autoconfig.example.test", a("127.0.0.9")),
            ("other.example.net", a(target)),
            ("mx.example.net", a("127.0.0.2")),
        ]);
        world.web("127.0.0.9:443", "autoconfig.example.test", &[(own, &moved(to))]);
        world.web(&format!("{target}:443"), "other.example.net", &[("GET /x HTTP/1.1", &file())]);
        world.greet("127.0.0.2:993", "mx.example.net", "* OK hello\r\n");
        (found(&world), world.connected())
    };
    assert_eq!(moving("https://other.example.net/x", "127.0.0.8").0.candidates.len(), 1);
    let (refused, connected) = moving("https://other.example.net/x", "169.254.169.254");
    assert_eq!(refused.candidates, []);
    assert!(
        refused.notes[0].starts_with("autoconfig.example.test was not looked at: 169.254"),
        "{refused:?}"
    );
    assert!(connected.iter().all(|address| address.ip().to_string().starts_with("127.")));
    for to in
        ["http://other.example.net/x", "https://127.0.0.8/x", "https://other.example.net:8443/x"]
    {
        assert_eq!(moving(to, "127.0.0.8").0.candidates, [], "{to}");
    }
    let (round, connected) = moving(&format!("/{}", &own[5..own.len() - 9]), "127.0.0.8");
    assert_eq!(round.candidates, []);
    assert!(connected.len() < 12, "{connected:?}");
}

#[test]
fn domains_that_lead_inside_are_refused() {
    for address in ["127.0.0.1", "169.254.169.254", "10.0.0.1", "192.168.1.1", "0.0.0.0"] {
        let mut world = World::new(vec![
            ("_imaps._tcp.example.test", srv(0, 993, "imap.example.test")),
            ("_caldavs._tcp.example.test", srv(0, 443, "dav.example.test")),
            ("imap.example.test", a(address)),
            ("dav.example.test", a(address)),
            ("autoconfig.example.test", a(address)),
            ("example.test", a(address)),
            ("mail.example.test", a(address)),
        ]);
        world.greet(&format!("{address}:993"), "imap.example.test", "* OK hello\r\n");
        let detection = detected(&world, "anna@example.test", "");
        assert_eq!(detection.candidates, [], "{address}");
        let sentence = detection.sentence("example.test");
        assert!(sentence.contains("imap.example.test was not looked at"), "{sentence}");
        assert!(sentence.contains("private or local address"), "{sentence}");
        assert!(!detection.unanswered);
        assert_eq!(world.connected(), [], "{address}");
    }
}

#[test]
fn an_aaaa_record_that_leads_inside_is_refused() {
    let inside: IpAddr = "::1".parse().unwrap();
    let IpAddr::V6(v6) = inside else { unreachable!() };
    let aaaa = RData::AAAA(hickory_proto::rr::rdata::AAAA(v6));
    let world = World::new(vec![("imap.example.test", aaaa)]);
    let detection = detected(&world, "anna@example.test", "");
    assert!(detection.notes[0].contains("::1"), "{detection:?}");
    assert_eq!(world.connected(), []);
}

#[test]
fn guesses_need_a_certificate_and_a_greeting() {
    let world = |name: &'static str, greeting: &'static str| {
        let mut world = World::new(vec![
            ("imap.example.test", a("127.0.0.2")),
            ("mail.example.test", a("127.0.0.3")),
        ]);
        world.greet("127.0.0.2:993", name, greeting);
        world
    };
    let good = found(&world("imap.example.test", "* OK hello\r\n"));
    let row = (ServerType::Imap, "imaps://imap.example.test", "guess: imap.example.test", true);
    assert_eq!(rows(&good), [row]);
    assert_eq!(found(&world("other.example.net", "* OK hello\r\n")).candidates, []);
    assert_eq!(found(&world("imap.example.test", "220 smtp ready\r\n")).candidates, []);
    assert_eq!(found(&world("imap.example.test", "* BYE full\r\n")).candidates, []);
    let endless: &'static str = Box::leak("x".repeat(100_000).into_boxed_str());
    assert_eq!(found(&world("imap.example.test", endless)).candidates, []);
}

#[test]
fn a_domain_that_says_no_is_believed() {
    let mut world = World::new(vec![
        ("_imaps._tcp.example.test", srv(0, 0, ".")),
        ("_pop3s._tcp.example.test", srv(0, 995, "pop.example.test")),
        ("imap.example.test", a("127.0.0.2")),
        ("pop.example.test", a("127.0.0.3")),
    ]);
    world.greet("127.0.0.2:993", "imap.example.test", "* OK hello\r\n");
    world.greet("127.0.0.3:995", "pop.example.test", "+OK hello\r\n");
    let detection = found(&world);
    let by = "srv: _pop3s._tcp.example.test";
    assert_eq!(rows(&detection), [(ServerType::Pop, "pops://pop.example.test", by, true)]);
}

#[test]
fn start_tls_that_is_injected_into_is_refused() {
    let world = |answer: &'static str| {
        let mut world = World::new(vec![
            ("_imap._tcp.example.test", srv(0, 143, "imap.example.test")),
            ("imap.example.test", a("127.0.0.2")),
        ]);
        world.start_tls("127.0.0.2:143", "imap.example.test", "* OK hello\r\n", answer);
        found(&world).candidates[0].confirmed
    };
    assert!(world("* CAPABILITY IMAP4\r\na OK go on\r\n"));
    assert!(!world("a OK go on\r\n* BYE injected\r\n"));
    assert!(!world("a NO\r\n"));
    assert!(!world("a BAD\r\n"));
}

#[test]
fn exchange_without_a_password() {
    let refusal =
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n";
    let mut world = World::new(vec![
        ("example.test", mx(1, "ex.example.test")),
        ("autodiscover.example.test", a("127.0.0.4")),
    ]);
    let pages = [
        ("GET /autodiscover/autodiscover.xml HTTP/1.1", refusal),
        ("GET /EWS/Exchange.asmx HTTP/1.1", refusal),
    ];
    world.web("127.0.0.4:443", "autodiscover.example.test", &pages);
    let detection = found(&world);
    let url = "https://autodiscover.example.test/EWS/Exchange.asmx";
    let by = "autodiscover: autodiscover.example.test";
    assert_eq!(rows(&detection), [(ServerType::Exchange, url, by, true)]);
    assert!(world.heard().iter().all(|line| !line.to_lowercase().contains("authorization")));
}

#[test]
fn calendars_at_the_well_known_place() {
    let moved = "HTTP/1.1 301 x\r\nLocation: https://dav.example.test/cal/\r\n\r\n";
    let refusal = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\n\r\n";
    let mut world = World::new(vec![
        ("example.test", a("127.0.0.5")),
        ("dav.example.test", a("127.0.0.6")),
        ("imap.example.test", a("127.0.0.2")),
    ]);
    world.web("127.0.0.5:443", "example.test", &[("GET /.well-known/caldav HTTP/1.1", moved)]);
    world.web("127.0.0.6:443", "dav.example.test", &[("GET /cal/ HTTP/1.1", refusal)]);
    world.greet("127.0.0.2:993", "imap.example.test", "* OK hello\r\n");
    let first = &found(&world).candidates[0];
    assert_eq!(first.caldav_url.as_deref(), Some("https://dav.example.test/cal/"));
    assert_eq!(first.carddav_url, None);
}

#[test]
fn dns_that_fails_is_a_sentence() {
    let mut silent = World::new(vec![]);
    silent.dns_is_silent = true;
    let detection = found(&silent);
    assert_eq!((detection.candidates.len(), detection.unanswered), (0, true));
    assert!(silent.now_ms() <= 5_200, "{}", silent.now_ms());
    let sentence = detection.sentence("example.test");
    assert!(
        sentence.starts_with("The mail server of example.test could not be looked for."),
        "{sentence}"
    );

    let mut garbage = World::new(vec![]);
    garbage.dns_says_garbage = true;
    let detection = found(&garbage);
    assert_eq!((detection.candidates.len(), detection.unanswered), (0, true));
    assert!(detection.notes[0].contains("answers no DNS message"), "{detection:?}");

    let circle = World::new(vec![
        ("imap.example.test", cname("mail.example.test")),
        ("mail.example.test", cname("imap.example.test")),
    ]);
    assert_eq!(found(&circle).candidates, []);

    let nothing = found(&World::new(vec![]));
    assert!(!nothing.unanswered);
    let sentence = nothing.sentence("example.test");
    assert_eq!(
        sentence,
        "No mail server was found for example.test. There is no domain example.test."
    );
}

#[test]
fn servers_that_never_answer_cost_five_seconds_at_most() {
    let mut world = World::new(vec![
        ("_imaps._tcp.example.test", srv(0, 993, "imap.example.test")),
        ("imap.example.test", a("127.0.0.2")),
        ("autoconfig.example.test", a("127.0.0.7")),
    ]);
    world.silent("127.0.0.2:993");
    world.silent("127.0.0.7:443");
    let detection = found(&world);
    assert!(world.now_ms() <= 5_200, "{}", world.now_ms());
    assert!(detection.candidates.iter().all(|one| !one.confirmed));
}

#[test]
fn a_good_answer_is_not_kept_waiting() {
    let mut world = World::new(vec![
        ("_imaps._tcp.example.test", srv(0, 993, "imap.example.test")),
        ("imap.example.test", a("127.0.0.2")),
        ("autoconfig.example.test", a("127.0.0.7")),
    ]);
    world.greet("127.0.0.2:993", "imap.example.test", "* OK hello\r\n");
    world.silent("127.0.0.7:443");
    let detection = found(&world);
    assert!(detection.candidates[0].confirmed);
    assert!(world.now_ms() <= 3_000, "{}", world.now_ms());
}

#[test]
fn questions_have_a_limit() {
    let world = World::new(vec![("example.test", mx(1, "mx.example.net"))]);
    let _ = found(&world);
    assert!(world.asked() <= 80, "{}", world.asked());
    assert!(world.kinds().contains(&RecordType::SRV));
}
