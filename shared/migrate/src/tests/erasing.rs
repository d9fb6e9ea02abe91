//! After an erasure nothing is left, whoever was at work and whenever the power was cut.

use fake_imap::Features;
use futures::FutureExt;
use futures::executor::block_on;
use model::Status;
use store::due::Task;
use store::{Store, due, keys, metrics, records};

use super::bed::Bed;
use super::whole::fill;
use crate::owner::lifecycle::{self, Outcome};
use ledger::Cursor;
use ledger::folder::FOLDERS_PER_PAGE;

fn bed() -> Bed {
    let bed = Bed::new(Features::modern(), Features::modern());
    fill(&bed);
    bed
}

fn counter(bed: &Bed, name: &str) -> u64 {
    let bytes = block_on(bed.memory.get(&keys::metric(name))).unwrap().unwrap_or_default();
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

#[track_caller]
fn gone(bed: &Bed, told: &str) {
    assert_eq!(bed.traces(), Vec::<String>::new(), "{told}");
    assert!(counter(bed, metrics::BYTES_ERASED) > 0, "{told}");
}

#[test]
fn a_finished_migration_is_gone_at_once() {
    let bed = bed();
    bed.finish();
    let held: usize = bed.traces().len();
    assert!(held > 8, "{held}");
    assert_eq!(bed.erase(None), Some(Outcome::Done));
    gone(&bed, "at once");
    assert_eq!(bed.erase(None), Some(Outcome::Gone));
    assert_eq!(counter(&bed, metrics::MIGRATIONS_ERASED), 1);
}

/// At every stage of the first slice the power fails; then the migration is erased, and the power
/// fails after every operation of that, too.
#[test]
fn whenever_it_is_asked_for_and_cut() {
    let whole = bed();
    whole.finish();
    let stages = whole.used();
    for stage in (0..stages).step_by(3).chain([stages]) {
        for cut in 0.. {
            let bed = bed();
            bed.tick(Some(stage));
            let told = format!("after {stage}, cut after {cut}");
            let asked = bed.erase(Some(cut));
            if asked.is_none() && bed.traces().is_empty() {
                continue;
            }
            let listed = block_on(due::all(&bed.memory)).unwrap();
            if asked.is_none() && !listed.iter().any(|(_, task, _)| *task == Task::Erase) {
                // Cut before it was written down: it goes on, and can be asked for again.
                let seen = block_on(lifecycle::read(&bed.memory, &bed.id)).unwrap();
                assert!(seen.is_some(), "{told}: {:?}", bed.traces());
                assert_eq!(bed.erase(None), Some(Outcome::Done), "{told}");
            }
            bed.tick(None);
            let seen = block_on(lifecycle::read(&bed.memory, &bed.id));
            assert_eq!(seen, Ok(None), "{told}");
            bed.settle();
            assert_eq!(bed.traces(), Vec::<String>::new(), "{told}");
            if asked.is_some() {
                break;
            }
        }
    }
}

/// A slice is in the middle of its work, and just before each of its operations (between a look at
/// its lease and the write that follows, too) the migration is erased.
#[test]
fn what_a_late_writer_leaves_is_erased_too() {
    let whole = bed();
    whole.finish();
    for operation in 0..whole.used() {
        for boot in ["0", ""] {
            let bed = bed();
            let (memory, id, host) = (bed.memory.clone(), bed.id.clone(), bed.host());
            bed.before(operation, move || {
                let asked = crate::erase::erase(&memory, &host, &id, boot).now_or_never();
                assert_eq!(asked, Some(Ok(Outcome::Done)));
                let sealed = memory.get(&keys::credentials(&id)).now_or_never().unwrap().unwrap();
                assert!(sealed.is_none_or(|sealed| sealed.is_empty()), "credentials go at once");
                let seen = lifecycle::read(&memory, &id).now_or_never();
                assert_eq!(seen, Some(Ok(None)), "invisible at once");
            });
            bed.tick(None);
            let seen = block_on(lifecycle::read(&bed.memory, &bed.id));
            assert_eq!(seen, Ok(None), "invisible after the slice: {operation}");
            bed.settle();
            gone(&bed, &format!("before operation {operation}, boot {boot:?}"));
        }
    }
}

/// The slice noticed, so nobody waits for its lease to run out.
#[test]
fn a_running_migration_is_gone_as_soon_as_its_slice_noticed() {
    let bed = bed();
    let (memory, id, host) = (bed.memory.clone(), bed.id.clone(), bed.host());
    bed.before(60, move || {
        let asked = crate::erase::erase(&memory, &host, &id, "0").now_or_never();
        assert_eq!(asked, Some(Ok(Outcome::Done)));
    });
    bed.tick(None);
    assert!(!bed.traces().is_empty(), "what the slice wrote is still to be erased");
    assert_eq!(bed.tick(None).unwrap().active, 0);
    gone(&bed, "noticed");
}

/// In a later run, too, with what changed at the source noted.
#[test]
fn in_the_middle_of_a_later_run() {
    let mut seen = std::collections::BTreeSet::new();
    for cut in (0..200).step_by(3) {
        let bed = bed();
        bed.finish();
        bed.source.mailboxes.expunge("INBOX", &[1, 2]);
        bed.source.mailboxes.add("leer", super::whole::sample("i1@x", 100));
        bed.synchronise();
        bed.tick(Some(cut));
        let name = |key: String| key.split('/').nth(2).unwrap_or_default().to_owned();
        seen.extend(bed.traces().into_iter().filter(|key| key.contains(bed.id.as_str())).map(name));
        bed.erase(None);
        bed.settle();
        assert_eq!(bed.traces(), Vec::<String>::new(), "cut after {cut}");
    }
    assert!(seen.contains("orphans") && seen.contains("moving"), "{seen:?}");
}

/// A journal of a million messages, in slices that hold their budget.
#[test]
fn a_million_items_in_slices() {
    let bed = bed();
    let migration = bed.finish();
    assert_eq!(migration.status, Status::Completed);
    // Two thousand messages a segment, about 18 bytes a message, and some folders without any.
    let segments = 500;
    block_on(async {
        let mut cursor: Cursor =
            records::read(&bed.memory, &keys::cursor(&bed.id)).await.unwrap().unwrap();
        let mut rows = ledger::table::all(&bed.memory, &bed.id, cursor.folders).await.unwrap();
        for (at, row) in rows.iter_mut().enumerate() {
            row.segments = if at == 1 { segments } else { row.segments.max(at as u32) };
            for segment in 0..row.segments {
                let key = keys::journal(&bed.id, at as u32, segment);
                bed.memory.set(&key, vec![7; 36_000]).await.unwrap();
            }
        }
        // Ten pages of failures were there before a retry began the list anew.
        (cursor.folders, cursor.failures) = (rows.len() as u32, 150);
        records::write(&bed.memory, &keys::cursor(&bed.id), &cursor).await.unwrap();
        for (page, rows) in rows.chunks(FOLDERS_PER_PAGE).enumerate() {
            let key = keys::folders(&bed.id, page as u32);
            records::write(&bed.memory, &key, &rows).await.unwrap();
        }
        for page in 0..10 {
            records::write(&bed.memory, &keys::failures(&bed.id, page), &[0]).await.unwrap();
        }
    });
    let bytes: usize = bed
        .memory
        .all()
        .iter()
        .filter(|(key, _)| key.contains(bed.id.as_str()))
        .map(|(key, value)| key.len() + value.len())
        .sum();
    // Each write takes ten milliseconds, and a slice may take a hundred.
    bed.write_ms.set(10);
    bed.slice_ms.set(100);
    let begun = bed.now_ms();
    bed.erase(None);
    let longest_ms = 1_000 + 100;
    assert!(bed.now_ms() - begun <= longest_ms, "{} ms", bed.now_ms() - begun);
    assert!(bed.traces().len() > 200, "too much for one call");
    let mut slices = 0;
    while !bed.traces().is_empty() {
        let begun = bed.now_ms();
        // Cut every third slice: it is taken up where it was.
        bed.tick((slices % 3 == 2).then_some(3));
        assert!(bed.now_ms() - begun <= 100 + 50, "{} ms", bed.now_ms() - begun);
        slices += 1;
        assert!(slices < 5_000);
    }
    gone(&bed, "in slices");
    let counted = counter(&bed, metrics::BYTES_ERASED);
    // A cut between the deletion and its count loses at most one deletion.
    let uncounted = (bytes as u64 + 1_000).saturating_sub(counted);
    assert!(uncounted < 2_000 + 3 * 36_100 * slices, "{counted} counted of {bytes}");
    assert!(counted < bytes as u64 + 1_000, "{counted} counted of {bytes}");
}
