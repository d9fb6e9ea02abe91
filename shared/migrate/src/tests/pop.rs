//! A POP3 maildrop as a source: what arrives, a second run, and what a power cut leaves.

use fake_imap::{Act, At, Features, Message};
use model::{FailureCode, Item, Migration, Options, Status};

use super::bed::{Bed, Server};
use super::fake_pop::{PopOdd, PopServer};

pub(super) fn bed_with(pop: &PopServer, destination: Features, options: Options) -> Bed {
    let mut source = Server::new(Features::bare());
    source.pop = Some(pop.clone());
    Bed::with(source, Server::new(destination), options)
}

fn bed(pop: &PopServer) -> Bed {
    bed_with(pop, Features::modern(), Options::default())
}

fn mail(message_id: &str, day: u32, body: &str) -> String {
    let id = if message_id.is_empty() {
        String::new()
    } else {
        format!("Message-ID: <{message_id}>\r\n")
    };
    format!(
        "Received: from a by b;\r\n {day} Jan 2020 10:00:00 +0100\r\n\
         Date: 1 Jan 2001 00:00:00 +0000\r\nSubject: s\r\n{id}\r\n{body}\r\n"
    )
}

/// Dots, doubles, no Message-ID, large, lone LF, nothing at all, no date.
pub(super) fn fill(pop: &PopServer) {
    for n in 1..=5 {
        pop.add(&format!("u{n}"), mail(&format!("i{n}@x"), n, &"body ".repeat(10 * n as usize)));
    }
    pop.add("dots", mail("dots@x", 6, ".\r\n..\r\n.end\r\nx\r\n."));
    pop.add("double1", mail("double@x", 7, "one"));
    pop.add("double2", mail("double@x", 7, "one"));
    pop.add("same", mail("", 8, "no id"));
    pop.add("same", mail("", 8, "no id"));
    pop.add("large", mail("large@x", 9, &"0123456789\r\n".repeat(200)));
    pop.add("lf", mail("lf@x", 10, "a\n.\nb"));
    pop.add("empty", "");
    pop.add("bare", "Subject: no date\r\n\r\nx\r\n");
}

const FILLED: u64 = 14;

/// What must be at the destination, in any order.
pub(super) fn sorted(mut all: Vec<Vec<u8>>) -> Vec<String> {
    all.sort();
    let shown = |bytes: Vec<u8>| {
        let bytes = if bytes.is_empty() { b"\r\n".to_vec() } else { bytes };
        bytes.escape_ascii().to_string()
    };
    let mut all: Vec<String> = all.into_iter().map(shown).collect();
    all.sort();
    all
}

pub(super) fn there(bed: &Bed, mailbox: &str) -> Vec<Vec<u8>> {
    let all = bed.destination.mailboxes.messages(mailbox);
    all.into_iter().map(|message| message.bytes.to_vec()).collect()
}

#[track_caller]
fn assert_arrived(bed: &Bed, pop: &PopServer, migration: &Migration, told: &str) {
    let (status, error) = (migration.status, &migration.last_error);
    assert_eq!(status, Status::Completed, "{told}: {error:?} {:?}", failures(bed));
    assert_eq!(sorted(there(bed, "INBOX")), sorted(pop.expected()), "{told}");
    assert_eq!(bed.destination.mailboxes.complaints(), Vec::<String>::new(), "{told}");
    assert_untouched(pop);
}

#[track_caller]
fn assert_untouched(pop: &PopServer) {
    let known = ["CAPA", "USER", "PASS", "UIDL", "LIST", "STAT", "TOP", "RETR", "NOOP", "QUIT"];
    for said in &pop.0.borrow().said {
        assert!(known.iter().any(|verb| said.split(' ').next() == Some(verb)), "{said}");
    }
}

fn failures(bed: &Bed) -> Vec<(FailureCode, String)> {
    let work = crate::owner::report::failures(&bed.memory, &bed.id, 0, 100);
    let listed = futures::executor::block_on(work).unwrap();
    listed.into_iter().map(|(_, failure)| (failure.code, failure.reason)).collect()
}

#[test]
fn everything_arrives_as_it_is_unread_and_dated() {
    let pop = PopServer::new();
    fill(&pop);
    let bed = bed(&pop);
    let migration = bed.finish();
    assert_arrived(&bed, &pop, &migration, "whole");
    let mail = migration.progress[&Item::Mail];
    assert_eq!((mail.total, mail.migrated, mail.skipped, mail.failed), (FILLED, FILLED, 0, 0));
    let all = bed.destination.mailboxes.messages("INBOX");
    assert!(all.iter().all(|message| message.flags.is_empty()));
    let dates: Vec<&str> = all.iter().map(|message| message.internal_date.as_str()).collect();
    assert_eq!(dates[0], " 1-Jan-2020 10:00:00 +0100");
    assert!(dates.iter().any(|date| date.contains("1970")), "{dates:?}");
    let report =
        futures::executor::block_on(crate::owner::report::folders(&bed.memory, &bed.id, 0));
    let report = report.unwrap().unwrap();
    assert_eq!((report.len(), report[0].remarks.len()), (1, 0), "{report:?}");
    assert_eq!(pop.0.borrow().said.last().map(String::as_str), Some("QUIT"));
}

#[test]
fn servers_that_can_little_and_sizes_that_lie() {
    type Change = fn(&mut super::fake_pop::Maildrop);
    let changes: [Change; 7] = [
        |drop| drop.capabilities = vec!["UIDL", "USER"],
        |drop| drop.capabilities.clear(),
        |drop| drop.listed_size = |_| 0,
        |drop| drop.listed_size = |size| size * 97 / 100,
        |drop| drop.listed_size = |size| size + 30,
        |drop| drop.listed_size = |_| usize::MAX,
        |drop| drop.exclusive = true,
    ];
    for (n, change) in changes.iter().enumerate() {
        for destination in [Features::modern(), Features::bare()] {
            let pop = PopServer::new();
            fill(&pop);
            change(&mut pop.0.borrow_mut());
            let bed = bed_with(&pop, destination, Options::default());
            bed.slice_ms.set(if n % 2 == 0 { 0 } else { 10_000 });
            let migration = bed.finish();
            assert_arrived(&bed, &pop, &migration, &format!("server {n}"));
        }
    }
}

#[test]
fn a_second_run_brings_only_what_is_new() {
    let pop = PopServer::new();
    fill(&pop);
    let bed = bed(&pop);
    bed.finish();
    bed.synchronise();
    let again = bed.finish();
    let mail = again.progress[&Item::Mail];
    assert_eq!((mail.migrated, mail.skipped, mail.total), (0, FILLED, FILLED));
    // The server puts new mail wherever it likes, and the owner fetches old mail away.
    let before = pop.expected();
    pop.0.borrow_mut().mails.remove(2);
    pop.0.borrow_mut().mails.reverse();
    let fresh = super::fake_pop::Mail {
        unique_id: "new".into(),
        bytes: super::pop::mail("new@x", 20, "new").into(),
    };
    pop.0.borrow_mut().mails.insert(1, fresh.clone());
    bed.synchronise();
    let third = bed.finish();
    assert_eq!(third.progress[&Item::Mail].migrated, 1);
    assert_eq!(third.status, Status::Completed);
    let expected = [before, vec![fresh.bytes]].concat();
    assert_eq!(
        sorted(there(&bed, "INBOX")),
        sorted(expected.clone()),
        "nothing goes, nothing twice"
    );
    bed.synchronise();
    assert_eq!(bed.finish().progress[&Item::Mail].migrated, 0);
    assert_eq!(there(&bed, "INBOX").len(), expected.len());
}

#[test]
fn what_the_server_names_anew_is_recognised() {
    for listed_size in [|size| size, |size: usize| size + 7] {
        let pop = PopServer::new();
        for n in 1..=6 {
            pop.add(&format!("u{n}"), mail(&format!("i{n}@x"), n, "body"));
        }
        pop.0.borrow_mut().listed_size = listed_size;
        let bed = bed(&pop);
        bed.finish();
        for (mail, n) in pop.0.borrow_mut().mails.iter_mut().zip(1..) {
            mail.unique_id = format!("other{n}");
        }
        pop.add("new", mail("new@x", 9, "new"));
        bed.synchronise();
        let migration = bed.finish();
        assert_eq!(migration.progress[&Item::Mail].migrated, 1);
        assert_arrived(&bed, &pop, &migration, "renamed");
    }
}

#[test]
fn what_is_there_already_is_adopted() {
    for listed_size in [|size| size, |size: usize| size / 2] {
        let pop = PopServer::new();
        fill(&pop);
        pop.0.borrow_mut().listed_size = listed_size;
        let bed = bed(&pop);
        let expected = pop.expected();
        for at in [0, 3, 6, 8] {
            let message = Message {
                bytes: expected[at].clone().into(),
                flags: vec!["\\Seen".into()],
                internal_date: " 1-Jan-2019 00:00:00 +0000".into(),
            };
            bed.destination.mailboxes.add("INBOX", message);
        }
        let migration = bed.finish();
        let mail = migration.progress[&Item::Mail];
        assert_eq!((mail.skipped, mail.migrated), (4, FILLED - 4));
        assert_arrived(&bed, &pop, &migration, "adopted");
    }
}

#[test]
fn the_folder_is_chosen_and_dates_select() {
    let pop = PopServer::new();
    fill(&pop);
    let options = Options {
        folder_map: [("INBOX".to_owned(), "Old/Mail".to_owned())].into(),
        since: Some("2020-01-03".into()),
        until: Some("2020-01-07".into()),
        ..Options::default()
    };
    let bed = bed_with(&pop, Features::modern(), options);
    let migration = bed.finish();
    assert_eq!(migration.status, Status::Completed);
    assert_eq!(there(&bed, "Old/Mail"), pop.expected()[2..6]);
    assert_eq!(there(&bed, "INBOX").len(), 0);
    assert_eq!(migration.progress[&Item::Mail].left_out, FILLED - 4);
}

#[test]
fn waiting_is_not_failing() {
    for (refusal, at_least_s) in
        [("[IN-USE] held", 2), ("[LOGIN-DELAY] slow", 60), ("[SYS/TEMP] ill", 5)]
    {
        let pop = PopServer::new();
        fill(&pop);
        pop.0.borrow_mut().refusals = (3, refusal);
        let bed = bed(&pop);
        bed.tick(None);
        let waiting = bed.migration();
        assert_eq!(waiting.status, Status::Waiting, "{refusal}");
        let told = waiting.waiting.unwrap();
        assert!(told.reason.contains(refusal), "{}", told.reason);
        assert_eq!(told.until.0 - bed.now_ms(), at_least_s * 1000);
        let migration = bed.finish();
        assert_arrived(&bed, &pop, &migration, refusal);
    }
}

#[test]
fn a_wrong_password_fails_with_the_servers_words_after_one_attempt() {
    let pop = PopServer::new();
    pop.0.borrow_mut().refusals = (u32::MAX, "[AUTH] who are you?");
    let bed = bed(&pop);
    let migration = bed.finish();
    assert_eq!(migration.status, Status::Failed);
    assert!(migration.last_error.unwrap().contains("who are you?"));
    let said = &pop.0.borrow().said;
    assert_eq!(said.iter().filter(|said| *said == "PASS").count(), 1);
}

#[test]
fn a_server_that_does_not_name_its_messages_is_refused() {
    let pop = PopServer::new();
    fill(&pop);
    pop.0.borrow_mut().nameless = true;
    let bed = bed(&pop);
    let migration = bed.finish();
    assert_eq!(migration.status, Status::Failed);
    let told = migration.last_error.unwrap();
    assert!(told.contains("UIDL") && told.contains("use IMAP"), "{told}");
    assert_eq!(there(&bed, "INBOX").len(), 0);
}

#[test]
fn what_the_server_does_not_deliver_is_told_and_tried_again() {
    let pop = PopServer::new();
    fill(&pop);
    pop.0.borrow_mut().unreadable = Some("u3".into());
    let bed = bed(&pop);
    let first = bed.finish();
    assert_eq!(first.status, Status::CompletedWithErrors);
    let (codes, mail) = (failures(&bed), first.progress[&Item::Mail]);
    assert_eq!(codes[0].0, FailureCode::Unreadable);
    assert_eq!((mail.migrated, mail.failed), (FILLED - 1, 1));
    pop.0.borrow_mut().unreadable = None;
    bed.retry();
    let second = bed.finish();
    assert_arrived(&bed, &pop, &second, "tried again");
}

/// A message that is in no list leaves a gap in the numbers; the last one is only in the count.
#[test]
fn a_message_that_no_list_has_is_missed() {
    for missed in ["u3", "bare"] {
        let pop = PopServer::new();
        fill(&pop);
        pop.odd(PopOdd::Unlisted, missed, u32::MAX);
        pop.odd(PopOdd::Unnamed, missed, u32::MAX);
        let bed = bed(&pop);
        let migration = bed.finish();
        assert_eq!(migration.status, Status::CompletedWithErrors, "{missed}");
        let told = failures(&bed);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].0, FailureCode::Differs);
        assert!(told[0].1.contains("counts 1 messages more"), "{told:?}");
    }
}

#[test]
fn what_was_brought_is_taken_back() {
    let pop = PopServer::new();
    fill(&pop);
    let bed = bed(&pop);
    bed.finish();
    pop.add("new", mail("new@x", 20, "new"));
    bed.synchronise();
    bed.finish();
    bed.remove(2);
    bed.finish();
    assert_eq!(there(&bed, "INBOX").len() as u64, FILLED);
    bed.remove(1);
    bed.finish();
    assert_eq!(there(&bed, "INBOX").len(), 0);
    bed.synchronise();
    let migration = bed.finish();
    assert_arrived(&bed, &pop, &migration, "once more");
}

#[test]
fn erasing_leaves_no_trace() {
    let pop = PopServer::new();
    fill(&pop);
    let bed = bed(&pop);
    bed.finish();
    let unique_ids = |bed: &Bed| bed.traces().iter().filter(|key| key.contains("unique")).count();
    assert!(unique_ids(&bed) > 1);
    bed.erase(None).unwrap();
    bed.settle();
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn hang_ups_at_every_command_of_both_sides() {
    for n in 1..60 {
        let pop = PopServer::new();
        fill(&pop);
        pop.0.borrow_mut().close_after = Some(n);
        let bed = bed(&pop);
        let migration = bed.finish();
        assert_arrived(&bed, &pop, &migration, &format!("source closes at {n}"));
    }
    for act in [Act::Close, Act::CloseAfterEffect] {
        for n in 1..20 {
            let pop = PopServer::new();
            fill(&pop);
            let bed = bed(&pop);
            let _ = bed.destination.faults.clone().on(At::any(n), act.clone());
            let migration = bed.finish();
            assert_arrived(&bed, &pop, &migration, &format!("destination {act:?} at {n}"));
        }
    }
}

#[track_caller]
fn cut(destination: &Features, change: fn(&PopServer)) {
    let begin = || {
        let pop = PopServer::new();
        fill(&pop);
        change(&pop);
        let bed = bed_with(&pop, destination.clone(), Options::default());
        (pop, bed)
    };
    let (_, whole) = begin();
    whole.finish();
    let operations = whole.used();
    assert!(operations > 50, "{operations}");
    for first in 0..operations {
        for second in [None, Some(first % 61)] {
            let (pop, bed) = begin();
            if bed.tick(Some(first)).is_none()
                && let Some(second) = second
            {
                bed.tick(Some(second));
            }
            let migration = bed.finish();
            let told = format!("cut after {first}, then {second:?}");
            assert_arrived(&bed, &pop, &migration, &told);
            let mail = migration.progress[&Item::Mail];
            assert_eq!((mail.total, mail.migrated + mail.skipped), (FILLED, FILLED), "{told}");
            pop.add("new", mail_after_the_cut());
            bed.synchronise();
            let migration = bed.finish();
            assert_eq!(migration.progress[&Item::Mail].migrated, 1, "{told}");
            assert_arrived(&bed, &pop, &migration, &told);
        }
    }
}

fn mail_after_the_cut() -> String {
    mail("new@x", 20, "new")
}

#[test]
fn power_cuts_with_multiappend() {
    cut(&Features::modern(), |_| {});
}

#[test]
fn power_cuts_where_sizes_lie_and_the_maildrop_is_held() {
    cut(&Features { multiappend: false, ..Features::modern() }, |pop| {
        let mut drop = pop.0.borrow_mut();
        (drop.listed_size, drop.exclusive) = (|size| size + 3, true);
    });
}

#[test]
fn power_cuts_where_both_can_little() {
    cut(&Features::bare(), |pop| pop.0.borrow_mut().capabilities.clear());
}
