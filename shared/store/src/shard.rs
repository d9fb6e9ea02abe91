//! Small maps of migrations to moments, one record each, changed by compare-and-swap.

use std::collections::BTreeMap;

use model::MigrationId;

use crate::{Error, Store, keys, records};

/// Attempts to change a map before giving up; each failed one means somebody else succeeded.
const SWAPS_MAX: u32 = 1000;

/// Migrations, each with a moment in milliseconds since 1970.
pub(crate) type Shard = BTreeMap<MigrationId, u64>;

/// Puts `id` into the map at `key`, or takes it out with `None`.
pub(crate) async fn set(
    store: &impl Store,
    key: &str,
    id: &MigrationId,
    moment_ms: Option<u64>,
) -> Result<(), Error> {
    for _ in 0..SWAPS_MAX {
        let Some(before) = store.get(key).await? else {
            if moment_ms.is_none() {
                return Ok(());
            }
            make(store, key).await?;
            continue;
        };
        let mut shard: Shard = records::decode(key, &before)?;
        let old = match moment_ms {
            Some(moment_ms) => shard.insert(id.clone(), moment_ms),
            None => shard.remove(id),
        };
        if old == moment_ms || store.swap(key, &before, records::encode(key, &shard)?).await? {
            return Ok(());
        }
    }
    Err(Error::Store(format!("{key} changes too often")))
}

/// Puts `id` into the map at `key` with this moment, or an earlier one that stands there; in any
/// case another one than stands there, so that whoever is at work because of that does not take it
/// out.
pub(crate) async fn set_by(
    store: &impl Store,
    key: &str,
    id: &MigrationId,
    moment_ms: u64,
) -> Result<(), Error> {
    for _ in 0..SWAPS_MAX {
        let Some(before) = store.get(key).await? else {
            make(store, key).await?;
            continue;
        };
        let mut shard: Shard = records::decode(key, &before)?;
        let known = shard.get(id).filter(|known_ms| **known_ms <= moment_ms);
        shard.insert(id.clone(), known.map_or(moment_ms, |known_ms| known_ms + 1));
        if store.swap(key, &before, records::encode(key, &shard)?).await? {
            return Ok(());
        }
    }
    Err(Error::Store(format!("{key} changes too often")))
}

/// Puts `moment_ms` for `id` into the map at `key` where `known_ms` stands; whether it stood there.
pub(crate) async fn replace(
    store: &impl Store,
    key: &str,
    id: &MigrationId,
    (known_ms, moment_ms): (u64, Option<u64>),
) -> Result<bool, Error> {
    for _ in 0..SWAPS_MAX {
        let Some(before) = store.get(key).await? else { return Ok(false) };
        let mut shard: Shard = records::decode(key, &before)?;
        if shard.get(id) != Some(&known_ms) {
            return Ok(false);
        }
        match moment_ms {
            Some(moment_ms) => shard.insert(id.clone(), moment_ms),
            None => shard.remove(id),
        };
        if store.swap(key, &before, records::encode(key, &shard)?).await? {
            return Ok(true);
        }
    }
    Err(Error::Store(format!("{key} changes too often")))
}

/// Only one of several makers writes the empty map, and only while it is missing.
pub(crate) async fn make(store: &impl Store, key: &str) -> Result<(), Error> {
    // A maker that died between the two writes leaves a count and no map: every 16th try makes it.
    if store.increment(&keys::made(key), 1).await? % 16 == 1 {
        // Empty, whatever the map is of.
        records::write(store, key, &Shard::new()).await?;
    }
    Ok(())
}

/// Takes several out of the map at `key`.
pub(crate) async fn strike_off(
    store: &impl Store,
    key: &str,
    ids: &[MigrationId],
) -> Result<(), Error> {
    for _ in 0..SWAPS_MAX {
        let Some(before) = store.get(key).await? else { return Ok(()) };
        let mut shard: Shard = records::decode(key, &before)?;
        shard.retain(|id, _| !ids.contains(id));
        if store.swap(key, &before, records::encode(key, &shard)?).await? {
            return Ok(());
        }
    }
    Err(Error::Store(format!("{key} changes too often")))
}
