//! What the journal of a collection says in the end: an index of 200,000 objects in some 20 MiB.
//!
//! The journal is append-only segments of entries; the last entry of a name counts. The index has numbers
//! only; an entry itself is read when it is needed.

use std::collections::BTreeMap;

use model::MigrationId;
use store::{Error, Store, keys, records};

use crate::record::{Entry, Print, State};

/// Segments read at once: a mebibyte each at most.
const SEGMENTS_AT_ONCE: usize = 8;

/// An object in the index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    /// Of its name at the source.
    pub(crate) source: u64,
    /// Of its tag there; 0 where there is none.
    pub(crate) source_tag: u64,
    /// Of its name at the destination; 0 where there is none.
    pub(crate) destination: u64,
    /// Of its tag there, as we left it; 0 where there is none.
    pub(crate) tag: u64,
    /// Of what identifies it.
    pub(crate) identity: u64,
    /// Where its entry is.
    pub(crate) segment: u32,
    /// Where in it.
    pub(crate) place: u32,
    pub(crate) settled_in: u32,
    pub(crate) put_in: u32,
    pub(crate) state: State,
    pub(crate) failed: bool,
    pub(crate) gone: bool,
}

impl Slot {
    fn of(entry: &Entry, segment: u32, place: u32) -> Slot {
        Slot {
            source: key(&entry.source),
            source_tag: tag_key(entry.source_tag.as_deref()),
            destination: entry.destination.as_deref().map_or(0, key),
            tag: tag_key(entry.tag.as_deref()),
            identity: entry.identity.short(),
            segment,
            place,
            settled_in: entry.settled_in,
            put_in: entry.put_in,
            state: entry.state,
            failed: entry.failed,
            gone: entry.gone,
        }
    }

    /// Whether it has, or had, a place at the destination.
    pub(crate) fn has_place(&self) -> bool {
        matches!(self.state, State::Placed | State::Adopted | State::Left)
    }
}

/// The key of a name or a tag in tables.
pub(crate) fn key(text: &str) -> u64 {
    Print::of(&[text]).short()
}

/// The key of a tag; 0 where there is none.
pub(crate) fn tag_key(tag: Option<&str>) -> u64 {
    tag.map_or(0, key)
}

/// The index.
#[derive(Debug, Default)]
pub(crate) struct Known {
    by_source: BTreeMap<u64, Slot>,
    by_identity: BTreeMap<u64, u64>,
    by_destination: BTreeMap<u64, u64>,
}

impl Known {
    /// Reads the journal of collection `row`.
    pub(crate) async fn read(
        store: &impl Store,
        id: &MigrationId,
        row: u32,
        segments: u32,
    ) -> Result<Known, Error> {
        let mut known = Known::default();
        let numbers: Vec<u32> = (0..segments).collect();
        for some in numbers.chunks(SEGMENTS_AT_ONCE) {
            for (segment, entries) in segments_of(store, id, row, some).await? {
                for (entry, place) in entries.iter().zip(0..) {
                    known.put(entry, (segment, place));
                }
            }
        }
        Ok(known)
    }

    /// Notes an entry that stands at `segment` and `place`.
    pub(crate) fn put(&mut self, entry: &Entry, (segment, place): (u32, u32)) {
        let slot = Slot::of(entry, segment, place);
        if let Some(old) = self.by_source.remove(&slot.source) {
            self.by_identity
                .extract_if(old.identity..=old.identity, |_, s| *s == old.source)
                .for_each(drop);
            let there = old.destination..=old.destination;
            self.by_destination.extract_if(there, |_, s| *s == old.source).for_each(drop);
        }
        if slot.state == State::Forgotten {
            return;
        }
        if slot.has_place() {
            self.by_identity.insert(slot.identity, slot.source);
            if slot.destination != 0 {
                self.by_destination.insert(slot.destination, slot.source);
            }
        }
        self.by_source.insert(slot.source, slot);
    }

    /// The object of this name at the source.
    pub(crate) fn at_source(&self, source: u64) -> Option<&Slot> {
        self.by_source.get(&source)
    }

    /// The one that has, or had, a place at the destination with this identity.
    pub(crate) fn with_identity(&self, identity: Print) -> Option<&Slot> {
        self.by_identity.get(&identity.short()).and_then(|source| self.by_source.get(source))
    }

    /// The one with this identity that we put at the destination, whatever became of it there.
    pub(crate) fn put_with(&self, identity: u64) -> Option<&Slot> {
        let slot = self.by_identity.get(&identity).and_then(|source| self.by_source.get(source));
        slot.filter(|slot| slot.put_in > 0)
    }

    /// The one that has this name at the destination.
    pub(crate) fn at_destination(&self, name: u64) -> Option<&Slot> {
        self.by_destination.get(&name).and_then(|source| self.by_source.get(source))
    }

    /// All, in no order that means anything.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Slot> {
        self.by_source.values()
    }
}

/// The entries of some segments.
pub(crate) async fn segments_of(
    store: &impl Store,
    id: &MigrationId,
    row: u32,
    numbers: &[u32],
) -> Result<Vec<(u32, Vec<Entry>)>, Error> {
    let names: Vec<String> =
        numbers.iter().map(|number| keys::objects_journal(id, row, *number)).collect();
    let values = store.get_many(&names).await?;
    let mut found = Vec::new();
    for ((number, key), value) in numbers.iter().zip(&names).zip(values) {
        let gone = || Error::Unreadable { key: key.clone(), reason: "it is gone".into() };
        found.push((*number, records::decode(key, &value.ok_or_else(gone)?)?));
    }
    Ok(found)
}

/// The entries in these slots, in their order.
pub(crate) async fn entries(
    store: &impl Store,
    id: &MigrationId,
    row: u32,
    slots: &[Slot],
) -> Result<Vec<Entry>, Error> {
    let mut wanted: Vec<u32> = slots.iter().map(|slot| slot.segment).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut found: BTreeMap<(u32, u32), Entry> = BTreeMap::new();
    for some in wanted.chunks(SEGMENTS_AT_ONCE) {
        for (segment, entries) in segments_of(store, id, row, some).await? {
            let own = slots.iter().filter(|slot| slot.segment == segment);
            let places: std::collections::BTreeSet<u32> = own.map(|slot| slot.place).collect();
            let numbered = entries.into_iter().zip(0u32..);
            let taken = numbered.filter(|(_, place)| places.contains(place));
            found.extend(taken.map(|(entry, place)| ((segment, place), entry)));
        }
    }
    let entry = |slot: &Slot| {
        let gone = || Error::Unreadable {
            key: keys::objects_journal(id, row, slot.segment),
            reason: format!("it has no entry {}", slot.place),
        };
        found.get(&(slot.segment, slot.place)).cloned().ok_or_else(gone)
    };
    slots.iter().map(entry).collect()
}
