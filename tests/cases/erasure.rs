//! After `DELETE` the state folder knows nothing of a migration any more.

use std::time::{Duration, Instant};

use e2e::app::{App, Migration, Setup, imap_account, mail_migration};
use e2e::http::request;
use e2e::servers::Fake;
use fake_imap::{Faults, Features, Mailboxes, Message};
use serde_json::Value;

use crate::api::walk;

/// Stands in the login, in the names of folders, in subjects of refused messages.
const LOGIN: &str = "qzxw-anna-login";
const FOLDER: &str = "qzxw-folder-name";

/// A source whose folder has `messages`, and a destination that refuses every tenth.
fn servers(messages: u32) -> (Fake, Fake) {
    let source = Mailboxes::new(Features::modern()).credentials(LOGIN, "secret");
    source.create(FOLDER);
    for n in 0..messages {
        let id = format!("{n}@qzxw-message-id");
        source.add(["INBOX", FOLDER][n as usize % 2], Message::sample(&id, 2_000));
    }
    let destination = Mailboxes::new(Features::modern()).credentials("bob", "secret");
    let refuses = |octets: &[u8]| octets.windows(12).any(|part| part == b"0@qzxw-messa");
    let faults = Faults::none().refuse_append(refuses, "NO [TOOBIG] too large", 40);
    (Fake::start(source, Faults::none()), Fake::start(destination, faults))
}

fn begin(app: &App, (source, destination): &(Fake, Fake)) -> Migration {
    let at = |fake: &Fake, login: &str| {
        imap_account(&format!("imaps://localhost:{}", fake.tls_port()), login, "secret")
    };
    app.create(&mail_migration(at(source, LOGIN), at(destination, "bob")))
}

fn traces(app: &App, migration: &Migration) -> Vec<String> {
    let mut found = Vec::new();
    for file in walk(&app.state()) {
        let octets = std::fs::read(&file).unwrap_or_default();
        for word in [LOGIN, FOLDER, "qzxw-message-id", migration.id.as_str()] {
            if octets.windows(word.len()).any(|window| window == word.as_bytes()) {
                found.push(format!("{word} in {}", file.display()));
            }
        }
    }
    found
}

fn erase(app: &App, migration: &Migration) {
    let answer = request("DELETE", &app.api(&migration.path("")), &[], b"").expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    for tail in ["", "/report", "/failures", "/events"] {
        assert_eq!(app.get(&migration.path(tail)).status, 404, "{tail}");
    }
}

/// A slice at work notices with its next batch or heartbeat, and where it died its lease runs out
/// (30 s); the write-ahead log is emptied every few seconds.
#[track_caller]
fn gone(app: &App, migration: &Migration, seconds: u64) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < deadline && !traces(app, migration).is_empty() {
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(traces(app, migration), Vec::<String>::new());
}

#[test]
fn nothing_is_left_of_a_finished_migration() {
    let servers = servers(120);
    let app = App::start(Setup::default());
    let migration = begin(&app, &servers);
    let ended = app.wait(&migration, 60);
    assert_eq!(ended["status"], "completed_with_errors", "{ended:#}");
    assert!(traces(&app, &migration).len() > 2);
    erase(&app, &migration);
    gone(&app, &migration, 60);
    let metrics = e2e::http::get(&format!("{}/metrics", app.url)).text();
    assert!(metrics.contains("trasloco_migrations_erased_total 1\n"), "{metrics}");
    let erased = metrics.lines().find_map(|line| line.strip_prefix("trasloco_erased_bytes_total "));
    assert!(erased.and_then(|n| n.parse::<u64>().ok()).is_some_and(|n| n > 1_000), "{metrics}");
}

#[test]
fn nothing_is_left_of_a_running_migration() {
    let servers = servers(6_000);
    let mut app = App::start(Setup::default());
    let migration = begin(&app, &servers);
    let moved = |state: &Value| state["progress"]["mail"]["migrated"].as_u64() > Some(0);
    let state = app.wait_for(&migration, 60, moved);
    assert_eq!(state["status"], "running", "too quick to be caught: {state:#}");
    erase(&app, &migration);
    gone(&app, &migration, 60);
    // Of a slice that died with the process nothing comes back either.
    let migration = begin(&app, &servers);
    app.wait_for(&migration, 60, moved);
    app.cut_power();
    erase(&app, &migration);
    gone(&app, &migration, 60);
}
