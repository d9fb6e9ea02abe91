//! The API's contract beside refusals: answers, links, events, reports, erasing.

use e2e::app::{App, Migration, Setup, account, encoded, ended, imap_account, mail_migration};
use e2e::content::{add, fill};
use e2e::http::{events, get, request};
use e2e::mailbox::Client;
use e2e::servers::{Dovecot, Fake, Layout, Server};
use fake_imap::{Faults, Features, Mailboxes, Message};
use serde_json::{Value, json};

struct Done {
    app: App,
    migration: Migration,
    state: Value,
    _servers: (Dovecot, Dovecot),
}

fn done() -> Done {
    let (source, destination) = (Dovecot::start(Layout::Maildir), Dovecot::start(Layout::Mdbox));
    let (login, target) = (source.login("alice"), destination.login("bob"));
    fill(&mut Client::on(&source, &login), 5);
    let app = App::start(Setup::default());
    let migration =
        app.create(&mail_migration(account(&source, &login), account(&destination, &target)));
    let state = app.wait(&migration, 60);
    Done { app, migration, state, _servers: (source, destination) }
}

fn is_time(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.len() >= 20 && text.as_bytes()[10] == b'T' && text.ends_with('Z')
}

#[test]
fn a_migration_tells_all_of_itself() {
    let done = done();
    let (app, migration, state) = (&done.app, &done.migration, &done.state);
    let answer = &migration.answer;
    assert!(migration.id.len() >= 20, "an id of 128 bits: {answer}");
    assert!(answer["status"].is_string(), "{answer}");
    for link in ["self", "page"] {
        let address = answer["links"][link].as_str().unwrap_or_default();
        let address =
            if address.starts_with('/') { format!("{}{address}", app.url) } else { address.into() };
        assert_eq!(get(&address).status, 200, "{answer}");
    }
    assert_eq!(state["id"], json!(migration.id));
    assert!(is_time(&state["created_at"]) && is_time(&state["updated_at"]), "{state:#}");
    assert_eq!(state["waiting"], Value::Null);
    assert_eq!(state["last_error"], Value::Null);
    assert!(state["actions"].is_array());
    assert_eq!(state["source"]["login"], json!(migration.account));
    for side in ["source", "destination"] {
        assert_eq!(state[side]["type"], "imap");
        assert_eq!(state[side]["password"], Value::Null, "passwords are not told");
    }
    let mail = &state["progress"]["mail"];
    let names = "total migrated skipped left_out failed removed bytes_total bytes_migrated";
    for name in names.split(' ') {
        assert!(mail[name].is_u64(), "{name}: {mail}");
    }
    assert_eq!((&mail["total"], &mail["migrated"]), (&json!(40), &json!(40)), "{mail}");
    assert_eq!(mail["bytes_total"], mail["bytes_migrated"], "{mail}");
    let point = &state["sync_points"][0];
    assert_eq!((&point["number"], &point["migrated"]), (&json!(1), &json!(40)), "{point}");
    assert!(is_time(&point["started_at"]) && is_time(&point["finished_at"]), "{point}");
    assert_eq!((&point["failed"], &point["removed"]), (&json!(0), &json!(false)), "{point}");
}

#[test]
fn creation_answers_with_its_location() {
    let source = Fake::start(Mailboxes::new(Features::modern()), Faults::none());
    let destination = Fake::start(Mailboxes::new(Features::modern()), Faults::none());
    let at = |fake: &Fake| {
        imap_account(&format!("imaps://localhost:{}", fake.tls_port()), "user", "secret")
    };
    let app = App::start(Setup::default());
    let answer = app.post("/migrations", &mail_migration(at(&source), at(&destination)));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let location = answer.header("location").expect("a Location");
    let id = answer.json()["id"].as_str().expect("an id").to_owned();
    assert!(location.contains(&format!("/api/v1/migrations/{id}")), "{location}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

/// Who does not know the login learns nothing, not even that there is such a migration.
#[test]
fn the_account_must_match() {
    let done = done();
    let (app, id) = (&done.app, &done.migration.id);
    let upper = done.migration.account.to_uppercase();
    let path = format!("/migrations/{id}?account={}", encoded(&upper));
    assert_eq!(app.get(&path).status, 200, "case does not matter");
    let mut bodies = Vec::new();
    for path in [
        format!("/migrations/{id}?account=someone@else.test"),
        format!("/migrations/{id}"),
        format!("/migrations/{id}?account="),
        "/migrations/AAAAAAAAAAAAAAAAAAAAAAAAAA?account=alice@example.test".to_owned(),
    ] {
        let answer = app.get(&path);
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        bodies.push(answer.json()["title"].clone());
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "the answers do not tell which it was");
    let wrong = "account=someone@else.test";
    for (method, tail) in [
        ("GET", "/failures"),
        ("GET", "/failures.csv"),
        ("GET", "/report"),
        ("GET", "/report.csv"),
        ("GET", "/events"),
        ("POST", "/stop"),
        ("DELETE", ""),
    ] {
        let url = app.api(&format!("/migrations/{id}{tail}?{wrong}"));
        let answer = request(method, &url, &[("content-type", "application/json")], b"{}").unwrap();
        assert_eq!(answer.status, 404, "{method} {tail}: {}", answer.text());
    }
}

#[test]
fn the_report_proves_it() {
    let done = done();
    let answer = done.app.get(&done.migration.path("/report"));
    assert_eq!(answer.status, 200);
    let report = answer.json();
    let folders = report["folders"].as_array().or_else(|| report.as_array());
    let folders = folders.unwrap_or_else(|| panic!("a list of folders: {report:#}"));
    let find = |name: &str| {
        let named = |folder: &&Value| folder.to_string().contains(&format!("\"{name}\""));
        folders.iter().find(named).unwrap_or_else(|| panic!("no {name}: {report:#}"))
    };
    for name in ["INBOX", "Work/2024/Q1 plan", "日本語/書類"] {
        assert!(find(name).to_string().contains('5'), "{}", find(name));
    }
    let csv = done.app.get(&done.migration.path("/report.csv"));
    assert!(csv.header("content-type").is_some_and(|it| it.starts_with("text/csv")));
    assert!(csv.text().lines().count() > folders.len() - 1, "{}", csv.text());
    assert!(csv.text().contains("Work/2024/Q1 plan"), "{}", csv.text());
    let failures = done.app.get(&done.migration.path("/failures"));
    assert_eq!(failures.json(), json!([]));
    assert_eq!(done.app.get(&done.migration.path("/failures.csv")).status, 200);
}

#[test]
fn events_follow_until_the_end() {
    let (source, destination) = (Dovecot::start(Layout::Maildir), Dovecot::start(Layout::Mdbox));
    let (login, target) = (source.login("alice"), destination.login("bob"));
    add(&mut Client::on(&source, &login), 0, 300, 20_000);
    let app = App::start(Setup::default());
    let migration =
        app.create(&mail_migration(account(&source, &login), account(&destination, &target)));
    let mut states = Vec::new();
    // A stream may end after a while; a reader then asks again, as browsers do.
    for _ in 0..20 {
        for (_, data) in events(&app.api(&migration.path("/events"))).expect("a stream") {
            let state: Value = serde_json::from_str(&data).expect("JSON");
            assert_eq!(state["id"], json!(migration.id));
            states.push(state);
            if states.last().is_some_and(ended) {
                break;
            }
        }
        if states.last().is_some_and(ended) {
            break;
        }
    }
    let last = states.last().expect("events");
    assert_eq!(last["status"], "completed", "{last:#}");
    let migrated = |state: &Value| state["progress"]["mail"]["migrated"].as_u64().unwrap_or(0);
    assert!(states.windows(2).all(|two| migrated(&two[0]) <= migrated(&two[1])), "never goes back");
    assert_eq!(migrated(last), 300);
    let totals: Vec<u64> =
        states.iter().filter_map(|it| it["progress"]["mail"]["total"].as_u64()).collect();
    assert!(totals.windows(2).all(|two| two[0] <= two[1]), "total never shrinks: {totals:?}");
}

#[test]
fn deletion_erases_every_trace() {
    let mut done = done();
    let path = done.migration.path("");
    let answer = request("DELETE", &done.app.api(&path), &[], b"").unwrap();
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert!(answer.body.is_empty());
    assert_eq!(done.app.get(&path).status, 404);
    let _ = done.app.stop();
    let id = done.migration.id.clone();
    let values = store_strings(&done.app);
    assert!(!values.contains(&id), "the id is still in the store");
}

/// The printable rows of the key-value store, by way of its own schema.
fn store_strings(app: &App) -> String {
    let mut found = String::new();
    for entry in walk(&app.state()) {
        let octets = std::fs::read(&entry).unwrap_or_default();
        // Free pages of the database may hold old bytes; rows are what counts.
        if !octets.starts_with(b"SQLite format 3") {
            continue;
        }
        let mut command = std::process::Command::new("sqlite3");
        command.arg(&entry).arg("select store || key || hex(value) from spin_key_value");
        match command.output() {
            Ok(rows) if rows.status.success() => {
                found.push_str(&String::from_utf8_lossy(&rows.stdout));
            }
            // Without the tool the raw file is the stricter test.
            _ => found.push_str(&String::from_utf8_lossy(&octets)),
        }
    }
    found
}

/// Files below a folder.
pub(crate) fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found
}

#[test]
fn accounts_are_checked() {
    let server = Dovecot::start(Layout::Maildir);
    let login = server.login("alice");
    fill(&mut Client::on(&server, &login), 3);
    let app = App::start(Setup::default());
    let answer = app.post("/accounts/check", &account(&server, &login));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let checked = answer.json();
    let text = checked.to_string();
    assert!(text.contains("MULTIAPPEND"), "capabilities: {text}");
    let folders = checked["folders"].as_array().unwrap_or_else(|| panic!("folders: {text}"));
    let work = folders.iter().find(|it| it.to_string().contains("Q1 plan"));
    let work = work.unwrap_or_else(|| panic!("{text}"));
    assert!(work.to_string().contains('3'), "{work}");
    assert!(!checked["quota"].is_null(), "{text}");
    assert!(!text.contains("secret"));
    let wrong = imap_account(&format!("imaps://localhost:{}", server.imaps_port()), &login, "no");
    let answer = app.post("/accounts/check", &wrong);
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains("authentication_failed"), "{}", answer.text());
}

#[test]
fn advance_wants_its_token() {
    let app = App::start(Setup::default());
    for headers in [&[][..], &[("authorization", "Bearer wrong")]] {
        let answer = request("POST", &app.api("/advance"), headers, b"").unwrap();
        assert_eq!(answer.status, 401, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    let answer = app.advance().unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!((&answer["advanced"], &answer["active"]), (&json!(0), &json!(0)), "{answer}");
    assert!(answer.get("next_due_at").is_some(), "{answer}");
}

#[test]
fn health_and_metrics() {
    let done = done();
    assert_eq!(get(&format!("{}/healthz", done.app.url)).status, 200);
    let metrics = get(&format!("{}/metrics", done.app.url));
    assert_eq!(metrics.status, 200);
    assert!(metrics.header("content-type").is_some_and(|it| it.starts_with("text/plain")));
    let text = metrics.text();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let value = line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
        assert!(value.is_some(), "not Prometheus text: {line}");
    }
    assert!(text.contains("memory"), "the peak of linear memory: {text}");
    assert!(!text.contains("alice"), "no names in metrics");
}

#[test]
fn openapi_is_published() {
    let app = App::start(Setup::default());
    let answer = app.get("/openapi.json");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let document = answer.json();
    assert!(document["openapi"].as_str().is_some_and(|it| it.starts_with("3.1")), "{document}");
    let paths = document["paths"].to_string();
    for path in ["/migrations", "/accounts/check", "/advance", "/migrations/{id}/stop"] {
        assert!(paths.contains(path), "{path} is missing");
    }
}

#[test]
fn unknown_paths_and_methods() {
    let app = App::start(Setup::default());
    assert_eq!(app.get("/nothing").status, 404);
    assert_eq!(get(&format!("{}/nothing", app.url)).status, 404);
    let answer = request("PUT", &app.api("/migrations"), &[], b"{}").unwrap();
    assert_eq!(answer.status, 405, "{}", answer.text());
    assert!(answer.header("allow").is_some_and(|it| it.contains("POST")));
}

/// Empty mailboxes are made, and what the destination has of its own stays.
#[test]
fn an_empty_mailbox_is_migrated_too() {
    let source = Mailboxes::new(Features::modern());
    source.create("Nothing here");
    let destination = Mailboxes::new(Features::modern());
    destination.add("INBOX", Message::sample("own@example.test", 10));
    let (source, destination) =
        (Fake::start(source, Faults::none()), Fake::start(destination, Faults::none()));
    let at = |fake: &Fake| {
        imap_account(&format!("imaps://localhost:{}", fake.tls_port()), "user", "secret")
    };
    let app = App::start(Setup::default());
    let migration = app.create(&mail_migration(at(&source), at(&destination)));
    let state = app.wait(&migration, 30);
    assert_eq!(state["status"], "completed", "{state:#}");
    assert_eq!(destination.account.mailboxes(), ["INBOX", "Nothing here"]);
    assert_eq!(destination.account.messages("INBOX").len(), 1, "what was there stays");
}
