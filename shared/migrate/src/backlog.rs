//! How long what is due waits for somebody to work on it: whoever watches an installation asks.

use model::MigrationId;
use store::due::{self, Task};
use store::{Error, Store, lease};

use crate::limits::SLICES_MAX;

/// What waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Migrations and queues that have something to do, now or later.
    pub active: usize,
    /// For how long (ms) that waits which was due first and nobody works on; 0 where nothing waits.
    pub oldest_ms: u64,
    /// Lists of what is due that cannot be read: what is in them waits until somebody mends them.
    pub damaged: usize,
}

/// Leases looked at together.
const LEASES_AT_ONCE: usize = 2 * SLICES_MAX;

/// Looks at what is due at `now_ms`. `boot` is the nonce of this process, as for leases.
pub async fn backlog(store: &impl Store, now_ms: u64, boot: &str) -> Result<Backlog, Error> {
    let (listed, unreadable) = due::readable(store).await?;
    let (active, damaged) = (listed.len(), unreadable.len());
    let due: Vec<&(u64, Task, MigrationId)> =
        listed.iter().filter(|(due_ms, ..)| *due_ms <= now_ms).collect();
    // Those at work stand first; a slice may have one for long.
    for some in due.chunks(LEASES_AT_ONCE) {
        let ids = some.iter().map(|(_, _, id)| id);
        let held = lease::held_by_anybody(store, ids, now_ms, boot).await?;
        if let Some((due_ms, ..)) = some.iter().find(|(_, _, id)| !held.contains(id)) {
            return Ok(Backlog { active, oldest_ms: now_ms - due_ms, damaged });
        }
    }
    Ok(Backlog { active, oldest_ms: 0, damaged })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use store::keys;
    use store::memory::Memory;

    #[test]
    fn the_oldest_that_nobody_works_on() {
        block_on(async {
            let store = Memory::default();
            let ids: Vec<_> = (1..4).map(|n| MigrationId::from_random(&[n; 26])).collect();
            for (id, due_ms) in ids.iter().zip([1_000, 5_000, 90_000]) {
                let (key, value) = lease::unclaimed(id).unwrap();
                store.set(&key, value).await.unwrap();
                due::set(&store, id, Some(due_ms)).await.unwrap();
            }
            let at = async |now_ms| backlog(&store, now_ms, "").await.unwrap();
            assert_eq!(at(500).await, Backlog { active: 3, oldest_ms: 0, damaged: 0 });
            assert_eq!(at(61_000).await.oldest_ms, 60_000);
            let lease = lease::claim(&store, &ids[0], 60_000, "").await.unwrap().unwrap();
            assert_eq!(at(61_000).await.oldest_ms, 56_000);
            lease.release(&store).await.unwrap();
            for shard in 0..keys::DUE_SHARDS {
                store.set(&keys::due(shard), b"\x01{".to_vec()).await.unwrap();
            }
            let damaged = Backlog { active: 0, oldest_ms: 0, damaged: keys::DUE_SHARDS.into() };
            assert_eq!(at(61_000).await, damaged);
        });
    }
}
