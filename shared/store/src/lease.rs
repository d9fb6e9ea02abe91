//! Who works on a migration: one at a time, and nobody for ever.
//!
//! A lease is a record with a fence number from an atomic counter. It is taken by swapping an
//! expired one, so that of two claimers one wins; whoever finds another fence there stops at once.
//! The record is made with the migration, since swapping a missing key is not atomic everywhere.
//!
//! Within one process of a host that owns its store alone, time is the monotonic clock's: no step of
//! the wall clock ends a lease or makes it last. Elsewhere there is only the wall clock, so a lease
//! may be taken from somebody who is still at work. Whoever took one that was not released knows
//! ([`Lease::is_contested`]) and waits until the other must have noticed before it sends anything.
//! What a holder writes goes through [`Lease::write`], which the store refuses once the lease is
//! another's.

use std::collections::BTreeSet;

use model::MigrationId;
use serde::{Deserialize, Serialize};

use crate::{Error, Store, keys, records};

/// How long a lease lasts without being renewed. Longer than any single step between two
/// checkpoints should take; a dead slice is taken over after this.
pub const LEASE_MS: u64 = 30_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    fence: u64,
    until_ms: u64,
    /// Which process of a host that owns the store alone; empty where nobody can tell.
    boot: String,
    /// `until_ms` by the monotonic clock of that process (ms); 0 where nobody can tell.
    #[serde(default)]
    until_monotonic_ms: u64,
    /// Whether an earlier holder, from whom it was taken, may still be at work.
    #[serde(default)]
    contested: bool,
}

/// What the clocks say, and whose they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment<'a> {
    /// The wall clock (ms since 1970).
    pub now_ms: u64,
    /// The monotonic clock of this process (ms); `None` where it is not the same in all its
    /// instances, or is not asked.
    pub monotonic_ms: Option<u64>,
    /// The nonce of this process where the host owns the store alone (`TRASLOCO_BOOT`), else empty.
    pub boot: &'a str,
}

impl<'a> Moment<'a> {
    /// A moment by the wall clock alone.
    pub fn wall(now_ms: u64, boot: &'a str) -> Self {
        Moment { now_ms, monotonic_ms: None, boot }
    }

    fn lease(self, fence: u64, contested: bool) -> Record {
        let until_monotonic_ms = match (self.boot, self.monotonic_ms) {
            ("", _) | (_, None) => 0,
            (_, Some(monotonic_ms)) => monotonic_ms + LEASE_MS,
        };
        let (until_ms, boot) = (self.now_ms + LEASE_MS, self.boot.to_owned());
        Record { fence, until_ms, boot, until_monotonic_ms, contested }
    }
}

impl Record {
    fn released(fence: u64) -> Self {
        Record { fence, until_ms: 0, boot: String::new(), until_monotonic_ms: 0, contested: false }
    }
}

/// A lease that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    id: MigrationId,
    record: Record,
    /// Whether an earlier holder must have noticed by now.
    waited: bool,
}

/// Attempts of one write; each failed one means that a clone of the lease renewed it meanwhile.
const WRITES_MAX: u32 = 100;

/// Makes the (expired) lease of a new migration; part of the migration's first write.
pub fn unclaimed(id: &MigrationId) -> Result<(String, Vec<u8>), Error> {
    let key = keys::lease(id);
    let bytes = records::encode(&key, &Record::released(0))?;
    Ok((key, bytes))
}

/// Takes the lease of `id` for a change that sends nothing, by the wall clock; `None` while someone
/// else holds it, or where there is no migration.
pub async fn claim(
    store: &impl Store,
    id: &MigrationId,
    now_ms: u64,
    boot: &str,
) -> Result<Option<Lease>, Error> {
    claim_at(store, id, Moment::wall(now_ms, boot)).await
}

/// The same for a slice. A lease of another boot of the same host is a dead process's, whatever its
/// time says.
pub async fn claim_at(
    store: &impl Store,
    id: &MigrationId,
    moment: Moment<'_>,
) -> Result<Option<Lease>, Error> {
    let key = keys::lease(id);
    let Some(before) = store.get(&key).await? else { return Ok(None) };
    let held: Record = records::decode(&key, &before)?;
    if !is_free_at(&held, moment) {
        return Ok(None);
    }
    let fence = store.increment(&keys::fence(id), 1).await?;
    let taken = held.until_ms != 0 || held.contested;
    let record = moment.lease(fence, taken && !is_dead(&held, moment.boot));
    if store.swap(&key, &before, records::encode(&key, &record)?).await? {
        return Ok(Some(Lease { id: id.clone(), record, waited: false }));
    }
    if store.get(&key).await?.is_none() {
        // The migration was erased meanwhile, and its fence was made again just now.
        store.delete(&keys::fence(id)).await?;
    }
    Ok(None)
}

/// Who held a lease that was taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The number of its lease.
    pub fence: u64,
    /// Until when it may still be writing (ms since 1970).
    pub until_ms: u64,
}

/// What [`seize`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seized {
    /// There is no such migration.
    Gone,
    /// Nobody worked on it.
    Idle,
    /// This holder notices at its next checkpoint; what it is writing may still come.
    From(Holder),
}

/// Attempts to seize a lease before giving up; each failed one means that it was renewed.
const SEIZURES_MAX: u32 = 100;

/// Takes the lease of `id` away from whoever has it, for good: nothing gives it back.
pub async fn seize(
    store: &impl Store,
    id: &MigrationId,
    now_ms: u64,
    boot: &str,
) -> Result<Seized, Error> {
    let key = keys::lease(id);
    for _ in 0..SEIZURES_MAX {
        let Some(before) = store.get(&key).await? else { return Ok(Seized::Gone) };
        let held: Record = records::decode(&key, &before)?;
        let fence = store.increment(&keys::fence(id), 1).await?;
        let record = Moment::wall(now_ms, boot).lease(fence, false);
        if store.swap(&key, &before, records::encode(&key, &record)?).await? {
            return Ok(match is_free(&held, now_ms, boot) {
                true => Seized::Idle,
                false => Seized::From(Holder { fence: held.fence, until_ms: held.until_ms }),
            });
        }
    }
    Err(Error::Store(format!("{key} changes too often")))
}

/// Which of these leases (migration and fence number) are held.
pub(crate) async fn held<'a>(
    store: &impl Store,
    leases: impl Iterator<Item = (&'a MigrationId, u64)>,
    now_ms: u64,
    boot: &str,
) -> Result<BTreeSet<MigrationId>, Error> {
    let leases: Vec<(&MigrationId, u64)> = leases.collect();
    let names: Vec<String> = leases.iter().map(|(id, _)| keys::lease(id)).collect();
    let mut held = BTreeSet::new();
    for (((id, fence), key), value) in leases.iter().zip(&names).zip(store.get_many(&names).await?)
    {
        let Some(bytes) = value else { continue };
        // A lease that cannot be read is nobody's.
        let record = records::decode::<Record>(key, &bytes);
        if record.is_ok_and(|record| record.fence == *fence && !is_free(&record, now_ms, boot)) {
            held.insert((*id).clone());
        }
    }
    Ok(held)
}

/// On which of these migrations somebody works.
pub async fn held_by_anybody(
    store: &impl Store,
    ids: impl Iterator<Item = &MigrationId>,
    now_ms: u64,
    boot: &str,
) -> Result<BTreeSet<MigrationId>, Error> {
    let ids: Vec<&MigrationId> = ids.collect();
    let names: Vec<String> = ids.iter().map(|id| keys::lease(id)).collect();
    let mut held = BTreeSet::new();
    if names.is_empty() {
        return Ok(held);
    }
    for ((id, key), value) in ids.iter().zip(&names).zip(store.get_many(&names).await?) {
        let Some(bytes) = value else { continue };
        // Whose lease cannot be read is told by whoever claims it, and stops nobody else.
        if records::decode(key, &bytes).is_ok_and(|lease| !is_free(&lease, now_ms, boot)) {
            held.insert((*id).clone());
        }
    }
    Ok(held)
}

/// Whether its process is gone, with all that it did.
fn is_dead(held: &Record, boot: &str) -> bool {
    !boot.is_empty() && !held.boot.is_empty() && held.boot != boot
}

fn is_free(held: &Record, now_ms: u64, boot: &str) -> bool {
    is_free_at(held, Moment::wall(now_ms, boot))
}

fn is_free_at(held: &Record, moment: Moment<'_>) -> bool {
    if held.until_ms == 0 || is_dead(held, moment.boot) {
        return true;
    }
    let ours = !moment.boot.is_empty() && held.boot == moment.boot;
    match moment.monotonic_ms {
        Some(monotonic_ms) if ours && held.until_monotonic_ms > 0 => {
            held.until_monotonic_ms <= monotonic_ms
        }
        // A clock that was set back must not lock a migration for years.
        Some(_) | None => {
            held.until_ms <= moment.now_ms || held.until_ms > moment.now_ms + 2 * LEASE_MS
        }
    }
}

impl Lease {
    /// Its number.
    pub fn fence(&self) -> u64 {
        self.record.fence
    }

    /// Whether it was taken from somebody who may still be at work: before anything is sent, that
    /// one needs time to notice.
    pub fn is_contested(&self) -> bool {
        self.record.contested && !self.waited
    }

    /// Takes note that an earlier holder has had time to notice; written with the next renewal.
    pub fn waited_out(&mut self) {
        self.waited = true;
    }

    fn is(&self, current: &Record) -> bool {
        current.fence == self.record.fence && current.until_ms != 0
    }

    /// Writes several values, if the lease is still ours in the moment of the write; `false` where
    /// it is not, and nothing was written.
    pub async fn write(
        &self,
        store: &impl Store,
        mut pairs: Vec<(String, Vec<u8>)>,
    ) -> Result<bool, Error> {
        let key = keys::lease(&self.id);
        for _ in 0..WRITES_MAX {
            let Some(bytes) = store.get(&key).await? else { return Ok(false) };
            if !self.is(&records::decode(&key, &bytes)?) {
                return Ok(false);
            }
            match store.set_many_if((&key, &bytes), pairs).await? {
                Ok(()) => return Ok(true),
                Err(unwritten) => pairs = unwritten,
            }
        }
        Err(Error::Store(format!("{key} changes too often")))
    }

    /// Whether the lease is still ours; renews it where a third of its time has gone. Clones of a
    /// lease may renew it in turn: the fence says whose it is.
    pub async fn renew(&mut self, store: &impl Store, moment: Moment<'_>) -> Result<bool, Error> {
        let key = keys::lease(&self.id);
        let Some(bytes) = store.get(&key).await? else { return Ok(false) };
        let current: Record = records::decode(&key, &bytes)?;
        if !self.is(&current) {
            return Ok(false);
        }
        self.record = current;
        let settles = self.record.contested && self.waited;
        if self.is_fresh(moment) && !settles {
            return Ok(true);
        }
        let contested = self.record.contested && !self.waited;
        let renewed = moment.lease(self.record.fence, contested);
        if store.swap(&key, &bytes, records::encode(&key, &renewed)?).await? {
            self.record = renewed;
            return Ok(true);
        }
        // Somebody swapped meanwhile: a clone of ours, or a taker.
        let after = store.get(&key).await?.map(|bytes| records::decode::<Record>(&key, &bytes));
        let after = after.transpose()?;
        Ok(after.is_some_and(|record| self.is(&record)))
    }

    /// Whether it lasts for most of its time by each of the clocks. One that lasts for longer was
    /// made before the wall clock was set back.
    fn is_fresh(&self, moment: Moment<'_>) -> bool {
        const LEAST_MS: u64 = LEASE_MS / 3 * 2;
        let left_ms = self.record.until_ms.saturating_sub(moment.now_ms);
        let monotonic = match moment.monotonic_ms {
            Some(monotonic_ms) if !moment.boot.is_empty() => {
                self.record.until_monotonic_ms > monotonic_ms + LEAST_MS
            }
            Some(_) | None => true,
        };
        monotonic && left_ms > LEAST_MS && left_ms <= LEASE_MS
    }

    /// Gives it back, if it is ours.
    pub async fn release(mut self, store: &impl Store) -> Result<(), Error> {
        let key = keys::lease(&self.id);
        let Some(bytes) = store.get(&key).await? else { return Ok(()) };
        let current: Record = records::decode(&key, &bytes)?;
        if current.fence == self.record.fence {
            let contested = current.contested && !self.waited;
            let boot = if contested { current.boot } else { String::new() };
            self.record = Record { boot, contested, ..Record::released(current.fence) };
            store.swap(&key, &bytes, records::encode(&key, &self.record)?).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use futures::executor::block_on;

    #[test]
    fn one_at_a_time_and_nobody_for_ever() {
        block_on(async {
            let store = Memory::default();
            let id = MigrationId::from_random(&[3; 26]);
            assert_eq!(claim(&store, &id, 5, "").await, Ok(None), "no migration");
            let (key, value) = unclaimed(&id).unwrap();
            store.set(&key, value).await.unwrap();

            let mut first = claim(&store, &id, 1000, "").await.unwrap().unwrap();
            assert_eq!(claim(&store, &id, 1001, "").await, Ok(None), "held");
            assert_eq!(first.renew(&store, Moment::wall(20_000, "")).await, Ok(true));
            assert_eq!(claim(&store, &id, 40_000, "").await, Ok(None), "renewed");

            let second = claim(&store, &id, 50_001, "").await.unwrap().unwrap();
            assert_eq!(
                first.renew(&store, Moment::wall(50_002, "")).await,
                Ok(false),
                "taken over"
            );
            first.release(&store).await.unwrap();
            assert_eq!(
                claim(&store, &id, 50_003, "").await,
                Ok(None),
                "releasing a lost lease is nothing"
            );
            second.release(&store).await.unwrap();
            assert!(claim(&store, &id, 50_004, "").await.unwrap().is_some());
        });
    }

    #[test]
    fn a_dead_boot_holds_nothing() {
        block_on(async {
            let store = Memory::default();
            let id = MigrationId::from_random(&[3; 26]);
            let (key, value) = unclaimed(&id).unwrap();
            store.set(&key, value).await.unwrap();
            assert!(claim(&store, &id, 1000, "boot a").await.unwrap().is_some());
            assert_eq!(claim(&store, &id, 1001, "boot a").await, Ok(None));
            assert_eq!(claim(&store, &id, 1001, "").await, Ok(None));
            assert!(claim(&store, &id, 1001, "boot b").await.unwrap().is_some());
        });
    }

    #[test]
    fn a_seized_lease_tells_who_had_it() {
        block_on(async {
            let store = Memory::default();
            let id = MigrationId::from_random(&[3; 26]);
            assert_eq!(seize(&store, &id, 1, "").await, Ok(Seized::Gone));
            assert_eq!(store.all(), [], "nothing is made of a migration that is not there");
            let (key, value) = unclaimed(&id).unwrap();
            store.set(&key, value).await.unwrap();
            assert_eq!(seize(&store, &id, 1000, "").await, Ok(Seized::Idle));
            let mut held = claim(&store, &id, 50_000, "").await.unwrap().unwrap();
            let holder = Holder { fence: held.fence(), until_ms: 80_000 };
            assert_eq!(seize(&store, &id, 50_001, "").await, Ok(Seized::From(holder)));
            assert_eq!(held.renew(&store, Moment::wall(50_002, "")).await, Ok(false));
            assert_eq!(claim(&store, &id, 50_003, "").await, Ok(None));
        });
    }

    const HOUR_MS: u64 = 3_600_000;

    fn at(now_ms: u64, monotonic_ms: u64) -> Moment<'static> {
        Moment { now_ms, monotonic_ms: Some(monotonic_ms), boot: "a" }
    }

    async fn with_lease() -> (Memory, MigrationId) {
        let (store, id) = (Memory::default(), MigrationId::from_random(&[3; 26]));
        let (key, value) = unclaimed(&id).unwrap();
        store.set(&key, value).await.unwrap();
        (store, id)
    }

    #[test]
    fn no_step_of_the_wall_clock_ends_a_lease_of_this_process() {
        block_on(async {
            let (store, id) = with_lease().await;
            let mut first = claim_at(&store, &id, at(HOUR_MS, 500)).await.unwrap().unwrap();
            assert!(!first.is_contested(), "it was free");
            for wall_ms in [0, HOUR_MS - 45_000, HOUR_MS + 45_000, 9 * HOUR_MS] {
                assert_eq!(claim_at(&store, &id, at(wall_ms, 30_000)).await, Ok(None), "{wall_ms}");
            }
            assert_eq!(first.renew(&store, at(0, 20_000)).await, Ok(true));
            assert_eq!(claim_at(&store, &id, at(HOUR_MS, 49_999)).await, Ok(None), "renewed");
            let second = claim_at(&store, &id, at(0, 50_000)).await.unwrap().unwrap();
            assert!(second.is_contested(), "it was not released");
        });
    }

    #[test]
    fn whoever_takes_a_lease_knows_until_it_has_waited() {
        block_on(async {
            let (store, id) = with_lease().await;
            drop(claim(&store, &id, 1_000, "").await.unwrap().unwrap());
            let taken = claim(&store, &id, 50_000, "").await.unwrap().unwrap();
            assert!(taken.is_contested());
            taken.release(&store).await.unwrap();
            let mut next = claim(&store, &id, 50_001, "").await.unwrap().unwrap();
            assert!(next.is_contested(), "nobody has waited so far");
            next.waited_out();
            assert_eq!(next.renew(&store, Moment::wall(50_002, "")).await, Ok(true));
            next.release(&store).await.unwrap();
            assert!(!claim(&store, &id, 50_003, "").await.unwrap().unwrap().is_contested());
            // Of a process that is gone nobody is at work any more.
            assert!(claim(&store, &id, 90_000, "b").await.unwrap().unwrap().is_contested());
            assert!(!claim(&store, &id, 90_001, "c").await.unwrap().unwrap().is_contested());
        });
    }

    #[test]
    fn nobody_writes_with_a_lease_that_was_taken() {
        block_on(async {
            let (store, id) = with_lease().await;
            let pair = |text: &str| vec![("k".to_owned(), text.as_bytes().to_vec())];
            let mut first = claim(&store, &id, 1_000, "").await.unwrap().unwrap();
            assert_eq!(first.renew(&store, Moment::wall(2_000, "")).await, Ok(true));
            let second = claim(&store, &id, 50_000, "").await.unwrap().unwrap();
            assert_eq!(second.write(&store, pair("second")).await, Ok(true));
            assert_eq!(first.write(&store, pair("first")).await, Ok(false));
            assert_eq!(store.get("k").await, Ok(Some(b"second".to_vec())));
            second.clone().release(&store).await.unwrap();
            assert_eq!(second.write(&store, pair("late")).await, Ok(false));
            assert_eq!(store.get("k").await, Ok(Some(b"second".to_vec())));
        });
    }
}
