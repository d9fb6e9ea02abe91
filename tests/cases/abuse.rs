//! Clients that take what they can get: others, and migrations, go on.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use e2e::app::{ADVANCE_TOKEN, App, Migration, Setup, imap_account, mail_migration};
use e2e::http::{connect as open, get, request};
use e2e::servers::{Drip, Fake};
use fake_imap::{Faults, Features, Mailboxes, Message};
use serde_json::json;

/// What a page may take, the slowest one in a hundred.
const PAGE: Duration = Duration::from_millis(200);

/// How long whoever says nothing may stay, at the most: four times what is given to it, for the machine
/// may have other work.
const SILENT: Duration = Duration::from_secs(120);

/// Pages whose times are taken.
const PAGES: usize = 200;

/// An honest mailbox of five messages, and where it goes.
struct Honest {
    source: Fake,
    destination: Fake,
}

impl Honest {
    fn start() -> Honest {
        let account = Mailboxes::new(Features::modern());
        for number in 0..5 {
            account.add("INBOX", Message::sample(&format!("{number}@example.test"), 2000));
        }
        let destination = Fake::start(Mailboxes::new(Features::modern()), Faults::none());
        Honest { source: Fake::start(account, Faults::none()), destination }
    }

    fn body(&self) -> serde_json::Value {
        let account = |fake: &Fake| {
            imap_account(&format!("imaps://localhost:{}", fake.tls_port()), "user", "secret")
        };
        mail_migration(account(&self.source), account(&self.destination))
    }

    /// One that waits for next year, to be followed.
    fn later(&self, app: &App) -> Migration {
        let mut body = self.body();
        let next_year = time::OffsetDateTime::now_utc().year() + 1;
        body["options"] = json!({"start_at": format!("{next_year}-01-02T00:00:00Z")});
        app.create(&body)
    }

    fn migrates_within_ten_seconds(&self, app: &App) {
        let start = Instant::now();
        let state = app.wait(&app.create(&self.body()), 30);
        assert_eq!(state["status"], "completed", "{state:#}");
        assert_eq!(self.destination.account.digest(), self.source.account.digest());
        let took = start.elapsed();
        println!("the migration took {took:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

/// A connection to the application from one of `many` loopback addresses.
fn connect(app: &App, number: usize, many: usize) -> Option<TcpStream> {
    let last = u8::try_from(1 + number % many).unwrap();
    let from = Ipv4Addr::new(127, 0, 0, last);
    let stream = open(app.url.strip_prefix("http://").unwrap(), Some(from)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    Some(stream)
}

/// Connections that have said this and stay open, for as long as the other side likes.
fn flood(app: &App, said: &str, (n, many): (usize, usize)) -> Vec<TcpStream> {
    let opened = (0..n).filter_map(|number| {
        let mut stream = connect(app, number, many)?;
        // It may be closed already, which is what this is about.
        let _ = stream.write_all(said.as_bytes());
        Some(stream)
    });
    opened.collect()
}

/// The time that the slowest page but one in a hundred takes.
fn slowest_page(app: &App) -> Duration {
    let mut took: Vec<Duration> = (0..PAGES)
        .map(|number| {
            let start = Instant::now();
            let path = if number % 2 == 0 { "/" } else { "/new" };
            let answer = get(&format!("{}{path}", app.url));
            assert_eq!(answer.status, 200, "{}", answer.text());
            start.elapsed()
        })
        .collect();
    took.sort();
    took[PAGES - 1 - PAGES / 100]
}

fn memory_mib(app: &App) -> u64 {
    let path = format!("/proc/{}/status", app.process_id());
    let text = std::fs::read_to_string(path).expect("a process");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
}

fn refused(app: &App, reason: &str) -> u64 {
    let text = get(&format!("{}/metrics", app.url)).text();
    let name = format!("trasloco_refused_total{{reason=\"{reason}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).expect("a count").parse().unwrap()
}

/// 600 unfinished bodies, 520 event streams, 1,000 silent connections and 200 of HTTP/2 without a
/// stream, all at once.
fn everything_at_once(addresses: usize) {
    rustix::process::setrlimit(rustix::process::Resource::Nofile, {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        rustix::process::Rlimit { current: limit.maximum, ..limit }
    })
    .expect("more open files");
    let honest = Honest::start();
    let app = App::start(Setup::default());
    // Of another pair of accounts: one pair has one migration.
    let elsewhere = Honest::start();
    let followed = elsewhere.later(&app);
    let quiet = slowest_page(&app);
    let before = memory_mib(&app);
    let host = "host: localhost\r\n";
    let body = format!("POST /new HTTP/1.1\r\n{host}content-length: 200000\r\n\r\nsource=");
    let path = format!("/api/v1{}", followed.path("/events"));
    let events = format!("GET {path} HTTP/1.1\r\n{host}accept: text/event-stream\r\n\r\n");
    let settings = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0";
    let mut held = vec![
        flood(&app, &body, (600, addresses)),
        flood(&app, &events, (520, addresses)),
        flood(&app, "", (1000, addresses)),
        flood(&app, settings, (200, addresses)),
        flood(&app, "PRI", (20, addresses)),
    ];
    let flooded = slowest_page(&app);
    let after = memory_mib(&app);
    println!(
        "{addresses} addresses: pages {quiet:?}, then {flooded:?}; {before}, then {after} MiB"
    );
    assert!(flooded < PAGE.max(quiet * 3), "{flooded:?} instead of {quiet:?}");
    assert!(after < before + 400, "{before}, then {after} MiB");
    honest.migrates_within_ten_seconds(&app);
    let advance = app.advance().expect("an answer");
    assert_eq!(advance.status, 200, "{}", advance.text());
    // From one address its own share is full, from several that of all.
    let reasons = ["event_streams_of_client", "event_streams", "requests_of_client", "requests"];
    let streams: u64 = reasons.iter().map(|reason| refused(&app, reason)).sum();
    assert!(streams >= 520 - 256, "{streams}");
    // Whatever said nothing that ends is over by itself.
    let deadline = Instant::now() + SILENT;
    for silent in held.drain(2..).flatten() {
        ends(silent, deadline);
    }
    assert!(refused(&app, "silent_connection") > 0);
    assert!(refused(&app, "slow_body") + refused(&app, "connection_gave_way") > 0);
}

/// Waits until the other side closes, which it has to do by then.
#[track_caller]
fn ends(mut stream: TcpStream, by: Instant) {
    let mut octets = [0; 4096];
    loop {
        let left = by.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left)).expect("a time");
        match stream.read(&mut octets) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => match error.kind() {
                ErrorKind::ConnectionReset => return,
                // A signal, which says nothing of the other side.
                ErrorKind::Interrupted => {}
                _ => panic!("it is still open: {error}"),
            },
        }
    }
}

#[test]
fn everything_at_once_from_one_address() {
    everything_at_once(1);
}

#[test]
fn everything_at_once_from_several_addresses() {
    everything_at_once(9);
}

/// 600 bodies that never end, and four migrations whose servers only drip.
#[test]
fn unfinished_bodies_and_dripping_servers_at_once() {
    let honest = Honest::start();
    let app = App::start(Setup::default().variable("allow_plaintext", "true"));
    let elsewhere = Honest::start();
    let account =
        |port: u16| imap_account(&format!("imap://localhost:{port}?tls=none"), "user", "secret");
    // The trial log-in is one honest connection; later ones drip after the log-in.
    let behind = elsewhere.source.port();
    let drips: Vec<Drip> = (0..4).map(|_| Drip::before(behind, 1, 700)).collect();
    let dripping: Vec<Migration> = drips
        .iter()
        .map(|drip| {
            let to = account(elsewhere.destination.port());
            let migration = app.create(&mail_migration(account(drip.port), to));
            app.wait_for(&migration, 20, |state| {
                state["status"] == "running" || state["status"] == "waiting"
            });
            migration
        })
        .collect();
    let quiet = slowest_page(&app);
    let body = "POST /new HTTP/1.1\r\nhost: localhost\r\ncontent-length: 200000\r\n\r\nsource=";
    let held = flood(&app, body, (600, 5));
    let flooded = slowest_page(&app);
    println!("pages {quiet:?}, then {flooded:?}");
    assert!(flooded < PAGE.max(quiet * 3), "{flooded:?} instead of {quiet:?}");
    honest.migrates_within_ten_seconds(&app);
    let began = Instant::now();
    let path = dripping[0].path("/stop");
    let answer = app.post(&path, &serde_json::Value::Null);
    assert_eq!(answer.status, 202, "{}", answer.text());
    app.wait_for(&dripping[0], 5, |state| state["status"] == "stopped");
    println!("the stop took {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(held);
}

/// Silent connections take neither the migrations' descriptors nor the store's.
#[test]
fn few_descriptors() {
    let honest = Honest::start();
    let app = App::start(Setup::default().files(256));
    let held = flood(&app, "", (600, 3));
    assert_eq!(get(&app.url).status, 200);
    honest.migrates_within_ten_seconds(&app);
    assert!(refused(&app, "connection_gave_way") > 300);
    drop(held);
}

/// Tables that never end hold what the budget allows, not what was sent.
#[test]
fn unfinished_tables() {
    let app = App::start(Setup::default());
    let project = app.post("/projects", &json!({"name": "a", "password": "long enough for this"}));
    assert_eq!(project.status, 201, "{}", project.text());
    let project = project.json();
    let (id, token) = (project["id"].as_str().unwrap(), project["token"].as_str().unwrap());
    let before = memory_mib(&app);
    let head = format!(
        "POST /api/v1/projects/{id}/import HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/csv\r\n\
         authorization: Bearer {token}\r\ncontent-length: 16000000\r\n\r\n"
    );
    let table = vec![b'x'; 15 << 20];
    let mut held = Vec::new();
    for mut stream in flood(&app, &head, (40, 4)) {
        // It is refused in the middle.
        let _ = stream.write_all(&table);
        held.push(stream);
    }
    let after = memory_mib(&app);
    println!("{before}, then {after} MiB");
    assert!(after < before + 250, "{before}, then {after} MiB");
    assert!(refused(&app, "bodies_of_client") + refused(&app, "bodies") > 20);
    assert_eq!(get(&app.url).status, 200);
}

/// What clients see, and whom a proxy asks for.
#[test]
fn refusals_say_when_to_try_again() {
    let honest = Honest::start();
    let setup = Setup::default().variable("trusted_proxies", "127.0.0.1");
    let app = App::start(setup);
    let followed = honest.later(&app);
    let head = |client: &str| {
        let path = format!("/api/v1{}", followed.path("/events"));
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: {client}\r\n\r\n")
    };
    let answer = |mut stream: TcpStream| {
        let mut octets = [0; 4096];
        let n = stream.read(&mut octets).expect("an answer");
        (String::from_utf8_lossy(&octets[..n]).to_lowercase(), stream)
    };
    let mut open = Vec::new();
    let refusal = loop {
        let stream = flood(&app, &head("198.51.100.1"), (1, 1)).remove(0);
        let (said, stream) = answer(stream);
        if !said.starts_with("http/1.1 200") {
            break said;
        }
        open.push(stream);
        assert!(open.len() < 500, "there is no end");
    };
    assert_eq!(open.len(), 64);
    assert!(refusal.starts_with("http/1.1 429"), "{refusal}");
    for line in ["retry-after: 30", "application/problem+json", "x-content-type-options: nosniff"] {
        assert!(refusal.contains(line), "{refusal}");
    }
    let (said, _open) = answer(flood(&app, &head("198.51.100.2"), (1, 1)).remove(0));
    assert!(said.starts_with("http/1.1 200"), "another client of the same proxy: {said}");
    let bearer = format!("Bearer {ADVANCE_TOKEN}");
    for (method, path) in [("GET", "/"), ("POST", "/api/v1/advance"), ("GET", "/nothing/here")] {
        let url = format!("{}{path}", app.url);
        let answer = request(method, &url, &[("authorization", &bearer)], b"").unwrap();
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
}

/// The installation's own addresses are no mail server, public or not.
#[test]
fn no_way_back_into_the_installation() {
    let app = App::start(Setup::default().variable("own_addresses", "9.9.9.9"));
    let account = imap_account("imaps://9.9.9.9", "user", "secret");
    let answer = app.post("/accounts/check", &account);
    assert!(answer.text().contains("9.9.9.9"), "{}", answer.text());
    assert!(answer.text().contains("does not allow"), "{} {}", answer.status, answer.text());
}
