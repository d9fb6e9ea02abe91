//! What happens to a migration by itself when nobody does anything with it.
//!
//! After `retention_days` without activity it is erased. Nothing is looked for: the calendar of
//! the store says which migrations are to be looked at, and each look says when the next one is.

use model::{Migration, MigrationId};
use store::{Error, Store, calendar, lease};

use crate::world::{Host, World};
use crate::{erase, lifecycle};

/// When a new migration is looked at for the first time: by then most have ended.
pub(crate) const FIRST_LOOK_MS: u64 = 3_600_000;
/// Where someone works on a migration, or where its record cannot be read, it is looked at again
/// after this long.
const LATER_MS: u64 = 3_600_000;
/// Migrations looked at in one call of the driver, which takes some milliseconds each.
const LOOKS_MAX: usize = if cfg!(test) { 2 } else { 50 };
/// While so many erasures are under way, no further ones are begun: their list is one record.
const ERASURES_MAX: usize = 2_000;

/// Looks at migrations whose slot of the calendar is over; `erasures` are under way already.
pub(crate) async fn sweep<H: Host, S: Store>(
    world: &World<'_, H, S>,
    erasures: usize,
) -> Result<(), Error> {
    let (store, now_ms) = (world.store, world.host.now_ms());
    let Some(slot) = calendar::over(store, now_ms).await? else { return Ok(()) };
    if erasures > ERASURES_MAX {
        return Ok(());
    }
    let ids = calendar::of_slot(store, slot, LOOKS_MAX).await?;
    if ids.is_empty() {
        return calendar::turn(store, slot, now_ms).await;
    }
    for id in &ids {
        let next_ms = match look(world, id).await {
            // Only an operator can mend it, and others must not wait for that.
            Err(Error::Unreadable { .. }) => Some(now_ms + LATER_MS),
            looked => looked?,
        };
        if let Some(next_ms) = next_ms {
            // Into a slot that is not over, or it would be looked at again at once.
            calendar::move_to(store, id, next_ms.max(now_ms)).await?;
        }
    }
    calendar::strike_off(store, slot, &ids).await
}

/// What is due with a migration at its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Erase,
    LookAt(u64),
}

fn due(migration: &Migration, now_ms: u64, retention_ms: u64) -> Due {
    match migration.expires_at(retention_ms) {
        Some(at) if at.0 <= now_ms => Due::Erase,
        Some(at) => Due::LookAt(at.0),
        // It is busy: it cannot expire earlier than this.
        None => Due::LookAt(now_ms.saturating_add(retention_ms.max(LATER_MS))),
    }
}

/// Looks at one; when to look again (ms since 1970), or `None` where nothing is left to look at.
async fn look<H: Host, S: Store>(
    world: &World<'_, H, S>,
    id: &MigrationId,
) -> Result<Option<u64>, Error> {
    let (store, now_ms) = (world.store, world.host.now_ms());
    let Some(migration) = lifecycle::read(store, id).await? else { return Ok(None) };
    if let Due::LookAt(at_ms) = due(&migration, now_ms, world.retention_ms) {
        return Ok(Some(at_ms));
    }
    // With the lease held, nobody begins a run in this very moment.
    let Some(held) = lease::claim(store, id, now_ms, world.boot).await? else {
        return Ok(Some(now_ms + LATER_MS));
    };
    let Some(migration) = lifecycle::read(store, id).await? else { return Ok(None) };
    if let Due::LookAt(at_ms) = due(&migration, now_ms, world.retention_ms) {
        held.release(store).await?;
        return Ok(Some(at_ms));
    }
    let fence = held.fence();
    erase::begin(store, id, now_ms, world.boot).await?;
    erase::acknowledge(store, id, fence, now_ms).await?;
    // Its place in the calendar goes with it.
    Ok(None)
}
