//! What stands in a collection of the destination that we did not bring: each object is read once, and again
//! when its tag is another one.

use std::collections::{BTreeMap, BTreeSet};

use model::MigrationId;
use services::Side;
use services::objects::Objects;
use store::{Error, Store, keys, records};

use crate::asking::{Next, Reader, Seen, see};
use crate::context::{At, Context};
use crate::known::{Known, key, tag_key};
use crate::lane::{Done, Lane};
use crate::record::{Print, Standing};

/// Objects that are read before they are written down, as a page of the list.
const PAGE_OBJECTS: usize = 256;
/// Pages read at once: a mebibyte each at most.
const PAGES_AT_ONCE: usize = 8;

/// Where the record of an object is, and what tells whether it has changed.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// 0 where there is none.
    tag: u64,
    /// 0 where it cannot be read.
    identity: u64,
    page: u32,
    place: u32,
}

/// The list, as numbers.
#[derive(Debug, Default)]
pub(crate) struct Stock {
    by_name: BTreeMap<u64, Slot>,
    /// Identity and name.
    by_identity: BTreeSet<(u64, u64)>,
}

/// The names that the destination listed, and their tags; 0 where there is none.
pub(crate) type Present = BTreeMap<u64, u64>;

impl Stock {
    /// Reads the list of collection `row`.
    pub(crate) async fn read(
        store: &impl Store,
        id: &MigrationId,
        row: u32,
        pages: u32,
    ) -> Result<Stock, Error> {
        let mut stock = Stock::default();
        let numbers: Vec<u32> = (0..pages).collect();
        for some in numbers.chunks(PAGES_AT_ONCE) {
            let names: Vec<String> =
                some.iter().map(|page| keys::objects_standing(id, row, *page)).collect();
            for ((page, key), value) in some.iter().zip(&names).zip(store.get_many(&names).await?) {
                let gone = || Error::Unreadable { key: key.clone(), reason: "it is gone".into() };
                let all: Vec<Standing> = records::decode(key, &value.ok_or_else(gone)?)?;
                for (standing, place) in all.iter().zip(0..) {
                    stock.put(standing, (*page, place));
                }
            }
        }
        Ok(stock)
    }

    fn put(&mut self, standing: &Standing, (page, place): (u32, u32)) {
        let name = key(&standing.name);
        if let Some(old) = self.by_name.remove(&name) {
            self.by_identity.remove(&(old.identity, name));
        }
        if standing.gone {
            return;
        }
        let identity = standing.identity.map_or(0, Print::short);
        let tag = tag_key(standing.tag.as_deref());
        self.by_name.insert(name, Slot { tag, identity, page, place });
        if identity != 0 {
            self.by_identity.insert((identity, name));
        }
    }

    /// The objects with this identity that do not have the name of one of ours.
    pub(crate) async fn with_identity(
        &self,
        store: &impl Store,
        id: &MigrationId,
        row: u32,
        (identity, known): (Print, &Known),
    ) -> Result<Vec<Standing>, Error> {
        let identity = identity.short();
        let mut found = Vec::new();
        for (_, name) in self.by_identity.range((identity, 0)..=(identity, u64::MAX)) {
            let Some(slot) = self.by_name.get(name) else { continue };
            if known.at_destination(*name).is_some() {
                continue;
            }
            let page = page_of(store, id, row, slot.page).await?;
            found.extend(page.into_iter().nth(slot.place as usize));
        }
        Ok(found)
    }

    /// Objects that stand beside one that we put, with the same identity.
    pub(crate) fn doubled(&self, known: &Known) -> u64 {
        let beside = |(name, slot): &(&u64, &Slot)| {
            let ours = known.put_with(slot.identity);
            ours.is_some_and(|ours| ours.destination != **name)
        };
        self.by_name.iter().filter(beside).count() as u64
    }

    /// Objects that cannot be read.
    pub(crate) fn unreadable(&self) -> u64 {
        self.by_name.values().filter(|slot| slot.identity == 0).count() as u64
    }
}

async fn page_of(
    store: &impl Store,
    id: &MigrationId,
    row: u32,
    page: u32,
) -> Result<Vec<Standing>, Error> {
    let key = keys::objects_standing(id, row, page);
    let gone = || Error::Unreadable { key: key.clone(), reason: "it is gone".into() };
    records::read(store, &key).await?.ok_or_else(gone)
}

/// Lists the destination's collection, and reads what is not known of it yet.
pub(crate) async fn look<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    destination: &mut S,
    (known, stock): (&Known, &mut Stock),
) -> Done<C, Present> {
    let place = lane.destination(at)?;
    let mut present = Present::new();
    let mut new = Vec::new();
    let mut reader = Reader::start(destination, &place, None).await.at(Side::Destination)?;
    while let Next::Some(there, _) = reader.next(destination).await.at(Side::Destination)? {
        for listed in there {
            let name = key(&listed.name);
            let tag = tag_key(listed.tag.as_deref());
            if present.insert(name, tag).is_some() || known.at_destination(name).is_some() {
                continue;
            }
            let as_it_was = |slot: &Slot| slot.tag == tag && tag != 0 && slot.identity != 0;
            if !stock.by_name.get(&name).is_some_and(as_it_was) {
                new.push(listed.name);
            }
        }
    }
    for some in new.chunks(PAGE_OBJECTS) {
        let seen = see(destination, &place, some).await.at(Side::Destination)?;
        let standing = some.iter().zip(seen).map(|(name, seen)| standing(name, seen)).collect();
        write(ctx, lane, at, (stock, standing)).await?;
    }
    confirm(ctx, lane, at, destination, (stock, &mut present)).await?;
    Ok(present)
}

fn standing(name: &str, seen: Seen) -> Standing {
    let bare = Standing {
        name: name.to_owned(),
        tag: None,
        identity: None,
        content: Print::default(),
        gone: false,
    };
    match seen {
        Seen::There(sight) => Standing {
            tag: sight.tag,
            identity: Some(sight.identity),
            content: sight.content,
            ..bare
        },
        Seen::Absent => Standing { gone: true, ..bare },
        Seen::Refused(_) => bare,
    }
}

/// What was there and is not listed is asked for by its name: a listing may leave something out.
async fn confirm<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    destination: &mut S,
    (stock, present): (&mut Stock, &mut Present),
) -> Done<C> {
    let place = lane.destination(at)?;
    let away: Vec<Slot> = stock
        .by_name
        .iter()
        .filter(|(name, _)| !present.contains_key(name))
        .map(|it| *it.1)
        .collect();
    for some in away.chunks(PAGE_OBJECTS) {
        let mut names = Vec::new();
        for slot in some {
            let page = page_of(ctx.store(), ctx.id(), at, slot.page).await?;
            names.extend(page.into_iter().nth(slot.place as usize).map(|it| it.name));
        }
        let seen = see(destination, &place, &names).await.at(Side::Destination)?;
        let standing: Vec<Standing> =
            names.iter().zip(seen).map(|(name, seen)| standing(name, seen)).collect();
        for it in standing.iter().filter(|it| !it.gone) {
            present.insert(key(&it.name), tag_key(it.tag.as_deref()));
        }
        write(ctx, lane, at, (stock, standing)).await?;
    }
    Ok(())
}

async fn write<C: Context>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    (stock, standing): (&mut Stock, Vec<Standing>),
) -> Done<C> {
    stage(ctx, lane, at, (stock, &standing))?;
    lane.checkpoint(ctx).await
}

/// As one record, or as several where they have no room in one.
fn stage<C: Context>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    (stock, standing): (&mut Stock, &[Standing]),
) -> Done<C> {
    if standing.is_empty() {
        return Ok(());
    }
    let page = lane.row(at)?.standing_pages;
    let key = keys::objects_standing(ctx.id(), at, page);
    let record = match records::encode(&key, &standing) {
        Err(Error::TooLarge { .. }) if standing.len() > 1 => {
            let (first, rest) = standing.split_at(standing.len() / 2);
            stage(ctx, lane, at, (stock, first))?;
            return stage(ctx, lane, at, (stock, rest));
        }
        record => record?,
    };
    ctx.stage(key, record);
    lane.row_mut(at)?.standing_pages += 1;
    for (standing, place) in standing.iter().zip(0..) {
        stock.put(standing, (page, place));
    }
    Ok(())
}
