//! Servers found from the address: a real DNS server, real web servers, real mail servers.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use e2e::app::{App, Setup, encoded, mail_migration, migrate};
use e2e::content::{assert_same, by_place, fill};
use e2e::dns::Dns;
use e2e::doh::{Answers, Doh};
use e2e::mailbox::Client;
use e2e::servers::{Dovecot, Layout, PASSWORD, Server};
use e2e::site::{Site, forbidden, found};
use serde_json::{Value, json};

/// The name in the certificate of the tests' mail servers.
const MAIL: &str = "mail.trasloco.test";

/// An application whose names all come from `doh`, as under Spin.
fn setup(doh: &Doh) -> Setup {
    Setup::default()
        .flag("--as-spin")
        .variable("doh_url", &doh.url())
        .variable("ispdb_url", "https://ispdb.test/v1.1/")
}

fn served(lines: &[String]) -> (Dns, Doh, App) {
    let dns = Dns::start(lines);
    let doh = Doh::with(Answers::From(dns.port()));
    let app = App::start(setup(&doh));
    (dns, doh, app)
}

fn detected(app: &App, address: &str) -> Value {
    let start = Instant::now();
    let answer = app.get(&format!("/autodetect?address={}", encoded(address)));
    assert!(start.elapsed() < Duration::from_secs(6), "{:?} for {address}", start.elapsed());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Type, URL and what told it, of the best candidate.
fn best(found: &Value) -> (String, String, String) {
    let first = &found["candidates"][0];
    let text = |name: &str| first[name].as_str().unwrap_or_default().to_owned();
    (text("type"), text("url"), text("found_by"))
}

fn host(name: &str, ip: IpAddr) -> String {
    format!("host-record={name},{ip}")
}

/// A CNAME record to a name that the server does not know itself.
fn cname(name: &str, target: &str) -> String {
    let mut octets = Vec::new();
    for label in target.split('.') {
        octets.push(u8::try_from(label.len()).unwrap());
        octets.extend_from_slice(label.as_bytes());
    }
    octets.push(0);
    let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("dns-rr={name},5,{hex}")
}

/// The zone of a domain at OVHcloud, with what its SRV record names.
fn ovh(domain: &str, target: Option<&str>, region: &str) -> Vec<String> {
    let exchangers = [("mx0", 1), ("mx1", 5), ("mx2", 50), ("mx3", 100)];
    let mut lines: Vec<String> = exchangers
        .iter()
        .map(|(name, preference)| format!("mx-host={domain},{name}.mail.ovh.{region},{preference}"))
        .collect();
    lines.extend(target.map(|it| format!("srv-host=_autodiscover._tcp.{domain},{it},443,0,0")));
    lines
}

#[test]
fn every_documented_product_of_ovh() {
    let eu = ("imap", "imaps://imap.mail.ovh.net");
    let products = [
        ("plan.test", Some("mailconfig.ovh.net"), "net", eu),
        ("plan-ca.test", Some("mailconfig.ovh.net"), "ca", ("imap", "imaps://imap.mail.ovh.ca")),
        (
            "zimbra.test",
            Some("zimbra1.mail.ovh.net"),
            "net",
            ("zimbra", "https://zimbra1.mail.ovh.net"),
        ),
        ("pro1.test", Some("pro1.mail.ovh.net"), "net", ("imap", "imaps://pro1.mail.ovh.net")),
        ("pro3.test", Some("pro3.mail.ovh.net"), "net", ("imap", "imaps://pro3.mail.ovh.net")),
        (
            "ex2.test",
            Some("ex2.mail.ovh.net"),
            "net",
            ("exchange", "https://ex2.mail.ovh.net/EWS/Exchange.asmx"),
        ),
        (
            "ex.test",
            Some("ex.mail.ovh.ca"),
            "ca",
            ("exchange", "https://ex.mail.ovh.ca/EWS/Exchange.asmx"),
        ),
        ("old.test", None, "net", eu),
        ("old-ca.test", None, "ca", ("imap", "imaps://imap.mail.ovh.ca")),
    ];
    let mut lines: Vec<String> = products
        .iter()
        .flat_map(|(domain, target, region, _)| ovh(domain, *target, region))
        .collect();
    lines.extend(ovh("alias.test", None, "net"));
    lines.push(cname("autodiscover.alias.test", "mailconfig.ovh.net"));
    lines.extend(ovh("dkim.test", None, "net"));
    let selector = "ovhmo-selector-1._domainkey";
    lines.push(cname(
        &format!("{selector}.dkim.test"),
        &format!("{selector}.1.ab.dkim.mail.ovh.net"),
    ));
    lines.push("mx-host=redirect.test,redirect.ovh.net,1".to_owned());
    let (_dns, _doh, app) = served(&lines);
    for (domain, _, _, expected) in products {
        let found = detected(&app, &format!("anna@{domain}"));
        let (kind, url, by) = best(&found);
        assert_eq!((kind.as_str(), url.as_str()), expected, "{domain}: {found:#}");
        assert!(by.starts_with("srv: _autodiscover") || by == "mx", "{by}");
        let imap = found["candidates"].as_array().unwrap().iter().any(|one| one["type"] == "imap");
        assert!(imap, "{domain} has IMAP");
    }
    for (domain, by) in
        [("alias.test", "cname: autodiscover"), ("dkim.test", "cname: ovhmo-selector-1._domainkey")]
    {
        let (_, url, told) = best(&detected(&app, &format!("anna@{domain}")));
        assert_eq!((url.as_str(), told.as_str()), (eu.1, by));
    }
    assert_eq!(detected(&app, "anna@old.test")["candidates"][0]["hint_code"], "ovh_product");
    let redirect = detected(&app, "anna@redirect.test");
    assert_eq!(
        (&redirect["candidates"], &redirect["hint_code"]),
        (&json!([]), &json!("redirect_only"))
    );
}

fn file(port: u16) -> String {
    format!(
        "<?xml version=\"1.0\"?><clientConfig version=\"1.1\"><emailProvider id=\"x\">\
         <incomingServer type=\"imap\"><hostname>{MAIL}</hostname><port>{port}</port>\
         <socketType>SSL</socketType><authentication>password-cleartext</authentication>\
         <username>%EMAILADDRESS%</username></incomingServer></emailProvider></clientConfig>"
    )
}

#[test]
fn files_of_the_domain_and_of_the_database() {
    let server = Dovecot::start(Layout::Maildir);
    let port = server.imaps_port();
    let own = Site::start(
        &["autoconfig.own.test", "well.test"],
        &[
            ("/mail/config-v1.1.xml?emailaddress=anna%40own.test", found(&file(port))),
            ("/.well-known/autoconfig/mail/config-v1.1.xml", found(&file(port))),
            ("/.well-known/caldav", "HTTP/1.1 301 Moved\r\nLocation: /dav/\r\n\r\n".into()),
            ("/dav/", "HTTP/1.1 401 x\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n".into()),
        ],
    );
    let database = Site::start(&["ispdb.test"], &[("/v1.1/isp.test", found(&file(port)))]);
    let (_dns, _doh, app) = served(&[
        host(MAIL, Ipv4Addr::LOCALHOST.into()),
        host("autoconfig.own.test", own.ip),
        host("well.test", own.ip),
        host("ispdb.test", database.ip),
    ]);
    let url = format!("imaps://{MAIL}:{port}");
    for (address, told) in [
        ("anna@own.test", "autoconfig: https://autoconfig.own.test/mail/config-v1.1.xml"),
        (
            "anna@well.test",
            "autoconfig: https://well.test/.well-known/autoconfig/mail/config-v1.1.xml",
        ),
        ("anna@isp.test", "ispdb: https://ispdb.test/v1.1/isp.test"),
    ] {
        let found = detected(&app, address);
        assert_eq!(best(&found), ("imap".into(), url.clone(), told.into()), "{found:#}");
        assert_eq!(found["candidates"][0]["confirmed"], true);
    }
    let calendars = &detected(&app, "anna@well.test")["candidates"][0]["caldav_url"];
    assert_eq!(calendars, "https://well.test/dav/");
    for heard in own.heard().iter().chain(&database.heard()) {
        assert!(!heard.to_lowercase().contains("authorization"), "{heard}");
    }
}

/// SRV records that lead to a real server.
fn srv(domain: &str, port: u16) -> Vec<String> {
    vec![
        host(MAIL, Ipv4Addr::LOCALHOST.into()),
        format!("srv-host=_imaps._tcp.{domain},{MAIL},{port},0,1"),
        format!("srv-host=_caldavs._tcp.{domain},{MAIL},8443,0,1"),
        format!("txt-record=_caldavs._tcp.{domain},path=/dav/"),
    ]
}

#[test]
fn a_migration_between_two_accounts_without_servers() {
    let (source, destination) = (Dovecot::start(Layout::Maildir), Dovecot::start(Layout::Mdbox));
    let (anna, bob) = ("anna@from.test".to_owned(), "bob@to.test".to_owned());
    let mut client = Client::on(&source, &anna);
    fill(&mut client, 20);
    let mut lines = srv("from.test", source.imaps_port());
    lines.extend(srv("to.test", destination.imaps_port()));
    let (_dns, doh, app) = served(&lines);
    let found = detected(&app, "anna@from.test");
    let url = format!("imaps://{MAIL}:{}", source.imaps_port());
    assert_eq!(best(&found), ("imap".into(), url.clone(), "srv: _imaps._tcp.from.test".into()));
    let calendars = &found["candidates"][0]["caldav_url"];
    assert_eq!(*calendars, format!("https://{MAIL}:8443/dav/"));
    let account = |kind: &str, login: &str, password: &str| json!({"type": kind, "login": login, "password": password});
    let body = mail_migration(account("ovh", &anna, PASSWORD), account("imap", &bob, PASSWORD));
    let migration = app.create(&body);
    let state = app.wait(&migration, 120);
    assert_eq!(state["status"], "completed", "{state:#}");
    assert_eq!((&state["source"]["type"], &state["source"]["url"]), (&json!("imap"), &json!(url)));
    let arrived = by_place(&mut Client::on(&destination, &bob));
    assert_same(&by_place(&mut client), &arrived, "found by SRV");
    // The second account of a domain costs no second detection.
    let before = doh.asked();
    detected(&app, "carl@from.test");
    assert_eq!(doh.asked(), before);
    let wrong = mail_migration(account("ovh", &anna, "wrong"), account("ovh", &bob, PASSWORD));
    let refused = app.post("/migrations", &wrong);
    assert_eq!(refused.json()["errors"][0]["pointer"], "/source/password", "{}", refused.text());
    let nowhere = account("ovh", "anna@nowhere.test", PASSWORD);
    let refused = app.post("/migrations", &mail_migration(nowhere, account("ovh", &bob, PASSWORD)));
    let error = refused.json()["errors"][0].clone();
    assert_eq!((refused.status, &error["pointer"]), (422, &json!("/source/url")), "{error}");
    assert_eq!(error["code"], "no_server", "{error}");
}

#[test]
fn the_terminal_finds_servers_too() {
    let (source, destination) = (Dovecot::start(Layout::Maildir), Dovecot::start(Layout::Maildir));
    let (anna, bob) = ("anna@from.test".to_owned(), "bob@to.test".to_owned());
    let mut client = Client::on(&source, &anna);
    fill(&mut client, 5);
    let mut lines = srv("from.test", source.imaps_port());
    lines.extend(srv("to.test", destination.imaps_port()));
    let dns = Dns::start(&lines);
    let doh = Doh::with(Answers::From(dns.port()));
    let state = tempfile::tempdir().unwrap();
    let urls = [&anna, &bob].map(|login| format!("ovh://{}", encoded(login)));
    let flags = ["--source", &urls[0], "--destination", &urls[1], "--json"];
    let output = migrate(&setup(&doh), state.path(), &flags, (PASSWORD, PASSWORD));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let arrived = by_place(&mut Client::on(&destination, &bob));
    assert_same(&by_place(&mut client), &arrived, "from the terminal");
}

#[test]
fn domains_that_lead_inside_are_refused() {
    let inside = Site::start(&["autoconfig.loop.test"], &[]);
    let (listener, _) = forbidden(Ipv4Addr::new(127, 0, 0, 1), 993);
    let lines: Vec<String> = [
        ("loop.test", "127.0.0.1"),
        ("cloud.test", "169.254.169.254"),
        ("lan.test", "10.0.0.1"),
        ("six.test", "::1"),
    ]
    .iter()
    .flat_map(|(domain, ip)| {
        let ip: IpAddr = ip.parse().unwrap();
        let autoconfig = if *domain == "loop.test" { inside.ip } else { ip };
        [
            host(domain, ip),
            host(&format!("imap.{domain}"), ip),
            host(&format!("autoconfig.{domain}"), autoconfig),
            format!("srv-host=_imaps._tcp.{domain},imap.{domain},993,0,1"),
            format!("srv-host=_carddavs._tcp.{domain},imap.{domain},443,0,1"),
        ]
    })
    .collect();
    let dns = Dns::start(&lines);
    let doh = Doh::with(Answers::From(dns.port()));
    let app = App::start(setup(&doh).variable("allowed_networks", ""));
    for domain in ["loop.test", "cloud.test", "lan.test", "six.test"] {
        let found = detected(&app, &format!("anna@{domain}"));
        assert_eq!(found["candidates"], json!([]), "{found:#}");
        let detail = found["detail"].as_str().unwrap();
        assert!(detail.contains("is a private or local address"), "{detail}");
        let account = json!({"type": "ovh", "login": format!("anna@{domain}"), "password": "x"});
        let refused = app.post("/migrations", &mail_migration(account.clone(), account));
        assert_eq!(refused.status, 422, "{}", refused.text());
        assert_eq!(refused.json()["errors"][0]["pointer"], "/source/url");
    }
    assert_eq!(inside.heard(), Vec::<String>::new());
    let nobody = listener.accept().expect_err("something connected to 127.0.0.1");
    assert_eq!(nobody.kind(), ErrorKind::WouldBlock);
}

#[test]
fn resolvers_that_do_not_answer_cost_five_seconds_and_a_sentence() {
    for answers in [Answers::Never, Answers::Garbage] {
        let doh = Doh::with(answers);
        let app = App::start(setup(&doh));
        let found = detected(&app, "anna@somewhere.test");
        assert_eq!((&found["candidates"], &found["complete"]), (&json!([]), &json!(false)));
        let detail = found["detail"].as_str().unwrap();
        assert!(
            detail.starts_with("The mail server of somewhere.test could not be looked for."),
            "{detail}"
        );
        let account = json!({"type": "ovh", "login": "anna@somewhere.test", "password": "x"});
        let refused = app.post("/migrations", &mail_migration(account.clone(), account));
        let error = refused.json()["errors"][0].clone();
        assert_eq!((refused.status, &error["code"]), (422, &json!("unreachable")), "{error}");
    }
}
