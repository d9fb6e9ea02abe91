//! An owner who holds, lets go and ends, in any order and at any moment: what was asked for last, and
//! accepted, is what comes.

use std::cell::Cell;
use std::rc::Rc;

use futures::FutureExt;
use futures::executor::block_on;
use model::{MigrationId, ProjectOptions, Status, Timestamp};
use store::memory::Memory;

use super::bed::Bed;
use super::projects::{add_to, assert_arrived, bed, entries, id, statuses};
use crate::owner::lifecycle::{self, Outcome};
use crate::projects::{self, add::Added};

/// What an owner asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Pause,
    Resume,
    Stop,
    PauseAll,
    ResumeAll,
}

fn ask(memory: &Memory, own: &MigrationId, ask: Ask, now: Timestamp) -> bool {
    let asked = async {
        match ask {
            Ask::Pause => lifecycle::pause(memory, own, now, "").await,
            Ask::Resume => lifecycle::resume(memory, own, now, "").await,
            Ask::Stop => lifecycle::stop(memory, own, now, "").await,
            Ask::PauseAll => projects::pause(memory, &id(), now).await.map(|()| Outcome::Done),
            Ask::ResumeAll => projects::resume(memory, &id(), now).await.map(|()| Outcome::Done),
        }
    };
    asked.now_or_never().unwrap().unwrap() == Outcome::Done
}

/// A driver that calls for some time; nothing waits for days.
fn drive(bed: &Bed, calls: u32) {
    for _ in 0..calls {
        bed.tick(None);
        bed.wait(1_000);
    }
}

/// Paused and let go within a slice, at any place, nobody stays behind.
#[test]
fn a_project_that_is_let_go_within_a_slice_leaves_nobody_paused() {
    for at in (0..90).step_by(2) {
        for gap in [1, 3, 9] {
            let bed = bed(ProjectOptions { concurrency: 2, ..ProjectOptions::default() });
            bed.slice_ms.set(0);
            add_to(&bed, entries(3), None).unwrap();
            bed.tick(None);
            let now = Timestamp(bed.now_ms());
            for (n, what) in [Ask::PauseAll, Ask::ResumeAll].into_iter().enumerate() {
                let (memory, own) = (bed.memory.clone(), bed.id.clone());
                let at = if n == 0 { at } else { gap };
                bed.before(bed.used() + at, move || {
                    ask(&memory, &own, what, now);
                });
                // The driver sees to the project, and a slice of it may be at work.
                bed.tick(None);
                bed.tick(None);
            }
            // Whatever was not reached is asked for now.
            ask(&bed.memory, &bed.id, Ask::ResumeAll, Timestamp(bed.now_ms()));
            drive(&bed, 40);
            assert_eq!(statuses(&bed), vec![Status::Completed; 3], "before {at}, then {gap}");
            assert_arrived(&bed, 1);
        }
    }
}

/// Random requests at random moments, with the power cut now and then.
#[test]
fn requests_in_any_order_converge_to_the_last_one() {
    for seed in 1..=40_u64 {
        let state = Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let dice = |below: u64| {
            let mut x = state.get();
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            state.set(x);
            x % below
        };
        let bed = bed(ProjectOptions { concurrency: 2, ..ProjectOptions::default() });
        bed.slice_ms.set(0);
        let Some(Added::All(ids)) = add_to(&bed, entries(3), None) else { panic!() };
        let last: Rc<[Cell<Option<Ask>>; 3]> = Rc::default();
        for _ in 0..12 {
            let who = usize::try_from(dice(3)).unwrap();
            let what = match dice(10) {
                0..=2 => Ask::Pause,
                3..=5 => Ask::Resume,
                6 => Ask::Stop,
                7 | 8 => Ask::PauseAll,
                _ => Ask::ResumeAll,
            };
            let (memory, own, last) = (bed.memory.clone(), ids[who].clone(), last.clone());
            let now = Timestamp(bed.now_ms());
            let act = move || {
                let accepted = ask(&memory, &own, what, now);
                if accepted && !matches!(what, Ask::PauseAll | Ask::ResumeAll) {
                    last[who].set(Some(what));
                }
            };
            let at = u32::try_from(dice(30)).unwrap();
            bed.before(bed.used() + at, act);
            let cut = dice(4) == 0;
            bed.tick(cut.then(|| u32::try_from(dice(60)).unwrap()));
            bed.wait(dice(2_000));
        }
        bed.never_before();
        ask(&bed.memory, &ids[0], Ask::ResumeAll, Timestamp(bed.now_ms()));
        drive(&bed, 60);
        let stands = statuses(&bed);
        for (status, last) in stands.iter().zip(last.iter()) {
            let expected = match last.get() {
                Some(Ask::Pause) => Status::Paused,
                Some(Ask::Stop) => Status::Stopped,
                _ => Status::Completed,
            };
            // A run may come to its end before anybody sees what was asked for.
            let fits = *status == expected || *status == Status::Completed;
            assert!(fits, "seed {seed}: {stands:?}, {last:?}");
        }
        for (own, last) in ids.iter().zip(last.iter()) {
            if last.get() == Some(Ask::Pause) {
                ask(&bed.memory, own, Ask::Resume, Timestamp(bed.now_ms()));
            }
        }
        drive(&bed, 60);
        let ends = [Status::Completed, Status::Stopped];
        assert!(statuses(&bed).iter().all(|status| ends.contains(status)), "seed {seed}");
        let queue = block_on(project::record::queue(&bed.memory, &id())).unwrap();
        assert_eq!((queue.active(), queue.waiting()), (0, 0), "seed {seed}");
    }
}
