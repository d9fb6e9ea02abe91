//! Messages that were moved to another folder at the source: moved at the destination too,
//! instead of being copied twice.
//!
//! Orphans are journalled messages that are gone from their folder at the source. A new message
//! with the Message-ID, size and date of an orphan is that message. What the user moved or deleted
//! at the destination since is not brought back, and what was there before us is not touched.

use std::collections::BTreeMap;

use imap::{CopyUid, Flags, InternalDate, Mode, Sequence, UidSet};
use serde::{Deserialize, Serialize};
use store::{Store, keys, records};

use crate::adopt;
use crate::changes::{Difference, present, store_groups};
use crate::copy;
use crate::cursor::Message;
use crate::journal::{Entry, Origin};
use crate::ledger::{Ledger, Row, Writer};
use crate::run::Run;
use crate::settle::stage_segment;
use crate::slice::Lines;
use crate::trouble::{At, Halt, Side};
use crate::world::Host;

/// Orphans of one folder that are kept: 80 bytes each, in one value. With more gone between two
/// sync points the rest counts as deleted, and is copied anew where it turns up.
const ORPHANS_MAX: usize = 10_000;
/// Messages moved with one command.
const MOVED_AT_ONCE: usize = 500;
/// A server that we died on may still be moving: it is looked at for this long.
const GRACE_MS: u64 = 2_000;
/// Between two looks.
const LOOK_MS: u64 = 250;

/// One orphan, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Orphan {
    folder: u32,
    source_uid_validity: u32,
    source_uid: u32,
    destination_uid_validity: u32,
    destination_uid: u32,
    sync_point: u32,
    size: u64,
    unix_s: i64,
    zone_minutes: i16,
    identity: u64,
    flags: String,
    ours: bool,
}

/// The orphans of all folders, by what identifies them.
#[derive(Debug, Default)]
pub(crate) struct Orphans {
    by_identity: BTreeMap<(u64, u64, i64), Vec<Orphan>>,
    /// The source's listing does not tell sizes for certain.
    any_size: bool,
}

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

/// Stages the orphans of a folder for the mail phase.
pub(crate) fn keep_orphans<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    ledger: &Ledger,
    rows: &[&Row],
) -> Result<(), Halt> {
    let folder = u32::try_from(at).unwrap_or(u32::MAX);
    let orphan = |row: &&Row| Orphan {
        folder,
        source_uid_validity: row.source_uid_validity,
        source_uid: row.entry.source_uid,
        destination_uid_validity: row.destination_uid_validity,
        destination_uid: row.entry.destination_uid,
        sync_point: row.sync_point,
        size: row.entry.size,
        unix_s: row.entry.date.unix_s(),
        zone_minutes: row.entry.date.zone_minutes(),
        identity: row.entry.identity,
        flags: ledger.flags(row).to_string(),
        ours: row.is_ours(),
    };
    if rows.is_empty() {
        return Ok(());
    }
    if rows.len() > ORPHANS_MAX {
        run.folder_mut(at)?.remark(format!(
            "{} messages left this folder at the source; only the first {ORPHANS_MAX} are \
             recognised where they turn up again.",
            rows.len()
        ));
    }
    let orphans: Vec<Orphan> = rows.iter().take(ORPHANS_MAX).map(orphan).collect();
    let key = keys::orphans(run.id(), folder);
    run.stage(key.clone(), records::encode(&key, &orphans)?);
    run.folder_mut(at)?.orphans = true;
    Ok(())
}

impl Orphans {
    /// Reads those that this sync point found; with `any_size` those with a Message-ID are
    /// recognised whatever size the source lists.
    pub(crate) async fn read<H: Host, S: Store>(
        run: &Run<'_, H, S>,
        any_size: bool,
    ) -> Result<Self, Halt> {
        let mut found = Orphans { any_size, ..Orphans::default() };
        for (folder, number) in run.folders.iter().zip(0u32..) {
            if !folder.orphans {
                continue;
            }
            let key = keys::orphans(run.id(), number);
            let some: Option<Vec<Orphan>> = records::read(run.store(), &key).await?;
            for orphan in some.unwrap_or_default() {
                let same = found.same((orphan.identity, orphan.size, orphan.unix_s));
                found.by_identity.entry(same).or_default().push(orphan);
            }
        }
        Ok(found)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_identity.is_empty()
    }

    fn same(&self, (identity, size, unix_s): (u64, u64, i64)) -> (u64, u64, i64) {
        let size = if self.any_size && identity != 0 { 0 } else { size };
        (identity, size, unix_s)
    }

    /// Takes the orphan that `message` is; one of its own folder first, which came back.
    fn take(&mut self, at: usize, message: &Message) -> Option<Orphan> {
        let same = self.same((message.identity, message.size, message.date.unix_s()));
        let orphans = self.by_identity.get_mut(&same)?;
        let own = |orphan: &Orphan| usize::try_from(orphan.folder) == Ok(at);
        let position = orphans.iter().position(own).unwrap_or(0);
        (position < orphans.len()).then(|| orphans.remove(position))
    }
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
    let can_move = lines.destination.capabilities().move_();
    let (mut kept, mut staying) = (Vec::new(), Vec::new());
    let mut groups: BTreeMap<u32, Vec<Item>> = BTreeMap::new();
    for message in messages {
        match orphans.take(at, &message) {
            None => kept.push(message),
            Some(orphan)
                if orphan.ours && (can_move || usize::try_from(orphan.folder) == Ok(at)) =>
            {
                let flags = message.flags.to_string();
                let item = Item { source_uid: message.uid, flags, orphan };
                groups.entry(item.orphan.folder).or_default().push(item);
            }
            Some(orphan) => staying.push((message, orphan)),
        }
    }
    stay(run, at, &staying)?;
    for (from, items) in groups {
        for some in items.chunks(MOVED_AT_ONCE) {
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
    copy::passed(run, at, &messages)?;
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
    let selected = match lines.destination.select(&name, Mode::ReadOnly).await {
        Err(imap::Error::Refused(_)) => return Ok(UidSet::new()),
        other => other.at(Side::Destination)?,
    };
    let uids = uids(moving, selected.uid_validity);
    present(&mut lines.destination, &uids).await.at(Side::Destination)
}

fn row<'r, H: Host, S: Store>(
    run: &'r Run<'_, H, S>,
    number: u32,
) -> Result<(usize, &'r crate::cursor::Folder), Halt> {
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
    let selected = match session.select(&from, Mode::ReadWrite).await {
        Err(imap::Error::Refused(_)) => return settle_moved(run, &moving, &BTreeMap::new()).await,
        other => other.at(Side::Destination)?,
    };
    let there = present(session, &uids(&moving, selected.uid_validity)).await;
    let there = there.at(Side::Destination)?;
    if there.is_empty() {
        return settle_moved(run, &moving, &BTreeMap::new()).await;
    }
    let changed = moving.items.iter().filter_map(|item| {
        let uid = item.orphan.destination_uid;
        let (kept, _) = selected.permanent_flags.split(&flags(&item.flags));
        let difference = Difference::between(&flags(&item.orphan.flags), &kept)?;
        there.contains(uid).then(|| (std::iter::once(uid).collect::<UidSet>(), difference))
    });
    let groups: Vec<(UidSet, Difference)> = changed.collect();
    store_groups(session, groups.iter()).await.at(Side::Destination)?;
    if moving.from == moving.to {
        let placed = there.iter().map(|uid| (uid, (uid, selected.uid_validity))).collect();
        return settle_moved(run, &moving, &placed).await;
    }
    let copied = session.move_(&there, &to).await.at(Side::Destination)?;
    let placed = match pairs(&copied) {
        placed if placed.len() as u64 == there.len() => placed,
        _ => find(run, lines, &moving).await?,
    };
    settle_moved(run, &moving, &placed).await
}

/// Old UID → new UID and UIDVALIDITY, as COPYUID tells (RFC 4315 section 3).
fn pairs(copied: &[CopyUid]) -> BTreeMap<u32, (u32, u32)> {
    let one = |copied: &CopyUid| {
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
    let selected = session.select(&name, Mode::ReadOnly).await.at(Side::Destination)?;
    if selected.exists == 0 {
        return Ok(BTreeMap::new());
    }
    let range = Sequence::UidsFrom(moving.uid_next.max(1));
    let mut rows = adopt::list(session, &range).await.at(Side::Destination)?;
    rows.retain(|row| row.uid >= moving.uid_next);
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
        let before_flags = flags(&item.orphan.flags);
        old.forget(&before);
        if let Some((uid, uid_validity)) = placed.get(&item.orphan.destination_uid) {
            let mut now = before.clone();
            (now.source_uid_validity, now.destination_uid_validity) =
                (source_uid_validity, *uid_validity);
            (now.entry.source_uid, now.entry.destination_uid) = (item.source_uid, *uid);
            let difference = Difference::between(&before_flags, &flags(&item.flags));
            let flags =
                difference.map_or(before_flags, |d| d.applied_to(&flags(&item.orphan.flags)));
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
    run.mail().skipped += all;
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

impl Orphan {
    /// Its row in the ledger; `None` where the record holds no date.
    fn row(&self) -> Option<Row> {
        Some(Row {
            source_uid_validity: self.source_uid_validity,
            destination_uid_validity: self.destination_uid_validity,
            sync_point: self.sync_point,
            entry: Entry {
                source_uid: self.source_uid,
                destination_uid: self.destination_uid,
                size: self.size,
                date: InternalDate::new(self.unix_s, self.zone_minutes)?,
                identity: self.identity,
                flags: 0,
                origin: Origin::Copied,
            },
        })
    }
}

fn flags(text: &str) -> Flags {
    let mut flags = Flags::new();
    text.split(' ').filter(|name| !name.is_empty()).for_each(|name| flags.insert(name));
    flags
}
