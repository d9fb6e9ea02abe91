//! The power is cut after every single operation, and after pairs of them: exactly one copy.

use fake_imap::Features;
use model::Status;

use super::bed::Bed;
use super::whole::fill;

fn bed(features: &Features) -> Bed {
    let bed = Bed::new(Features::modern(), features.clone());
    fill(&bed);
    bed
}

#[track_caller]
fn check(features: Features) {
    let whole = bed(&features);
    whole.finish();
    let operations = whole.used();
    assert!(operations > 50, "{operations}");
    for first in 0..operations {
        // A second cut at a few places after the power came back.
        for second in [None, Some(first % 7), Some(first % 31), Some(first % 61)] {
            let bed = bed(&features);
            let cut = bed.tick(Some(first)).is_none();
            if cut && let Some(second) = second {
                bed.tick(Some(second));
            }
            let migration = bed.finish();
            let where_ = format!("cut after {first}, then {second:?}");
            assert_eq!(migration.status, Status::Completed, "{where_}: {:?}", migration.last_error);
            let (source, destination) =
                (bed.source.mailboxes.digest(), bed.destination.mailboxes.digest());
            assert_eq!(source, destination, "{where_}");
            let mail = migration.progress[&model::Item::Mail];
            assert_eq!((mail.total, mail.migrated + mail.skipped), (13, 13), "{where_}");
        }
    }
}

#[test]
fn with_multiappend() {
    check(Features::modern());
}

#[test]
fn without_multiappend() {
    check(Features { multiappend: false, ..Features::modern() });
}

#[test]
fn without_uidplus_and_literal_plus() {
    check(Features::bare());
}
