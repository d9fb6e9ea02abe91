//! Finds out what became of objects that were sent, and writes it down; also after a cut, when nobody heard
//! the answers.

use model::FailureCode;
use services::Side;
use services::objects::Objects;
use store::records;
use store::{Store, keys};

use crate::asking::{Seen, see};
use crate::context::{At, Context, Deed};
use crate::known::{Known, Slot, entries, key};
use crate::lane::{About, Done, Lane};
use crate::record::{Entry, Intended, Intention, Print, State};
use crate::settle::{Answer, Fate, judge, nowhere};
use crate::sides::Sides;
use crate::standing::{self, Stock};

/// Refusals after which a collection is looked through whether something was stored all the same; after so
/// many in vain, refusals are believed, and only the name is looked at.
const IN_VAIN_MAX: u32 = 3;

/// An object that was sent, and what was answered.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) intended: Intended,
    pub(crate) answer: Answer,
    /// Where it is known that it was stored octet for octet.
    pub(crate) tag: Option<String>,
    pub(crate) renamed: bool,
}

impl Sent {
    pub(crate) fn plain(intended: Intended, answer: Answer) -> Sent {
        Sent { intended, answer, tag: None, renamed: false }
    }
}

/// Settles what was sent; whether something of it has to be done again.
pub(crate) async fn settle<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    (at, sides): (u32, &mut Sides<'_, S>),
    sent: Vec<Sent>,
) -> Done<C, bool> {
    if sent.iter().any(|sent| sent.renamed) {
        lane.row_mut(at)?.renames = true;
    }
    let place = lane.destination(at)?;
    let open: Vec<String> = sent.iter().filter(|it| it.tag.is_none()).map(name_of).collect();
    let seen = match open.is_empty() {
        true => Vec::new(),
        false => see(sides.destination, &place, &open).await.at(Side::Destination)?,
    };
    let mut seen = seen.into_iter();
    let mut missing = Vec::new();
    let mut again = false;
    for sent in sent {
        if let Some(tag) = &sent.tag {
            let entry = Entry { tag: Some(tag.clone()), ..sent.intended.entry.clone() };
            placed(ctx, lane, (at, sides), (&sent.intended, entry))?;
            continue;
        }
        let seen = seen.next().unwrap_or(Seen::Absent);
        match judge(&sent.intended, &sent.answer, &seen) {
            Fate::Missing => missing.push(sent),
            fate => again |= write(ctx, lane, (at, sides), (&sent, fate))?,
        }
    }
    flush(ctx, lane, (at, sides))?;
    if !missing.is_empty() {
        again |= look_through(ctx, lane, (at, sides), missing).await?;
    }
    Ok(again)
}

fn name_of(sent: &Sent) -> String {
    sent.intended.entry.destination.clone().unwrap_or_default()
}

/// Looks whether objects stand in the collection under other names.
async fn look_through<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    (at, sides): (u32, &mut Sides<'_, S>),
    missing: Vec<Sent>,
) -> Done<C, bool> {
    let believed = lane.row(at)?.in_vain >= IN_VAIN_MAX;
    let refused = |sent: &Sent| matches!(sent.answer, Answer::Refused(_));
    let looks = !believed || !missing.iter().all(refused);
    if looks {
        let Sides { destination, known, stock, .. } = sides;
        standing::look(ctx, lane, at, *destination, (known, stock)).await?;
    }
    let (mut again, mut found_any) = (false, false);
    for sent in missing {
        // What was counted is staged before anything is waited for.
        flush(ctx, lane, (at, sides))?;
        let which = (sent.intended.entry.identity, &sides.known);
        let mut found = match looks {
            true => sides.stock.with_identity(ctx.store(), ctx.id(), at, which).await?,
            false => Vec::new(),
        };
        let only = found.len() == 1;
        let Some(found) = found.pop() else {
            let fate = nowhere(&sent.answer);
            again |= write(ctx, lane, (at, sides), (&sent, fate))?;
            continue;
        };
        found_any = true;
        // Nobody else gives it our name: it came between the two looks, from a service that was late or another
        // driver.
        let is_ours = found.name == name_of(&sent) && found.content == sent.intended.entry.content;
        let (name, tag, left) = (Some(found.name), found.tag, found.content);
        let entry = Entry { destination: name, tag, left, ..sent.intended.entry.clone() };
        if is_ours {
            placed(ctx, lane, (at, sides), (&sent.intended, entry))?;
        } else if sent.answer == Answer::Stored && only {
            lane.row_mut(at)?.renames = true;
            placed(ctx, lane, (at, sides), (&sent.intended, entry))?;
        } else if left == entry.content {
            // Nobody can tell whether the service gave it this name, or the user made it meanwhile.
            ctx.counters(lane.row(at)?.kind).skipped += 1;
            let entry = Entry { state: State::Adopted, sync_point: 0, ..entry };
            record(sides, &sent.intended, entry);
        } else {
            // Whether the service has changed it, or it is another one, nobody can tell either.
            let sentence =
                "The destination has this object with another content, under a name of its own.";
            lose(ctx, lane, (at, sides), (&sent.intended, sentence.to_owned()))?;
        }
    }
    flush(ctx, lane, (at, sides))?;
    if looks && !found_any {
        lane.row_mut(at)?.in_vain += 1;
    }
    Ok(again)
}

/// Writes down what became of one object; whether it has to be done again.
fn write<C: Context, S>(
    ctx: &mut C,
    lane: &mut Lane,
    (at, sides): (u32, &mut Sides<'_, S>),
    (sent, fate): (&Sent, Fate),
) -> Done<C, bool> {
    let entry = sent.intended.entry.clone();
    let kind = lane.row(at)?.kind;
    let about = about(&sent.intended);
    let entry = match fate {
        Fate::Placed { tag, left } => {
            placed(ctx, lane, (at, sides), (&sent.intended, Entry { tag, left, ..entry }))?;
            return Ok(false);
        }
        Fate::Missing | Fate::Again => return Ok(true),
        Fate::Failed(sentence) => {
            lose(ctx, lane, (at, sides), (&sent.intended, sentence))?;
            return Ok(false);
        }
        Fate::Unsure => {
            let sentence = "It stands at the destination, and nobody can tell whether as it was brought or changed there since, so it counts as changed.";
            lane.tell(ctx, at, &about, (FailureCode::Kept, sentence.to_owned()))?;
            entry
        }
        Fate::Edited => {
            let sentence = "It was changed at the source and at the destination since it was brought; the destination keeps its own.";
            lane.tell(ctx, at, &about, (FailureCode::Kept, sentence.to_owned()))?;
            entry
        }
        Fate::Deleted => entry,
    };
    ctx.counters(kind).skipped += 1;
    let entry = Entry { state: State::Left, tag: None, ..entry };
    record(sides, &sent.intended, entry);
    Ok(false)
}

fn about(intended: &Intended) -> About {
    About { title: intended.title.clone(), unix_s: None, size: intended.entry.size }
}

/// It is there.
fn placed<C: Context, S>(
    ctx: &mut C,
    lane: &mut Lane,
    (at, sides): (u32, &mut Sides<'_, S>),
    (intended, entry): (&Intended, Entry),
) -> Done<C> {
    let counters = ctx.counters(lane.row(at)?.kind);
    counters.migrated += 1;
    counters.bytes_migrated += entry.size;
    counters.bytes_total = counters.bytes_total.max(counters.bytes_migrated);
    let new = entry.sync_point == entry.settled_in;
    ctx.count(if new { Deed::Brought } else { Deed::Updated }, 1);
    if intended.replaces.is_none() || new {
        lane.row_mut(at)?.migrated += 1;
    }
    record(sides, intended, entry);
    Ok(())
}

/// Notes an entry, and that the object is known by no older name any more.
fn record<S>(sides: &mut Sides<'_, S>, intended: &Intended, entry: Entry) {
    sides.settled.extend(intended.was.clone().map(Entry::forgotten));
    sides.settled.push(entry);
}

/// Stages what became of objects as one segment of the journal.
pub(crate) fn flush<C: Context, S>(
    ctx: &mut C,
    lane: &mut Lane,
    (at, sides): (u32, &mut Sides<'_, S>),
) -> Done<C> {
    let settled = std::mem::take(&mut sides.settled);
    lane.journal(ctx, (at, &mut sides.known), &settled)?;
    Ok(())
}

/// The destination does not take it. What stands there of it stays known.
pub(crate) fn lose<C: Context, S>(
    ctx: &mut C,
    lane: &mut Lane,
    (at, sides): (u32, &mut Sides<'_, S>),
    (intended, sentence): (&Intended, String),
) -> Done<C> {
    lane.tell(ctx, at, &about(intended), (FailureCode::Refused, sentence))?;
    let entry = Entry { failed: true, content: Print::default(), ..intended.entry.clone() };
    let entry = match (&intended.replaces, entry.sync_point < entry.settled_in) {
        // It is the older one still.
        (Some((old, tag)), true) => Entry { left: *old, tag: Some(tag.clone()), ..entry },
        _ => Entry { state: State::Nothing, destination: None, sync_point: 0, ..entry },
    };
    record(sides, intended, entry);
    Ok(())
}

/// Finds out what became of what was being done when the last slice ended; a removal sees to its own.
pub(crate) async fn reconcile<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    (source, destination): (&mut S, &mut S),
    removing: bool,
) -> Done<C> {
    let Some(intention) = intention(ctx).await? else { return Ok(()) };
    let at = intention.row;
    let row = lane.row(at)?;
    if row.destination.is_none() {
        return Ok(());
    }
    let known = Known::read(ctx.store(), ctx.id(), at, row.segments).await?;
    let stock = Stock::read(ctx.store(), ctx.id(), at, row.standing_pages).await?;
    let mut sides = Sides { source, destination, known, stock, settled: Vec::new() };
    // A part may have been written down while the rest was looked for.
    let run = ctx.sync_point();
    let open = |put: &Intended| {
        let slot = sides.known.at_source(key(&put.entry.source));
        slot.is_none_or(|slot| slot.settled_in != run)
    };
    let open: Vec<Intended> = intention.puts.iter().filter(|put| open(put)).cloned().collect();
    let sent = open.into_iter().map(|put| Sent::plain(put, Answer::Lost)).collect();
    settle(ctx, lane, (at, &mut sides), sent).await?;
    if removing {
        // A removal that goes on sees to its own.
        let rest = Intention { puts: Vec::new(), ..intention };
        lane.intend(ctx, Some(&rest))?;
        return lane.checkpoint(ctx).await;
    }
    removed(ctx, lane, (at, &mut sides), &intention.removals).await?;
    lane.intend(ctx, None)?;
    lane.checkpoint(ctx).await
}

/// A removal was cut off, and another run begins: what it had removed is nothing of ours any more.
async fn removed<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    (at, sides): (u32, &mut Sides<'_, S>),
    names: &[String],
) -> Done<C> {
    let ours = names.iter().filter_map(|name| sides.known.at_destination(key(name)).copied());
    let slots: Vec<Slot> = ours.filter(|slot| slot.state == State::Placed).collect();
    if slots.is_empty() {
        return Ok(());
    }
    let entries = entries(ctx.store(), ctx.id(), at, &slots).await?;
    let names: Vec<String> = entries.iter().filter_map(|it| it.destination.clone()).collect();
    let place = lane.destination(at)?;
    let seen = see(sides.destination, &place, &names).await.at(Side::Destination)?;
    let away = entries.into_iter().zip(seen).filter(|(_, seen)| *seen == Seen::Absent);
    let away: Vec<Entry> = away.map(|(entry, _)| entry.forgotten()).collect();
    let count = away.len() as u64;
    ctx.counters(lane.row(at)?.kind).removed += count;
    ctx.count(Deed::Removed, count);
    lane.journal(ctx, (at, &mut sides.known), &away)?;
    Ok(())
}

/// What was being done.
pub(crate) async fn intention<C: Context>(ctx: &C) -> Done<C, Option<Intention>> {
    let name = keys::objects_intention(ctx.id());
    let bytes = ctx.store().get(&name).await?.filter(|bytes| !bytes.is_empty());
    Ok(bytes.map(|bytes| records::decode(&name, &bytes)).transpose()?)
}
