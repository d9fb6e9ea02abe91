//! Which migrations are to be looked at for their age, and roughly when.
//!
//! A day has slots of a quarter of an hour; each is one record with the migrations that are to be
//! looked at once it is over, so that the thousands that wait for nothing but their end cost
//! nothing. A migration is in one slot, which a record of its own tells. One number says which slot
//! comes next; that is all a driver reads while no slot is over.

use model::MigrationId;

use crate::shard::{self, Shard};
use crate::{Error, Store, keys, records};

/// How long a slot is.
pub const SLOT_MS: u64 = 900_000;
/// How long after its end a slot is left alone: whoever began to write into it has ended.
pub const SLACK_MS: u64 = 300_000;
/// Slots looked for at once, where nobody has called for long: about ten days.
const SLOTS_AT_ONCE: u64 = 1_000;
/// Slots in a row that may be damaged.
const DAMAGED_SLOTS_MAX: u64 = 8;
/// Attempts to change a number before giving up; each failed one means somebody else succeeded.
const SWAPS_MAX: u32 = 1000;

/// The record of a new migration that is to be looked at, at `at_ms`; part of its first write,
/// which comes after [`add`].
pub fn entry(id: &MigrationId, at_ms: u64) -> Result<(String, Vec<u8>), Error> {
    let key = keys::look(id);
    let record = records::encode(&key, &(at_ms / SLOT_MS))?;
    Ok((key, record))
}

/// Puts `id` into the slot of `at_ms` (ms since 1970).
pub async fn add(store: &impl Store, id: &MigrationId, at_ms: u64) -> Result<(), Error> {
    let slot = at_ms / SLOT_MS;
    let mut used = slot;
    // Who belongs into a slot that cannot be read is looked at a little later.
    while let Err(error) = shard::set(store, &keys::calendar(used), id, Some(at_ms)).await {
        if !matches!(error, Error::Unreadable { .. }) || used >= slot + DAMAGED_SLOTS_MAX {
            return Err(error);
        }
        used += 1;
    }
    let next = keys::calendar_next();
    for _ in 0..SWAPS_MAX {
        let Some(before) = store.get(&next).await? else {
            // One less, in case that two begin at once on either side of a slot's end.
            records::write(store, &next, &slot.saturating_sub(1)).await?;
            return Ok(());
        };
        let comes: u64 = records::decode(&next, &before).unwrap_or(u64::MAX);
        // A clock that was set back makes slots that were passed already.
        if comes <= slot || store.swap(&next, &before, records::encode(&next, &slot)?).await? {
            return Ok(());
        }
    }
    Err(Error::Store(format!("{next} changes too often")))
}

/// Looks at `id` at another time, too; nothing where it is gone meanwhile.
pub async fn move_to(store: &impl Store, id: &MigrationId, at_ms: u64) -> Result<(), Error> {
    let (key, after) = entry(id, at_ms)?;
    let Some(before) = store.get(&key).await? else { return Ok(()) };
    if before == after || store.swap(&key, &before, after).await? {
        add(store, id, at_ms).await?;
    }
    Ok(())
}

/// Takes `id` out of its slot.
pub async fn remove(store: &impl Store, id: &MigrationId) -> Result<(), Error> {
    match records::read::<u64>(store, &keys::look(id)).await? {
        Some(slot) => shard::set(store, &keys::calendar(slot), id, None).await,
        None => Ok(()),
    }
}

/// The next slot, if it is over.
pub async fn over(store: &impl Store, now_ms: u64) -> Result<Option<u64>, Error> {
    let next = keys::calendar_next();
    let slot: Option<u64> = match records::read(store, &next).await {
        Err(Error::Unreadable { .. }) => {
            // Begun anew from well before: slots that are empty or gone cost next to nothing.
            let slot = (now_ms / SLOT_MS).saturating_sub(SLOTS_AT_ONCE);
            records::write(store, &next, &slot).await?;
            Some(slot)
        }
        read => read?,
    };
    Ok(slot.filter(|slot| slot.saturating_add(1).saturating_mul(SLOT_MS) + SLACK_MS <= now_ms))
}

/// The migrations of a slot, at most `max`.
pub async fn of_slot(store: &impl Store, slot: u64, max: usize) -> Result<Vec<MigrationId>, Error> {
    let shard: Option<Shard> = records::read(store, &keys::calendar(slot)).await?;
    Ok(shard.unwrap_or_default().into_keys().take(max).collect())
}

/// Takes migrations that were looked at out of a slot.
pub async fn strike_off(store: &impl Store, slot: u64, ids: &[MigrationId]) -> Result<(), Error> {
    shard::strike_off(store, &keys::calendar(slot), ids).await
}

/// Goes on from a slot that is over and empty to the next one with anything in it.
pub async fn turn(store: &impl Store, slot: u64, now_ms: u64) -> Result<(), Error> {
    let key = keys::calendar(slot);
    store.delete_many(&[keys::made(&key), key]).await?;
    pass_by(store, slot, now_ms).await
}

/// Goes on from a slot as it is: nobody in it is looked at any more. For one that cannot be read,
/// which an operator may still mend and put into a later slot.
pub async fn pass_by(store: &impl Store, slot: u64, now_ms: u64) -> Result<(), Error> {
    let last = (now_ms / SLOT_MS).min(slot + SLOTS_AT_ONCE);
    let slots: Vec<u64> = (slot + 1..last).collect();
    let names: Vec<String> = slots.iter().map(|slot| keys::calendar(*slot)).collect();
    let values = store.get_many(&names).await?;
    let used = slots.iter().zip(values).find_map(|(slot, value)| value.map(|_| *slot));
    let next = keys::calendar_next();
    let (before, after) = (records::encode(&next, &slot)?, used.unwrap_or(last));
    // Whoever changed it meanwhile put something into an earlier one.
    store.swap(&next, &before, records::encode(&next, &after)?).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use futures::executor::block_on;

    fn id(n: u8) -> MigrationId {
        MigrationId::from_random(&[n; 26])
    }

    /// Every slot that is over by `now_ms`, emptied.
    async fn emptied(store: &Memory, now_ms: u64) -> Vec<MigrationId> {
        let mut found = Vec::new();
        while let Some(slot) = over(store, now_ms).await.unwrap() {
            let ids = of_slot(store, slot, 2).await.unwrap();
            strike_off(store, slot, &ids).await.unwrap();
            if ids.is_empty() {
                turn(store, slot, now_ms).await.unwrap();
            }
            found.extend(ids);
        }
        found
    }

    #[test]
    fn everyone_is_found_once_its_slot_is_over() {
        block_on(async {
            let store = Memory::default();
            assert_eq!(over(&store, u64::MAX).await, Ok(None), "nothing was ever put in");
            let begin = 1_790_000_000_000 / SLOT_MS * SLOT_MS;
            for (n, slot) in [(1, 0), (2, 0), (3, 0), (4, 1), (5, 999)] {
                add(&store, &id(n), begin + slot * SLOT_MS + 7).await.unwrap();
            }
            assert_eq!(emptied(&store, begin + SLOT_MS).await, []);
            assert_eq!(emptied(&store, begin + SLOT_MS + SLACK_MS).await, [id(1), id(2), id(3)]);
            assert_eq!(emptied(&store, begin + 900 * SLOT_MS).await, [id(4)]);
            assert_eq!(emptied(&store, begin + 1002 * SLOT_MS).await, [id(5)]);
            let left: Vec<_> = store.all().into_iter().map(|(key, _)| key).collect();
            assert_eq!(left, [keys::calendar_next()], "no slot is left behind");
        });
    }

    #[test]
    fn a_clock_that_was_set_back_loses_nobody() {
        block_on(async {
            let store = Memory::default();
            add(&store, &id(1), 100 * SLOT_MS).await.unwrap();
            assert_eq!(emptied(&store, 200 * SLOT_MS).await, [id(1)]);
            add(&store, &id(2), 50 * SLOT_MS).await.unwrap();
            assert_eq!(emptied(&store, 60 * SLOT_MS).await, [id(2)]);
        });
    }

    #[test]
    fn who_moves_or_goes_leaves_no_trace() {
        block_on(async {
            let store = Memory::default();
            add(&store, &id(1), SLOT_MS).await.unwrap();
            move_to(&store, &id(1), 9 * SLOT_MS).await.unwrap();
            assert_eq!(of_slot(&store, 9, 5).await, Ok(vec![]), "there is no such migration");
            let (key, value) = entry(&id(1), SLOT_MS).unwrap();
            store.set(&key, value).await.unwrap();
            move_to(&store, &id(1), 9 * SLOT_MS).await.unwrap();
            assert_eq!(of_slot(&store, 9, 5).await, Ok(vec![id(1)]));
            remove(&store, &id(1)).await.unwrap();
            assert_eq!(of_slot(&store, 9, 5).await, Ok(vec![]));
        });
    }
}
