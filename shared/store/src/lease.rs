//! Who works on a migration: one at a time, and nobody for ever.
//!
//! A lease is a record with a fence number from an atomic counter. It is taken by swapping an
//! expired one, so that of two claimers one wins; whoever finds another fence there stops at once.
//! The record is made with the migration, since swapping a missing key is not atomic everywhere.

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
}

/// A lease that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    id: MigrationId,
    record: Record,
}

/// Makes the (expired) lease of a new migration; part of the migration's first write.
pub fn unclaimed(id: &MigrationId) -> Result<(String, Vec<u8>), Error> {
    let key = keys::lease(id);
    let bytes = records::encode(&key, &Record { fence: 0, until_ms: 0, boot: String::new() })?;
    Ok((key, bytes))
}

/// Takes the lease of `id`; `None` while someone else holds it, or where there is no migration.
///
/// `boot` is the nonce of this process where the host owns the store alone (`TRASLOCO_BOOT`), else
/// empty: a lease of another boot of the same host is a dead process's, whatever its time says.
pub async fn claim(
    store: &impl Store,
    id: &MigrationId,
    now_ms: u64,
    boot: &str,
) -> Result<Option<Lease>, Error> {
    let key = keys::lease(id);
    let Some(before) = store.get(&key).await? else { return Ok(None) };
    let held: Record = records::decode(&key, &before)?;
    if !is_free(&held, now_ms, boot) {
        return Ok(None);
    }
    let fence = store.increment(&keys::fence(id), 1).await?;
    let record = Record { fence, until_ms: now_ms + LEASE_MS, boot: boot.to_owned() };
    if store.swap(&key, &before, records::encode(&key, &record)?).await? {
        return Ok(Some(Lease { id: id.clone(), record }));
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
        let record = Record { fence, until_ms: now_ms + LEASE_MS, boot: boot.to_owned() };
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

fn is_free(held: &Record, now_ms: u64, boot: &str) -> bool {
    let dead = !boot.is_empty() && !held.boot.is_empty() && held.boot != boot;
    // A clock that was set back must not lock a migration for years.
    let expired = held.until_ms <= now_ms || held.until_ms > now_ms + 2 * LEASE_MS;
    expired || dead
}

impl Lease {
    /// Its number.
    pub fn fence(&self) -> u64 {
        self.record.fence
    }

    /// Whether the lease is still ours; renews it where a third of its time has gone. Clones of a
    /// lease may renew it in turn: the fence says whose it is.
    pub async fn renew(&mut self, store: &impl Store, now_ms: u64) -> Result<bool, Error> {
        let key = keys::lease(&self.id);
        let Some(bytes) = store.get(&key).await? else { return Ok(false) };
        let current: Record = records::decode(&key, &bytes)?;
        if current.fence != self.record.fence || current.until_ms == 0 {
            return Ok(false);
        }
        self.record = current;
        if self.record.until_ms > now_ms + LEASE_MS / 3 * 2 {
            return Ok(true);
        }
        let renewed = Record { until_ms: now_ms + LEASE_MS, ..self.record.clone() };
        if store.swap(&key, &bytes, records::encode(&key, &renewed)?).await? {
            self.record = renewed;
            return Ok(true);
        }
        // Somebody swapped meanwhile: a clone of ours, or a taker.
        let after = store.get(&key).await?.map(|bytes| records::decode::<Record>(&key, &bytes));
        let after = after.transpose()?;
        Ok(after.is_some_and(|record| record.fence == self.record.fence && record.until_ms != 0))
    }

    /// Gives it back, if it is ours.
    pub async fn release(mut self, store: &impl Store) -> Result<(), Error> {
        let key = keys::lease(&self.id);
        let Some(bytes) = store.get(&key).await? else { return Ok(()) };
        let current: Record = records::decode(&key, &bytes)?;
        if current.fence == self.record.fence {
            self.record = Record { until_ms: 0, boot: String::new(), ..current };
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
            assert_eq!(first.renew(&store, 20_000).await, Ok(true));
            assert_eq!(claim(&store, &id, 40_000, "").await, Ok(None), "renewed");

            let second = claim(&store, &id, 50_001, "").await.unwrap().unwrap();
            assert_eq!(first.renew(&store, 50_002).await, Ok(false), "taken over");
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
            assert_eq!(held.renew(&store, 50_002).await, Ok(false));
            assert_eq!(claim(&store, &id, 50_003, "").await, Ok(None));
        });
    }
}
