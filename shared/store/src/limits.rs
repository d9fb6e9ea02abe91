//! What one network, or all together, may make this installation do: buckets of tokens.
//!
//! A bucket begins full. Each try takes tokens, and what turned out to be honest gives them back, so
//! that whoever moves hundreds of mailboxes is not hindered, and whoever guesses is. Time fills it up
//! again. All that is stored of a bucket is the moment at which it is full again (the virtual
//! scheduling form of the generic cell rate algorithm, ITU-T I.371 annex A); one that is full is
//! stored nowhere. Buckets share a fixed number of records of a fixed size.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::{Error, Store, keys, records, shard};

/// Number of records.
pub const SLOTS: u8 = 64;
/// Buckets of a record, some 70 KB; beyond that the one that is full the soonest is forgotten.
const BUCKETS_MAX: usize = 2_000;
/// Attempts to change a record before giving up; each failed one means somebody else succeeded.
const SWAPS_MAX: u32 = 1000;
/// Bytes of a name's hash that tell buckets apart.
const NAME_BYTES: usize = 8;

/// A kind of bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its name; part of what a bucket is known by.
    pub name: &'static str,
    /// Tokens of a full bucket.
    pub burst: u64,
    /// Milliseconds after which one token is there again.
    pub refill_ms: u64,
}

/// Seconds after which it may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(pub u64);

impl Rule {
    /// When a bucket that was full again at `full_ms` is so after `cost` more tokens; how long to
    /// wait (ms) where it has not as many. A clock that was set back locks nobody out.
    fn after(&self, full_ms: u64, cost: u64, now_ms: u64) -> Result<u64, u64> {
        let most_ms = self.burst.saturating_mul(self.refill_ms);
        let from_ms = full_ms.clamp(now_ms, now_ms.saturating_add(most_ms));
        let to_ms = from_ms.saturating_add(cost.saturating_mul(self.refill_ms));
        match to_ms.checked_sub(now_ms.saturating_add(most_ms)) {
            None | Some(0) => Ok(to_ms),
            Some(lacking_ms) => Err(lacking_ms),
        }
    }

    fn place(&self, who: &str) -> (String, String) {
        let digest =
            Sha256::new().chain_update(self.name).chain_update([0]).chain_update(who).finalize();
        let name = digest.iter().take(NAME_BYTES).map(|byte| format!("{byte:02x}")).collect();
        let slot = digest.last().copied().unwrap_or(0) % SLOTS;
        (keys::limits(slot), name)
    }
}

type Slot = BTreeMap<String, u64>;

/// Takes `cost` tokens out of the bucket of `who`; where it has not as many, none, and how long to
/// wait.
pub async fn take(
    store: &impl Store,
    rule: &Rule,
    who: &str,
    cost: u64,
    now_ms: u64,
) -> Result<Result<(), Wait>, Error> {
    let (key, name) = rule.place(who);
    for _ in 0..SWAPS_MAX {
        let Some(before) = store.get(&key).await? else {
            shard::make(store, &key).await?;
            continue;
        };
        let mut slot: Slot = records::decode(&key, &before)?;
        let full_ms = slot.get(&name).copied().unwrap_or(0);
        let after_ms = match rule.after(full_ms, cost, now_ms) {
            Ok(after_ms) => after_ms,
            Err(lacking_ms) => return Ok(Err(Wait(lacking_ms.div_ceil(1000).max(1)))),
        };
        slot.insert(name.clone(), after_ms);
        tidy(&mut slot, now_ms);
        if store.swap(&key, &before, records::encode(&key, &slot)?).await? {
            return Ok(Ok(()));
        }
    }
    Err(Error::Store(format!("{key} changes too often")))
}

/// Gives `cost` tokens back that were taken for nothing.
pub async fn give(
    store: &impl Store,
    rule: &Rule,
    who: &str,
    cost: u64,
    now_ms: u64,
) -> Result<(), Error> {
    let (key, name) = rule.place(who);
    for _ in 0..SWAPS_MAX {
        let Some(before) = store.get(&key).await? else { return Ok(()) };
        let mut slot: Slot = records::decode(&key, &before)?;
        let Some(full_ms) = slot.get_mut(&name) else { return Ok(()) };
        *full_ms = full_ms.saturating_sub(cost.saturating_mul(rule.refill_ms));
        tidy(&mut slot, now_ms);
        if store.swap(&key, &before, records::encode(&key, &slot)?).await? {
            return Ok(());
        }
    }
    Err(Error::Store(format!("{key} changes too often")))
}

/// Takes tokens that are owed, whether or not they are there: what happened counts.
pub async fn charge(
    store: &impl Store,
    rule: &Rule,
    who: &str,
    cost: u64,
    now_ms: u64,
) -> Result<(), Error> {
    // A bucket that has fewer is empty afterwards, and never owes more than it holds.
    for cost in (1..=cost.min(rule.burst)).rev() {
        if take(store, rule, who, cost, now_ms).await?.is_ok() {
            return Ok(());
        }
    }
    Ok(())
}

/// How long to wait until the bucket of `who` has a token; `None` where it has one.
pub async fn wait(
    store: &impl Store,
    rule: &Rule,
    who: &str,
    now_ms: u64,
) -> Result<Option<Wait>, Error> {
    let (key, name) = rule.place(who);
    let slot: Option<Slot> = records::read(store, &key).await?;
    let full_ms = slot.unwrap_or_default().get(&name).copied().unwrap_or(0);
    let lacking = rule.after(full_ms, 1, now_ms).err();
    Ok(lacking.map(|lacking_ms| Wait(lacking_ms.div_ceil(1000).max(1))))
}

/// Makes a record of limits that is missing: empty, and only once.
pub async fn make(store: &impl Store, key: &str) -> Result<(), Error> {
    shard::make(store, key).await
}

/// Forgets full buckets, and where there are too many those that are full the soonest.
fn tidy(slot: &mut Slot, now_ms: u64) {
    slot.retain(|_, full_ms| *full_ms > now_ms);
    while slot.len() > BUCKETS_MAX {
        let soonest = slot.iter().min_by_key(|(_, full_ms)| **full_ms);
        let Some(soonest) = soonest.map(|(name, _)| name.clone()) else { return };
        slot.remove(&soonest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use futures::executor::block_on;

    const RULE: Rule = Rule { name: "test", burst: 5, refill_ms: 60_000 };

    fn taken(store: &Memory, who: &str, cost: u64, now_ms: u64) -> Result<(), Wait> {
        block_on(take(store, &RULE, who, cost, now_ms)).unwrap()
    }

    #[test]
    fn a_burst_and_then_one_at_a_time() {
        let store = Memory::default();
        for _ in 0..5 {
            assert_eq!(taken(&store, "a", 1, 1_000), Ok(()));
        }
        assert_eq!(taken(&store, "a", 1, 1_000), Err(Wait(60)));
        assert_eq!(taken(&store, "a", 1, 31_000), Err(Wait(30)));
        assert_eq!(taken(&store, "b", 5, 1_000), Ok(()), "others have their own");
        assert_eq!(taken(&store, "a", 1, 61_000), Ok(()));
        assert_eq!(taken(&store, "a", 1, 61_000), Err(Wait(60)));
        assert_eq!(taken(&store, "a", 2, 121_000), Err(Wait(60)), "nothing is taken in part");
        assert_eq!(taken(&store, "a", 5, 1_000_000), Ok(()), "full again");
        assert_eq!(taken(&store, "c", 6, 0), Err(Wait(60)), "more than it ever holds");
    }

    #[test]
    fn what_was_honest_costs_nothing() {
        let store = Memory::default();
        for _ in 0..1_000 {
            assert_eq!(taken(&store, "a", 1, 1_000), Ok(()));
            block_on(give(&store, &RULE, "a", 1, 1_000)).unwrap();
        }
        assert_eq!(block_on(wait(&store, &RULE, "a", 1_000)), Ok(None));
        block_on(charge(&store, &RULE, "a", 99, 1_000)).unwrap();
        assert_eq!(block_on(wait(&store, &RULE, "a", 1_000)), Ok(Some(Wait(60))));
        block_on(charge(&store, &RULE, "a", 99, 1_000)).unwrap();
        assert_eq!(block_on(wait(&store, &RULE, "a", 1_000)), Ok(Some(Wait(60))));
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out() {
        let store = Memory::default();
        assert_eq!(taken(&store, "a", 5, 10_000_000_000), Ok(()));
        assert_eq!(taken(&store, "a", 1, 1_000), Err(Wait(60)));
        assert_eq!(taken(&store, "a", 1, 61_000), Err(Wait(60)), "never more than a token's time");
        let store = Memory::default();
        assert_eq!(taken(&store, "a", 4, 10_000_000_000), Ok(()));
    }

    #[test]
    fn records_have_an_end() {
        let mut slot = Slot::new();
        for n in 0..5_000u64 {
            slot.insert(format!("{n:016x}"), 1_000 + n);
        }
        tidy(&mut slot, 1_099);
        assert_eq!(slot.len(), BUCKETS_MAX);
        assert_eq!(slot.values().min(), Some(&4_000), "who took the most is known the longest");
        assert!(records::encode("k", &slot).unwrap().len() < 100_000);
        let slots: std::collections::BTreeSet<_> =
            (0..10_000).map(|n| RULE.place(&n.to_string()).0).collect();
        assert_eq!(slots.len(), usize::from(SLOTS));
    }
}
