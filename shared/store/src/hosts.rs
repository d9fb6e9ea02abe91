//! What is known of mail servers: who uses one now, and how many connections it bears.
//!
//! Every slice takes a **place** at the servers it connects to and gives it back at its end. A place
//! belongs to a lease: once that has run out, the place is free, whatever became of its holder; but
//! not at once, since a server may need a moment to see that somebody is gone. How
//! many a server bears is learnt from its refusals: one less than it refused, and one more again
//! after [`RAISE_MS`] without. Servers are spread over a few records that are never deleted, as the
//! lists of what is due are; one that nobody uses and of which nothing was learnt is in none.

use std::collections::BTreeMap;

use model::MigrationId;
use serde::{Deserialize, Serialize};

use crate::{Error, Store, keys, lease, records, shard};

/// Number of records: two slices seldom meet in one.
const SHARDS: u32 = 8;
/// After this long without a refusal a server is asked for one connection more.
pub const RAISE_MS: u64 = 10 * 60_000;
/// What was learnt is forgotten once it allows as much as this.
const CEILING_MAX: u32 = 64;
/// Whoever found a server full looks again after this long.
const FULL_LOOK_MS: u64 = 2_000;
/// That somebody finds a server full is written down once in this time.
const WANTED_NOTE_MS: u64 = 10_000;
/// Nobody waits any more for a server that nobody found full for this long.
const WANTED_MS: u64 = 3 * WANTED_NOTE_MS;
/// Attempts to change a record before giving up; each failed one means somebody else succeeded.
const SWAPS_MAX: u32 = 1000;
/// Servers of a record, which keeps it far below the size of a value; beyond that nothing new is
/// remembered, and nobody is held up.
const SERVERS_MAX: usize = 2_000;

/// A server has this long to see that somebody is gone who did not say goodbye.
pub const LEAVING_MS: u64 = 1_500;

/// Somebody's place at a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    id: MigrationId,
    /// Number of the lease it belongs to.
    fence: u64,
    /// Its connections.
    lines: u32,
    /// It is free from then on (ms since 1970): its holder is gone.
    free_ms: Option<u64>,
}

impl Place {
    fn is(&self, holder: Holder<'_>) -> bool {
        self.id == *holder.id && self.fence == holder.fence
    }

    /// Its holder is gone; says so once.
    fn leave(&mut self, now_ms: u64) {
        self.free_ms.get_or_insert(now_ms + LEAVING_MS);
    }
}

/// One server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    places: Vec<Place>,
    /// Connections it bears, where it refused more.
    ceiling: Option<u32>,
    /// When that was learnt, or raised, last (ms since 1970).
    learnt_ms: u64,
    /// It asked to be left alone until then (ms since 1970).
    rests_until_ms: u64,
    /// When somebody found it full last (ms since 1970), within [`WANTED_NOTE_MS`].
    #[serde(default)]
    wanted_ms: u64,
}

type Shard = BTreeMap<String, Known>;

impl Known {
    fn used_by_others(&self, holder: Holder<'_>) -> u32 {
        self.places.iter().filter(|place| !place.is(holder)).map(|place| place.lines).sum()
    }

    /// Forgets places that are free, and takes note that earlier slices of `holder` are gone.
    fn tidy(&mut self, holder: Holder<'_>, now_ms: u64) {
        for place in &mut self.places {
            if place.id == *holder.id && place.fence != holder.fence {
                place.leave(now_ms);
            }
        }
        // Longer than a moment it is not, whatever the clock says.
        let leaving = |free_ms: u64| free_ms > now_ms && free_ms <= now_ms + LEAVING_MS;
        self.places.retain(|place| place.free_ms.is_none_or(leaving));
    }

    /// Somebody waits; whether that is news.
    fn note_wanted(&mut self, now_ms: u64) -> bool {
        let noted_ms = self.wanted_ms;
        let known = noted_ms > 0 && (noted_ms..noted_ms + WANTED_NOTE_MS).contains(&now_ms);
        if !known {
            self.wanted_ms = now_ms;
        }
        !known
    }

    fn is_wanted(&self, now_ms: u64) -> bool {
        self.wanted_ms > 0 && now_ms < self.wanted_ms + WANTED_MS
    }

    fn raise(&mut self, now_ms: u64) {
        let Some(ceiling) = self.ceiling else { return };
        let steps = now_ms.saturating_sub(self.learnt_ms) / RAISE_MS;
        let steps = u32::try_from(steps).unwrap_or(CEILING_MAX);
        if steps > 0 {
            let raised = ceiling.saturating_add(steps);
            self.ceiling = (raised < CEILING_MAX).then_some(raised);
            self.learnt_ms = now_ms;
        }
    }

    fn is_worth_keeping(&self, now_ms: u64) -> bool {
        let held = |place: &Place| place.free_ms.is_none_or(|free_ms| free_ms > now_ms);
        self.places.iter().any(held)
            || self.ceiling.is_some()
            || self.rests_until_ms > now_ms
            || self.is_wanted(now_ms)
    }
}

/// Whose place it is.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'a> {
    /// The migration.
    pub id: &'a MigrationId,
    /// The number of its lease.
    pub fence: u64,
    /// The nonce of this process, as for leases.
    pub boot: &'a str,
}

/// What a record says. One that cannot be read is begun anew: places belong to leases, and what
/// servers bear is learnt again, while nobody could work without it.
fn known(key: &str, bytes: &[u8]) -> Shard {
    records::decode(key, bytes).unwrap_or_default()
}

fn shard_of(server: &str) -> String {
    let sum = server.bytes().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    keys::hosts(u8::try_from(sum % SHARDS).unwrap_or(0))
}

/// Takes a place for `lines` connections at `server`, which may have `most`; otherwise when to try
/// again (ms since 1970). Where nobody else is there, a place is given whatever the limits say.
pub async fn take(
    store: &impl Store,
    server: &str,
    (holder, lines): (Holder<'_>, u32),
    most: u32,
    now_ms: u64,
) -> Result<Result<(), u64>, Error> {
    let key = shard_of(server);
    for _ in 0..SWAPS_MAX {
        let Some(before) = store.get(&key).await? else {
            shard::make(store, &key).await?;
            continue;
        };
        let mut shard = known(&key, &before);
        shard.retain(|name, known| name == server || known.is_worth_keeping(now_ms));
        if shard.len() >= SERVERS_MAX && !shard.contains_key(server) {
            return Ok(Ok(()));
        }
        let known = shard.entry(server.to_owned()).or_default();
        known.raise(now_ms);
        known.tidy(holder, now_ms);
        // No rest is longer than what a clock that was set back would make of it.
        if known.rests_until_ms > now_ms && known.rests_until_ms < now_ms + RAISE_MS {
            return Ok(Err(known.rests_until_ms));
        }
        let most = known.ceiling.unwrap_or(u32::MAX).min(most);
        let full = !fits(known, holder, lines, most);
        if full {
            known.note_wanted(now_ms);
            let held = known.places.iter().map(|place| (&place.id, place.fence));
            let held = lease::held(store, held, now_ms, holder.boot).await?;
            for place in known.places.iter_mut().filter(|place| !held.contains(&place.id)) {
                place.leave(now_ms);
            }
        } else {
            known.places.retain(|place| !place.is(holder));
            let (id, fence) = (holder.id.clone(), holder.fence);
            known.places.push(Place { id, fence, lines, free_ms: None });
        }
        let again_ms = known.places.iter().filter_map(|place| place.free_ms).min();
        let again_ms = again_ms.unwrap_or(u64::MAX).min(now_ms + FULL_LOOK_MS);
        if full && records::encode(&key, &shard)? == before {
            return Ok(Err(again_ms));
        }
        if store.swap(&key, &before, records::encode(&key, &shard)?).await? {
            return Ok(if full { Err(again_ms) } else { Ok(()) });
        }
    }
    Err(Error::Store(format!("{key} changes too often")))
}

fn fits(known: &Known, holder: Holder<'_>, lines: u32, most: u32) -> bool {
    let others = known.used_by_others(holder);
    others == 0 || others + lines <= most
}

/// Takes note that somebody waits for a place at `server`, as [`take`] does where it is full.
pub async fn want(store: &impl Store, server: &str, now_ms: u64) -> Result<(), Error> {
    let key = shard_of(server);
    for _ in 0..SWAPS_MAX {
        let Some(before) = store.get(&key).await? else {
            shard::make(store, &key).await?;
            continue;
        };
        let mut shard = known(&key, &before);
        if !shard.entry(server.to_owned()).or_default().note_wanted(now_ms)
            || store.swap(&key, &before, records::encode(&key, &shard)?).await?
        {
            return Ok(());
        }
    }
    Err(Error::Store(format!("{key} changes too often")))
}

/// Whether somebody waits for a place at one of these servers.
pub async fn are_wanted(
    store: &impl Store,
    servers: impl Iterator<Item = String>,
    now_ms: u64,
) -> Result<bool, Error> {
    for server in servers {
        let key = shard_of(&server);
        let shard = store.get(&key).await?.map(|bytes| known(&key, &bytes));
        let known = shard.as_ref().and_then(|shard| shard.get(&server));
        if known.is_some_and(|known| known.is_wanted(now_ms)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How many connections there are to a server.
pub async fn lines(store: &impl Store, server: &str) -> Result<u32, Error> {
    let key = shard_of(server);
    let shard = store.get(&key).await?.map(|bytes| known(&key, &bytes));
    let places = shard.as_ref().and_then(|shard| shard.get(server)).map(|known| &known.places);
    Ok(places.map_or(0, |places| places.iter().map(|place| place.lines).sum()))
}

/// Gives the place back: at once where the server has closed the lines, else in a moment.
pub async fn give_back(
    store: &impl Store,
    server: &str,
    (holder, closed): (Holder<'_>, bool),
    now_ms: u64,
) -> Result<(), Error> {
    change(store, server, |known| {
        if closed {
            known.places.retain(|place| !place.is(holder));
        }
        for place in known.places.iter_mut().filter(|place| place.is(holder)) {
            place.leave(now_ms);
        }
        known.is_worth_keeping(now_ms)
    })
    .await
}

/// Forgets a migration that is erased.
pub async fn forget(
    store: &impl Store,
    server: &str,
    id: &MigrationId,
    now_ms: u64,
) -> Result<(), Error> {
    change(store, server, |known| {
        known.places.retain(|place| place.id != *id);
        known.is_worth_keeping(now_ms)
    })
    .await
}

/// Takes note that `server` refused `holder` for the sake of those that are there, and is to be left
/// alone for `rest_ms`.
pub async fn refused(
    store: &impl Store,
    server: &str,
    holder: Holder<'_>,
    (now_ms, rest_ms): (u64, u64),
) -> Result<(), Error> {
    change(store, server, |known| {
        let others = known.used_by_others(holder);
        // Where nobody else is there, it has other reasons.
        if others > 0 {
            known.ceiling = Some(known.ceiling.unwrap_or(others).min(others));
            known.learnt_ms = now_ms;
            known.rests_until_ms = now_ms + rest_ms;
        }
        true
    })
    .await
}

/// Changes what is known of a server that is there; forgets it where `keep` says so.
async fn change(
    store: &impl Store,
    server: &str,
    keep: impl Fn(&mut Known) -> bool,
) -> Result<(), Error> {
    let key = shard_of(server);
    for _ in 0..SWAPS_MAX {
        let Some(before) = store.get(&key).await? else { return Ok(()) };
        let mut shard = known(&key, &before);
        let Some(known) = shard.get_mut(server) else { return Ok(()) };
        if !keep(known) {
            shard.remove(server);
        }
        let after = records::encode(&key, &shard)?;
        if after == before || store.swap(&key, &before, after).await? {
            return Ok(());
        }
    }
    Err(Error::Store(format!("{key} changes too often")))
}

/// What some servers bear, as far as it was learnt.
pub async fn ceilings(
    store: &impl Store,
    servers: impl Iterator<Item = String>,
    now_ms: u64,
) -> Result<BTreeMap<String, u32>, Error> {
    let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for server in servers {
        wanted.entry(shard_of(&server)).or_default().push(server);
    }
    let mut found = BTreeMap::new();
    for (key, servers) in wanted {
        let shard = store.get(&key).await?.map(|bytes| known(&key, &bytes));
        let mut shard = shard.unwrap_or_default();
        for server in servers {
            let Some(known) = shard.get_mut(&server) else { continue };
            known.raise(now_ms);
            found.extend(known.ceiling.map(|ceiling| (server, ceiling)));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use futures::executor::block_on;

    fn id(n: u8) -> MigrationId {
        MigrationId::from_random(&[n; 26])
    }

    /// A store in which leases of the first `n` migrations are held, each with its fence.
    async fn leased(n: u8) -> (Memory, Vec<lease::Lease>) {
        let store = Memory::default();
        let mut leases = Vec::new();
        for n in 0..n {
            let (key, value) = lease::unclaimed(&id(n)).unwrap();
            store.set(&key, value).await.unwrap();
            leases.push(lease::claim(&store, &id(n), 1_000, "").await.unwrap().unwrap());
        }
        (store, leases)
    }

    async fn took(store: &Memory, n: u8, fence: u64, most: u32, now_ms: u64) -> bool {
        let id = id(n);
        let holder = Holder { id: &id, fence, boot: "" };
        take(store, "mx", (holder, 1), most, now_ms).await.unwrap().is_ok()
    }

    #[test]
    fn no_more_than_allowed_and_the_dead_hold_nothing() {
        block_on(async {
            let (store, mut leases) = leased(3).await;
            assert!(took(&store, 0, leases[0].fence(), 2, 1_000).await);
            assert!(took(&store, 1, leases[1].fence(), 2, 1_000).await);
            assert!(!took(&store, 2, leases[2].fence(), 2, 1_000).await);
            assert!(took(&store, 0, leases[0].fence(), 2, 1_000).await, "its own place");
            leases.remove(0).release(&store).await.unwrap();
            assert!(!took(&store, 2, leases[1].fence(), 2, 1_000).await, "only just gone");
            assert!(!took(&store, 2, leases[1].fence(), 2, 999 + LEAVING_MS).await);
            assert!(took(&store, 2, leases[1].fence(), 2, 1_000 + LEAVING_MS).await);
        });
    }

    #[test]
    fn a_place_that_was_given_back_leaves_nothing() {
        block_on(async {
            let (store, leases) = leased(1).await;
            assert!(took(&store, 0, leases[0].fence(), 2, 1_000).await);
            let id = id(0);
            let holder = |fence| Holder { id: &id, fence, boot: "" };
            give_back(&store, "mx", (holder(99), true), 1_000).await.unwrap();
            assert!(!took(&store, 1, 1, 1, 1_000).await, "not the place of another lease");
            // Once nobody waits for it any more, either.
            let (holder, now_ms) = (holder(leases[0].fence()), 1_000 + WANTED_MS);
            give_back(&store, "mx", (holder, true), now_ms).await.unwrap();
            let left = store.get(&shard_of("mx")).await.unwrap().unwrap();
            assert_eq!(left, records::encode("", &Shard::new()).unwrap());
        });
    }

    #[test]
    fn whoever_comes_again_counts_twice_until_the_server_has_seen_it() {
        block_on(async {
            let (store, _leases) = leased(2).await;
            assert!(took(&store, 0, 1, 2, 1_000).await);
            assert!(took(&store, 1, 1, 2, 1_000).await);
            // A slice of a process that died is followed by one with another fence.
            assert!(!took(&store, 0, 2, 2, 1_000).await, "the old connection may still be there");
            assert!(took(&store, 0, 2, 2, 1_000 + LEAVING_MS).await);
            let id = id(0);
            let holder = Holder { id: &id, fence: 2, boot: "" };
            give_back(&store, "mx", (holder, false), 5_000).await.unwrap();
            assert!(!took(&store, 0, 3, 2, 5_001).await, "it did not say goodbye");
            assert!(took(&store, 0, 3, 2, 5_001 + LEAVING_MS).await);
        });
    }

    #[test]
    fn who_finds_a_server_full_is_known_to_wait() {
        block_on(async {
            let (store, leases) = leased(2).await;
            let mx = || std::iter::once("mx".to_owned());
            assert!(took(&store, 0, leases[0].fence(), 1, 1_000).await);
            assert_eq!(are_wanted(&store, mx(), 1_000).await, Ok(false));
            assert!(!took(&store, 1, leases[1].fence(), 1, 1_000).await);
            assert_eq!(are_wanted(&store, mx(), 1_001).await, Ok(true));
            assert_eq!(are_wanted(&store, mx(), 1_000 + WANTED_MS).await, Ok(false));
            want(&store, "mx", 50_000).await.unwrap();
            assert_eq!(are_wanted(&store, mx(), 50_001).await, Ok(true));
            assert_eq!(lines(&store, "mx").await, Ok(1));
            // What cannot be read is learnt again.
            store.set(&shard_of("mx"), b"\x01{".to_vec()).await.unwrap();
            assert!(took(&store, 1, leases[1].fence(), 1, 60_000).await);
        });
    }

    #[test]
    fn learns_from_refusals_and_tries_more_later() {
        block_on(async {
            let (store, leases) = leased(4).await;
            for n in 0..3 {
                assert!(took(&store, n, leases[usize::from(n)].fence(), 9, 1_000).await);
            }
            let id = id(2);
            let holder = Holder { id: &id, fence: leases[2].fence(), boot: "" };
            refused(&store, "mx", holder, (1_000, 500)).await.unwrap();
            give_back(&store, "mx", (holder, true), 1_000).await.unwrap();
            assert!(!took(&store, 2, 0, 9, 1_200).await, "it rests");
            assert!(!took(&store, 2, 0, 9, 1_600).await, "it bears two");
            let mx = || std::iter::once("mx".to_owned());
            assert_eq!(ceilings(&store, mx(), 1_600).await.unwrap()["mx"], 2);
            let later = 1_600 + RAISE_MS;
            assert_eq!(ceilings(&store, mx(), later).await.unwrap()["mx"], 3);
            let much_later = 1_600 + RAISE_MS * 100;
            assert_eq!(ceilings(&store, mx(), much_later).await.unwrap(), BTreeMap::new());
        });
    }
}
