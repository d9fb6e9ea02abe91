//! What the owner asked for, on its way to the slice that does it.
//!
//! The record is written by the pages and only read by a slice, which sees it at every checkpoint;
//! the run it is meant for is in it, so an old request means nothing to a later run.

use model::MigrationId;
use serde::{Deserialize, Serialize};

use crate::{Error, Store, keys, records};

/// A request to a running migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// End the run with this sync point number; what was migrated stays.
    Stop {
        /// The sync point that is to end; 0 before the first began.
        sync_point: u32,
    },
    /// Hold the run with this sync point number; it goes on where it was.
    Pause {
        /// The sync point that is to be held; 0 before the first began.
        sync_point: u32,
    },
    /// Let the run with this sync point number go on, whatever was asked before.
    Resume {
        /// The sync point that is to go on; 0 before the first began.
        sync_point: u32,
    },
}

/// Leaves word that the project of `id` is held. It means something only as long as that is so, and
/// takes the place of nothing that the owner asked for.
pub async fn hint(store: &impl Store, id: &MigrationId) -> Result<(), Error> {
    let key = keys::hold(id);
    store.set(&key, vec![1]).await?;
    // Of a migration that was erased meanwhile nothing may come back.
    if store.get(&keys::migration(id)).await?.is_none() {
        store.delete(&key).await?;
    }
    Ok(())
}

/// Whether such word was left.
pub async fn is_hinted(store: &impl Store, id: &MigrationId) -> Result<bool, Error> {
    Ok(store.get(&keys::hold(id)).await?.is_some())
}

/// Leaves a request.
pub async fn ask(store: &impl Store, id: &MigrationId, request: &Request) -> Result<(), Error> {
    let key = keys::control(id);
    records::write(store, &key, request).await?;
    // Of a migration that was erased meanwhile nothing may come back.
    if store.get(&keys::migration(id)).await?.is_none() {
        store.delete(&key).await?;
    }
    Ok(())
}

/// The last request, if any.
pub async fn read(store: &impl Store, id: &MigrationId) -> Result<Option<Request>, Error> {
    records::read(store, &keys::control(id)).await
}
