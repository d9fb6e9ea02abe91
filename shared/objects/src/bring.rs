//! Brings what is new or changed in a collection, some objects at a time: read, planned, intended, put, settled.

use std::collections::BTreeSet;

use model::FailureCode;
use services::objects::{Guard, Object, Objects, Put, Read, Stored};
use services::{Reason as Why, Rejection, Side};

use crate::asking::{self, AT_ONCE};
use crate::context::{At, Context};
use crate::decide::{Candidate, Decided, decide_all};
use crate::discover;
use crate::known::{Known, Slot, entries, key};
use crate::lane::{About, Done, Lane};
use crate::list;
use crate::outcome::{self, Sent};
use crate::record::{Entry, Intended, Intention, Print, Stage, State, Work};
use crate::settle::Answer;
use crate::sides::Sides;
use crate::standing::{self, Stock};

/// From this try on objects go one at a time: one of them may be what breaks the connection.
const ALONE_AFTER: u32 = 2;
/// So often one object is sent alone and nothing becomes of it, until it is left out and reported.
const TRIES_MAX: u32 = 6;

/// Brings everything that the work of a collection names.
pub(crate) async fn bring<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    (source, destination): (&mut S, &mut S),
) -> Done<C> {
    let row = lane.row(at)?;
    if row.destination.is_none() && (!row.removed || row.work_total > 0) {
        discover::make(ctx, lane, at, destination).await?;
    }
    if let Some(why) = lane.row(at)?.refused.clone() {
        list::lose(ctx, lane, at, &why)?;
        lane.row_mut(at)?.stage = Stage::Verify;
        return lane.checkpoint(ctx).await;
    }
    if lane.row(at)?.work_total > 0 {
        let row = lane.row(at)?;
        let known = Known::read(ctx.store(), ctx.id(), at, row.segments).await?;
        let stock = Stock::read(ctx.store(), ctx.id(), at, row.standing_pages).await?;
        let mut sides = Sides { source, destination, known, stock, settled: Vec::new() };
        if row.looked_in != ctx.sync_point() {
            look(ctx, lane, at, &mut sides).await?;
        }
        while batch(ctx, lane, at, &mut sides).await? {
            ctx.check_budget().map_err(crate::context::Halt::Stop)?;
        }
    }
    lane.row_mut(at)?.stage = Stage::Verify;
    lane.checkpoint(ctx).await
}

/// Looks at what stands at the destination, once in a run before anything is put.
async fn look<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    sides: &mut Sides<'_, S>,
) -> Done<C> {
    let Sides { destination, known, stock, .. } = sides;
    standing::look(ctx, lane, at, *destination, (known, stock)).await?;
    lane.row_mut(at)?.looked_in = ctx.sync_point();
    lane.checkpoint(ctx).await
}

/// Deals with the next objects; whether there may be more.
async fn batch<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    sides: &mut Sides<'_, S>,
) -> Done<C, bool> {
    let row = lane.row(at)?;
    let most = if row.tries >= ALONE_AFTER { 1 } else { AT_ONCE };
    let (works, rest_of_page) = list::next(ctx, row, at, most).await?;
    if works.is_empty() {
        return Ok(false);
    }
    ctx.at_work(Some(&lane.row(at)?.source_path));
    let run = ctx.sync_point();
    let settled = |work: &Work| {
        let slot = sides.known.at_source(key(&work.source));
        slot.is_some_and(|slot| slot.settled_in == run && !slot.gone)
    };
    let todo: Vec<Work> = works.iter().filter(|work| !settled(work)).cloned().collect();
    let names: Vec<String> = todo.iter().map(|work| work.source.clone()).collect();
    let place = lane.source(at)?;
    let answers = match names.is_empty() {
        true => Vec::new(),
        false => asking::read(sides.source, &place, &names).await.at(Side::Source)?,
    };
    let mut decided = Decided::default();
    let (mut candidates, mut identities) = (Vec::new(), BTreeSet::new());
    let mut reached = None;
    let rest = todo.get(answers.len()).map(|work| work.source.clone());
    for (work, answer) in todo.into_iter().zip(answers) {
        match answer {
            Read::Found(object) => {
                if !identities.insert(object.identity.clone()) {
                    // It is decided about once it is known what became of the other.
                    reached = Some(work.source);
                    break;
                }
                candidates.push(candidate(ctx, at, sides, (work, object)).await?);
            }
            other => unread(ctx, lane, at, sides, (work, other), &mut decided).await?,
        }
    }
    let end = reached.or(rest);
    let position = |name: &String| works.iter().position(|work| work.source == *name);
    let count = end.as_ref().and_then(position).unwrap_or(works.len());
    decide_all(ctx, lane, at, sides, candidates, &mut decided).await?;
    let again = carry_out(ctx, lane, at, sides, decided).await?;
    if !again {
        list::advance(lane.row_mut(at)?, count, rest_of_page);
    }
    ctx.progressed();
    lane.checkpoint(ctx).await?;
    Ok(true)
}

/// An object that cannot be read, or is gone by now.
async fn unread<C: Context, S>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    sides: &Sides<'_, S>,
    (work, answer): (Work, Read),
    decided: &mut Decided,
) -> Done<C> {
    let slot = sides.known.at_source(key(&work.source)).copied();
    let own = entries(ctx.store(), ctx.id(), at, slot.as_slice()).await?.pop();
    let Read::Refused(Rejection { reason, words, .. }) = answer else {
        ctx.counters(lane.row(at)?.kind).skipped += 1;
        lane.row_mut(at)?
            .remark("Objects were deleted at the source during the run, before they were reached.");
        let gone = own.map(|own| Entry { gone: true, settled_in: ctx.sync_point(), ..own });
        decided.entries.extend(gone);
        return Ok(());
    };
    let code = match reason {
        Why::TooLarge => FailureCode::TooLarge,
        _ => FailureCode::Unreadable,
    };
    let sentence = format!("The source does not give it: {}.", words.trim_end_matches('.'));
    lane.tell(ctx, at, &About::name(&work.source), (code, sentence))?;
    let entry = own.unwrap_or_else(|| Entry::blank(&work));
    decided.entries.push(Entry {
        source_tag: work.tag,
        settled_in: ctx.sync_point(),
        failed: true,
        gone: false,
        ..entry
    });
    Ok(())
}

async fn candidate<C: Context, S>(
    ctx: &C,
    at: u32,
    sides: &Sides<'_, S>,
    (work, object): (Work, Object),
) -> Done<C, Candidate> {
    let identity = Print::of(&[&object.identity]);
    let own = sides.known.at_source(key(&work.source)).copied();
    let other = sides
        .known
        .with_identity(identity)
        .filter(|slot| Some(slot.source) != own.map(|o| o.source))
        .copied();
    let fetch = |slot: Option<Slot>| async move {
        entries(ctx.store(), ctx.id(), at, slot.as_slice()).await.map(|mut found| found.pop())
    };
    let (own, other) = (fetch(own).await?, fetch(other).await?);
    // What has vanished is brought again where the owner asks for it.
    let vanished = |entry: &Entry| entry.state == State::Left && entry.failed && ctx.is_retry();
    let same = |entry: &&Entry| entry.identity == identity && entry.has_place() && !vanished(entry);
    let mut base = own.as_ref().filter(same).cloned();
    let mut twin = None;
    if let (None, Some(other)) = (&base, other) {
        if other.gone { base = Some(other) } else { twin = Some(other) }
    }
    let mut there = base.as_ref().and_then(|entry| entry.destination.clone());
    if base.is_none() && twin.is_none() {
        let which = (identity, &sides.known);
        let found = sides.stock.with_identity(ctx.store(), ctx.id(), at, which).await?;
        let content = Print::from(object.digest);
        let equal = found.iter().find(|it| it.content == content).or(found.first());
        there = equal.map(|standing| standing.name.clone());
    }
    Ok(Candidate { work, object, own, base, twin, there })
}

/// Puts what has to be put, and writes down what became of it; whether something has to be done again.
async fn carry_out<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    sides: &mut Sides<'_, S>,
    decided: Decided,
) -> Done<C, bool> {
    let Decided { entries, puts } = decided;
    lane.journal(ctx, (at, &mut sides.known), &entries)?;
    if puts.is_empty() {
        return Ok(false);
    }
    let tries = lane.row(at)?.tries;
    if tries >= TRIES_MAX {
        for (put, _) in puts {
            let sentence = format!("It was sent {tries} times, and nothing became of it.");
            outcome::lose(ctx, lane, (at, sides), (&put, sentence))?;
        }
        outcome::flush(ctx, lane, (at, sides))?;
        return Ok(false);
    }
    lane.row_mut(at)?.tries += 1;
    let intended: Vec<Intended> = puts.iter().map(|(put, _)| put.clone()).collect();
    let intention = Intention { row: at, puts: intended, removals: Vec::new() };
    lane.intend(ctx, Some(&intention))?;
    lane.checkpoint(ctx).await?;
    let place = lane.destination(at)?;
    let mut sent = Vec::new();
    let mut asked = Vec::new();
    for (put, object) in puts {
        let guard = match &put.replaces {
            None => Guard::Absent,
            Some((_, tag)) => Guard::Is(tag.clone()),
        };
        let name = put.entry.destination.clone().unwrap_or_default();
        asked.push(Put { name, guard, object });
        sent.push(put);
    }
    let answers = sides.destination.put(&place, asked).await.at(Side::Destination)?;
    let mut answers = answers.into_iter();
    let sent = sent.into_iter().map(|put| heard(put, answers.next())).collect();
    let again = outcome::settle(ctx, lane, (at, sides), sent).await?;
    lane.intend(ctx, None)?;
    Ok(again)
}

/// What was heard about one object.
fn heard(mut intended: Intended, answer: Option<Stored>) -> Sent {
    match answer {
        Some(Stored::As { name, tag }) => {
            let renamed = intended.entry.destination.as_ref() != Some(&name);
            intended.entry.destination = Some(name);
            Sent { intended, answer: Answer::Stored, tag, renamed }
        }
        Some(Stored::NotMet) => Sent::plain(intended, Answer::NotMet),
        Some(Stored::Refused(why)) => Sent::plain(intended, Answer::Refused(why)),
        None => Sent::plain(intended, Answer::Lost),
    }
}
