//! Which UID a message has whose service does not number it, but names it: its place in the list of all
//! names that were ever seen.
//!
//! The list is stored in pages of digests and only grows; a message that is gone keeps its place.
//! It is written before anything refers to it.

use services::mail::{MailSource, Names};
use services::{Lack, Side, Source, Trouble};
use store::{Store, keys};
use wire::Stream;

use crate::run::Run;
use crate::trouble::{At, Halt};
use crate::world::Host;

/// Names in one page of the stored list: 16 bytes each. A new message rewrites the last page.
pub(crate) const NAMES_PER_PAGE: u32 = if cfg!(test) { 4 } else { 10_000 };
/// Pages read at once.
const PAGES_AT_ONCE: usize = 8;
const VERSION: u8 = 1;

/// A digest of a message's name: a page of names would not fit into a value of the store.
type Digest = [u8; 16];

/// Numbers the messages that were never seen; nothing to do for a source that numbers them itself.
pub(crate) async fn number<H: Host, S: Store, L: Stream>(
    run: &mut Run<'_, H, S>,
    source: &mut Source<L>,
) -> Result<(), Halt> {
    let Some(Names { names: listed, most }) = source.names().await.at(Side::Source)? else {
        return Ok(());
    };
    let known = run.cursor.unique_ids;
    let mut uids = vec![0; listed.len()];
    let digests: Vec<Digest> = listed.iter().map(|name| name.digest).collect();
    let last = known_uids(run, known, &digests, &mut uids).await?;
    let unknown = uids.iter().enumerate().filter(|(_, uid)| **uid == 0);
    let mut fresh: Vec<usize> = unknown.map(|(at, _)| at).collect();
    fresh.sort_by_key(|at| listed.get(*at).map(|name| name.number));
    let count = u32::try_from(fresh.len()).unwrap_or(u32::MAX);
    if known.saturating_add(count) > most {
        let words =
            format!("the server has more than {most} messages, all those it ever had counted");
        return Err(Halt::Trouble(Side::Source, Trouble::Impossible(Lack::Support, words)));
    }
    let mut names = last;
    for (at, number) in fresh.into_iter().zip(known + 1..) {
        uids.get_mut(at).into_iter().for_each(|uid| *uid = number);
        names.extend(digests.get(at));
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
    source.number(&uids, run.cursor.unique_ids + 1);
    Ok(())
}

/// Numbers the messages for a look at them: by their places, which last for this session.
pub(crate) async fn provisional<L: Stream>(source: &mut Source<L>) -> Result<(), Trouble> {
    let Some(Names { names, .. }) = source.names().await? else { return Ok(()) };
    let uids: Vec<u32> = names.iter().map(|name| name.number).collect();
    let uid_next = uids.iter().max().map_or(1, |last| last + 1);
    source.number(&uids, uid_next);
    Ok(())
}

/// Gives those with known names their UIDs; the names of the last page where it is not full. `listed` is in
/// order.
async fn known_uids<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    known: u32,
    listed: &[Digest],
    uids: &mut [u32],
) -> Result<Vec<Digest>, Halt> {
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
                if let Ok(at) = listed.binary_search(name)
                    && let Some(slot) = uids.get_mut(at)
                {
                    *slot = uid;
                }
            }
            last = if count < NAMES_PER_PAGE { page } else { Vec::new() };
        }
    }
    Ok(last)
}

/// The first `count` names of a page; it may hold more, of a checkpoint that was never finished.
fn decode(key: &str, value: Option<Vec<u8>>, count: u32) -> Result<Vec<Digest>, store::Error> {
    let unreadable =
        |reason: &str| store::Error::Unreadable { key: key.to_owned(), reason: reason.to_owned() };
    let value = value.ok_or_else(|| unreadable("it is gone"))?;
    let damaged = || unreadable("the list of unique-ids is damaged");
    let Some((&VERSION, names)) = value.split_first() else { return Err(damaged()) };
    let (names, _) = names.as_chunks::<16>();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    names.get(..count).map(<[Digest]>::to_vec).ok_or_else(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_last_year_reads_the_same() {
        let value: Vec<u8> = [1].into_iter().chain(0..32).collect();
        let page = decode("k", Some(value.clone()), 2).unwrap();
        assert_eq!(page[1][0], 16);
        assert_eq!(decode("k", Some(value.clone()), 1).unwrap().len(), 1);
        assert!(decode("k", Some(value), 3).is_err());
        assert!(decode("k", Some(vec![2]), 0).is_err() && decode("k", None, 0).is_err());
    }
}
