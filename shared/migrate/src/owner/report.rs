//! What users are told: failures and the report, page by page.

use ledger::cursor::FAILURES_PER_PAGE;
use ledger::folder::Folder;
use ledger::{Cursor, table};
use model::{Failure, FolderReport, MigrationId};
use store::{Error, Store, keys, records};

/// Failures after the `after`-th, at most `limit`, each with its ordinal from 1.
pub async fn failures(
    store: &impl Store,
    id: &MigrationId,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, Failure)>, Error> {
    let cursor: Option<Cursor> = records::read(store, &keys::cursor(id)).await?;
    let count = cursor.map_or(0, |cursor| cursor.failures);
    let mut found = Vec::new();
    let mut next = after;
    while next < count && found.len() < limit {
        let page = next / FAILURES_PER_PAGE;
        let key = keys::failures(id, u32::try_from(page).unwrap_or(u32::MAX));
        let rows: Vec<Failure> = records::read(store, &key).await?.unwrap_or_default();
        let first = page * FAILURES_PER_PAGE;
        let numbered = rows.into_iter().zip(first + 1..).map(|(row, ordinal)| (ordinal, row));
        let wanted = numbered.filter(|(ordinal, _)| *ordinal > next && *ordinal <= count);
        found.extend(wanted.take(limit - found.len()));
        next = first + FAILURES_PER_PAGE;
    }
    Ok(found)
}

/// A page of the folder table; `None` after the last.
pub async fn folders(
    store: &impl Store,
    id: &MigrationId,
    page: u32,
) -> Result<Option<Vec<FolderReport>>, Error> {
    let cursor: Option<Cursor> = records::read(store, &keys::cursor(id)).await?;
    let beyond = |cursor: &Cursor| page.saturating_mul(table::per_page()) >= cursor.folders;
    if cursor.as_ref().is_none_or(beyond) {
        return Ok(None);
    }
    let count = cursor.map_or(0, |cursor| cursor.folders);
    let rows = table::page(store, id, page, count).await?;
    Ok(Some(rows.iter().map(Folder::report).collect()))
}
