//! Every way to log in, on a real server.

use std::time::{SystemTime, UNIX_EPOCH};

use e2e::app::{App, Setup, account, imap_account};
use e2e::content::add;
use e2e::mailbox::Client;
use e2e::servers::{
    Courier, Cyrus, Dovecot, Fake, Layout, MASTER_PASSWORD, MASTER_USER, Server, access_token,
};
use fake_imap::{Faults, Features, Mailboxes};
use serde_json::{Value, json};

/// Asserts that an account can be opened and has so many messages in INBOX.
fn opens(app: &App, account: &Value, messages: u64) {
    let answer = app.post("/accounts/check", account);
    assert_eq!(answer.status, 200, "{account}: {}", answer.text());
    let checked = answer.json();
    let folders = checked["folders"].as_array().expect("folders");
    let inbox = folders.iter().find(|it| it.to_string().contains("\"INBOX\"")).expect("an INBOX");
    let counted = inbox.as_object().unwrap().values().any(|value| *value == json!(messages));
    assert!(counted, "{inbox}");
}

#[test]
fn tls_starttls_and_every_server() {
    let app = App::start(Setup::default());
    let (dovecot, cyrus, courier) =
        (Dovecot::start(Layout::Mdbox), Cyrus::start(), Courier::start());
    let servers: [&dyn Server; 3] = [&dovecot, &cyrus, &courier];
    for server in servers {
        let login = server.login("alice");
        add(&mut Client::on(server, &login), 0, 4, 500);
        opens(&app, &account(server, &login), 4);
    }
    // STARTTLS; Courier's front end has none.
    for server in [&dovecot as &dyn Server, &cyrus] {
        let url = format!("imap://localhost:{}", server.imap_port());
        opens(&app, &imap_account(&url, &server.login("alice"), "secret"), 4);
    }
}

#[test]
fn access_tokens() {
    let server = Dovecot::start(Layout::Maildir);
    let login = server.login("alice");
    add(&mut Client::on(&server, &login), 0, 3, 500);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let app = App::start(Setup::default());
    let mut with_token = account(&server, &login);
    with_token["password"] = json!({"access_token": access_token(&login, now)});
    opens(&app, &with_token, 3);
    with_token["password"] = json!({"access_token": access_token(&login, now - 7200)});
    let answer = app.post("/accounts/check", &with_token);
    assert_eq!(answer.status, 422, "an expired token: {}", answer.text());
    assert!(answer.text().contains("authentication_failed"), "{}", answer.text());
}

#[test]
fn a_delegated_administrator() {
    let server = Dovecot::start(Layout::Maildir);
    let login = server.login("alice");
    add(&mut Client::on(&server, &login), 0, 5, 500);
    let app = App::start(Setup::default());
    // By an authorisation identity (RFC 4616): the mailbox's login, the administrator's password …
    let url = format!("imaps://localhost:{}", server.imaps_port());
    let mut delegated = imap_account(&url, &login, MASTER_PASSWORD);
    delegated["delegate"] = json!(MASTER_USER);
    opens(&app, &delegated, 5);
    delegated["password"] = json!("secret");
    let answer = app.post("/accounts/check", &delegated);
    assert_eq!(answer.status, 422, "alice's password is not the administrator's");
    // … and by Dovecot's `user*master`.
    let starred = format!("{login}*{MASTER_USER}");
    opens(&app, &imap_account(&url, &starred, MASTER_PASSWORD), 5);
}

#[test]
fn plain_without_sasl_ir_and_login_only() {
    let app = App::start(Setup::default());
    for features in [
        Features { sasl_ir: false, ..Features::modern() },
        Features { sasl_ir: false, login_disabled: true, ..Features::modern() },
        Features { auth_plain: false, ..Features::modern() },
        Features { quiet: true, ..Features::modern() },
        Features { literal_plus: false, literal_minus: true, ..Features::modern() },
        Features { imap4rev2: true, utf8_accept: true, ..Features::modern() },
        Features::bare(),
    ] {
        let shown = format!("{features:?}");
        let fake = Fake::start(Mailboxes::new(features), Faults::none());
        let url = format!("imaps://localhost:{}", fake.tls_port());
        opens(&app, &imap_account(&url, "user", "secret"), 0);
        assert_eq!(fake.account.complaints(), [""; 0], "{shown}");
    }
}
