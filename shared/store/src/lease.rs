//! Who works on a migration: one at a time, and nobody for ever.
//!
//! A lease is a record with a fence number from an atomic counter. It is taken by swapping an
//! expired one, so that of two claimers one wins; whoever finds another fence there stops at once.
//! The record is made with the migration, since swapping a missing key is not atomic everywhere.

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
    let dead = !boot.is_empty() && !held.boot.is_empty() && held.boot != boot;
    // A clock that was set back must not lock a migration for years.
    let expired = held.until_ms <= now_ms || held.until_ms > now_ms + 2 * LEASE_MS;
    if !expired && !dead {
        return Ok(None);
    }
    let fence = store.increment(&keys::fence(id), 1).await?;
    let record = Record { fence, until_ms: now_ms + LEASE_MS, boot: boot.to_owned() };
    let won = store.swap(&key, &before, records::encode(&key, &record)?).await?;
    Ok(won.then(|| Lease { id: id.clone(), record }))
}

impl Lease {
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
}
