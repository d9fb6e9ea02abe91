//! Messages that were moved to another folder at the source: moved at the destination too,
//! instead of being copied twice.
//!
//! Orphans are journalled messages that are gone from their folder at the source. A new message
//! with the Message-ID, size and date of an orphan is that message. What the user moved or deleted
//! at the destination since is not brought back, and what was there before us is not touched.

use std::collections::BTreeMap;

use ledger::Message;
use ledger::fold::{Writer, read_flags};
use mailbox::UidSet;
use serde::{Deserialize, Serialize};
use services::mail::{Access, MailDestination, MailService, Moved, Which};
use services::{Side, Trouble};
use store::{Store, keys, records};

use crate::mail::ITEM;
use crate::mail::difference::{Difference, change_groups};
use crate::mail::journals::stage_segment;
use crate::mail::lines::Lines;
use crate::mail::listing;
use crate::mail::orphans::{Orphan, Orphans};
use crate::run::Run;
use crate::trouble::{At, Halt};
use crate::world::Host;

/// Octets of a record of messages that are moved, whose limit is a mebibyte.
const MOVING_OCTETS: usize = 900_000;
/// Messages moved with one command.
const MOVED_AT_ONCE: usize = 500;
/// A server that we died on may still be moving: it is looked at for this long.
const GRACE_MS: u64 = 2_000;
/// Between two looks.
const LOOK_MS: u64 = 250;

/// A message on its way to another folder of the destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Item {
    orphan: Orphan,
    /// Its UID in the source's folder that it is in now.
    source_uid: u32,
    /// Its flags there.
    flags: String,
}

/// Written before messages are moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Moving {
    from: u32,
    to: u32,
    /// UIDNEXT of the destination's folder they go to, or less.
    uid_next: u32,
    items: Vec<Item>,
}

/// Takes those of a folder's new messages that came from another folder along, and returns the
/// others.
pub(crate) async fn carry<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    messages: Vec<Message>,
    orphans: &mut Orphans,
) -> Result<Vec<Message>, Halt> {
    if orphans.is_empty() {
        return Ok(messages);
    }
    let can_move = lines.destination.destination_facts().moves;
    let (mut kept, mut staying) = (Vec::new(), Vec::new());
    let mut groups: BTreeMap<u32, Vec<Item>> = BTreeMap::new();
    let mut found = Vec::new();
    for message in messages {
        match orphans.take(at, &message) {
            None => kept.push(message),
            Some(slot) => found.push((slot, message)),
        }
    }
    for (orphan, message) in orphans.fetch(run, found).await? {
        if orphan.ours && (can_move || usize::try_from(orphan.folder) == Ok(at)) {
            let flags = message.flags.to_string();
            let item = Item { source_uid: message.uid, flags, orphan };
            groups.entry(item.orphan.folder).or_default().push(item);
        } else {
            staying.push((message, orphan));
        }
    }
    stay(run, at, &staying)?;
    for (from, items) in groups {
        for some in items.chunk_by(together()) {
            let uid_next = run.folder(at)?.destination_uid_next;
            let to = u32::try_from(at).unwrap_or(u32::MAX);
            let moving = Moving { from, to, uid_next, items: some.to_vec() };
            let key = keys::moving(run.id());
            run.stage(key.clone(), records::encode(&key, &moving)?);
            run.checkpoint().await?;
            perform(run, lines, moving).await?;
        }
    }
    Ok(kept)
}

/// Whether an item still has room in the record of those before it: few, and few bytes.
fn together() -> impl FnMut(&Item, &Item) -> bool {
    let (mut count, mut octets) = (1, 0);
    // Nothing in an item is longer than these, each at most twice as long in JSON.
    let weight = |item: &Item| 500 + 2 * (item.flags.len() + item.orphan.flags.len());
    move |before, next| {
        octets += weight(before);
        let room = count < MOVED_AT_ONCE && octets + weight(next) <= MOVING_OCTETS;
        (count, octets) = if room { (count + 1, octets) } else { (1, 0) };
        room
    }
}

/// These stay where they are at the destination.
fn stay<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    staying: &[(Message, Orphan)],
) -> Result<(), Halt> {
    if staying.is_empty() {
        return Ok(());
    }
    let path = |orphan: &Orphan| {
        let row = usize::try_from(orphan.folder).ok().and_then(|at| run.folders.get(at));
        row.map_or(String::new(), |folder| folder.destination_path.clone())
    };
    let unmoved: Vec<String> =
        staying.iter().filter(|(_, orphan)| orphan.ours).map(|(_, orphan)| path(orphan)).collect();
    let messages: Vec<Message> = staying.iter().map(|(message, _)| message.clone()).collect();
    crate::mail::journals::passed(run, at, &messages)?;
    let folder = run.folder_mut(at)?;
    for path in unmoved {
        folder.remark(format!(
            "Messages came here from another folder of the source; the destination cannot move \
             messages, so they are still in {path} there."
        ));
    }
    Ok(())
}

/// Resolves a move that was interrupted, if there is one.
pub(crate) async fn reconcile<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
) -> Result<(), Halt> {
    let key = keys::moving(run.id());
    let Some(bytes) = run.store().get(&key).await?.filter(|bytes| !bytes.is_empty()) else {
        return Ok(());
    };
    let mut moving: Moving = records::decode(&key, &bytes)?;
    if moving.from == moving.to {
        // Nothing was moved: they are found again as new, and recognised.
        run.stage(key, Vec::new());
        return run.checkpoint().await;
    }
    let began_ms = run.world.host.monotonic_ms();
    loop {
        let placed = find(run, lines, &moving).await?;
        let left = at_the_old_place(run, lines, &moving).await?;
        let accounted = |item: &Item| {
            let uid = item.orphan.destination_uid;
            placed.contains_key(&uid) || left.contains(uid)
        };
        let waited_ms = run.world.host.monotonic_ms().saturating_sub(began_ms);
        if moving.items.iter().all(accounted) || waited_ms >= GRACE_MS {
            // What is still at the old place is found again as new, and moved then.
            moving.items.retain(|item| !left.contains(item.orphan.destination_uid));
            return settle_moved(run, &moving, &placed).await;
        }
        run.hold().await?;
        run.world.host.sleep_ms(LOOK_MS).await;
    }
}

async fn at_the_old_place<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    lines: &mut Lines<H>,
    moving: &Moving,
) -> Result<UidSet, Halt> {
    let name = row(run, moving.from)?.1.destination.mailbox();
    let opened = lines.destination.open(&name, Access::Read).await;
    let Some(selected) = opened.at(Side::Destination)? else { return Ok(UidSet::new()) };
    let uids = uids(moving, selected.uid_validity);
    lines.destination.present(&uids).await.at(Side::Destination)
}

fn row<'r, H: Host, S: Store>(
    run: &'r Run<'_, H, S>,
    number: u32,
) -> Result<(usize, &'r ledger::folder::Folder), Halt> {
    let at = usize::try_from(number).unwrap_or(usize::MAX);
    Ok((at, run.folder(at)?))
}

fn uids(moving: &Moving, uid_validity: u32) -> UidSet {
    let items = moving.items.iter().map(|item| &item.orphan);
    let same = items.filter(|orphan| orphan.destination_uid_validity == uid_validity);
    same.map(|orphan| orphan.destination_uid).collect()
}

/// Moves what is still at the old place, and settles all.
async fn perform<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    moving: Moving,
) -> Result<(), Halt> {
    let from = row(run, moving.from)?.1.destination.mailbox();
    let to = row(run, moving.to)?.1.destination.mailbox();
    let session = &mut lines.destination;
    let opened = session.open(&from, Access::Write).await.at(Side::Destination)?;
    let Some(selected) = opened else {
        return settle_moved(run, &moving, &BTreeMap::new()).await;
    };
    let there = session.present(&uids(&moving, selected.uid_validity)).await;
    let there = there.at(Side::Destination)?;
    if there.is_empty() {
        return settle_moved(run, &moving, &BTreeMap::new()).await;
    }
    let changed = moving.items.iter().filter_map(|item| {
        let uid = item.orphan.destination_uid;
        let (kept, _) = selected.permanent_flags.split(&read_flags(&item.flags));
        let difference = Difference::between(&read_flags(&item.orphan.flags), &kept)?;
        there.contains(uid).then(|| (std::iter::once(uid).collect::<UidSet>(), difference))
    });
    let groups: Vec<(UidSet, Difference)> = changed.collect();
    let changed = change_groups(session, groups.iter()).await.at(Side::Destination)?;
    changed.map_err(|why| Halt::Trouble(Side::Destination, Trouble::Rejected(why)))?;
    if moving.from == moving.to {
        let placed = there.iter().map(|uid| (uid, (uid, selected.uid_validity))).collect();
        return settle_moved(run, &moving, &placed).await;
    }
    let copied = session.move_messages(&there, &to).await.at(Side::Destination)?;
    let placed = match pairs(&copied) {
        placed if placed.len() as u64 == there.len() => placed,
        _ => find(run, lines, &moving).await?,
    };
    settle_moved(run, &moving, &placed).await
}

/// Old UID → new UID and UIDVALIDITY, as COPYUID tells (RFC 4315 section 3).
fn pairs(copied: &[Moved]) -> BTreeMap<u32, (u32, u32)> {
    let one = |copied: &Moved| {
        let to = copied.to.iter().map(|uid| (uid, copied.uid_validity)).collect::<Vec<_>>();
        copied.from.iter().zip(to).collect::<Vec<_>>()
    };
    // Both sets come from a server: what it never had is not looked at.
    let bounded = copied.iter().filter(|copied| copied.from.len() <= MOVED_AT_ONCE as u64);
    let bounded = bounded.filter(|copied| copied.to.len() == copied.from.len());
    bounded.flat_map(one).collect()
}

/// Looks for the messages at the place they go to.
async fn find<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    lines: &mut Lines<H>,
    moving: &Moving,
) -> Result<BTreeMap<u32, (u32, u32)>, Halt> {
    let name = row(run, moving.to)?.1.destination.mailbox();
    let session = &mut lines.destination;
    let selected = session.select(&name).await.at(Side::Destination)?;
    if selected.exists == 0 {
        return Ok(BTreeMap::new());
    }
    let range = Which::UidsFrom(moving.uid_next.max(1));
    let identities = moving.items.iter().map(|item| item.orphan.identity).collect();
    let wanted = |row: &listing::Row| row.uid >= moving.uid_next && row.may_be_of(&identities);
    let mut rows =
        crate::mail::reading::list(session, &range, wanted).await.at(Side::Destination)?;
    let mut placed = BTreeMap::new();
    for item in &moving.items {
        let orphan = &item.orphan;
        let same = |row: &Message| {
            (row.identity, row.size, row.date.unix_s())
                == (orphan.identity, orphan.size, orphan.unix_s)
        };
        if let Some(position) = rows.iter().position(same) {
            let uid = rows.remove(position).uid;
            placed.insert(orphan.destination_uid, (uid, selected.uid_validity));
        }
    }
    Ok(placed)
}

/// Writes down where the messages are now. Those that are nowhere were moved or deleted by the
/// user: they are no longer ours.
async fn settle_moved<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    moving: &Moving,
    placed: &BTreeMap<u32, (u32, u32)>,
) -> Result<(), Halt> {
    let (from, _) = row(run, moving.from)?;
    let (to, folder) = row(run, moving.to)?;
    let source_uid_validity = folder.found.uid_validity;
    let (mut old, mut new) = (Writer::default(), Writer::default());
    let mut highest = 0;
    for item in &moving.items {
        let Some(before) = item.orphan.row() else { continue };
        let before_flags = read_flags(&item.orphan.flags);
        old.forget(&before);
        if let Some((uid, uid_validity)) = placed.get(&item.orphan.destination_uid) {
            let mut now = before.clone();
            (now.source_uid_validity, now.destination_uid_validity) =
                (source_uid_validity, *uid_validity);
            (now.entry.source_uid, now.entry.destination_uid) = (item.source_uid, *uid);
            let difference = Difference::between(&before_flags, &read_flags(&item.flags));
            let flags =
                difference.map_or(before_flags, |d| d.applied_to(&read_flags(&item.orphan.flags)));
            new.put(&now, &flags);
            highest = highest.max(*uid);
        } else {
            let mut now = before.clone();
            now.source_uid_validity = source_uid_validity;
            now.entry.source_uid = item.source_uid;
            new.forget(&now);
        }
    }
    let (moved, all) = (placed.len() as u64, moving.items.len() as u64);
    for segment in old.finish() {
        stage_segment(run, from, &segment)?;
    }
    for segment in new.finish() {
        stage_segment(run, to, &segment)?;
    }
    run.counters(ITEM).skipped += all;
    let counts = &mut run.folder_mut(from)?.counts;
    counts.migrated = counts.migrated.saturating_sub(moved);
    let folder = run.folder_mut(to)?;
    folder.counts.migrated += moved;
    folder.destination_uid_next = folder.destination_uid_next.max(highest.saturating_add(1));
    moving.items.iter().for_each(|item| folder.moved_uids.0.insert(item.source_uid));
    if let Some(point) = run.migration.sync_points.last_mut() {
        point.moved += if from == to { 0 } else { moved };
    }
    run.stage(keys::moving(run.id()), Vec::new());
    run.progressed = true;
    run.checkpoint().await
}
