//! What would happen, told by real servers, which stay as they were.

use e2e::app::{App, Setup, account, mail_migration};
use e2e::content::{by_place, fill};
use e2e::mailbox::Client;
use e2e::servers::{Cyrus, Dovecot, Layout, PASSWORD, Server};
use serde_json::{Value, json};

fn looks(source: &dyn Server, destination: &dyn Server) {
    let (login, target) = (source.login("alice"), destination.login("bob"));
    let mut client = Client::on(source, &login);
    fill(&mut client, 20);
    let mut other = Client::on(destination, &target);
    let before = (by_place(&mut client), by_place(&mut other));
    let app = App::start(Setup::default());
    let mut body = mail_migration(account(source, &login), account(destination, &target));
    body["options"] = json!({"folder_map": {"Work": "Archive/Work"}});
    let answer = app.post("/migrations/preflight", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.json();
    let messages: usize = before.0.values().map(Vec::len).sum();
    assert_eq!(seen["messages"], messages, "{seen:#}");
    let folders = seen["folders"].as_array().unwrap();
    let sum: u64 = folders.iter().map(|row| row["messages"].as_u64().unwrap()).sum();
    assert_eq!(sum, messages as u64);
    let named = |row: &&Value| row["source"].as_str().unwrap().starts_with("Work/");
    let work = folders.iter().find(named).expect("a folder below Work");
    assert!(work["destination"].as_str().unwrap().starts_with("Archive/Work/"), "{work}");
    let sizes: Vec<u64> = seen["largest"]
        .as_array()
        .unwrap()
        .iter()
        .map(|large| large["size_bytes"].as_u64().unwrap())
        .collect();
    assert!(sizes.len() == 20.min(messages) && sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
    assert_eq!((&seen["all_sizes"], &seen["will_not_fit"]), (&json!(true), &json!([])));
    assert!(seen["forecast"]["seconds"].as_u64().unwrap() < 120, "{}", seen["forecast"]);
    assert_eq!(seen["cannot_carry"].as_array().unwrap().len(), 6);
    for side in ["source", "destination"] {
        assert!(!seen[side]["capabilities"].as_array().unwrap().is_empty());
    }
    let checked = app.post("/accounts/check", &account(source, &login)).json();
    assert_eq!(checked["folders"].as_array().unwrap().len(), folders.len(), "{checked:#}");
    body["destination"]["password"] = json!("wrong");
    let refused = app.post("/migrations/preflight", &body);
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json()["errors"][0]["pointer"], "/destination/password");
    let text = answer.text() + &refused.text() + &app.log();
    assert!(!text.contains(PASSWORD), "a password is told");
    assert_eq!((by_place(&mut client), by_place(&mut other)), before, "something was changed");
}

#[test]
fn dovecot_to_cyrus() {
    looks(&Dovecot::start(Layout::Maildir), &Cyrus::start());
}

#[test]
fn cyrus_to_dovecot() {
    looks(&Cyrus::start(), &Dovecot::start(Layout::Mdbox));
}
