//! What happens to a migration by itself when nobody does anything with it.
//!
//! After `retention_days` without activity it is erased; credentials that its owner kept for later
//! runs go at the date they set. Nothing is looked for: the calendar of
//! the store says which migrations are to be looked at, and each look says when the next one is. One
//! that goes on by itself and is in no list, since its maker was cut off, is put into one by that look.

use model::{Migration, MigrationId, Timestamp};
use project::record;
use store::{Error, Store, calendar, keys, lease};

use crate::world::{Host, World};
use crate::{erase, projects};

/// Where someone works on a migration, or where its record cannot be read, it is looked at again
/// after this long.
const LATER_MS: u64 = 3_600_000;
/// What goes on by itself is looked at again after this long.
const GOING_ON_LOOK_MS: u64 = 86_400_000;
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
    let ids = match calendar::of_slot(store, slot, LOOKS_MAX).await {
        Err(error @ Error::Unreadable { .. }) => {
            calendar::pass_by(store, slot, now_ms).await?;
            return Err(error);
        }
        ids => ids?,
    };
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
    EraseCredentials,
    LookAt(u64),
}

fn due(migration: &Migration, has_credentials: bool, now: Timestamp, retention_ms: u64) -> Due {
    let kept = migration.options.keep_credentials_until;
    match migration.expires_at(retention_ms) {
        Some(at) if at <= now => Due::Erase,
        Some(_) if has_credentials && !migration.keeps_credentials(now) => Due::EraseCredentials,
        expires => {
            let kept_ms = kept.filter(|kept| *kept > now).map_or(u64::MAX, |kept| kept.0);
            let going_on_ms = now.0.saturating_add(GOING_ON_LOOK_MS);
            Due::LookAt(expires.map_or(going_on_ms, |at| at.0).min(kept_ms))
        }
    }
}

/// Looks at one; when to look again (ms since 1970), or `None` where nothing is left to look at.
async fn look<H: Host, S: Store>(
    world: &World<'_, H, S>,
    id: &MigrationId,
) -> Result<Option<u64>, Error> {
    let (store, now) = (world.store, Timestamp(world.host.now_ms()));
    if let Some(project) = record::read(store, &id.clone().into()).await? {
        return projects::expire(store, &project, now, world.retention_ms).await;
    }
    match decide(world, id, now).await? {
        None => return Ok(None),
        Some((migration, Due::LookAt(at_ms))) => {
            // Those of projects are not in the calendar: their queue sees to them.
            let goes_on = migration.expires_at(world.retention_ms).is_none();
            if goes_on && store::due::known(store, id).await?.is_none() {
                store::due::by(store, id, now.0).await?;
            }
            return Ok(Some(at_ms));
        }
        Some((_, Due::Erase | Due::EraseCredentials)) => {}
    }
    // With the lease held, nobody begins a run in this very moment.
    let Some(held) = lease::claim(store, id, now.0, world.boot).await? else {
        return Ok(Some(now.0 + LATER_MS));
    };
    let fence = held.fence();
    let next_ms = match decide(world, id, now).await? {
        None => None,
        Some((_, Due::LookAt(at_ms))) => Some(at_ms),
        Some((_, Due::EraseCredentials)) => {
            store.delete_many(&[keys::credentials(id), keys::hook(id)]).await?;
            Some(now.0 + LATER_MS)
        }
        Some((_, Due::Erase)) => {
            erase::begin(store, id, now.0, world.boot).await?;
            // Its place in the calendar goes with it.
            erase::acknowledge(store, id, fence, now.0).await?;
            return Ok(None);
        }
    };
    held.release(store).await?;
    Ok(next_ms)
}

async fn decide<H: Host, S: Store>(
    world: &World<'_, H, S>,
    id: &MigrationId,
    now: Timestamp,
) -> Result<Option<(Migration, Due)>, Error> {
    let Some(migration) = crate::stored::read(world.store, id).await? else { return Ok(None) };
    let sealed = world.store.get(&keys::credentials(id)).await?;
    let has_credentials = sealed.is_some_and(|sealed| !sealed.is_empty());
    let due = due(&migration, has_credentials, now, world.retention_ms);
    Ok(Some((migration, due)))
}
