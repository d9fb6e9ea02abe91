//! Servers that refuse, hang up, throttle and lie.

use fake_imap::{Act, At, Features, Message};
use model::{FailureCode, Item, Status};

use super::bed::Bed;
use super::whole::fill;

fn failures(bed: &Bed) -> Vec<FailureCode> {
    let work = crate::owner::report::failures(&bed.memory, &bed.id, 0, 100);
    let listed = futures::executor::block_on(work).unwrap();
    listed.into_iter().map(|(_, failure)| failure.code).collect()
}

#[test]
fn one_refused_message_costs_one_message() {
    let bed = Bed::new(Features::modern(), Features::modern());
    fill(&bed);
    let faults = bed.destination.faults.clone();
    let _ = faults.refuse_append(
        |bytes| bytes.windows(4).any(|w| w == b"i4@x"),
        "NO [TOOBIG] too large",
        u32::MAX,
    );
    let migration = bed.finish();
    assert_eq!(migration.status, Status::CompletedWithErrors);
    let mail = migration.progress[&Item::Mail];
    assert_eq!((mail.migrated, mail.failed), (12, 1));
    assert_eq!(failures(&bed), [FailureCode::TooLarge]);
}

#[test]
fn broken_messages_are_repaired_as_little_as_needed() {
    let bed = Bed::new(Features::modern(), Features::modern());
    let broken = |bytes: &'static [u8]| Message {
        bytes: bytes.into(),
        flags: vec![],
        internal_date: "01-Jan-2020 00:00:00 +0000".into(),
    };
    bed.source.mailboxes.add("INBOX", Message::sample("good@x", 10));
    bed.source.mailboxes.add("INBOX", broken(b"Message-ID: <nul@x>\r\n\r\na\0b\r\n"));
    bed.source.mailboxes.add("INBOX", broken(b"Message-ID: <lf@x>\n\nbare\n"));
    bed.source.mailboxes.add("INBOX", broken(b"Subject: \xfc\r\nMessage-ID: <8@x>\r\n\r\nx\r\n"));
    let _ = bed.destination.faults.clone().strict_appends();
    let migration = bed.finish();
    let mail = migration.progress[&Item::Mail];
    assert_eq!((mail.migrated, mail.failed), (4, 0), "{:?}", failures(&bed));
    assert_eq!(failures(&bed), [FailureCode::Repaired; 3]);
    let bytes: Vec<Vec<u8>> =
        bed.destination.mailboxes.messages("INBOX").iter().map(|m| m.bytes.to_vec()).collect();
    assert_eq!(bytes[1], b"Message-ID: <nul@x>\r\n\r\nab\r\n");
    assert_eq!(bytes[2], b"Message-ID: <lf@x>\r\n\r\nbare\r\n");
    assert_eq!(bytes[3], b"Subject: =?iso-8859-1?Q?=FC?=\r\nMessage-ID: <8@x>\r\n\r\nx\r\n");
}

#[test]
fn throttling_is_waiting() {
    for reply in ["NO [LIMIT] slow down", "NO [UNAVAILABLE] later", "NO [OVERQUOTA] full"] {
        let bed = Bed::new(Features::modern(), Features::modern());
        fill(&bed);
        let _ = bed.destination.faults.clone().refuse_append(|_| true, reply, 4);
        bed.tick(None);
        bed.tick(None);
        let waiting = bed.migration();
        assert_eq!(waiting.status, Status::Waiting, "{reply}");
        assert!(waiting.waiting.unwrap().reason.contains(reply.split("] ").nth(1).unwrap()));
        let migration = bed.finish();
        assert_eq!(migration.status, Status::Completed, "{reply}");
        bed.assert_same();
    }
}

#[test]
fn hang_ups_at_every_command_of_both_sides() {
    for act in [Act::Close, Act::CloseAfterEffect, Act::Stall, Act::Bye("busy".into())] {
        for n in 1..40 {
            for destination in [false, true] {
                let bed = Bed::new(Features::modern(), Features::modern());
                fill(&bed);
                let server = if destination { &bed.destination } else { &bed.source };
                let _ = server.faults.clone().on(At::any(n), act.clone());
                let migration = bed.finish();
                let told = format!(
                    "{act:?} at {n}, destination {destination}: {:?}",
                    migration.last_error
                );
                assert_eq!(migration.status, Status::Completed, "{told}");
                let (from, to) =
                    (bed.source.mailboxes.digest(), bed.destination.mailboxes.digest());
                assert_eq!(from, to, "{told}");
            }
        }
    }
}

#[test]
fn a_message_that_breaks_the_line_is_left_out() {
    let bed = Bed::new(Features::modern(), Features { multiappend: false, ..Features::modern() });
    fill(&bed);
    let _ = bed.destination.faults.clone().on(At::nth("APPEND", 2).times(8), Act::Close);
    let migration = bed.finish();
    assert!(matches!(migration.status, Status::Completed | Status::CompletedWithErrors));
    let mail = migration.progress[&Item::Mail];
    assert_eq!(mail.migrated + mail.failed, 13);
    assert!(mail.failed <= 2);
}

#[test]
fn a_wrong_password_in_mid_run_fails_with_the_servers_words() {
    let bed = Bed::new(Features::modern(), Features::modern());
    let _ = bed
        .source
        .faults
        .clone()
        .on(At::every("AUTHENTICATE"), Act::Refuse("NO [AUTHENTICATIONFAILED] nope".into()));
    let migration = bed.finish();
    assert_eq!(migration.status, Status::Failed);
    assert!(migration.last_error.unwrap().contains("nope"));
    assert!(bed.memory.all().iter().all(|(key, _)| !key.ends_with("/credentials")));
}

#[test]
fn a_folder_that_goes_away_at_the_destination_is_made_again() {
    let bed = Bed::new(Features::modern(), Features::modern());
    fill(&bed);
    let gone = Act::Refuse("NO [TRYCREATE] no such mailbox".into());
    let _ = bed.destination.faults.clone().on(At::nth("APPEND", 2), gone);
    let migration = bed.finish();
    assert_eq!(migration.status, Status::Completed, "{:?}", migration.last_error);
    assert_eq!(bed.source.mailboxes.digest(), bed.destination.mailboxes.digest());
}
