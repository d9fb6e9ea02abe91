//! Runs that begin by themselves, hours in which none does, and clocks that are set.

use fake_imap::Features;
use futures::executor::block_on;
use model::{Options, QuietHours, Repeat, Status, TimeOfDay, Timestamp};
use store::{Store, keys};

use super::bed::{Bed, Server};
use super::whole::{fill, sample};
use crate::owner::hook;
use crate::owner::lifecycle::Outcome;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// When a bed's migration is created.
const BEGIN_MS: u64 = 1_000_000;

fn with(options: Options) -> Bed {
    let servers = || Server::new(Features::modern());
    let bed = Bed::with(servers(), servers(), options);
    fill(&bed);
    bed
}

/// Every six hours, until `hours` after it was created.
fn repeated(hours: u64) -> Bed {
    let until = Timestamp(BEGIN_MS + hours * HOUR_MS);
    let repeat = Some(Repeat { every_hours: 6, until });
    with(Options { repeat, ..Options::default() })
}

fn sealed(bed: &Bed) -> bool {
    let stored = block_on(bed.memory.get(&keys::credentials(&bed.id))).unwrap();
    stored.is_some_and(|sealed| !sealed.is_empty())
}

/// Hours after the creation at which runs began.
fn begun(bed: &Bed) -> Vec<u64> {
    let points = bed.migration().sync_points;
    points.iter().map(|point| (point.started_at.0 - BEGIN_MS) / HOUR_MS).collect()
}

/// The driver calls every minute for so long.
fn minutes(bed: &Bed, minutes: u64) {
    for _ in 0..minutes {
        bed.tick(None);
        bed.wait(60_000);
    }
}

/// Ticks while anything is due now.
fn now(bed: &Bed) {
    while bed.tick(None).is_none_or(|tick| tick.next_due_ms.is_some_and(|due| due <= bed.now_ms()))
    {
    }
}

#[test]
fn every_run_is_a_sync_point_and_brings_what_is_new() {
    let bed = repeated(24);
    now(&bed);
    let first = bed.migration();
    assert_eq!(first.status, Status::Scheduled, "{:?}", first.last_error);
    assert_eq!(first.next_run(), Some(Timestamp(BEGIN_MS + 6 * HOUR_MS)));
    assert!(sealed(&bed));
    bed.source.mailboxes.add("INBOX", sample("new@x", 50));
    let last = bed.finish();
    assert_eq!((last.status, begun(&bed)), (Status::Completed, vec![0, 6, 12, 18]));
    assert_eq!((last.next_run(), sealed(&bed)), (None, false), "the last run keeps nothing");
    let migrated: Vec<u64> = last.sync_points.iter().map(|point| point.migrated).collect();
    assert_eq!(migrated, [13, 1, 0, 0]);
    bed.assert_same();
}

#[test]
fn the_power_may_fail_in_any_run() {
    let whole = repeated(12);
    whole.finish();
    for cut in 0..whole.used() {
        let bed = repeated(12);
        if bed.tick(Some(cut)).is_some() {
            bed.wait(6 * HOUR_MS);
            bed.tick(Some(cut.saturating_sub(100)));
        }
        let last = bed.finish();
        assert_eq!(last.status, Status::Completed, "{cut}: {:?}", last.last_error);
        assert_eq!((begun(&bed), sealed(&bed)), (vec![0, 6], false), "{cut}");
        bed.assert_same();
    }
}

#[test]
fn a_run_that_lasts_delays_the_next_one() {
    let bed = repeated(30);
    let full = "NO [OVERQUOTA] full";
    // Ten minutes each: more than two slots.
    let _ = bed.destination.faults.clone().refuse_append(|_| true, full, 90);
    let last = bed.finish();
    let began = begun(&bed);
    assert_eq!((began[0], last.status), (0, Status::Completed));
    assert!(began[1] > 12 && !began[1].is_multiple_of(6), "one at once: {began:?}");
    let slots: Vec<u64> = ((began[1] / 6 + 1)..5).map(|slot| slot * 6).collect();
    assert_eq!(began[2..], slots, "and then the slots hold");
}

#[test]
fn a_clock_set_forward_or_back_by_a_day_neither_loses_nor_doubles_a_run() {
    // Forward while it waits: one run at once, and then its interval again.
    let bed = repeated(1_000);
    minutes(&bed, 60);
    bed.set_clock(bed.now_ms() + DAY_MS);
    minutes(&bed, 60);
    assert_eq!(begun(&bed), [0, 25]);
    minutes(&bed, 5 * 60);
    assert_eq!(begun(&bed), [0, 25, 30]);
    // Back again: the next run comes within the interval, once.
    bed.set_clock(bed.now_ms() - DAY_MS);
    minutes(&bed, 6 * 60 - 15);
    assert_eq!(begun(&bed).len(), 3);
    minutes(&bed, 30);
    assert_eq!(begun(&bed).len(), 4);
    minutes(&bed, 12 * 60);
    assert_eq!(begun(&bed).len(), 6);

    // Back in the middle of a run.
    let bed = repeated(1_000);
    bed.set_clock(BEGIN_MS + 10 * DAY_MS);
    bed.slice_ms.set(0);
    minutes(&bed, 1);
    assert_eq!((bed.migration().status, begun(&bed).len()), (Status::Running, 1));
    bed.set_clock(BEGIN_MS + 9 * DAY_MS);
    bed.slice_ms.set(10_000);
    minutes(&bed, 5 * 60);
    assert_eq!((bed.migration().status, begun(&bed).len()), (Status::Scheduled, 1));
    minutes(&bed, 75);
    assert_eq!(begun(&bed).len(), 2);
}

/// What waits for a server is not forgotten for a day either.
#[test]
fn a_clock_set_back_wakes_what_waits() {
    let bed = with(Options::default());
    let _ = bed.destination.faults.clone().refuse_append(|_| true, "NO [OVERQUOTA] full", 3);
    bed.wait(2 * DAY_MS);
    minutes(&bed, 15);
    bed.set_clock(bed.now_ms() - DAY_MS);
    minutes(&bed, 60);
    assert_eq!(bed.migration().status, Status::Completed);
}

#[test]
fn stopping_ends_the_repetition_and_erases_the_passwords() {
    let bed = repeated(24);
    now(&bed);
    bed.stop();
    let stopped = bed.finish();
    assert_eq!((stopped.status, stopped.next_run(), sealed(&bed)), (Status::Stopped, None, false));
}

#[test]
fn a_wrong_password_is_not_tried_every_six_hours() {
    let bed = repeated(24);
    now(&bed);
    let nope = fake_imap::Act::Refuse("NO [AUTHENTICATIONFAILED] nope".into());
    let _ = bed.source.faults.clone().on(fake_imap::At::every("AUTHENTICATE"), nope);
    let failed = bed.finish();
    assert_eq!((failed.status, begun(&bed), sealed(&bed)), (Status::Failed, vec![0, 6], false));
}

#[test]
fn who_calls_after_the_end_finds_it_ended() {
    let bed = repeated(10);
    now(&bed);
    bed.wait(DAY_MS);
    let last = bed.finish();
    assert_eq!((last.status, begun(&bed), sealed(&bed)), (Status::Completed, vec![0], false));
}

#[test]
fn quiet_hours_are_quiet() {
    let time = |text| TimeOfDay::parse(text).unwrap();
    // It is created at 00:16 UTC, which is 01:16 there; every write takes four seconds.
    let quiet = QuietHours { from: time("01:18"), to: time("03:00"), zone: 60 };
    let bed = with(Options { quiet_hours: Some(quiet), ..Options::default() });
    bed.write_ms.set(4_000);
    bed.slice_ms.set(600_000);
    bed.tick(None);
    let waiting = bed.migration();
    assert_eq!(waiting.status, Status::Waiting);
    let told = waiting.waiting.unwrap();
    assert_eq!(
        (told.until, told.reason.as_str()),
        (Timestamp(2 * HOUR_MS), model::schedule::QUIET_REASON)
    );
    let there = || bed.destination.mailboxes.digest();
    let before = there();
    assert!(before != bed.source.mailboxes.digest() && bed.now_ms() < HOUR_MS);
    assert_eq!(bed.tick(None).unwrap().next_due_ms, Some(2 * HOUR_MS));
    bed.wait(HOUR_MS);
    bed.tick(None);
    assert_eq!(there(), before);
    bed.write_ms.set(0);
    assert_eq!(bed.finish().status, Status::Completed);
    assert_eq!(bed.migration().sync_points.len(), 1);
    bed.assert_same();

    // One that would begin in them waits, and makes its sync point afterwards; it can be stopped.
    for stop in [false, true] {
        let quiet = QuietHours { from: time("00:00"), to: time("03:00"), zone: 0 };
        let bed = with(Options { quiet_hours: Some(quiet), ..Options::default() });
        bed.tick(None);
        let waiting = bed.migration();
        assert_eq!((waiting.status, waiting.sync_points.len()), (Status::Waiting, 0));
        if stop {
            bed.stop();
        }
        let ended = bed.finish();
        let status = if stop { Status::Stopped } else { Status::Completed };
        assert_eq!((ended.status, ended.sync_points.len()), (status, usize::from(!stop)));
    }
}

#[test]
fn a_token_begins_runs_until_its_date() {
    let until = Timestamp(BEGIN_MS + 10 * HOUR_MS);
    let bed = with(Options { keep_credentials_until: Some(until), ..Options::default() });
    let host = bed.host();
    let token = hook::token(&host);
    let (key, hash) = hook::entry(&bed.id, &token);
    block_on(bed.memory.set(&key, hash)).unwrap();
    let fits = |token: &str| block_on(hook::fits(&bed.memory, &bed.id, token)).unwrap();
    assert!(fits(&token) && !fits("hook_x") && !fits(""));
    let again = || {
        let now = Timestamp(bed.now_ms());
        block_on(hook::synchronise(&bed.memory, &bed.id, now, "")).unwrap()
    };
    assert_eq!(again(), Some(Outcome::NotInThisState(Status::Pending)));
    assert_eq!(bed.finish().status, Status::Completed);
    assert!(sealed(&bed), "kept although no run needs them");
    bed.source.mailboxes.add("INBOX", sample("new@x", 50));
    assert_eq!(again(), Some(Outcome::Done));
    let second = bed.finish();
    assert_eq!((second.sync_points.len(), second.sync_points[1].migrated), (2, 1));
    bed.assert_same();
    bed.wait(9 * HOUR_MS);
    minutes(&bed, 10);
    assert!(sealed(&bed));
    bed.wait(HOUR_MS);
    assert_eq!(again(), None, "refused at once");
    minutes(&bed, 30);
    assert!(!sealed(&bed), "and erased soon");
    assert!(block_on(bed.memory.get(&key)).unwrap().is_none());
    assert_eq!(bed.migration().status, Status::Completed);
}
