//! Power cuts and rivals: exactly one copy of everything, whatever happens in between.

use std::time::Duration;

use e2e::app::{App, Setup, account, ended, imap_account, mail_migration};
use e2e::content::{add, assert_same, by_place, fill};
use e2e::mailbox::Client;
use e2e::servers::{Dovecot, Layout, PASSWORD, Relay, Server};
use serde_json::Value;

/// Moments without a pattern, the same in every run (Knuth's multiplicative generator).
struct Moments(u64);

impl Moments {
    fn next_ms(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

#[test]
fn kill_9_loses_and_doubles_nothing() {
    const KILLS: usize = 8;
    let (source, destination) = (Dovecot::start(Layout::Maildir), Dovecot::start(Layout::Mdbox));
    let (login, target) = (source.login("alice"), destination.login("bob"));
    let mut client = Client::on(&source, &login);
    fill(&mut client, 40);
    add(&mut client, 1000, 150, 40_000);
    let wanted = by_place(&mut client);
    // On a line of 2 MB/s the 9 MB last longer than the cuts.
    let relay = Relay::before(source.imaps_port(), 2 << 20);
    let mut app = App::start(Setup::default());
    let slow_source = imap_account(&format!("imaps://localhost:{}", relay.port), &login, PASSWORD);
    let migration = app.create(&mail_migration(slow_source, account(&destination, &target)));
    let mut moments = Moments(2026);
    let mut cut_while_running = 0;
    for _ in 0..KILLS {
        std::thread::sleep(Duration::from_millis(moments.next_ms(900)));
        cut_while_running += usize::from(!ended(&app.status(&migration)));
        app.cut_power();
    }
    let state = app.wait(&migration, 180);
    assert_eq!(state["status"], "completed", "{state:#}");
    assert!(cut_while_running > KILLS / 2, "the migration was over before the cuts");
    let found = by_place(&mut Client::on(&destination, &target));
    assert_same(&wanted, &found, "after power cuts");
    let mail = &state["progress"]["mail"];
    let total = wanted.values().map(Vec::len).sum::<usize>() as u64;
    let sum = mail["migrated"].as_u64().unwrap() + mail["skipped"].as_u64().unwrap();
    assert_eq!((sum, mail["total"].as_u64().unwrap()), (total, total), "{state:#}");
}

/// An account at the far end of a slow line.
fn behind(relay: &Relay, login: &str) -> Value {
    imap_account(&format!("imaps://localhost:{}", relay.port), login, PASSWORD)
}

#[test]
fn several_drivers_only_make_it_faster() {
    let (source, destination) = (Dovecot::start(Layout::Mdbox), Dovecot::start(Layout::Maildir));
    let app = App::start(Setup::default().variable("slice_seconds", "1"));
    let mut wanted = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let mut client = Client::on(&source, &source.login(name));
        add(&mut client, 0, 120, 5000);
        let there = account(&destination, &destination.login(name));
        let migration = app.create(&mail_migration(account(&source, &source.login(name)), there));
        wanted.push((name, migration, by_place(&mut client)));
    }
    // Beside the runtime's own timer.
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while wanted.iter().any(|(_, migration, _)| !ended(&app.status(migration))) {
                    let answer = app.advance().expect("an answer");
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    let answer = answer.json();
                    assert!(answer["advanced"].is_u64() && answer["active"].is_u64(), "{answer}");
                }
            });
        }
    });
    for (name, migration, source) in &wanted {
        let state = app.status(migration);
        assert_eq!(state["status"], "completed", "{state:#}");
        let login = destination.login(name);
        assert_same(source, &by_place(&mut Client::on(&destination, &login)), name);
    }
}

#[test]
fn stop_ends_within_a_batch_and_leaves_what_is_there() {
    let (source, destination) = (Dovecot::start(Layout::Maildir), Dovecot::start(Layout::Mdbox));
    let (login, target) = (source.login("alice"), destination.login("bob"));
    let mut client = Client::on(&source, &login);
    add(&mut client, 0, 1200, 40_000);
    let relay = Relay::before(source.imaps_port(), 8 << 20);
    let app = App::start(Setup::default());
    let body = mail_migration(behind(&relay, &login), account(&destination, &target));
    let migration = app.create(&body);
    app.wait_for(&migration, 30, |state| {
        ended(state) || state["progress"]["mail"]["migrated"].as_u64().unwrap_or(0) > 0
    });
    let answer = app.post(&migration.path("/stop"), &serde_json::json!({}));
    assert_eq!(answer.status, 202, "{}", answer.text());
    let state = app.wait(&migration, 15);
    assert_eq!(state["status"], "stopped", "{state:#}");
    let migrated = state["progress"]["mail"]["migrated"].as_u64().unwrap() as usize;
    let found = Client::on(&destination, &target).messages("INBOX").len();
    assert!(migrated > 0 && migrated < 1200, "{state:#}");
    assert_eq!(found, migrated, "what is counted is what is there");
    let again = app.post(&migration.path("/stop"), &serde_json::json!({}));
    assert_eq!(again.status, 409, "{}", again.text());
}

#[test]
fn a_graceful_stop_is_quick_and_loses_nothing() {
    let (source, destination) = (Dovecot::start(Layout::Maildir), Dovecot::start(Layout::Mdbox));
    let (login, target) = (source.login("alice"), destination.login("bob"));
    let mut client = Client::on(&source, &login);
    add(&mut client, 0, 400, 20_000);
    let relay = Relay::before(source.imaps_port(), 2 << 20);
    let mut app = App::start(Setup::default());
    let body = mail_migration(behind(&relay, &login), account(&destination, &target));
    let migration = app.create(&body);
    // What is stored is counted once its batch is through, so the destination itself is watched.
    let there = std::cell::RefCell::new(Client::on(&destination, &target));
    app.wait_for(&migration, 20, |state| ended(state) || there.borrow_mut().count("INBOX") > 0);
    assert!(!ended(&app.status(&migration)), "it was over before the stop");
    let (took, status) = app.stop();
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(status.success(), "{status}: {}", app.log());
    app.cut_power();
    assert_eq!(app.wait(&migration, 60)["status"], "completed");
    let found = by_place(&mut Client::on(&destination, &target));
    assert_same(&by_place(&mut client), &found, "after a stop");
}
