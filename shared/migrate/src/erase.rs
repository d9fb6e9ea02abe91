//! Erases a migration: at once for everybody who asks, then key by key, in slices.
//!
//! The intention is an entry in a list of its own; then the lease is taken away, and one write makes
//! the migration invisible and empties its credentials. A slice that was at work notices at its next
//! checkpoint, but may be in the middle of a write: nothing more is erased until it has said that
//! it noticed or its lease would have run out, so that what it still writes is erased too.

use ledger::cursor::FAILURES_PER_PAGE;
use ledger::folder::{FOLDERS_PER_PAGE, Folder};
use ledger::{Cursor, table};
use model::{Migration, MigrationId, Timestamp};
use serde::{Deserialize, Serialize};
use store::lease::{Holder, LEASE_MS, Seized};
use store::{Error, Store, begun, calendar, due, keys, lease, metrics, records};
use wire::Clock;

use crate::ended::Advanced;
use crate::mail::numbers::NAMES_PER_PAGE;
use crate::owner::lifecycle::Outcome;
use crate::world::{Host, World};
use crate::{pairs, servers};

/// Keys erased in one call, or a page's more, which keeps a single write short.
const DELETE_MANY_MAX: usize = if cfg!(test) { 3 } else { 500 };
/// Values read at once to be counted: a mebibyte each at most.
const READ_MANY_MAX: usize = 16;
/// How long whoever asks waits for a small migration to be gone; the rest is for `advance`.
const AT_ONCE_MS: u64 = 1_000;

/// How far it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// Number of the lease that was held when it began.
    holder: Option<u64>,
    /// Until when its holder may still write (ms since 1970).
    quiet_ms: u64,
    /// Folders whose lists are gone.
    folders: u32,
    /// Of the next one, segments that are gone.
    segments: u32,
    /// Pages of the folder table that are gone.
    folder_pages: u32,
    /// Pages of failures that are gone.
    failure_pages: u32,
    /// Pages of unique-ids that are gone.
    #[serde(default)]
    unique_id_pages: u32,
    /// Bytes that are gone.
    bytes: u64,
}

/// Erases a migration: it is invisible when this returns, and a small one that nobody works on is
/// gone altogether. `boot` is the nonce of this process, as for leases.
pub async fn erase(
    store: &impl Store,
    clock: &impl Clock,
    id: &MigrationId,
    boot: &str,
) -> Result<Outcome, Error> {
    if crate::stored::read(store, id).await?.is_none() {
        return Ok(Outcome::Gone);
    }
    begin(store, id, clock.now_ms(), boot).await?;
    advance(store, clock, id, (boot, AT_ONCE_MS)).await?;
    Ok(Outcome::Done)
}

/// Makes it invisible; afterwards it is erased by [`advance`], whatever happens here.
pub(crate) async fn begin(
    store: &impl Store,
    id: &MigrationId,
    now_ms: u64,
    boot: &str,
) -> Result<(), Error> {
    due::set_erasure(store, id, Some(now_ms)).await?;
    crate::membership::leave(store, id, Timestamp(now_ms)).await?;
    let holder = match lease::seize(store, id, now_ms, boot).await? {
        Seized::Gone => return Ok(()),
        Seized::Idle => None,
        Seized::From(holder) => Some(holder),
    };
    let quiet_ms = holder.map_or(now_ms, |holder: Holder| holder.until_ms);
    let fence = holder.map(|holder| holder.fence);
    let progress = Progress { holder: fence, quiet_ms, ..Progress::default() };
    let key = keys::erasing(id);
    let record = records::encode(&key, &progress)?;
    store.set_many(vec![(key, record), (keys::credentials(id), Vec::new())]).await?;
    // Once more: of two that erase at once, the quicker one may have struck it off the list.
    due::set_erasure(store, id, Some(quiet_ms)).await?;
    due::set(store, id, None).await
}

/// Whether the migration is being erased, and so there for nobody.
pub(crate) async fn is_under_way(store: &impl Store, id: &MigrationId) -> Result<bool, Error> {
    Ok(store.get(&keys::erasing(id)).await?.is_some())
}

/// Says that the holder of the lease `fence` writes nothing any more.
pub(crate) async fn acknowledge(
    store: &impl Store,
    id: &MigrationId,
    fence: u64,
    now_ms: u64,
) -> Result<(), Error> {
    let key = keys::erasing(id);
    let Some(before) = store.get(&key).await? else { return Ok(()) };
    let progress: Progress = records::decode(&key, &before)?;
    if progress.holder != Some(fence) {
        return Ok(());
    }
    let quiet = Progress { holder: None, quiet_ms: 0, ..progress };
    if store.swap(&key, &before, records::encode(&key, &quiet)?).await? {
        due::set_erasure(store, id, Some(now_ms)).await?;
    }
    Ok(())
}

/// After this long a record that cannot be read is tried once more: only an operator can mend it,
/// and others must not wait for that.
const DAMAGED_LOOK_MS: u64 = 3_600_000;

/// One slice of an erasure.
pub(crate) async fn slice<H: Host, S: Store>(
    world: &World<'_, H, S>,
    id: &MigrationId,
) -> Result<Advanced, Error> {
    match advance(world.store, world.host, id, (world.boot, world.slice_ms)).await {
        Err(Error::Unreadable { .. }) => {
            let later_ms = world.host.now_ms() + DAMAGED_LOOK_MS;
            due::set_erasure(world.store, id, Some(later_ms)).await?;
            Ok(Advanced::Until(Some(later_ms)))
        }
        done => done,
    }
}

/// Erases for at most `budget_ms`.
async fn advance(
    store: &impl Store,
    clock: &impl Clock,
    id: &MigrationId,
    (boot, budget_ms): (&str, u64),
) -> Result<Advanced, Error> {
    let started_ms = clock.monotonic_ms();
    let now_ms = clock.now_ms();
    let key = keys::erasing(id);
    let mut stored = store.get(&key).await?;
    if stored.is_none() && store.get(&keys::migration(id)).await?.is_some() {
        // Whoever asked for it was cut off after it had put it on the list.
        begin(store, id, now_ms, boot).await?;
        stored = store.get(&key).await?;
    }
    let Some(mut before) = stored else {
        due::set_erasure(store, id, None).await?;
        return Ok(Advanced::Until(None));
    };
    let mut progress: Progress = records::decode(&key, &before)?;
    // No lease lasts longer, whatever the clock says.
    let quiet_ms = progress.quiet_ms.min(now_ms + LEASE_MS);
    if quiet_ms > now_ms {
        if quiet_ms < progress.quiet_ms {
            let sooner = Progress { quiet_ms, ..progress };
            store.swap(&key, &before, records::encode(&key, &sooner)?).await?;
        }
        due::set_erasure(store, id, Some(quiet_ms)).await?;
        return Ok(Advanced::Until(Some(quiet_ms)));
    }
    let cursor: Option<Cursor> = records::read(store, &keys::cursor(id)).await?;
    loop {
        let listed = piece(store, id, cursor.as_ref(), &mut progress).await?;
        if listed.is_empty() {
            break;
        }
        progress.bytes += delete(store, &listed).await?;
        let after = records::encode(&key, &progress)?;
        // Only one goes on where two meet, and neither writes what the other has erased.
        if !store.swap(&key, &before, after.clone()).await? {
            return Ok(Advanced::Busy);
        }
        before = after;
        if clock.monotonic_ms().saturating_sub(started_ms) >= budget_ms {
            due::set_erasure(store, id, Some(now_ms)).await?;
            return Ok(Advanced::Until(Some(now_ms)));
        }
        clock.give_way().await;
    }
    finish(store, id, progress.bytes, now_ms).await?;
    Ok(Advanced::Until(None))
}

/// Erases what is left when the lists are gone.
async fn finish(
    store: &impl Store,
    id: &MigrationId,
    bytes: u64,
    now_ms: u64,
) -> Result<(), Error> {
    let migration: Option<Migration> = records::read(store, &keys::migration(id)).await?;
    if let Some(migration) = migration {
        servers::forget(store, &migration, now_ms).await?;
        pairs::forget(store, &migration).await?;
    }
    begun::forget(store, id).await?;
    calendar::remove(store, id).await?;
    let bytes = bytes + delete(store, &keys::of_migration(id)).await?;
    due::set(store, id, None).await?;
    due::set_notices(store, id, None).await?;
    store.delete(&keys::erasing(id)).await?;
    due::set_erasure(store, id, None).await?;
    // What cannot be counted is erased all the same.
    for (name, by) in [(metrics::MIGRATIONS_ERASED, 1), (metrics::BYTES_ERASED, bytes)] {
        let _ = metrics::count(store, name, by).await;
    }
    Ok(())
}

/// The next keys of the lists, at most [`DELETE_MANY_MAX`]; `progress` counts them as gone. The
/// folder table goes after the lists of all folders, whose lengths it knows.
async fn piece(
    store: &impl Store,
    id: &MigrationId,
    cursor: Option<&Cursor>,
    progress: &mut Progress,
) -> Result<Vec<String>, Error> {
    let mut listed = Vec::new();
    let Some(cursor) = cursor else { return Ok(listed) };
    let per_page = u32::try_from(FOLDERS_PER_PAGE).unwrap_or(1);
    let mut rows: (Option<u32>, Vec<Folder>) = (None, Vec::new());
    while progress.folders < cursor.folders && listed.len() < DELETE_MANY_MAX {
        let page = progress.folders / per_page;
        if rows.0 != Some(page) {
            rows = (Some(page), table::remains(store, id, page).await?);
        }
        let row = rows.1.get(usize::try_from(progress.folders % per_page).unwrap_or(0));
        let lists = row.map_or_else(Vec::new, |row| lists(id, progress.folders, row));
        let room = DELETE_MANY_MAX - listed.len();
        let gone = usize::try_from(progress.segments).unwrap_or(usize::MAX);
        let before = listed.len();
        listed.extend(lists.into_iter().flatten().skip(gone).take(room));
        let taken = listed.len() - before;
        if taken < room {
            (progress.folders, progress.segments) = (progress.folders + 1, 0);
        } else {
            progress.segments += u32::try_from(taken).unwrap_or(0);
        }
    }
    let failures = u32::try_from(cursor.failures.div_ceil(FAILURES_PER_PAGE)).unwrap_or(u32::MAX);
    let pages = cursor.folders.div_ceil(per_page);
    while progress.folder_pages < pages && listed.len() < DELETE_MANY_MAX {
        // Only once every list that it tells of is gone for certain.
        if progress.folder_pages == 0 && !listed.is_empty() {
            return Ok(listed);
        }
        listed.extend(table::keys_of(id, progress.folder_pages));
        progress.folder_pages += 1;
    }
    let unique_ids = cursor.unique_ids.div_ceil(NAMES_PER_PAGE);
    while progress.unique_id_pages <= unique_ids && listed.len() < DELETE_MANY_MAX {
        listed.push(keys::unique_ids(id, progress.unique_id_pages));
        progress.unique_id_pages += 1;
    }
    let room = DELETE_MANY_MAX.saturating_sub(listed.len());
    if listed.is_empty() {
        // A list that was begun anew may have left pages behind its end; the last go first, so that
        // none stands alone when this is cut off.
        let end = end_of_failures(store, id, failures + 1).await?;
        let pages = (failures + 1..end).rev().take(room);
        listed.extend(pages.map(|page| keys::failures(id, page)));
        if !listed.is_empty() {
            return Ok(listed);
        }
    }
    while progress.failure_pages <= failures && listed.len() < DELETE_MANY_MAX {
        listed.push(keys::failures(id, progress.failure_pages));
        progress.failure_pages += 1;
    }
    Ok(listed)
}

/// The first page of failures that is missing, from `first` on; those before it are all there.
async fn end_of_failures(store: &impl Store, id: &MigrationId, first: u32) -> Result<u32, Error> {
    let (mut below, mut step) = (first, 1);
    // Doubling steps, and halving ones once one went too far.
    while store.get(&keys::failures(id, below)).await?.is_some() {
        while store.get(&keys::failures(id, below + step)).await?.is_some() {
            (below, step) = (below + step, step * 2);
        }
        if step == 1 {
            return Ok(below + 1);
        }
        (below, step) = (below + 1, 1);
    }
    Ok(below)
}

/// The keys of what belongs to one folder; of each list one more than is known of.
fn lists(id: &MigrationId, number: u32, row: &Folder) -> Vec<Box<dyn Iterator<Item = String>>> {
    let (id, own, orphans) = (id.clone(), id.clone(), keys::orphans(id, number));
    let other = id.clone();
    let more = (1..=row.orphan_pages_max).map(move |page| keys::more_orphans(&other, number, page));
    let journal = (0..=row.segments).map(move |segment| keys::journal(&id, number, segment));
    let manifest = (0..=row.segments).map(move |segment| keys::manifest(&own, number, segment));
    vec![Box::new(journal), Box::new(manifest), Box::new(std::iter::once(orphans).chain(more))]
}

/// Deletes keys; how many bytes they and their values had.
async fn delete(store: &impl Store, listed: &[String]) -> Result<u64, Error> {
    let mut bytes = 0;
    for some in listed.chunks(READ_MANY_MAX) {
        let values = store.get_many(some).await?;
        let sizes =
            some.iter().zip(values).filter_map(|(key, value)| Some(key.len() + value?.len()));
        bytes += sizes.sum::<usize>() as u64;
    }
    store.delete_many(listed).await?;
    Ok(bytes)
}
