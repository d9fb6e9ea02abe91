//! The servers themselves: what the other tests take for granted.

use e2e::content::{EMPTY, FOLDERS, assert_same, by_place, fill};
use e2e::mailbox::{Client, date_s};
use e2e::servers::{Courier, Cyrus, Dovecot, Layout, Server};

fn keeps_what_it_is_given(server: &dyn Server) {
    let login = server.login("alice");
    let mut client = Client::on(server, &login);
    fill(&mut client, 7);
    let first = by_place(&mut client);
    for folder in FOLDERS {
        let mails = &first[folder];
        assert_eq!(mails.len(), 7, "{folder}");
        assert!(mails.iter().any(|mail| mail.flags.contains("mykeyword")), "{folder}");
    }
    assert!(first[EMPTY].is_empty());
    assert_eq!(first["\\Sent"].len(), 7);
    let mut again = Client::on(server, &login);
    assert_same(&first, &by_place(&mut again), server.name());
    let mut other = Client::on(server, &server.login("bob"));
    assert!(other.snapshot().values().all(Vec::is_empty), "accounts are apart");
}

#[test]
fn dovecot_maildir() {
    let server = Dovecot::start(Layout::Maildir);
    keeps_what_it_is_given(&server);
    let client = Client::on(&server, &server.login("alice"));
    assert_eq!((client.prefix.as_str(), client.delimiter.as_str()), ("INBOX.", "."));
}

#[test]
fn dovecot_mdbox() {
    let server = Dovecot::start(Layout::Mdbox);
    keeps_what_it_is_given(&server);
    let mut client = Client::on(&server, &server.login("alice"));
    assert_eq!(client.special_uses()["Entwürfe"], "\\Drafts");
}

#[test]
fn cyrus() {
    keeps_what_it_is_given(&Cyrus::start());
}

#[test]
fn courier() {
    keeps_what_it_is_given(&Courier::start());
}

#[test]
fn reads_dates() {
    assert_eq!(date_s(" 1-Jan-1970 00:00:00 +0000"), 0);
    assert_eq!(date_s("29-Feb-2024 12:00:00 +0530"), 1_709_188_200);
    assert_eq!(date_s("31-Dec-1999 23:59:59 -0800"), 946_713_599);
}
