//! Which migrations a network of clients has begun that may not have ended, in a fixed number of
//! records: the hash of a network, and its migrations.

use std::collections::BTreeMap;

use model::MigrationId;

use crate::{Error, Store, keys, records};

/// Number of records.
pub const SLOTS: u8 = 64;
/// Attempts to change a record before giving up; each failed one means somebody else succeeded.
const SWAPS_MAX: u32 = 1000;
/// Records read at once.
const AT_ONCE: usize = 16;

/// One record.
pub type Begun = BTreeMap<String, Vec<MigrationId>>;

/// Takes a migration that is erased out of whatever list it is in.
pub async fn forget(store: &impl Store, id: &MigrationId) -> Result<(), Error> {
    let names: Vec<String> = (0..SLOTS).map(keys::begun).collect();
    for some in names.chunks(AT_ONCE) {
        for (key, value) in some.iter().zip(store.get_many(some).await?) {
            if value.is_some_and(|value| has(&value, id)) {
                forget_in(store, key, id).await?;
            }
        }
    }
    Ok(())
}

/// Whether the identifier stands anywhere in a record.
fn has(record: &[u8], id: &MigrationId) -> bool {
    let name = id.as_str().as_bytes();
    record.windows(name.len()).any(|part| part == name)
}

async fn forget_in(store: &impl Store, key: &str, id: &MigrationId) -> Result<(), Error> {
    for _ in 0..SWAPS_MAX {
        let Some(before) = store.get(key).await? else { return Ok(()) };
        // A record that cannot be read keeps nobody's erasure up: whoever adds to it begins it anew.
        let mut begun: Begun = records::decode(key, &before).unwrap_or_default();
        begun.values_mut().for_each(|ids| ids.retain(|known| known != id));
        begun.retain(|_, ids| !ids.is_empty());
        if store.swap(key, &before, records::encode(key, &begun)?).await? {
            return Ok(());
        }
    }
    Err(Error::Store(format!("{key} changes too often")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use futures::executor::block_on;

    #[test]
    fn an_erased_migration_is_in_no_list() {
        block_on(async {
            let store = Memory::default();
            let id = |n: u8| MigrationId::from_random(&[n; 26]);
            let begun: Begun = [("a".into(), vec![id(1), id(2)]), ("b".into(), vec![id(1)])].into();
            records::write(&store, &keys::begun(7), &begun).await.unwrap();
            forget(&store, &id(1)).await.unwrap();
            let left: Option<Begun> = records::read(&store, &keys::begun(7)).await.unwrap();
            assert_eq!(left, Some([("a".into(), vec![id(2)])].into()));
        });
    }
}
