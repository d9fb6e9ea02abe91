//! Large messages: streamed, within the memory of a component, or refused by name.

use e2e::app::{App, Setup, account, imap_account, mail_migration};
use e2e::content::{assert_same, by_place, message};
use e2e::http::get;
use e2e::mailbox::Client;
use e2e::servers::{Dovecot, Fake, Layout, Server};
use fake_imap::{Faults, Features, Mailboxes, Message};
use serde_json::json;

/// Most linear memory of a component, whatever it moves.
const MEMORY: f64 = 64.0 * 1024.0 * 1024.0;

/// A message of 150 MB, and one of 300 MB, pass through; memory does not grow with them.
#[test]
fn large_messages_are_streamed() {
    let (source, destination) = (Dovecot::start(Layout::Maildir), Dovecot::start(Layout::Mdbox));
    let (login, target) = (source.login("alice"), destination.login("bob"));
    let mut client = Client::on(&source, &login);
    for (n, megabytes) in [(1, 150), (2, 300), (3, 1)] {
        let mut text = message("INBOX", n, 1000);
        let line = b"The quick brown fox jumps over the lazy dog, and again it does so.\r\n";
        while text.len() < megabytes << 20 {
            text.extend_from_slice(line);
        }
        client.append("INBOX", &[], " 1-Jan-2020 00:00:00 +0000", &text).unwrap();
    }
    let app = App::start(Setup::default());
    let migration =
        app.create(&mail_migration(account(&source, &login), account(&destination, &target)));
    let state = app.wait(&migration, 300);
    assert_eq!(state["status"], "completed", "{state:#}");
    let found = by_place(&mut Client::on(&destination, &target));
    assert_same(&by_place(&mut client), &found, "large messages");
    let metrics = get(&format!("{}/metrics", app.url)).text();
    let peaks: Vec<f64> = metrics
        .lines()
        .filter(|line| !line.starts_with('#') && line.contains("memory") && line.contains("peak"))
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .collect();
    assert!(!peaks.is_empty(), "no peak of memory in the metrics:\n{metrics}");
    assert!(peaks.iter().any(|peak| *peak > 0.0), "{peaks:?}");
    assert!(peaks.iter().all(|peak| *peak <= MEMORY), "{peaks:?}");
}

/// What the destination announces as too large is not even sent.
#[test]
fn what_is_too_large_is_reported() {
    let source = Mailboxes::new(Features::modern());
    source.add("INBOX", Message::sample("small@x", 1000));
    source.add("INBOX", Message::sample("large@x", 3 << 20));
    source.add("INBOX", Message::sample("other@x", 1000));
    let features = Features { append_limit: Some(1 << 20), ..Features::modern() };
    let (source, destination) = (
        Fake::start(source, Faults::none()),
        Fake::start(Mailboxes::new(features), Faults::none()),
    );
    let at = |fake: &Fake| {
        imap_account(&format!("imaps://localhost:{}", fake.tls_port()), "user", "secret")
    };
    let app = App::start(Setup::default());
    let migration = app.create(&mail_migration(at(&source), at(&destination)));
    let state = app.wait(&migration, 60);
    assert_eq!(state["status"], "completed_with_errors", "{state:#}");
    let mail = &state["progress"]["mail"];
    assert_eq!((&mail["migrated"], &mail["failed"]), (&json!(2), &json!(1)), "{state:#}");
    let failures = app.get(&migration.path("/failures")).json();
    assert_eq!(failures[0]["subject"], "sample large@x", "{failures:#}");
    assert_eq!(destination.account.complaints(), [""; 0]);
}
