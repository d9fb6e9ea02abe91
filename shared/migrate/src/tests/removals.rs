//! What is left of a removal, wherever the power fails in it.

use fake_imap::Features;
use model::{Status, Verdict};

use super::bed::Bed;
use super::whole::fill;

/// A removal that was accepted ends as one, and begins no further run, whatever is cut.
#[test]
fn an_accepted_removal_is_carried_out_whatever_is_cut() {
    let mut whole = false;
    for cut in 0.. {
        let bed = Bed::new(Features::modern(), Features::modern());
        fill(&bed);
        bed.finish();
        bed.remove(1);
        let cut_off = bed.tick(Some(cut)).is_none();
        // While it is not done, nothing says that it is.
        let between = bed.migration();
        let removed = between.sync_points.iter().all(|point| point.removed);
        assert!(removed || between.status == Status::Removing, "cut after {cut}");
        let migration = bed.finish();
        assert_eq!(migration.status, Status::Completed, "cut after {cut}");
        let points: Vec<_> =
            migration.sync_points.iter().map(|point| (point.number, point.removed)).collect();
        assert_eq!(points, [(1, true)], "cut after {cut}");
        if !cut_off {
            whole = cut > 30;
            break;
        }
    }
    assert!(whole);
}

/// What was compared before a removal is not said of what is left.
#[test]
fn the_report_judges_nothing_that_was_taken_back() {
    let bed = Bed::new(Features::modern(), Features::modern());
    fill(&bed);
    bed.finish();
    let report = |bed: &Bed| {
        let page = crate::owner::report::folders(&bed.memory, &bed.id, 0);
        let folders = futures::executor::block_on(page).unwrap().unwrap();
        let inbox = folders.into_iter().find(|folder| folder.source == "INBOX").unwrap();
        (inbox.verdict, inbox.destination_messages, inbox.migrated)
    };
    let (verdict, there, migrated) = report(&bed);
    assert_eq!((verdict, there), (Verdict::Complete, migrated));
    // One the owner has changed since: it stays.
    bed.destination.mailboxes.set_flags("INBOX", 1, &["\\Flagged"]);
    bed.remove(1);
    bed.finish();
    assert_eq!(report(&bed), (Verdict::Unknown, 0, 1));
    bed.synchronise();
    bed.finish();
    let (verdict, there, _) = report(&bed);
    assert_eq!((verdict, there), (Verdict::Complete, migrated));
}
