//! Whole migrations between servers of every kind.

use fake_imap::{Features, Message};
use model::{Item, Options, Status};

use super::bed::{Bed, Server};

/// A message dated as servers print it, so that digests can be compared as text.
pub(super) fn sample(message_id: &str, body_bytes: usize) -> Message {
    Message::sample(message_id, body_bytes).dated("11-Jan-2020 10:00:00 +0100")
}

/// Folders, flags, keywords, dates, doubles, no Message-ID, an empty folder.
pub(super) fn fill(bed: &Bed) {
    let source = &bed.source.mailboxes;
    let name = |path: &str| bed.source.name(path);
    for n in 0..8 {
        let flags: &[&str] = [&["\\Seen"][..], &[], &["\\Flagged", "$Forwarded"]][n % 3];
        source.add("INBOX", sample(&format!("i{n}@x"), n * 100).flagged(flags));
    }
    for _ in 0..2 {
        source.add("INBOX", sample("double@x", 10));
    }
    let nameless = Message {
        bytes: "Subject: none\r\n\r\nno id\r\n".into(),
        flags: vec![],
        internal_date: "29-Feb-2004 23:59:59 -0330".into(),
    };
    for _ in 0..2 {
        source.add(&name("a/b"), nameless.clone());
    }
    source.add(&name("a"), sample("a@x", 5000).dated("11-Jul-1996 00:00:00 +0000"));
    source.create(&name("leer"));
}

#[track_caller]
fn check(source: Features, destination: Features) {
    let bed = Bed::new(source, destination);
    fill(&bed);
    let migration = bed.finish();
    let told =
        futures::executor::block_on(crate::owner::report::failures(&bed.memory, &bed.id, 0, 9));
    assert_eq!(migration.status, Status::Completed, "{:?} {told:?}", migration.last_error);
    let names = bed.destination.mailboxes.mailboxes();
    assert_eq!(bed.source.mailboxes.digest(), bed.destination.mailboxes.digest(), "{names:?}");
    bed.assert_same();
    let mail = migration.progress[&Item::Mail];
    assert_eq!((mail.total, mail.migrated, mail.skipped, mail.failed), (13, 13, 0, 0));
    assert!(bed.memory.all().iter().all(|(key, _)| !key.ends_with("/credentials")));
}

#[test]
fn between_servers_of_every_kind() {
    let plus = Features { literal_plus: true, ..Features::bare() };
    let courier =
        Features { uidplus: true, namespace: true, ..Features::bare() }.under("INBOX.", ".");
    let modern = Features::modern;
    check(modern(), modern());
    check(Features::bare(), modern());
    check(modern(), Features::bare());
    check(modern(), plus);
    check(modern(), courier.clone());
    check(courier.clone(), modern());
    check(courier.clone(), courier);
    check(modern(), Features { literal_plus: false, literal_minus: true, ..modern() });
    check(modern(), Features { uidplus: false, ..modern() });
    check(modern().under("", "."), modern().under("INBOX.", "."));
}

#[test]
fn a_second_run_brings_only_what_is_new() {
    let bed = Bed::new(Features::modern(), Features::modern());
    fill(&bed);
    bed.finish();
    bed.synchronise();
    let again = bed.finish();
    assert_eq!(again.progress[&Item::Mail].migrated, 0);
    assert_eq!(again.progress[&Item::Mail].skipped, 13);
    bed.source.mailboxes.add("INBOX", sample("new@x", 50));
    bed.source.mailboxes.create("fresh");
    bed.synchronise();
    let third = bed.finish();
    assert_eq!((third.progress[&Item::Mail].migrated, third.sync_points.len()), (1, 3));
    bed.assert_same();
}

#[test]
fn what_is_there_already_is_adopted() {
    let bed = Bed::new(Features::modern(), Features::modern());
    fill(&bed);
    for n in [0, 3] {
        bed.destination.mailboxes.add("INBOX", sample(&format!("i{n}@x"), n * 100));
    }
    bed.destination.mailboxes.add("INBOX", sample("own@x", 3));
    let migration = bed.finish();
    let mail = migration.progress[&Item::Mail];
    assert_eq!((mail.migrated, mail.skipped, migration.status), (11, 2, Status::Completed));
    assert_eq!(bed.destination.mailboxes.messages("INBOX").len(), 11);
}

#[test]
fn options_leave_out() {
    let options = Options {
        exclude_folders: vec!["a/b".into()],
        since: Some("2000-01-01".into()),
        max_item_bytes: Some(600),
        ..Options::default()
    };
    let servers = || Server::new(Features::modern());
    let bed = Bed::with(servers(), servers(), options);
    fill(&bed);
    let migration = bed.finish();
    let mail = migration.progress[&Item::Mail];
    // What the owner's own options leave out is no failure.
    assert_eq!((mail.total, mail.migrated, mail.left_out, mail.failed), (11, 7, 4, 0));
    assert_eq!(migration.status, Status::Completed);
}

#[test]
fn slices_hand_on() {
    let bed = Bed::new(Features::modern(), Features::modern());
    fill(&bed);
    bed.slice_ms.set(0);
    bed.finish();
    bed.assert_same();
}

#[test]
fn a_stopped_run_is_taken_up_where_it_was() {
    for cut in (60..140).step_by(5) {
        let bed = Bed::new(Features::modern(), Features::modern());
        fill(&bed);
        bed.tick(Some(cut));
        bed.stop();
        let stopped = bed.finish();
        assert!(matches!(stopped.status, Status::Stopped | Status::Completed), "{cut}");
        let before = stopped.progress[&Item::Mail].migrated;
        bed.synchronise();
        let migration = bed.finish();
        bed.assert_same();
        let mail = migration.progress[&Item::Mail];
        assert_eq!(
            (mail.total, mail.migrated + mail.skipped, mail.skipped),
            (13, 13, before),
            "{cut}"
        );
    }
}
