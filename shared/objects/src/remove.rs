//! Takes back what sync points brought: objects that are as we left them, documents as they were before, and
//! collections that we made and that are empty then. Everything else stays and is reported.

use model::{FailureCode, Verdict};
use services::objects::{Guard, Object, Objects, Put, Removed, Stored};
use services::{Reason, Side, Trouble};
use store::{Store, keys, records};

use crate::asking::{Seen, see};
use crate::context::{At, Context, Deed, Halt};
use crate::known::{Known, key, segments_of};
use crate::lane::{About, Done, Lane};
use crate::outcome::intention;
use crate::record::{Entry, Intention, Removing, State};

/// Objects that are dealt with together: a stop takes effect after them.
const AT_ONCE: usize = 32;
/// How often the removal of an object is tried whose tag changes by itself.
const TRIES_MAX: u32 = 3;
/// Objects of a collection that stay and have a line each; the rest is told by number.
const TOLD_MAX: u64 = 1_000;

/// What becomes of an object.
enum End {
    /// It is taken back now.
    Removed,
    /// It was gone.
    Gone,
    /// It stays; a sentence.
    Kept(String),
}

/// Takes back what sync points from `from` on brought.
pub(crate) async fn remove<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    from: u32,
    destination: &mut S,
) -> Done<C> {
    let state = lane.position.removing.filter(|state| state.from == from);
    let mut state = state.unwrap_or(Removing { from, ..Removing::default() });
    while state.row < lane.position.rows {
        let at = state.row;
        if lane.row(at)?.segments > 0 && lane.row(at)?.destination.is_some() {
            of_row(ctx, lane, &mut state, destination).await?;
        }
        state = Removing { from, row: at + 1, ..Removing::default() };
        lane.position.removing = Some(state);
        lane.checkpoint(ctx).await?;
    }
    for at in lane.numbers() {
        let row = lane.row(at)?;
        if row.created_in >= from && row.created_in > 0 {
            collection(ctx, lane, at, destination).await?;
        }
    }
    lane.position.removing = None;
    ctx.progressed();
    lane.checkpoint(ctx).await
}

/// Objects of one collection, segment by segment of its journal; a slice that ends goes on behind the last.
async fn of_row<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    state: &mut Removing,
    destination: &mut S,
) -> Done<C> {
    let at = state.row;
    ctx.at_work(Some(&lane.row(at)?.destination_path));
    let segments = *state.segments.get_or_insert(lane.row(at)?.segments);
    let mut known = Known::read(ctx.store(), ctx.id(), at, lane.row(at)?.segments).await?;
    let open = intention(ctx).await?.filter(|it| it.row == at);
    let mut open = open.map_or_else(Vec::new, |it| it.removals);
    while state.segment < segments {
        let segment = segments_of(ctx.store(), ctx.id(), at, &[state.segment]).await?;
        let all = segment.into_iter().flat_map(|(_, entries)| entries).zip(0u32..);
        let rest: Vec<(Entry, u32)> = all.skip(state.place as usize).collect();
        for some in rest.chunks(AT_ONCE) {
            let from = state.from;
            let latest = |(entry, place): &&(Entry, u32)| {
                let slot = known.at_source(key(&entry.source));
                let ours = matches!(entry.state, State::Placed | State::Left);
                let is_it =
                    |it: &crate::known::Slot| (it.segment, it.place) == (state.segment, *place);
                ours && entry.sync_point >= from && entry.sync_point > 0 && slot.is_some_and(is_it)
            };
            let wanted: Vec<Entry> = some.iter().filter(latest).map(|it| it.0.clone()).collect();
            let ours = std::mem::take(&mut open);
            take_back(ctx, lane, state, destination, (&mut known, wanted, &ours)).await?;
            state.place += u32::try_from(some.len()).unwrap_or(0);
            lane.position.removing = Some(*state);
            lane.intend(ctx, None)?;
            lane.checkpoint(ctx).await?;
            ctx.check_budget().map_err(Halt::Stop)?;
        }
        (state.segment, state.place) = (state.segment + 1, 0);
    }
    if state.untold > 0 {
        let sentence = format!("{} further objects of this collection stay.", state.untold);
        let about = About::name(&lane.row(at)?.destination_path);
        lane.tell(ctx, at, &about, (FailureCode::Kept, sentence))?;
    }
    // The next run looks at the source as a whole, and knows again what stays.
    let row = lane.row_mut(at)?;
    (row.settled, row.sums, row.found_there) = (None, None, 0);
    row.verdict = Some(Verdict::Unknown);
    Ok(())
}

/// Takes some objects back. `open` are names that an interrupted removal may have removed.
async fn take_back<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    state: &mut Removing,
    destination: &mut S,
    (known, wanted, open): (&mut Known, Vec<Entry>, &[String]),
) -> Done<C> {
    if wanted.is_empty() {
        return Ok(());
    }
    let at = state.row;
    let place = lane.destination(at)?;
    let names: Vec<String> =
        wanted.iter().map(|it| it.destination.clone().unwrap_or_default()).collect();
    let seen = match see(destination, &place, &names).await {
        // The user removed the whole collection.
        Err(Trouble::Rejected(said)) if said.reason == Reason::NoFolder => {
            vec![Seen::Absent; names.len()]
        }
        seen => seen.at(Side::Destination)?,
    };
    let may_go = |(entry, seen): &(&Entry, &Seen)| match seen {
        Seen::There(sight) => entry.state == State::Placed && sight.content == entry.left,
        Seen::Absent | Seen::Refused(_) => false,
    };
    let going = wanted.iter().zip(&seen).filter(may_go);
    let mut removals: Vec<String> =
        going.filter_map(|(entry, _)| entry.destination.clone()).collect();
    removals.extend(open.iter().cloned());
    let intention = Intention { row: at, puts: Vec::new(), removals };
    lane.intend(ctx, Some(&intention))?;
    lane.checkpoint(ctx).await?;
    let (mut removed, mut changed) = (0, Vec::new());
    for (entry, seen) in wanted.into_iter().zip(seen) {
        match one(ctx, lane, at, destination, (&entry, seen, open)).await? {
            End::Removed => {
                removed += 1;
                changed.push(entry.forgotten());
            }
            End::Gone => changed.push(entry.forgotten()),
            End::Kept(sentence) => {
                ctx.count(Deed::Kept, 1);
                changed.push(Entry { state: State::Left, tag: None, ..entry.clone() });
                if state.told >= TOLD_MAX {
                    state.untold += 1;
                    continue;
                }
                state.told += 1;
                let about = About { size: entry.size, ..About::name(&entry.source) };
                lane.tell(ctx, at, &about, (FailureCode::Kept, sentence))?;
            }
        }
    }
    ctx.counters(lane.row(at)?.kind).removed += removed;
    ctx.count(Deed::Removed, removed);
    let row = lane.row_mut(at)?;
    let away = changed.iter().filter(|it| it.state == State::Forgotten).count() as u64;
    row.migrated = row.migrated.saturating_sub(away);
    lane.journal(ctx, (at, known), &changed)?;
    ctx.progressed();
    Ok(())
}

/// Removes one object if it is as we left it; the check and the removal are one.
async fn one<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &Lane,
    at: u32,
    destination: &mut S,
    (entry, mut seen, open): (&Entry, Seen, &[String]),
) -> Done<C, End> {
    let place = lane.destination(at)?;
    let name = entry.destination.clone().unwrap_or_default();
    let before = match lane.row(at)?.is_single {
        true => before(ctx, at).await?,
        false => None,
    };
    for _ in 0..TRIES_MAX {
        let sight = match seen {
            Seen::There(sight) => sight,
            Seen::Absent if open.contains(&name) => return Ok(End::Removed),
            Seen::Absent => return Ok(End::Gone),
            Seen::Refused(why) => {
                return Ok(End::Kept(format!("The destination does not give it: {why}.")));
            }
        };
        // One that was changed back is the user's all the same.
        if entry.state == State::Left || sight.content != entry.left {
            return Ok(End::Kept("It was changed since it was brought, so it stays.".to_owned()));
        }
        let Some(tag) = sight.tag else {
            let sentence = "The destination gives no tag, so that it could not be made sure that it is as it was brought.";
            return Ok(End::Kept(sentence.to_owned()));
        };
        let end = match &before {
            Some(body) => put_back(destination, &place, (&name, entry, body, tag)).await,
            None => destination.remove(&place, &name, &tag).await,
        };
        match end.at(Side::Destination)? {
            Removed::Gone => {
                if before.is_some() {
                    ctx.stage(keys::objects_before(ctx.id(), at), Vec::new());
                }
                return Ok(End::Removed);
            }
            // It was there a moment ago: the answer to a removal of ours may have been lost.
            Removed::Absent => return Ok(End::Removed),
            Removed::Refused(why) => {
                return Ok(End::Kept(format!("The destination refused to remove it: {why}.")));
            }
            Removed::NotMet => {}
        }
        let now = see(destination, &place, std::slice::from_ref(&name)).await;
        seen = now.at(Side::Destination)?.pop().unwrap_or(Seen::Absent);
    }
    Ok(End::Kept("Its tag changes by itself, so that it could not be removed safely.".to_owned()))
}

/// What a document was before.
async fn before<C: Context>(ctx: &C, at: u32) -> Done<C, Option<Vec<u8>>> {
    let key = keys::objects_before(ctx.id(), at);
    let Some(bytes) = ctx.store().get(&key).await?.filter(|bytes| !bytes.is_empty()) else {
        return Ok(None);
    };
    match bytes.split_first() {
        Some((&records::VERSION, body)) => Ok(Some(body.to_vec())),
        Some(_) | None => {
            let reason = "its version is not known".to_owned();
            Err(store::Error::Unreadable { key, reason }.into())
        }
    }
}

async fn put_back<S: Objects>(
    destination: &mut S,
    place: &services::objects::Place,
    (name, entry, body, tag): (&str, &Entry, &[u8], String),
) -> Result<Removed, Trouble> {
    let object = Object {
        name: name.to_owned(),
        tag: None,
        identity: name.to_owned(),
        digest: services::objects::Digest(entry.left.0),
        unix_s: None,
        title: String::new(),
        body: body.to_vec().into(),
    };
    let put = Put { name: name.to_owned(), guard: Guard::Is(tag), object };
    Ok(match destination.put(place, vec![put]).await?.pop() {
        Some(Stored::As { .. }) => Removed::Gone,
        Some(Stored::Refused(why)) => Removed::Refused(why),
        Some(Stored::NotMet) | None => Removed::NotMet,
    })
}

/// Removes a collection that we made, if nothing is in it.
async fn collection<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    destination: &mut S,
) -> Done<C> {
    let place = lane.destination(at)?;
    let end = destination.remove_collection(&place).await.at(Side::Destination)?;
    let row = lane.row_mut(at)?;
    match end {
        Removed::Gone | Removed::Absent => {
            (row.destination, row.created_in, row.removed) = (None, 0, false);
            row.settled = None;
        }
        Removed::NotMet => row.remark("The collection stays, since there are objects in it."),
        Removed::Refused(why) => {
            row.remark(&format!("The destination refused to remove the collection: {why}."));
        }
    }
    ctx.progressed();
    lane.checkpoint(ctx).await
}
