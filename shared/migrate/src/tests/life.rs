//! Pausing, trying again, and servers that number their messages anew.

use fake_imap::{Act, At, Features};
use model::{Item, Options, Status};
use store::keys;

use super::bed::{Bed, Server};
use super::whole::{fill, sample};

#[test]
fn a_paused_run_goes_on_where_it_was() {
    for cut in (60..140).step_by(10) {
        let bed = Bed::new(Features::modern(), Features::modern());
        fill(&bed);
        bed.tick(Some(cut));
        if bed.migration().status.is_final() {
            assert!(cut > 80, "{cut}");
            break;
        }
        bed.pause();
        bed.tick(None);
        let paused = bed.migration();
        assert_eq!(paused.status, Status::Paused, "{cut}");
        assert!(bed.memory.all().iter().any(|(key, _)| *key == keys::credentials(&bed.id)));
        let before = bed.destination.mailboxes.digest();
        bed.tick(None);
        assert_eq!(bed.destination.mailboxes.digest(), before, "nothing moves meanwhile");
        bed.resume();
        let migration = bed.finish();
        assert_eq!(
            (migration.status, migration.sync_points.len()),
            (Status::Completed, 1),
            "{cut}"
        );
        bed.assert_same();
    }
}

#[test]
fn a_run_that_is_paused_too_long_ends_and_its_passwords_with_it() {
    let bed = Bed::new(Features::modern(), Features::modern());
    fill(&bed);
    bed.pause();
    let migration = bed.finish();
    assert_eq!(migration.status, Status::Stopped);
    assert!(bed.memory.all().iter().all(|(key, _)| *key != keys::credentials(&bed.id)));
    bed.synchronise();
    bed.finish();
    bed.assert_same();
}

#[test]
fn only_what_was_refused_is_tried_again() {
    let limited = Features { append_limit: Some(400), ..Features::modern() };
    let bed = Bed::with(Server::new(Features::modern()), Server::new(limited), Options::default());
    fill(&bed);
    let first = bed.finish();
    let failed = first.progress[&Item::Mail].failed;
    assert!(failed >= 3 && first.status == Status::CompletedWithErrors, "{failed}");
    bed.source.mailboxes.add("INBOX", sample("new@x", 9));
    bed.destination.mailboxes.set_features(|features| features.append_limit = None);
    bed.retry();
    let second = bed.finish();
    let mail = second.progress[&Item::Mail];
    assert_eq!((mail.total, mail.migrated, mail.failed), (failed, failed, 0));
    assert_eq!(second.status, Status::Completed);
    let told = crate::owner::report::failures(&bed.memory, &bed.id, 0, 99);
    assert_eq!(futures::executor::block_on(told).unwrap(), [], "nothing is missing any more");
    // The others come with the next synchronisation.
    bed.synchronise();
    assert_eq!(bed.finish().progress[&Item::Mail].migrated, 1);
    let sorted = |server: &Server| {
        let mut lines = server.mailboxes.digest();
        lines.0.values_mut().for_each(|lines| lines.sort());
        lines
    };
    assert_eq!(sorted(&bed.source), sorted(&bed.destination));
}

#[test]
fn what_fails_again_is_told_again() {
    let limited = Features { append_limit: Some(400), ..Features::modern() };
    let bed = Bed::with(Server::new(Features::modern()), Server::new(limited), Options::default());
    fill(&bed);
    let failed = bed.finish().progress[&Item::Mail].failed;
    for _ in 0..2 {
        bed.retry();
        let again = bed.finish();
        assert_eq!(again.progress[&Item::Mail].failed, failed);
        assert_eq!(again.status, Status::CompletedWithErrors);
        let told = crate::owner::report::failures(&bed.memory, &bed.id, 0, 99);
        assert_eq!(futures::executor::block_on(told).unwrap().len() as u64, failed);
    }
}

/// A side numbers its messages anew: nothing is doubled, and what the user deleted stays away.
#[test]
fn numbered_anew() {
    for at_source in [true, false] {
        let bed = Bed::new(Features::modern(), Features::modern());
        fill(&bed);
        bed.finish();
        bed.destination.mailboxes.expunge("INBOX", &[2]);
        let server = if at_source { &bed.source } else { &bed.destination };
        server.mailboxes.set_uid_validity("INBOX", 77);
        bed.source.mailboxes.add("INBOX", sample("new@x", 9));
        let expected = bed.destination.mailboxes.messages("INBOX").len() + 1;
        bed.synchronise();
        assert_eq!(bed.finish().status, Status::Completed);
        assert_eq!(bed.destination.mailboxes.messages("INBOX").len(), expected, "{at_source}");
        bed.synchronise();
        assert_eq!(bed.finish().progress[&Item::Mail].migrated, 0);
    }
}

/// The user removed a folder at the destination: it comes back only for new messages.
#[test]
fn a_folder_that_the_user_removed_stays_away() {
    let bed = Bed::new(Features::modern(), Features::modern());
    fill(&bed);
    bed.finish();
    bed.destination.mailboxes.remove("a/b");
    bed.source.mailboxes.set_flags("a/b", 1, &["\\Flagged"]);
    bed.synchronise();
    assert_eq!(bed.finish().status, Status::Completed);
    assert!(!bed.destination.mailboxes.mailboxes().contains(&"a/b".to_owned()));
    bed.source.mailboxes.add("a/b", sample("new@x", 9));
    bed.synchronise();
    bed.finish();
    assert_eq!(bed.destination.mailboxes.messages("a/b").len(), 1);
}

/// Nothing changed: no folder costs a command of its own.
#[test]
fn an_unchanged_account_costs_no_command_a_folder() {
    let bed = Bed::new(Features::modern(), Features::modern());
    for folder in 0..30 {
        bed.source.mailboxes.add(&format!("f{folder}"), sample(&format!("m{folder}@x"), 9));
    }
    bed.finish();
    bed.source.mailboxes.take_commands();
    bed.destination.mailboxes.take_commands();
    bed.synchronise();
    bed.finish();
    let commands =
        [bed.source.mailboxes.take_commands(), bed.destination.mailboxes.take_commands()].concat();
    assert!(commands.len() <= 10, "{commands:?}");
}

/// The source does not wait for the destination: it is asked about the next folder while the last
/// messages of the one before it have still to be acknowledged.
#[test]
fn the_next_folder_is_listed_meanwhile() {
    let bed = Bed::new(Features::modern(), Features::modern());
    for folder in ["a", "b", "c"] {
        for n in 0..2 {
            bed.source.mailboxes.add(folder, sample(&format!("{folder}{n}@x"), 9));
        }
    }
    let _ = bed.destination.faults.clone().on(At::nth("APPEND", 1), Act::StallAfterEffect);
    bed.tick(None);
    let asked = bed.source.mailboxes.take_commands();
    let opened: Vec<&String> = asked.iter().filter(|it| it.contains("EXAMINE")).collect();
    assert_eq!(opened.len(), 2, "{asked:?}");
    assert_eq!(bed.finish().status, Status::Completed);
    bed.assert_same();
}

/// A folder gets another name and another UIDVALIDITY: its messages are moved, not copied.
#[test]
fn a_folder_that_cannot_be_recognised_is_moved_message_by_message() {
    let bed = Bed::new(Features::modern(), Features::modern());
    fill(&bed);
    bed.finish();
    bed.source.mailboxes.rename("a", "z");
    bed.source.mailboxes.set_uid_validity("z", 4711);
    bed.synchronise();
    let again = bed.finish();
    assert_eq!(again.progress[&Item::Mail].migrated, 0);
    assert_eq!(again.sync_points[1].moved, 1);
    assert_eq!(bed.destination.mailboxes.messages("z").len(), 1);
    assert_eq!(bed.destination.mailboxes.messages("a").len(), 0);
}

/// The manifest, its lines counted, and its fingerprint.
fn manifest(bed: &Bed) -> (String, u64, String) {
    futures::executor::block_on(async {
        let mut manifest =
            ledger::manifest::Manifest::open(&bed.memory, &bed.id).await.unwrap().in_pieces(3);
        let (mut text, mut count) = (String::new(), 0);
        while let Some((piece, lines)) = manifest.next(&bed.memory).await.unwrap() {
            text.push_str(&piece);
            count += lines;
        }
        let (lines, sha256) = ledger::manifest::fingerprint(&bed.memory, &bed.id).await.unwrap();
        assert_eq!(lines, count);
        (text, count, sha256)
    })
}

/// Each message has one line, whatever was cut; with its SHA-256 where that was asked for.
#[test]
fn the_manifest_has_a_line_for_each_message() {
    for content_digests in [true, false] {
        for cut in (40..130).step_by(3) {
            let options = Options { content_digests, ..Options::default() };
            let servers = || Server::new(Features::modern());
            let bed = Bed::with(servers(), servers(), options);
            fill(&bed);
            bed.tick(Some(cut));
            bed.finish();
            let (text, count, _) = manifest(&bed);
            let lines: Vec<&str> = text.lines().collect();
            let mut sorted = lines.clone();
            sorted.sort_unstable();
            assert_eq!((count, &lines), (13, &sorted), "cut {cut}: {text}");
            let known = lines.iter().filter(|line| !line.ends_with("\t-")).count();
            // What a cut batch had left is found, not seen.
            assert!(if content_digests { known >= 10 } else { known == 0 }, "cut {cut}: {text}");
            if !content_digests || known < 13 {
                continue;
            }
            // SHA-256 of "Subject: none\r\n\r\nno id\r\n".
            let digest = {
                use sha2::Digest;
                let text = sha2::Sha256::digest(b"Subject: none\r\n\r\nno id\r\n");
                text.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
            };
            assert_eq!(lines.iter().filter(|line| line.ends_with(&digest)).count(), 2, "{text}");
        }
    }
}

#[test]
fn what_is_taken_back_leaves_the_manifest() {
    let bed = Bed::new(Features::modern(), Features::modern());
    fill(&bed);
    bed.finish();
    let (first, _, sha256) = manifest(&bed);
    bed.source.mailboxes.add("INBOX", sample("new@x", 9));
    bed.synchronise();
    bed.finish();
    assert_eq!(manifest(&bed).1, 14);
    bed.remove(2);
    bed.finish();
    assert_eq!(manifest(&bed), (first, 13, sha256));
    bed.remove(1);
    bed.finish();
    assert_eq!(manifest(&bed).1, 0);
}
