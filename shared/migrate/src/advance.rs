//! What a driver calls: takes what is due, one slice after the other, and says when to come again.

use store::due::Task;
use store::{Error, Store, clock, due};

use crate::slice::{self, Advanced};
use crate::world::{Host, World};
use crate::{erase, upkeep};

/// What one call did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Migrations that were advanced.
    pub advanced: u32,
    /// Migrations that have something to do, now or later.
    pub active: u32,
    /// When the next one is due (ms since 1970); `None` when nothing is.
    pub next_due_ms: Option<u64>,
}

/// Advances the first due migration that nobody else works on. Several drivers may call at once:
/// leases keep them apart.
pub async fn tick<H: Host, S: Store>(world: &World<'_, H, S>) -> Result<Tick, Error> {
    let now_ms = world.host.now_ms();
    if clock::was_set_back(world.store, now_ms).await? {
        all_at_once(world, now_ms).await?;
    }
    let listed = due::all(world.store).await?;
    let mut tick = Tick { advanced: 0, active: count(listed.len()), next_due_ms: None };
    let mut others: Option<u64> = None;
    for (due_ms, task, id) in &listed {
        if *due_ms > now_ms || tick.advanced > 0 {
            others = earlier(others, Some(*due_ms));
            continue;
        }
        let done = match task {
            Task::Advance => slice::advance(world, id).await?,
            Task::Erase => erase::slice(world, id).await?,
        };
        if let Advanced::Until(next) = done {
            tick.advanced += 1;
            tick.active -= u32::from(next.is_none());
        }
        others = earlier(others, done.look_again_ms(now_ms));
    }
    let erasures = listed.iter().filter(|(_, task, _)| *task == Task::Erase).count();
    upkeep::sweep(world, erasures).await?;
    tick.next_due_ms = others;
    Ok(tick)
}

/// The clock was set back: what waits for a time is looked at at once, and says anew when it is due.
async fn all_at_once<H: Host, S: Store>(world: &World<'_, H, S>, now_ms: u64) -> Result<(), Error> {
    for (due_ms, task, id) in due::all(world.store).await? {
        if due_ms <= now_ms {
            continue;
        }
        match task {
            Task::Advance => due::set(world.store, &id, Some(now_ms)).await?,
            Task::Erase => due::set_erasure(world.store, &id, Some(now_ms)).await?,
        }
    }
    clock::note(world.store, now_ms).await
}

fn earlier(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
