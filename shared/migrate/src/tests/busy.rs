//! Servers that are busy for a moment. Whatever command is refused, it is no sign that what it asked
//! about is not there: everything ends as if nothing had been refused.

use fake_imap::{Act, At, Features, Odd};
use model::{Status, Verdict};

use super::bed::{Bed, Server};
use super::whole::{fill, sample};

/// Codes with which servers say that they are busy (RFC 5530 section 3, RFC 9051 section 7.1).
const BUSY: [&str; 2] = ["NO [UNAVAILABLE] busy", "NO [INUSE] locked"];

fn bed() -> Bed {
    let bed = Bed::new(Features::modern(), Features::modern());
    fill(&bed);
    bed
}

#[track_caller]
fn complete(bed: &Bed, told: &str) {
    let migration = bed.finish();
    let failures = crate::owner::report::failures(&bed.memory, &bed.id, 0, 100);
    let failures = futures::executor::block_on(failures).unwrap();
    assert_eq!(migration.status, Status::Completed, "{told}: {failures:#?}");
    assert!(failures.is_empty(), "{told}: {failures:#?}");
    let verdict = migration.sync_points.last().and_then(|point| point.verdict);
    assert_eq!(verdict, Some(Verdict::Complete), "{told}");
    // In whatever order: what is sent behind a message that is refused may be taken.
    let lines = |server: &Server| {
        let mut digest = server.mailboxes.digest();
        digest.0.values_mut().for_each(|lines| lines.sort());
        digest
    };
    assert_eq!(lines(&bed.source), lines(&bed.destination), "{told}");
}

/// Does `work` with the n-th command of one side refused, for each of them.
fn each_refused(made: impl Fn() -> Bed, work: impl Fn(&Bed, &str)) {
    for side in ["source", "destination"] {
        for n in 1.. {
            let bed = made();
            let server: &Server = if side == "source" { &bed.source } else { &bed.destination };
            server.mailboxes.take_commands();
            let busy = BUSY[n as usize % BUSY.len()];
            let faults = server.faults.clone();
            let _ = faults.on(At::any(n), Act::Refuse(busy.into()));
            work(&bed, &format!("{side}, command {n}"));
            if server.mailboxes.take_commands().len() < n as usize {
                break;
            }
        }
    }
}

#[test]
fn a_migration() {
    each_refused(bed, complete);
}

/// Messages that were moved, marked and deleted at the source.
#[test]
fn a_synchronisation() {
    let made = || {
        let bed = bed();
        bed.finish();
        let source = &bed.source.mailboxes;
        let uids: Vec<u32> = source.messages("INBOX").iter().map(|message| message.uid).collect();
        source.move_messages("INBOX", &uids[0..3], "a/b");
        source.set_flags("INBOX", uids[4], &["\\Flagged", "\\Seen"]);
        source.add("a", sample("new@x", 40));
        bed.synchronise();
        bed
    };
    each_refused(made, complete);
}

#[test]
fn a_removal() {
    let made = || {
        let bed = bed();
        bed.finish();
        bed.remove(1);
        bed
    };
    each_refused(made, |bed, told| {
        let migration = bed.finish();
        assert_eq!(migration.status, Status::Completed, "{told}: {:?}", migration.last_error);
        let inbox = bed.destination.mailboxes.messages("INBOX");
        assert!(inbox.is_empty(), "{told}: {} messages stay", inbox.len());
        let failures = crate::owner::report::failures(&bed.memory, &bed.id, 0, 100);
        let failures = futures::executor::block_on(failures).unwrap();
        assert!(failures.is_empty(), "{told}: {failures:#?}");
    });
}

/// A destination that never tells about messages, whatever it is asked, is no reason to go on for ever,
/// nor to say that they are missing.
#[test]
fn a_destination_that_tells_nothing() {
    let bed = bed();
    let act = Act::Refuse("NO [SERVERBUG] Internal error".into());
    let _ = bed.destination.faults.clone().on(At::every("UID FETCH"), act);
    let migration = bed.finish();
    assert_eq!(migration.status, Status::CompletedWithErrors);
    let failures = crate::owner::report::failures(&bed.memory, &bed.id, 0, 100);
    let failures = futures::executor::block_on(failures).unwrap();
    let says = |text: &str| failures.iter().filter(|(_, it)| it.reason.contains(text)).count();
    assert_eq!(says("refuses to tell"), 13, "{failures:#?}");
}

/// What is listed is not gone, although a search does not find it and its body never comes; a slice that
/// has no time for more than one batch comes to an end with it.
#[test]
fn listed_and_neither_found_nor_delivered() {
    for slice_ms in [0, 10_000] {
        let bed = bed();
        bed.slice_ms.set(slice_ms);
        let faults = bed.source.faults.clone();
        let has = |bytes: &[u8]| bytes.windows(4).any(|some| some == b"<i4@");
        let _ = faults.odd(Odd::NoBody, has, u32::MAX).odd(Odd::Unsearched, has, u32::MAX);
        let migration = bed.finish();
        assert_eq!(migration.status, Status::CompletedWithErrors, "{slice_ms}");
        assert_eq!(super::odd::broken(&bed, &migration), Vec::<String>::new(), "{slice_ms}");
    }
}
