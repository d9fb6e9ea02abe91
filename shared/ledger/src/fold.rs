//! What the journal of a folder says in the end: which message is where, and how it was left.
//!
//! The journal is a log. The first entry of a source message says which sync point brought it and
//! how; later ones say where it is now and with which flags; a later one with destination UID 0
//! says that it is no longer ours: moved to another folder, or taken back.
//!
//! A folder may have millions of messages, so the ledger comes in windows of ascending keys. The
//! first window reads every segment and notes which keys are in it; the following ones read those
//! that they need. Segments are mostly ascending, so each is read two or three times.

use std::collections::BTreeMap;

use mailbox::Flags;
use model::MigrationId;
use store::{Error, Store, keys};

use crate::journal::{Entry, Origin, Segment};

/// Messages of a window, unless less is asked for: about 70 bytes each, and twice as many while it is
/// put together.
pub const WINDOW_ROWS: usize = 50_000;
/// Octets of different flags in a window, unless less is asked for.
pub const WINDOW_FLAGS: usize = 4 << 20;
/// Segments read at once: some 40 KiB each, a mebibyte at most.
const SEGMENTS_AT_ONCE: usize = 16;

/// What orders messages: UIDVALIDITY and UID at the source.
pub type Key = (u32, u32);

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// UIDVALIDITY of the source's folder.
    pub source_uid_validity: u32,
    /// UIDVALIDITY of the destination's folder.
    pub destination_uid_validity: u32,
    /// The sync point that brought it.
    pub sync_point: u32,
    /// The latest entry; `flags` is an index into the ledger's sets, `origin` of the first entry.
    pub entry: Entry,
}

/// A window of a folder's ledger, by source UIDVALIDITY and UID.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The messages, in order of their keys.
    pub rows: Vec<Row>,
    /// The last key that it covers; behind the last row where that message is no longer ours.
    pub last: Key,
    sets: Vec<Flags>,
    indices: BTreeMap<String, u32>,
    octets: usize,
    room: Room,
}

/// What a window may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Messages.
    pub rows: usize,
    /// Octets of flags that differ.
    pub flags: usize,
}

impl Default for Room {
    fn default() -> Self {
        Room { rows: WINDOW_ROWS, flags: WINDOW_FLAGS }
    }
}

/// Reads the ledger of a folder window by window.
#[derive(Debug)]
pub struct Windows {
    id: MigrationId,
    folder: u32,
    /// Of each segment, the first and last key in it, once it was read.
    spans: Vec<Option<(Key, Key)>>,
    /// Everything up to this key was given.
    after: Key,
    /// The last key that is wanted.
    limit: Key,
    /// Whether messages count that were sent and of which nobody knows where they are.
    unplaced: bool,
    ended: bool,
    room: Room,
}

impl Windows {
    /// The whole ledger of a folder whose journal has `segments`.
    pub fn of(id: &MigrationId, at: usize, segments: u32) -> Self {
        Windows {
            id: id.clone(),
            folder: u32::try_from(at).unwrap_or(u32::MAX),
            spans: vec![None; usize::try_from(segments).unwrap_or(0)],
            after: (0, 0),
            limit: (u32::MAX, u32::MAX),
            unplaced: false,
            ended: false,
            room: Room::default(),
        }
    }

    /// Smaller windows, or larger ones.
    pub fn with_room(self, room: Room) -> Self {
        Windows { room, ..self }
    }

    /// Only what segments from this one on say.
    pub fn since_segment(mut self, first: u32) -> Self {
        let before = usize::try_from(first).unwrap_or(usize::MAX);
        for span in self.spans.iter_mut().take(before) {
            // No key lies there.
            *span = Some(((u32::MAX, u32::MAX), (0, 0)));
        }
        self
    }

    /// Messages too that were sent and of which nobody knows where they are.
    pub fn with_unplaced(self) -> Self {
        Windows { unplaced: true, ..self }
    }

    /// What comes up to a key.
    pub fn until(self, limit: Key) -> Self {
        Windows { limit, ..self }
    }

    /// What comes after a key; no message has UID 0.
    pub fn after(self, after: Key) -> Self {
        Windows { after, ..self }
    }

    /// Only messages of the source's folder as it is numbered with this UIDVALIDITY.
    pub fn current(self, uid_validity: u32) -> Self {
        let after = self.after.max((uid_validity, 0));
        Windows { after, limit: (uid_validity, u32::MAX), ..self }
    }

    /// The next window; `None` after the last. It has no rows where all of its messages are no
    /// longer ours.
    pub async fn next(&mut self, store: &impl Store) -> Result<Option<Ledger>, Error> {
        if self.ended || self.after >= self.limit {
            return Ok(None);
        }
        let mut ledger = Ledger { room: self.room, ..Ledger::default() };
        let mut until = self.limit;
        let mut number = 0;
        loop {
            let (some, next) = self.some(number, until);
            number = next;
            if some.is_empty() {
                break;
            }
            let names: Vec<String> =
                some.iter().map(|at| keys::journal(&self.id, self.folder, *at)).collect();
            let values = store.get_many(&names).await?;
            for ((at, key), value) in some.iter().zip(&names).zip(values) {
                let gone = || Error::Unreadable { key: key.clone(), reason: "it is gone".into() };
                let segment = Segment::decode(key, &value.ok_or_else(gone)?)?;
                self.note(*at, &segment);
                ledger.add(segment, (self.after, until));
                if let Some(sooner) = ledger.shrink(false) {
                    until = sooner;
                }
            }
        }
        if let Some(sooner) = ledger.shrink(true) {
            until = sooner;
        }
        let unplaced = self.unplaced;
        ledger
            .rows
            .retain(|row| row.entry.destination_uid != 0 || (unplaced && row.entry.size != 0));
        self.ended = until == self.limit;
        (self.after, ledger.last) = (until, until);
        Ok(Some(ledger))
    }

    /// The next segments from `number` on in which there may be keys up to `until`, and where to go
    /// on.
    fn some(&self, number: u32, until: Key) -> (Vec<u32>, u32) {
        let mut some = Vec::new();
        let mut next = number;
        let spans = self.spans.iter().skip(usize::try_from(number).unwrap_or(usize::MAX));
        for span in spans {
            if some.len() == SEGMENTS_AT_ONCE {
                break;
            }
            if span.is_none_or(|(first, last)| first <= until && last > self.after) {
                some.push(next);
            }
            next += 1;
        }
        (some, next)
    }

    fn note(&mut self, number: u32, segment: &Segment) {
        let uids = segment.entries.iter().map(|entry| entry.source_uid);
        let (first, last) = uids.fold((u32::MAX, 0), |(a, b), uid| (a.min(uid), b.max(uid)));
        let validity = segment.source_uid_validity;
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(span) = self.spans.get_mut(at) {
            *span = Some(((validity, first), (validity, last)));
        }
    }
}

impl Ledger {
    /// Adds the entries of a segment whose keys lie behind `after` and not behind `until`.
    fn add(&mut self, segment: Segment, (after, until): (Key, Key)) {
        let mut sets: Vec<Option<u32>> = vec![None; segment.flag_sets.len()];
        for mut entry in segment.entries {
            let key = (segment.source_uid_validity, entry.source_uid);
            if key <= after || key > until {
                continue;
            }
            let at = usize::try_from(entry.flags).unwrap_or(usize::MAX);
            entry.flags = match (sets.get_mut(at), segment.flag_sets.get(at)) {
                (Some(known), Some(text)) => *known.get_or_insert_with(|| self.index(text)),
                _ => self.index(""),
            };
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
        self.sets.push(read_flags(text));
        self.octets += text.len() + 80;
        self.indices.insert(text.to_owned(), index);
        index
    }

    /// Folds, and cuts off what is too much for a window, once there is much more than that, or
    /// with `last` in any case; gives the last key that is left where something was cut off.
    fn shrink(&mut self, last: bool) -> Option<Key> {
        let much = self.rows.len() > 2 * self.room.rows || self.octets > 2 * self.room.flags;
        if !much && !last {
            return None;
        }
        self.fold();
        let before = self.rows.len();
        self.rows.truncate(self.room.rows);
        if self.octets > self.room.flags {
            self.forget_flags();
        }
        let cut = self.rows.len() < before;
        cut.then(|| self.rows.last().map(Row::key)).flatten()
    }

    /// Keeps the flags that a row has, and no more rows than there is room for flags.
    fn forget_flags(&mut self) {
        let texts: BTreeMap<u32, String> =
            std::mem::take(&mut self.indices).into_iter().map(|(text, at)| (at, text)).collect();
        (self.sets, self.octets) = (Vec::new(), 0);
        let mut rows = std::mem::take(&mut self.rows);
        let room = |ledger: &Ledger, at: usize| at == 0 || ledger.octets <= ledger.room.flags;
        let mut kept = 0;
        for (at, row) in rows.iter_mut().enumerate() {
            if !room(self, at) {
                break;
            }
            row.entry.flags = self.index(texts.get(&row.entry.flags).map_or("", String::as_str));
            kept = at + 1;
        }
        rows.truncate(kept);
        self.rows = rows;
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
    }

    /// The flags a message was left with.
    pub fn flags(&self, row: &Row) -> Flags {
        let set = usize::try_from(row.entry.flags).ok().and_then(|at| self.sets.get(at));
        set.cloned().unwrap_or_default()
    }
}

/// Flags from their names with blanks between them.
pub fn read_flags(text: &str) -> Flags {
    let mut flags = Flags::new();
    text.split(' ').filter(|name| !name.is_empty()).for_each(|name| flags.insert(name));
    flags
}

impl Row {
    /// What orders it.
    pub fn key(&self) -> Key {
        (self.source_uid_validity, self.entry.source_uid)
    }

    /// Whether we put it there, and it is ours to change.
    pub fn is_ours(&self) -> bool {
        self.entry.origin == Origin::Copied
    }
}

/// Where flags stand among a segment's sets.
type Places = BTreeMap<String, u32>;

/// Rows as segments again, each of one sync point and one pair of UIDVALIDITYs.
#[derive(Default)]
pub struct Writer {
    /// By sync point and UIDVALIDITYs; with each, where its flag sets are.
    segments: BTreeMap<(u32, u32, u32), (Segment, Places)>,
}

impl Writer {
    /// Adds what a message is now.
    pub fn put(&mut self, row: &Row, flags: &Flags) {
        let validities = (row.source_uid_validity, row.destination_uid_validity);
        let key = (row.sync_point, validities.0, validities.1);
        let (segment, sets) = self.segments.entry(key).or_insert_with(|| {
            let segment = Segment {
                sync_point: row.sync_point,
                source_uid_validity: validities.0,
                destination_uid_validity: validities.1,
                ..Segment::default()
            };
            (segment, BTreeMap::new())
        });
        let names: Vec<&str> = flags.names().collect();
        let flags = *sets.entry(names.join(" ")).or_insert_with_key(|text| {
            segment.flag_sets.push(text.clone());
            u32::try_from(segment.flag_sets.len() - 1).unwrap_or(0)
        });
        segment.entries.push(Entry { flags, ..row.entry.clone() });
    }

    /// Adds that a message is no longer ours.
    pub fn forget(&mut self, row: &Row) {
        let mut gone = row.clone();
        (gone.entry.destination_uid, gone.entry.size) = (0, 0);
        self.put(&gone, &Flags::new());
    }

    /// The segments.
    pub fn finish(self) -> Vec<Segment> {
        self.segments.into_values().map(|(segment, _)| segment).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use mailbox::InternalDate;
    use store::memory::Memory;

    /// So small that a few messages make many windows.
    const ROOM: Room = Room { rows: 4, flags: 1_000 };

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

    fn stored(segments: &[Segment]) -> (Memory, Windows) {
        let (store, id) = (Memory::default(), MigrationId::from_random(&[7; 26]));
        block_on(async {
            for (number, segment) in (0..).zip(segments) {
                store.set(&keys::journal(&id, 3, number), segment.encode()).await.unwrap();
            }
        });
        let windows = Windows::of(&id, 3, segments.len() as u32).with_room(ROOM);
        (store, windows)
    }

    fn all(store: &Memory, mut windows: Windows) -> Vec<(u32, u32, u32, String)> {
        let mut told = Vec::new();
        while let Some(ledger) = block_on(windows.next(store)).unwrap() {
            assert!(ledger.rows.len() <= ROOM.rows);
            assert!(ledger.rows.is_sorted_by_key(Row::key));
            told.extend(ledger.rows.iter().map(|row| {
                let flags: Vec<String> = ledger.flags(row).names().map(str::to_owned).collect();
                let entry = &row.entry;
                (entry.source_uid, entry.destination_uid, row.sync_point, flags.join(" "))
            }));
        }
        told
    }

    #[test]
    fn the_last_entry_says_where_and_the_first_who() {
        let (store, windows) = stored(&[
            segment(1, "\\Seen", vec![entry(1, 11), entry(2, 12), entry(3, 13)]),
            segment(2, "\\Flagged", vec![entry(2, 22), entry(4, 14)]),
            segment(2, "", vec![entry(3, 0)]),
        ]);
        let row = |a, b, c, flags: &str| (a, b, c, flags.to_owned());
        assert_eq!(
            all(&store, windows),
            [row(1, 11, 1, "\\Seen"), row(2, 22, 1, "\\Flagged"), row(4, 14, 2, "\\Flagged")]
        );
        for (validity, count) in [(4, 0), (5, 3), (6, 0)] {
            let windows = Windows::of(&MigrationId::from_random(&[7; 26]), 3, 3)
                .with_room(ROOM)
                .current(validity);
            assert_eq!(all(&store, windows).len(), count, "{validity}");
        }
    }

    #[test]
    fn rows_become_segments_again() {
        let first = segment(1, "\\Seen", vec![entry(1, 11), entry(2, 12)]);
        let (store, mut windows) = stored(std::slice::from_ref(&first));
        let ledger = block_on(windows.next(&store)).unwrap().unwrap();
        let mut writer = Writer::default();
        writer.put(&ledger.rows[0], &ledger.flags(&ledger.rows[0]));
        writer.forget(&ledger.rows[1]);
        let segments: Vec<Segment> = std::iter::once(first).chain(writer.finish()).collect();
        let (store, windows) = stored(&segments);
        assert_eq!(all(&store, windows), [(1, 11, 1, "\\Seen".to_owned())]);
    }

    /// Windows tell what the whole journal would, in whatever order it was written.
    #[test]
    fn windows_and_the_whole_agree() {
        let mut random = 99u32;
        let mut next = |below: u32| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) % below
        };
        for _ in 0..200 {
            let mut segments = Vec::new();
            for run in 1..=next(12) + 1 {
                let entries = (0..next(9)).map(|n| entry(next(40) + 1, next(4) * (n + 1)));
                let mut own = segment(run, "", entries.collect());
                own.flag_sets = vec![format!("f{run}")];
                own.source_uid_validity = 5 + next(2);
                segments.push(own);
            }
            let mut whole: BTreeMap<Key, (u32, u32, u32, String)> = BTreeMap::new();
            for own in &segments {
                for e in &own.entries {
                    let key = (own.source_uid_validity, e.source_uid);
                    let by = whole.get(&key).map_or(own.sync_point, |known| known.2);
                    let flags = own.flag_sets[0].clone();
                    whole.insert(key, (e.source_uid, e.destination_uid, by, flags));
                }
            }
            whole.retain(|_, row| row.1 != 0);
            let (store, windows) = stored(&segments);
            let told = all(&store, windows);
            assert!(told.iter().eq(whole.values()), "{told:?}");
            // In two goes, and only what came later.
            let some = || {
                let id = MigrationId::from_random(&[7; 26]);
                Windows::of(&id, 3, segments.len() as u32).with_room(ROOM)
            };
            let middle = (5, 20);
            let mut parts = all(&store, some().until(middle));
            parts.extend(all(&store, some().after(middle)));
            assert_eq!(parts, told);
            let (first, rest) = segments.split_at(segments.len() / 2);
            let of_rest = stored(rest);
            let of_rest = all(&of_rest.0, of_rest.1);
            assert_eq!(all(&store, some().since_segment(first.len() as u32)), of_rest);
        }
    }

    /// Flags that are all different and long make windows smaller.
    #[test]
    fn flags_have_a_limit_too() {
        let mut segments = Vec::new();
        for n in 0..10 {
            let mut own = segment(1, "", vec![entry(n + 1, n + 11)]);
            own.flag_sets = vec![n.to_string().repeat(700)];
            segments.push(own);
        }
        let (store, mut windows) = stored(&segments);
        let mut count = 0;
        while let Some(ledger) = block_on(windows.next(&store)).unwrap() {
            assert!(ledger.rows.len() <= 2);
            count += ledger.rows.len();
        }
        assert_eq!(count, 10);
    }
}
