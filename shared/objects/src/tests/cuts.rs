//! The power is cut after every single operation, and at a second place after that: exactly one copy.

use model::Verdict;
use services::objects::fake::Odd;

use super::bed::{Ask, Bed, Ended, text, texts};
use super::whole::filled;

/// Plays `ask` on a bed, cut at each operation in turn, and checks what stands there in the end.
#[track_caller]
fn check(ask: Ask, prepare: impl Fn() -> Bed, operations_min: u32) {
    let whole = prepare();
    let before = whole.used();
    let saved = whole.finish(ask);
    let operations = whole.used() - before;
    assert!(operations > operations_min, "{operations}");
    for first in 0..operations {
        for second in [None, Some(first % 13)] {
            let bed = prepare();
            let where_ = format!("{ask:?}, cut after {first}, then {second:?}");
            let mut ended = bed.tick(ask, Some(first));
            if let (true, Some(second)) = (ended == Ended::Cut, second) {
                ended = bed.tick(ask, Some(second));
            }
            let again = if ended == Ended::Done { bed.saved() } else { bed.finish(ask) };
            assert_eq!(texts(&bed.destination), texts(&whole.destination), "{where_}");
            assert_eq!(again.all(), saved.all(), "{where_}");
            assert_eq!(again.failures, saved.failures, "{where_}");
            let deeds = |it: &super::bed::Saved| (it.brought, it.updated, it.removed, it.kept);
            assert_eq!(deeds(&again), deeds(&saved), "{where_}");
            assert_eq!(bed.report(), whole.report(), "{where_}");
            assert_eq!(bed.destination.all().len(), whole.destination.all().len(), "{where_}");
            if matches!(ask, Ask::Run) {
                assert_eq!(bed.verdict(), whole.verdict(), "{where_}");
            }
        }
    }
}

fn odd(source: Odd, destination: Odd) -> Bed {
    let bed = filled();
    bed.source.set_odd(source, 1);
    bed.destination.set_odd(destination, 1);
    bed
}

/// A run, and changes on both sides after it.
fn changed(source: &Odd, destination: &Odd) -> Bed {
    let bed = odd(source.clone(), destination.clone());
    bed.finish(Ask::Run);
    assert_eq!(bed.verdict(), Verdict::Complete);
    for (name, version) in [("e1.ics", 2), ("e2.ics", 2)] {
        bed.source.write("home", name, Some(&text(&name[..2], version)));
    }
    bed.source.write("home", "e3.ics", None);
    bed.source.write("home", "again.ics", Some(&text("e3", 3)));
    bed.source.write("work", "t8.ics", Some(&text("t8", 1)));
    bed.destination.write("home", "own2", Some(&text("own2", 1)));
    let home = bed.destination.all()["home"].objects.clone();
    let e2 = home.iter().find(|(_, it)| it.text.contains("ID e2")).unwrap().0;
    bed.destination.write("home", e2, Some(&text("e2", 99)));
    bed.again();
    bed
}

fn kinds() -> Vec<(Odd, Odd)> {
    let plain = Odd::default;
    vec![
        (plain(), plain()),
        (Odd { no_states: true, part: 2, ..plain() }, Odd { silent_tags: true, ..plain() }),
        (Odd { no_tags: true, ..plain() }, Odd { restless_tags: true, unique: true, ..plain() }),
        (Odd { restless_tags: true, ..plain() }, Odd { no_states: true, ..plain() }),
    ]
}

#[test]
fn a_first_run() {
    for (source, destination) in kinds() {
        check(Ask::Run, || odd(source.clone(), destination.clone()), 40);
    }
}

#[test]
fn a_synchronisation() {
    for (source, destination) in kinds() {
        check(Ask::Run, || changed(&source, &destination), 30);
    }
}

#[test]
fn a_removal() {
    for (source, destination) in kinds() {
        let prepare = || {
            let bed = changed(&source, &destination);
            bed.finish(Ask::Run);
            bed
        };
        check(Ask::Remove(2), prepare, 5);
        check(Ask::Remove(1), prepare, 20);
    }
}

#[test]
fn a_retry() {
    let prepare = || {
        let no = Odd { refuses: Some("VERSION 1".into()), ..Odd::default() };
        let bed = odd(Odd::default(), no);
        assert_eq!(bed.finish(Ask::Run).all().failed, 9);
        bed.destination.set_odd(Odd::default(), 1);
        bed.again();
        bed
    };
    check(Ask::Retry, prepare, 20);
}

/// Slices of one step each come to the same end.
#[test]
fn slices_without_time() {
    for (source, destination) in kinds() {
        let (bed, tiny) = (changed(&source, &destination), changed(&source, &destination));
        tiny.tiny_slices(true);
        let (saved, again) = (bed.finish(Ask::Run), tiny.finish(Ask::Run));
        assert_eq!((again.all(), again.failures), (saved.all(), saved.failures));
        assert_eq!(texts(&tiny.destination), texts(&bed.destination));
        assert_eq!(tiny.report(), bed.report());
        tiny.finish(Ask::Remove(1));
        bed.finish(Ask::Remove(1));
        assert_eq!(texts(&tiny.destination), texts(&bed.destination));
    }
}

/// The owner stops at any checkpoint; a removal and another run follow.
#[test]
fn a_stop_at_any_place_and_a_removal() {
    let before = texts(&filled().destination);
    for stop in 0..120 {
        let bed = filled();
        bed.tick(Ask::Run, Some(stop));
        bed.owner_stops(true);
        bed.tick(Ask::Run, None);
        bed.owner_stops(false);
        bed.finish(Ask::Remove(1));
        assert_eq!(texts(&bed.destination), before, "stopped after {stop}");
        assert_eq!(bed.destination.all().len(), 1, "stopped after {stop}");
        bed.again();
        bed.finish(Ask::Run);
        assert_eq!(texts(&bed.destination).len(), 11, "stopped after {stop}");
    }
}

/// A removal is cut off and given up; the next run brings again what it had taken back.
#[test]
fn a_removal_that_is_given_up() {
    let whole = filled();
    whole.finish(Ask::Run);
    for cut in 0..80 {
        let bed = filled();
        bed.finish(Ask::Run);
        bed.tick(Ask::Remove(1), Some(cut));
        bed.again();
        bed.finish(Ask::Run);
        assert_eq!(texts(&bed.destination), texts(&whole.destination), "cut after {cut}");
        assert_eq!(bed.verdict(), Verdict::Complete);
        let saved = bed.finish(Ask::Remove(1));
        assert_eq!(saved.kept, 0, "cut after {cut}");
        assert_eq!(texts(&bed.destination).len(), 2, "cut after {cut}");
    }
}
