//! The state of one slice, and its checkpoints: everything is written down together or not at all.

use std::collections::BTreeSet;

use dial::Dialer;
use ledger::cursor::FAILURES_PER_PAGE;
use ledger::folder::{FOLDERS_PER_PAGE, Folder};
use ledger::{Cursor, table};
use model::{Counters, Failure, Item, Migration, MigrationId, Phase, Timestamp};
use notify::Outbox;
use store::lease::Lease;
use store::{Store, keys, records};

use crate::counted::Before;
use crate::trouble::Halt;
use crate::world::{Host, World};

/// One slice of one migration.
pub(crate) struct Run<'a, H: Host, S: Store> {
    pub(crate) world: &'a World<'a, H, S>,
    /// Opens lines to the source, where they are counted apart.
    pub(crate) source_dialer: Option<&'a Dialer<'a, H>>,
    pub(crate) lease: Lease,
    pub(crate) migration: Migration,
    pub(crate) cursor: Cursor,
    pub(crate) folders: Vec<Folder>,
    dirty: BTreeSet<usize>,
    failures: Vec<Failure>,
    staged: Vec<(String, Vec<u8>)>,
    /// What the owner is to be told; `None` where nobody wants to be.
    pub(crate) outbox: Option<Outbox>,
    started_ms: u64,
    bytes_before: u64,
    /// Whether anything was moved or looked at for good in this slice.
    pub(crate) progressed: bool,
    /// Whether it is written down that this slice has no result so far.
    pub(crate) fruitless: bool,
    /// Whether the source announces the true sizes of messages.
    pub(crate) true_sizes: bool,
    /// Whether the accounts are being opened.
    pub(crate) opening: bool,
}

impl<'a, H: Host, S: Store> Run<'a, H, S> {
    /// Reads where the migration stands.
    pub(crate) async fn load(
        world: &'a World<'a, H, S>,
        lease: Lease,
        migration: Migration,
    ) -> Result<Self, store::Error> {
        let id = migration.id.clone();
        let stored: Option<Cursor> = records::read(world.store, &keys::cursor(&id)).await?;
        let cursor = stored.unwrap_or_default();
        let folders = table::all(world.store, &id, cursor.folders).await?;
        let outbox = Outbox::read(world.store, &migration).await?;
        let bytes_before = bytes_migrated(&migration);
        Ok(Run {
            world,
            source_dialer: None,
            lease,
            migration,
            cursor,
            folders,
            dirty: BTreeSet::new(),
            failures: Vec::new(),
            staged: Vec::new(),
            outbox,
            started_ms: world.host.monotonic_ms(),
            bytes_before,
            progressed: false,
            fruitless: true,
            true_sizes: true,
            opening: false,
        })
    }

    pub(crate) fn id(&self) -> &MigrationId {
        &self.migration.id
    }

    pub(crate) fn store(&self) -> &'a S {
        self.world.store
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.world.host.now_ms())
    }

    /// The counters of one kind of item.
    pub(crate) fn counters(&mut self, item: Item) -> &mut Counters {
        self.migration.progress.entry(item).or_default()
    }

    /// A folder to read.
    pub(crate) fn folder(&self, at: usize) -> Result<&Folder, Halt> {
        self.folders.get(at).ok_or_else(|| damaged(at))
    }

    /// A folder to change; written at the next checkpoint.
    pub(crate) fn folder_mut(&mut self, at: usize) -> Result<&mut Folder, Halt> {
        self.dirty.insert(at / FOLDERS_PER_PAGE);
        self.folders.get_mut(at).ok_or_else(|| damaged(at))
    }

    /// Writes the whole folder table at the next checkpoint.
    pub(crate) fn touch_all_folders(&mut self) {
        self.dirty.extend(0..self.folders.len().div_ceil(FOLDERS_PER_PAGE));
        self.cursor.folders = u32::try_from(self.folders.len()).unwrap_or(u32::MAX);
    }

    /// Adds a write to the next checkpoint.
    pub(crate) fn stage(&mut self, key: String, value: Vec<u8>) {
        self.staged.push((key, value));
    }

    /// Adds a failure (or a remark) to the next checkpoint.
    pub(crate) fn fail(&mut self, failure: Failure) {
        if failure.code.is_loss() {
            self.counters(failure.item).failed += 1;
            self.cursor.losses += 1;
            if let Some(point) = self.migration.sync_points.last_mut() {
                point.failed += 1;
            }
        }
        self.failures.push(bounded(failure));
    }

    /// Goes to another phase; written at the next checkpoint.
    pub(crate) fn enter(&mut self, phase: Phase) {
        self.cursor.phase = phase;
        self.cursor.at = 0;
        self.migration.phase = Some(phase);
        self.progressed = true;
    }

    /// Ends the slice if its time is over.
    pub(crate) fn check_budget(&self) -> Result<(), Halt> {
        let used_ms = self.world.host.monotonic_ms().saturating_sub(self.started_ms);
        if used_ms < self.world.slice_ms { Ok(()) } else { Err(Halt::Budget) }
    }

    /// Writes everything down in one step, if the lease is still ours; then sees whether the owner
    /// asked for something.
    pub(crate) async fn checkpoint(&mut self) -> Result<(), Halt> {
        self.hold().await?;
        self.write().await?;
        crate::requests::look_for_requests(self.store(), &self.migration).await?;
        match self.migration.quiet_until(self.now()) {
            Some(until) => Err(Halt::Quiet(until)),
            None => Ok(()),
        }
    }

    /// Makes sure that the lease is ours.
    pub(crate) async fn hold(&mut self) -> Result<(), Halt> {
        let ours = self.lease.renew(self.world.store, self.world.moment()).await?;
        if ours { Ok(()) } else { Err(Halt::Lost) }
    }

    /// The writing half of a checkpoint; the lease must be held.
    pub(crate) async fn write(&mut self) -> Result<(), Halt> {
        self.migration.updated_at = self.now();
        self.measure();
        let id = self.migration.id.clone();
        let mut pairs = std::mem::take(&mut self.staged);
        for page in std::mem::take(&mut self.dirty) {
            let rows = self.folders.iter().skip(page * FOLDERS_PER_PAGE).take(FOLDERS_PER_PAGE);
            let number = u32::try_from(page).unwrap_or(u32::MAX);
            pairs.extend(table::encode(&id, number, &rows.collect::<Vec<_>>())?);
        }
        self.write_failures(&mut pairs).await?;
        if self.fruitless && self.progressed {
            pairs.push(Before::cleared(&id, false)?);
            self.fruitless = false;
        }
        let key = keys::cursor(&id);
        pairs.push((key.clone(), records::encode(&key, &self.cursor)?));
        let key = keys::migration(&id);
        pairs.push((key.clone(), records::encode(&key, &self.migration)?));
        if let Some(outbox) = &mut self.outbox {
            pairs.extend(outbox.take_change(&id)?);
        }
        if !self.lease.write(self.store(), pairs).await? {
            return Err(Halt::Lost);
        }
        let now_ms = self.now().0;
        if let Some(outbox) = &mut self.outbox {
            outbox.announce(self.world.store, &id, now_ms).await?;
        }
        Ok(())
    }

    async fn write_failures(&mut self, pairs: &mut Vec<(String, Vec<u8>)>) -> Result<(), Halt> {
        let mut fresh = std::mem::take(&mut self.failures).into_iter().peekable();
        while fresh.peek().is_some() {
            let page = u32::try_from(self.cursor.failures / FAILURES_PER_PAGE).unwrap_or(u32::MAX);
            let key = keys::failures(self.id(), page);
            let used = self.cursor.failures % FAILURES_PER_PAGE;
            let mut rows: Vec<Failure> = match used {
                0 => Vec::new(),
                _ => records::read(self.store(), &key).await?.unwrap_or_default(),
            };
            // A page may hold rows of a checkpoint that was never finished: the cursor counts.
            rows.truncate(usize::try_from(used).unwrap_or(0));
            // Some may have been written before there was a limit.
            let mut rows: Vec<Failure> = rows.into_iter().map(bounded).collect();
            let room = usize::try_from(FAILURES_PER_PAGE - used).unwrap_or(0);
            rows.extend(fresh.by_ref().take(room));
            self.cursor.failures += rows.len() as u64 - used;
            pairs.push((key.clone(), records::encode(&key, &rows)?));
        }
        Ok(())
    }

    /// Rate and time left, from this slice.
    fn measure(&mut self) {
        let ms = self.world.host.monotonic_ms().saturating_sub(self.started_ms).max(1);
        let before = self.bytes_before;
        let all = bytes_migrated(&self.migration);
        let moved = all.saturating_sub(before);
        if moved > 0 {
            self.migration.bytes_per_second = moved.saturating_mul(1000) / ms;
        }
        let totals = self.migration.progress.values().map(|counters| counters.bytes_total);
        let left = totals.fold(0, u64::saturating_add).saturating_sub(all);
        let rate = self.migration.bytes_per_second;
        let copying = self.cursor.phase == Phase::Mail && rate > 0;
        self.migration.eta_seconds = copying.then(|| left / rate.max(1));
    }
}

/// Octets of all kinds of items that were put at the destination in this sync point.
fn bytes_migrated(migration: &Migration) -> u64 {
    let all = migration.progress.values().map(|counters| counters.bytes_migrated);
    all.fold(0, u64::saturating_add)
}

/// Octets kept of a failure's texts: with all in quotation marks a page of them is below a mebibyte.
const FOLDER_OCTETS: usize = 1_500;
const SUBJECT_OCTETS: usize = 1_000;
const REASON_OCTETS: usize = 2_000;

/// A failure that has room in its page.
fn bounded(failure: Failure) -> Failure {
    Failure {
        folder: plain(&failure.folder, FOLDER_OCTETS),
        subject: plain(&failure.subject, SUBJECT_OCTETS),
        reason: plain(&failure.reason, REASON_OCTETS),
        ..failure
    }
}

/// At most `octets` of a text, with blanks for control characters, which JSON spells with six.
pub(crate) fn plain(text: &str, octets: usize) -> String {
    let cut = wire::cut(text, octets);
    cut.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn damaged(at: usize) -> Halt {
    Halt::Impossible(format!("The folder table of this migration has no row {at}."))
}
