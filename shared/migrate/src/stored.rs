//! The record of a migration, for whoever only reads it.

use model::{Migration, MigrationId};
use store::{Error, Store, keys, records};

/// The migration; `None` where there is none, or where it is being erased.
pub async fn read(store: &impl Store, id: &MigrationId) -> Result<Option<Migration>, Error> {
    // In this order: once the erasure is no longer noted, the migration is gone.
    let names = [keys::erasing(id), keys::migration(id)];
    match store.get_many(&names).await?.as_slice() {
        [None, Some(bytes)] => records::decode(&keys::migration(id), bytes).map(Some),
        _ => Ok(None),
    }
}
