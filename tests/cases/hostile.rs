//! Scripted servers that reset, stall, lie, throttle and refuse.

use std::time::Duration;

use e2e::app::{App, Setup, imap_account, mail_migration};
use e2e::servers::{Fake, Line};
use fake_imap::{Act, At, Faults, Features, Mailboxes, Message};
use serde_json::{Value, json};

fn account(fake: &Fake) -> Value {
    imap_account(&format!("imaps://localhost:{}", fake.tls_port()), "user", "secret")
}

fn filled(n: usize) -> Mailboxes {
    let account = Mailboxes::new(Features::modern());
    for number in 0..n {
        let id = format!("{number}@example.test");
        let message = Message::sample(&id, 200 + number * 37 % 3000).flagged(&["\\Seen"]);
        account.add(if number % 2 == 0 { "INBOX" } else { "Work" }, message);
    }
    account
}

fn empty() -> Mailboxes {
    let account = Mailboxes::new(Features::modern());
    account.create("Work");
    account
}

/// Runs to the end and answers the last state; the account of the client's manners is clean.
fn run(source: &Fake, destination: &Fake, setup: Setup, seconds: u64) -> (App, Value) {
    let app = App::start(setup);
    let migration = app.create(&mail_migration(account(source), account(destination)));
    let state = app.wait(&migration, seconds);
    for side in [source, destination] {
        assert_eq!(side.account.complaints(), [""; 0], "the client broke the rules");
    }
    (app, state)
}

fn assert_moved(source: &Fake, destination: &Fake, state: &Value) {
    assert_eq!(state["status"], "completed", "{state:#}");
    assert_eq!(destination.account.digest(), source.account.digest());
}

#[test]
fn resets_on_both_sides() {
    let line = Line { reset: true, ..Line::default() };
    let from = Faults::none().on(At::nth("UID FETCH", 3), Act::Close).close_after_sent(60_000);
    let to = Faults::none()
        .on(At::nth("APPEND", 2), Act::CloseAfterEffect)
        .on(At::nth("APPEND", 5), Act::Close)
        .close_after_received(90_000);
    let source = Fake::on(filled(120), from.clone(), line);
    let destination = Fake::on(empty(), to.clone(), line);
    let (_app, state) = run(&source, &destination, Setup::default(), 120);
    assert_moved(&source, &destination, &state);
    assert!(from.fired() > 0 && to.fired() > 1, "{} {}", from.fired(), to.fired());
}

/// A line on which nothing more arrives is given up after a while, and the work goes on.
#[test]
fn stalls_on_both_sides() {
    let from = Faults::none().on(At::nth("UID FETCH", 2), Act::Stall);
    let to = Faults::none().on(At::nth("APPEND", 3), Act::StallAfterEffect);
    let source = Fake::start(filled(80), from.clone());
    let destination = Fake::start(empty(), to.clone());
    let (_app, state) = run(&source, &destination, Setup::default(), 300);
    assert_moved(&source, &destination, &state);
    assert!(from.fired() + to.fired() > 0, "nothing stalled");
}

#[test]
fn a_lost_answer_doubles_nothing() {
    for n in 1..4 {
        let faults = Faults::none().on(At::nth("APPEND", n), Act::CloseAfterEffect);
        let source = Fake::start(filled(60), Faults::none());
        let destination = Fake::start(empty(), faults);
        let (_app, state) = run(&source, &destination, Setup::default(), 60);
        assert_moved(&source, &destination, &state);
    }
}

#[test]
fn a_server_without_extensions() {
    let source = Mailboxes::new(Features::bare());
    let destination = Mailboxes::new(Features::bare().under("", "."));
    for n in 0..25 {
        let id = format!("{n}@example.test");
        source.add("Work/2024", Message::sample(&id, 900).flagged(&["\\Flagged", "$Label1"]));
    }
    source.subscribe("Work/2024");
    let (source, destination) =
        (Fake::start(source, Faults::none()), Fake::start(destination, Faults::none()));
    let (_app, state) = run(&source, &destination, Setup::default(), 60);
    assert_eq!(state["status"], "completed", "{state:#}");
    assert_eq!(destination.account.messages("Work.2024").len(), 25);
    assert_eq!(destination.account.subscriptions(), ["Work.2024"]);
    assert_eq!(destination.account.digest().0["Work/2024"], source.account.digest().0["Work/2024"]);
}

#[test]
fn throttling_is_waiting() {
    let slow = "NO [LIMIT] too many requests, come back later";
    let faults = Faults::none().on(At::nth("APPEND", 1).times(2), Act::Refuse(slow.into()));
    let source = Fake::start(filled(20), Faults::none());
    let destination = Fake::start(empty(), faults);
    let app = App::start(Setup::default());
    let migration = app.create(&mail_migration(account(&source), account(&destination)));
    let waiting = app
        .wait_for(&migration, 30, |state| state["status"] == "waiting" || e2e::app::ended(state));
    assert_eq!(waiting["status"], "waiting", "{waiting:#}");
    let reason = waiting["waiting"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("too many requests"), "{waiting:#}");
    assert!(waiting["waiting"]["until"].is_string(), "{waiting:#}");
    let state = app.wait(&migration, 300);
    assert_moved(&source, &destination, &state);
    assert_eq!(state["progress"]["mail"]["failed"], json!(0));
}

#[test]
fn a_slow_server_is_waited_for() {
    let line = Line { delay: Duration::from_millis(60), ..Line::default() };
    let source = Fake::on(filled(60), Faults::none(), line);
    let destination = Fake::on(empty(), Faults::none(), line);
    let (_app, state) = run(&source, &destination, Setup::default(), 120);
    assert_moved(&source, &destination, &state);
}

/// A message that the destination refuses is one line in the report, never the end of the run.
#[test]
fn refused_messages_are_reported() {
    let with = |text: &str| {
        let mut message = Message::sample("odd@example.test", 100);
        message.bytes = text.as_bytes().to_vec().into();
        message
    };
    let source = filled(10);
    source.add("INBOX", with("Message-ID: <nul@x>\r\nSubject: nul\r\n\r\nbody\0\r\n"));
    source.add("INBOX", with("Message-ID: <lf@x>\r\nSubject: lf\r\n\r\nbare\nline\r\n"));
    source.add("INBOX", with("Message-ID: <big@x>\r\nSubject: too big\r\n\r\nBIG\r\n"));
    let faults = Faults::none().strict_appends().refuse_append(
        |message| message.ends_with(b"BIG\r\n"),
        "NO [TOOBIG] message too large for this server",
        u32::MAX,
    );
    let (source, destination) = (Fake::start(source, Faults::none()), Fake::start(empty(), faults));
    let app = App::start(Setup::default());
    let migration = app.create(&mail_migration(account(&source), account(&destination)));
    let state = app.wait(&migration, 60);
    assert_eq!(state["status"], "completed_with_errors", "{state:#}");
    let failures = app.get(&migration.path("/failures")).json();
    let rows = failures.as_array().expect("a list");
    let big = rows.iter().find(|row| row["subject"] == "too big").expect("the large one");
    assert_eq!((&big["item"], &big["folder"]), (&json!("mail"), &json!("INBOX")), "{big}");
    assert!(big["reason"].as_str().is_some_and(|it| it.contains("too large")), "{big}");
    // The others are repaired: their text arrives, if not octet for octet.
    let ids: Vec<String> = destination.account.digest().0["INBOX"].clone();
    assert!(ids.iter().any(|line| line.starts_with("<lf@x>")), "{ids:#?}");
    assert!(ids.iter().any(|line| line.starts_with("<nul@x>")), "{ids:#?}");
    assert_eq!(destination.account.messages("Work").len(), 5);
}

/// What a hostile or broken server says ends in a clear error within bounded memory and time.
#[test]
fn broken_answers_end_in_clear_errors() {
    let acts = [
        ("an endless line", Act::EndlessLine(64 << 20)),
        ("a negative literal", Act::NegativeLiteral),
        (
            "garbage",
            Act::Raw(b"\x00\xff\xfe((((\r\n* 99999999999999999999 FETCH (UID\r\n".to_vec()),
        ),
        ("a literal without end", Act::HugeLiteral(1 << 62)),
    ];
    let app = App::start(Setup::default());
    // All at once: some lines stay open, and the client's patience with them is a minute.
    let begin = |(what, act)| {
        let faults = Faults::none().on(At::every("UID FETCH"), act);
        let (source, destination) =
            (Fake::start(filled(10), faults), Fake::start(empty(), Faults::none()));
        let migration = app.create(&mail_migration(account(&source), account(&destination)));
        (what, migration, source, destination)
    };
    let begun: Vec<_> = acts.into_iter().map(begin).collect();
    for (what, migration, _source, destination) in &begun {
        println!("{what}");
        let state = app.wait_for(migration, 240, |state| {
            e2e::app::ended(state) || state["status"] == "waiting"
        });
        let told = state["last_error"].is_string() || state["waiting"]["reason"].is_string();
        assert!(told, "{what}: {state:#}");
        println!("{}", state["waiting"]["reason"]);
        assert_eq!(destination.account.messages("INBOX").len(), 0, "{what}");
        let gone = e2e::http::request("DELETE", &app.api(&migration.path("")), &[], b"").unwrap();
        assert_eq!(gone.status, 204, "{what}: {}", gone.text());
    }
    let metrics = e2e::http::get(&format!("{}/metrics", app.url)).text();
    assert!(metrics.contains("# TYPE"), "it still serves: {metrics}");
}

#[test]
fn bye_at_any_moment_is_survived() {
    let names = ["LIST", "SELECT", "EXAMINE", "UID FETCH", "UID SEARCH", "STATUS"];
    let mut from = Faults::none();
    for name in names {
        from = from.on(At::nth(name, 2), Act::Bye("shutting down for maintenance".into()));
    }
    let to = Faults::none()
        .on(At::nth("APPEND", 2), Act::Bye("shutting down".into()))
        .on(At::nth("SELECT", 2), Act::Bye("shutting down".into()));
    let source = Fake::start(filled(60), from);
    let destination = Fake::start(empty(), to);
    let (_app, state) = run(&source, &destination, Setup::default(), 240);
    assert_moved(&source, &destination, &state);
}

/// Sizes that do not hold are no reason to lose mail.
#[test]
fn a_server_that_lies_about_sizes() {
    let source = Fake::start(filled(30), Faults::none().size_lie(-17));
    let destination = Fake::start(empty(), Faults::none());
    let (_app, state) = run(&source, &destination, Setup::default(), 60);
    assert_moved(&source, &destination, &state);
}

/// A destination that says OK and keeps nothing is found out by the verification.
#[test]
fn verification_finds_a_liar() {
    let faults = Faults::none().on(At::nth("APPEND", 1), Act::PretendOk);
    let source = Fake::start(filled(12), Faults::none());
    let destination = Fake::start(empty(), faults);
    let app = App::start(Setup::default());
    let migration = app.create(&mail_migration(account(&source), account(&destination)));
    let state = app.wait(&migration, 60);
    let complete = destination.account.digest() == source.account.digest();
    // Either it notices in time and sends again, or it says that something is missing.
    assert!(complete || state["status"] != "completed", "{state:#}");
}

#[test]
fn keywords_that_cannot_be_kept_are_reported() {
    let source = Mailboxes::new(Features::modern());
    source.add("INBOX", Message::sample("1@x", 100).flagged(&["\\Seen", "$Odd", "$Odder"]));
    let features = Features {
        permanent_flags: ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"]
            .map(str::to_owned)
            .to_vec(),
        ..Features::modern()
    };
    let source = Fake::start(source, Faults::none());
    let destination = Fake::start(Mailboxes::new(features), Faults::none());
    let app = App::start(Setup::default());
    let migration = app.create(&mail_migration(account(&source), account(&destination)));
    app.wait(&migration, 60);
    assert_eq!(destination.account.messages("INBOX")[0].flags, ["\\Seen"]);
    let report = app.get(&migration.path("/report")).text();
    assert!(report.contains("$Odd"), "{report}");
}

/// Names that clash or are impossible at the destination are mapped, and the report says how.
#[test]
fn names_that_cannot_be_kept() {
    let source = Mailboxes::new(Features::modern());
    let names = ["a.b", "a/b", "with%percent", "Ein sehr &APw-bler Name", "INBOX/below"];
    for name in names {
        source.add(name, Message::sample(&format!("{}@x", name.len()), 300 + name.len()));
    }
    let destination = Mailboxes::new(Features::modern().under("INBOX.", "."));
    let (source, destination) =
        (Fake::start(source, Faults::none()), Fake::start(destination, Faults::none()));
    let app = App::start(Setup::default());
    let migration = app.create(&mail_migration(account(&source), account(&destination)));
    let state = app.wait(&migration, 60);
    assert_eq!(state["progress"]["mail"]["migrated"], json!(names.len()), "{state:#}");
    let filled: Vec<String> = destination
        .account
        .mailboxes()
        .into_iter()
        .filter(|name| destination.account.messages(name).len() == 1)
        .collect();
    assert_eq!(filled.len(), names.len(), "each in a mailbox of its own: {filled:?}");
    let report = app.get(&migration.path("/report")).json();
    let renamed =
        report["folders"].as_array().expect("folders").iter().filter(|folder| {
            folder["remarks"].as_array().is_some_and(|remarks| !remarks.is_empty())
        });
    assert!(renamed.count() >= 2, "{report:#}");
    assert_eq!(destination.account.complaints(), [""; 0]);
}

/// A mailbox that was restored has new UIDs: the journal is not trusted for it, nothing doubled.
#[test]
fn a_changed_uid_validity() {
    let source = Fake::start(filled(30), Faults::none());
    let destination = Fake::start(empty(), Faults::none());
    let app = App::start(Setup::default());
    let migration = app.create(&mail_migration(account(&source), account(&destination)));
    app.wait(&migration, 60);
    source.account.set_uid_validity("INBOX", 4242);
    destination.account.set_uid_validity("Work", 4243);
    source.account.add("INBOX", Message::sample("new@example.test", 500));
    let passwords =
        json!({"source": {"password": "secret"}, "destination": {"password": "secret"}});
    let answer = app.post(&migration.path("/synchronise"), &passwords);
    assert_eq!(answer.status, 202, "{}", answer.text());
    let state = app.wait_for(&migration, 60, |state| {
        state["sync_points"].as_array().is_some_and(|it| it.len() == 2) && e2e::app::ended(state)
    });
    assert_eq!(state["status"], "completed", "{state:#}");
    assert_eq!(state["sync_points"][1]["migrated"], json!(1), "{state:#}");
    assert_eq!(destination.account.digest(), source.account.digest());
}
