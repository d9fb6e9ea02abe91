//! Looks at both accounts and brings the folder table up to date.

use std::collections::{BTreeMap, BTreeSet};

use futures::try_join;
use ledger::folder::{Counts, Folder, State};
use ledger::{FolderName, Uids};
use mailbox::{MailboxName, SpecialUse, Spelling};
use model::{Failure, FailureCode, Phase};
use services::Side;
use services::mail::{FOLDERS_MAX, Found, FoundFolder, MailService, NAME_OCTETS_MAX};
use store::Store;

use crate::mail::ITEM;
use crate::mail::lines::Lines;
use crate::mail::mapping::{self, Listed, Mapped};
use crate::mail::renames;
use crate::run::Run;
use crate::trouble::{At, Halt};
use crate::world::Host;

/// The phase.
pub(crate) async fn discover<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
) -> Result<(), Halt> {
    let (source, destination) =
        try_join!(async { lines.source.folders().await.at(Side::Source) }, async {
            lines.destination.folders().await.at(Side::Destination)
        },)?;
    let own = source.folders.iter().filter(|mailbox| mailbox.selectable).count();
    if own > FOLDERS_MAX {
        return Err(Halt::Impossible(format!(
            "The source has {own} folders; the most that can be moved at once are {FOLDERS_MAX}. \
             Exclude some of them."
        )));
    }
    let gmail = lines.source.facts().labels;
    let (own, theirs) = (listed(&source, gmail), listed(&destination, false));
    let options = &run.migration.options;
    let mapped =
        mapping::map((&own, &source.hierarchy), (&theirs, &destination.hierarchy), options);
    let renamed = renames::detect(run, lines, &source.folders).await?;
    refuse_overlong(run, &source.overlong);
    update(run, &mapped, (&source, &destination), gmail);
    let spelling = destination.hierarchy.spelling;
    renames::plan(run, (&mapped, &source.folders), &renamed, spelling)?;
    if run.cursor.retry {
        only_refused(run);
    }
    count(run);
    run.touch_all_folders();
    run.enter(Phase::Folders);
    run.checkpoint().await
}

/// Folders with overlong names that are told one by one.
const OVERLONG_TOLD_MAX: usize = 100;

/// Says which folders are left out since their names are too long.
fn refuse_overlong<H: Host, S: Store>(run: &mut Run<'_, H, S>, names: &[String]) {
    let line = |folder: &str, reason: String| Failure {
        item: ITEM,
        folder: folder.to_owned(),
        subject: String::new(),
        date: None,
        size_bytes: 0,
        code: FailureCode::FolderRefused,
        reason,
    };
    let most = NAME_OCTETS_MAX;
    for name in names.iter().take(OVERLONG_TOLD_MAX) {
        let reason = format!(
            "The name of this folder at the source has more than {most} octets; the folder was not \
             moved."
        );
        run.fail(line(name, reason));
    }
    let more = names.len().saturating_sub(OVERLONG_TOLD_MAX);
    if let (1.., Some(name)) = (more, names.last()) {
        let reason = format!("{more} further folders have names of more than {most} octets.");
        run.fail(line(name, reason));
    }
}

/// Views of Gmail that repeat messages of other folders are left out; All Mail stays, for what has
/// no label.
pub(crate) fn listed(found: &Found, gmail: bool) -> Vec<Listed> {
    let is_view = |mailbox: &FoundFolder| {
        gmail && matches!(mailbox.special_use, Some(SpecialUse::Flagged | SpecialUse::Important))
    };
    let row = |mailbox: &FoundFolder| Listed {
        name: mailbox.name.clone(),
        special_use: mailbox.special_use,
        selectable: mailbox.selectable && !is_view(mailbox),
        subscribed: mailbox.subscribed,
    };
    found.folders.iter().map(row).collect()
}

fn state(mailbox: Option<&FoundFolder>) -> State {
    let status = mailbox.and_then(|mailbox| mailbox.status).unwrap_or_default();
    State {
        uid_validity: status.uid_validity.unwrap_or(0),
        uid_next: status.uid_next.unwrap_or(0),
        messages: status.messages.unwrap_or(0),
        bytes: status.bytes.unwrap_or(0),
        modseq: status.modseq,
    }
}

fn update<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    mapped: &[Mapped],
    (source, destination): (&Found, &Found),
    gmail: bool,
) {
    let known: BTreeMap<Vec<u8>, usize> = run
        .folders
        .iter()
        .enumerate()
        .map(|(at, folder)| (folder.source.mailbox().raw().to_vec(), at))
        .collect();
    let theirs: BTreeMap<&[u8], &FoundFolder> =
        destination.folders.iter().map(|mailbox| (mailbox.name.raw(), mailbox)).collect();
    let open = source.folders.iter().filter(|own| own.selectable);
    let open: BTreeSet<&[u8]> = open.map(|own| own.name.raw()).collect();
    for folder in &mut run.folders {
        // Its messages may turn up in another folder.
        let went_away = folder.listed && !open.contains(folder.source.mailbox().raw());
        folder.stale |= went_away && folder.segments > 0;
        (folder.listed, folder.done) = (false, true);
        folder.forget_orphans();
        // A run that was stopped had not tried these again.
        let left = std::mem::take(&mut folder.retry_uids.0);
        folder.counts.failed += left.len();
        left.ranges().for_each(|range| folder.refused_uids.0.insert_range(range));
    }
    for row in mapped {
        let Some(own) = source.folders.get(row.source) else { continue };
        let there = |name: &MailboxName| theirs.get(name.raw()).copied();
        match known.get(own.name.raw()).and_then(|at| run.folders.get_mut(*at)) {
            Some(folder) => {
                let other = folder.destination.mailbox();
                // What the user took back at the destination is not subscribed to again.
                folder.subscribe = own.subscribed && !folder.subscribed;
                refresh(folder, state(Some(own)), there(&other));
                folder.subscribed = own.subscribed;
            }
            None => {
                let spellings = (source.hierarchy.spelling, destination.hierarchy.spelling);
                let mut folder = fresh(row, own, spellings);
                folder.unlabelled_only = gmail && row.special_use == Some(SpecialUse::All);
                refresh(&mut folder, state(Some(own)), there(&row.destination));
                run.folders.push(folder);
            }
        }
    }
}

/// A row for a folder seen for the first time.
fn fresh(row: &Mapped, own: &FoundFolder, (from, to): (Spelling, Spelling)) -> Folder {
    Folder {
        source: FolderName::new(&own.name, from),
        source_path: row.source_path.clone(),
        destination: FolderName::new(&row.destination, to),
        destination_path: row.destination_path.clone(),
        special_use: row.special_use.map(|purpose| purpose.attribute().to_owned()),
        subscribed: own.subscribed,
        exists: row.exists,
        created_in: 0,
        listed: true,
        refused: false,
        unlabelled_only: false,
        settled: None,
        found: State::default(),
        destination_uid_validity: 0,
        destination_uid_next: 0,
        adopt: false,
        readopt: false,
        recognise: false,
        stale: false,
        rename_to: None,
        subscribe: own.subscribed,
        subscribed_in: 0,
        refused_uids: Uids::default(),
        retry_uids: Uids::default(),
        moved_uids: Uids::default(),
        orphans: false,
        orphan_pages: 0,
        orphan_pages_max: 0,
        orphan_count: 0,
        changes_uid: 0,
        renumbered: 0,
        proof: None,
        done_uid: 0,
        number_hint: 1,
        done: false,
        segments: 0,
        segments_before: 0,
        comparing: None,
        missed_uids: Uids::default(),
        counts: Counts::default(),
        verified: None,
        remarks: row.remark.clone().into_iter().collect(),
    }
}

/// What this sync point found out about a folder, and whether there is anything to do. A folder of which
/// the server told nothing counts as the one that it was.
fn refresh(folder: &mut Folder, mut found: State, other: Option<&FoundFolder>) {
    if let (0, Some(old)) = (found.uid_validity, folder.settled) {
        found.uid_validity = old.uid_validity;
    }
    folder.listed = true;
    folder.segments_before = folder.segments;
    (folder.comparing, folder.missed_uids) = (None, Uids::default());
    (folder.found, folder.renumbered) = (found, 0);
    folder.exists = other.is_some_and(|mailbox| mailbox.selectable);
    folder.subscribe &= !other.is_some_and(|mailbox| mailbox.subscribed);
    let there = state(other);
    let replaced = folder.destination_uid_validity != 0
        && there.uid_validity != 0
        && folder.destination_uid_validity != there.uid_validity;
    let first = folder.settled.is_none() && folder.done_uid == 0;
    let renumbered = folder.settled.is_some_and(|old| old.uid_validity != found.uid_validity);
    if renumbered {
        folder.remark(
            "The source numbered its messages anew; they were recognised by content.".into(),
        );
        (folder.done_uid, folder.number_hint) = (0, 1);
    }
    if replaced {
        folder.remark("The destination's folder was replaced; its messages were compared.".into());
        (folder.done_uid, folder.number_hint) = (0, 1);
    }
    let compare = first || renumbered || replaced || folder.readopt;
    let untold = other.is_some_and(|mailbox| mailbox.selectable && mailbox.status.is_none());
    folder.adopt = compare && (there.messages > 0 || untold);
    folder.recognise = (renumbered || replaced) && folder.segments > 0;
    if there.uid_validity != 0 {
        folder.destination_uid_validity = there.uid_validity;
        folder.destination_uid_next = there.uid_next;
    }
    let same = folder.settled.filter(|old| old.uid_validity == found.uid_validity);
    let nothing_new = same.is_some_and(|old| found.uid_next != 0 && old.uid_next == found.uid_next);
    let quiet = same.is_some_and(|old| {
        old.messages == found.messages && found.modseq.is_some() && old.modseq == found.modseq
    });
    folder.done = nothing_new && !replaced;
    folder.stale = same.is_some() && folder.segments > 0 && !replaced && !(nothing_new && quiet);
    folder.forget_orphans();
}

/// Leaves only what was refused to do. What is settled stays as it was, so that the next
/// synchronisation finds what this run passes over.
fn only_refused<H: Host, S: Store>(run: &mut Run<'_, H, S>) {
    for folder in run.folders.iter_mut().filter(|folder| folder.listed) {
        folder.stale = false;
        folder.done = !folder.refused && folder.refused_uids.0.is_empty();
        folder.refused = false;
        folder.retry_uids = std::mem::take(&mut folder.refused_uids);
        let tried = folder.retry_uids.0.len();
        folder.counts.failed = folder.counts.failed.saturating_sub(tried);
    }
}

/// Fixes the totals of this sync point.
fn count<H: Host, S: Store>(run: &mut Run<'_, H, S>) {
    let (mut messages, mut bytes, mut settled) = (0, 0, 0);
    for folder in run.folders.iter().filter(|folder| folder.listed) {
        if run.cursor.retry && folder.settled.is_some() {
            messages += folder.retry_uids.0.len();
            continue;
        }
        messages += folder.found.messages;
        bytes += folder.found.bytes;
        settled += settled_before(folder);
    }
    let mail = run.counters(ITEM);
    // What an interrupted batch had left was settled in this sync point, before it came here.
    let settled = settled.saturating_sub(mail.migrated + mail.failed);
    mail.total = mail.total.max(messages);
    mail.bytes_total = mail.bytes_total.max(bytes);
    mail.skipped = settled;
}

/// Messages that earlier sync points are through with.
fn settled_before(folder: &Folder) -> u64 {
    let Counts { migrated, adopted, left_out, failed, .. } = folder.counts;
    match (folder.done, folder.done_uid) {
        (true, _) => folder.found.messages,
        (false, 0) => 0,
        (false, _) => (migrated + adopted + left_out + failed).min(folder.found.messages),
    }
}
