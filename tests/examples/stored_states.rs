//! Makes the samples of stored states (`tests/samples/stores/README.md`) with an earlier binary:
//!
//! `TRASLOCO_BIN=…/trasloco cargo run -p e2e --example stored_states -- COMMIT`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a panic is a failed test"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use e2e::app::{App, Migration, Setup, imap_account, mail_migration};
use e2e::http::request;
use e2e::servers::{Line, Plain};
use e2e::stored::{address, pairs};
use fake_imap::{Act, At, Faults, Features, Mailboxes, Message};
use serde_json::{Value, json};
use stored::{FIRST_PORT, PROJECT_PASSWORD, SECRET_KEY, Sample};
use tables::writing::csv::{CsvWriter as Csv, Mark};

/// Before each answer of a server, so that the line carries less than a MiB a second: batches are of one
/// MiB then, and the large folder needs four.
const DELAY: Duration = Duration::from_millis(60);
const HEADER: [&str; 8] = [
    "Source Type(IMAP/Exchange/POP)",
    "Source Server url",
    "Source Login/Mail",
    "Source Password",
    "Destination Type",
    "Destination Url(can be leaved empty if hosted by OVH)",
    "Destination Mail",
    "Destination Password",
];

fn main() {
    let commit = std::env::args().nth(1).expect("the commit that the binary was built from");
    paused().write(&format!("{commit}/paused"));
    killed().write(&format!("{commit}/killed"));
    finished().write(&format!("{commit}/finished"));
    project().write(&format!("{commit}/project"));
}

/// Paused by its owner while a folder of 200 messages is being copied.
fn paused() -> Sample {
    let servers = [large(), Mailboxes::new(Features::modern())];
    let (app, _running) = start(1, &servers, [Faults::none(), Faults::none()]);
    let migration = create(&app, 1);
    until_migrated(&app, &migration, 100);
    let answer = app.post(&migration.path("/pause"), &json!({}));
    assert_eq!(answer.status, 202, "{}", answer.text());
    app.wait_for(&migration, 30, |state| state["status"] == "paused");
    keep(app, &servers)
}

/// Killed while the third batch is under way: its intention is stored, and the destination has read
/// all of it and kept nothing so far.
fn killed() -> Sample {
    let servers = [large(), Mailboxes::new(Features::modern())];
    let stall = Faults::none().on(At::nth("APPEND", 6), Act::Stall);
    let (app, _running) = start(2, &servers, [Faults::none(), stall.clone()]);
    let migration = create(&app, 2);
    until("the third batch", || stall.fired() > 0);
    assert_eq!(app.status(&migration)["status"], "running");
    keep(app, &servers)
}

/// Ended twice: what the source changed after the first run came with a second one, and what the
/// user did at the destination has stayed.
fn finished() -> Sample {
    let servers = [small("f"), Mailboxes::new(Features::modern())];
    let [source, destination] = &servers;
    destination.add("INBOX", Message::sample("own@x", 700).flagged(&["\\Seen"]));
    let (app, _running) = start(3, &servers, [Faults::none(), Faults::none()]);
    let migration = create(&app, 3);
    assert_eq!(app.wait(&migration, 60)["status"], "completed");
    source.set_flags("INBOX", 2, &["\\Flagged", "\\Seen"]);
    source.move_messages("Lavoro", &[1], "INBOX");
    source.add("Nuova", sample("new@x", 3, 900));
    destination.set_flags("Lavoro", 3, &["\\Answered"]);
    destination.expunge("Lavoro", &[4]);
    let passwords =
        json!({"source": {"password": "secret"}, "destination": {"password": "secret"}});
    let answer = app.post(&migration.path("/synchronise"), &passwords);
    assert_eq!(answer.status, 202, "{}", answer.text());
    let state = app.wait(&migration, 60);
    assert_eq!(state["status"], "completed", "{state:#}");
    assert_eq!(state["sync_points"].as_array().map(Vec::len), Some(2), "{state:#}");
    keep(app, &servers)
}

/// Five migrations, one at a time: one is done, one has failed, one is at work, two wait.
fn project() -> Sample {
    let stall = Faults::none().on(At::nth("APPEND", 1), Act::Stall);
    let mut servers = Vec::new();
    let mut rows = Csv::new(b';', Mark::Written);
    rows.row(&HEADER);
    let mut running = Vec::new();
    for number in 0..5u16 {
        let (from, to) = (FIRST_PORT + 2 * number, FIRST_PORT + 2 * number + 1);
        let pair = [small(&format!("p{number}")), Mailboxes::new(Features::modern())];
        let faults = if number == 2 { stall.clone() } else { Faults::none() };
        running.push(plain(4, from, &pair[0], Faults::none()));
        running.push(plain(4, to, &pair[1], faults));
        servers.extend(pair);
        let password = if number == 1 { "wrong" } else { "secret" };
        let (from, to) = (url(4, from), url(4, to));
        rows.row(&["IMAP", &from, "user", password, "IMAP", &to, "user", "secret"]);
    }
    let app = app();
    let made = app.post("/projects", &json!({"name": "Weekend", "password": PROJECT_PASSWORD}));
    assert_eq!(made.status, 201, "{}", made.text());
    let call = |method: &str, tail: &str, kind: &str, body: &[u8]| {
        let made = made.json();
        let bearer = format!("Bearer {}", made["token"].as_str().expect("a token"));
        let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
        let url = app.api(&format!("/projects/{}{tail}", made["id"].as_str().expect("an id")));
        let answer = request(method, &url, &headers, body).expect("an answer");
        assert!(answer.status < 300, "{}: {}", answer.status, answer.text());
        answer.json()
    };
    call("PATCH", "/options", "application/json", br#"{"concurrency": 1}"#);
    call("POST", "/import", "text/csv", &rows.take());
    let states = || -> Vec<Value> {
        let page = call("GET", "", "application/json", b"");
        let rows = page["migrations"].as_array().expect("a list").iter();
        rows.map(|row| row["status"].clone()).collect()
    };
    until("the third row", || stall.fired() > 0);
    assert_eq!(states(), ["completed", "failed", "running", "pending", "pending"]);
    keep(app, &servers)
}

/// A few messages in three folders, 200 of 18 KB in a fourth, an empty folder.
fn large() -> Mailboxes {
    let account = small("l");
    for n in 0..200 {
        account.add("Ricevute 2019", sample(&format!("a{n}@x"), n, 18_000));
    }
    account
}

fn small(name: &str) -> Mailboxes {
    let account = Mailboxes::new(Features::modern());
    for n in 0..12 {
        account.add("INBOX", sample(&format!("{name}i{n}@x"), n, 100 * n));
    }
    for n in 0..6 {
        account.add("Lavoro", sample(&format!("{name}w{n}@x"), n, 4_000));
    }
    account.create_special("Posta inviata", "\\Sent");
    account.add("Posta inviata", sample(&format!("{name}s@x"), 1, 50_000));
    account.create("Lavoro/Vuota");
    for folder in ["INBOX", "Lavoro", "Lavoro/Vuota"] {
        account.subscribe(folder);
    }
    account
}

/// A message with flags and a date of its own.
fn sample(id: &str, n: usize, body_bytes: usize) -> Message {
    let flags: [&[&str]; 4] =
        [&["\\Seen"], &[], &["\\Answered", "\\Seen"], &["$Forwarded", "\\Flagged"]];
    let date = format!("{:2}-Mar-2019 {:02}:{:02}:00 +0100", 1 + n % 28, n % 24, n % 60);
    Message::sample(id, body_bytes).flagged(flags[n % 4]).dated(&date)
}

fn app() -> App {
    let setup = Setup::default().variable("allow_plaintext", "true");
    App::start_on(setup, |state| std::fs::write(state.join("secret_key"), SECRET_KEY).unwrap())
}

fn plain(sample: u8, port: u16, account: &Mailboxes, faults: Faults) -> Plain {
    let line = Line { delay: DELAY, ..Line::default() };
    Plain::start(address(sample, port), account.clone(), faults, line)
}

fn start(number: u8, servers: &[Mailboxes; 2], faults: [Faults; 2]) -> (App, Vec<Plain>) {
    let ports = [FIRST_PORT, FIRST_PORT + 1];
    let sides = servers.iter().zip(ports).zip(faults);
    let running = sides.map(|((account, port), faults)| plain(number, port, account, faults));
    let running = running.collect();
    (app(), running)
}

fn url(sample: u8, port: u16) -> String {
    format!("imap://{}?tls=none", address(sample, port))
}

fn create(app: &App, sample: u8) -> Migration {
    let account = |port| imap_account(&url(sample, port), "user", "secret");
    app.create(&mail_migration(account(FIRST_PORT), account(FIRST_PORT + 1)))
}

fn until_migrated(app: &App, migration: &Migration, many: u64) {
    app.wait_for(migration, 60, |state| {
        state["progress"]["mail"]["migrated"].as_u64().unwrap_or(0) >= many
    });
}

fn until(what: &str, happened: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !happened() {
        assert!(Instant::now() < deadline, "{what} does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Kills the application, and keeps what is in its store and on the servers.
fn keep(mut app: App, servers: &[Mailboxes]) -> Sample {
    app.kill_9();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let servers: BTreeMap<u16, Mailboxes> = (FIRST_PORT..).zip(servers.iter().cloned()).collect();
    let now_ms = u64::try_from(now.as_millis()).expect("a time");
    Sample { pairs: pairs(&app.state()), servers, now_ms }
}
