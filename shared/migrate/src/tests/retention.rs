//! What nobody touches any more is erased by itself, and nothing else is.

use fake_imap::Features;
use futures::executor::block_on;
use model::Status;
use store::calendar::{SLACK_MS, SLOT_MS};
use store::{Store, due, keys};

use super::bed::{Bed, RETENTION_MS};
use super::whole::fill;
use crate::owner::lifecycle;

const HOUR_MS: u64 = 3_600_000;

fn bed() -> Bed {
    let bed = Bed::new(Features::modern(), Features::modern());
    fill(&bed);
    bed
}

/// The driver calls every hour for this long.
fn hours(bed: &Bed, hours: u64) {
    for _ in 0..hours {
        bed.wait(HOUR_MS);
        let tick = bed.tick(None).unwrap();
        assert!(tick.active <= 1);
        bed.settle();
    }
}

fn is_there(bed: &Bed) -> bool {
    block_on(lifecycle::read(&bed.memory, &bed.id)).unwrap().is_some()
}

#[test]
fn an_idle_migration_goes_when_its_time_is_over() {
    let bed = bed();
    let ended = bed.finish();
    let expires = ended.expires_at(RETENTION_MS).unwrap();
    assert_eq!(expires.0, ended.updated_at.0 + RETENTION_MS);
    assert_eq!(bed.tick(None).unwrap().active, 0, "who only waits for the end is not active");
    hours(&bed, 60 * 24 - 1);
    assert!(is_there(&bed) && bed.now_ms() < expires.0);
    hours(&bed, 3);
    assert!(!is_there(&bed));
    assert_eq!(bed.traces(), Vec::<String>::new());
    assert!(bed.now_ms() - expires.0 <= 2 * HOUR_MS + SLOT_MS + SLACK_MS);
}

#[test]
fn activity_begins_the_time_anew() {
    let bed = bed();
    bed.finish();
    hours(&bed, 59 * 24);
    bed.synchronise();
    assert_eq!(bed.migration().expires_at(RETENTION_MS), None, "it is at work");
    bed.finish();
    hours(&bed, 59 * 24);
    assert!(is_there(&bed));
    hours(&bed, 2 * 24);
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn who_waits_for_a_server_is_not_idle() {
    let bed = bed();
    let _ = bed.destination.faults.clone().refuse_append(|_| true, "NO [OVERQUOTA] full", 9_000);
    bed.tick(None);
    bed.tick(None);
    assert_eq!(bed.migration().status, Status::Waiting);
    assert_eq!(bed.migration().expires_at(0), None);
}

/// Whoever is at it just then is not disturbed, and the power may fail after every operation.
#[test]
fn cut_in_the_sweep() {
    for held in [false, true] {
        for cut in 0.. {
            let bed = bed();
            bed.finish();
            hours(&bed, 2);
            bed.wait(RETENTION_MS);
            if held {
                let claimed = store::lease::claim(&bed.memory, &bed.id, bed.now_ms(), "");
                assert!(block_on(claimed).unwrap().is_some());
            }
            let done = bed.tick(Some(cut)).is_some();
            if held {
                assert!(is_there(&bed), "{cut}");
            }
            // The driver has not called for sixty days: it goes on slot by slot.
            hours(&bed, 12);
            assert_eq!(bed.traces(), Vec::<String>::new(), "held {held}, cut after {cut}");
            assert_eq!(block_on(due::all(&bed.memory)), Ok(vec![]));
            if done {
                break;
            }
        }
    }
}

/// Nothing but one number is read for those who only wait for their end.
#[test]
fn a_tick_costs_the_same_however_many_are_idle() {
    let bed = bed();
    bed.finish();
    let reads = |bed: &Bed| {
        let before = bed.reads.get();
        bed.tick(None);
        bed.reads.get() - before
    };
    let alone = reads(&bed);
    block_on(async {
        for n in 0..200u8 {
            let id = model::MigrationId::from_random(&[n; 26]);
            let at_ms = bed.now_ms() + RETENTION_MS + u64::from(n % 3) * SLOT_MS;
            store::calendar::add(&bed.memory, &id, at_ms).await.unwrap();
        }
    });
    assert_eq!(reads(&bed), alone);
    assert!(block_on(bed.memory.get(&keys::calendar_next())).unwrap().is_some());
}
