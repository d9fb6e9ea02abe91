//! The servers themselves: what the other tests take for granted.

use e2e::browser::{Browser, Scripts};
use e2e::content::{EMPTY, FOLDERS, assert_same, by_place, fill};
use e2e::doh::Doh;
use e2e::mailbox::{Client, date_s};
use e2e::servers::{Courier, Cyrus, Dovecot, Fake, Layout, Server, Silent, Talker};
use fake_imap::{Faults, Features, Mailboxes, Message};

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

#[test]
fn scripted_servers() {
    let account = Mailboxes::new(Features::modern().under("INBOX.", "."));
    account.add("INBOX.Entw&APw-rfe", Message::sample("1@x", 100_000).flagged(&["\\Seen"]));
    let fake = Fake::start(account, Faults::none());
    let mut client = Client::log_in(fake.tls_port(), "user", "secret");
    let snapshot = client.snapshot();
    assert_eq!(snapshot["Entwürfe"][0].message_id, "<1@x>");
    assert_eq!(snapshot["Entwürfe"][0].date_s, 1_577_869_200);
    client.append("INBOX", &["$Label"], " 1-Jan-2020 00:00:00 +0000", b"A: b\r\n\r\n").unwrap();
    assert_eq!(fake.account.messages("INBOX")[0].flags, ["$Label"]);
    assert_eq!((fake.account.complaints(), fake.connections()), (Vec::new(), 1));
    let talker = Talker::start(b"+OK\r\n", b"-ERR\r\n");
    assert_ne!(talker.port(), Silent::start().port());
}

#[test]
fn names_over_https() {
    let doh = Doh::start();
    // A question for the A record of mail.trasloco.test (RFC 8484 section 4.1).
    let mut question = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in ["mail", "trasloco", "test"] {
        question.push(label.len() as u8);
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let kind = [("content-type", "application/dns-message")];
    let answer = e2e::http::request("POST", &doh.url(), &kind, &question).unwrap();
    assert!(answer.body.ends_with(&[0, 4, 127, 0, 0, 1]), "{:?}", answer.body);
    assert_eq!(doh.asked(), 1);
}

#[test]
fn a_browser() {
    for (width, scripts) in [(1280, Scripts::On), (360, Scripts::Off)] {
        let browser = Browser::open(width, 800, scripts);
        browser.go("data:text/html,<body><p id=p>without<script>p.textContent='with'</script>");
        let expected = if scripts == Scripts::On { "with" } else { "without" };
        assert_eq!(browser.find("#p").text(), expected);
        browser.go("data:text/html,<meta name=viewport content='width=device-width'><p>x");
        assert_eq!(browser.run("return window.innerWidth"), width);
    }
}
