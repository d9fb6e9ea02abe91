//! What has to be looked at in a collection: what the source lists, compared with what is known.

use std::collections::{BTreeMap, BTreeSet};

use model::{FailureCode, Item};
use services::Side;
use services::objects::{Listed, Objects};
use store::keys;
use store::records;

use crate::asking::{Next, Reader, Seen, see};
use crate::context::{At, Context};
use crate::known::{Known, Slot, entries, key, tag_key};
use crate::lane::{About, Done, Lane};
use crate::plan::{AtDestination, AtSource, Step, plan};
use crate::record::{Entry, Row, Stage, State, Work};
use crate::settle::known_as;

/// Objects in a page of work, and octets at which it is full: names and tags may take six times as many in JSON.
const PAGE_OBJECTS: usize = 500;
const PAGE_OCTETS: usize = 128 << 10;
/// Entries that are written down together.
const ENTRIES_AT_ONCE: usize = 256;

/// Pages of work that are being written.
#[derive(Default)]
pub(crate) struct Pages {
    page: Vec<Work>,
    octets: usize,
    /// Pages written.
    pub(crate) count: u32,
    /// Objects in all of them.
    pub(crate) objects: u64,
}

impl Pages {
    /// Goes on behind so many pages.
    pub(crate) fn behind(count: u32) -> Pages {
        Pages { count, ..Pages::default() }
    }

    pub(crate) async fn add<C: Context>(
        &mut self,
        ctx: &mut C,
        lane: &mut Lane,
        at: u32,
        work: Work,
    ) -> Done<C> {
        self.octets += work.source.len() + work.tag.as_ref().map_or(0, String::len);
        self.page.push(work);
        self.objects += 1;
        if self.page.len() >= PAGE_OBJECTS || self.octets >= PAGE_OCTETS {
            self.flush(ctx, lane, at)?;
            lane.checkpoint(ctx).await?;
        }
        Ok(())
    }

    /// Stages what is not written yet.
    pub(crate) fn flush<C: Context>(&mut self, ctx: &mut C, lane: &mut Lane, at: u32) -> Done<C> {
        if self.page.is_empty() {
            return Ok(());
        }
        let key = keys::objects_work(ctx.id(), at, self.count);
        let record = records::encode(&key, &std::mem::take(&mut self.page))?;
        ctx.stage(key, record);
        (self.count, self.octets) = (self.count + 1, 0);
        let row = lane.row_mut(at)?;
        row.work_pages_max = row.work_pages_max.max(self.count);
        Ok(())
    }
}

/// Asks the source about a collection; afterwards its work is written down.
pub(crate) async fn list<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    source: &mut S,
) -> Done<C> {
    let row = lane.row(at)?;
    let mut known = Known::read(ctx.store(), ctx.id(), at, row.segments).await?;
    if ctx.is_retry() {
        return list_failed(ctx, lane, at, &known).await;
    }
    let (place, since) = (lane.source(at)?, lane.row(at)?.settled.clone());
    let mut reader = Reader::start(source, &place, since.as_deref()).await.at(Side::Source)?;
    let mut pages = Pages::default();
    // Names that were listed, and of those that are known the ones that are gone.
    let (mut seen, mut gone) = (BTreeSet::new(), BTreeSet::new());
    let (mut fresh, mut worked) = (0, BTreeSet::new());
    let state = loop {
        let (there, away) = match reader.next(source).await.at(Side::Source)? {
            Next::Some(there, away) => (there, away),
            Next::End(state) => break state,
        };
        for listed in there {
            let name = key(&listed.name);
            gone.remove(&name);
            if !seen.insert(name) {
                continue;
            }
            let slot = known.at_source(name);
            fresh += u64::from(slot.is_none_or(|slot| slot.gone));
            if is_to_be_looked_at(slot, &listed) {
                worked.extend(slot.map(|slot| slot.source));
                let work = Work { source: listed.name, tag: listed.tag };
                pages.add(ctx, lane, at, work).await?;
            }
        }
        gone.extend(away.iter().map(|name| key(name)).filter(|name| !seen.contains(name)));
    };
    let is_gone = |slot: &&Slot| match reader.whole {
        _ if slot.gone => false,
        true => !seen.contains(&slot.source),
        false => gone.contains(&slot.source),
    };
    let away: Vec<Slot> = known.all().filter(is_gone).copied().collect();
    let still = write_gone(ctx, lane, (at, &mut known), (source, &away)).await?;
    // What was refused is tried again, also where nothing changed.
    let failed = |slot: &&Slot| !slot.gone && slot.failed && !seen.contains(&slot.source);
    let mut again: BTreeMap<u64, Slot> =
        known.all().filter(failed).map(|slot| (slot.source, *slot)).collect();
    again.extend(still.iter().map(|slot| (slot.source, *slot)));
    worked.extend(again.keys());
    let again: Vec<Slot> = again.into_values().collect();
    work_again(ctx, lane, at, (&again, &mut pages)).await?;
    let out = |it: &&Slot| {
        it.state == State::LeftOut && !it.gone && !it.failed && !worked.contains(&it.source)
    };
    let left_out = known.all().filter(out).count() as u64;
    let here = known.all().filter(|slot| !slot.gone).count() as u64;
    count(ctx, lane.row(at)?.kind, (here + fresh, left_out), pages.objects);
    lane.row_mut(at)?.listed_whole = reader.whole;
    finish(ctx, lane, at, (pages, state)).await
}

/// Whether an object has to be read.
fn is_to_be_looked_at(slot: Option<&Slot>, listed: &Listed) -> bool {
    let Some(slot) = slot else { return true };
    let tag = tag_key(listed.tag.as_deref());
    slot.gone || slot.failed || tag == 0 || tag != slot.source_tag
}

async fn work_again<C: Context>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    (slots, pages): (&[Slot], &mut Pages),
) -> Done<C> {
    for some in slots.chunks(ENTRIES_AT_ONCE) {
        for Entry { source, source_tag, .. } in entries(ctx.store(), ctx.id(), at, some).await? {
            pages.add(ctx, lane, at, Work { source, tag: source_tag }).await?;
        }
    }
    Ok(())
}

/// Only what was refused.
async fn list_failed<C: Context>(ctx: &mut C, lane: &mut Lane, at: u32, known: &Known) -> Done<C> {
    let failed: Vec<Slot> = known.all().filter(|it| it.failed && !it.gone).copied().collect();
    let mut pages = Pages::default();
    work_again(ctx, lane, at, (&failed, &mut pages)).await?;
    ctx.counters(lane.row(at)?.kind).total += pages.objects;
    let state = lane.row(at)?.settled.clone();
    finish(ctx, lane, at, (pages, state)).await
}

/// Writes down which of these objects, which were not listed, are gone at the source, and gives those that are
/// not: each is asked for by its name, since a listing may leave something out. What we brought stays ours.
pub(crate) async fn write_gone<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    (at, known): (u32, &mut Known),
    (source, away): (&mut S, &[Slot]),
) -> Done<C, Vec<Slot>> {
    let place = lane.source(at)?;
    let mut still = Vec::new();
    for some in away.chunks(ENTRIES_AT_ONCE) {
        let missing = entries(ctx.store(), ctx.id(), at, some).await?;
        let names: Vec<String> = missing.iter().map(|entry| entry.source.clone()).collect();
        let seen = see(source, &place, &names).await.at(Side::Source)?;
        let mut gone = Vec::new();
        for ((slot, mut entry), seen) in some.iter().zip(missing).zip(seen) {
            if seen != Seen::Absent {
                still.push(*slot);
                continue;
            }
            let step = plan(AtSource::Gone, known_as(Some(&entry)), AtDestination::Absent, false);
            if step == Step::Forget {
                entry.state = State::Forgotten;
            }
            (entry.gone, entry.failed) = (true, false);
            gone.push(entry);
        }
        lane.journal(ctx, (at, known), &gone)?;
        lane.checkpoint(ctx).await?;
    }
    Ok(still)
}

/// Counts what is there: so many objects, of which `left_out` are left out as before, and `work` looked at.
fn count<C: Context>(ctx: &mut C, kind: Item, (total, left_out): (u64, u64), work: u64) {
    let counters = ctx.counters(kind);
    counters.total += total;
    counters.left_out += left_out;
    counters.skipped += total.saturating_sub(work + left_out);
}

async fn finish<C: Context>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    (mut pages, state): (Pages, Option<String>),
) -> Done<C> {
    pages.flush(ctx, lane, at)?;
    let row = lane.row_mut(at)?;
    (row.work_pages, row.work_total, row.found) = (Some(pages.count), pages.objects, state);
    (row.work_page, row.work_place) = (0, 0);
    row.stage = Stage::Bring;
    ctx.progressed();
    lane.checkpoint(ctx).await
}

/// The next objects that are to be looked at, at most `most`, and how many the page has from there on; none
/// after the last.
pub(crate) async fn next<C: Context>(
    ctx: &C,
    row: &Row,
    at: u32,
    most: usize,
) -> Done<C, (Vec<Work>, usize)> {
    if row.work_page >= row.work_pages.unwrap_or(0) {
        return Ok((Vec::new(), 0));
    }
    let key = keys::objects_work(ctx.id(), at, row.work_page);
    let page: Option<Vec<Work>> = records::read(ctx.store(), &key).await?;
    let gone = || store::Error::Unreadable { key, reason: "it is gone".into() };
    let mut page = page.ok_or_else(gone)?;
    let mut rest = page.split_off((row.work_place as usize).min(page.len()));
    let count = rest.len();
    rest.truncate(most);
    Ok((rest, count))
}

/// `count` more objects are dealt with, of so many that the page still has.
pub(crate) fn advance(row: &mut Row, count: usize, rest: usize) {
    row.tries = 0;
    if count >= rest {
        (row.work_page, row.work_place) = (row.work_page + 1, 0);
    } else {
        row.work_place += u32::try_from(count).unwrap_or(0);
    }
}

/// All objects of a collection for which the destination has no place count as lost, with one line.
pub(crate) fn lose<C: Context>(ctx: &mut C, lane: &mut Lane, at: u32, why: &str) -> Done<C> {
    let row = lane.row(at)?;
    let (kind, lost) = (row.kind, row.work_total);
    let about = About::name(&row.source_path);
    lane.tell(ctx, at, &about, (FailureCode::FolderRefused, why.to_owned()))?;
    let further = lost.saturating_sub(1);
    ctx.counters(kind).failed += further;
    ctx.count(crate::context::Deed::Lost, further);
    // The line itself counts for one, also where nothing is in the collection.
    if lost == 0 {
        ctx.counters(kind).total += 1;
    }
    Ok(())
}
