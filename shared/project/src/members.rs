//! The migrations of a project as its page lists them, and their sums.
//!
//! Each migration has a row with what was last known of it, written by whoever writes the migration.
//! A page of rows is one record; the sums of all pages are another, so that neither the list nor the
//! progress of a project has to read the migrations themselves. Rows beyond the number that the
//! queue has given out are of an import that was never finished, and there for nobody.

use std::collections::BTreeMap;

use model::{Counters, Migration, MigrationId, ProjectId, Removal, Status, Timestamp, Verdict};
use serde::{Deserialize, Serialize};
use store::{Error, Store, keys, records};

/// Rows of a page: some 40 KB, so that a change is one small write.
pub const ROWS_PER_PAGE: u32 = 100;
/// Attempts to change a record before giving up; each failed one means somebody else succeeded.
const SWAPS_MAX: u32 = 1000;
/// Characters of an error that a row keeps; the whole of it is in the migration.
const ERROR_MAX_CHARS: usize = 300;

/// What the list shows of a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The migration.
    pub id: MigrationId,
    /// The login at the source.
    pub source: String,
    /// The login at the destination.
    pub destination: String,
    /// Where the source is; empty where it is found from the address.
    #[serde(default)]
    pub source_url: String,
    /// Where the destination is, likewise.
    #[serde(default)]
    pub destination_url: String,
    /// Its wave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Where it stands; `None` once it was erased.
    pub status: Option<Status>,
    /// What became of the last removal, where no run began after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<Removal>,
    /// What the last verification found.
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// Of all kinds of items together.
    #[serde(flatten)]
    pub progress: Counters,
    /// When its first run began.
    pub started_at: Option<Timestamp>,
    /// When its last run ended.
    pub finished_at: Option<Timestamp>,
    /// Why it waits or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Row {
    /// Of a migration as it stands.
    pub fn of(migration: &Migration) -> Self {
        let mut row = Row {
            id: migration.id.clone(),
            source: migration.source.login.clone(),
            destination: migration.destination.login.clone(),
            source_url: migration.source.url.clone(),
            destination_url: migration.destination.url.clone(),
            group: migration.project.as_ref().and_then(|project| project.group.clone()),
            status: Some(migration.status),
            removal: migration.removal,
            // Of a run that was taken back nothing is there to be judged.
            verdict: match &migration.removal {
                Some(_) => None,
                None => migration.sync_points.last().and_then(|point| point.verdict),
            },
            progress: Counters::default(),
            started_at: migration.sync_points.first().map(|point| point.started_at),
            finished_at: migration.sync_points.last().and_then(|point| point.finished_at),
            error: None,
        };
        for counters in migration.progress.values() {
            row.progress += counters;
        }
        let waits = migration.waiting.as_ref().map(|waiting| waiting.reason.as_str());
        let error = waits.or(migration.last_error.as_deref());
        row.error = error.map(|error| error.chars().take(ERROR_MAX_CHARS).collect());
        row
    }

    /// Whether the words of a search are in it, ignoring case.
    pub fn has(&self, words: &str) -> bool {
        let words = words.trim().to_lowercase();
        let texts = [&self.source, &self.destination, &self.source_url, &self.destination_url];
        let group = self.group.iter();
        let error = self.error.iter();
        let mut texts = texts.into_iter().chain(group).chain(error);
        self.id.as_str() == words || texts.any(|text| text.to_lowercase().contains(&words))
    }
}

/// Sums over rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Migrations, by where they stand.
    pub by_status: BTreeMap<Status, u32>,
    /// Of all items of all of them.
    #[serde(flatten)]
    pub progress: Counters,
}

impl Totals {
    fn of(rows: &[Row]) -> Self {
        let mut totals = Totals::default();
        for row in rows {
            let Some(status) = row.status else { continue };
            *totals.by_status.entry(status).or_default() += 1;
            totals.progress += &row.progress;
        }
        totals
    }

    fn add(&mut self, other: &Totals) {
        for (status, count) in &other.by_status {
            *self.by_status.entry(*status).or_default() += count;
        }
        self.progress += &other.progress;
    }

    /// Migrations.
    pub fn members(&self) -> u32 {
        self.by_status.values().sum()
    }

    /// Migrations that came to an end.
    pub fn ended(&self) -> u32 {
        self.by_status.iter().filter(|(status, _)| status.is_final()).map(|(_, count)| count).sum()
    }
}

/// The sums of all pages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    pages: Vec<Totals>,
    /// Since when the speed is measured (ms since 1970): when the queue began to move.
    since_ms: Option<u64>,
    /// Migrations that had ended then.
    ended_before: u32,
}

impl Sums {
    /// The sum of all.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.pages.iter().for_each(|page| totals.add(page));
        totals
    }

    /// Pages that have rows in one of `statuses`.
    pub fn pages_with(&self, statuses: &[Status]) -> Vec<u32> {
        let has = |page: &Totals| page.by_status.keys().any(|status| statuses.contains(status));
        let numbered = self.pages.iter().enumerate().filter(|(_, page)| has(page));
        numbered.filter_map(|(at, _)| u32::try_from(at).ok()).collect()
    }

    /// Seconds until everything has ended at the speed so far; `None` while that cannot be told.
    pub fn eta_seconds(&self, now: Timestamp) -> Option<u64> {
        let totals = self.totals();
        let left = u64::from(totals.members().saturating_sub(totals.ended()));
        let ended = u64::from(totals.ended().saturating_sub(self.ended_before));
        let seconds = now.0.checked_sub(self.since_ms?)? / 1000;
        (ended > 0 && left > 0).then(|| left.saturating_mul(seconds.max(1)) / ended)
    }
}

/// Measures the speed anew, from now on.
pub async fn begin_to_measure(
    store: &impl Store,
    id: &ProjectId,
    now: Timestamp,
) -> Result<(), Error> {
    change(store, &keys::totals(id), |sums: &mut Sums| {
        sums.ended_before = sums.totals().ended();
        sums.since_ms = Some(now.0);
    })
    .await
}

/// The page of a number, and its place there.
fn place(number: u32) -> (u32, usize) {
    let at = usize::try_from(number % ROWS_PER_PAGE).unwrap_or(0);
    (number / ROWS_PER_PAGE, at)
}

/// Writes what is known of the migration `number`, and the sums.
pub async fn update(
    store: &impl Store,
    id: &ProjectId,
    number: u32,
    row: &Row,
) -> Result<(), Error> {
    put(store, id, number, |old| {
        // What was erased stays erased.
        if old.status.is_some() {
            *old = row.clone();
        }
    })
    .await
}

/// Takes note that the migration `number` was erased: nothing of it stays but its place.
pub async fn erased(store: &impl Store, id: &ProjectId, number: u32) -> Result<(), Error> {
    put(store, id, number, |row| {
        for text in
            [&mut row.source, &mut row.destination, &mut row.source_url, &mut row.destination_url]
        {
            text.clear();
        }
        (row.status, row.error, row.group) = (None, None, None);
    })
    .await
}

async fn put(
    store: &impl Store,
    id: &ProjectId,
    number: u32,
    change_row: impl Fn(&mut Row),
) -> Result<(), Error> {
    let (page, at) = place(number);
    change(store, &keys::members(id, page), |rows: &mut Vec<Row>| {
        if let Some(row) = rows.get_mut(at) {
            change_row(row);
        }
    })
    .await?;
    sum_up(store, id, page).await
}

/// Brings the sums of a page up to date.
pub async fn sum_up(store: &impl Store, id: &ProjectId, page: u32) -> Result<(), Error> {
    let key = keys::totals(id);
    for _ in 0..SWAPS_MAX {
        let Some(before) = store.get(&key).await? else { return Ok(()) };
        // Read after the sums: whoever changes the rows later brings the sums up to date later.
        let rows: Option<Vec<Row>> = records::read(store, &keys::members(id, page)).await?;
        let fresh = Totals::of(&rows.unwrap_or_default());
        let mut sums: Sums = records::decode(&key, &before)?;
        let at = usize::try_from(page).unwrap_or(0);
        if sums.pages.len() <= at {
            sums.pages.resize(at + 1, Totals::default());
        }
        match sums.pages.get_mut(at) {
            Some(old) if *old != fresh => *old = fresh,
            _ => return Ok(()),
        }
        if store.swap(&key, &before, records::encode(&key, &sums)?).await? {
            return Ok(());
        }
    }
    Err(Error::Store(format!("{key} changes too often")))
}

/// Changes a record that is there; nothing where it is gone.
pub(crate) async fn change<T: Serialize + serde::de::DeserializeOwned + PartialEq + Clone>(
    store: &impl Store,
    key: &str,
    change: impl Fn(&mut T),
) -> Result<(), Error> {
    for _ in 0..SWAPS_MAX {
        let Some(before) = store.get(key).await? else { return Ok(()) };
        let old: T = records::decode(key, &before)?;
        let mut new = old.clone();
        change(&mut new);
        if new == old || store.swap(key, &before, records::encode(key, &new)?).await? {
            return Ok(());
        }
    }
    Err(Error::Store(format!("{key} changes too often")))
}

/// Writes the rows of migrations that come after the first `count`; there for nobody until the queue
/// counts them.
pub async fn append(
    store: &impl Store,
    id: &ProjectId,
    count: u32,
    rows: &[Row],
) -> Result<(), Error> {
    let (mut page, mut at) = place(count);
    let mut rest = rows;
    while !rest.is_empty() {
        let room = usize::try_from(ROWS_PER_PAGE).unwrap_or(1) - at;
        let (these, others) = rest.split_at(room.min(rest.len()));
        let key = keys::members(id, page);
        if at == 0 {
            records::write(store, &key, &these).await?;
        } else {
            change(store, &key, |rows: &mut Vec<Row>| {
                rows.truncate(at);
                rows.extend_from_slice(these);
            })
            .await?;
        }
        (rest, page, at) = (others, page + 1, 0);
    }
    Ok(())
}

/// A page of rows with their numbers; `count` is how many the queue has given out.
pub async fn page(
    store: &impl Store,
    id: &ProjectId,
    page: u32,
    count: u32,
) -> Result<Vec<(u32, Row)>, Error> {
    let first = page.saturating_mul(ROWS_PER_PAGE);
    if first >= count {
        return Ok(Vec::new());
    }
    let rows: Option<Vec<Row>> = records::read(store, &keys::members(id, page)).await?;
    let numbered = (first..count).zip(rows.unwrap_or_default());
    Ok(numbered.collect())
}

/// The identifiers of some migrations; of one that is unknown nothing.
pub async fn ids(
    store: &impl Store,
    id: &ProjectId,
    numbers: impl Iterator<Item = u32>,
) -> Result<BTreeMap<u32, MigrationId>, Error> {
    let mut wanted: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for number in numbers {
        wanted.entry(place(number).0).or_default().push(number);
    }
    let mut found = BTreeMap::new();
    for (page, numbers) in wanted {
        let rows: Option<Vec<Row>> = records::read(store, &keys::members(id, page)).await?;
        let rows = rows.unwrap_or_default();
        let named = numbers.into_iter().filter_map(|number| {
            let row = rows.get(place(number).1)?;
            row.status.map(|_| (number, row.id.clone()))
        });
        found.extend(named);
    }
    Ok(found)
}

/// What a list shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only these; empty for all.
    pub statuses: Vec<Status>,
    /// Only those with these words in them.
    pub words: Option<String>,
}

/// At most `max` rows from number `from` on, in order, and the number after the last that was looked
/// at, while there are more.
pub async fn list(
    store: &impl Store,
    id: &ProjectId,
    (from, count, max): (u32, u32, usize),
    filter: &Filter,
) -> Result<(Vec<(u32, Row)>, Option<u32>), Error> {
    let pages: Vec<u32> = if filter.statuses.is_empty() {
        (0..count.div_ceil(ROWS_PER_PAGE)).collect()
    } else {
        let sums: Option<Sums> = records::read(store, &keys::totals(id)).await?;
        sums.unwrap_or_default().pages_with(&filter.statuses)
    };
    let fits = |row: &Row| {
        let Some(status) = row.status else { return false };
        (filter.statuses.is_empty() || filter.statuses.contains(&status))
            && filter.words.as_ref().is_none_or(|words| row.has(words))
    };
    let mut found = Vec::new();
    for number in pages.into_iter().filter(|page| *page >= from / ROWS_PER_PAGE) {
        for (number, row) in page(store, id, number, count).await? {
            if number < from || !fits(&row) {
                continue;
            }
            if found.len() == max {
                return Ok((found, Some(number)));
            }
            found.push((number, row));
        }
    }
    Ok((found, None))
}

/// When a run of any of them ended last.
pub async fn last_activity(
    store: &impl Store,
    id: &ProjectId,
    count: u32,
) -> Result<Timestamp, Error> {
    let mut last = Timestamp::default();
    for number in 0..count.div_ceil(ROWS_PER_PAGE) {
        let rows = page(store, id, number, count).await?;
        let ended = rows.iter().filter_map(|(_, row)| row.finished_at).max();
        last = last.max(ended.unwrap_or_default());
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use store::memory::Memory;

    fn row(n: u32, status: Status) -> Row {
        let account = |login: String| model::Account {
            server_type: model::ServerType::Imap,
            url: "imaps://mail.example".into(),
            login,
            delegate: None,
        };
        let sides = (account(format!("a{n}@from.example")), account(format!("a{n}@to.example")));
        let id = MigrationId::from_random(&[u8::try_from(n % 31).unwrap(); 26]);
        let (items, options, notify) = (vec![], model::Options::default(), Default::default());
        let mut migration = Migration::new(id, Timestamp(1), sides, items, options, notify);
        migration.status = status;
        let progress = Counters { total: 10, bytes_total: 100, ..Counters::default() };
        Row { progress, ..Row::of(&migration) }
    }

    fn project() -> ProjectId {
        ProjectId::from_random(&[1; 26])
    }

    async fn filled(store: &Memory, members: u32) {
        let rows: Vec<Row> = (0..members).map(|n| row(n, Status::Pending)).collect();
        records::write(store, &keys::totals(&project()), &Sums::default()).await.unwrap();
        append(store, &project(), 0, &rows).await.unwrap();
        for page in 0..members.div_ceil(ROWS_PER_PAGE) {
            sum_up(store, &project(), page).await.unwrap();
        }
    }

    async fn totals(store: &Memory) -> Totals {
        let sums: Option<Sums> = records::read(store, &keys::totals(&project())).await.unwrap();
        sums.unwrap().totals()
    }

    #[test]
    fn sums_follow_the_rows() {
        block_on(async {
            let store = Memory::default();
            filled(&store, 250).await;
            assert_eq!(totals(&store).await.members(), 250);
            update(&store, &project(), 249, &row(249, Status::Failed)).await.unwrap();
            update(&store, &project(), 249, &row(249, Status::Failed)).await.unwrap();
            erased(&store, &project(), 3).await.unwrap();
            let totals = totals(&store).await;
            let counts: Vec<_> = totals.by_status.values().copied().collect();
            assert_eq!((counts, totals.progress.total, totals.ended()), (vec![248, 1], 2490, 1));
        });
    }

    #[test]
    fn lists_by_status_and_words_page_by_page() {
        block_on(async {
            let store = Memory::default();
            filled(&store, 250).await;
            update(&store, &project(), 120, &row(120, Status::Failed)).await.unwrap();
            update(&store, &project(), 249, &row(249, Status::Failed)).await.unwrap();
            let failed = Filter { statuses: vec![Status::Failed], words: None };
            let numbers = |rows: &[(u32, Row)]| rows.iter().map(|(n, _)| *n).collect::<Vec<_>>();
            let (rows, more) = list(&store, &project(), (0, 250, 1), &failed).await.unwrap();
            assert_eq!((numbers(&rows), more), (vec![120], Some(249)));
            let (rows, more) = list(&store, &project(), (249, 250, 1), &failed).await.unwrap();
            assert_eq!((numbers(&rows), more), (vec![249], None));
            let words = Filter { statuses: vec![], words: Some(" A24@TO".into()) };
            let (rows, _) = list(&store, &project(), (0, 250, 9), &words).await.unwrap();
            assert_eq!(numbers(&rows), [24]);
            let (rows, _) = list(&store, &project(), (0, 24, 9), &words).await.unwrap();
            assert_eq!(rows, [], "an import that was never finished");
        });
    }

    #[test]
    fn rows_that_were_left_behind_are_written_over() {
        block_on(async {
            let store = Memory::default();
            filled(&store, 150).await;
            let fresh: Vec<Row> = (0..3).map(|n| row(n, Status::Paused)).collect();
            append(&store, &project(), 120, &fresh).await.unwrap();
            let rows = page(&store, &project(), 1, 999).await.unwrap();
            assert_eq!(rows.len(), 23);
            assert_eq!(rows[20].1.status, Some(Status::Paused));
        });
    }

    #[test]
    fn time_left_comes_from_what_has_ended() {
        block_on(async {
            let store = Memory::default();
            filled(&store, 10).await;
            update(&store, &project(), 0, &row(0, Status::Completed)).await.unwrap();
            begin_to_measure(&store, &project(), Timestamp(1_000)).await.unwrap();
            let sums = async || -> Sums {
                records::read(&store, &keys::totals(&project())).await.unwrap().unwrap()
            };
            assert_eq!(sums().await.eta_seconds(Timestamp(11_000)), None);
            update(&store, &project(), 1, &row(1, Status::Failed)).await.unwrap();
            assert_eq!(sums().await.eta_seconds(Timestamp(11_000)), Some(80));
        });
    }
}
