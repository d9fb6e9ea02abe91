//! Bad input: each gets its clear refusal within 15 seconds, and nothing is created.

use std::time::{Duration, Instant};

use e2e::app::{App, Setup, account, ended, imap_account, mail_migration};
use e2e::http::{Response, request};
use e2e::process::free_port;
use e2e::servers::{Dovecot, Fake, Layout, Server, Silent, Talker};
use e2e::tls::{NAMES, TlsFront, Valid, authority};
use fake_imap::{Faults, Features, Mailboxes};
use serde_json::{Value, json};

/// Longest that a refusal may take.
const LIMIT: Duration = Duration::from_secs(15);

fn post(app: &App, body: &Value) -> Response {
    let start = Instant::now();
    let answer = app.post("/migrations", body);
    assert!(start.elapsed() < LIMIT, "the refusal took {:?}: {}", start.elapsed(), answer.text());
    answer
}

/// Asserts a refusal of input with this pointer and code; the problem.
fn refused(answer: &Response, pointer: &str, code: &str) -> Value {
    let problem = answer.json();
    assert_eq!(answer.status, 422, "{problem:#}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    for name in ["type", "title", "detail"] {
        assert!(problem[name].is_string(), "{name}: {problem:#}");
    }
    let errors = problem["errors"].as_array().expect("errors");
    let found = errors.iter().any(|it| it["pointer"] == pointer && it["code"] == code);
    assert!(found, "no {code} at {pointer}: {problem:#}");
    assert!(errors.iter().all(|it| it["detail"].is_string()), "{problem:#}");
    problem
}

struct Good {
    app: App,
    server: Dovecot,
}

impl Good {
    fn new() -> Good {
        Good { app: App::start(Setup::default()), server: Dovecot::start(Layout::Maildir) }
    }

    fn source(&self) -> Value {
        account(&self.server, &self.server.login("alice"))
    }

    fn destination(&self) -> Value {
        account(&self.server, &self.server.login("bob"))
    }

    fn with_source_url(&self, url: &str) -> Response {
        let source = imap_account(url, "alice@example.test", "secret");
        post(&self.app, &mail_migration(source, self.destination()))
    }

    fn body(&self) -> Value {
        mail_migration(self.source(), self.destination())
    }
}

#[test]
fn wrong_passwords() {
    let good = Good::new();
    for side in ["source", "destination"] {
        let mut body = good.body();
        body[side]["password"] = json!("wrong password");
        let answer = post(&good.app, &body);
        refused(&answer, &format!("/{side}/password"), "authentication_failed");
        assert!(!answer.text().contains("wrong password"));
    }
    let active = good.app.advance().unwrap().json();
    assert_eq!(active["active"], json!(0), "nothing was created");
}

#[test]
fn servers_that_cannot_be_reached() {
    let good = Good::new();
    let closed = free_port();
    for url in [
        format!("imaps://localhost:{closed}"),
        format!("imaps://127.0.0.1:{closed}"),
        "imaps://no-such-host.invalid".to_owned(),
    ] {
        refused(&good.with_source_url(&url), "/source/url", "unreachable");
    }
    let mut body = good.body();
    body["destination"]["url"] = json!(format!("imaps://localhost:{closed}"));
    refused(&post(&good.app, &body), "/destination/url", "unreachable");
}

#[test]
fn ports_that_never_answer() {
    let good = Good::new();
    let silent = Silent::start();
    let port = silent.port();
    // Silent before TLS, silent before the greeting, and silent behind TLS.
    let behind = TlsFront::before(port);
    for url in [
        format!("imaps://localhost:{port}"),
        format!("imap://localhost:{port}"),
        format!("imaps://localhost:{}", behind.port),
    ] {
        refused(&good.with_source_url(&url), "/source/url", "unreachable");
    }
}

#[test]
fn servers_of_other_protocols() {
    let good = Good::new();
    let pop = Talker::start(b"+OK POP3 ready\r\n", b"-ERR unknown command\r\n");
    let http = Talker::start(b"", b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
    let binary = Talker::start(&[0xff, 0xfe, 0, 1, 2, 3], &[0; 4096]);
    for port in [pop.port(), http.port(), binary.port()] {
        let behind = TlsFront::before(port);
        for url in [
            format!("imaps://localhost:{}", behind.port),
            format!("imap://localhost:{port}"),
            format!("imaps://localhost:{port}"),
        ] {
            let problem = refused(&good.with_source_url(&url), "/source/url", "unreachable");
            let detail = problem["errors"][0]["detail"].as_str().unwrap();
            assert!(detail.len() < 1000, "{detail}");
        }
    }
}

#[test]
fn certificates_that_do_not_hold() {
    let good = Good::new();
    let fake = Fake::start(Mailboxes::new(Features::modern()), Faults::none());
    let expired = TlsFront::with(fake.port(), &authority().issue(&NAMES, Valid::Expired));
    let other = TlsFront::with(fake.port(), &authority().issue(&["other.test"], Valid::Yes));
    for (front, word) in [(&expired, "expired"), (&other, "name")] {
        let answer = good.with_source_url(&format!("imaps://localhost:{}", front.port));
        let problem = refused(&answer, "/source/url", "unreachable");
        let detail = problem["errors"][0]["detail"].as_str().unwrap().to_lowercase();
        assert!(detail.contains("certificate") || detail.contains(word), "{detail}");
    }
    assert_eq!(fake.account.take_commands(), [""; 0], "no password goes to a stranger");
}

/// An installation that nobody told of its own network does not reach into it.
#[test]
fn private_addresses() {
    let server = Dovecot::start(Layout::Maildir);
    let app = App::start(Setup::default().variable("allowed_networks", ""));
    let port = server.imaps_port();
    for host in [
        "localhost".to_owned(),
        "127.0.0.1".into(),
        "[::1]".into(),
        "[::ffff:127.0.0.1]".into(),
        "2130706433".into(),
        "0x7f000001".into(),
        "127.1".into(),
        "0.0.0.0".into(),
        "[::]".into(),
        "169.254.169.254".into(),
        "10.0.0.1".into(),
        "[fe80::1]".into(),
        "[fd00::1]".into(),
        "[64:ff9b::7f00:1]".into(),
    ] {
        let url = format!("imaps://{host}:{port}");
        let source = imap_account(&url, "alice@example.test", "secret");
        let answer = post(&app, &mail_migration(source, account(&server, "bob@example.test")));
        let problem = answer.json();
        assert_eq!(answer.status, 422, "{url}: {problem:#}");
        let first = &problem["errors"][0];
        assert_eq!(first["pointer"], "/source/url", "{url}: {problem:#}");
        let code = first["code"].as_str().unwrap_or_default();
        assert!(code == "unreachable" || code == "bad_url", "{url}: {problem:#}");
    }
}

#[test]
fn plain_text_only_where_it_is_allowed() {
    let good = Good::new();
    let fake = Fake::start(Mailboxes::new(Features::modern()), Faults::none());
    // A server without STARTTLS is never given a password in the clear.
    let url = format!("imap://localhost:{}", fake.port());
    let source = imap_account(&url, "user", "secret");
    let answer = post(&good.app, &mail_migration(source, good.destination()));
    refused(&answer, "/source/url", "unreachable");
    let clear = imap_account(&format!("{url}?tls=none"), "user", "secret");
    let answer = post(&good.app, &mail_migration(clear.clone(), good.destination()));
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains("/source/url"), "{}", answer.text());
    let commands = fake.account.take_commands();
    assert!(
        !commands.iter().any(|it| it.contains("LOGIN") || it.contains("AUTHENT")),
        "{commands:?}"
    );
    let app = App::start(Setup::default().variable("allow_plaintext", "true"));
    let answer = post(&app, &mail_migration(clear, good.destination()));
    assert_eq!(answer.status, 201, "{}", answer.text());
}

/// LOGIN is obeyed as refused; nothing is sent that the server said it would not take.
#[test]
fn login_disabled_is_obeyed() {
    let good = Good::new();
    let features = Features { login_disabled: true, auth_plain: false, ..Features::modern() };
    let fake = Fake::start(Mailboxes::new(features), Faults::none());
    let url = format!("imaps://localhost:{}", fake.tls_port());
    let answer =
        post(&good.app, &mail_migration(imap_account(&url, "user", "secret"), good.destination()));
    assert_eq!(answer.status, 422, "{}", answer.text());
    let commands = fake.account.take_commands();
    assert!(!commands.iter().any(|it| it == "LOGIN"), "{commands:?}");
}

#[test]
fn logins_with_spaces_and_quotes() {
    let good = Good::new();
    let fake = || Mailboxes::new(Features::bare());
    for (login, password) in [
        ("anna \"the\" rossi", "pass \\ \"word\" {5}"),
        ("anna\\b", "a*b%c(d)"),
        ("renée@example.test", "pàssword"),
        ("a'b", "{10+}"),
    ] {
        let fake = Fake::start(fake().credentials(login, password), Faults::none());
        let url = format!("imaps://localhost:{}", fake.tls_port());
        let answer = post(
            &good.app,
            &mail_migration(imap_account(&url, login, password), good.destination()),
        );
        assert_eq!(answer.status, 201, "{login}: {}", answer.text());
        let account = e2e::app::encoded(login);
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(good.app.get(&format!("/migrations/{id}?account={account}")).status, 200);
        assert_eq!(fake.account.complaints(), [""; 0]);
    }
    for bad in ["a\r\nb NOOP", "a\nb", "a\0b"] {
        let mut body = good.body();
        body["source"]["login"] = json!(bad);
        let answer = post(&good.app, &body);
        assert_eq!(answer.status, 422, "{bad:?}: {}", answer.text());
        assert!(answer.text().contains("/source/login"), "{}", answer.text());
    }
}

#[test]
fn wrong_types_and_unknown_fields() {
    let good = Good::new();
    for (change, pointer) in [
        (json!({"source": 5}), "/source"),
        (json!({"source": {"login": 5}}), "/source/login"),
        (json!({"source": {"url": ["imaps://x"]}}), "/source/url"),
        (json!({"source": {"type": "gopher"}}), "/source/type"),
        (json!({"source": {"password": 7}}), "/source/password"),
        (json!({"items": "mail"}), "/items"),
        (json!({"items": ["mail", "furniture"]}), "/items/1"),
        (json!({"options": {"exclude_folders": [1]}}), "/options/exclude_folders/0"),
        (json!({"options": {"folder_map": []}}), "/options/folder_map"),
        (json!({"options": {"since": "yesterday"}}), "/options/since"),
        (json!({"options": {"max_item_bytes": -1}}), "/options/max_item_bytes"),
        (json!({"colour": "red"}), "/colour"),
        (json!({"source": {"passwort": "x"}}), "/source/passwort"),
        (json!({"options": {"a/b~c": 1}}), "/options/a~1b~0c"),
        (json!({"notify": {"email": 1}}), "/notify/email"),
    ] {
        let mut body = good.body();
        merge(&mut body, &change);
        let answer = post(&good.app, &body);
        assert_eq!(answer.status, 422, "{change}: {}", answer.text());
        let problem = answer.json();
        let errors = problem["errors"].as_array().expect("errors");
        assert!(errors.iter().any(|it| it["pointer"] == pointer), "{pointer}: {problem:#}");
    }
    for missing in ["source", "destination"] {
        let mut body = good.body();
        body.as_object_mut().unwrap().remove(missing);
        let answer = post(&good.app, &body);
        assert!(answer.text().contains(&format!("/{missing}")), "{}", answer.text());
        assert_eq!(answer.status, 422);
    }
}

fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (name, value) in change {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change.clone(),
    }
}

/// Items that a pair of servers cannot carry are refused by name.
#[test]
fn unsupported_items() {
    let good = Good::new();
    let mut body = good.body();
    body["items"] = json!(["mail", "contacts"]);
    refused(&post(&good.app, &body), "/items/1", "unsupported");
}

#[test]
fn bodies_that_are_no_json() {
    let good = Good::new();
    let url = good.app.api("/migrations");
    let json_type = [("content-type", "application/json")];
    for body in ["", "{", "[1,2", "\u{0}", "{\"source\": {\"password\": \"hunter2\""] {
        let answer = request("POST", &url, &json_type, body.as_bytes()).unwrap();
        assert!(answer.status == 422 || answer.status == 400, "{body:?}: {}", answer.text());
        assert!(!answer.text().contains("hunter2"));
    }
    let deep = "[".repeat(100_000);
    let answer = request("POST", &url, &json_type, deep.as_bytes()).unwrap();
    assert!((400..500).contains(&answer.status), "{}", answer.status);
    let answer = request("POST", &url, &[("content-type", "text/plain")], b"{}").unwrap();
    assert_eq!(answer.status, 415, "{}", answer.text());
    let answer = request("POST", &url, &json_type, b"\xff\xfe{}").unwrap();
    assert!((400..500).contains(&answer.status), "{}", answer.text());
}

#[test]
fn fields_of_ten_megabytes() {
    let good = Good::new();
    let huge = "x".repeat(10 << 20);
    for pointer in ["/source/login", "/source/password", "/source/url", "/notify"] {
        let mut body = good.body();
        body["notify"] = json!(null);
        *body.pointer_mut(pointer).expect("a field") = json!(huge);
        let url = good.app.api("/migrations");
        let start = Instant::now();
        let body = body.to_string();
        let answer =
            request("POST", &url, &[("content-type", "application/json")], body.as_bytes())
                .unwrap();
        assert!(answer.status == 413 || answer.status == 422, "{}", answer.status);
        assert!(answer.body.len() < 10_000, "the field is not echoed");
        assert!(start.elapsed() < LIMIT);
    }
    let form = format!("source.login={huge}");
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let answer = request("POST", &format!("{}/new", good.app.url), &kind, form.as_bytes()).unwrap();
    assert!((400..500).contains(&answer.status), "{}", answer.status);
    assert_eq!(e2e::http::get(&format!("{}/healthz", good.app.url)).status, 200);
}

/// A folder list of 100,000 names is listed or refused, within memory and time.
#[test]
fn a_hundred_thousand_folders() {
    let good = Good::new();
    let many = Mailboxes::new(Features::modern());
    for number in 0..100_000 {
        many.create(&format!("Folder {number}"));
    }
    let fake = Fake::start(many, Faults::none());
    let url = format!("imaps://localhost:{}", fake.tls_port());
    let start = Instant::now();
    let answer = good.app.post("/accounts/check", &imap_account(&url, "user", "secret"));
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
    assert!(answer.status == 200 || answer.status == 422, "{}: {}", answer.status, answer.text());
    let source = imap_account(&url, "user", "secret");
    let answer = post(&good.app, &mail_migration(source, good.destination()));
    assert!(answer.status == 201 || answer.status == 422, "{}", answer.text());
    if answer.status == 201 {
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        let path = format!("/migrations/{id}?account=user");
        let deadline = Instant::now() + Duration::from_secs(60);
        let state = loop {
            let state = good.app.get(&path).json();
            let goes_on = state["phase"] == "discover" || state["phase"].is_null();
            if ended(&state) || !goes_on || Instant::now() > deadline {
                break state;
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        assert!(state["status"] != "failed" || state["last_error"].is_string(), "{state:#}");
        request("DELETE", &good.app.api(&path), &[], b"").unwrap();
    }
}
