//! What an owner asks for begins, or was never asked for: the power is cut while it is written down.

use fake_imap::Features;
use model::{ProjectOptions, Status};
use store::{Store, due, keys};

use futures::executor::block_on;

use super::bed::Bed;
use super::projects::{add_to, bed, entries, statuses};
use super::whole::{fill, sample};
use crate::projects::add::Added;

/// After this long a new migration is looked at by itself.
const LOOK_MS: u64 = 2 * 3_600_000;

/// After this long a queue puts whoever runs into the index once more.
const QUEUE_LOOK_MS: u64 = 600_000;

/// The driver calls when a new migration is looked at.
fn look(bed: &Bed) {
    bed.wait(LOOK_MS);
    for _ in 0..10 {
        bed.tick(None);
        bed.wait(1_000);
    }
    bed.settle();
}

/// Nobody asks again, and neither a run nor a password is left behind.
#[test]
fn a_synchronisation_that_is_cut_off_has_begun_or_not() {
    for cut in 0.. {
        let bed = Bed::new(Features::modern(), Features::modern());
        fill(&bed);
        bed.finish();
        bed.source.mailboxes.add("INBOX", sample("later@x", 9));
        let whole = bed.ask_to_synchronise(&bed.id, Some(cut)).is_some();
        bed.settle();
        assert_eq!(bed.migration().status, Status::Completed, "cut after {cut}");
        assert_eq!(block_on(bed.memory.get(&keys::credentials(&bed.id))), Ok(None), "{cut}");
        if bed.migration().sync_points.len() > 1 {
            bed.assert_same();
        }
        if whole {
            assert_eq!(bed.migration().sync_points.len(), 2);
            assert!(cut > 5, "{cut}");
            break;
        }
    }
}

/// The same of one in a project, whose queue is a second place to write to; a server asks for
/// patience when it runs.
#[test]
fn one_of_a_project_that_is_cut_off_has_begun_or_not() {
    for cut in 0.. {
        let bed = bed(ProjectOptions::default());
        let Some(Added::All(ids)) = add_to(&bed, entries(2), None) else { panic!() };
        bed.settle();
        bed.source.mailboxes.add("INBOX", sample("later@x", 9));
        let _ = bed.destination.faults.clone().refuse_append(|_| true, "NO [UNAVAILABLE] no", 3);
        let whole = bed.ask_to_synchronise(&ids[1], Some(cut)).is_some();
        bed.settle();
        assert_eq!(statuses(&bed), vec![Status::Completed; 2], "cut after {cut}");
        assert_eq!(block_on(bed.memory.get(&keys::credentials(&ids[1]))), Ok(None), "{cut}");
        let queue = block_on(project::record::queue(&bed.memory, &super::projects::id())).unwrap();
        assert_eq!((queue.active(), queue.waiting()), (0, 0), "cut after {cut}");
        if whole {
            bed.assert_same();
            break;
        }
    }
}

/// A migration that was written down and not put into the index of what is due is found by the look
/// that every one gets.
#[test]
fn one_that_fell_out_of_the_index_is_found() {
    let bed = Bed::new(Features::modern(), Features::modern());
    fill(&bed);
    block_on(due::set(&bed.memory, &bed.id, None)).unwrap();
    bed.settle();
    assert_eq!(bed.migration().status, Status::Pending);
    look(&bed);
    assert_eq!(bed.migration().status, Status::Completed);
    bed.assert_same();
}

/// So is one of a project that the queue takes for one that runs.
#[test]
fn one_of_a_project_that_fell_out_of_the_index_is_found() {
    let bed = bed(ProjectOptions { concurrency: 1, ..ProjectOptions::default() });
    bed.slice_ms.set(0);
    let Some(Added::All(ids)) = add_to(&bed, entries(2), None) else { panic!() };
    bed.tick(None);
    assert_eq!(statuses(&bed)[0], Status::Running);
    let since_ms = bed.now_ms();
    block_on(due::set(&bed.memory, &ids[0], None)).unwrap();
    bed.settle();
    assert_eq!(statuses(&bed), vec![Status::Completed; 2]);
    assert!(bed.now_ms() < since_ms + 2 * QUEUE_LOOK_MS, "{}", bed.now_ms() - since_ms);
}
