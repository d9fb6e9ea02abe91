//! Sets of UIDs, kept and printed as ranges (RFC 9051 section 9, `sequence-set`).

use std::fmt;
use std::ops::RangeInclusive;

/// Longest text of a set in one command, in octets: RFC 7162 section 4 lets a server refuse
/// command lines beyond 8192 octets, and the rest of the command needs some of them.
pub const SET_TEXT_MAX: usize = 7_500;

/// Most ranges read from one answer; an answer's line limit allows no more than this many.
const RANGES_MAX: usize = 2_000_000;

/// UIDs in ranges, in the order in which they were given.
///
/// A set built with [`UidSet::insert`] or collected is ascending and merged. A set parsed from
/// `APPENDUID` or `COPYUID` keeps the server's order, because position tells the message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct UidSet {
    ranges: Vec<(u32, u32)>,
    /// Ranges are not ascending, so a search must look at each.
    unordered: bool,
}

impl UidSet {
    /// The empty set.
    pub fn new() -> Self {
        UidSet::default()
    }

    /// Adds a UID; one range grows when UIDs come in ascending order.
    pub fn insert(&mut self, uid: u32) {
        self.insert_range(uid..=uid);
    }

    /// Adds a range of UIDs.
    pub fn insert_range(&mut self, uids: RangeInclusive<u32>) {
        let (first, last) = uids.into_inner();
        if first > last {
            return;
        }
        match self.ranges.last_mut() {
            None => self.ranges.push((first, last)),
            Some(end) if end.1.checked_add(1) == Some(first) => end.1 = last,
            Some(end) if end.1 < first => self.ranges.push((first, last)),
            Some(_) if self.unordered => {
                self.ranges.push((first, last));
                self.normalise();
            }
            Some(_) => self.put_between(first, last),
        }
    }

    /// Adds a range to ascending ones, among which it lies or which it touches.
    fn put_between(&mut self, mut first: u32, mut last: u32) {
        let from = self.ranges.partition_point(|range| range.1.saturating_add(1) < first);
        let to = self.ranges.partition_point(|range| range.0 <= last.saturating_add(1));
        for range in self.ranges.get(from..to).unwrap_or_default() {
            (first, last) = (first.min(range.0), last.max(range.1));
        }
        self.ranges.splice(from..to.max(from), [(first, last)]);
    }

    /// Takes a UID out.
    pub fn remove(&mut self, uid: u32) {
        if !self.contains(uid) {
            return;
        }
        if !self.unordered {
            self.take_between(uid);
            return;
        }
        let without = |&(first, last): &(u32, u32)| {
            let below = uid.checked_sub(1).filter(|end| first <= *end && uid <= last);
            let above = uid.checked_add(1).filter(|start| *start <= last && first <= uid);
            let outside = (uid < first || last < uid).then_some((first, last));
            [outside, below.map(|end| (first, end)), above.map(|start| (start, last))]
        };
        self.ranges = self.ranges.iter().flat_map(without).flatten().collect();
    }

    /// Takes out of ascending ranges a UID that is in one of them.
    fn take_between(&mut self, uid: u32) {
        let at = self.ranges.partition_point(|range| range.1 < uid);
        let Some(&(first, last)) = self.ranges.get(at) else { return };
        let below = uid.checked_sub(1).filter(|end| first <= *end).map(|end| (first, end));
        let above = uid.checked_add(1).filter(|start| *start <= last).map(|start| (start, last));
        self.ranges.splice(at..=at, [below, above].into_iter().flatten());
    }

    fn normalise(&mut self) {
        self.ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(self.ranges.len());
        for &(first, last) in &self.ranges {
            match merged.last_mut() {
                Some(end) if first <= end.1.saturating_add(1) => end.1 = end.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        self.ranges = merged;
        self.unordered = false;
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many UIDs are in it.
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|(first, last)| u64::from(last - first) + 1).sum()
    }

    /// Whether `uid` is in it.
    pub fn contains(&self, uid: u32) -> bool {
        if self.unordered {
            return self.ranges.iter().any(|range| (range.0..=range.1).contains(&uid));
        }
        let after = self.ranges.partition_point(|range| range.0 <= uid);
        after.checked_sub(1).and_then(|at| self.ranges.get(at)).is_some_and(|r| uid <= r.1)
    }

    /// The smallest UID.
    pub fn first(&self) -> Option<u32> {
        self.ranges.iter().map(|range| range.0).min()
    }

    /// The largest UID.
    pub fn last(&self) -> Option<u32> {
        self.ranges.iter().map(|range| range.1).max()
    }

    /// The UIDs in order; a hostile range is as long as it says, so check [`UidSet::len`] first.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranges.iter().flat_map(|&(first, last)| first..=last)
    }

    /// The ranges in order.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u32>> + '_ {
        self.ranges.iter().map(|&(first, last)| first..=last)
    }

    /// How many ranges there are.
    pub fn range_count(&self) -> usize {
        self.ranges.len()
    }

    /// Reads `uid-set`: numbers and ranges with commas; `None` where it is none, or holds `*` or 0.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut ranges = Vec::new();
        for part in text.split(|byte| *byte == b',') {
            let range = match memchr::memchr(b':', part) {
                None => {
                    let uid = number(part)?;
                    (uid, uid)
                }
                Some(at) => {
                    // RFC 9051 section 9: the order of the two ends does not matter.
                    let (a, b) = (number(part.get(..at)?)?, number(part.get(at + 1..)?)?);
                    (a.min(b), a.max(b))
                }
            };
            if ranges.len() >= RANGES_MAX {
                return None;
            }
            ranges.push(range);
        }
        let unordered = !ranges.is_sorted_by(|a: &(u32, u32), b| a.1 < b.0);
        Some(UidSet { ranges, unordered })
    }

    /// Parts whose text is at most `octets` long each, in order.
    pub fn pieces(&self, octets: usize) -> Vec<UidSet> {
        let mut pieces = Vec::new();
        let mut piece = UidSet::new();
        let mut length = 0;
        for &(first, last) in &self.ranges {
            let own = digits(first) + if first == last { 0 } else { 1 + digits(last) };
            if length > 0 && length + 1 + own > octets {
                pieces.push(std::mem::take(&mut piece));
                length = 0;
            }
            length += own + usize::from(length > 0);
            piece.ranges.push((first, last));
        }
        if !piece.is_empty() {
            pieces.push(piece);
        }
        pieces
    }
}

fn number(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?;
    text.parse().ok().filter(|n| *n > 0)
}

fn digits(n: u32) -> usize {
    n.checked_ilog10().unwrap_or(0) as usize + 1
}

impl FromIterator<u32> for UidSet {
    fn from_iter<I: IntoIterator<Item = u32>>(uids: I) -> Self {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for uid in uids {
            match ranges.last_mut() {
                Some(end) if end.1.checked_add(1) == Some(uid) => end.1 = uid,
                _ => ranges.push((uid, uid)),
            }
        }
        let mut set = UidSet { ranges, unordered: false };
        if !set.ranges.is_sorted_by(|a, b| a.1 < b.0) {
            set.normalise();
        }
        set
    }
}

impl fmt::Display for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (first, last)) in self.ranges.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            match first == last {
                true => write!(f, "{first}")?,
                false => write!(f, "{first}:{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_out() {
        let mut set: UidSet = [1, 2, 3, 5, 7, 8].into_iter().collect();
        for (uid, left) in
            [(2, "1,3,5,7:8"), (5, "1,3,7:8"), (7, "1,3,8"), (9, "1,3,8"), (8, "1,3"), (1, "3")]
        {
            set.remove(uid);
            assert_eq!(set.to_string(), left);
        }
    }

    /// Compared with a set that knows nothing of ranges.
    #[test]
    fn changes_anywhere() {
        let (mut set, mut plain) = (UidSet::new(), std::collections::BTreeSet::new());
        let mut random = 12_345u32;
        for _ in 0..20_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (first, length) = (1 + (random >> 8) % 300, (random >> 24) % 5);
            if random >> 28 < 9 {
                set.insert_range(first..=first + length);
                plain.extend(first..=first + length);
            } else {
                set.remove(first);
                plain.remove(&first);
            }
            assert!(set.iter().eq(plain.iter().copied()));
            assert!(set.ranges.is_sorted_by(|a, b| a.1 + 1 < b.0), "{set}");
        }
        set.insert_range(u32::MAX..=u32::MAX);
        set.insert_range(1..=u32::MAX - 1);
        set.insert_range(1..=u32::MAX);
        assert_eq!(set.to_string(), "1:4294967295");
    }

    #[test]
    fn reads_and_prints() {
        for text in ["1", "1:5", "2,4:7,9", "304,319:320", "4294967295"] {
            assert_eq!(
                UidSet::parse(text.as_bytes()).map(|set| set.to_string()).as_deref(),
                Some(text)
            );
        }
        assert_eq!(UidSet::parse(b"7:4").map(|set| set.to_string()).as_deref(), Some("4:7"));
        for bad in ["", "0", "*", "1:*", "-1", "1,", "4294967296", "1:2:3", "+1", "a"] {
            assert_eq!(UidSet::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn grows_merged_and_ascending() {
        let mut set = UidSet::new();
        for uid in [5, 6, 7, 1, 3, 2, 9, 6, 8] {
            set.insert(uid);
        }
        assert_eq!(set.to_string(), "1:3,5:9");
        assert_eq!((set.len(), set.first(), set.last()), (8, Some(1), Some(9)));
        assert!(set.contains(3) && !set.contains(4) && set.contains(9) && !set.contains(10));
        assert_eq!([9, 2, 1, 3].into_iter().collect::<UidSet>().to_string(), "1:3,9");
        assert_eq!(set.iter().collect::<UidSet>(), set);
    }

    #[test]
    fn keeps_the_order_of_the_server() {
        let set = UidSet::parse(b"9,3:4").unwrap();
        assert_eq!(set.iter().collect::<Vec<_>>(), [9, 3, 4]);
        assert!(set.contains(4) && !set.contains(5));
    }

    #[test]
    fn pieces_fit_and_lose_nothing() {
        let set: UidSet = (1..5000).map(|n| n * 3).collect();
        let pieces = set.pieces(100);
        assert!(pieces.iter().all(|piece| piece.to_string().len() <= 100));
        assert_eq!(pieces.iter().flat_map(UidSet::iter).collect::<UidSet>(), set);
        assert_eq!(set.pieces(usize::MAX), std::slice::from_ref(&set));
        assert!(UidSet::new().pieces(10).is_empty());
    }
}
