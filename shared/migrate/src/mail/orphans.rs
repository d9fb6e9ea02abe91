//! Journalled messages that are gone from their folder at the source, until the mail phase has looked
//! for them in the others.
//!
//! There may be a million of them, so that only a number that tells one from another is held of
//! each; those that turn up are read again.

use ledger::Message;
use ledger::fold::{Ledger, Row, Writer, read_flags};
use ledger::journal::{Entry, Origin, Segment};
use ledger::skips::Skips;
use mailbox::InternalDate;
use serde::{Deserialize, Serialize};
use store::{Store, keys, records};

use crate::run::Run;
use crate::trouble::Halt;
use crate::world::Host;

/// The most orphans of all folders: 20 bytes each while mail is copied. With more gone between two
/// sync points the rest counts as deleted, and is copied anew where it turns up.
pub(crate) const ORPHANS_MAX: usize = 1_000_000;
/// Orphans in one record; those that turn up are read again from it.
const ORPHANS_PER_PAGE: usize = if cfg!(test) { 2 } else { 2_000 };

/// One orphan, as it is stored with the messages that are moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Orphan {
    pub(crate) folder: u32,
    pub(crate) source_uid_validity: u32,
    pub(crate) source_uid: u32,
    pub(crate) destination_uid_validity: u32,
    pub(crate) destination_uid: u32,
    pub(crate) sync_point: u32,
    pub(crate) size: u64,
    pub(crate) unix_s: i64,
    pub(crate) zone_minutes: i16,
    pub(crate) identity: u64,
    pub(crate) flags: String,
    pub(crate) ours: bool,
}

/// The orphans of all folders, by what identifies them.
#[derive(Debug, Default)]
pub(crate) struct Orphans {
    /// In order, those of one folder together.
    slots: Vec<Slot>,
    taken: Skips,
    /// Folder and number of each record.
    pages: Vec<(u32, u32)>,
    /// The source's listing does not tell sizes for certain.
    any_size: bool,
}

/// Where an orphan is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot {
    /// What identifies it, as one number.
    same: u64,
    /// Index of its record.
    page: u32,
    /// Its place there.
    place: u16,
}

/// Stages orphans of a folder, by their places in the ledger, for the mail phase.
pub(crate) fn keep<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    ledger: &Ledger,
    gone: &[usize],
) -> Result<(), Halt> {
    let known: usize = run.folders.iter().map(|folder| folder.orphan_count as usize).sum();
    let room = ORPHANS_MAX.saturating_sub(known);
    if gone.len() > room {
        run.folder_mut(at)?.remark(format!(
            "More than {ORPHANS_MAX} messages left their folders at the source; those beyond are \
             not recognised where they turn up again."
        ));
    }
    let mut writer = Writer::default();
    for row in gone.iter().take(room).filter_map(|place| ledger.rows.get(*place)) {
        writer.put(row, &ledger.flags(row));
    }
    write_orphans(run, at, writer)
}

fn write_orphans<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    writer: Writer,
) -> Result<(), Halt> {
    let number = u32::try_from(at).unwrap_or(u32::MAX);
    for segment in writer.finish() {
        for some in segment.entries.chunks(ORPHANS_PER_PAGE) {
            let page = Segment { entries: some.to_vec(), ..segment.like() };
            for page in page.pieces() {
                let folder = run.folder_mut(at)?;
                folder.orphans = true;
                folder.orphan_pages += 1;
                folder.orphan_pages_max = folder.orphan_pages_max.max(folder.orphan_pages);
                folder.orphan_count += u32::try_from(page.entries.len()).unwrap_or(0);
                let key = keys::more_orphans(run.id(), number, run.folder(at)?.orphan_pages);
                run.stage(key, page.encode());
            }
        }
    }
    Ok(())
}

/// Writes the one list of earlier versions as pages.
async fn renew<H: Host, S: Store>(run: &mut Run<'_, H, S>, at: usize) -> Result<(), Halt> {
    let key = keys::orphans(run.id(), u32::try_from(at).unwrap_or(u32::MAX));
    let old: Option<Vec<Orphan>> = records::read(run.store(), &key).await?;
    let mut writer = Writer::default();
    for orphan in old.unwrap_or_default() {
        if let Some(row) = orphan.row() {
            writer.put(&row, &read_flags(&orphan.flags));
        }
    }
    write_orphans(run, at, writer)?;
    run.checkpoint().await
}

impl Orphans {
    /// Reads those that this sync point found; with `any_size` those with a Message-ID are
    /// recognised whatever size the source lists.
    pub(crate) async fn read<H: Host, S: Store>(
        run: &mut Run<'_, H, S>,
        any_size: bool,
    ) -> Result<Self, Halt> {
        for at in 0..run.folders.len() {
            let folder = run.folder(at)?;
            if folder.orphans && folder.orphan_pages == 0 {
                renew(run, at).await?;
            }
        }
        let mut found = Orphans { any_size, ..Orphans::default() };
        let count = run.folders.iter().map(|folder| folder.orphan_count as usize).sum();
        found.slots.reserve_exact(count);
        for (folder, number) in run.folders.iter().zip(0u32..).filter(|(own, _)| own.orphans) {
            for page in 1..=folder.orphan_pages {
                found.pages.push((number, page));
                found.add(&page_of(run, (number, page)).await?);
            }
        }
        found.in_order();
        Ok(found)
    }

    fn in_order(&mut self) {
        self.slots.sort_unstable();
        self.taken = Skips::new(self.slots.len());
    }

    /// Those of a folder's pages, `count` at most.
    #[cfg(test)]
    pub(crate) fn of_pages(
        folder: u32,
        pages: impl Iterator<Item = Segment>,
        count: usize,
    ) -> Self {
        let mut found = Orphans::default();
        found.slots.reserve_exact(count);
        for (page, number) in pages.zip(1..) {
            found.pages.push((folder, number));
            found.add(&page);
        }
        found.in_order();
        found
    }

    fn add(&mut self, page: &Segment) {
        let number = u32::try_from(self.pages.len().saturating_sub(1)).unwrap_or(u32::MAX);
        for (entry, place) in page.entries.iter().zip(0u16..) {
            let same = self.same((entry.identity, entry.size, entry.date.unix_s()));
            self.slots.push(Slot { same, page: number, place });
        }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    fn same(&self, (identity, size, unix_s): (u64, u64, i64)) -> u64 {
        let size = if self.any_size && identity != 0 { 0 } else { size };
        mixed(&[identity, size, unix_s.cast_unsigned()])
    }

    /// Takes the orphan that `message` is; one of its own folder first, which came back.
    pub(crate) fn take(&mut self, at: usize, message: &Message) -> Option<Slot> {
        let same = self.same((message.identity, message.size, message.date.unix_s()));
        let own = self.pages.partition_point(|(folder, _)| (*folder as usize) < at);
        let own = u32::try_from(own).unwrap_or(u32::MAX);
        let of_own = |slot: &Slot| {
            self.pages.get(slot.page as usize).is_some_and(|(folder, _)| *folder as usize == at)
        };
        let first = |slots: &[Slot], page| {
            slots.partition_point(|slot| (slot.same, slot.page) < (same, page))
        };
        let free = self.taken.free(first(&self.slots, own));
        let found = match self.slots.get(free).filter(|slot| slot.same == same && of_own(slot)) {
            Some(_) => free,
            None => self.taken.free(first(&self.slots, 0)),
        };
        let slot = self.slots.get(found).filter(|slot| slot.same == same).copied()?;
        self.taken.take(found);
        Some(slot)
    }

    /// The orphans in these slots, with what each belongs to; a record is read once.
    pub(crate) async fn fetch<H: Host, S: Store, T>(
        &self,
        run: &Run<'_, H, S>,
        mut wanted: Vec<(Slot, T)>,
    ) -> Result<Vec<(Orphan, T)>, Halt> {
        wanted.sort_by_key(|(slot, _)| (slot.page, slot.place));
        let mut found = Vec::with_capacity(wanted.len());
        let mut open: Option<(u32, Segment)> = None;
        for (slot, whose) in wanted {
            let Some(place) = self.pages.get(slot.page as usize).copied() else { continue };
            if open.as_ref().is_none_or(|(page, _)| *page != slot.page) {
                open = Some((slot.page, page_of(run, place).await?));
            }
            let Some((_, page)) = &open else { continue };
            if let Some(entry) = page.entries.get(usize::from(slot.place)) {
                found.push((Orphan::of(place.0, page, entry), whose));
            }
        }
        Ok(found)
    }
}

async fn page_of<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    (folder, page): (u32, u32),
) -> Result<Segment, Halt> {
    let key = keys::more_orphans(run.id(), folder, page);
    let bytes = run.store().get(&key).await?;
    let missing = || store::Error::Unreadable { key: key.clone(), reason: "it is gone".into() };
    Ok(Segment::decode(&key, &bytes.ok_or_else(missing)?)?)
}

/// Several numbers as one. They are no secrets, and nobody gains from two that meet.
pub(crate) fn mixed(numbers: &[u64]) -> u64 {
    // The constants are those of SplitMix64.
    numbers.iter().fold(0x9e37_79b9_7f4a_7c15, |hash: u64, number| {
        let mut z = (hash ^ number).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    })
}

impl Orphan {
    fn of(folder: u32, page: &Segment, entry: &Entry) -> Self {
        Orphan {
            folder,
            source_uid_validity: page.source_uid_validity,
            source_uid: entry.source_uid,
            destination_uid_validity: page.destination_uid_validity,
            destination_uid: entry.destination_uid,
            sync_point: page.sync_point,
            size: entry.size,
            unix_s: entry.date.unix_s(),
            zone_minutes: entry.date.zone_minutes(),
            identity: entry.identity,
            flags: page.flags_of(entry).to_string(),
            ours: entry.origin == Origin::Copied,
        }
    }

    /// Its row in the ledger; `None` where the record holds no date.
    pub(crate) fn row(&self) -> Option<Row> {
        Some(Row {
            source_uid_validity: self.source_uid_validity,
            destination_uid_validity: self.destination_uid_validity,
            sync_point: self.sync_point,
            entry: Entry {
                source_uid: self.source_uid,
                destination_uid: self.destination_uid,
                size: self.size,
                date: InternalDate::new(self.unix_s, self.zone_minutes)?,
                identity: self.identity,
                flags: 0,
                origin: if self.ours { Origin::Copied } else { Origin::Adopted },
            },
        })
    }
}
