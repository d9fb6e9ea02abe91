//! Projects at work: who of a project runs, and what its list says of each.
//!
//! A migration of a project is due only while the queue has it as active. What a slice, or its
//! owner, makes of it goes through `membership.rs`; what follows from that is for [`dispatch`], which the
//! driver calls when the project itself is due. Adding is [`add`], erasing is [`erase`].

pub mod add;
mod dispatch;
pub mod erase;

pub(crate) use dispatch::dispatch;
#[cfg(test)]
pub(crate) use dispatch::see_to;
pub use dispatch::{pause, resume, wake};
use model::{Project, Timestamp};
use project::members::{self};

use project::record;
use store::{Error, Store, calendar};

/// Stores a new project, which is erased once nothing happened with it for `retention_ms`.
pub async fn create(
    store: &impl Store,
    project: &Project,
    hash: &str,
    retention_ms: u64,
) -> Result<(), Error> {
    let look_ms = project.created_at.0.saturating_add(retention_ms);
    let entry = project.id.entry();
    calendar::add(store, entry, look_ms).await?;
    record::create(store, project, hash, calendar::entry(entry, look_ms)?).await
}

/// Erases a project with which nothing happened for `retention_ms`; otherwise when to look again (ms
/// since 1970).
pub(crate) async fn expire(
    store: &impl Store,
    project: &Project,
    now: Timestamp,
    retention_ms: u64,
) -> Result<Option<u64>, Error> {
    let id = &project.id;
    let queue = record::queue(store, id).await?;
    // Something goes on by itself.
    if !queue.paused && queue.active() + queue.waiting() > 0 {
        return Ok(Some(now.0.saturating_add(retention_ms)));
    }
    let last = members::last_activity(store, id, queue.count).await?;
    let expires_ms = last.max(project.updated_at).0.saturating_add(retention_ms);
    if expires_ms > now.0 {
        return Ok(Some(expires_ms));
    }
    erase::begin(store, id, now.0).await?;
    Ok(None)
}
