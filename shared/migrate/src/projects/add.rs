//! Adds migrations to a project: all of them or none.
//!
//! What is to be added is noted first; then the migrations are written, and their rows, which nobody
//! sees until the queue counts them. That one swap is what adds them. Of an addition that broke off
//! before it, everything is erased again.

use model::{
    Account, Item, Membership, Migration, MigrationId, Notify, Options, Project, ProjectId,
    Timestamp,
};
use project::members::{self, ROWS_PER_PAGE, Row};
use project::queue::Place;
use project::record::{self, Importing};
use store::seal::{Credentials, Seal};
use store::{Error, Store, due, keys, lease, records};
use wire::Random;

use crate::membership::place;
use crate::pairs;

/// An addition that takes longer than this was broken off.
const BROKEN_OFF_MS: u64 = 120_000;
/// Migrations written at once, which keeps a single write short.
const WRITTEN_AT_ONCE: usize = 100;

/// A migration that is to be added.
#[derive(Debug)]
pub struct Entry {
    /// Where from.
    pub source: Account,
    /// Where to.
    pub destination: Account,
    /// What is moved.
    pub items: Vec<Item>,
    /// How.
    pub options: Options,
    /// The passwords.
    pub credentials: Credentials,
    /// Its wave.
    pub group: Option<String>,
}

/// What became of an addition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// They are in the queue, in the order they were given in.
    All(Vec<MigrationId>),
    /// Somebody else is adding some at this moment.
    Busy,
    /// The project would have more than it may.
    TooMany,
    /// Of some pairs of accounts (by their place in the list) another migration is at work.
    Taken(Vec<(usize, MigrationId)>),
}

/// Adds migrations at the end of the queue.
pub async fn add(
    store: &impl Store,
    (seal, random): (&Seal, &impl Random),
    project: &Project,
    entries: &[Entry],
    now: Timestamp,
) -> Result<Added, Error> {
    let id = &project.id;
    tidy_up(store, id, now).await?;
    let idle = record::importing(store, id).await?;
    let first = record::queue(store, id).await?.count;
    let many = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    if first.saturating_add(many) > model::project::MEMBERS_MAX {
        return Ok(Added::TooMany);
    }
    let ids: Vec<MigrationId> = entries.iter().map(|_| fresh(random)).collect();
    let importing = Importing { begun_ms: now.0, first, ids: ids.clone() };
    // Whatever happens from here on, it is tidied up after.
    due::project_by(store, id, now.0 + BROKEN_OFF_MS).await?;
    if !idle.ids.is_empty() || !record::swap_importing(store, id, &idle, &importing).await? {
        return Ok(Added::Busy);
    }
    let mut rows = Vec::with_capacity(entries.len());
    let mut places: Vec<Place> = Vec::with_capacity(entries.len());
    let numbered = entries.iter().zip(&ids).zip(first..);
    let numbered: Vec<_> = numbered.collect();
    for some in numbered.chunks(WRITTEN_AT_ONCE) {
        let mut pairs = Vec::new();
        for ((entry, own), number) in some {
            let migration = migration(entry, own, (id, *number), now);
            rows.push(Row::of(&migration));
            places.push(place(entry.group.as_ref(), &entry.source, &entry.destination));
            let key = keys::migration(own);
            pairs.push((key.clone(), records::encode(&key, &migration)?));
            pairs.push((keys::credentials(own), seal.seal(own, &entry.credentials, random)?));
            pairs.push(lease::unclaimed(own)?);
        }
        store.set_many(pairs).await?;
    }
    let taken = claim_all(store, entries, &ids).await?;
    if !taken.is_empty() {
        drop_all(store, id, &importing).await?;
        return Ok(Added::Taken(taken));
    }
    members::append(store, id, first, &rows).await?;
    commit(store, id, first, &places).await?;
    members::begin_to_measure(store, id, now).await?;
    record::change(store, id, now, |_| {}).await?;
    finish(store, id, &importing).await?;
    due::project_by(store, id, now.0).await?;
    Ok(Added::All(ids))
}

fn fresh(random: &impl Random) -> MigrationId {
    let mut bytes = [0; model::id::LENGTH];
    random.fill(&mut bytes);
    MigrationId::from_random(&bytes)
}

fn migration(
    entry: &Entry,
    id: &MigrationId,
    (project, number): (&ProjectId, u32),
    now: Timestamp,
) -> Migration {
    let sides = (entry.source.clone(), entry.destination.clone());
    let (items, options) = (entry.items.clone(), entry.options.clone());
    let mut migration = Migration::new(id.clone(), now, sides, items, options, Notify::default());
    let (project, group) = (project.clone(), entry.group.clone());
    migration.project = Some(Membership { project, number, group });
    migration
}

/// The swap that adds them.
async fn commit(
    store: &impl Store,
    id: &ProjectId,
    first: u32,
    places: &[Place],
) -> Result<(), Error> {
    record::change_queue(store, id, |queue| {
        if queue.count == first {
            for place in places {
                queue.add(place);
            }
        }
    })
    .await
}

/// What follows once they are added.
async fn finish(store: &impl Store, id: &ProjectId, importing: &Importing) -> Result<(), Error> {
    let many = u32::try_from(importing.ids.len()).unwrap_or(u32::MAX);
    let last = importing.first.saturating_add(many).saturating_sub(1);
    for page in importing.first / ROWS_PER_PAGE..=last / ROWS_PER_PAGE {
        members::sum_up(store, id, page).await?;
    }
    record::swap_importing(store, id, importing, &Importing::default()).await?;
    Ok(())
}

/// Ends an addition that broke off; when to look again where one is under way.
pub(crate) async fn tidy_up(
    store: &impl Store,
    id: &ProjectId,
    now: Timestamp,
) -> Result<Option<u64>, Error> {
    let importing = record::importing(store, id).await?;
    if importing.ids.is_empty() {
        return Ok(None);
    }
    if record::queue(store, id).await?.count > importing.first {
        finish(store, id, &importing).await?;
        return Ok(None);
    }
    let over_ms = importing.begun_ms.saturating_add(BROKEN_OFF_MS);
    if now.0 < over_ms {
        return Ok(Some(over_ms));
    }
    drop_all(store, id, &importing).await?;
    Ok(None)
}

/// Claims the pairs of all; those that others have.
async fn claim_all(
    store: &impl Store,
    entries: &[Entry],
    ids: &[MigrationId],
) -> Result<Vec<(usize, MigrationId)>, Error> {
    let pair = |entry: &Entry| pairs::name(&entry.source, &entry.destination);
    let claims = entries.iter().zip(ids).map(|(entry, own)| (pair(entry), own.clone()));
    pairs::claim_many(store, &claims.collect::<Vec<_>>()).await
}

/// Takes back an addition that nobody has seen.
async fn drop_all(store: &impl Store, id: &ProjectId, importing: &Importing) -> Result<(), Error> {
    for some in importing.ids.chunks(WRITTEN_AT_ONCE) {
        let listed: Vec<String> = some.iter().flat_map(keys::of_migration).collect();
        store.delete_many(&listed).await?;
    }
    record::swap_importing(store, id, importing, &Importing::default()).await?;
    Ok(())
}
