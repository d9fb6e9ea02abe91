//! POP3 as a source, from real servers: once over any number of runs, and nothing leaves them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use e2e::app::{App, Setup, account, ended, mail_migration, migrate, pop_account};
use e2e::content::add;
use e2e::mailbox::Client;
use e2e::servers::{Cyrus, Dovecot, Layout, PASSWORD, PopServer, Relay, Server, access_token};
use serde_json::{Value, json};

/// Message-IDs and contents of an inbox, in no order.
fn inbox(server: &dyn Server, login: &str) -> Vec<(String, String)> {
    let mut client = Client::on(server, login);
    let raw = client.raw("INBOX");
    let mails = client.messages(&raw).into_iter();
    let mut mails: Vec<_> = mails.map(|mail| (mail.message_id, mail.content)).collect();
    mails.sort();
    mails
}

fn unseen(server: &dyn Server, login: &str) -> bool {
    let mut client = Client::on(server, login);
    let raw = client.raw("INBOX");
    client.messages(&raw).iter().all(|mail| !mail.flags.contains("\\seen"))
}

const PASSWORDS: &str =
    r#"{"source": {"password": "secret"}, "destination": {"password": "secret"}}"#;

/// Two runs with new mail in between.
fn twice(source: &dyn PopServer, destination: &dyn Server, url: &str) {
    const FIRST: usize = 2_000;
    const LATER: usize = 30;
    let (login, target) = (source.login("alice"), destination.login("bob"));
    let mut client = Client::on(source, &login);
    add(&mut client, 0, FIRST, 3_000);
    let app = App::start(Setup::default());
    let from = pop_account(url, &login, PASSWORD);
    let body = mail_migration(from, account(destination, &target));
    let start = Instant::now();
    let migration = app.create(&body);
    let state = app.wait(&migration, 240);
    let whose = source.name();
    println!("{whose}: {FIRST} messages over POP3 in {:?}", start.elapsed());
    assert_eq!(state["status"], "completed", "{whose}: {state:#}");
    assert_eq!(state["progress"]["mail"]["migrated"], json!(FIRST), "{whose}: {state:#}");
    assert!(unseen(destination, &target), "{whose}: nobody knows what was read");

    add(&mut client, FIRST, LATER, 3_000);
    let passwords: Value = serde_json::from_str(PASSWORDS).unwrap();
    let answer = app.post(&migration.path("/synchronise"), &passwords);
    assert_eq!(answer.status, 202, "{}", answer.text());
    let state = app.wait_for(&migration, 120, |state| {
        state["sync_points"].as_array().is_some_and(|it| it.len() == 2) && ended(state)
    });
    assert_eq!(state["status"], "completed", "{whose}: {state:#}");
    assert_eq!(state["sync_points"][1]["migrated"], json!(LATER), "{whose}: {state:#}");
    let there = inbox(source, &login);
    assert_eq!(there.len(), FIRST + LATER, "{whose}: everything is still on the server");
    assert_eq!(inbox(destination, &target), there, "{whose}: everything once");

    let start = Instant::now();
    let other = destination.login("carol");
    let over_imap =
        app.create(&mail_migration(account(source, &login), account(destination, &other)));
    assert_eq!(app.wait(&over_imap, 240)["progress"]["mail"]["migrated"], json!(FIRST + LATER));
    println!("{whose}: {} messages over IMAP in {:?}", FIRST + LATER, start.elapsed());
}

#[test]
fn from_dovecot_twice() {
    let source = Dovecot::start(Layout::Maildir);
    let url = format!("pops://localhost:{}", source.pops_port());
    twice(&source, &Dovecot::start(Layout::Mdbox), &url);
}

#[test]
fn from_cyrus_twice_after_stls() {
    let source = Cyrus::start();
    let url = format!("pop://localhost:{}", source.pop_port());
    twice(&source, &Dovecot::start(Layout::Maildir), &url);
}

/// Slices of a second, and `kill -9` in between: the server may still hold the maildrop.
#[test]
fn cuts_lose_and_double_nothing() {
    let source = Cyrus::start();
    let destination = Dovecot::start(Layout::Mdbox);
    let (login, target) = (source.login("alice"), destination.login("bob"));
    let mut client = Client::on(&source, &login);
    add(&mut client, 0, 150, 40_000);
    let relay = Relay::before(source.pops_port(), 1 << 20);
    let mut app = App::start(Setup::default().variable("slice_seconds", "1"));
    let url = format!("pops://localhost:{}", relay.port);
    let from = pop_account(&url, &login, PASSWORD);
    let migration = app.create(&mail_migration(from, account(&destination, &target)));
    let mut cut_while_running = 0;
    for ms in [700, 1500, 300, 1100] {
        std::thread::sleep(Duration::from_millis(ms));
        cut_while_running += usize::from(!ended(&app.status(&migration)));
        app.cut_power();
    }
    let state = app.wait(&migration, 240);
    assert_eq!(state["status"], "completed", "{state:#}");
    assert!(cut_while_running > 2, "the migration was over before the cuts");
    assert_eq!(inbox(&destination, &target), inbox(&source, &login));
}

#[test]
fn what_the_account_is_is_told_before_anything_begins() {
    let (source, destination) = (Dovecot::start(Layout::Mdbox), Dovecot::start(Layout::Maildir));
    let (login, target) = (source.login("alice"), destination.login("bob"));
    add(&mut Client::on(&source, &login), 0, 5, 1_000);
    let app = App::start(Setup::default());
    let url = format!("pops://localhost:{}", source.pops_port());
    let good = pop_account(&url, &login, PASSWORD);
    let report = app.post("/accounts/check", &good).json();
    assert_eq!(report["folders"][0]["name"], "INBOX", "{report:#}");
    assert_eq!(report["folders"][0]["messages"], 5, "{report:#}");
    let there = account(&destination, &target);
    let refused = |from: Value, to: Value, pointer: &str, code: &str| {
        let answer = app.post("/migrations", &mail_migration(from, to));
        let error = &answer.json()["errors"][0];
        assert_eq!(answer.status, 422, "{error}");
        assert_eq!(
            (error["pointer"].as_str(), error["code"].as_str()),
            (Some(pointer), Some(code))
        );
        error["detail"].as_str().unwrap_or_default().to_owned()
    };
    let wrong = pop_account(&url, &login, "wrong");
    let told = refused(wrong, there.clone(), "/source/password", "authentication_failed");
    assert!(told.contains("Authentication failed"), "{told}");
    refused(account(&source, &login), good.clone(), "/destination/type", "unsupported");
    let imap = pop_account(&format!("imaps://localhost:{}", source.imaps_port()), &login, PASSWORD);
    let told = refused(imap, there.clone(), "/source/url", "bad_url");
    assert!(told.contains("pops://"), "{told}");
    let not_pop = format!("pops://localhost:{}", source.imaps_port());
    let told =
        refused(pop_account(&not_pop, &login, PASSWORD), there, "/source/url", "unreachable");
    assert!(told.contains("no mail server answers"), "{told}");
}

#[test]
fn from_the_terminal_into_a_folder_of_choice() {
    let (source, destination) = (Dovecot::start(Layout::Mdbox), Dovecot::start(Layout::Maildir));
    let (login, target) = (source.login("alice"), destination.login("bob"));
    add(&mut Client::on(&source, &login), 0, 20, 1_000);
    let name = |login: &str| login.replace('@', "%40");
    let from = format!("pops://{}@localhost:{}", name(&login), source.pops_port());
    let to = format!("imaps://{}@localhost:{}", name(&target), destination.imaps_port());
    let state = tempfile::tempdir().unwrap();
    let flags = ["--source", &from, "--destination", &to, "--json"];
    let output = migrate(&Setup::default(), state.path(), &flags, (PASSWORD, PASSWORD));
    let wailed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{wailed}");
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(summary["progress"]["mail"]["migrated"], 20, "{summary:#}");

    let app = App::start(Setup::default());
    let url = format!("pops://localhost:{}", source.pops_port());
    let from = pop_account(&url, &login, PASSWORD);
    let mut body = mail_migration(from, account(&destination, &destination.login("carol")));
    body["options"] = json!({"folder_map": {"INBOX": "From before"}});
    let state = app.wait(&app.create(&body), 60);
    assert_eq!(state["status"], "completed", "{state:#}");
    let mut client = Client::on(&destination, &destination.login("carol"));
    let raw = client.raw("From before");
    assert_eq!(client.messages(&raw).len(), 20);
    assert_eq!(inbox(&destination, &destination.login("carol")).len(), 0);
}

/// What is too large for a component's memory is read twice, and arrives as it is.
#[test]
fn large_messages_arrive_octet_for_octet() {
    let (source, destination) = (Dovecot::start(Layout::Mdbox), Dovecot::start(Layout::Maildir));
    let (login, target) = (source.login("alice"), destination.login("bob"));
    let mut client = Client::on(&source, &login);
    for (n, bytes) in [(0, 1_000), (1, 15 << 20), (2, 17 << 20), (3, 90 << 20), (4, 1_000)] {
        add(&mut client, n, 1, bytes);
    }
    let app = App::start(Setup::default());
    let url = format!("pop://localhost:{}", source.pop_port());
    let from = pop_account(&url, &login, PASSWORD);
    let state = app.wait(&app.create(&mail_migration(from, account(&destination, &target))), 120);
    assert_eq!(state["status"], "completed", "{state:#}");
    assert_eq!(inbox(&destination, &target), inbox(&source, &login));
}

#[test]
fn access_tokens_open_a_maildrop() {
    let source = Dovecot::start(Layout::Mdbox);
    let login = source.login("alice");
    add(&mut Client::on(&source, &login), 0, 3, 1_000);
    let app = App::start(Setup::default());
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let url = format!("pops://localhost:{}", source.pops_port());
    let with = |token: &str| {
        let mut account = pop_account(&url, &login, "");
        account["password"] = json!({"access_token": token});
        app.post("/accounts/check", &account)
    };
    let good = with(&access_token(&login, now_s));
    assert_eq!(good.json()["folders"][0]["messages"], 3, "{}", good.text());
    let wrong = with("nonsense");
    assert_eq!(wrong.status, 422, "{}", wrong.text());
    assert_eq!(wrong.json()["errors"][0]["code"], "authentication_failed", "{}", wrong.text());
}
