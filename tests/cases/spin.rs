//! The application where the host refuses what Spin refuses.

use e2e::app::{App, Setup, imap_account, mail_migration};
use e2e::content::{assert_same, by_place, fill};
use e2e::doh::Doh;
use e2e::mailbox::Client;
use e2e::servers::{Dovecot, Layout, PASSWORD, Server};

/// A host name, looked up over HTTPS because sockets may not look names up.
#[test]
fn dovecot_to_dovecot_as_spin() {
    let doh = Doh::start();
    let (source, destination) = (Dovecot::start(Layout::Maildir), Dovecot::start(Layout::Mdbox));
    let (login, target) = (source.login("alice"), destination.login("bob"));
    let mut client = Client::on(&source, &login);
    fill(&mut client, 20);
    let app = App::start(Setup::default().flag("--as-spin").variable("doh_url", &doh.url()));
    let at = |server: &dyn Server, login: &str| {
        let url = format!("imaps://mail.trasloco.test:{}", server.imaps_port());
        imap_account(&url, login, PASSWORD)
    };
    let migration = app.create(&mail_migration(at(&source, &login), at(&destination, &target)));
    let state = app.wait(&migration, 120);
    assert_eq!(state["status"], "completed", "{state:#}");
    assert!(doh.asked() > 0, "names were looked up over HTTPS");
    let found = by_place(&mut Client::on(&destination, &target));
    assert_same(&by_place(&mut client), &found, "as Spin");
    let journal = crate::api::walk(&app.state());
    let wal = journal.iter().any(|path| path.to_string_lossy().ends_with("-wal"));
    assert!(!wal, "no write-ahead log: {journal:?}");
}

#[test]
fn unknown_names_are_refused_as_spin() {
    let doh = Doh::start();
    let app = App::start(Setup::default().flag("--as-spin").variable("doh_url", &doh.url()));
    let account = |login| imap_account("imaps://nowhere.invalid", login, "secret");
    let answer = app.post("/migrations", &mail_migration(account("anna"), account("berta")));
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains("unreachable"), "{}", answer.text());
}
