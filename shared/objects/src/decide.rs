//! Decides what is done with objects that were read: each is compared with what is known of it, and with what is
//! seen at the destination.

use model::FailureCode;
use services::Side;
use services::objects::{Object, Objects, Read};
use store::{keys, records};

use crate::asking::{self, Seen, see};
use crate::context::{At, Context};
use crate::lane::{About, Done, Lane};
use crate::plan::{AtDestination, AtSource, Known as Since, Reason, Step, plan};
use crate::record::{Entry, Intended, Print, State, Work};
use crate::settle::known_as;
use crate::sides::Sides;

/// What is said of an object that a verification did not find any more.
pub(crate) const VANISHED: &str = "It was put at the destination, and does not stand there any more: it was \
    deleted there, or the destination has lost it. Only a further try of what failed brings it again.";

/// An object of the source and what is known of it.
pub(crate) struct Candidate {
    pub(crate) work: Work,
    pub(crate) object: Object,
    /// What is known under this name.
    pub(crate) own: Option<Entry>,
    /// What the plan goes by: the same, or what the object was called before.
    pub(crate) base: Option<Entry>,
    /// Another object of the collection that has the same identity.
    pub(crate) twin: Option<Entry>,
    /// The name at the destination that may be it.
    pub(crate) there: Option<String>,
}

/// What has been decided about some objects.
#[derive(Default)]
pub(crate) struct Decided {
    /// What is known now.
    pub(crate) entries: Vec<Entry>,
    pub(crate) puts: Vec<(Intended, Object)>,
}

/// Looks at the destination, and decides about all of them.
pub(crate) async fn decide_all<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    sides: &mut Sides<'_, S>,
    candidates: Vec<Candidate>,
    decided: &mut Decided,
) -> Done<C> {
    let names: Vec<String> = candidates.iter().filter_map(|it| it.there.clone()).collect();
    let mut seen = Vec::new();
    if !names.is_empty() {
        let place = lane.destination(at)?;
        seen = see(sides.destination, &place, &names).await.at(Side::Destination)?;
    }
    let mut seen = seen.into_iter();
    for candidate in candidates {
        let seen = candidate.there.as_ref().and_then(|_| seen.next()).unwrap_or(Seen::Absent);
        decide(ctx, lane, at, (sides, candidate, seen), decided).await?;
    }
    Ok(())
}

/// Compares what is seen at the destination with what was left there, and with what the source has.
fn at_destination(candidate: &Candidate, seen: &Seen) -> AtDestination {
    let content = Print::from(candidate.object.digest);
    let Seen::There(sight) = seen else { return AtDestination::Absent };
    if sight.identity != Print::of(&[&candidate.object.identity]) && candidate.base.is_none() {
        return AtDestination::Absent;
    }
    let left = candidate.base.as_ref().is_some_and(|entry| entry.left == sight.content);
    let adopted = known_as(candidate.base.as_ref()) == Since::Adopted;
    match (left, sight.content == content) {
        (true, true) if adopted => AtDestination::Equal,
        (true, _) => AtDestination::AsLeft,
        (false, true) => AtDestination::Equal,
        (false, false) => AtDestination::Other,
    }
}

/// Decides about one object.
async fn decide<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    (sides, candidate, seen): (&mut Sides<'_, S>, Candidate, Seen),
    decided: &mut Decided,
) -> Done<C> {
    let about = About::object(&candidate.object);
    let kind = lane.row(at)?.kind;
    forget_before(&candidate, decided);
    let now = current(ctx.sync_point(), &candidate);
    if let Some(twin) = &candidate.twin {
        if twin.content == now.content || twin.left == now.content {
            ctx.counters(kind).skipped += 1;
            decided.entries.push(Entry { state: State::Twin, ..now });
        } else {
            let sentence = "Another object of this collection has the same identifier (UID), and another content.";
            lane.tell(ctx, at, &about, (FailureCode::Refused, sentence.to_owned()))?;
            decided.entries.push(Entry { state: State::Nothing, failed: true, ..now });
        }
        return Ok(());
    }
    if candidate.base.is_none() && ctx.options().max_item_bytes.is_some_and(|most| now.size > most)
    {
        ctx.counters(kind).left_out += 1;
        decided.entries.push(Entry { state: State::LeftOut, ..now });
        return Ok(());
    }
    // What an earlier verification did not find, or could not see and which is not there.
    let vanished = |base: &Entry| match (base.state, &seen) {
        (State::Left, _) => base.failed,
        (State::Placed, Seen::Absent | Seen::Refused(_)) => {
            base.failed && base.content == now.content
        }
        _ => false,
    };
    if candidate.base.as_ref().is_some_and(vanished) {
        lane.tell(ctx, at, &about, (FailureCode::Differs, VANISHED.to_owned()))?;
        let state = if matches!(seen, Seen::Refused(_)) { now.state } else { State::Left };
        decided.entries.push(Entry { state, failed: true, ..now });
        let was = candidate.base.filter(|it| it.source != candidate.work.source);
        decided.entries.extend(was.map(Entry::forgotten));
        return Ok(());
    }
    let unseen = matches!(seen, Seen::Refused(_));
    let source = match &candidate.base {
        Some(base) if base.content == now.content => AtSource::Same,
        Some(_) | None => AtSource::Changed,
    };
    let base = known_as(candidate.base.as_ref());
    // One that is known by another name and cannot be seen is told of by its new name.
    if unseen && source == AtSource::Changed && base != Since::Left {
        let sentence = "The destination has such an object and does not give it, so that nobody can tell whether it is the same.";
        lane.tell(ctx, at, &about, (FailureCode::Differs, sentence.to_owned()))?;
        decided.entries.push(failed(candidate.base.as_ref(), &now));
        let was = candidate.base.filter(|it| it.source != candidate.work.source);
        decided.entries.extend(was.map(Entry::forgotten));
        return Ok(());
    }
    let step = plan(source, base, at_destination(&candidate, &seen), lane.row(at)?.is_single);
    let before = decided.puts.len();
    execute(ctx, lane, at, (sides, step, &candidate, seen, now), decided).await?;
    // What it was called before is forgotten in the write that knows it by its new name.
    let was = candidate.base.filter(|it| it.source != candidate.work.source);
    match decided.puts.get_mut(before) {
        Some((put, _)) => put.was = was,
        None => decided.entries.extend(was.map(Entry::forgotten)),
    }
    Ok(())
}

/// What is known of an object if it is settled now.
fn current(run: u32, candidate: &Candidate) -> Entry {
    let content = Print::from(candidate.object.digest);
    let fresh = Entry {
        identity: Print::of(&[&candidate.object.identity]),
        content,
        size: candidate.object.body.len() as u64,
        settled_in: run,
        ..Entry::blank(&candidate.work)
    };
    match &candidate.base {
        None => fresh,
        Some(base) => Entry {
            destination: base.destination.clone(),
            tag: base.tag.clone(),
            left: base.left,
            sync_point: base.sync_point,
            put_in: base.put_in,
            state: base.state,
            ..fresh
        },
    }
}

/// The same where it could not be brought: the next run tries again.
fn failed(base: Option<&Entry>, now: &Entry) -> Entry {
    let content = base.map_or(Print::default(), |base| base.content);
    Entry { content, failed: true, ..now.clone() }
}

/// What this name stood for before.
fn forget_before(candidate: &Candidate, decided: &mut Decided) {
    let identity = Print::of(&[&candidate.object.identity]);
    if let Some(own) = candidate.own.as_ref().filter(|it| it.identity != identity)
        && matches!(own.state, State::Placed | State::Left)
    {
        // The name is another object's now; what we brought stays ours. No service has such a name.
        let source = format!("\0{}", own.identity.hex());
        decided.entries.push(Entry { source, gone: true, failed: false, ..own.clone() });
    }
}

async fn execute<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    (sides, step, candidate, seen, now): (&mut Sides<'_, S>, Step, &Candidate, Seen, Entry),
    decided: &mut Decided,
) -> Done<C> {
    let about = About::object(&candidate.object);
    let kind = lane.row(at)?.kind;
    let there = |now: Entry| match &seen {
        Seen::There(sight) => {
            let (tag, left) = (sight.tag.clone(), sight.content);
            Entry { destination: candidate.there.clone(), tag, left, ..now }
        }
        Seen::Absent | Seen::Refused(_) => now,
    };
    match step {
        Step::Create => {
            let identity = now.identity.hex();
            let source = lane.row(at)?.source.clone();
            let stamp = Print::of(&[ctx.id().as_str(), kind.name(), &source, &identity]);
            let name = sides.destination.named(kind, &stamp.hex());
            let entry = Entry { destination: Some(name), ..brought(ctx.sync_point(), now) };
            let title = about.title;
            decided.puts.push((
                Intended { entry, replaces: None, was: None, title },
                candidate.object.clone(),
            ));
        }
        Step::Replace => replace(ctx, lane, at, (sides, candidate, seen, now), decided).await?,
        Step::Adopt => {
            ctx.counters(kind).skipped += 1;
            decided.entries.push(Entry { state: State::Adopted, ..there(now) });
        }
        Step::Keep(Reason::Theirs) => {
            let sentence = "The destination has this object with another content, and keeps it.";
            lane.tell(ctx, at, &about, (FailureCode::Differs, sentence.to_owned()))?;
            decided.entries.push(failed(candidate.base.as_ref(), &now));
        }
        Step::Keep(Reason::Edited) => {
            let sentence = "It was changed at the source and at the destination since it was brought; the destination keeps its own.";
            lane.tell(ctx, at, &about, (FailureCode::Kept, sentence.to_owned()))?;
            ctx.counters(kind).skipped += 1;
            decided.entries.push(Entry { state: State::Left, ..now });
        }
        Step::Keep(Reason::Deleted) => {
            ctx.counters(kind).skipped += 1;
            decided.entries.push(Entry { state: State::Left, ..now });
        }
        Step::Nothing | Step::Forget | Step::Keep(Reason::GoneAtSource) => {
            ctx.counters(kind).skipped += 1;
            decided.entries.push(now);
        }
    }
    Ok(())
}

/// As it is once it was put.
fn brought(run: u32, now: Entry) -> Entry {
    let sync_point = if now.sync_point == 0 { run } else { now.sync_point };
    Entry { state: State::Placed, left: now.content, tag: None, sync_point, put_in: run, ..now }
}

async fn replace<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    (sides, candidate, seen, now): (&mut Sides<'_, S>, &Candidate, Seen, Entry),
    decided: &mut Decided,
) -> Done<C> {
    let about = About::object(&candidate.object);
    let Seen::There(sight) = seen else { return Ok(()) };
    if sight.content == now.content {
        // It is there: what was sent last, and what the service made of it, are the same again.
        ctx.counters(lane.row(at)?.kind).skipped += 1;
        decided.entries.push(Entry { tag: sight.tag, left: sight.content, ..now });
        return Ok(());
    }
    let Some(tag) = sight.tag else {
        let sentence = "The destination gives no tag, so that it could not be made sure that only what was brought is replaced.";
        lane.tell(ctx, at, &about, (FailureCode::Refused, sentence.to_owned()))?;
        decided.entries.push(failed(candidate.base.as_ref(), &now));
        return Ok(());
    };
    if lane.row(at)?.is_single && known_as(candidate.base.as_ref()) != Since::Placed {
        keep_before(ctx, lane, at, (sides, candidate)).await?;
    }
    let entry = Entry { destination: candidate.there.clone(), ..brought(ctx.sync_point(), now) };
    let replaces = Some((sight.content, tag));
    let put = Intended { entry, replaces, was: None, title: about.title };
    decided.puts.push((put, candidate.object.clone()));
    Ok(())
}

/// Keeps what a document was before it is replaced, with the write that intends it.
async fn keep_before<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &Lane,
    at: u32,
    (sides, candidate): (&mut Sides<'_, S>, &Candidate),
) -> Done<C> {
    let place = lane.destination(at)?;
    let names = candidate.there.as_slice();
    let read = asking::read(sides.destination, &place, names).await.at(Side::Destination)?;
    if let Some(Read::Found(object)) = read.into_iter().next() {
        let mut record = vec![records::VERSION];
        record.extend_from_slice(&object.body);
        ctx.stage(keys::objects_before(ctx.id(), at), record);
    }
    Ok(())
}
