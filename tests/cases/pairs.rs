//! Every pair of real servers, over TLS: complete, in order, and once only.

use e2e::app::{App, Setup, account, mail_migration};
use e2e::content::{add, assert_same, by_place, fill, message, samples};
use e2e::mailbox::Client;
use e2e::servers::{Courier, Cyrus, Dovecot, Layout, Server};
use serde_json::json;

/// Messages in each folder.
const EACH: usize = 9;

/// Migrates from one source to a destination of every kind.
fn from(source: &dyn Server) {
    let app = App::start(Setup::default());
    let login = source.login("alice");
    let mut client = Client::on(source, &login);
    fill(&mut client, EACH);
    let wanted = by_place(&mut client);
    let total: usize = wanted.values().map(Vec::len).sum();
    let destinations: [Box<dyn Server>; 4] = [
        Box::new(Dovecot::start(Layout::Maildir)),
        Box::new(Dovecot::start(Layout::Mdbox)),
        Box::new(Cyrus::start()),
        Box::new(Courier::start()),
    ];
    for destination in &destinations {
        let whose = format!("{} to {}", source.name(), destination.name());
        let target = destination.login("bob");
        let there = account(destination.as_ref(), &target);
        let migration = app.create(&mail_migration(account(source, &login), there));
        let state = app.wait(&migration, 120);
        assert_eq!(state["status"], "completed", "{whose}: {state:#}");
        let mail = &state["progress"]["mail"];
        assert_eq!(mail["total"], json!(total), "{whose}: {state:#}");
        assert_eq!(mail["migrated"], json!(total), "{whose}: {state:#}");
        assert_eq!((&mail["skipped"], &mail["failed"]), (&json!(0), &json!(0)), "{whose}");
        let mut client = Client::on(destination.as_ref(), &target);
        assert_same(&wanted, &by_place(&mut client), &whose);
        let subscribed = client.subscriptions();
        assert!(subscribed.contains("Work/2024/Q1 plan"), "{whose}: {subscribed:?}");
    }
    assert_eq!(by_place(&mut client), wanted, "{}: the source is as it was", source.name());
}

/// `tls=rustls`: the way out, should our own records be suspected.
#[test]
fn with_records_of_rustls() {
    let app = App::start(Setup::default().variable("tls", "rustls"));
    let (source, destination) = (Dovecot::start(Layout::Mdbox), Dovecot::start(Layout::Maildir));
    let (login, target) = (source.login("alice"), destination.login("bob"));
    let mut client = Client::on(&source, &login);
    fill(&mut client, EACH);
    let wanted = by_place(&mut client);
    let there = account(&destination, &target);
    let migration = app.create(&mail_migration(account(&source, &login), there));
    let state = app.wait(&migration, 120);
    assert_eq!(state["status"], "completed", "{state:#}");
    assert_same(&wanted, &by_place(&mut Client::on(&destination, &target)), "tls=rustls");
}

#[test]
fn from_dovecot_maildir() {
    from(&Dovecot::start(Layout::Maildir));
}

#[test]
fn from_dovecot_mdbox() {
    from(&Dovecot::start(Layout::Mdbox));
}

#[test]
fn from_cyrus() {
    from(&Cyrus::start());
}

#[test]
fn from_courier() {
    from(&Courier::start());
}

/// Real messages with all their faults arrive byte for byte, also those that a strict server
/// will not take from everyone.
#[test]
fn samples_arrive_byte_for_byte() {
    let (source, destination) = (Dovecot::start(Layout::Maildir), Dovecot::start(Layout::Mdbox));
    let login = source.login("alice");
    let mut client = Client::on(&source, &login);
    client.create("Samples");
    let samples = samples();
    assert!(samples.len() >= 5, "the repository has samples of its own");
    let mut taken = 0;
    for (name, octets) in &samples {
        // What the source itself refuses cannot be migrated from it.
        match client.append("Samples", &["\\Seen"], " 1-Jan-2020 00:00:00 +0000", octets) {
            Ok(()) => taken += 1,
            Err(refusal) => println!("{name}: {refusal}"),
        }
    }
    assert!(taken * 10 >= samples.len() * 9, "Dovecot takes {taken} of {}", samples.len());
    let wanted = by_place(&mut client);
    let app = App::start(Setup::default());
    let target = destination.login("bob");
    let there = account(&destination, &target);
    let migration = app.create(&mail_migration(account(&source, &login), there));
    let state = app.wait(&migration, 120);
    assert_eq!(state["status"], "completed", "{state:#}");
    let found = by_place(&mut Client::on(&destination, &target));
    assert_same(&wanted, &found, "samples");
    assert_eq!(found["Samples"].len(), taken);
}

/// Synchronising copies what is new and nothing else; so does a second migration of its own.
#[test]
fn a_second_run_brings_only_what_is_new() {
    let (source, destination) = (Dovecot::start(Layout::Mdbox), Dovecot::start(Layout::Maildir));
    let (login, target) = (source.login("alice"), destination.login("bob"));
    let mut client = Client::on(&source, &login);
    fill(&mut client, 20);
    let app = App::start(Setup::default());
    let body = mail_migration(account(&source, &login), account(&destination, &target));
    let first = app.create(&body);
    assert_eq!(app.wait(&first, 120)["status"], "completed");
    let total = by_place(&mut client).values().map(Vec::len).sum::<usize>();

    // Another migration of the same pair finds everything there.
    let second = app.create(&body);
    let state = app.wait(&second, 60);
    assert_eq!(state["status"], "completed", "{state:#}");
    let mail = &state["progress"]["mail"];
    assert_eq!((&mail["migrated"], &mail["skipped"]), (&json!(0), &json!(total)), "{state:#}");

    add(&mut client, 500, 10, 2000);
    let passwords =
        json!({"source": {"password": "secret"}, "destination": {"password": "secret"}});
    let answer = app.post(&first.path("/synchronise"), &passwords);
    assert_eq!(answer.status, 202, "{}", answer.text());
    let state = app.wait_for(&first, 60, |state| {
        state["sync_points"].as_array().is_some_and(|it| it.len() == 2) && e2e::app::ended(state)
    });
    assert_eq!(state["status"], "completed", "{state:#}");
    assert_eq!(state["sync_points"][1]["migrated"], json!(10), "{state:#}");
    let found = by_place(&mut Client::on(&destination, &target));
    assert_same(&by_place(&mut client), &found, "after the second run");
}

/// What is at the destination already is adopted, not doubled, whoever put it there.
#[test]
fn what_is_there_is_not_doubled() {
    let (source, destination) = (Dovecot::start(Layout::Maildir), Cyrus::start());
    let (login, target) = (source.login("alice"), destination.login("bob"));
    let (mut from, mut to) = (Client::on(&source, &login), Client::on(&destination, &target));
    for n in 0..30 {
        let text = message("INBOX", n, 1500);
        let date = " 7-Jul-2001 07:07:07 +0000";
        from.append("INBOX", &["\\Seen"], date, &text).unwrap();
        if n % 3 == 0 {
            to.append("INBOX", &["\\Seen"], date, &text).unwrap();
        }
    }
    let app = App::start(Setup::default());
    let migration =
        app.create(&mail_migration(account(&source, &login), account(&destination, &target)));
    let state = app.wait(&migration, 60);
    let mail = &state["progress"]["mail"];
    assert_eq!((&mail["migrated"], &mail["skipped"]), (&json!(20), &json!(10)), "{state:#}");
    let mut wanted = from.messages("INBOX");
    let mut found = to.messages("INBOX");
    wanted.sort();
    found.sort();
    assert_eq!(found, wanted);
}

/// `exclude_folders`, `folder_map`, `since` and `until`, `max_item_bytes`.
#[test]
fn options_choose() {
    let (source, destination) = (Dovecot::start(Layout::Mdbox), Dovecot::start(Layout::Maildir));
    let (login, target) = (source.login("alice"), destination.login("bob"));
    let mut client = Client::on(&source, &login);
    for folder in ["Old", "Old/Deep", "Skipped"] {
        client.create(folder);
        for n in 0..4 {
            let size = if n == 3 { 60_000 } else { 600 };
            let date = ["31-Dec-2018 12:00:00 +0000", " 1-Jan-2019 12:00:00 +0000"][n % 2];
            client.append(folder, &[], date, &message(folder, n, size)).unwrap();
        }
    }
    let app = App::start(Setup::default());
    let mut body = mail_migration(account(&source, &login), account(&destination, &target));
    body["options"] = json!({"exclude_folders": ["Skipped"], "folder_map": {"Old": "Archive/Old"},
                             "since": "2019-01-01", "max_item_bytes": 50_000});
    let migration = app.create(&body);
    let state = app.wait(&migration, 60);
    // One message of each folder is new enough and small enough; one is new and too large.
    let found = Client::on(&destination, &target).snapshot();
    assert_eq!(found["Archive/Old"].len(), 1, "{state:#}");
    assert_eq!(found["Archive/Old/Deep"].len(), 1, "{:?}", found.keys());
    assert!(!found.contains_key("Skipped") && !found.contains_key("Old"), "{:?}", found.keys());
    // What the owner's own options leave out is counted, and is no failure.
    let mail = &state["progress"]["mail"];
    let counts = ["total", "migrated", "left_out", "failed"].map(|name| mail[name].as_u64());
    assert_eq!(counts, [8, 2, 6, 0].map(Some), "{state:#}");
    assert_eq!(state["status"], "completed", "{state:#}");
    let failures = app.get(&migration.path("/failures")).json();
    assert_eq!(failures.as_array().map(Vec::len), Some(0), "{failures:#}");
}
