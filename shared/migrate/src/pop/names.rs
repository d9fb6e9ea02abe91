//! Which UID a message has: its place in the list of all unique-ids that were ever seen.
//!
//! The list is stored in pages of digests and only grows; a message that is gone keeps its place.
//! It is written before anything refers to it.

use pop::{Error, Listed, MESSAGES_MAX, Session};
use sha2::{Digest, Sha256};
use store::{Store, keys};
use wire::Stream;

use super::maildrop::Row;
use crate::run::Run;
use crate::source::Source;
use crate::trouble::{At, Halt};
use crate::world::Host;
use services::Side;

/// Names in one page of the stored list: 16 bytes each. A new message rewrites the last page.
pub(crate) const NAMES_PER_PAGE: u32 = if cfg!(test) { 4 } else { 10_000 };
/// Pages read at once.
const PAGES_AT_ONCE: usize = 8;
/// The most names ever given: each slice reads them all, some 16 bytes a name.
const NAMES_MAX: u32 = 4_000_000;
/// Larger sizes of a listing are not believed, so that their sum stays a number.
const SIZE_MAX: u64 = 1 << 40;
const VERSION: u8 = 1;

/// A digest of a unique-id: a page of unique-ids would not fit into a value of the store.
type Name = [u8; 16];

/// Lists the maildrop and numbers what was never seen; nothing to do for other sources.
pub(crate) async fn number<H: Host, S: Store, L: Stream>(
    run: &mut Run<'_, H, S>,
    source: &mut Source<L>,
) -> Result<(), Halt> {
    let Source::Pop(maildrop) = source else { return Ok(()) };
    let (mut listed, counted) = read(maildrop.session()).await.at(Side::Source)?;
    let known = run.cursor.unique_ids;
    let last = known_uids(run, known, &mut listed).await?;
    let mut fresh: Vec<&mut Entry> = listed.iter_mut().filter(|entry| entry.uid == 0).collect();
    fresh.sort_by_key(|entry| entry.number);
    let count = u32::try_from(fresh.len()).unwrap_or(u32::MAX);
    if known.saturating_add(count) > NAMES_MAX {
        let limit = usize::try_from(NAMES_MAX).unwrap_or(usize::MAX);
        let error = Error::TooMany { what: "messages, all those it ever had counted", limit };
        return Err(Halt::Trouble(Side::Source, error.into()));
    }
    let mut names = last;
    for (entry, uid) in fresh.into_iter().zip(known + 1..) {
        entry.uid = uid;
        names.push(entry.name);
    }
    if count > 0 {
        let per_page = usize::try_from(NAMES_PER_PAGE).unwrap_or(1);
        for (some, page) in names.chunks(per_page).zip(known / NAMES_PER_PAGE..) {
            let value = [VERSION].into_iter().chain(some.iter().flatten().copied()).collect();
            run.stage(keys::unique_ids(run.id(), page), value);
        }
        run.cursor.unique_ids = known + count;
        run.checkpoint().await?;
    }
    let mut rows: Vec<Row> = listed
        .into_iter()
        .map(|entry| Row { uid: entry.uid, number: entry.number, size: entry.size })
        .collect();
    rows.sort_unstable_by_key(|row| row.uid);
    maildrop.fill_in(rows, run.cursor.unique_ids + 1, counted);
    Ok(())
}

/// Lists the maildrop for a look at it: UIDs are the message numbers, which last for this session.
pub(crate) async fn provisional<L: Stream>(source: &mut Source<L>) -> Result<(), Error> {
    let Source::Pop(maildrop) = source else { return Ok(()) };
    let (listed, counted) = read(maildrop.session()).await?;
    let row = |entry: Entry| Row { uid: entry.number, number: entry.number, size: entry.size };
    let mut rows: Vec<Row> = listed.into_iter().map(row).collect();
    rows.sort_unstable_by_key(|row| row.uid);
    let uid_next = rows.last().map_or(1, |row| row.uid + 1);
    maildrop.fill_in(rows, uid_next, counted);
    Ok(())
}

/// A message of this session.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: Name,
    number: u32,
    size: u64,
    uid: u32,
}

/// The messages and their names, in order of these; and how many there are as the server counts.
async fn read<S: Stream>(session: &mut Session<S>) -> Result<(Vec<Entry>, Option<u32>), Error> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut sizes: Vec<(u32, u64)> = Vec::new();
    let counted = session
        .listing(|line| match line {
            Listed::Named { number, unique_id } => {
                entries.push(Entry { name: name(unique_id, 0), number, size: 0, uid: 0 });
            }
            Listed::Sized { number, size } => sizes.push((number, size)),
        })
        .await?;
    entries.sort_unstable_by_key(|entry| entry.number);
    if entries.windows(2).any(|two| matches!(two, [a, b] if a.number == b.number)) {
        let what = "a message is listed twice";
        return Err(Error::Unreadable { what, sample: String::new() });
    }
    for (number, size) in sizes {
        let Ok(at) = entries.binary_search_by_key(&number, |entry| entry.number) else {
            return Err(Error::NoIdentifiers(format!("message {number} has no unique-id")));
        };
        if let Some(entry) = entries.get_mut(at) {
            entry.size = size.min(SIZE_MAX);
        }
    }
    tell_apart(&mut entries);
    Ok((entries, counted))
}

/// Copies of one message may have one unique-id (RFC 1939 section 7): the second is `the second
/// with this name`, and so on. Sorts by name.
fn tell_apart(entries: &mut [Entry]) {
    let by_name = |entry: &Entry| (entry.name, entry.number);
    entries.sort_unstable_by_key(by_name);
    let (mut first, mut count) = (None, 0u32);
    for entry in &mut *entries {
        if first == Some(entry.name) {
            count += 1;
            entry.name = name(&entry.name, count);
        } else {
            (first, count) = (Some(entry.name), 0);
        }
    }
    entries.sort_unstable_by_key(by_name);
}

fn name(unique_id: &[u8], copy: u32) -> Name {
    let mut digest = Sha256::new_with_prefix(unique_id);
    if copy > 0 {
        digest.update([0]);
        digest.update(copy.to_le_bytes());
    }
    digest.finalize().first_chunk().copied().unwrap_or_default()
}

/// Gives the entries with known names their UIDs; the names of the last page where it is not full.
async fn known_uids<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    known: u32,
    listed: &mut [Entry],
) -> Result<Vec<Name>, Halt> {
    let pages: Vec<u32> = (0..known.div_ceil(NAMES_PER_PAGE)).collect();
    let mut last = Vec::new();
    for some in pages.chunks(PAGES_AT_ONCE) {
        let names: Vec<String> =
            some.iter().map(|page| keys::unique_ids(run.id(), *page)).collect();
        let values = run.store().get_many(&names).await?;
        for ((page, key), value) in some.iter().zip(&names).zip(values) {
            let first = page * NAMES_PER_PAGE;
            let count = (known - first).min(NAMES_PER_PAGE);
            let page = decode(key, value, count)?;
            for (name, uid) in page.iter().zip(first + 1..) {
                if let Ok(at) = listed.binary_search_by_key(name, |entry| entry.name)
                    && let Some(entry) = listed.get_mut(at)
                {
                    entry.uid = uid;
                }
            }
            last = if count < NAMES_PER_PAGE { page } else { Vec::new() };
        }
    }
    Ok(last)
}

/// The first `count` names of a page; it may hold more, of a checkpoint that was never finished.
fn decode(key: &str, value: Option<Vec<u8>>, count: u32) -> Result<Vec<Name>, store::Error> {
    let unreadable =
        |reason: &str| store::Error::Unreadable { key: key.to_owned(), reason: reason.to_owned() };
    let value = value.ok_or_else(|| unreadable("it is gone"))?;
    let damaged = || unreadable("the list of unique-ids is damaged");
    let Some((&VERSION, names)) = value.split_first() else { return Err(damaged()) };
    let (names, _) = names.as_chunks::<16>();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    names.get(..count).map(<[Name]>::to_vec).ok_or_else(damaged)
}

const _: () = assert!(MESSAGES_MAX < NAMES_MAX as usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_under_one_name_are_told_apart_whatever_their_numbers() {
        let entry = |id: &[u8], number| Entry { name: name(id, 0), number, size: 0, uid: 0 };
        let names = |ids: &[&[u8]]| {
            let mut entries: Vec<Entry> =
                ids.iter().zip(1..).map(|(id, number)| entry(id, number)).collect();
            tell_apart(&mut entries);
            entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>()
        };
        let two = names(&[b"a", b"b", b"a"]);
        assert_eq!(two.len(), 3);
        assert!(two.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(names(&[b"b", b"a", b"a"]), two);
        let one = names(&[b"a", b"b"]);
        assert!(one.iter().all(|name| two.contains(name)), "one copy gone, the others stay");
    }

    #[test]
    fn a_page_of_last_year_reads_the_same() {
        let value: Vec<u8> = [1].into_iter().chain(0..32).collect();
        let page = decode("k", Some(value.clone()), 2).unwrap();
        assert_eq!(page[1][0], 16);
        assert_eq!(decode("k", Some(value.clone()), 1).unwrap().len(), 1);
        assert!(decode("k", Some(value), 3).is_err());
        assert!(decode("k", Some(vec![2]), 0).is_err() && decode("k", None, 0).is_err());
        let stable = [0xca, 0x97, 0x81, 0x12];
        assert_eq!(name(b"a", 0)[..4], stable);
    }
}
