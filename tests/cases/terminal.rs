//! `trasloco migrate`: one migration from the terminal.

use std::process::Command;
use std::time::{Duration, Instant};

use e2e::app::{Setup, binary, encoded, migrate};
use e2e::content::{add, assert_same, by_place, fill};
use e2e::mailbox::Client;
use e2e::servers::{Dovecot, Fake, Layout, PASSWORD, Server};
use fake_imap::{Faults, Features, Mailboxes, Message};
use serde_json::{Value, json};

fn url(server: &dyn Server, login: &str) -> String {
    format!("imaps://{}@localhost:{}", encoded(login), server.imaps_port())
}

#[test]
fn migrates_and_again_copies_nothing() {
    let (source, destination) = (Dovecot::start(Layout::Maildir), Dovecot::start(Layout::Mdbox));
    let (login, target) = (source.login("alice"), destination.login("bob"));
    let mut client = Client::on(&source, &login);
    fill(&mut client, 15);
    let state = tempfile::tempdir().unwrap();
    let (from, to) = (url(&source, &login), url(&destination, &target));
    let flags = ["--source", &from, "--destination", &to, "--items", "mail", "--json"];
    let run = || {
        let start = Instant::now();
        let output = migrate(&Setup::default(), state.path(), &flags, (PASSWORD, PASSWORD));
        let wailed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{wailed}");
        assert!(!wailed.contains(PASSWORD), "{wailed}");
        let summary: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stdout)));
        (summary, start.elapsed())
    };
    let (summary, _) = run();
    assert_eq!(summary["status"], "completed", "{summary:#}");
    let total = summary["progress"]["mail"]["total"].clone();
    assert_eq!(summary["progress"]["mail"]["migrated"], total, "{summary:#}");
    let found = by_place(&mut Client::on(&destination, &target));
    assert_same(&by_place(&mut client), &found, "from the terminal");

    let (summary, took) = run();
    let points = summary["sync_points"].as_array().expect("sync points");
    let last = points.last().expect("a sync point");
    assert_eq!(last["migrated"], json!(0), "{summary:#}");
    assert!(took < Duration::from_secs(5), "a run that copies nothing took {took:?}");

    add(&mut client, 700, 10, 900);
    let (summary, _) = run();
    let last = summary["sync_points"].as_array().and_then(|it| it.last().cloned()).unwrap();
    assert_eq!(last["migrated"], json!(10), "{summary:#}");
    let found = by_place(&mut Client::on(&destination, &target));
    assert_same(&by_place(&mut client), &found, "after the third run");
}

#[test]
fn exit_codes_tell_how_it_went() {
    let (source, destination) = (Mailboxes::new(Features::modern()), Features::modern());
    for n in 0..5 {
        source.add("INBOX", Message::sample(&format!("{n}@x"), 100 + n));
    }
    let faults = Faults::none().refuse_append(
        |message| message.windows(4).any(|it| it == b"<3@x"),
        "NO [TOOBIG] too large",
        u32::MAX,
    );
    let source = Fake::start(source, Faults::none());
    let destination = Fake::start(Mailboxes::new(destination), faults);
    let (from, to) = (
        format!("imaps://user@localhost:{}", source.tls_port()),
        format!("imaps://user@localhost:{}", destination.tls_port()),
    );
    let flags = ["--source", &from, "--destination", &to, "--items", "mail"];
    let state = tempfile::tempdir().unwrap();
    let output = migrate(&Setup::default(), state.path(), &flags, ("secret", "secret"));
    let wailed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "some items failed: {wailed}");
    assert_eq!(destination.account.messages("INBOX").len(), 4);

    let state = tempfile::tempdir().unwrap();
    let output = migrate(&Setup::default(), state.path(), &flags, ("secret", "wrong"));
    let wailed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{wailed}");
    assert!(!wailed.is_empty() && !wailed.contains("panicked"), "{wailed}");
}

#[test]
fn passwords_come_from_files() {
    let source = Fake::start(Mailboxes::new(Features::modern()), Faults::none());
    let destination = Fake::start(Mailboxes::new(Features::modern()), Faults::none());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "secret\n").unwrap();
    let (from, to) = (
        format!("imaps://user@localhost:{}", source.tls_port()),
        format!("imaps://user@localhost:{}", destination.tls_port()),
    );
    let file = file.display().to_string();
    let flags = [
        "--source",
        &from,
        "--destination",
        &to,
        "--items",
        "mail",
        "--source-password-file",
        &file,
        "--destination-password-file",
        &file,
    ];
    let state = folder.path().join("state");
    // The environment's passwords are wrong: files come first.
    let output = migrate(&Setup::default(), &state, &flags, ("wrong", "wrong"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn help_and_version() {
    for (flag, words) in
        [("--help", &["serve", "migrate", "import"][..]), ("--version", &["trasloco"])]
    {
        let output = Command::new(binary()).arg(flag).output().unwrap();
        assert!(output.status.success());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
    let output = Command::new(binary()).args(["migrate", "--source", "ftp://x"]).output().unwrap();
    assert!(!output.status.success());
}
