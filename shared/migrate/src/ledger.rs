//! What the journal of a folder says in the end: which message is where, and how it was left.
//!
//! The journal is a log. The first entry of a source message says which sync point brought it and
//! how; later ones say where it is now and with which flags; a later one with destination UID 0
//! says that it is no longer ours: moved to another folder, or taken back.

use std::collections::BTreeMap;

use imap::Flags;
use store::{Store, keys};

use crate::journal::{Entry, Origin, Segment};
use crate::run::Run;
use crate::trouble::Halt;
use crate::world::Host;

/// The most messages of one folder whose whole journal is held: about 60 bytes each. A folder
/// with more gets what is new, and neither changed flags nor moves nor removal.
pub(crate) const LEDGER_MAX: usize = 500_000;
/// Segments read at once.
const SEGMENTS_AT_ONCE: usize = 64;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// UIDVALIDITY of the source's folder.
    pub(crate) source_uid_validity: u32,
    /// UIDVALIDITY of the destination's folder.
    pub(crate) destination_uid_validity: u32,
    /// The sync point that brought it.
    pub(crate) sync_point: u32,
    /// The latest entry; `flags` is an index into the ledger's sets, `origin` of the first entry.
    pub(crate) entry: Entry,
}

/// All messages of a folder's journal, by source UIDVALIDITY and UID.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) rows: Vec<Row>,
    sets: Vec<Flags>,
    indices: BTreeMap<String, u32>,
}

impl Ledger {
    /// Reads the journal of a folder.
    pub(crate) async fn read<H: Host, S: Store>(
        run: &Run<'_, H, S>,
        at: usize,
    ) -> Result<Ledger, Halt> {
        Ledger::load(run.store(), run.id(), at, run.folder(at)?.segments).await
    }

    /// The same from the store alone.
    pub(crate) async fn load(
        store: &impl Store,
        id: &model::MigrationId,
        at: usize,
        segments: u32,
    ) -> Result<Ledger, Halt> {
        let number = u32::try_from(at).unwrap_or(u32::MAX);
        let names: Vec<String> = (0..segments).map(|n| keys::journal(id, number, n)).collect();
        let mut ledger = Ledger::default();
        for some in names.chunks(SEGMENTS_AT_ONCE) {
            for (key, value) in some.iter().zip(store.get_many(some).await?) {
                let missing =
                    || store::Error::Unreadable { key: key.clone(), reason: "it is gone".into() };
                ledger.add(Segment::decode(key, &value.ok_or_else(missing)?)?);
            }
            if ledger.rows.len() > 2 * LEDGER_MAX {
                return Err(too_large());
            }
        }
        ledger.fold();
        if ledger.rows.len() > LEDGER_MAX {
            return Err(too_large());
        }
        Ok(ledger)
    }

    /// Whether the journal of a folder is small enough; `messages` is an upper bound.
    pub(crate) fn fits(messages: u64) -> bool {
        usize::try_from(messages).is_ok_and(|messages| messages <= LEDGER_MAX)
    }

    fn add(&mut self, segment: Segment) {
        let sets: Vec<u32> = segment.flag_sets.iter().map(|text| self.index(text)).collect();
        for mut entry in segment.entries {
            let set = usize::try_from(entry.flags).ok().and_then(|at| sets.get(at)).copied();
            entry.flags = set.unwrap_or_else(|| self.index(""));
            self.rows.push(Row {
                source_uid_validity: segment.source_uid_validity,
                destination_uid_validity: segment.destination_uid_validity,
                sync_point: segment.sync_point,
                entry,
            });
        }
    }

    fn index(&mut self, text: &str) -> u32 {
        if let Some(index) = self.indices.get(text) {
            return *index;
        }
        let index = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        let mut flags = Flags::new();
        text.split(' ').filter(|name| !name.is_empty()).for_each(|name| flags.insert(name));
        self.sets.push(flags);
        self.indices.insert(text.to_owned(), index);
        index
    }

    /// One row a message: the first says who brought it, the last where it is.
    fn fold(&mut self) {
        // Stable: entries of one message stay in the order they were written.
        self.rows.sort_by_key(Row::key);
        self.rows.dedup_by(|later, first| {
            let same = later.key() == first.key();
            if same {
                let origin = first.entry.origin;
                first.destination_uid_validity = later.destination_uid_validity;
                first.entry = later.entry.clone();
                first.entry.origin = origin;
            }
            same
        });
        self.rows.retain(|row| row.entry.destination_uid != 0);
    }

    /// The flags a message was left with.
    pub(crate) fn flags(&self, row: &Row) -> Flags {
        let set = usize::try_from(row.entry.flags).ok().and_then(|at| self.sets.get(at));
        set.cloned().unwrap_or_default()
    }

    /// Messages of the source's folder as it is numbered now.
    pub(crate) fn current(&self, source_uid_validity: u32) -> &[Row] {
        let first = self.rows.partition_point(|row| row.source_uid_validity < source_uid_validity);
        let end = self.rows.partition_point(|row| row.source_uid_validity <= source_uid_validity);
        self.rows.get(first..end).unwrap_or_default()
    }
}

impl Row {
    fn key(&self) -> (u32, u32) {
        (self.source_uid_validity, self.entry.source_uid)
    }

    /// Whether we put it there, and it is ours to change.
    pub(crate) fn is_ours(&self) -> bool {
        self.entry.origin == Origin::Copied
    }
}

fn too_large() -> Halt {
    Halt::Impossible(format!(
        "A folder has more than {LEDGER_MAX} migrated messages; only new ones can be brought."
    ))
}

/// Rows as segments again, each of one sync point and one pair of UIDVALIDITYs.
#[derive(Default)]
pub(crate) struct Writer {
    segments: BTreeMap<(u32, u32, u32), Segment>,
}

impl Writer {
    /// Adds what a message is now.
    pub(crate) fn put(&mut self, row: &Row, flags: &Flags) {
        let validities = (row.source_uid_validity, row.destination_uid_validity);
        let key = (row.sync_point, validities.0, validities.1);
        let segment = self.segments.entry(key).or_insert_with(|| Segment {
            sync_point: row.sync_point,
            source_uid_validity: validities.0,
            destination_uid_validity: validities.1,
            ..Segment::default()
        });
        let flags = segment.flag_set(flags);
        segment.entries.push(Entry { flags, ..row.entry.clone() });
    }

    /// Adds that a message is no longer ours.
    pub(crate) fn forget(&mut self, row: &Row) {
        let mut gone = row.clone();
        (gone.entry.destination_uid, gone.entry.size) = (0, 0);
        self.put(&gone, &Flags::new());
    }

    /// The segments.
    pub(crate) fn finish(self) -> Vec<Segment> {
        self.segments.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imap::InternalDate;

    fn entry(source_uid: u32, destination_uid: u32) -> Entry {
        let date = InternalDate::new(0, 0).unwrap();
        let origin = Origin::Copied;
        Entry { source_uid, destination_uid, size: 1, date, identity: 9, flags: 0, origin }
    }

    fn segment(sync_point: u32, flags: &str, entries: Vec<Entry>) -> Segment {
        let flag_sets = vec![flags.to_owned()];
        Segment {
            sync_point,
            source_uid_validity: 5,
            destination_uid_validity: 6,
            flag_sets,
            entries,
        }
    }

    #[test]
    fn the_last_entry_says_where_and_the_first_who() {
        let mut ledger = Ledger::default();
        ledger.add(segment(1, "\\Seen", vec![entry(1, 11), entry(2, 12), entry(3, 13)]));
        ledger.add(segment(2, "\\Flagged", vec![entry(2, 22), entry(4, 14)]));
        ledger.add(segment(2, "", vec![entry(3, 0)]));
        ledger.fold();
        let told: Vec<_> = ledger
            .current(5)
            .iter()
            .map(|row| (row.entry.source_uid, row.entry.destination_uid, row.sync_point))
            .collect();
        assert_eq!(told, [(1, 11, 1), (2, 22, 1), (4, 14, 2)]);
        let flags = |at: usize| ledger.flags(&ledger.rows[at]).names().collect::<String>();
        assert_eq!((flags(0), flags(1)), ("\\Seen".into(), "\\Flagged".into()));
        assert!(ledger.current(4).is_empty() && ledger.current(6).is_empty());
    }

    #[test]
    fn rows_become_segments_again() {
        let mut ledger = Ledger::default();
        ledger.add(segment(1, "\\Seen", vec![entry(1, 11), entry(2, 12)]));
        let mut writer = Writer::default();
        writer.put(&ledger.rows[0], &ledger.flags(&ledger.rows[0]));
        writer.forget(&ledger.rows[1]);
        for segment in writer.finish() {
            ledger.add(segment);
        }
        ledger.fold();
        assert_eq!(ledger.rows.len(), 1);
    }
}
