//! What was put where: append-only segments, one folder each.
//!
//! An entry says which message of the source is which message of the destination and how it was
//! left there, so that verifying, synchronising and removing read instead of guessing. About 18
//! bytes a message: UIDs, sizes and dates are written as differences from the entry before.

use std::collections::BTreeMap;

use mailbox::{Flags, InternalDate};
use store::Error;

use crate::message::Message;

const VERSION: u8 = 1;
/// The most octets that an entry takes: four numbers of up to ten octets, a time zone, the identity,
/// its flags' index, and where these stand.
const ENTRY_OCTETS: usize = 60;
/// Octets of entries in one record, whose limit is a mebibyte.
const PIECE_OCTETS: usize = 1_000_000;

/// The most octets that a message with these flags takes in a record.
pub fn weight(flags: &str) -> usize {
    ENTRY_OCTETS + flags.len()
}

/// How a message came to be at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// We appended it.
    Copied,
    /// It was there before and was recognised.
    Adopted,
}

/// One message that is at both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// UID at the source.
    pub source_uid: u32,
    /// UID at the destination; 0 while it is only intended.
    pub destination_uid: u32,
    /// Bytes at the destination.
    pub size: u64,
    /// Internal date at the source.
    pub date: InternalDate,
    /// Hash of the Message-ID; 0 where there is none.
    pub identity: u64,
    /// Index into the segment's flag sets.
    pub flags: u32,
    /// How it came there.
    pub origin: Origin,
}

impl Entry {
    /// The message as the source listed it, without its flags.
    pub fn message(&self) -> Message {
        Message {
            uid: self.source_uid,
            size: self.size,
            date: self.date,
            flags: Flags::new(),
            identity: self.identity,
        }
    }
}

/// Entries that were settled together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Segment {
    /// The run that wrote it.
    pub sync_point: u32,
    /// UIDVALIDITY of the source's folder.
    pub source_uid_validity: u32,
    /// UIDVALIDITY of the destination's folder; 0 while it is only intended.
    pub destination_uid_validity: u32,
    /// Distinct flags, as names separated by blanks.
    pub flag_sets: Vec<String>,
    /// The messages, in the order they were put there.
    pub entries: Vec<Entry>,
}

impl Segment {
    /// The index of `flags`, adding the set where it is new.
    pub fn flag_set(&mut self, flags: &Flags) -> u32 {
        let names: Vec<&str> = flags.names().collect();
        let text = names.join(" ");
        let at = self.flag_sets.iter().rposition(|known| *known == text).unwrap_or_else(|| {
            self.flag_sets.push(text);
            self.flag_sets.len() - 1
        });
        u32::try_from(at).unwrap_or(0)
    }

    /// The flags of an entry.
    pub fn flags_of(&self, entry: &Entry) -> Flags {
        let mut flags = Flags::new();
        let set = usize::try_from(entry.flags).ok().and_then(|at| self.flag_sets.get(at));
        for name in
            set.into_iter().flat_map(|names| names.split(' ')).filter(|name| !name.is_empty())
        {
            flags.insert(name);
        }
        flags
    }

    /// A segment of the same run and folder without entries.
    pub fn like(&self) -> Segment {
        Segment { entries: Vec::new(), ..self.clone() }
    }

    /// The segment in parts that each have room in one record of the store.
    pub fn pieces(&self) -> Vec<Segment> {
        let mut pieces = Vec::new();
        let mut piece = self.empty();
        let mut octets = 0;
        // Where the flag sets of this segment are in the piece.
        let mut places: BTreeMap<u32, u32> = BTreeMap::new();
        for entry in &self.entries {
            let set = usize::try_from(entry.flags).ok().and_then(|at| self.flag_sets.get(at));
            let set = set.map_or("", String::as_str);
            if octets + weight(set) > PIECE_OCTETS {
                pieces.push(std::mem::replace(&mut piece, self.empty()));
                places.clear();
                octets = 0;
            }
            let flags = *places.entry(entry.flags).or_insert_with(|| {
                octets += set.len();
                piece.flag_sets.push(set.to_owned());
                u32::try_from(piece.flag_sets.len() - 1).unwrap_or(0)
            });
            octets += ENTRY_OCTETS;
            piece.entries.push(Entry { flags, ..entry.clone() });
        }
        pieces.push(piece);
        pieces
    }

    /// A segment of the same run and folder without entries and flags.
    fn empty(&self) -> Segment {
        Segment { flag_sets: Vec::new(), ..self.like() }
    }

    /// The stored bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        for number in [self.sync_point, self.source_uid_validity, self.destination_uid_validity] {
            put(&mut out, number.into());
        }
        put(&mut out, self.flag_sets.len() as u64);
        for set in &self.flag_sets {
            put(&mut out, set.len() as u64);
            out.extend_from_slice(set.as_bytes());
        }
        put(&mut out, self.entries.len() as u64);
        let (mut source, mut destination, mut date) = (0, 0, 0);
        for entry in &self.entries {
            put_signed(&mut out, i64::from(entry.source_uid) - source);
            put_signed(&mut out, i64::from(entry.destination_uid) - destination);
            put_signed(&mut out, entry.date.unix_s() - date);
            put_signed(&mut out, entry.date.zone_minutes().into());
            put(&mut out, entry.size);
            put(&mut out, u64::from(entry.flags) << 1 | u64::from(entry.origin == Origin::Adopted));
            out.extend_from_slice(&entry.identity.to_le_bytes());
            (source, destination) = (entry.source_uid.into(), entry.destination_uid.into());
            date = entry.date.unix_s();
        }
        out
    }

    /// Reads what [`Segment::encode`] wrote; `key` is for the error.
    pub fn decode(key: &str, bytes: &[u8]) -> Result<Self, Error> {
        let mut input = bytes;
        Segment::take(&mut input).filter(|_| input.is_empty()).ok_or_else(|| Error::Unreadable {
            key: key.to_owned(),
            reason: "the journal segment is damaged".to_owned(),
        })
    }

    fn take(input: &mut &[u8]) -> Option<Segment> {
        if take_bytes(input, 1)? != [VERSION] {
            return None;
        }
        let mut segment = Segment {
            sync_point: take_u32(input)?,
            source_uid_validity: take_u32(input)?,
            destination_uid_validity: take_u32(input)?,
            ..Segment::default()
        };
        for _ in 0..take(input)? {
            let length = usize::try_from(take(input)?).ok()?;
            segment.flag_sets.push(String::from_utf8(take_bytes(input, length)?.to_vec()).ok()?);
        }
        let (mut source, mut destination, mut date) = (0, 0, 0);
        for _ in 0..take(input)? {
            source = take_signed(input)?.checked_add(source)?;
            destination = take_signed(input)?.checked_add(destination)?;
            date = take_signed(input)?.checked_add(date)?;
            let zone = i16::try_from(take_signed(input)?).ok()?;
            let size = take(input)?;
            let flags = take(input)?;
            segment.entries.push(Entry {
                source_uid: u32::try_from(source).ok()?,
                destination_uid: u32::try_from(destination).ok()?,
                size,
                date: InternalDate::new(date, zone)?,
                identity: u64::from_le_bytes(take_bytes(input, 8)?.try_into().ok()?),
                flags: u32::try_from(flags >> 1).ok()?,
                origin: if flags & 1 == 1 { Origin::Adopted } else { Origin::Copied },
            });
        }
        Some(segment)
    }
}

/// Messages that are resolved before anything else is done: written before they go out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Intention {
    /// The folder's row.
    pub folder: u32,
    /// UIDNEXT of the destination's folder before them.
    pub uid_next: u32,
    /// How many of the first ones may have been sent.
    pub sent: u32,
    /// How often these first ones were sent.
    pub tries: u32,
    /// Whether they go one at a time, since they were refused together.
    pub one_by_one: bool,
    /// The messages, with destination UID 0.
    pub batch: Segment,
}

impl Intention {
    /// The stored bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        for number in [self.folder, self.uid_next, self.sent, self.tries, self.one_by_one.into()] {
            put(&mut out, number.into());
        }
        out.extend_from_slice(&self.batch.encode());
        out
    }

    /// Reads what [`Intention::encode`] wrote; `key` is for the error.
    pub fn decode(key: &str, bytes: &[u8]) -> Result<Self, Error> {
        let mut input = bytes;
        Intention::take(key, &mut input).ok_or_else(|| Error::Unreadable {
            key: key.to_owned(),
            reason: "the intention is damaged".to_owned(),
        })
    }

    fn take(key: &str, input: &mut &[u8]) -> Option<Intention> {
        if take_bytes(input, 1)? != [VERSION] {
            return None;
        }
        Some(Intention {
            folder: take_u32(input)?,
            uid_next: take_u32(input)?,
            sent: take_u32(input)?,
            tries: take_u32(input)?,
            one_by_one: take(input)? != 0,
            batch: Segment::decode(key, input).ok()?,
        })
    }
}

/// LEB128: seven bits a byte, the least significant first.
fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Zigzag, so that small negative numbers are short too.
fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, (number << 1 ^ number >> 63) as u64);
}

fn take(input: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn take_signed(input: &mut &[u8]) -> Option<i64> {
    let number = take(input)?;
    Some((number >> 1) as i64 ^ -((number & 1) as i64))
}

fn take_u32(input: &mut &[u8]) -> Option<u32> {
    u32::try_from(take(input)?).ok()
}

fn take_bytes<'a>(input: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Damage that adds up to more than a number holds.
    #[test]
    fn sums_beyond_all_numbers_are_damage() {
        let mut bytes = vec![VERSION, 1, 1, 1, 0, 2];
        for _ in 0..2 {
            put_signed(&mut bytes, i64::MAX);
            put_signed(&mut bytes, 1);
            put_signed(&mut bytes, 1);
            bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        assert!(Segment::decode("j", &bytes).is_err());
        let mut entry = vec![VERSION, 1, 1, 1, 0, 2];
        for _ in 0..2 {
            put_signed(&mut entry, 1);
            put_signed(&mut entry, 1);
            put_signed(&mut entry, i64::MIN);
            entry.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        assert!(Segment::decode("j", &entry).is_err());
    }

    fn sample() -> Segment {
        let mut segment = Segment {
            sync_point: 3,
            source_uid_validity: u32::MAX,
            destination_uid_validity: 1,
            ..Segment::default()
        };
        let mut flags = Flags::new();
        for (n, size) in [(1u32, 0), (5, 1 << 40), (4_000_000_000, 300)] {
            flags.insert(["\\Seen", "$Forwarded", "NonJunk"][n as usize % 3]);
            let entry = Entry {
                source_uid: n,
                destination_uid: n / 2 + 7,
                size,
                date: InternalDate::new(i64::from(n) * 7 - 90_000, -90).unwrap(),
                identity: u64::MAX / u64::from(n),
                flags: segment.flag_set(&flags),
                origin: if n == 5 { Origin::Adopted } else { Origin::Copied },
            };
            segment.entries.push(entry);
        }
        segment
    }

    #[test]
    fn both_ways_and_any_cut_is_refused() {
        let segment = sample();
        let bytes = segment.encode();
        assert_eq!(Segment::decode("k", &bytes).as_ref(), Ok(&segment));
        for cut in 0..bytes.len() {
            assert!(Segment::decode("k", &bytes[..cut]).is_err(), "{cut}");
        }
        assert!(Segment::decode("k", &[&bytes[..], b"x"].concat()).is_err());
    }

    #[test]
    fn flags_come_back() {
        let segment = sample();
        let names = |n: usize| {
            segment.flags_of(&segment.entries[n]).names().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(names(0), ["$Forwarded"]);
        assert_eq!(names(1), ["$Forwarded", "NonJunk"]);
        assert_eq!(segment.flag_sets.len(), 2, "equal sets are kept once");
    }

    #[test]
    fn intentions_come_back() {
        let intention = Intention {
            folder: 7,
            uid_next: 300,
            sent: 2,
            tries: 1,
            one_by_one: true,
            batch: sample(),
        };
        let bytes = intention.encode();
        assert_eq!(Intention::decode("k", &bytes), Ok(intention));
        for cut in 0..bytes.len() {
            assert!(Intention::decode("k", &bytes[..cut]).is_err(), "{cut}");
        }
    }

    /// What is put together fits into the store, and nothing is lost on the way.
    #[test]
    fn pieces_fit_and_lose_nothing() {
        for (count, keyword) in [(0, 1), (1, 2_000), (100_000, 3), (3_000, 2_000), (100_000, 0)] {
            let mut segment = Segment { source_uid_validity: u32::MAX, ..Segment::default() };
            for n in 0..count {
                // The worst of everything: far apart, long, no two with the same flags.
                let far = if n % 2 == 0 { u32::MAX - n } else { n + 1 };
                let date = if n % 2 == 0 { 253_402_300_799 } else { -62_135_596_800 };
                if keyword > 0 || n == 0 {
                    segment.flag_sets.push(format!("{n:0keyword$}"));
                }
                segment.entries.push(Entry {
                    source_uid: far,
                    destination_uid: far,
                    size: u64::MAX,
                    date: InternalDate::new(date, 0).unwrap(),
                    identity: u64::MAX,
                    flags: if keyword > 0 { n } else { 0 },
                    origin: Origin::Adopted,
                });
            }
            let pieces = segment.pieces();
            let mut back = Vec::new();
            for piece in &pieces {
                let bytes = piece.encode();
                store::check_size("k", &bytes).unwrap();
                let piece = Segment::decode("k", &bytes).unwrap();
                assert_eq!(piece.source_uid_validity, u32::MAX);
                for entry in &piece.entries {
                    let flags = piece.flag_sets[entry.flags as usize].clone();
                    back.push((entry.source_uid, flags));
                }
            }
            let told =
                |entry: &Entry| (entry.source_uid, segment.flag_sets[entry.flags as usize].clone());
            assert_eq!(back, segment.entries.iter().map(told).collect::<Vec<_>>());
            let octets = count as usize * (ENTRY_OCTETS + keyword);
            assert!(pieces.len() <= octets / PIECE_OCTETS + 1, "{}", pieces.len());
        }
    }

    /// What version 1 wrote must stay readable.
    #[test]
    fn reads_version_1() {
        let bytes = b"\x01\x01\x02\x03\x01\x05\\Seen\x01\x02\x04\x00\x00\x64\x00\x08\x00\x00\x00\x00\x00\x00\x00";
        let segment = Segment::decode("k", bytes).unwrap();
        assert_eq!(segment.entries[0].source_uid, 1);
        assert_eq!((segment.entries[0].destination_uid, segment.entries[0].size), (2, 100));
        assert_eq!(segment.entries[0].identity, 8);
    }
}
