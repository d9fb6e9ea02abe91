//! Folders that were renamed at the source: recognised by UIDVALIDITY and by some of their
//! messages, and renamed at the destination where we made them.

use std::collections::BTreeSet;

use ledger::FolderName;
use ledger::fold::Row;
use ledger::folder::Folder;
use mailbox::{MailboxName, Spelling, UidSet};
use services::mail::{FoundFolder, MailDestination, MailService, MailSource, Which};
use services::{Rejection, Side};
use store::Store;

use crate::mail::lines::Lines;
use crate::mail::mapping::Mapped;
use crate::mail::windows;
use crate::run::Run;
use crate::trouble::{At, Halt};
use crate::world::Host;

/// Messages that are looked at to tell whether a folder is the one that had another name:
/// UIDVALIDITY alone is a second on a clock for some servers.
const SAMPLE: usize = 500;

/// Gives rows whose folder is gone the name that it has now; returns these rows.
pub(crate) async fn detect<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    mailboxes: &[FoundFolder],
) -> Result<Vec<usize>, Halt> {
    let open = mailboxes.iter().filter(|mailbox| mailbox.selectable);
    let listed: BTreeSet<&[u8]> = open.map(|mailbox| mailbox.name.raw()).collect();
    let known: BTreeSet<Vec<u8>> =
        run.folders.iter().map(|folder| folder.source.mailbox().raw().to_vec()).collect();
    let mut renamed = Vec::new();
    for at in 0..run.folders.len() {
        let folder = run.folder(at)?;
        let Some(old) = folder.settled else { continue };
        if listed.contains(folder.source.mailbox().raw()) || old.uid_validity == 0 {
            continue;
        }
        let fits = |mailbox: &&FoundFolder| {
            let status = mailbox.status.unwrap_or_default();
            mailbox.selectable
                && !known.contains(mailbox.name.raw())
                && status.uid_validity == Some(old.uid_validity)
                && status.uid_next.is_some_and(|next| next >= old.uid_next)
        };
        let mut candidates = mailboxes.iter().filter(fits);
        let (Some(mailbox), None) = (candidates.next(), candidates.next()) else { continue };
        if is_same(run, lines, at, mailbox).await? {
            let spelling = lines.source.spelling();
            run.folder_mut(at)?.source = FolderName::new(&mailbox.name, spelling);
            renamed.push(at);
        }
    }
    Ok(renamed)
}

/// Whether `mailbox` holds messages of this row's journal, and none that contradicts it.
async fn is_same<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    mailbox: &FoundFolder,
) -> Result<bool, Halt> {
    let folder = run.folder(at)?;
    if folder.segments == 0 {
        let empty = |messages: Option<u64>| messages == Some(0);
        let now = mailbox.status.as_ref().and_then(|status| status.messages);
        return Ok(empty(now) && empty(folder.settled.map(|old| old.messages)));
    }
    let validity = folder.settled.map_or(0, |old| old.uid_validity);
    let some = sample(run, at, validity).await?;
    let uids: UidSet = some.iter().map(|row| row.entry.source_uid).collect();
    if uids.is_empty() {
        return Ok(false);
    }
    if !lines.source.source_facts().renames {
        return Ok(false);
    }
    let source = &mut lines.source;
    source.select(&mailbox.name).await.at(Side::Source)?;
    let rows =
        crate::mail::reading::list(source, &Which::Uids(uids), |_| true).await.at(Side::Source)?;
    let agrees = |row: &ledger::Message| {
        some.iter().any(|known| {
            known.entry.source_uid == row.uid
                && known.entry.identity == row.identity
                && known.entry.date.unix_s() == row.date.unix_s()
        })
    };
    Ok(!rows.is_empty() && rows.iter().all(agrees))
}

/// Rows from all over a folder's ledger, [`SAMPLE`] at most.
async fn sample<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    at: usize,
    uid_validity: u32,
) -> Result<Vec<Row>, Halt> {
    let folder = run.folder(at)?;
    let mut windows = windows::of(run.id(), at, folder.segments).current(uid_validity);
    let (mut some, mut step, mut number) = (Vec::new(), 1usize, 0usize);
    while let Some(ledger) = windows.next(run.store()).await? {
        for row in ledger.rows {
            if number.is_multiple_of(step) {
                some.push(row);
            }
            number += 1;
            if some.len() > SAMPLE {
                // Every second of those so far, and fewer from here on.
                some = some.into_iter().step_by(2).collect();
                step *= 2;
            }
        }
    }
    Ok(some)
}

/// Says where the renamed folders go.
pub(crate) fn plan<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    (mapped, mailboxes): (&[Mapped], &[FoundFolder]),
    renamed: &[usize],
    spelling: Spelling,
) -> Result<(), Halt> {
    for at in renamed {
        let now = run.folder(*at)?.source.mailbox();
        let is_it = |row: &&Mapped| mailboxes.get(row.source).is_some_and(|own| own.name == now);
        let Some(row) = mapped.iter().find(is_it) else { continue };
        let folder = run.folder_mut(*at)?;
        folder.source_path = row.source_path.clone();
        if row.destination.raw() == folder.destination.mailbox().raw() {
            continue;
        }
        if folder.created_in > 0 && folder.exists && !row.exists {
            let name = FolderName::new(&row.destination, spelling);
            folder.rename_to = Some((name, row.destination_path.clone()));
        } else {
            folder.remark(format!(
                "The folder was renamed at the source; its messages stay in {} at the destination, \
                 which was not made by this migration.",
                folder.destination_path
            ));
        }
    }
    Ok(())
}

/// Renames at the destination what [`plan`] says, parents first.
pub(crate) async fn perform<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
) -> Result<(), Halt> {
    let wanted = |folder: &Folder| folder.rename_to.as_ref().map(|(_, path)| path.clone());
    let mut rows: Vec<(String, usize)> =
        run.folders.iter().enumerate().filter_map(|(at, f)| Some((wanted(f)?, at))).collect();
    rows.sort();
    for (path, at) in rows {
        let folder = run.folder(at)?;
        let Some((to, _)) = folder.rename_to.clone() else { continue };
        let (old, new) = (folder.destination.mailbox(), to.mailbox());
        let done = rename(lines, &old, &new).await?;
        let folder = run.folder_mut(at)?;
        folder.rename_to = None;
        match done {
            None => {
                folder.destination = to;
                folder.destination_path = path;
                folder.exists = true;
                if folder.subscribed {
                    lines.destination.unsubscribe(&[old]).await.at(Side::Destination)?;
                    lines.destination.subscribe(&[new]).await.at(Side::Destination)?;
                }
            }
            Some(reply) => folder.remark(format!(
                "The folder was renamed at the source; the destination refused the new name \
                 {path} ({reply})."
            )),
        }
        run.checkpoint().await?;
    }
    Ok(())
}

/// `None` where the folder has the new name now: by this command, by that of a slice that died, or
/// since its parent was renamed.
async fn rename<H: Host>(
    lines: &mut Lines<H>,
    old: &MailboxName,
    new: &MailboxName,
) -> Result<Option<Rejection>, Halt> {
    let names = [new.clone(), old.clone()];
    let states = lines.destination.status(&names).await.at(Side::Destination)?;
    let there: Vec<bool> = states.iter().map(Result::is_ok).collect();
    if there == [true, false] {
        return Ok(None);
    }
    Ok(lines.destination.rename(old, new).await.at(Side::Destination)?.err())
}
