//! What a maildrop calls its messages: digests of their unique-ids (UIDL, RFC 1939 section 7).

use pop::{Error, Listed, Session};
use sha2::{Digest, Sha256};
use wire::Stream;

/// A digest of a unique-id: a page of unique-ids would not fit into a value of the store.
type Name = [u8; 16];

/// A message of this session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Name,
    pub(super) number: u32,
    /// As the server lists it.
    pub(super) size: u64,
}

/// A maildrop as it is listed.
pub(super) struct Listing {
    /// The messages, in order of their names.
    pub(super) entries: Vec<Entry>,
    /// How many there are as the server counts them, where it does.
    pub(super) counted: Option<u32>,
}

/// Lists the maildrop.
pub(super) async fn read<S: Stream>(session: &mut Session<S>) -> Result<Listing, Error> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut sizes: Vec<(u32, u64)> = Vec::new();
    let counted = session
        .listing(|line| match line {
            Listed::Named { number, unique_id } => {
                entries.push(Entry { name: name(unique_id, 0), number, size: 0 });
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
            entry.size = size;
        }
    }
    tell_apart(&mut entries);
    Ok(Listing { entries, counted })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_every_version() {
        assert_eq!(name(b"a", 0)[..4], [0xca, 0x97, 0x81, 0x12]);
    }

    #[test]
    fn copies_under_one_name_are_told_apart_whatever_their_numbers() {
        let entry = |id: &[u8], number| Entry { name: name(id, 0), number, size: 0 };
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
}
