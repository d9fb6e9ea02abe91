//! Which collections there are, and where at the destination each of them belongs.

use std::collections::BTreeSet;

use model::{Options, Verdict};
use services::objects::{Access, COLLECTIONS_MAX, Collection, NewCollection, Objects, Place};
use services::{Lack, Reason, Side, Trouble};

use crate::context::{At, Context, Halt};
use crate::lane::{Done, Lane};
use crate::record::{Print, Row, Stage};

/// Where a collection of the source belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Into this collection of the destination: its id, its name for people.
    There(String, String),
    /// Into a new one of this name.
    New(String),
    /// Nowhere; a sentence.
    Nowhere(String),
}

/// Decides where each of `sources` belongs. The rules, in order: what is not to be copied, or what
/// `exclude_folders` names, is left out; `folder_map` names the target; else it is the collection of the same
/// name, the default one for the default one, or a new one. `taken` are targets of earlier runs; no two of one
/// kind share a collection, since their objects could have the same identity.
pub fn map(
    sources: &[&Collection],
    destinations: &[Collection],
    options: &Options,
    taken: &BTreeSet<Place>,
) -> Vec<Target> {
    let mut taken = taken.clone();
    let mut names = BTreeSet::new();
    let mut targets = Vec::new();
    for source in sources {
        let target = one(source, destinations, options, &taken);
        let target = match target {
            Target::There(id, name) => {
                taken.insert(Place { id: id.clone(), kind: source.place.kind });
                Target::There(id, name)
            }
            Target::New(name) => {
                let numbered = (2..).map(|n| format!("{name} ({n})"));
                let mut all = std::iter::once(name.clone()).chain(numbered);
                let kind = source.place.kind;
                let free = all.find(|name| names.insert((kind, name.clone())));
                Target::New(free.unwrap_or(name))
            }
            Target::Nowhere(why) => Target::Nowhere(why),
        };
        targets.push(target);
    }
    targets
}

fn one(
    source: &Collection,
    destinations: &[Collection],
    options: &Options,
    taken: &BTreeSet<Place>,
) -> Target {
    if let Access::NotCopied(why) = &source.access {
        return Target::Nowhere(why.clone());
    }
    let same = |one: &str, other: &str| one.to_lowercase() == other.to_lowercase();
    if options.exclude_folders.iter().any(|name| same(name, &source.display_name)) {
        return Target::Nowhere("It is left out by the options.".to_owned());
    }
    let mapped = options.folder_map.iter().find(|(from, _)| same(from, &source.display_name));
    let wanted = mapped.map_or(&source.display_name, |(_, to)| to);
    let free: Vec<&Collection> = destinations
        .iter()
        .filter(|it| it.place.kind == source.place.kind && it.access == Access::Writable)
        .filter(|it| !taken.contains(&it.place))
        .collect();
    let there = |it: &Collection| Target::There(it.place.id.clone(), it.display_name.clone());
    if source.is_single {
        let only = free.iter().find(|it| it.is_single);
        let nowhere = || Target::Nowhere("The destination has no such thing.".to_owned());
        return only.map_or_else(nowhere, |it| there(it));
    }
    let several = || free.iter().filter(|it| !it.is_single);
    if let Some(found) = several().find(|it| same(&it.display_name, wanted)) {
        return there(found);
    }
    match several().find(|it| it.is_default && source.is_default && mapped.is_none()) {
        Some(found) => there(found),
        None => Target::New(wanted.clone()),
    }
}

/// Looks at both sides, and begins the run in each collection.
pub(crate) async fn discover<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    (source, destination): (&mut S, &mut S),
) -> Done<C> {
    let found = within(source.collections().await).at(Side::Source)?;
    let there = within(destination.collections().await).at(Side::Destination)?;
    let wanted: Vec<&Collection> = found.iter().filter(|it| ctx.wants(it.place.kind)).collect();
    let new: Vec<&Collection> =
        wanted.iter().filter(|it| !lane.rows.iter().any(|row| is_of(row, it))).copied().collect();
    let known = lane.rows.iter().filter_map(|row| Some((row.destination.clone()?, row.kind)));
    let taken = known.map(|(id, kind)| Place { id, kind }).collect();
    let targets = map(&new, &there, ctx.options(), &taken);
    for (collection, target) in new.iter().zip(targets) {
        lane.add(fresh(collection, target, &found));
    }
    for at in lane.numbers() {
        let collection = wanted.iter().find(|it| lane.row(at).is_ok_and(|row| is_of(row, it)));
        begin(ctx, lane, at, collection.copied())?;
        if lane.row(at)?.stage != Stage::Done {
            look_for_destination(lane, at, &there, destination).await?;
        }
    }
    let position = &mut lane.position;
    (position.run, position.discovered, position.finished) = (ctx.sync_point(), true, false);
    ctx.progressed();
    lane.checkpoint(ctx).await
}

fn within(collections: Result<Vec<Collection>, Trouble>) -> Result<Vec<Collection>, Trouble> {
    match collections {
        Ok(all) if all.len() > COLLECTIONS_MAX => {
            let words = format!("the account has more than {COLLECTIONS_MAX} collections");
            Err(Trouble::Impossible(Lack::Room, words))
        }
        other => other,
    }
}

fn is_of(row: &Row, collection: &Collection) -> bool {
    row.kind == collection.place.kind && row.source == collection.place.id
}

fn fresh(collection: &Collection, target: Target, all: &[Collection]) -> Row {
    let Place { id, kind } = collection.place.clone();
    let further = all.iter().filter(|it| it.place.id == id && it.place.kind != kind);
    let mut row = Row {
        kind,
        source_path: collection.display_name.clone(),
        details: collection.details.clone(),
        further_kinds: further.map(|it| it.place.kind).collect(),
        is_single: collection.is_single,
        source: id,
        ..Row::default()
    };
    match target {
        Target::There(id, name) => (row.destination, row.destination_path) = (Some(id), name),
        Target::New(name) => row.destination_path = name,
        Target::Nowhere(why) => row.left_out = Some(why),
    }
    row
}

/// Sets a row back to the beginning of a run. One that did not change since it was settled is through.
fn begin<C: Context>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    collection: Option<&Collection>,
) -> Done<C> {
    let retry = ctx.is_retry();
    let row = lane.row_mut(at)?;
    row.listed = collection.is_some();
    let state = collection.and_then(|it| it.state.clone());
    let sums = row.sums.unwrap_or_default();
    let same = state.is_some() && state == row.settled && row.verdict == Some(Verdict::Complete);
    let clean = retry && row.sums.is_some() && sums.failed == 0;
    (row.refused, row.found, row.work_pages, row.wrong) = (None, state, None, 0);
    (row.work_page, row.work_place, row.work_total) = (0, 0, 0);
    (row.rounds, row.tries, row.in_vain) = (0, 0, 0);
    row.stage = Stage::List;
    if let Some(why) = row.left_out.clone() {
        row.remark(&why);
    }
    if !row.is_moved() || same || clean {
        row.stage = Stage::Done;
        row.found = row.settled.clone();
    }
    if row.is_moved() && same && !retry {
        let counters = ctx.counters(row.kind);
        counters.total += sums.source;
        counters.left_out += sums.left_out;
        counters.skipped += sums.source - sums.left_out.min(sums.source);
    }
    Ok(())
}

/// Whether the destination still has its collection: one that is not in the list is asked for itself.
async fn look_for_destination<St, S: Objects>(
    lane: &mut Lane,
    at: u32,
    there: &[Collection],
    destination: &mut S,
) -> Result<(), Halt<St>> {
    if lane.row(at)?.destination.is_none() {
        return Ok(());
    }
    let place = lane.destination(at)?;
    if there.iter().any(|it| it.place == place) {
        return Ok(());
    }
    match destination.start_listing(&place, None).await {
        Err(Trouble::Rejected(said)) if said.reason == Reason::NoFolder => {
            let row = lane.row_mut(at)?;
            (row.destination, row.created_in, row.removed) = (None, 0, true);
            Ok(())
        }
        other => other.map(drop).at(Side::Destination),
    }
}

/// Makes the destination's collection. A name that is ours makes sure that trying again makes no other.
pub(crate) async fn make<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    destination: &mut S,
) -> Done<C> {
    let row = lane.row(at)?.clone();
    // One that was made for events may take tasks as well.
    let beside = lane.rows.iter().find(|it| it.source == row.source && it.created_in > 0);
    if let Some(id) = beside.and_then(|it| it.destination.clone()) {
        let there = within(destination.collections().await).at(Side::Destination)?;
        if there.iter().any(|it| it.place.id == id && it.place.kind == row.kind) {
            let made = lane.row_mut(at)?;
            (made.destination, made.created_in, made.removed) = (Some(id), ctx.sync_point(), false);
            return lane.checkpoint(ctx).await;
        }
    }
    let stamp = Print::of(&[ctx.id().as_str(), row.kind.name(), &row.source]);
    let new = NewCollection {
        name: stamp.hex(),
        kind: row.kind,
        further_kinds: row.further_kinds.clone(),
        display_name: row.destination_path.clone(),
        details: row.details.clone(),
    };
    let made = destination.make(&new).await.at(Side::Destination)?;
    let run = ctx.sync_point();
    let row = lane.row_mut(at)?;
    match made {
        Ok(collection) => {
            (row.destination, row.created_in) = (Some(collection.place.id), run);
            (row.destination_path, row.removed) = (collection.display_name, false);
            ctx.progressed();
        }
        Err(rejection) => {
            row.refused = Some(format!("The destination refused to make it: {rejection}."));
        }
    }
    lane.checkpoint(ctx).await
}

#[cfg(test)]
mod tests {
    use model::Item;

    use super::*;

    fn collection(id: &str, kind: Item, name: &str) -> Collection {
        Collection {
            place: Place { id: id.into(), kind },
            display_name: name.into(),
            is_default: false,
            is_single: false,
            access: Access::Writable,
            state: None,
            details: Vec::new(),
        }
    }

    #[test]
    fn where_collections_belong() {
        let default = |it: Collection| Collection { is_default: true, ..it };
        let single = |it: Collection| Collection { is_single: true, ..it };
        let access = |access, it: Collection| Collection { access, ..it };
        let sources = [
            collection("a", Item::Calendars, "Home"),
            collection("b", Item::Calendars, "home"),
            default(collection("c", Item::Calendars, "Kalender")),
            collection("d", Item::Calendars, "Junk"),
            collection("e", Item::Calendars, "Old"),
            access(
                Access::NotCopied("It is subscribed.".into()),
                collection("f", Item::Calendars, "Holidays"),
            ),
            collection("g", Item::Contacts, "Home"),
            access(Access::ReadOnly, collection("h", Item::Calendars, "Team")),
            single(collection("i", Item::Rules, "Rules")),
            single(collection("j", Item::OutOfOffice, "Absence")),
            collection("k", Item::Calendars, "Team"),
        ];
        let destinations = [
            collection("1", Item::Calendars, "HOME"),
            default(collection("2", Item::Calendars, "Calendar")),
            access(Access::ReadOnly, collection("3", Item::Calendars, "Team")),
            single(collection("4", Item::Rules, "Sieve")),
        ];
        let options = Options {
            exclude_folders: vec!["junk".into()],
            folder_map: [("Old".to_owned(), "Archive".to_owned())].into(),
            ..Options::default()
        };
        let all: Vec<&Collection> = sources.iter().collect();
        let there = |id: &str, name: &str| Target::There(id.into(), name.into());
        let new = |name: &str| Target::New(name.into());
        let nowhere = |why: &str| Target::Nowhere(why.into());
        assert_eq!(
            map(&all, &destinations, &options, &BTreeSet::new()),
            [
                there("1", "HOME"),
                new("home"),
                there("2", "Calendar"),
                nowhere("It is left out by the options."),
                new("Archive"),
                nowhere("It is subscribed."),
                new("Home"),
                new("Team"),
                there("4", "Sieve"),
                nowhere("The destination has no such thing."),
                new("Team (2)"),
            ]
        );
        let taken = [Place { id: "1".into(), kind: Item::Calendars }].into();
        assert_eq!(map(&all[..1], &destinations, &options, &taken), [new("Home")]);
    }
}
