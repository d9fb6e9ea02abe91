//! Which migrations have something to do, and when: the only list there is.
//!
//! A shard is one record `{id: due_ms}`; a migration that waits for its owner is in none, so idle
//! ones cost nothing. Shards are changed by compare-and-swap.

use std::collections::BTreeMap;

use model::MigrationId;

use crate::{Error, Store, keys, records};

/// Attempts to change a shard before giving up; each failed one means somebody else succeeded.
const SWAPS_MAX: u32 = 1000;

type Shard = BTreeMap<MigrationId, u64>;

fn shard_of(id: &MigrationId) -> u8 {
    let sum =
        id.as_str().bytes().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    u8::try_from(sum % u32::from(keys::DUE_SHARDS)).unwrap_or(0)
}

/// Says when `id` is due; `None` takes it out of the index.
pub async fn set(store: &impl Store, id: &MigrationId, due_ms: Option<u64>) -> Result<(), Error> {
    let number = shard_of(id);
    let key = keys::due(number);
    for _ in 0..SWAPS_MAX {
        let Some(before) = store.get(&key).await? else {
            make_shard(store, number).await?;
            continue;
        };
        let mut shard: Shard = records::decode(&key, &before)?;
        let old = match due_ms {
            Some(due_ms) => shard.insert(id.clone(), due_ms),
            None => shard.remove(id),
        };
        if old == due_ms || store.swap(&key, &before, records::encode(&key, &shard)?).await? {
            return Ok(());
        }
    }
    Err(Error::Store(format!("{key} changes too often")))
}

/// Only one of several makers writes the empty shard, and only while it is missing.
async fn make_shard(store: &impl Store, number: u8) -> Result<(), Error> {
    let key = keys::due(number);
    // A maker that died between the two writes leaves a count and no shard: every 16th try makes it.
    if store.increment(&keys::due_made(number), 1).await? % 16 == 1 {
        records::write(store, &key, &Shard::new()).await?;
    }
    Ok(())
}

/// Every migration that has something to do, by the time it is due.
pub async fn all(store: &impl Store) -> Result<Vec<(u64, MigrationId)>, Error> {
    let names: Vec<String> = (0..keys::DUE_SHARDS).map(keys::due).collect();
    let mut due = Vec::new();
    for (key, value) in names.iter().zip(store.get_many(&names).await?) {
        let Some(bytes) = value else { continue };
        let shard: Shard = records::decode(key, &bytes)?;
        due.extend(shard.into_iter().map(|(id, due_ms)| (due_ms, id)));
    }
    due.sort();
    Ok(due)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use futures::executor::block_on;

    #[test]
    fn in_order_of_time_and_gone_when_done() {
        block_on(async {
            let store = Memory::default();
            let ids: Vec<_> = (0..20).map(|n| MigrationId::from_random(&[n; 26])).collect();
            for (id, due) in ids.iter().zip((0..20).rev()) {
                set(&store, id, Some(due)).await.unwrap();
            }
            let found: Vec<_> =
                all(&store).await.unwrap().into_iter().map(|(due, _)| due).collect();
            assert_eq!(found, (0..20).collect::<Vec<_>>());
            for id in &ids {
                set(&store, id, None).await.unwrap();
            }
            assert_eq!(all(&store).await, Ok(vec![]));
        });
    }

    #[test]
    fn a_maker_that_died_does_not_block() {
        block_on(async {
            let store = Memory::default();
            let id = MigrationId::from_random(&[3; 26]);
            store.increment(&keys::due_made(shard_of(&id)), 1).await.unwrap();
            set(&store, &id, Some(1)).await.unwrap();
            assert_eq!(all(&store).await, Ok(vec![(1, id)]));
        });
    }
}
