//! Takes back what sync points brought: messages that are as we left them, and folders that we
//! made and that are empty then. Everything else stays and is reported.
//!
//! What is to be removed is written down before it is marked as deleted, so that after a cut our
//! own mark is not taken for the user's.

use std::collections::{BTreeMap, BTreeSet};

use ledger::Uids;
use ledger::fold::{Key, Row, Writer};
use ledger::folder::Folder;
use mailbox::{Flags, MailboxName, SystemFlag, UidSet};
use model::{Failure, FailureCode, Phase, Timestamp, Verdict};
use serde::{Deserialize, Serialize};
use services::mail::{Access, Change, MailDestination, MailService};
use services::{Destination, Rejection, Side, Trouble};
use store::seal::Credential;
use store::{Store, keys, records};
use wire::Stream;

use crate::login::{self, Line};
use crate::mail::ITEM;
use crate::mail::journals::stage_segment;
use crate::mail::removal::{self, JUDGED_AT_ONCE, Judged, Reason};
use crate::mail::windows;
use crate::run::Run;
use crate::trouble::{At, Halt};
use crate::world::Host;

/// Reasons listed one by one for a folder; the rest is counted.
const KEPT_LISTED_MAX: usize = 1_000;

/// How far the removal is in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Removing {
    folder: u32,
    /// What may be marked as deleted and not removed yet.
    uids: Uids,
    /// Whether the folder is set back for the next synchronisation.
    #[serde(default)]
    begun: bool,
    /// Every message up to this one is dealt with.
    #[serde(default)]
    after: Key,
    /// Messages that stay and were listed one by one.
    #[serde(default)]
    listed: usize,
    /// Further ones, by their reason.
    #[serde(default)]
    further: BTreeMap<Reason, u64>,
}

/// The whole removal.
pub(crate) async fn remove<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    credential: &Credential,
) -> Result<(), Halt> {
    let world = run.world;
    let account = run.migration.destination.clone();
    let account = (&account, credential);
    let opened = login::open_destination(world.host, &world.dialer, account).await;
    let mut session = opened.at(Side::Destination)?.service;
    while let Some(at) = usize::try_from(run.cursor.at).ok().filter(|at| *at < run.folders.len()) {
        let looked_at = run.folder(at)?.segments > 0 && from_folder(run, &mut session, at).await?;
        run.cursor.at += 1;
        if looked_at {
            // With the folder's turn over, what was kept is not reported again.
            run.checkpoint().await?;
        }
    }
    remove_folders(run, &mut session).await?;
    let from = run.cursor.remove_from;
    for point in run.migration.sync_points.iter_mut().filter(|point| point.number >= from) {
        point.removed = true;
    }
    let left = run.folders.iter().map(|folder| folder.counts.migrated).sum();
    let now = run.now();
    if let Some(removal) = &mut run.migration.removal {
        (removal.left, removal.finished_at) = (left, Some(now));
    }
    run.enter(Phase::Finished);
    run.checkpoint().await?;
    session.leave(world.host).await;
    Ok(())
}

/// Whether there was anything to look at. A slice that ends goes on behind what is dealt with.
async fn from_folder<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    session: &mut Destination<Line<H>>,
    at: usize,
) -> Result<bool, Halt> {
    let mut state = interrupted(run, at).await?;
    let mut windows = windows::of(run.id(), at, run.folder(at)?.segments).after(state.after);
    let mut opened: Option<Option<u32>> = None;
    while let Some(ledger) = windows.next(run.store()).await? {
        for rows in removal::candidates(&ledger, run.cursor.remove_from).chunks(JUDGED_AT_ONCE) {
            let folder = run.folder(at)?.clone();
            run.migration.folder = Some(folder.destination_path.clone());
            if !state.begun {
                begin_anew(run, at).await?;
                state.begun = true;
            }
            let validity = match opened {
                Some(validity) => validity,
                None => *opened.insert(removal::open(session, &folder, Access::Write).await?),
            };
            let marked = std::mem::take(&mut state.uids).0;
            let judged = removal::judge(session, validity, (&ledger, rows.to_vec()), &marked);
            let judged = judged.await?;
            carry_out(run, session, at, (judged, &marked), &mut state).await?;
            state.after = rows.last().map_or(state.after, Row::key);
            note(run, &state)?;
            run.progressed = true;
            run.checkpoint().await?;
            run.check_budget()?;
        }
        state.after = ledger.last;
    }
    for (reason, count) in std::mem::take(&mut state.further) {
        let reason = format!("{count} further messages: {}", reason.sentence());
        report(run, at, (0, None, reason))?;
    }
    run.stage(keys::removing(run.id()), Vec::new());
    Ok(state.begun)
}

/// Does with some messages what was found right.
async fn carry_out<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    session: &mut Destination<Line<H>>,
    at: usize,
    (judged, marked): (Judged, &UidSet),
    state: &mut Removing,
) -> Result<(), Halt> {
    let Judged { removable, gone, mut kept } = judged;
    // What an interrupted removal had marked and is gone, it had removed.
    let ours = gone.iter().filter(|row| marked.contains(row.entry.destination_uid));
    let removed = ours.count() as u64;
    forget(run, at, &gone, removed)?;
    // Our own mark stays on nothing that stays.
    let stays = kept.iter().filter(|(_, reason)| *reason == Reason::Flags);
    let unmark: UidSet = stays
        .map(|(row, _)| row.entry.destination_uid)
        .filter(|uid| marked.contains(*uid))
        .collect();
    mark(session, &unmark, Change::Remove).await.at(Side::Destination)?;
    if !removable.is_empty() && !remove_some(run, session, at, &removable, state).await? {
        kept.extend(removable.into_iter().map(|row| (row, Reason::CannotSingleOut)));
    }
    if let Some(removal) = &mut run.migration.removal {
        removal.kept += kept.len() as u64;
    }
    for (row, reason) in kept {
        uncount(run.folder_mut(at)?, std::slice::from_ref(&row));
        if state.listed < KEPT_LISTED_MAX {
            state.listed += 1;
            let seconds = u64::try_from(row.entry.date.unix_s()).unwrap_or(0);
            let date = Timestamp(seconds.saturating_mul(1000)).rfc3339();
            report(run, at, (row.entry.size, Some(date), reason.sentence().to_owned()))?;
        } else {
            *state.further.entry(reason).or_default() += 1;
        }
    }
    Ok(())
}

/// The next synchronisation looks at the folder as it did before the removed sync points.
async fn begin_anew<H: Host, S: Store>(run: &mut Run<'_, H, S>, at: usize) -> Result<(), Halt> {
    let from = run.cursor.remove_from;
    let folder = run.folder(at)?;
    let mut windows = windows::of(run.id(), at, folder.segments).current(folder.found.uid_validity);
    let mut done_uid = 0;
    // The first sync point has nothing before it.
    while from > 1
        && let Some(ledger) = windows.next(run.store()).await?
    {
        let earlier = ledger.rows.iter().filter(|row| row.sync_point < from);
        done_uid = earlier.map(|row| row.entry.source_uid).max().unwrap_or(done_uid);
    }
    let folder = run.folder_mut(at)?;
    folder.done_uid = folder.done_uid.min(done_uid);
    (folder.number_hint, folder.readopt) = (1, true);
    folder.settled = None;
    Ok(())
}

/// How far a removal that was cut off is in this folder.
async fn interrupted<H: Host, S: Store>(run: &Run<'_, H, S>, at: usize) -> Result<Removing, Halt> {
    let folder = u32::try_from(at).unwrap_or(u32::MAX);
    let fresh = Removing { folder, ..Removing::default() };
    let key = keys::removing(run.id());
    let Some(bytes) = run.store().get(&key).await?.filter(|bytes| !bytes.is_empty()) else {
        return Ok(fresh);
    };
    let removing: Removing = records::decode(&key, &bytes)?;
    Ok(if removing.folder == folder { removing } else { fresh })
}

fn note<H: Host, S: Store>(run: &mut Run<'_, H, S>, state: &Removing) -> Result<(), Halt> {
    let key = keys::removing(run.id());
    let value = records::encode(&key, state)?;
    run.stage(key, value);
    Ok(())
}

async fn mark<S: Stream>(
    session: &mut Destination<S>,
    uids: &UidSet,
    change: Change,
) -> Result<(), Trouble> {
    let mut deleted = Flags::new();
    deleted.set(SystemFlag::Deleted);
    match uids.is_empty() {
        true => Ok(()),
        false => {
            let changed = session.change_flags(&[(uids, &deleted, change)]).await?;
            changed.map_err(Trouble::Rejected)
        }
    }
}

/// Whether nothing but these messages is marked as deleted in the open folder.
async fn alone<S: Stream>(session: &mut Destination<S>, ours: &UidSet) -> Result<bool, Trouble> {
    let marked = session.marked_deleted().await?;
    Ok(marked.len() <= ours.len() && marked.iter().all(|uid| ours.contains(uid)))
}

/// A refusal of one thing as trouble with the service.
fn taken(answer: Result<Result<(), Rejection>, Trouble>) -> Result<(), Trouble> {
    answer?.map_err(Trouble::Rejected)
}

/// Marks and expunges. Without UIDPLUS (RFC 4315) a server expunges whatever is marked, so it is
/// looked right before that nothing else is; `false` where something is, and nothing was removed.
async fn remove_some<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    session: &mut Destination<Line<H>>,
    at: usize,
    rows: &[Row],
    state: &Removing,
) -> Result<bool, Halt> {
    let uids: UidSet = rows.iter().map(|row| row.entry.destination_uid).collect();
    let single = session.destination_facts().removes_singly;
    if !single && !alone(session, &uids).await.at(Side::Destination)? {
        return Ok(false);
    }
    note(run, &Removing { uids: Uids(uids.clone()), ..state.clone() })?;
    run.checkpoint().await?;
    let mut removed = mark(session, &uids, Change::Add).await;
    if removed.is_ok() && single {
        removed = taken(session.remove(&uids).await);
    } else if removed.is_ok() {
        let sentence = "This server can only remove all messages marked as deleted at once. Each \
            time it was looked right before that no others were marked.";
        run.folder_mut(at)?.remark(sentence.to_owned());
        if !alone(session, &uids).await.at(Side::Destination)? {
            mark(session, &uids, Change::Remove).await.at(Side::Destination)?;
            return Ok(false);
        }
        removed = taken(session.remove_marked().await);
    }
    match removed {
        Err(Trouble::Rejected(why)) if why.wait_s.is_none() => {
            return Err(Halt::Impossible(format!(
                "The destination refused to remove messages: {why}. Give the login the right to \
                 delete in {}.",
                run.folder(at)?.destination_path
            )));
        }
        other => other.at(Side::Destination)?,
    }
    forget(run, at, rows, rows.len() as u64)?;
    Ok(true)
}

/// These are no longer ours; `removed` of them were removed now.
fn forget<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    rows: &[Row],
    removed: u64,
) -> Result<(), Halt> {
    let mut writer = Writer::default();
    rows.iter().for_each(|row| writer.forget(row));
    for segment in writer.finish() {
        stage_segment(run, at, &segment)?;
    }
    run.counters(ITEM).removed += removed;
    if let Some(removal) = &mut run.migration.removal {
        removal.removed += removed;
    }
    let folder = run.folder_mut(at)?;
    // What was proved is no longer so.
    folder.proof = None;
    uncount(folder, rows);
    let counts = &mut folder.counts;
    counts.migrated = counts.migrated.saturating_sub(rows.len() as u64);
    Ok(())
}

/// What was found by comparing is not said any more of these. The next run recognises those that stay,
/// and counts them then.
fn uncount(folder: &mut Folder, rows: &[Row]) {
    let Some(found) = &mut folder.verified else { return };
    let bytes = rows.iter().map(|row| row.entry.size).fold(0, u64::saturating_add);
    found.messages = found.messages.saturating_sub(rows.len() as u64);
    found.bytes = found.bytes.saturating_sub(bytes);
    found.verdict = Verdict::Unknown;
}

/// A line about what stays: size, date, reason.
fn report<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    (size_bytes, date, reason): (u64, Option<String>, String),
) -> Result<(), Halt> {
    let folder = run.folder(at)?.destination_path.clone();
    let (item, code, subject) = (ITEM, FailureCode::Kept, String::new());
    run.fail(Failure { item, folder, subject, date, size_bytes, code, reason });
    Ok(())
}

/// Removes the folders that these sync points made, where nothing is in them.
async fn remove_folders<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    session: &mut Destination<Line<H>>,
) -> Result<(), Halt> {
    let from = run.cursor.remove_from;
    let numbered = run.folders.iter().enumerate();
    let made = numbered.filter(|(_, folder)| folder.created_in >= from && folder.created_in > 0);
    let mut rows: Vec<(String, usize)> =
        made.map(|(at, folder)| (folder.destination_path.clone(), at)).collect();
    // Children before their parents.
    rows.sort_by(|one, other| other.cmp(one));
    let (names, delimiter) = session.folder_names().await.at(Side::Destination)?;
    let delimiter = delimiter.unwrap_or('/');
    let mut listed: BTreeSet<String> =
        names.into_iter().map(|name| name.text().to_owned()).collect();
    for (path, at) in rows {
        let name = run.folder(at)?.destination.mailbox();
        // In order, the first that is not before these is below the folder, if anything is.
        let above = format!("{}{delimiter}", name.text());
        let below = listed.range(above.clone()..).next();
        let stays = match below.is_some_and(|first| first.starts_with(&above)) {
            true => Some("It has folders of yours.".to_owned()),
            false => delete_if_empty(run, session, at, &name).await?,
        };
        match stays {
            None => {
                listed.remove(name.text());
                let folder = run.folder_mut(at)?;
                (folder.exists, folder.created_in, folder.subscribed_in) = (false, 0, 0);
                folder.subscribe = folder.subscribed;
                (folder.destination_uid_validity, folder.destination_uid_next) = (0, 0);
            }
            Some(reason) => {
                let reason = format!("The folder {path} stays. {reason}");
                run.folder_mut(at)?.remark(reason);
            }
        }
        run.checkpoint().await?;
    }
    unsubscribe(run, session, from).await
}

/// `None` where the folder is gone; else why it stays.
async fn delete_if_empty<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    session: &mut Destination<Line<H>>,
    at: usize,
    name: &MailboxName,
) -> Result<Option<String>, Halt> {
    let validity = run.folder(at)?.destination_uid_validity;
    session.unselect().await.at(Side::Destination)?;
    let states = session.status(std::slice::from_ref(name)).await.at(Side::Destination)?;
    let Some(Ok(status)) = states.into_iter().next() else { return Ok(None) };
    if validity != 0 && status.uid_validity.is_some_and(|now| now != validity) {
        return Ok(Some("It is another folder of that name.".to_owned()));
    }
    if status.messages != Some(0) {
        return Ok(Some("There are messages in it.".to_owned()));
    }
    match session.delete_folder(name).await.at(Side::Destination)? {
        Ok(()) => {
            session.unsubscribe(std::slice::from_ref(name)).await.at(Side::Destination)?;
            Ok(None)
        }
        Err(why) => Ok(Some(format!("The server refused: {why}."))),
    }
}

/// Takes back subscriptions to folders that were there before.
async fn unsubscribe<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    session: &mut Destination<Line<H>>,
    from: u32,
) -> Result<(), Halt> {
    let numbered = run.folders.iter().enumerate();
    let ours =
        numbered.filter(|(_, folder)| folder.subscribed_in >= from && folder.subscribed_in > 0);
    let rows: Vec<usize> = ours.map(|(at, _)| at).collect();
    let names: Vec<MailboxName> = rows
        .iter()
        .filter_map(|at| run.folders.get(*at).map(|folder| folder.destination.mailbox()))
        .collect();
    session.unsubscribe(&names).await.at(Side::Destination)?;
    for at in rows {
        let folder = run.folder_mut(at)?;
        (folder.subscribed_in, folder.subscribe) = (0, folder.subscribed);
    }
    Ok(())
}
