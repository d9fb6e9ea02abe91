//! The look before a migration: what it tells, and that it changes nothing.

use dial::{Ciphers, Dialer, Networks, Trust};
use fake_imap::{Features, Message};
use model::Options;

use super::bed::{Bed, credentials};
use super::whole::fill;
use crate::before::preflight::{self, Preflight, Reason, Refused};
use crate::login::Refusal;

fn bed(destination: Features) -> Bed {
    let bed = Bed::new(Features::modern(), destination);
    fill(&bed);
    bed
}

fn look(bed: &Bed, options: Options) -> Preflight {
    looked(bed, options).unwrap()
}

fn looked(bed: &Bed, options: Options) -> Result<Preflight, Refused> {
    let (host, migration) = (bed.host(), bed.migration());
    let work = async move {
        let dialer = Dialer {
            host: &host,
            networks: Networks::parse("127.0.0.0/8").unwrap(),
            trust: Trust::new("").unwrap(),
            doh_url: String::new(),
            allow_plaintext: true,
            idle_timeout_s: 60,
            ciphers: Ciphers::All,
        };
        let accounts = (&migration.source, &migration.destination);
        preflight::look(&host, &dialer, accounts, &credentials(), &options).await
    };
    bed.run(work).unwrap()
}

#[test]
fn folders_sizes_and_time() {
    let bed = bed(Features::modern());
    bed.source.mailboxes.add("INBOX", Message::sample("large@x", 100_000));
    let before = (bed.source.mailboxes.digest(), bed.destination.mailboxes.digest());
    let seen = look(&bed, Options::default());
    let rows: Vec<_> = seen
        .folders
        .iter()
        .map(|row| (row.source.as_str(), row.destination.as_str(), row.messages, row.exists))
        .collect();
    assert_eq!(
        rows,
        [
            ("INBOX", "INBOX", 11, true),
            ("a", "a", 1, false),
            ("a/b", "a/b", 2, false),
            ("leer", "leer", 0, false)
        ]
    );
    assert_eq!((seen.messages, seen.all_sizes), (14, true));
    let sum: u64 = seen.folders.iter().map(|row| row.bytes.unwrap()).sum();
    assert_eq!(seen.bytes, Some(sum));
    assert_eq!(seen.largest.len(), 14);
    assert!(seen.largest.is_sorted_by(|a, b| a.size_bytes >= b.size_bytes));
    let first = &seen.largest[0];
    assert!(first.folder == "INBOX" && first.size_bytes >= 100_000, "{first:?}");
    assert_eq!(seen.largest[1].folder, "a");
    assert_eq!(seen.largest[1].date.unwrap().rfc3339(), "1996-07-11T00:00:00Z");
    assert_eq!(seen.will_not_fit, []);
    assert!(seen.forecast.measured, "{:?}", seen.forecast);
    // Looked at, and nothing else.
    assert_eq!((bed.source.mailboxes.digest(), bed.destination.mailboxes.digest()), before);
    for server in [&bed.source, &bed.destination] {
        let commands = server.mailboxes.take_commands();
        let changes = ["SELECT", "CREATE", "APPEND", "STORE", "COPY", "EXPUNGE", "SUBSCRIBE"];
        let word = |line: &String| line.split(' ').find(|it| changes.contains(it)).is_some();
        assert!(!commands.iter().any(word), "{commands:?}");
    }
}

#[test]
fn what_will_not_fit() {
    let bed = bed(Features { append_limit: Some(4000), quota_kib: Some(1), ..Features::modern() });
    let options = Options { max_item_bytes: Some(400), ..Options::default() };
    let found = look(&bed, options).will_not_fit;
    let reasons: Vec<_> = found.iter().map(|one| (one.reason, one.messages)).collect();
    assert_eq!(reasons[0], (Reason::Quota, None));
    assert_eq!(reasons[1], (Reason::AppendLimit, Some(1)));
    assert_eq!(reasons[2].0, Reason::MaxItemBytes);
    assert!(found[1].detail.contains("no message of more than 4000 bytes; 1 have more."));
}

#[test]
fn the_mapping_follows_the_options() {
    let bed = bed(Features::modern().under("INBOX.", "."));
    let mut options = Options { exclude_folders: vec!["leer".into()], ..Options::default() };
    options.folder_map.insert("a".into(), "Archive/A".into());
    let seen = look(&bed, options);
    let rows: Vec<_> =
        seen.folders.iter().map(|row| (row.source.as_str(), row.destination.as_str())).collect();
    assert_eq!(rows, [("INBOX", "INBOX"), ("a", "Archive/A"), ("a/b", "Archive/A/b")]);
    assert_eq!(seen.left_out, ["leer"]);
}

#[test]
fn both_refusals_are_told() {
    let bed = bed(Features::modern());
    for server in [&bed.source, &bed.destination] {
        let _ = server.mailboxes.clone().credentials("somebody", "else");
    }
    let Err(Refused { source, destination }) = looked(&bed, Options::default()) else {
        panic!("accepted")
    };
    assert!(matches!(source, Some(Refusal::AuthenticationFailed(_))), "{source:?}");
    assert!(matches!(destination, Some(Refusal::AuthenticationFailed(_))), "{destination:?}");
}
