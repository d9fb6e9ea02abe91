//! Which migration has a pair of accounts: one at a time.
//!
//! An entry names the migration that claimed the pair last. Whether it still has it is told by that
//! migration's own record, so nothing has to be given back: a run that ended or was never made has
//! nothing. An erased migration takes its entry with it. Entries are spread over a few records that are never deleted, as the lists of what
//! is due are, and changed by compare-and-swap, since nothing else is atomic on every store. Each
//! claim changes the entry, also one by the same migration: who looked before it swaps in vain.

use std::collections::BTreeMap;

use model::MigrationId;
use serde::{Deserialize, Serialize};

use crate::{Error, Store, keys, records, shard};

/// Number of records: an import of 10,000 rows meets some forty entries in each.
const SHARDS: u64 = 256;
/// Attempts to change a record before giving up; each failed one means somebody else succeeded.
const SWAPS_MAX: u32 = 1000;
/// Beyond so many entries those that have nothing are left out.
const TIDY_FROM: usize = 200;
/// Beyond so many entries nothing is added, which keeps a record far below the size of a value.
const ENTRIES_MAX: usize = 8_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    id: MigrationId,
    /// Counts claims.
    claims: u64,
}

type Shard = BTreeMap<String, Entry>;

fn shard_of(pair: &str) -> String {
    let sum = pair.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    keys::pairs(u8::try_from(sum % SHARDS).unwrap_or(0))
}

/// Claims `pair` for `id`, unless another migration has it, which is given back then. `has` says
/// whether a migration that claimed a pair still has it.
pub async fn claim<S: Store>(
    store: &S,
    pair: &str,
    id: &MigrationId,
    has: impl AsyncFn(&MigrationId) -> Result<bool, Error>,
) -> Result<Result<(), MigrationId>, Error> {
    let key = shard_of(pair);
    for _ in 0..SWAPS_MAX {
        let Some(before) = store.get(&key).await? else {
            shard::make(store, &key).await?;
            continue;
        };
        let mut shard: Shard = records::decode(&key, &before)?;
        let known = shard.get(pair).cloned();
        if let Some(known) = &known
            && known.id != *id
            && has(&known.id).await?
        {
            return Ok(Err(known.id.clone()));
        }
        if shard.len() >= TIDY_FROM && known.is_none() {
            tidy(&mut shard, &has).await?;
        }
        if shard.len() >= ENTRIES_MAX && known.is_none() {
            return Err(Error::Store(format!("{key} is full")));
        }
        let claims = known.map_or(0, |known| known.claims) + 1;
        shard.insert(pair.to_owned(), Entry { id: id.clone(), claims });
        if store.swap(&key, &before, records::encode(&key, &shard)?).await? {
            return Ok(Ok(()));
        }
    }
    Err(Error::Store(format!("{key} changes too often")))
}

/// Claims many pairs, each for its migration, with one change of each record: an import of thousands
/// of rows would else be thousands of writes. Gives the places of those that others have, each with
/// the migration that has it.
pub async fn claim_many<S: Store>(
    store: &S,
    claims: &[(String, MigrationId)],
    has: impl AsyncFn(&MigrationId) -> Result<bool, Error>,
) -> Result<Vec<(usize, MigrationId)>, Error> {
    let mut shards: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, (pair, _)) in claims.iter().enumerate() {
        shards.entry(shard_of(pair)).or_default().push(at);
    }
    let mut taken = Vec::new();
    for (key, places) in shards {
        taken.extend(claim_some(store, &key, (claims, &places), &has).await?);
    }
    taken.sort_by_key(|(at, _)| *at);
    Ok(taken)
}

/// The claims at these places, which are all about one record.
async fn claim_some<S: Store>(
    store: &S,
    key: &str,
    (claims, places): (&[(String, MigrationId)], &[usize]),
    has: &impl AsyncFn(&MigrationId) -> Result<bool, Error>,
) -> Result<Vec<(usize, MigrationId)>, Error> {
    for _ in 0..SWAPS_MAX {
        let Some(before) = store.get(key).await? else {
            shard::make(store, key).await?;
            continue;
        };
        let mut shard: Shard = records::decode(key, &before)?;
        let mut taken = Vec::new();
        if shard.len() >= TIDY_FROM {
            tidy(&mut shard, has).await?;
        }
        for at in places {
            let Some((pair, id)) = claims.get(*at) else { continue };
            let known = shard.get(pair).cloned();
            if let Some(known) = &known
                && known.id != *id
                && (claims.iter().any(|(_, own)| *own == known.id) || has(&known.id).await?)
            {
                taken.push((*at, known.id.clone()));
                continue;
            }
            if shard.len() >= ENTRIES_MAX && known.is_none() {
                return Err(Error::Store(format!("{key} is full")));
            }
            let claims = known.map_or(0, |known| known.claims) + 1;
            shard.insert(pair.clone(), Entry { id: id.clone(), claims });
        }
        if store.swap(key, &before, records::encode(key, &shard)?).await? {
            return Ok(taken);
        }
    }
    Err(Error::Store(format!("{key} changes too often")))
}

/// Takes the entry of a migration that is erased away: nothing of it stays. Another's stays.
pub async fn forget(store: &impl Store, pair: &str, id: &MigrationId) -> Result<(), Error> {
    let key = shard_of(pair);
    for _ in 0..SWAPS_MAX {
        let Some(before) = store.get(&key).await? else { return Ok(()) };
        let mut shard: Shard = records::decode(&key, &before)?;
        if shard.get(pair).is_none_or(|entry| entry.id != *id) {
            return Ok(());
        }
        shard.remove(pair);
        if store.swap(&key, &before, records::encode(&key, &shard)?).await? {
            return Ok(());
        }
    }
    Err(Error::Store(format!("{key} changes too often")))
}

/// Who claimed `pair` last.
pub async fn claimed_by(store: &impl Store, pair: &str) -> Result<Option<MigrationId>, Error> {
    let shard: Option<Shard> = records::read(store, &shard_of(pair)).await?;
    Ok(shard.and_then(|mut shard| shard.remove(pair)).map(|entry| entry.id))
}

async fn tidy(
    shard: &mut Shard,
    has: &impl AsyncFn(&MigrationId) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut idle = Vec::new();
    for (pair, entry) in shard.iter() {
        if !has(&entry.id).await? {
            idle.push(pair.clone());
        }
    }
    idle.iter().for_each(|pair| _ = shard.remove(pair));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use futures::executor::block_on;
    use std::cell::Cell;

    fn id(n: u8) -> MigrationId {
        MigrationId::from_random(&[n; 26])
    }

    #[test]
    fn one_has_a_pair_until_its_own_record_says_otherwise() {
        block_on(async {
            let store = Memory::default();
            let first_runs = Cell::new(true);
            let has = async |who: &MigrationId| Ok(*who == id(1) && first_runs.get());
            assert_eq!(claim(&store, "ab", &id(1), &has).await, Ok(Ok(())));
            assert_eq!(claim(&store, "ab", &id(1), &has).await, Ok(Ok(())), "its own");
            assert_eq!(claim(&store, "ab", &id(2), &has).await, Ok(Err(id(1))));
            assert_eq!(claim(&store, "ba", &id(2), &has).await, Ok(Ok(())), "another pair");
            first_runs.set(false);
            assert_eq!(claim(&store, "ab", &id(2), &has).await, Ok(Ok(())));
            assert_eq!(claimed_by(&store, "ab").await, Ok(Some(id(2))));
            forget(&store, "ab", &id(1)).await.unwrap();
            assert_eq!(claimed_by(&store, "ab").await, Ok(Some(id(2))), "another's");
            forget(&store, "ab", &id(2)).await.unwrap();
            assert_eq!(claimed_by(&store, "ab").await, Ok(None));
        });
    }

    #[test]
    fn many_are_claimed_at_once() {
        block_on(async {
            let store = Memory::default();
            let claims: Vec<_> = (0..200_u8).map(|n| (format!("pair {n}"), id(n))).collect();
            let idle = async |_: &MigrationId| Ok(false);
            assert_eq!(claim_many(&store, &claims, idle).await, Ok(vec![]));
            assert_eq!(claimed_by(&store, "pair 7").await, Ok(Some(id(7))));
            let busy = async |who: &MigrationId| Ok(*who == id(7));
            let others = [("pair 7".to_owned(), id(201)), ("pair 8".to_owned(), id(202))];
            assert_eq!(claim_many(&store, &others, busy).await, Ok(vec![(0, id(7))]));
            let twice = [("one".to_owned(), id(1)), ("one".to_owned(), id(2))];
            assert_eq!(claim_many(&store, &twice, idle).await, Ok(vec![(1, id(1))]));
        });
    }

    /// Somebody who looked before the first claimed once more, with its run begun, claims nothing.
    #[test]
    fn a_claim_that_comes_in_between_is_seen() {
        block_on(async {
            let store = Memory::default();
            let idle = async |_: &MigrationId| Ok(false);
            claim(&store, "ab", &id(1), idle).await.unwrap().unwrap();
            let begun = Cell::new(false);
            let has = async |_: &MigrationId| {
                let had = begun.replace(true);
                if !had {
                    claim(&store, "ab", &id(1), async |_: &MigrationId| Ok(false)).await?.unwrap();
                }
                Ok(had)
            };
            assert_eq!(claim(&store, "ab", &id(2), has).await, Ok(Err(id(1))));
        });
    }

    #[test]
    fn entries_that_have_nothing_are_left_out() {
        block_on(async {
            let store = Memory::default();
            for n in 0..40_000_u32 {
                let has = async |_: &MigrationId| Ok(false);
                claim(&store, &format!("pair {n}"), &id(1), has).await.unwrap().unwrap();
            }
            let longest = store.all().iter().map(|(_, value)| value.len()).max().unwrap();
            assert!(longest < 30_000, "{longest}");
        });
    }
}
