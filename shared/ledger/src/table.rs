//! The folder table as it is stored: pages of folders, and further records where the rows of a page
//! have no room in one.

use model::MigrationId;
use store::{Error, Store, keys, records};

use crate::folder::{FOLDERS_PER_PAGE, Folder};

/// Pages read at once.
const PAGES_AT_ONCE: usize = 64;

/// The records of a page.
pub fn encode(
    id: &MigrationId,
    page: u32,
    rows: &[&Folder],
) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let key = keys::folders(id, page);
    let parts = records::encode_split(&key, rows)?;
    let named = (0u32..).zip(parts).map(|(part, value)| match part {
        0 => (key.clone(), value),
        _ => (keys::more_folders(id, page, part), value),
    });
    Ok(named.collect())
}

/// The rows of a page of a table of `count` folders.
pub async fn page(
    store: &impl Store,
    id: &MigrationId,
    page: u32,
    count: u32,
) -> Result<Vec<Folder>, Error> {
    let key = keys::folders(id, page);
    let value = store.get(&key).await?;
    complete(store, id, (page, count), value).await
}

/// All rows.
pub async fn all(store: &impl Store, id: &MigrationId, count: u32) -> Result<Vec<Folder>, Error> {
    let pages: Vec<u32> = (0..count.div_ceil(per_page())).collect();
    let mut folders = Vec::new();
    for some in pages.chunks(PAGES_AT_ONCE) {
        let names: Vec<String> = some.iter().map(|page| keys::folders(id, *page)).collect();
        for (page, value) in some.iter().zip(store.get_many(&names).await?) {
            folders.extend(complete(store, id, (*page, count), value).await?);
        }
    }
    Ok(folders)
}

/// The rows of a page whose first record is read; those that it lacks stand in further ones.
async fn complete(
    store: &impl Store,
    id: &MigrationId,
    (page, count): (u32, u32),
    first: Option<Vec<u8>>,
) -> Result<Vec<Folder>, Error> {
    let gone = |key: String| Error::Unreadable { key, reason: "it is gone".into() };
    let key = keys::folders(id, page);
    let expected = count.saturating_sub(page.saturating_mul(per_page())).min(per_page());
    let expected = usize::try_from(expected).unwrap_or(usize::MAX);
    let mut rows: Vec<Folder> = records::decode(&key, &first.ok_or_else(|| gone(key.clone()))?)?;
    for part in 1..per_page() {
        if rows.len() >= expected {
            break;
        }
        let key = keys::more_folders(id, page, part);
        let more: Option<Vec<Folder>> = records::read(store, &key).await?;
        rows.extend(more.ok_or_else(|| gone(key))?);
    }
    // A page may hold rows of a table that was longer.
    rows.truncate(expected);
    Ok(rows)
}

/// The rows of a page of a migration that is being erased, as far as they are there.
pub async fn remains(
    store: &impl Store,
    id: &MigrationId,
    page: u32,
) -> Result<Vec<Folder>, Error> {
    let mut rows = Vec::new();
    for key in keys_of(id, page) {
        let Some(more) = records::read::<Vec<Folder>>(store, &key).await? else { break };
        rows.extend(more);
    }
    Ok(rows)
}

/// The keys of a page, of records that may be there.
pub fn keys_of(id: &MigrationId, page: u32) -> impl Iterator<Item = String> + use<> {
    let (id, own) = (id.clone(), keys::folders(id, page));
    let more = (1..per_page()).map(move |part| keys::more_folders(&id, page, part));
    std::iter::once(own).chain(more)
}

/// Folders in a page.
pub fn per_page() -> u32 {
    u32::try_from(FOLDERS_PER_PAGE).unwrap_or(1)
}
