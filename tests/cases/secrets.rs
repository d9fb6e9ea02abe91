//! No password in any file, log, address or answer.

use e2e::app::{App, Setup, imap_account, mail_migration};
use e2e::servers::Fake;
use fake_imap::{Act, At, Faults, Features, Mailboxes, Message};
use serde_json::json;

use crate::api::walk;

const SOURCE: &str = "Zq8-source-password-Zq8";
const DESTINATION: &str = "Zq9-destination-password-Zq9";
const WRONG: &str = "Zq7-wrong-password-Zq7";

#[test]
fn secrets_stay_secret() {
    let source = Mailboxes::new(Features::modern()).credentials("anna", SOURCE);
    for n in 0..40 {
        source.add("INBOX", Message::sample(&format!("{n}@example.test"), 4000));
    }
    let destination = Mailboxes::new(Features::modern()).credentials("bob", DESTINATION);
    // Errors of all kinds, so that whatever is logged about them is looked at, too.
    let faults = Faults::none()
        .on(At::nth("APPEND", 2), Act::CloseAfterEffect)
        .on(At::nth("APPEND", 3), Act::Refuse("NO [UNAVAILABLE] later".into()));
    let source = Fake::start(source, Faults::none());
    let destination = Fake::start(destination, faults);
    let at = |fake: &Fake, login: &str, password: &str| {
        imap_account(&format!("imaps://localhost:{}", fake.tls_port()), login, password)
    };
    let mut app = App::start(Setup::default().flag("--log").flag("debug"));
    let mut answers = Vec::new();
    let wrong = mail_migration(at(&source, "anna", WRONG), at(&destination, "bob", DESTINATION));
    answers.push(app.post("/migrations", &wrong).text());
    let mut twisted = wrong.clone();
    twisted["source"] = json!([SOURCE]);
    answers.push(app.post("/migrations", &twisted).text());
    let body = mail_migration(at(&source, "anna", SOURCE), at(&destination, "bob", DESTINATION));
    let migration = app.create(&body);
    answers.push(migration.answer.to_string());
    // While the run needs them, they are sealed.
    app.cut_power();
    look(&app, "during the run");
    answers.push(app.wait(&migration, 300).to_string());
    for tail in ["/report", "/failures", "/report.csv"] {
        answers.push(app.get(&migration.path(tail)).text());
    }
    answers.push(e2e::http::get(&format!("{}/metrics", app.url)).text());
    let page = format!("{}/migrations/{}?account=anna", app.url, migration.id);
    answers.push(e2e::http::get(&page).text());
    let _ = app.stop();
    look(&app, "after the run");
    for answer in answers {
        for secret in [SOURCE, DESTINATION, WRONG] {
            assert!(!answer.contains(secret), "{secret} in {answer}");
        }
    }
}

/// Servers that repeat what they were told, in a refusal at once and in the middle of a run: nothing of
/// it is in an answer, a page, the log or the store.
#[test]
fn what_a_server_repeats_is_told_nobody() {
    use base64::Engine as _;
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let plain = base64(&format!("\0anna\0{SOURCE}"));
    let source = Mailboxes::new(Features::modern()).credentials("anna", SOURCE);
    for n in 0..40 {
        source.add("INBOX", Message::sample(&format!("{n}@example.test"), 4000));
    }
    let destination = Mailboxes::new(Features::modern()).credentials("bob", DESTINATION);
    let said =
        format!("NO [X-{SOURCE}] you said {SOURCE} and {plain} and {}", SOURCE.to_uppercase());
    let later = format!("NO [UNAVAILABLE] {DESTINATION} {}", base64(DESTINATION));
    let once = Faults::none().on(At::nth("AUTHENTICATE", 1), Act::Refuse(said.clone()));
    let broken = Faults::none().on(At::every("APPEND"), Act::Refuse(later));
    let source = Fake::start(source, once);
    let destination = Fake::start(destination, broken);
    let at = |fake: &Fake, login: &str, password: &str| {
        imap_account(&format!("imaps://localhost:{}", fake.tls_port()), login, password)
    };
    let mut app = App::start(Setup::default().flag("--log").flag("debug"));
    let body = mail_migration(at(&source, "anna", SOURCE), at(&destination, "bob", DESTINATION));
    let refused = app.post("/migrations", &body);
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("***"), "{}", refused.text());
    let mut answers = vec![refused.text()];
    let migration = app.create(&body);
    let waits = app.wait_for(&migration, 60, |state| !state["last_error"].is_null());
    answers.push(waits.to_string());
    let page = format!("{}/migrations/{}?account=anna", app.url, migration.id);
    answers.push(e2e::http::get(&page).text());
    let _ = app.stop();
    look(&app, "after the refusals");
    answers.push(app.log());
    for answer in answers {
        for secret in [SOURCE, DESTINATION, &SOURCE.to_uppercase(), &plain, &base64(DESTINATION)] {
            assert!(!answer.contains(secret), "{secret} in {answer}");
        }
    }
}

fn look(app: &App, when: &str) {
    use base64::Engine as _;
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let folder = app.state().parent().expect("a folder").to_owned();
    let files = walk(&folder);
    assert!(files.len() > 2, "{when}: no files in {folder:?}");
    for secret in [SOURCE, DESTINATION, WRONG] {
        // As it is, and as AUTHENTICATE PLAIN has it.
        let forms = [secret.to_owned(), base64(secret), base64(&format!("\0anna\0{secret}"))];
        for file in &files {
            let octets = std::fs::read(file).unwrap_or_default();
            for form in &forms {
                let found = octets.windows(form.len()).any(|window| window == form.as_bytes());
                assert!(!found, "{when}: {form} in {}", file.display());
            }
        }
    }
}
