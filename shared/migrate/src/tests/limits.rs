//! What has no end at a server has one here: names, replies, subjects, flags, and how many there are.

use fake_imap::{Features, Message};
use model::{FailureCode, Status};
use store::{keys, records};

use super::bed::Bed;
use ledger::folder::{FOLDERS_PER_PAGE, Folder};
use ledger::{Cursor, Uids};

fn failures(bed: &Bed) -> Vec<model::Failure> {
    let work = crate::owner::report::failures(&bed.memory, &bed.id, 0, 1_000);
    let listed = futures::executor::block_on(work).unwrap();
    listed.into_iter().map(|(_, failure)| failure).collect()
}

#[track_caller]
fn everything_fits(bed: &Bed) {
    for (key, value) in bed.memory.all() {
        store::check_size(&key, &value).unwrap();
    }
}

/// Every message refused, with subjects and replies as long as they can be: pages of failures fit.
#[test]
fn long_subjects_and_replies_fit_into_pages_of_failures() {
    let bed = Bed::new(Features::modern(), Features::modern());
    let name = "\"".repeat(480);
    bed.source.mailboxes.create(&name);
    for n in 0..250 {
        let subject = "\"".repeat(4_000);
        let bytes = format!("Subject: {subject}\r\nMessage-ID: <{n}@x>\r\n\r\nx\r\n");
        bed.source.mailboxes.add(
            &name,
            Message {
                bytes: bytes.into_bytes().into(),
                flags: vec![],
                internal_date: "01-Jan-2020 00:00:00 +0000".into(),
            },
        );
    }
    let reply = format!("NO {}", "\"\\\u{1}".repeat(3_000));
    let _ = bed.destination.faults.clone().refuse_append(|_| true, &reply, u32::MAX);
    let migration = bed.finish();
    assert_eq!(migration.status, Status::CompletedWithErrors, "{:?}", migration.last_error);
    let failures = failures(&bed);
    assert_eq!(failures.len(), 250);
    assert!(failures.iter().all(|failure| failure.code == FailureCode::Refused));
    everything_fits(&bed);
}

/// A reply of more than a mebibyte ends the run with a sentence, and its credentials.
#[test]
fn a_giant_reply_ends_the_run_with_its_beginning() {
    let bed = Bed::new(Features::modern(), Features::modern());
    let giant = format!("NO [AUTHENTICATIONFAILED] {}", "no ".repeat(450_000));
    let act = fake_imap::Act::Refuse(giant);
    let _ = bed.source.faults.clone().on(fake_imap::At::every("AUTHENTICATE"), act);
    let migration = bed.finish();
    assert_eq!(migration.status, Status::Failed);
    let said = migration.last_error.unwrap();
    assert!(said.contains("no no no") && said.chars().count() < 1_000, "{said}");
    assert!(bed.memory.all().iter().all(|(key, _)| !key.ends_with("/credentials")));
}

/// A folder whose name is too long is refused by name; the rest goes on.
#[test]
fn an_overlong_name_costs_its_folder() {
    let bed = Bed::new(Features::modern(), Features::modern());
    super::whole::fill(&bed);
    let long = "n".repeat(60_000);
    bed.source.mailboxes.create(&long);
    bed.source.mailboxes.add(&long, Message::sample("lost@x", 10));
    let migration = bed.finish();
    assert_eq!(migration.status, Status::CompletedWithErrors, "{:?}", migration.last_error);
    assert_eq!(migration.sync_points[0].migrated, 13);
    let failures = failures(&bed);
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].code, FailureCode::FolderRefused);
    assert_eq!(failures[0].folder, "n".repeat(1_000));
    everything_fits(&bed);
}

/// Rows as large as they can be go into several records, and come back.
#[test]
fn a_page_of_giant_folders_comes_back() {
    let bed = Bed::new(Features::bare(), Features::bare());
    super::whole::fill(&bed);
    bed.finish();
    futures::executor::block_on(async {
        let key = keys::cursor(&bed.id);
        let mut cursor: Cursor = records::read(&bed.memory, &key).await.unwrap().unwrap();
        let mut rows = ledger::table::all(&bed.memory, &bed.id, cursor.folders).await.unwrap();
        let row = giant(rows.remove(0));
        for count in [1, FOLDERS_PER_PAGE, FOLDERS_PER_PAGE + 3] {
            cursor.folders = u32::try_from(count).unwrap();
            let rows = vec![&row; count];
            for (page, rows) in (0u32..).zip(rows.chunks(FOLDERS_PER_PAGE)) {
                for (key, value) in ledger::table::encode(&bed.id, page, rows).unwrap() {
                    store::Store::set(&bed.memory, &key, value).await.unwrap();
                }
            }
            records::write(&bed.memory, &key, &cursor).await.unwrap();
            let back = ledger::table::all(&bed.memory, &bed.id, cursor.folders).await.unwrap();
            assert!(back.iter().eq(rows), "{count}");
            let told =
                crate::owner::report::folders(&bed.memory, &bed.id, 0).await.unwrap().unwrap();
            assert_eq!(told.len(), count.min(FOLDERS_PER_PAGE));
        }
    });
    everything_fits(&bed);
    bed.erase(None);
    bed.settle();
    assert_eq!(bed.traces(), Vec::<String>::new());
}

/// With the longest names, remarks, and lists of messages.
fn giant(mut row: Folder) -> Folder {
    let name = mailbox::MailboxName::from_wire(&[1; 1_000], mailbox::Spelling::Utf8);
    row.source = ledger::FolderName::new(&name, mailbox::Spelling::Utf8);
    row.destination = row.source.clone();
    (row.source_path, row.destination_path) = ("\u{1}".repeat(1_000), "\u{1}".repeat(1_000));
    for n in 0..12_000 {
        row.refuse(4_000_000_000 + 2 * n);
    }
    assert!(row.remarks.last().unwrap().contains("a further try takes only"));
    for n in 0..30 {
        row.remark(format!("{n}{}", "\"".repeat(100_000)));
    }
    assert!(row.refused_uids.0.len() > 10_000);
    row.retry_uids = row.refused_uids.clone();
    row.moved_uids = Uids((0..10_000).map(|n| 4_000_000_000 + 2 * n).collect());
    row
}
