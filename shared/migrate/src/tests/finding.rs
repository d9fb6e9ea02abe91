//! Accounts without a server: it is found in the first slice, written down, and not looked for
//! again; also where the power is cut.

use autodetect::{Candidate, Detection};
use fake_imap::Features;
use model::{Options, ServerType, Status};
use store::records;

use super::bed::{Bed, Server};
use super::whole::fill;
use crate::finding;

/// A bed whose accounts name no servers; what is known of their domains is `until_ms`.
fn bed(until_ms: u64) -> Bed {
    let server = |login: &str| {
        let server = Server::new(Features::modern());
        let _ = server.mailboxes.clone().credentials(login, "secret");
        server
    };
    let sides = (server("user@a.example"), server("user@b.example"));
    let bed = Bed::with(sides.0, sides.1, Options::default());
    fill(&bed);
    let mut migration = bed.migration();
    for (account, domain) in
        [(&mut migration.source, "a.example"), (&mut migration.destination, "b.example")]
    {
        let mut found = Detection::default();
        found.add(Candidate::new(ServerType::Exchange, "https://x/EWS/Exchange.asmx", 0.9, "x"));
        found.add(Candidate::new(ServerType::Imap, account.url.clone(), 0.8, "x"));
        (account.server_type, account.url) = (ServerType::Ovh, String::new());
        account.login = format!("user@{domain}");
        let work = finding::remember(&bed.memory, domain, found, until_ms);
        futures::executor::block_on(work).unwrap();
    }
    write(&bed, &migration);
    bed
}

fn write(bed: &Bed, migration: &model::Migration) {
    let key = store::keys::migration(&bed.id);
    futures::executor::block_on(records::write(&bed.memory, &key, migration)).unwrap();
}

const HOUR_MS: u64 = 3_600_000;

#[test]
fn found_once_and_written_down() {
    let bed = bed(1_000_000 + HOUR_MS);
    let migration = bed.finish();
    assert_eq!(migration.status, Status::Completed, "{:?}", migration.last_error);
    assert_eq!(migration.source.server_type, ServerType::Imap);
    assert_eq!(migration.source.url, "imap://127.0.0.1:1?tls=none");
    assert_eq!(migration.destination.url, "imap://127.0.0.1:2?tls=none");
    assert_eq!(bed.source.mailboxes.digest(), bed.destination.mailboxes.digest());
}

#[test]
fn a_power_cut_at_any_operation_changes_nothing() {
    let whole = bed(1_000_000 + HOUR_MS);
    whole.finish();
    for allowed in 0..40 {
        let bed = bed(1_000_000 + HOUR_MS);
        bed.tick(Some(allowed));
        let migration = bed.finish();
        assert_eq!(migration.status, Status::Completed, "{allowed}: {:?}", migration.last_error);
        assert_eq!(bed.source.mailboxes.digest(), bed.destination.mailboxes.digest(), "{allowed}");
    }
}

#[test]
fn dns_that_is_down_is_waited_for() {
    // What is remembered is out of date, and nothing answers here.
    let bed = bed(1_000_000);
    bed.tick(None);
    let migration = bed.migration();
    assert_eq!(migration.status, Status::Waiting, "{:?}", migration.last_error);
    let reason = migration.waiting.unwrap().reason;
    assert!(reason.contains("The mail server of a.example could not be looked for"), "{reason}");
    assert_eq!(migration.source.url, "");
}

#[test]
fn nothing_to_be_found_is_the_end() {
    let ending = |domain: &str, login: &str, found: Detection| {
        let bed = bed(1_000_000 + HOUR_MS);
        let until_ms = 1_000_000 + HOUR_MS;
        let work = finding::remember(&bed.memory, domain, found, until_ms);
        futures::executor::block_on(work).unwrap();
        let mut migration = bed.migration();
        migration.source.login = login.into();
        write(&bed, &migration);
        bed.tick(None);
        let migration = bed.migration();
        assert_eq!(migration.status, Status::Failed);
        migration.last_error.unwrap()
    };
    let mut only_exchange = Detection::default();
    only_exchange.add(Candidate::new(ServerType::Exchange, "https://x/", 0.9, "x"));
    let nothing = ending("c.example", "user@c.example", Detection::default());
    assert_eq!(nothing, "The source: No mail server was found for c.example.");
    let other = ending("c.example", "user@c.example", only_exchange);
    assert_eq!(other, "The source: No mail server was found for c.example that can be used here.");
    let no_address = ending("c.example", "user", Detection::default());
    assert!(no_address.starts_with("The source has no server, and its login is not an address"));
}
