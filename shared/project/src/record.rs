//! Making, reading and changing a project.

use model::{MigrationId, Project, ProjectId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Error, Store, keys, records};

use crate::guard;
use crate::members::{self, Sums};
use crate::queue::Queue;

/// The migrations that are being added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Importing {
    /// When that began (ms since 1970).
    pub begun_ms: u64,
    /// The number of the first.
    pub first: u32,
    /// All of them; empty while none are being added.
    pub ids: Vec<MigrationId>,
}

/// Stores a new project; `hash` is its password's, from [`guard::hash`]; `look` its place in the
/// calendar.
pub async fn create(
    store: &impl Store,
    project: &Project,
    hash: &str,
    look: (String, Vec<u8>),
) -> Result<(), Error> {
    let id = &project.id;
    let mut pairs = guard::empty(id)?;
    pairs.push(look);
    let (key, password, queue, totals) =
        (keys::project(id), keys::project_password(id), keys::queue(id), keys::totals(id));
    pairs.push((password.clone(), records::encode(&password, &hash)?));
    pairs.push((queue.clone(), records::encode(&queue, &Queue::default())?));
    pairs.push((totals.clone(), records::encode(&totals, &Sums::default())?));
    let importing = keys::importing(id);
    pairs.push((importing.clone(), records::encode(&importing, &Importing::default())?));
    pairs.push((key.clone(), records::encode(&key, project)?));
    store.set_many(pairs).await
}

/// The project; `None` where there is none, or where it is being erased.
pub async fn read(store: &impl Store, id: &ProjectId) -> Result<Option<Project>, Error> {
    // In this order: once the erasure is no longer noted, the project is gone.
    let names = [keys::project_erasing(id), keys::project(id)];
    match store.get_many(&names).await?.as_slice() {
        [None, Some(bytes)] => records::decode(&keys::project(id), bytes).map(Some),
        _ => Ok(None),
    }
}

/// Changes a project, and notes that its owner did something with it.
pub async fn change(
    store: &impl Store,
    id: &ProjectId,
    now: Timestamp,
    with: impl Fn(&mut Project),
) -> Result<(), Error> {
    members::change(store, &keys::project(id), |project: &mut Project| {
        with(project);
        project.updated_at = now;
    })
    .await
}

/// The queue; empty where there is no project.
pub async fn queue(store: &impl Store, id: &ProjectId) -> Result<Queue, Error> {
    Ok(records::read(store, &keys::queue(id)).await?.unwrap_or_default())
}

/// Changes the queue.
pub async fn change_queue(
    store: &impl Store,
    id: &ProjectId,
    with: impl Fn(&mut Queue),
) -> Result<(), Error> {
    members::change(store, &keys::queue(id), with).await
}

/// The migrations that are being added.
pub async fn importing(store: &impl Store, id: &ProjectId) -> Result<Importing, Error> {
    Ok(records::read(store, &keys::importing(id)).await?.unwrap_or_default())
}

/// Puts `new` where `known` stands; `false` where something else stands there.
pub async fn swap_importing(
    store: &impl Store,
    id: &ProjectId,
    known: &Importing,
    new: &Importing,
) -> Result<bool, Error> {
    let key = keys::importing(id);
    store.swap(&key, &records::encode(&key, known)?, records::encode(&key, new)?).await
}

/// The sums of its migrations.
pub async fn sums(store: &impl Store, id: &ProjectId) -> Result<Sums, Error> {
    Ok(records::read(store, &keys::totals(id)).await?.unwrap_or_default())
}
