//! Servers that drip or fall silent at any step, lines that are slow, and owners who do not wait.

use fake_imap::Features;
use futures::FutureExt;
use model::{Item, Migration, Status, Timestamp};
use store::memory::Memory;

use super::bed::{Bed, Server};
use super::lines::Speed;
use super::whole::{fill, sample};
use crate::limits::{LONG_SLICES_MAX, SLICES_MAX, WINDOW_MS, YIELD_AFTER_MS};
use crate::owner::lifecycle;

/// The longest that a slice may last whose server brings nothing: its budget, a window, a look.
const SLICE_END_MS: u64 = 10_000 + WINDOW_MS + 2_000;

/// What a store in memory does is done at once, also beside a run.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().unwrap()
}

/// Which of the two servers.
fn servers() -> [fn(&Bed) -> &Server; 2] {
    [|bed| &bed.source, |bed| &bed.destination]
}

/// Places in a whole run: numbers of octets that have gone to or from a server.
fn places(server: fn(&Bed) -> &Server, features: &Features) -> Vec<u64> {
    let whole = bed(features);
    whole.finish();
    let gone = server(&whole).speed.gone();
    assert!(gone > 1_000, "{gone}");
    // Of 37 places none is at the same place of two steps.
    (0..37).map(|n| gone * n / 37).collect()
}

fn bed(features: &Features) -> Bed {
    let bed = Bed::new(features.clone(), features.clone());
    fill(&bed);
    bed
}

/// One octet every 20 s is below every limit on silence.
fn drips(speed: &Speed, from: u64) {
    speed.slow(from, 1, 20_000);
}

#[track_caller]
fn completes(bed: &Bed, place: &str) -> Migration {
    let migration = bed.finish();
    assert_eq!(migration.status, Status::Completed, "{place}: {:?}", migration.last_error);
    let (source, destination) = (bed.source.mailboxes.digest(), bed.destination.mailboxes.digest());
    assert_eq!(source, destination, "{place}");
    migration
}

#[test]
fn a_drip_at_any_step_ends_the_slice_and_nothing_is_lost() {
    for features in [Features::modern(), Features::bare()] {
        for server in servers() {
            for from in places(server, &features) {
                let bed = bed(&features);
                drips(&server(&bed).speed, from);
                let began_ms = bed.now_ms();
                bed.tick(None).unwrap();
                let (took_ms, migration) = (bed.now_ms() - began_ms, bed.migration());
                assert!(took_ms <= SLICE_END_MS, "after {from} octets: {took_ms} ms");
                if migration.status != Status::Completed {
                    assert_eq!(migration.status, Status::Waiting, "after {from} octets");
                    let waiting = migration.waiting.unwrap();
                    let told = &waiting.reason;
                    let words = ["too slow", "no answer", "no mail server answers"];
                    assert!(words.iter().any(|word| told.contains(word)), "{told}");
                    let side = if std::ptr::eq(server(&bed), &bed.source) {
                        "The source"
                    } else {
                        "The destination"
                    };
                    assert!(told.starts_with(side), "after {from} octets: {told}");
                    if told.contains("too slow") {
                        assert!(waiting.until.0 >= bed.now_ms() + 55_000, "it holds no places");
                    }
                }
                server(&bed).speed.fast();
                completes(&bed, &format!("after {from} octets"));
            }
        }
    }
}

/// Does to the migration what its owner does on its page.
fn act(memory: &Memory, bed: &Bed, pausing: bool) -> impl FnOnce() + use<> {
    let (memory, id, now) = (memory.clone(), bed.id.clone(), Timestamp(bed.now_ms()));
    move || {
        let done = match pausing {
            true => at_once(lifecycle::pause(&memory, &id, now, "0")),
            false => at_once(lifecycle::stop(&memory, &id, now, "0")),
        };
        assert_eq!(done, Ok(lifecycle::Outcome::Done));
    }
}

#[test]
fn a_stop_and_a_pause_are_seen_within_five_seconds_whatever_a_server_does() {
    // A drip, and silence.
    for (octets, ms) in [(1, 1_500), (1, 20_000), (1, 59_000)] {
        for server in servers() {
            for from in places(server, &Features::modern()) {
                for pausing in [false, true] {
                    let bed = bed(&Features::modern());
                    server(&bed).speed.slow(from, octets, ms);
                    let began_ms = bed.now_ms();
                    bed.later(3_000, act(&bed.memory, &bed, pausing));
                    bed.tick(None).unwrap();
                    let place = format!("after {from} octets, one in {ms} ms");
                    if bed.migration().status == Status::Completed {
                        continue;
                    }
                    let took_ms = bed.now_ms() - began_ms;
                    assert!(took_ms < 8_000, "{place}: {took_ms} ms");
                    let status = if pausing { Status::Paused } else { Status::Stopped };
                    assert_eq!(bed.migration().status, status, "{place}");
                    server(&bed).speed.fast();
                    if pausing {
                        bed.resume();
                    } else {
                        assert!(
                            bed.memory.all().iter().all(|(key, _)| !key.ends_with("/credentials"))
                        );
                        bed.synchronise();
                    }
                    completes(&bed, &place);
                }
            }
        }
    }
}

#[test]
fn however_often_it_is_paused_in_the_middle_a_message_is_not_given_up() {
    let bed = Bed::new(Features::modern(), Features::modern());
    bed.source.mailboxes.add("INBOX", sample("large@x", 300_000));
    for _ in 0..20 {
        // Fast up to the middle of the message.
        bed.source.speed.slow(bed.source.speed.gone() + 50_000, 1, 10_000);
        bed.later(30_000, act(&bed.memory, &bed, true));
        bed.tick(None).unwrap();
        assert_eq!(bed.migration().status, Status::Paused);
        bed.source.speed.fast();
        bed.resume();
    }
    let migration = completes(&bed, "paused twenty times");
    assert_eq!(migration.progress[&Item::Mail].migrated, 1);
}

#[test]
fn large_messages_arrive_over_honest_slow_lines() {
    // 128 KiB/s; 56 kbit/s; and the latter shared by two.
    for octets_a_second in [128 << 10, 6_000, 3_000] {
        for server in servers() {
            let bed = Bed::new(Features::modern(), Features::modern());
            for n in 0..2 {
                bed.source.mailboxes.add("INBOX", sample(&format!("large{n}@x"), 2_000_000));
            }
            server(&bed).speed.slow(0, octets_a_second, 1_000);
            bed.tick(None).unwrap();
            let mail = bed.migration().progress[&Item::Mail];
            assert_eq!(mail.migrated, 2, "at {octets_a_second} octets a second");
            completes(&bed, "over a slow line");
        }
    }
}

#[test]
fn slow_slices_leave_places_to_others() {
    let slow_for = |wanted: bool, others: u32| {
        let bed = Bed::new(Features::modern(), Features::modern());
        bed.source.mailboxes.add("INBOX", sample("large@x", 10_000_000));
        bed.source.speed.slow(0, 6_000, 1_000);
        if wanted {
            let memory = bed.memory.clone();
            let at_ms = 60_000 + YIELD_AFTER_MS;
            let now_ms = bed.now_ms() + at_ms;
            bed.later(at_ms, move || somebody_waits(&memory, now_ms));
        }
        for n in 0..others {
            takes_a_long_place(&bed.memory, n, bed.now_ms());
        }
        let began_ms = bed.now_ms();
        bed.tick(None).unwrap();
        let migration = bed.migration();
        (migration.waiting.map(|waiting| waiting.reason), bed.now_ms() - began_ms)
    };
    let (told, took_ms) = slow_for(false, 0);
    assert!(told.is_none() && took_ms > 20 * 60_000, "{took_ms} ms {told:?}");
    let (told, took_ms) = slow_for(true, 0);
    assert!(told.unwrap().contains("others wait"));
    assert!(took_ms <= YIELD_AFTER_MS + 3 * WINDOW_MS, "{took_ms} ms");
    let (told, took_ms) = slow_for(false, LONG_SLICES_MAX);
    assert!(told.unwrap().contains("others wait"));
    assert!(took_ms <= SLICE_END_MS, "{took_ms} ms");
}

fn somebody_waits(memory: &Memory, now_ms: u64) {
    let id = model::MigrationId::from_random(&[5; 26]);
    let holder = store::hosts::Holder { id: &id, fence: 1, boot: "0" };
    let took = at_once(store::hosts::take(memory, "127.0.0.1:2", (holder, 1), 1, now_ms));
    assert!(took.unwrap().is_err(), "the place is taken");
}

fn takes_a_long_place(memory: &Memory, n: u32, now_ms: u64) {
    let lease = at_work(memory, n, now_ms);
    let id = other(n);
    let holder = store::hosts::Holder { id: &id, fence: lease.fence(), boot: "0" };
    let name = crate::servers::LONG_SLICES;
    let took = at_once(store::hosts::take(memory, name, (holder, 1), LONG_SLICES_MAX, now_ms));
    assert!(took.unwrap().is_ok());
}

fn other(n: u32) -> model::MigrationId {
    let n = u8::try_from(n).unwrap();
    let mut random = [7; 26];
    (random[0], random[1]) = (n % 32, n / 32);
    model::MigrationId::from_random(&random)
}

/// Somebody else's migration on which a slice works.
fn at_work(memory: &Memory, n: u32, now_ms: u64) -> store::lease::Lease {
    let id = other(n);
    let (key, value) = store::lease::unclaimed(&id).unwrap();
    at_once(store::Store::set(memory, &key, value)).unwrap();
    at_once(store::due::set(memory, &id, Some(1))).unwrap();
    at_once(store::lease::claim(memory, &id, now_ms + 25_000, "0")).unwrap().unwrap()
}

#[test]
fn no_more_slices_than_may_be_and_those_that_bring_nothing_make_room() {
    let bed = bed(&Features::modern());
    let most = u32::try_from(SLICES_MAX).unwrap();
    let mut leases: Vec<_> = (0..most).map(|n| at_work(&bed.memory, n, bed.now_ms())).collect();
    bed.tick(None).unwrap();
    assert_eq!(bed.migration().status, Status::Pending, "there is no room");
    at_once(leases.pop().unwrap().release(&bed.memory)).unwrap();
    at_once(store::due::set(&bed.memory, &other(most - 1), None)).unwrap();
    // Others have found no room just now: a drip has seconds, where it would have a minute.
    drips(&bed.source.speed, 0);
    let began_ms = bed.now_ms();
    bed.tick(None).unwrap();
    assert_eq!(bed.migration().status, Status::Waiting);
    let took_ms = bed.now_ms() - began_ms;
    assert!(took_ms < 30_000, "{took_ms}");
}
