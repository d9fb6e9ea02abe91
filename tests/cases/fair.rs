//! Slow servers, and ones that only seem to work: they hold nobody else up, and their owners are heard.

use std::time::{Duration, Instant};

use e2e::app::{App, Migration, Setup, imap_account, mail_migration};
use e2e::servers::{Drip, Fake, Relay};
use fake_imap::{Faults, Features, Mailboxes, Message};
use serde_json::Value;

fn account(port: u16) -> Value {
    imap_account(&format!("imap://localhost:{port}?tls=none"), "user", "secret")
}

fn filled(messages: usize, octets: usize) -> Fake {
    let account = Mailboxes::new(Features::modern());
    for n in 0..messages {
        account.add("INBOX", Message::sample(&format!("{n}@example.test"), octets));
    }
    Fake::start(account, Faults::none())
}

fn empty() -> Fake {
    Fake::start(Mailboxes::new(Features::modern()), Faults::none())
}

fn is_at_work(state: &Value) -> bool {
    state["status"] == "running" || state["status"] == "waiting"
}

/// Asks for something and waits until the state shows it; how long that took.
fn asked(app: &App, migration: &Migration, what: &str, status: &str) -> Duration {
    let began = Instant::now();
    let answer = app.post(&migration.path(&format!("/{what}")), &Value::Null);
    assert_eq!(answer.status, 202, "{}", answer.text());
    app.wait_for(migration, 5, |state| state["status"] == status);
    began.elapsed()
}

#[test]
fn dripping_servers_hold_nobody_up() {
    let app = App::start(Setup::default().variable("allow_plaintext", "true"));
    let behind = filled(5, 2_000);
    let nowhere = empty();
    // The trial log-in is one honest connection; later ones drip after the log-in.
    let drips: Vec<Drip> = (0..4).map(|_| Drip::before(behind.port(), 1, 700)).collect();
    let dripping: Vec<Migration> = drips
        .iter()
        .map(|drip| {
            let migration =
                app.create(&mail_migration(account(drip.port), account(nowhere.port())));
            app.wait_for(&migration, 20, is_at_work);
            migration
        })
        .collect();
    // Two honest ones on lines of 128 KiB/s.
    let slow: Vec<(Fake, Fake)> = (0..2).map(|_| (filled(20, 100_000), empty())).collect();
    let relays: Vec<Relay> =
        slow.iter().map(|(source, _)| Relay::before(source.port(), 128 << 10)).collect();
    let slowly: Vec<Migration> = slow
        .iter()
        .zip(&relays)
        .map(|((_, destination), relay)| {
            app.create(&mail_migration(account(relay.port), account(destination.port())))
        })
        .collect();

    let (source, destination) = (filled(5, 2_000), empty());
    let began = Instant::now();
    let honest = app.create(&mail_migration(account(source.port()), account(destination.port())));
    let state = app.wait(&honest, 10);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(state["status"], "completed", "{state:#}");
    assert_eq!(destination.account.digest(), source.account.digest());

    let [first, second, third, ..] = dripping.as_slice() else { panic!("four of them") };
    let took = asked(&app, first, "stop", "stopped");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let took = asked(&app, second, "pause", "paused");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let told = app.wait_for(third, 100, |state| state["status"] == "waiting");
    let reason = told["waiting"]["reason"].as_str().unwrap();
    assert!(reason.contains("The source is too slow"), "{reason}");

    for (migration, (source, destination)) in slowly.iter().zip(&slow) {
        let state = app.wait(migration, 120);
        assert_eq!(state["status"], "completed", "{state:#}");
        assert_eq!(destination.account.digest(), source.account.digest());
    }
    let health = app.get("/healthz");
    assert_eq!(health.status, 200, "{}", health.text());
    assert_eq!(health.json()["store"], "ok");
}
