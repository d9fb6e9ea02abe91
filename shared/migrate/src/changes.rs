//! What changed at the source about messages that are at the destination already: flags, and
//! messages that are gone. The gone ones are orphans until the mail phase: a message with the
//! same Message-ID that is new in another folder was moved there.
//!
//! Only the source's changes go over, as additions and removals: a flag that the user set at the
//! destination stays.

use std::collections::BTreeMap;

use imap::{Change, FetchEvent, FetchItems, Flags, Mode, Sequence, SystemFlag, UidSet};
use model::Phase;
use store::Store;

use crate::cursor::State;
use crate::ledger::{Ledger, Row, Writer};
use crate::moves;
use crate::run::Run;
use crate::settle::stage_segment;
use crate::slice::Lines;
use crate::source::Fetch;
use crate::trouble::{At, Halt, Side, Trouble};
use crate::world::Host;

/// Changed messages that are written down together.
const CHANGED_AT_ONCE: usize = 10_000;

/// What the source says about messages that were brought before.
#[derive(Debug, Default)]
struct Seen {
    /// The flags of those that may have changed.
    flags: BTreeMap<u32, Flags>,
    /// Which are gone.
    gone: UidSet,
}

/// The phase.
pub(crate) async fn changes<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
) -> Result<(), Halt> {
    let vanished = resynchronising(run, lines).await.at(Side::Source)?;
    while let Some(at) = usize::try_from(run.cursor.at).ok().filter(|at| *at < run.folders.len()) {
        let folder = run.folder(at)?;
        let brought = folder.counts.migrated + folder.counts.adopted;
        if folder.stale && Ledger::fits(brought) {
            run.migration.folder = Some(folder.source_path.clone());
            changes_of(run, lines, at, vanished).await?;
            run.folder_mut(at)?.stale = false;
            run.progressed = true;
            run.cursor.at += 1;
            run.checkpoint().await?;
            run.check_budget()?;
        } else {
            run.cursor.at += 1;
        }
    }
    run.enter(Phase::Mail);
    run.checkpoint().await
}

/// Whether the source tells which messages are gone (QRESYNC, RFC 7162); asked for only where
/// there is something to ask about.
async fn resynchronising<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    lines: &mut Lines<H>,
) -> Result<bool, Trouble> {
    let source = &mut lines.source;
    let wanted = run.folders.iter().any(|folder| folder.listed && folder.stale);
    if !wanted || !source.capabilities().qresync() {
        return Ok(false);
    }
    // ENABLE is for the authenticated state only (RFC 5161 section 3.1).
    source.unselect().await?;
    Ok(source.enable(&["QRESYNC"]).await?.iter().any(|word| word == "QRESYNC"))
}

async fn changes_of<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    vanished: bool,
) -> Result<(), Halt> {
    let ledger = Ledger::read(run, at).await?;
    let folder = run.folder(at)?;
    let (found, settled) = (folder.found, folder.settled);
    let rows = ledger.current(found.uid_validity);
    let Some(last) = rows.last().map(|row| row.entry.source_uid) else { return Ok(()) };
    let seen = match folder.listed {
        true => look(run, lines, at, (last, settled), vanished).await?,
        // The folder is gone, or has a name by which it was not recognised.
        false => Seen { gone: complement(&UidSet::new(), last), ..Seen::default() },
    };
    let orphans: Vec<&Row> =
        rows.iter().filter(|row| seen.gone.contains(row.entry.source_uid)).collect();
    moves::keep_orphans(run, at, &ledger, &orphans)?;
    let mut changed = Vec::new();
    for row in rows.iter().filter(|row| row.is_ours()) {
        if let Some(now) = seen.flags.get(&row.entry.source_uid) {
            let before = ledger.flags(row);
            if Difference::between(&before, now).is_some() {
                changed.push((row.clone(), before, now.clone()));
            }
        }
    }
    for some in changed.chunks(CHANGED_AT_ONCE) {
        bring(run, lines, at, some).await?;
    }
    Ok(())
}

/// Asks the source what became of its messages up to UID `last`.
async fn look<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    (last, settled): (u32, Option<State>),
    vanished: bool,
) -> Result<Seen, Halt> {
    let source = &mut lines.source;
    let since = settled.and_then(|old| old.modseq).filter(|_| source.capabilities().condstore());
    let vanished = vanished && since.is_some();
    let name = run.folder(at)?.source.mailbox();
    source.start_select(&name).await.at(Side::Source)?;
    let mut all = UidSet::new();
    all.insert_range(1..=last);
    let items = FetchItems { flags: true, changed_since: since, vanished, ..FetchItems::default() };
    source.start_fetch(&Sequence::Uids(all.clone()), items).await.at(Side::Source)?;
    let selected = source.selected().await;
    let mut seen = Seen::default();
    let mut there = UidSet::new();
    loop {
        match source.next().await.at(Side::Source)? {
            FetchEvent::Message(row) => {
                there.insert(row.uid);
                if let Some(flags) = row.flags {
                    seen.flags.insert(row.uid, flags);
                }
            }
            FetchEvent::Vanished(uids) => {
                uids.ranges().for_each(|range| seen.gone.insert_range(range));
            }
            FetchEvent::Done => break,
            FetchEvent::Refused(_) if run.folder(at)?.found.messages == 0 => break,
            FetchEvent::Refused(reply) => {
                return Err(imap::Error::Refused(reply)).at(Side::Source);
            }
            FetchEvent::Chunk(_) | FetchEvent::EndOfBody(_) => {}
        }
    }
    selected.at(Side::Source)?;
    if vanished {
        return Ok(seen);
    }
    if since.is_some() {
        there = source.present(&all).await.at(Side::Source)?;
    }
    seen.gone = complement(&there, last);
    Ok(seen)
}

/// The UIDs up to `last` that are not in `there`.
fn complement(there: &UidSet, last: u32) -> UidSet {
    let (mut gone, mut next) = (UidSet::new(), 1u32);
    for range in there.ranges() {
        if next < *range.start() {
            gone.insert_range(next..=(*range.start() - 1).min(last));
        }
        next = range.end().saturating_add(1);
    }
    if next <= last {
        gone.insert_range(next..=last);
    }
    gone
}

/// What the source added to and took from a message's flags.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Difference {
    pub(crate) added: Flags,
    pub(crate) taken: Flags,
}

impl Difference {
    /// `None` where nothing differs. `\Recent` is the server's own, and `\Deleted` never goes
    /// over: the next program that expunges would delete what was brought.
    pub(crate) fn between(before: &Flags, now: &Flags) -> Option<Difference> {
        let without = |from: &Flags, other: &Flags| {
            let mut rest = Flags::new();
            let names = from
                .names()
                .filter(|name| !other.names().any(|own| own.eq_ignore_ascii_case(name)));
            names.for_each(|name| rest.insert(name));
            rest.clear(SystemFlag::Recent);
            rest.clear(SystemFlag::Deleted);
            rest
        };
        let difference = Difference { added: without(now, before), taken: without(before, now) };
        (difference != Difference::default()).then_some(difference)
    }

    /// `before` with this difference.
    pub(crate) fn applied_to(&self, before: &Flags) -> Flags {
        let mut flags = Flags::new();
        let taken = |name: &str| self.taken.names().any(|own| own.eq_ignore_ascii_case(name));
        before.names().filter(|name| !taken(name)).for_each(|name| flags.insert(name));
        self.added.names().for_each(|name| flags.insert(name));
        flags
    }
}

/// Changes the flags of messages of one folder that are still there, and writes it down.
async fn bring<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    changed: &[(Row, Flags, Flags)],
) -> Result<(), Halt> {
    let name = run.folder(at)?.destination.mailbox();
    let session = &mut lines.destination;
    let selected = match session.select(&name, Mode::ReadWrite).await {
        // The user removed the folder.
        Err(imap::Error::Refused(_)) => return Ok(()),
        other => other.at(Side::Destination)?,
    };
    let uids: UidSet = changed
        .iter()
        .filter(|(row, ..)| row.destination_uid_validity == selected.uid_validity)
        .map(|(row, ..)| row.entry.destination_uid)
        .collect();
    let there = present(session, &uids).await.at(Side::Destination)?;
    let mut groups: BTreeMap<(String, String), (UidSet, Difference)> = BTreeMap::new();
    let mut writer = Writer::default();
    let mut count = 0;
    for (row, before, now) in changed {
        let (kept, _) = selected.permanent_flags.split(now);
        let ours = there.contains(row.entry.destination_uid)
            && row.destination_uid_validity == selected.uid_validity;
        let Some(difference) = Difference::between(before, &kept).filter(|_| ours) else {
            continue;
        };
        writer.put(row, &difference.applied_to(before));
        count += 1;
        let key = (difference.added.to_string(), difference.taken.to_string());
        let group = groups.entry(key).or_insert_with(|| (UidSet::new(), difference));
        group.0.insert(row.entry.destination_uid);
    }
    if count == 0 {
        return Ok(());
    }
    match store_groups(session, groups.values()).await {
        Ok(()) => {}
        Err(imap::Error::Refused(reply)) => {
            let sentence = format!("The destination does not let flags be changed: {reply}.");
            run.folder_mut(at)?.remark(sentence);
            return Ok(());
        }
        Err(error) => return Err(error).at(Side::Destination),
    }
    // Changing them once more after a cut changes nothing, so this is written down afterwards.
    for segment in writer.finish() {
        stage_segment(run, at, &segment)?;
    }
    if let Some(point) = run.migration.sync_points.last_mut() {
        point.updated += count;
    }
    run.checkpoint().await
}

/// Changes the flags of each group, all in one go.
pub(crate) async fn store_groups<'a, S: wire::Stream>(
    session: &mut imap::Session<S>,
    groups: impl Iterator<Item = &'a (UidSet, Difference)>,
) -> Result<(), imap::Error> {
    let mut all = Vec::new();
    for (uids, difference) in groups {
        if !difference.added.is_empty() {
            all.push((uids, &difference.added, Change::Add));
        }
        if !difference.taken.is_empty() {
            all.push((uids, &difference.taken, Change::Remove));
        }
    }
    session.store_all(&all).await
}

/// Which of these UIDs are in the open mailbox.
pub(crate) async fn present<S: wire::Stream>(
    session: &mut imap::Session<S>,
    uids: &UidSet,
) -> Result<UidSet, imap::Error> {
    if uids.is_empty() {
        return Ok(UidSet::new());
    }
    let criteria = imap::Criteria { uids: Some(uids.clone()), ..imap::Criteria::default() };
    session.search(&criteria).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &str) -> Flags {
        let mut flags = Flags::new();
        text.split(' ').filter(|name| !name.is_empty()).for_each(|name| flags.insert(name));
        flags
    }

    #[test]
    fn only_what_the_source_changed() {
        let difference =
            Difference::between(&flags("\\Seen Old"), &flags("\\Flagged \\Recent \\Deleted old"))
                .unwrap();
        assert_eq!(difference.added, flags("\\Flagged"));
        assert_eq!(difference.taken, flags("\\Seen"));
        assert_eq!(difference.applied_to(&flags("\\Seen Old")), flags("Old \\Flagged"));
        assert_eq!(Difference::between(&flags("a"), &flags("A \\Recent")), None);
    }

    #[test]
    fn complements() {
        let there: UidSet = [2, 3, 7].into_iter().collect();
        assert_eq!(complement(&there, 9).to_string(), "1,4:6,8:9");
        assert_eq!(complement(&UidSet::new(), 2).to_string(), "1:2");
        assert!(complement(&[1, 2].into_iter().collect(), 2).is_empty());
    }
}
