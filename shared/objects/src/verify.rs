//! Asks both sides once more at the end of a run: each object of the source is exactly one of put, there before,
//! settled otherwise, left out, or failed with a reason; and what was put stands at the destination, once.

use std::collections::BTreeSet;

use model::{FailureCode, Sums, Verdict};
use services::Side;
use services::objects::Objects;

use crate::asking::{Next, Reader, Seen, see};
use crate::context::{At, Context};
use crate::decide::VANISHED;
use crate::known::{Known, Slot, entries, key};
use crate::lane::{About, Done, Lane};
use crate::list::{self, Pages};
use crate::record::{Entry, Stage, State, Work};
use crate::standing::{self, Present, Stock};

/// How often what was missed is brought in one run: another program may be at work in the collection.
const ROUNDS_MAX: u32 = 3;
/// Objects that are compared together.
const AT_ONCE: usize = 256;

/// Verifies a collection; one in which something was missed is to be brought again.
pub(crate) async fn verify<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    (source, destination): (&mut S, &mut S),
) -> Done<C> {
    let row = lane.row(at)?;
    if row.refused.is_some() {
        let failed = row.work_total;
        return conclude(ctx, lane, at, Sums { source: failed, failed, ..Sums::default() }).await;
    }
    let mut known = Known::read(ctx.store(), ctx.id(), at, row.segments).await?;
    let mut stock = Stock::read(ctx.store(), ctx.id(), at, row.standing_pages).await?;
    if row.destination.is_some() {
        let both = (&mut known, &mut stock);
        compare(ctx, lane, at, destination, both).await?;
    }
    let Some(sums) = ask(ctx, lane, at, source, &mut known).await? else { return Ok(()) };
    let unreadable = stock.unreadable();
    if unreadable > 0 {
        lane.row_mut(at)?.remark(&format!(
            "{unreadable} objects of the destination cannot be read, so that nobody can tell \
             whether they are the same as objects that were brought."
        ));
    }
    lane.row_mut(at)?.unreadable = unreadable;
    double(ctx, lane, at, stock.doubled(&known))?;
    conclude(ctx, lane, at, sums).await
}

/// Asks the source what it has. `None` where something was missed and is brought first.
async fn ask<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    source: &mut S,
    known: &mut Known,
) -> Done<C, Option<Sums>> {
    let (place, row) = (lane.source(at)?, lane.row(at)?);
    let again = row.sums.is_some_and(|sums| sums.meet()) && !row.listed_whole;
    let since = row.found.clone().filter(|_| again && !ctx.is_retry());
    let mut reader = Reader::start(source, &place, since.as_deref()).await.at(Side::Source)?;
    let mut pages = Pages::behind(row.work_pages.unwrap_or(0));
    let (mut seen, mut sums) = (BTreeSet::new(), Sums::default());
    let (rounds, retry) = (row.rounds, ctx.is_retry());
    while let Next::Some(there, _) = reader.next(source).await.at(Side::Source)? {
        for listed in there {
            let name = key(&listed.name);
            if !seen.insert(name) {
                continue;
            }
            match known.at_source(name).filter(|slot| !slot.gone) {
                Some(slot) if reader.whole => add(&mut sums, slot),
                Some(_) => {}
                // What is new since is for the next synchronisation.
                None if retry => {}
                None => {
                    let work = Work { source: listed.name, tag: listed.tag };
                    pages.add(ctx, lane, at, work).await?;
                }
            }
        }
    }
    if reader.whole {
        let unlisted = |slot: &&Slot| !slot.gone && !seen.contains(&slot.source);
        let away: Vec<Slot> = known.all().filter(unlisted).copied().collect();
        let still = list::write_gone(ctx, lane, (at, known), (source, &away)).await?;
        still.iter().for_each(|slot| add(&mut sums, slot));
    } else {
        known.all().filter(|slot| !slot.gone).for_each(|slot| add(&mut sums, slot));
    }
    let missed = pages.objects;
    if missed == 0 {
        return Ok(Some(sums));
    }
    let kind = lane.row(at)?.kind;
    ctx.counters(kind).total += missed;
    if rounds >= ROUNDS_MAX {
        let sentence = format!(
            "{missed} objects appeared at the source while it was asked again and again; a \
             further run brings them."
        );
        let about = About::name(&lane.row(at)?.source_path);
        lane.tell(ctx, at, &about, (FailureCode::Incomplete, sentence))?;
        ctx.counters(kind).failed += missed - 1;
        ctx.count(crate::context::Deed::Lost, missed - 1);
        (sums.source, sums.failed) = (sums.source + missed, sums.failed + missed);
        // It must be listed as a whole to be found.
        lane.row_mut(at)?.found = None;
        return Ok(Some(sums));
    }
    pages.flush(ctx, lane, at)?;
    let row = lane.row_mut(at)?;
    (row.work_pages, row.rounds) = (Some(pages.count), rounds + 1);
    row.work_total += missed;
    row.stage = Stage::Bring;
    lane.checkpoint(ctx).await?;
    Ok(None)
}

fn add(sums: &mut Sums, slot: &Slot) {
    sums.source += 1;
    let place = match slot.state {
        _ if slot.failed => &mut sums.failed,
        State::Placed => &mut sums.migrated,
        State::Adopted => &mut sums.adopted,
        State::Left | State::Twin => &mut sums.elsewhere,
        State::LeftOut => &mut sums.left_out,
        State::Nothing | State::Forgotten => &mut sums.failed,
    };
    *place += 1;
}

/// Whether what this run has put stands at the destination.
async fn compare<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    destination: &mut S,
    (known, stock): (&mut Known, &mut Stock),
) -> Done<C> {
    let run = ctx.sync_point();
    let ours = |slot: &&Slot| slot.state == State::Placed && slot.put_in == run && !slot.failed;
    if lane.row(at)?.work_total == 0 {
        return Ok(());
    }
    let present = standing::look(ctx, lane, at, destination, (known, stock)).await?;
    let open: Vec<Slot> =
        known.all().filter(ours).filter(|slot| !stands(&present, slot)).copied().collect();
    let fresh = known.all().filter(ours).count() - open.len();
    let mut found = fresh as u64;
    for some in open.chunks(AT_ONCE) {
        found += compare_some(ctx, lane, at, destination, (known, stock), some).await?;
    }
    lane.row_mut(at)?.found_there += found;
    Ok(())
}

/// Whether it is listed as it was left.
fn stands(present: &Present, slot: &Slot) -> bool {
    match present.get(&slot.destination) {
        None => false,
        Some(tag) => *tag == slot.tag || *tag == 0 || slot.tag == 0,
    }
}

/// Looks at objects that were not listed as they were left; how many of them are there all the same.
async fn compare_some<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    destination: &mut S,
    (known, stock): (&mut Known, &mut Stock),
    slots: &[Slot],
) -> Done<C, u64> {
    let place = lane.destination(at)?;
    let some = entries(ctx.store(), ctx.id(), at, slots).await?;
    let names: Vec<String> = some.iter().filter_map(|it| it.destination.clone()).collect();
    let seen = see(destination, &place, &names).await.at(Side::Destination)?;
    let (mut found, mut changed) = (0, Vec::new());
    for (entry, seen) in some.into_iter().zip(seen) {
        match seen {
            Seen::There(sight) if sight.content == entry.left => {
                found += 1;
                changed.push(Entry { tag: sight.tag, ..entry });
            }
            // The user was quicker.
            Seen::There(_) => changed.push(Entry { state: State::Left, ..entry }),
            Seen::Refused(why) => {
                let sentence = format!(
                    "It was put at the destination, which does not give it: {}.",
                    why.words.trim_end_matches('.')
                );
                lost(ctx, lane, at, (&entry, sentence))?;
                changed.push(Entry { failed: true, ..entry });
            }
            Seen::Absent => {
                let which = (entry.identity, &*known);
                let mut moved = stock.with_identity(ctx.store(), ctx.id(), at, which).await?;
                // Of several nobody can tell which is ours.
                if let (1, Some(it)) =
                    (moved.len(), moved.pop().filter(|it| it.content == entry.left))
                {
                    found += 1;
                    lane.row_mut(at)?.renames = true;
                    changed.push(Entry { destination: Some(it.name), tag: it.tag, ..entry });
                    continue;
                }
                lost(ctx, lane, at, (&entry, VANISHED.to_owned()))?;
                changed.push(Entry { state: State::Left, failed: true, ..entry });
            }
        }
    }
    lane.journal(ctx, (at, known), &changed)?;
    lane.checkpoint(ctx).await?;
    Ok(found)
}

/// What was put and does not stand there is not migrated.
fn lost<C: Context>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    (entry, sentence): (&Entry, String),
) -> Done<C> {
    let counters = ctx.counters(lane.row(at)?.kind);
    counters.migrated = counters.migrated.saturating_sub(1);
    let about = About { size: entry.size, ..About::name(&entry.source) };
    lane.tell(ctx, at, &about, (FailureCode::Differs, sentence))?;
    lane.row_mut(at)?.wrong += 1;
    Ok(())
}

/// Says that objects stand there twice, once for each that is new.
fn double<C: Context>(ctx: &mut C, lane: &mut Lane, at: u32, doubled: u64) -> Done<C> {
    let row = lane.row_mut(at)?;
    let more = doubled.saturating_sub(row.doubled);
    row.doubled = doubled;
    if more == 0 {
        return Ok(());
    }
    let about = About::name(&row.source_path);
    let sentence = format!(
        "{more} objects stand at the destination twice: once as this migration brought them, and \
         once with the same identifier under another name."
    );
    // It counts as one that failed, and is none of the source's.
    ctx.counters(lane.row(at)?.kind).total += 1;
    lane.tell(ctx, at, &about, (FailureCode::Differs, sentence))?;
    Ok(())
}

/// Writes down what the verification says.
async fn conclude<C: Context>(ctx: &mut C, lane: &mut Lane, at: u32, sums: Sums) -> Done<C> {
    let row = lane.row_mut(at)?;
    let differs = row.wrong > 0 || row.doubled > 0 || !sums.meet();
    let failed = sums.failed > 0 || row.refused.is_some() || row.unreadable > 0;
    row.verdict = Some(match (differs, failed) {
        (true, _) => Verdict::Differs,
        (false, true) => Verdict::CompleteButFailures,
        (false, false) => Verdict::Complete,
    });
    row.sums = Some(sums);
    if row.refused.is_none() {
        row.settled = row.found.clone();
    }
    (row.stage, row.work_pages) = (Stage::Done, None);
    ctx.progressed();
    lane.checkpoint(ctx).await
}
