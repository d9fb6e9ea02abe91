//! One large folder: brought, synchronised, thinned out at the source, taken back. The tests of every
//! day have twelve thousand messages in it; a million take a quarter of an hour, so that `cargo xtask
//! soak` asks for those.

use std::time::{Duration, Instant};

use e2e::app::{App, Migration, Setup, account, mail_migration};
use e2e::http::get;
use e2e::mailbox::Client;
use e2e::servers::{Dovecot, Layout, PASSWORD, Server as _};
use serde_json::{Value, json};

/// The most linear memory of a component, in bytes.
const MEMORY: u64 = 64 << 20;
/// A synchronisation that finds nothing new takes no longer.
const UNCHANGED: Duration = Duration::from_secs(2);
/// Messages appended by one command.
const AT_ONCE: usize = 2_000;
/// How long one step may take, in seconds.
const STEP_S: u64 = 3 * 3600;
/// Messages in the folder where `TRASLOCO_MESSAGES` says nothing: one window of the journal and a
/// part of the next.
const EVERY_DAY: usize = 12_000;

fn messages() -> usize {
    std::env::var("TRASLOCO_MESSAGES").map_or(EVERY_DAY, |count| count.parse().unwrap())
}

fn message(n: usize) -> Vec<u8> {
    format!(
        "From: a{n}@example.test\r\nMessage-ID: <{n}@example.test>\r\nSubject: {n}\r\n\r\nMessage {n}.\r\n"
    )
    .into_bytes()
}

fn fill(client: &mut Client, path: &str, count: usize) {
    client.create(path);
    for first in (0..count).step_by(AT_ONCE) {
        client.append_many(path, (first..count.min(first + AT_ONCE)).map(message));
    }
}

/// The most that a component held so far, in bytes.
fn peak(app: &App) -> u64 {
    let metrics = get(&format!("{}/metrics", app.url)).text();
    let lines = metrics.lines().filter(|line| line.starts_with("trasloco_component_memory_peak"));
    let peaks = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    peaks.fold(0.0, f64::max) as u64
}

/// Waits for the end of what was asked for; how long it took, and the state.
fn done(app: &App, migration: &Migration, what: &str, began: Instant) -> (Duration, Value) {
    let state = app.wait(migration, STEP_S);
    let took = began.elapsed();
    let memory = peak(app);
    println!("{what}: {:.1} s, at most {:.1} MiB", took.as_secs_f64(), memory as f64 / 1048576.0);
    assert_eq!(state["status"], "completed", "{what}: {state:#}");
    assert!(memory < MEMORY, "{what}: {memory}");
    (took, state)
}

fn synchronise(app: &App, migration: &Migration, what: &str) -> (Duration, Value) {
    let began = Instant::now();
    let both = json!({"source": {"password": PASSWORD}, "destination": {"password": PASSWORD}});
    let answer = app.post(&migration.path("/synchronise"), &both);
    assert_eq!(answer.status, 202, "{}", answer.text());
    done(app, migration, what, began)
}

fn verdict(app: &App, migration: &Migration) -> Value {
    app.get(&migration.path("/report")).json()["verdict"].clone()
}

#[test]
fn one_large_folder() {
    let count = messages();
    let (source, destination) = (Dovecot::start(Layout::Mdbox), Dovecot::start(Layout::Mdbox));
    let (login, target) = (source.login("alice"), destination.login("bob"));
    let mut client = Client::on(&source, &login);
    fill(&mut client, "Large", count);
    println!("{count} messages are there");
    let app = App::start(Setup::default());
    let began = Instant::now();
    let body = mail_migration(account(&source, &login), account(&destination, &target));
    let migration = app.create(&body);
    let (_, state) = done(&app, &migration, "migrated", began);
    assert_eq!(state["progress"]["mail"]["migrated"], json!(count), "{state:#}");
    assert_eq!(verdict(&app, &migration), "complete");
    let mut there = Client::on(&destination, &target);
    assert_eq!(there.count("Large"), count as u64);

    let (took, _) = synchronise(&app, &migration, "unchanged");
    assert!(took < UNCHANGED, "{took:?}");
    let mut left = count;
    for gone in [count * 6 / 1_000, count / 5] {
        // Every second of the first ones, so that they are no single range.
        client = Client::on(&source, &login);
        let raw = client.raw("Large");
        client.ok(&format!("SELECT \"{raw}\""));
        for first in (1..=2 * gone).step_by(2_000) {
            let last = (first + 2_000).min(2 * gone + 1);
            let numbers = (first..last).step_by(2).map(|n| n.to_string());
            let set = numbers.collect::<Vec<_>>().join(",");
            client.ok(&format!("STORE {set} +FLAGS.SILENT (\\Deleted)"));
        }
        client.ok("EXPUNGE");
        left -= gone;
        assert_eq!(client.count("Large"), left as u64);
        synchronise(&app, &migration, &format!("{gone} vanished"));
        assert_eq!(verdict(&app, &migration), "complete");
    }
    let (took, _) = synchronise(&app, &migration, "unchanged again");
    assert!(took < UNCHANGED, "{took:?}");

    let began = Instant::now();
    let body = json!({"from_sync_point": 1, "destination": {"password": PASSWORD}});
    let answer = app.post(&migration.path("/remove"), &body);
    assert!(answer.status < 300, "{}", answer.text());
    let (_, state) = done(&app, &migration, "removed", began);
    assert_eq!(state["removal"]["removed"], json!(count), "{state:#}");
    assert_eq!(client.count("Large"), left as u64);
    assert!(there.mailboxes().iter().all(|mailbox| mailbox.path != "Large"));
}

/// The same account again, by a migration that knows nothing of the first: everything is recognised.
#[test]
fn a_large_folder_that_is_there_already() {
    let count = messages();
    let (source, destination) = (Dovecot::start(Layout::Mdbox), Dovecot::start(Layout::Mdbox));
    let (login, target) = (source.login("alice"), destination.login("bob"));
    fill(&mut Client::on(&source, &login), "Large", count);
    let mut there = Client::on(&destination, &target);
    fill(&mut there, "Large", count);
    let app = App::start(Setup::default());
    let began = Instant::now();
    let body = mail_migration(account(&source, &login), account(&destination, &target));
    let migration = app.create(&body);
    let (_, state) = done(&app, &migration, "recognised", began);
    assert_eq!(state["progress"]["mail"]["migrated"], json!(0), "{state:#}");
    assert_eq!(there.count("Large"), count as u64);
}
