//! Erases a project with all its migrations: at once for everybody who asks, then page by page.

use model::ProjectId;
use project::members::{self, ROWS_PER_PAGE};
use project::record;
use serde::{Deserialize, Serialize};
use store::{Error, Store, calendar, due, keys, records};

use crate::ended::Advanced;
use crate::erase as migrations;
use crate::world::{Host, World};

/// Where many migrations are being erased already, it goes on after this long.
const LOOK_MS: u64 = 1_000;

/// How far it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// Pages whose migrations are being erased.
    pages: u32,
}

/// Makes a project invisible; it is erased by the driver, whatever happens here.
pub async fn begin(store: &impl Store, id: &ProjectId, now_ms: u64) -> Result<(), Error> {
    due::project_by(store, id, now_ms).await?;
    let key = keys::project_erasing(id);
    let mut pairs = vec![(key.clone(), records::encode(&key, &Progress::default())?)];
    // Nobody logs in any more.
    pairs.push((keys::project_password(id), Vec::new()));
    store.set_many(pairs).await
}

/// Whether the project is being erased, and so there for nobody.
pub(crate) async fn is_under_way(store: &impl Store, id: &ProjectId) -> Result<bool, Error> {
    Ok(store.get(&keys::project_erasing(id)).await?.is_some())
}

/// Erases one page of migrations, or in the end the project.
pub(crate) async fn slice<H: Host, S: Store>(
    world: &World<'_, H, S>,
    id: &ProjectId,
    known_ms: u64,
) -> Result<Advanced, Error> {
    let (store, now_ms) = (world.store, world.host.now_ms());
    let key = keys::project_erasing(id);
    let progress: Progress = records::read(store, &key).await?.unwrap_or_default();
    let count = record::queue(store, id).await?.count;
    let importing = record::importing(store, id).await?;
    let page = members::page(store, id, progress.pages, count).await?;
    for (_, row) in page.iter().filter(|(_, row)| row.status.is_some()) {
        migrations::begin(store, &row.id, now_ms, world.boot).await?;
    }
    for own in importing.ids.iter().filter(|_| count <= importing.first) {
        store.delete_many(&keys::of_migration(own)).await?;
    }
    if progress.pages < count.div_ceil(ROWS_PER_PAGE) {
        records::write(store, &key, &Progress { pages: progress.pages + 1 }).await?;
        due::settle_project(store, id, known_ms, Some(now_ms + LOOK_MS)).await?;
        return Ok(Advanced::Until(Some(now_ms + LOOK_MS)));
    }
    calendar::remove(store, id.entry()).await?;
    // One more: an addition that broke off may have begun a page.
    let last = count.div_ceil(ROWS_PER_PAGE) + importing_pages(importing.ids.len());
    let pages: Vec<String> = (0..=last).map(|page| keys::members(id, page)).collect();
    store.delete_many(&pages).await?;
    store.delete_many(&keys::of_project(id)).await?;
    store.delete(&key).await?;
    due::set_project(store, id, None).await?;
    Ok(Advanced::Until(None))
}

fn importing_pages(members: usize) -> u32 {
    u32::try_from(members).unwrap_or(u32::MAX).div_ceil(ROWS_PER_PAGE)
}
