//! What owners are told: each event once, whenever the power is cut.

use fake_imap::{Act, At, Features};
use model::{Event, Notify, Options, Status, Verdict};
use notify::Outbox;
use store::due;

use super::bed::{Bed, Server};
use super::whole::fill;

fn bed() -> Bed {
    let server = || Server::new(Features::modern());
    let email = Some("anna@b.example".to_owned());
    let notify = Notify { email, ..Notify::default() };
    let bed = Bed::telling(server(), server(), Options::default(), notify);
    fill(&bed);
    bed
}

/// Everything that is to be told; nobody delivers here.
fn told(bed: &Bed) -> Vec<Event> {
    let outbox = futures::executor::block_on(Outbox::read(&bed.memory, &bed.migration()));
    outbox.unwrap().unwrap().notices.into_iter().map(|notice| notice.event).collect()
}

fn names(bed: &Bed) -> Vec<&'static str> {
    told(bed).iter().map(Event::name).collect()
}

fn is_announced(bed: &Bed) -> bool {
    let due = futures::executor::block_on(due::all_notices(&bed.memory)).unwrap();
    due.iter().any(|(_, id)| *id == bed.id)
}

#[test]
fn the_power_is_cut_after_every_operation() {
    let whole = bed();
    whole.finish();
    let operations = whole.used();
    for first in 0..operations {
        for second in [None, Some(first % 7), Some(first % 31)] {
            let bed = bed();
            let cut = bed.tick(Some(first)).is_none();
            if cut && let Some(second) = second {
                bed.tick(Some(second));
            }
            let migration = bed.finish();
            let where_ = format!("cut after {first}, then {second:?}");
            assert_eq!(migration.status, Status::Completed, "{where_}");
            let expected = ["migration.created", "migration.started", "migration.ended"];
            assert_eq!(names(&bed), expected, "{where_}");
            assert!(is_announced(&bed), "{where_}");
        }
    }
}

/// Even where whoever delivers has emptied the list before.
#[test]
fn what_was_written_before_a_cut_is_announced_after_it() {
    let whole = bed();
    whole.finish();
    for first in 0..whole.used() {
        let bed = bed();
        clear(&bed);
        bed.tick(Some(first));
        let settled = names(&bed).len();
        bed.finish();
        assert!(is_announced(&bed), "cut after {first}, {settled} written");
    }
}

fn clear(bed: &Bed) {
    let work = due::set_notices(&bed.memory, &bed.id, None);
    futures::executor::block_on(work).unwrap();
}

#[test]
fn the_end_tells_the_figures() {
    let bed = bed();
    let faults = bed.destination.faults.clone();
    let third = |bytes: &[u8]| bytes.windows(4).any(|part| part == b"i3@x");
    let _ = faults.refuse_append(third, "NO [TOOBIG] too large", u32::MAX);
    bed.finish();
    let Some(Event::Ended(outcome)) = told(&bed).pop() else { panic!("{:?}", told(&bed)) };
    assert_eq!((outcome.status, outcome.failures), (Status::CompletedWithErrors, 1));
    assert_eq!((outcome.sync_point, outcome.verdict), (1, Verdict::CompleteButFailures));
    assert_eq!(outcome.progress[&model::Item::Mail].migrated, 12);
    assert!(outcome.folders >= 3, "{outcome:?}");
    bed.synchronise();
    bed.finish();
    assert_eq!(names(&bed)[3..], ["migration.started", "migration.ended"], "each sync point");
}

#[test]
fn a_long_wait_is_told_once() {
    let bed = bed();
    let full = Act::Refuse("NO [OVERQUOTA] full".into());
    let _ = bed.destination.faults.clone().on(At::every("AUTHENTICATE").times(20), full);
    let migration = bed.finish();
    assert_eq!(migration.status, Status::Completed);
    let told = told(&bed);
    let waits: Vec<&Event> =
        told.iter().filter(|event| matches!(event, Event::Waiting { .. })).collect();
    let [Event::Waiting { since, until, reason, .. }] = waits.as_slice() else {
        panic!("{told:?}")
    };
    assert!(until.0 >= since.0 + Event::WAITING_MS, "{told:?}");
    assert!(reason.contains("full"), "{reason}");
}

#[test]
fn a_stop_is_an_end_too() {
    let bed = bed();
    bed.stop();
    let Some(Event::Ended(outcome)) = told(&bed).pop() else { panic!("{:?}", told(&bed)) };
    assert_eq!((outcome.status, outcome.sync_point), (Status::Stopped, 0));
    bed.stop();
    assert_eq!(names(&bed), ["migration.created", "migration.ended"]);
}
