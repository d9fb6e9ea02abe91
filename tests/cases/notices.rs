//! What owners are told: mails in a real submission server, calls of a real webhook.

use std::time::{Duration, Instant};

use e2e::app::{App, Setup, account, mail_migration};
use e2e::browser::{Browser, Scripts};
use e2e::content::fill;
use e2e::http::get;
use e2e::mailbox::Client;
use e2e::servers::{Dovecot, Layout, PASSWORD, Recipient, Server};
use serde_json::{Value, json};

/// Waits until so many of each have come and nothing is left that anything could still come of.
fn wait_for(recipient: &Recipient, enough: usize, app: &App) {
    let come = || (recipient.mails().len(), recipient.calls().len());
    let metrics = || get(&format!("{}/metrics", app.url)).text();
    let counted = format!("trasloco_notices_sent_total {}\n", 2 * enough);
    let is_over = |metrics: String| {
        metrics.contains("trasloco_migrations_active 0\n") && metrics.contains(&counted)
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while come() < (enough, enough) || !is_over(metrics()) {
        let late = Instant::now() > deadline;
        assert!(!late, "{:?} of {enough}\n{}\n{}", come(), metrics(), app.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(come(), (enough, enough));
}

fn subjects(recipient: &Recipient) -> Vec<String> {
    let mails = recipient.mails();
    mails.iter().map(|mail| mail["header"]["subject"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_italian_owner_is_told_everything_once() {
    let (source, destination) = (Dovecot::start(Layout::Maildir), Dovecot::start(Layout::Mdbox));
    let (login, target) = (source.login("alice"), destination.login("bob"));
    fill(&mut Client::on(&source, &login), 5);
    let recipient = Recipient::start();
    let setup = Setup::default()
        .with_public_url()
        .variable("smtp_url", &recipient.smtp_url())
        .variable("mail_from", "Trasloco <notizie@move.example>")
        .variable("allow_plaintext", "true");
    let app = App::start(setup);
    let mut body = mail_migration(account(&source, &login), account(&destination, &target));
    body["notify"] = json!({
        "email": "anna@example.test", "language": "it", "webhook": recipient.webhook(),
    });
    let migration = app.create(&body);
    let secret = migration.answer["webhook_secret"].as_str().expect("a secret").to_owned();
    let state = app.wait(&migration, 60);
    assert_eq!(state["status"], "completed", "{state:#}");
    wait_for(&recipient, 3, &app);
    let titles = subjects(&recipient);
    for (subject, expected) in titles.iter().zip(["il tuo codice", "è cominciata", "completata"]) {
        assert_eq!(*subject, format!("Migrazione da {login} a {target}: {expected}"));
    }
    check_mails(&recipient, &app, &migration.id);
    check_calls(&recipient, &secret, &migration.id);

    let again = json!({"source": {"password": PASSWORD}, "destination": {"password": PASSWORD}});
    assert_eq!(app.post(&migration.path("/synchronise"), &again).status, 202);
    app.wait(&migration, 60);
    wait_for(&recipient, 5, &app);
    assert!(subjects(&recipient)[4].ends_with(": completata"), "{:?}", subjects(&recipient));

    let log = app.log();
    for secret in ["sesame", secret.trim_start_matches("whsec_")] {
        assert!(!log.contains(secret), "{log}");
    }
    let metrics = get(&format!("{}/metrics", app.url)).text();
    assert!(metrics.contains("trasloco_notices_given_up_total 0\n"), "{metrics}");
}

fn check_mails(recipient: &Recipient, app: &App, id: &str) {
    let browser = Browser::open(700, 1000, Scripts::On);
    let folder = tempfile::tempdir().expect("a folder");
    let mut message_ids = Vec::new();
    for (mail, name) in recipient.mails().iter().zip(["created", "started", "ended"]) {
        assert_eq!(mail["from"], "notizie@move.example");
        assert_eq!(mail["to"], json!(["anna@example.test"]));
        assert_eq!(mail["type"], "multipart/alternative");
        assert_eq!(mail["parts"], json!(["text/plain", "text/html"]));
        assert_eq!(mail["defects"], json!([]));
        let header = &mail["header"];
        assert_eq!(header["auto-submitted"], "auto-generated");
        assert_eq!(header["content-language"], "it");
        assert_eq!(header["from"], "Trasloco <notizie@move.example>");
        assert!(header["date"].is_string(), "{header}");
        message_ids.push(header["message-id"].as_str().expect("a Message-ID").to_owned());
        let (text, html) = (mail["text"].as_str().unwrap(), mail["html"].as_str().unwrap());
        let link = text.lines().find(|line| line.starts_with("http")).expect("a link");
        assert!(link.starts_with(&app.url), "{link}");
        assert_eq!(get(link).status, 200, "{link}");
        assert!(text.contains(id) && html.contains(id));
        let page = folder.path().join(format!("{name}.html"));
        std::fs::write(&page, html).expect("a page");
        browser.go(&format!("file://{}", page.display()));
        browser.screenshot(&format!("mail-{name}"));
        let shown = browser.text();
        assert!(shown.contains("Il codice della tua migrazione"), "{shown}");
        let wide = browser.run("return document.documentElement.scrollWidth");
        assert!(wide.as_u64().is_some_and(|wide| wide <= 700), "{wide}");
        assert_eq!(browser.find("html").attribute("lang").as_deref(), Some("it"));
    }
    message_ids.sort();
    message_ids.dedup();
    assert_eq!(message_ids.len(), 3);
    let last = recipient.mails().remove(2);
    assert!(last["text"].as_str().unwrap().contains("Spostati: 40 "), "{}", last["text"]);
}

fn check_calls(recipient: &Recipient, secret: &str, id: &str) {
    let bodies = recipient.verified(secret);
    let types: Vec<&Value> = bodies.iter().map(|body| &body["type"]).collect();
    assert_eq!(types, ["migration.created", "migration.started", "migration.ended"]);
    let ended = &bodies[2]["data"];
    assert_eq!((&ended["id"], &ended["status"]), (&json!(id), &json!("completed")));
    assert_eq!((&ended["verdict"], &ended["failures"]), (&json!("complete"), &json!(0)));
    assert_eq!(ended["progress"]["mail"]["migrated"], 40, "{ended:#}");
    assert!(recipient.is_refused("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    let calls = recipient.calls();
    let mut ids: Vec<&Value> = calls.iter().map(|call| &call["headers"]["webhook-id"]).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert!(calls.iter().all(|call| call["path"] == "/hook?of=anna"), "{calls:#?}");
}
