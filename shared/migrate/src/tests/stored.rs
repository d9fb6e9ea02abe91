//! States that an earlier version stored (`tests/samples/stores`) are opened and go on.

use std::collections::BTreeMap;

use fake_imap::{Features, Mailboxes, Message, Stored};
use futures::executor::block_on;
use model::{Item, MigrationId, ProjectId, Status};
use project::members::{self, Filter, Row};
use project::record;
use store::{Store as _, keys};
use stored::{FIRST_PORT, Sample};

use super::bed::{Bed, Server};
use ledger::journal::Intention;

const ARCHIVE: &str = "Ricevute 2019";

/// A bed as 5148ca2 left it.
fn bed(name: &str) -> Bed {
    let sample = Sample::read(&format!("5148ca2/{name}"));
    let mut bed = Bed::new(Features::modern(), Features::modern());
    for (key, _) in bed.memory.all() {
        block_on(bed.memory.delete(&key)).unwrap();
    }
    let own = sample.pairs.keys().find_map(|key| MigrationId::parse(key.strip_prefix("m/")?));
    bed.id = own.expect("a migration");
    block_on(bed.memory.set_many(sample.pairs.into_iter().collect())).unwrap();
    bed.set_clock(sample.now_ms);
    for (port, mailboxes) in sample.servers {
        match port - FIRST_PORT {
            0 => bed.source.mailboxes = mailboxes,
            1 => bed.destination.mailboxes = mailboxes,
            _ => {
                let mut server = Server::new(Features::modern());
                server.mailboxes = mailboxes;
                bed.others.borrow_mut().insert(port, server);
            }
        }
    }
    bed
}

/// Every message of the source once, nothing else.
#[track_caller]
fn assert_whole(bed: &Bed, what: &str) {
    let migration = bed.migration();
    assert_eq!(migration.status, Status::Completed, "{what}: {:?}", migration.last_error);
    bed.assert_same();
    let mail = migration.progress[&Item::Mail];
    let all: usize = bed.source.mailboxes.digest().0.values().map(Vec::len).sum();
    let sums = (mail.total, mail.migrated + mail.skipped, mail.failed);
    assert_eq!(sums, (all as u64, all as u64, 0), "{what}");
    let secrets = block_on(bed.memory.get(&keys::credentials(&bed.id)));
    assert_eq!(secrets, Ok(None), "{what}");
}

#[test]
fn what_was_paused_in_the_middle_of_a_folder_goes_on() {
    // Without a power cut, and with one at some places of the way.
    for cut in [None, Some(0), Some(7), Some(40), Some(150), Some(400)] {
        let bed = bed("paused");
        let there = bed.destination.mailboxes.messages(ARCHIVE);
        assert!((1..200).contains(&there.len()), "{}", there.len());
        assert_eq!(bed.migration().status, Status::Paused);
        assert_eq!(bed.tick(None).map(|tick| tick.advanced), Some(0), "a pause is a pause");
        bed.resume();
        bed.tick(cut);
        bed.finish();
        assert_whole(&bed, &format!("cut after {cut:?}"));
        // What had arrived was left alone.
        assert_eq!(bed.destination.mailboxes.messages(ARCHIVE)[..there.len()], there);
        assert_eq!(bed.migration().progress[&Item::Mail].skipped, 0);
    }
}

/// Killed with an intention stored: the server had nothing of that batch, some of it, or all.
#[test]
fn what_was_killed_in_a_batch_goes_on() {
    let batch = {
        let bed = bed("killed");
        let key = keys::intention(&bed.id);
        let stored = block_on(bed.memory.get(&key)).unwrap().expect("an intention");
        let intention = Intention::decode(&key, &stored).unwrap();
        assert!(intention.sent > 0, "{intention:?}");
        usize::try_from(intention.sent).unwrap()
    };
    assert!(batch > 10, "{batch}");
    for arrived in [0, 1, batch / 2, batch - 1, batch] {
        let bed = bed("killed");
        assert_eq!(bed.migration().status, Status::Running);
        let before = bed.destination.mailboxes.messages(ARCHIVE).len();
        for Stored { bytes, flags, internal_date, .. } in
            bed.source.mailboxes.messages(ARCHIVE).into_iter().skip(before).take(arrived)
        {
            bed.destination.mailboxes.add(ARCHIVE, Message { bytes, flags, internal_date });
        }
        bed.finish();
        assert_whole(&bed, &format!("{arrived} of {batch} had arrived"));
    }
}

fn contents(mailboxes: &Mailboxes) -> BTreeMap<String, Vec<String>> {
    mailboxes.digest().0
}

#[test]
fn what_was_finished_is_synchronised() {
    let bed = bed("finished");
    let before = contents(&bed.destination.mailboxes);
    bed.synchronise();
    let third = bed.finish();
    assert_eq!((third.status, third.sync_points.len()), (Status::Completed, 3));
    assert_eq!(third.progress[&Item::Mail].migrated, 0);
    assert_eq!(contents(&bed.destination.mailboxes), before, "nothing comes twice or back");
    // What is new comes, what changes follows, and what the user did there stays.
    bed.source.mailboxes.add("Nuova", Message::sample("later@x", 80));
    bed.source.mailboxes.set_flags("INBOX", 5, &["\\Flagged"]);
    bed.synchronise();
    let fourth = bed.finish();
    assert_eq!((fourth.status, fourth.sync_points.len()), (Status::Completed, 4));
    assert_eq!(fourth.progress[&Item::Mail].migrated, 1);
    let after = contents(&bed.destination.mailboxes);
    let differing = |folder: &&String| before.get(*folder) != after.get(*folder);
    assert_eq!(after.keys().filter(differing).collect::<Vec<_>>(), ["INBOX", "Nuova"]);
    assert_eq!(after["Nuova"].len(), before["Nuova"].len() + 1);
    assert_eq!(bed.destination.mailboxes.complaints(), Vec::<String>::new());
}

#[test]
fn what_was_finished_is_taken_back_exactly() {
    let bed = bed("finished");
    bed.remove(1);
    let migration = bed.finish();
    assert_eq!(migration.status, Status::Completed);
    assert!(migration.sync_points.iter().all(|point| point.removed));
    let left = contents(&bed.destination.mailboxes);
    let ids = |folder: &str| -> Vec<&str> {
        let lines = left.get(folder).into_iter().flatten();
        lines.filter_map(|line| line.split(' ').next()).collect()
    };
    // The user's own message, and the one that the user has marked.
    assert_eq!(ids("INBOX"), ["<own@x>"]);
    assert_eq!(ids("Lavoro"), ["<fw2@x>"]);
    assert_eq!(left.values().map(Vec::len).sum::<usize>(), 2, "{left:?}");
}

fn rows(bed: &Bed) -> Vec<Row> {
    let mut keys = bed.memory.all().into_iter();
    let id = keys.find_map(|(key, _)| ProjectId::parse(key.strip_prefix("p/")?));
    let id = id.expect("a project");
    let members = block_on(record::sums(&bed.memory, &id)).unwrap().totals().members();
    let all = (0, members, 100);
    block_on(members::list(&bed.memory, &id, all, &Filter::default()))
        .unwrap()
        .0
        .into_iter()
        .map(|(_, row)| row)
        .collect()
}

#[test]
fn a_project_goes_on() {
    let bed = bed("project");
    let statuses =
        |bed: &Bed| -> Vec<Status> { rows(bed).into_iter().filter_map(|row| row.status).collect() };
    use Status::{Completed, Failed, Pending, Running};
    assert_eq!(statuses(&bed), [Completed, Failed, Running, Pending, Pending]);
    let first = bed.destination.mailboxes.snapshot();
    bed.settle();
    assert_eq!(statuses(&bed), [Completed, Failed, Completed, Completed, Completed]);
    assert_eq!(bed.destination.mailboxes.snapshot(), first, "what was finished is left alone");
    bed.assert_same();
    let at = |number: u16| bed.others.borrow()[&(FIRST_PORT + number)].mailboxes.clone();
    assert_eq!(contents(&at(3)).values().map(Vec::len).sum::<usize>(), 0);
    for number in [4, 6, 8] {
        assert_eq!(contents(&at(number)), contents(&at(number + 1)), "row {}", number / 2);
        assert_eq!(at(number + 1).complaints(), Vec::<String>::new());
    }
}
