//! Two drivers at work, a wall clock that is set at any moment, and writers that are held up.

use std::cell::RefCell;
use std::rc::Rc;

use dial::{Ciphers, Dialer, Networks, Trust};
use fake_imap::Features;
use futures::FutureExt;
use futures::future::join;
use model::{Item, Status};
use store::lease::{self, LEASE_MS};
use store::seal::Seal;
use store::{Store, keys};

use super::bed::{Bed, KEY, RETENTION_MS};
use super::whole::{fill, sample};
use crate::World;
use crate::advance::{Alone, tick};

/// Longest sleep of a driver, which may have been told a time by another clock.
const NAP_MAX_MS: u64 = 3_000;

impl Bed {
    /// Two drivers of one process, until nothing is due any more; without a nonce where `boot` is empty.
    fn two_drivers(&self, boot: &'static str) {
        assert!(self.drivers_for(boot, 2_000), "does not end");
    }

    /// Two drivers that tick so often at most; whether nothing is due any more.
    pub(super) fn drivers_for(&self, boot: &'static str, ticks: u32) -> bool {
        let hosts = (self.host(), self.host());
        let slice_ms = self.slice_ms.get();
        self.with_power(None, |store| async move {
            let seal = Seal::from_variable(KEY).unwrap();
            macro_rules! driver {
                ($host:expr) => {{
                    let host = $host;
                    let dialer = Dialer {
                        host,
                        networks: Networks::parse("127.0.0.0/8").unwrap(),
                        trust: Trust::new("").unwrap(),
                        doh_url: String::new(),
                        allow_plaintext: true,
                        idle_timeout_s: 60,
                        ciphers: Ciphers::All,
                    };
                    let (store, seal) = (&store, &seal);
                    let (ispdb_url, retention_ms) = ("", RETENTION_MS);
                    let world = World {
                        host,
                        store,
                        dialer,
                        seal,
                        ispdb_url,
                        boot,
                        slice_ms,
                        retention_ms,
                    };
                    async move {
                        for _ in 0..ticks {
                            let ticked = tick(&world, &Alone).await.unwrap();
                            let Some(due_ms) = ticked.next_due_ms else { return true };
                            let ms = due_ms.saturating_sub(wire::Clock::now_ms(world.host));
                            wire::Clock::sleep_ms(world.host, ms.clamp(10, NAP_MAX_MS)).await;
                        }
                        false
                    }
                }};
            }
            let ended = join(driver!(&hosts.0), driver!(&hosts.1)).await;
            ended.0 && ended.1
        })
        .unwrap()
    }
}

/// A bed whose lines take some time for the messages.
fn slow_bed() -> Bed {
    let bed = Bed::new(Features::modern(), Features::modern());
    fill(&bed);
    for n in 0..4 {
        bed.source.mailboxes.add("INBOX", sample(&format!("large-{n}@x"), 60_000));
    }
    bed.source.speed.slow(2_000, 4_000, 700);
    bed
}

#[track_caller]
fn assert_once(bed: &Bed, place: &str) {
    let migration = bed.migration();
    assert_eq!(migration.status, Status::Completed, "{place}: {:?}", migration.last_error);
    let (source, destination) = (bed.source.mailboxes.digest(), bed.destination.mailboxes.digest());
    assert_eq!(source, destination, "{place}");
    let mail = migration.progress[&Item::Mail];
    assert_eq!(mail.total, mail.migrated + mail.skipped, "{place}");
}

/// The wall clock is set forwards or back at any operation, with a second driver alive, in a host that
/// tells its boot and in one that does not.
#[test]
fn no_step_of_the_clock_doubles_or_loses_anything() {
    let whole = slow_bed();
    whole.two_drivers("a");
    assert_once(&whole, "no step");
    let operations = whole.used();
    assert!(operations > 60, "{operations}");
    for at in (0..operations).step_by(4) {
        for (n, by_ms) in [45_000, -45_000, 3_600_000, -3_600_000].into_iter().enumerate() {
            let boot = if (usize::try_from(at).unwrap() / 4 + n) % 2 == 0 { "a" } else { "" };
            let bed = slow_bed();
            let set_by_ms = bed.timers.set_by_ms.clone();
            bed.before(bed.used() + at, move || set_by_ms.set(by_ms));
            bed.two_drivers(boot);
            assert_once(&bed, &format!("by {by_ms} before {at}, boot {boot:?}"));
        }
    }
}

/// Just before any write of a slice, somebody takes its lease: nothing of the write is kept, and the
/// next slice waits before it sends.
#[test]
fn a_writer_that_was_held_up_writes_over_nothing() {
    let mut taken = 0;
    for at in 0.. {
        let bed = Bed::new(Features::modern(), Features::modern());
        fill(&bed);
        let (memory, id) = (bed.memory.clone(), bed.id.clone());
        let later_ms = bed.now_ms() + 2 * LEASE_MS - 1;
        let seen = Rc::new(RefCell::new(None));
        let keep = seen.clone();
        bed.before(bed.used() + at, move || {
            let take = async {
                let Some(held) = lease::claim(&memory, &id, later_ms, "").await.unwrap() else {
                    return;
                };
                let stands = memory.get_many(&[keys::migration(&id), keys::cursor(&id)]).await;
                *keep.borrow_mut() = Some(stands.unwrap());
                drop(held);
            };
            take.now_or_never().unwrap();
        });
        bed.tick(None);
        let whole = seen.borrow().is_none();
        if let Some(stood) = seen.take() {
            let names = [keys::migration(&bed.id), keys::cursor(&bed.id)];
            let stands = bed.memory.get_many(&names).now_or_never().unwrap().unwrap();
            let done = bed.migration().status == Status::Completed;
            assert!(stands == stood || done, "before {at}");
            taken += 1;
        }
        bed.wait(2 * LEASE_MS);
        let before_ms = bed.now_ms();
        let migration = bed.finish();
        assert_eq!(migration.status, Status::Completed, "before {at}: {:?}", migration.last_error);
        bed.assert_same();
        if !whole && bed.used() > at + 20 && at > 10 {
            assert!(bed.now_ms() >= before_ms, "{at}");
        }
        if at > 20 && bed.used() <= at {
            break;
        }
    }
    assert!(taken > 20, "{taken}");
}
