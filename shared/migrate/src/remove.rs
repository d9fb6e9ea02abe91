//! Takes back what sync points brought: messages that are as we left them, and folders that we
//! made and that are empty then. Everything else stays and is reported.
//!
//! What is to be removed is written down before it is marked as deleted, so that after a cut our
//! own mark is not taken for the user's.

use std::collections::BTreeMap;

use imap::{Change, Criteria, Flags, MailboxName, Mode, Session, SystemFlag, UidSet};
use model::{Failure, FailureCode, Item, Phase, Timestamp};
use serde::{Deserialize, Serialize};
use store::seal::Credential;
use store::{Store, keys, records};
use wire::Stream;

use crate::cursor::Uids;
use crate::ledger::{Ledger, Row, Writer};
use crate::login::{self, Line};
use crate::removal::{self, Reason};
use crate::run::Run;
use crate::settle::stage_segment;
use crate::trouble::{At, Halt, Side};
use crate::world::Host;

/// Messages removed between two checkpoints: a stop takes effect after them.
const REMOVED_AT_ONCE: usize = if cfg!(test) { 2 } else { 500 };
/// Reasons listed one by one for a folder; the rest is counted.
const KEPT_LISTED_MAX: usize = 1_000;

/// What is being removed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Removing {
    folder: u32,
    uids: Uids,
}

/// The whole removal.
pub(crate) async fn remove<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    credential: &Credential,
) -> Result<(), Halt> {
    let world = run.world;
    let account = run.migration.destination.clone();
    let opened = login::open(world.host, &world.dialer, &account, credential).await;
    let mut session = opened.at(Side::Destination)?.session;
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
    session.leave().await;
    Ok(())
}

/// Whether there was anything to look at.
async fn from_folder<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    session: &mut Session<Line<H>>,
    at: usize,
) -> Result<bool, Halt> {
    let ledger = Ledger::read(run, at).await?;
    let rows = removal::candidates(&ledger, run.cursor.remove_from);
    if rows.is_empty() {
        return Ok(false);
    }
    run.migration.folder = Some(run.folder(at)?.destination_path.clone());
    begin_anew(run, at, &ledger)?;
    let marked = interrupted(run, at).await?;
    let folder = run.folder(at)?.clone();
    let judging =
        removal::judge(session, &folder, (&ledger, rows), Mode::ReadWrite, &marked).await?;
    // What an interrupted removal had marked and is gone, it had removed.
    let ours = judging.gone.iter().filter(|row| marked.contains(row.entry.destination_uid));
    let removed = ours.count() as u64;
    forget(run, at, &judging.gone, removed)?;
    let (removable, mut kept) = (judging.removable, judging.kept);
    if removable.is_empty() || can_single_out(session, &removable).await? {
        for some in removable.chunks(REMOVED_AT_ONCE) {
            remove_some(run, session, at, some).await?;
            run.check_budget()?;
        }
    } else {
        kept.extend(removable.into_iter().map(|row| (row, Reason::CannotSingleOut)));
    }
    report(run, at, &kept)?;
    run.stage(keys::removing(run.id()), Vec::new());
    run.progressed = true;
    Ok(true)
}

/// The next synchronisation looks at the folder as it did before the removed sync points.
fn begin_anew<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    ledger: &Ledger,
) -> Result<(), Halt> {
    let from = run.cursor.remove_from;
    let folder = run.folder_mut(at)?;
    let rows = ledger.current(folder.found.uid_validity);
    let earlier = rows.iter().filter(|row| row.sync_point < from);
    let done_uid = earlier.map(|row| row.entry.source_uid).max().unwrap_or(0);
    folder.done_uid = folder.done_uid.min(done_uid);
    (folder.number_hint, folder.readopt) = (1, true);
    folder.settled = None;
    Ok(())
}

/// What a removal that was cut off may have marked in this folder.
async fn interrupted<H: Host, S: Store>(run: &Run<'_, H, S>, at: usize) -> Result<UidSet, Halt> {
    let key = keys::removing(run.id());
    let Some(bytes) = run.store().get(&key).await?.filter(|bytes| !bytes.is_empty()) else {
        return Ok(UidSet::new());
    };
    let removing: Removing = records::decode(&key, &bytes)?;
    let here = usize::try_from(removing.folder) == Ok(at);
    Ok(if here { removing.uids.0 } else { UidSet::new() })
}

/// Whether removing some messages leaves the others that are marked as deleted alone.
async fn can_single_out<S: Stream>(
    session: &mut Session<S>,
    removable: &[Row],
) -> Result<bool, Halt> {
    if session.capabilities().uidplus() {
        return Ok(true);
    }
    let criteria = Criteria { deleted: true, ..Criteria::default() };
    let marked = session.search(&criteria).await.at(Side::Destination)?;
    let ours: UidSet = removable.iter().map(|row| row.entry.destination_uid).collect();
    Ok(marked.iter().all(|uid| ours.contains(uid)))
}

async fn remove_some<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    session: &mut Session<Line<H>>,
    at: usize,
    rows: &[Row],
) -> Result<(), Halt> {
    let uids: UidSet = rows.iter().map(|row| row.entry.destination_uid).collect();
    let folder = u32::try_from(at).unwrap_or(u32::MAX);
    let key = keys::removing(run.id());
    let removing = Removing { folder, uids: Uids(uids.clone()) };
    run.stage(key.clone(), records::encode(&key, &removing)?);
    run.checkpoint().await?;
    let mut deleted = Flags::new();
    deleted.set(SystemFlag::Deleted);
    let marked = session.store_flags(&uids, &deleted, Change::Add).await;
    let expunged = match (marked, session.capabilities().uidplus()) {
        (Ok(()), true) => session.expunge_uids(&uids).await,
        (Ok(()), false) => session.expunge().await,
        (refused, _) => refused,
    };
    match expunged {
        Err(imap::Error::Refused(reply)) => {
            return Err(Halt::Impossible(format!(
                "The destination refused to remove messages: {reply}. Give the login the right to \
                 delete in {}.",
                run.folder(at)?.destination_path
            )));
        }
        other => other.at(Side::Destination)?,
    }
    forget(run, at, rows, rows.len() as u64)?;
    run.progressed = true;
    run.checkpoint().await
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
    run.mail().removed += removed;
    if let Some(removal) = &mut run.migration.removal {
        removal.removed += removed;
    }
    let folder = run.folder_mut(at)?;
    // What was proved is no longer so.
    folder.proof = None;
    let counts = &mut folder.counts;
    counts.migrated = counts.migrated.saturating_sub(rows.len() as u64);
    Ok(())
}

fn report<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    kept: &[(Row, Reason)],
) -> Result<(), Halt> {
    if let Some(removal) = &mut run.migration.removal {
        removal.kept += kept.len() as u64;
    }
    let path = run.folder(at)?.destination_path.clone();
    let line = |size_bytes: u64, date: Option<String>, reason: String| Failure {
        item: Item::Mail,
        folder: path.clone(),
        subject: String::new(),
        date,
        size_bytes,
        code: FailureCode::Kept,
        reason,
    };
    for (row, reason) in kept.iter().take(KEPT_LISTED_MAX) {
        let seconds = u64::try_from(row.entry.date.unix_s()).unwrap_or(0);
        let date = Timestamp(seconds.saturating_mul(1000)).rfc3339();
        run.fail(line(row.entry.size, Some(date), reason.sentence().to_owned()));
    }
    let mut more: BTreeMap<Reason, u64> = BTreeMap::new();
    kept.iter().skip(KEPT_LISTED_MAX).for_each(|(_, r)| *more.entry(*r).or_default() += 1);
    for (reason, count) in more {
        run.fail(line(0, None, format!("{count} further messages: {}", reason.sentence())));
    }
    Ok(())
}

/// Removes the folders that these sync points made, where nothing is in them.
async fn remove_folders<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    session: &mut Session<Line<H>>,
) -> Result<(), Halt> {
    let from = run.cursor.remove_from;
    let numbered = run.folders.iter().enumerate();
    let made = numbered.filter(|(_, folder)| folder.created_in >= from && folder.created_in > 0);
    let mut rows: Vec<(String, usize)> =
        made.map(|(at, folder)| (folder.destination_path.clone(), at)).collect();
    // Children before their parents.
    rows.sort_by(|one, other| other.cmp(one));
    let mut listed = session.list(false).await.at(Side::Destination)?;
    for (path, at) in rows {
        let name = run.folder(at)?.destination.mailbox();
        let parent = listed.iter().any(|mailbox| {
            let delimiter = mailbox.delimiter.unwrap_or('/');
            mailbox.name.text().starts_with(&format!("{}{delimiter}", name.text()))
        });
        let stays = match parent {
            true => Some("It has folders of yours.".to_owned()),
            false => delete_if_empty(run, session, at, &name).await?,
        };
        match stays {
            None => {
                listed.retain(|mailbox| mailbox.name != name);
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
    session: &mut Session<Line<H>>,
    at: usize,
    name: &MailboxName,
) -> Result<Option<String>, Halt> {
    let validity = run.folder(at)?.destination_uid_validity;
    session.unselect().await.at(Side::Destination)?;
    let states = session.status(std::slice::from_ref(name)).await.at(Side::Destination)?;
    let Some((_, Ok(status))) = states.into_iter().next() else { return Ok(None) };
    if validity != 0 && status.uid_validity.is_some_and(|now| now != validity) {
        return Ok(Some("It is another folder of that name.".to_owned()));
    }
    if status.messages != Some(0) {
        return Ok(Some("There are messages in it.".to_owned()));
    }
    match session.delete_mailbox(name).await {
        Ok(()) => {
            session.unsubscribe(std::slice::from_ref(name)).await.at(Side::Destination)?;
            Ok(None)
        }
        Err(imap::Error::Refused(reply)) => Ok(Some(format!("The server refused: {reply}."))),
        Err(error) => Err(error).at(Side::Destination),
    }
}

/// Takes back subscriptions to folders that were there before.
async fn unsubscribe<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    session: &mut Session<Line<H>>,
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
