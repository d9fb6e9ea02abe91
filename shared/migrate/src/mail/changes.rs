//! What changed at the source about messages that are at the destination already: flags, and
//! messages that are gone. The gone ones are orphans until the mail phase: a message with the
//! same Message-ID that is new in another folder was moved there.
//!
//! Only the source's changes go over, as additions and removals: a flag that the user set at the
//! destination stays.

use std::collections::BTreeMap;

use ledger::fold::{Ledger, Row, Writer};
use mailbox::{Flags, UidSet};
use model::Phase;
use services::mail::{
    Access, Asked, Event, Fetch, MailDestination, MailService, MailSource, Which,
};
use services::{Side, Trouble};
use store::Store;

use crate::mail::difference::{Difference, change_groups};
use crate::mail::journals::stage_segment;
use crate::mail::lines::Lines;
use crate::mail::{orphans, windows};
use crate::run::Run;
use crate::trouble::{At, Halt};
use crate::world::Host;

/// Changed messages that are written down together.
const CHANGED_AT_ONCE: usize = 10_000;

/// What the source says about the messages of a window, by their place in it.
#[derive(Debug, Default)]
struct Seen {
    /// Those whose flags it changed, and the flags that they have now.
    changed: Vec<(usize, Flags)>,
    /// Those that are gone.
    gone: Vec<usize>,
}

/// The phase.
pub(crate) async fn changes<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
) -> Result<(), Halt> {
    let vanished = resynchronising(run, lines).await.at(Side::Source)?;
    while let Some(at) = usize::try_from(run.cursor.at).ok().filter(|at| *at < run.folders.len()) {
        let folder = run.folder(at)?;
        if folder.stale {
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
    let wanted = run.folders.iter().any(|folder| folder.listed && folder.stale);
    if wanted { lines.source.track_vanished().await } else { Ok(false) }
}

/// Goes through the messages of a folder window by window; a slice that ends goes on behind the last.
async fn changes_of<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    vanished: bool,
) -> Result<(), Halt> {
    let folder = run.folder(at)?;
    let (found, listed) = (folder.found, folder.listed);
    let mut windows = windows::of(run.id(), at, folder.segments)
        .current(found.uid_validity)
        .after((found.uid_validity, folder.changes_uid));
    let mut opened = false;
    while let Some(ledger) = windows.next(run.store()).await? {
        if !ledger.rows.is_empty() {
            let seen = match listed {
                true => look(run, lines, at, &ledger, (vanished, &mut opened)).await?,
                // The folder is gone, or has a name by which it was not recognised.
                false => Seen { gone: (0..ledger.rows.len()).collect(), ..Seen::default() },
            };
            for some in seen.changed.chunks(CHANGED_AT_ONCE) {
                bring(run, lines, at, (&ledger, some)).await?;
            }
            orphans::keep(run, at, &ledger, &seen.gone)?;
        }
        run.folder_mut(at)?.changes_uid = ledger.last.1;
        run.progressed = true;
        run.checkpoint().await?;
        run.check_budget()?;
    }
    Ok(())
}

/// Asks the source what became of the messages of a window. The mailbox is opened with the first
/// question.
async fn look<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    ledger: &Ledger,
    (vanished, opened): (bool, &mut bool),
) -> Result<Seen, Halt> {
    let source = &mut lines.source;
    let settled = run.folder(at)?.settled;
    let tells = source.source_facts().tells_changes;
    let since = settled.and_then(|old| old.modseq).filter(|_| tells);
    let vanished = vanished && since.is_some();
    let opening = !std::mem::replace(opened, true);
    if opening {
        let name = run.folder(at)?.source.mailbox();
        source.start_select(&name).await.at(Side::Source)?;
    }
    let (first, last) = (ledger.rows.first(), ledger.rows.last());
    let mut all = UidSet::new();
    if let (Some(first), Some(last)) = (first, last) {
        all.insert_range(first.entry.source_uid..=last.entry.source_uid);
    }
    let items = Asked { flags: true, changed_since: since, vanished, ..Asked::default() };
    source.start_fetch(&Which::Uids(all.clone()), items).await.at(Side::Source)?;
    let selected = if opening { source.selected().await.map(drop) } else { Ok(()) };
    let mut answers = Answers::to(ledger);
    loop {
        match source.next().await.at(Side::Source)? {
            Event::Message(row) => answers.hear(row.uid, row.flags),
            Event::Vanished(uids) => answers.vanish(&uids),
            Event::Done => break,
            Event::Refused(_) if run.folder(at)?.found.messages == 0 => break,
            Event::Refused(reply) => {
                return Err(Halt::Trouble(Side::Source, Trouble::Rejected(reply)));
            }
            Event::Chunk(_) | Event::EndOfBody(_) => {}
        }
    }
    selected.at(Side::Source)?;
    if since.is_some() && !vanished {
        let there = source.present(&all).await.at(Side::Source)?;
        answers.there =
            ledger.rows.iter().map(|row| there.contains(row.entry.source_uid)).collect();
    }
    Ok(answers.finish(vanished))
}

/// What a source answered about the messages of a window; what it says of others is not kept.
struct Answers<'l> {
    ledger: &'l Ledger,
    changed: BTreeMap<usize, Flags>,
    there: Vec<bool>,
    gone: Vec<bool>,
}

impl<'l> Answers<'l> {
    fn to(ledger: &'l Ledger) -> Self {
        let none = vec![false; ledger.rows.len()];
        Answers { ledger, changed: BTreeMap::new(), there: none.clone(), gone: none }
    }

    fn hear(&mut self, uid: u32, flags: Option<Flags>) {
        let rows = &self.ledger.rows;
        let Ok(at) = rows.binary_search_by_key(&uid, |row| row.entry.source_uid) else { return };
        if let Some(there) = self.there.get_mut(at) {
            *there = true;
        }
        if let (Some(now), Some(row)) = (flags, rows.get(at)) {
            // The last word counts.
            self.changed.remove(&at);
            if row.is_ours() && Difference::between(&self.ledger.flags(row), &now).is_some() {
                self.changed.insert(at, now);
            }
        }
    }

    fn vanish(&mut self, uids: &UidSet) {
        let rows = &self.ledger.rows;
        for range in uids.ranges() {
            let from = rows.partition_point(|row| row.entry.source_uid < *range.start());
            let to = rows.partition_point(|row| row.entry.source_uid <= *range.end());
            self.gone.get_mut(from..to).into_iter().flatten().for_each(|gone| *gone = true);
        }
    }

    /// With `vanished` the source said which are gone; else those are that it did not tell of.
    fn finish(self, vanished: bool) -> Seen {
        let (said, there) = (self.gone, self.there);
        let is_gone = |at: &usize| match vanished {
            true => said.get(*at) == Some(&true),
            false => there.get(*at) != Some(&true),
        };
        let gone = (0..self.ledger.rows.len()).filter(is_gone).collect();
        Seen { changed: self.changed.into_iter().collect(), gone }
    }
}

/// Changes the flags of messages of one folder that are still there, and writes it down.
async fn bring<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    (ledger, changed): (&Ledger, &[(usize, Flags)]),
) -> Result<(), Halt> {
    let row = |(at, now): &(usize, Flags)| {
        let row = ledger.rows.get(*at)?;
        Some((row.clone(), ledger.flags(row), now.clone()))
    };
    let changed: Vec<(Row, Flags, Flags)> = changed.iter().filter_map(row).collect();
    let name = run.folder(at)?.destination.mailbox();
    let session = &mut lines.destination;
    let opened = session.open(&name, Access::Write).await.at(Side::Destination)?;
    // Where there is none, the user removed the folder.
    let Some(selected) = opened else { return Ok(()) };
    let uids: UidSet = changed
        .iter()
        .filter(|(row, ..)| row.destination_uid_validity == selected.uid_validity)
        .map(|(row, ..)| row.entry.destination_uid)
        .collect();
    let there = session.present(&uids).await.at(Side::Destination)?;
    let mut groups: BTreeMap<(String, String), (UidSet, Difference)> = BTreeMap::new();
    let mut writer = Writer::default();
    let mut count = 0;
    for (row, before, now) in &changed {
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
    match change_groups(session, groups.values()).await.at(Side::Destination)? {
        Ok(()) => {}
        Err(why) if why.wait_s.is_none() => {
            let sentence = format!("The destination does not let flags be changed: {why}.");
            run.folder_mut(at)?.remark(sentence);
            return Ok(());
        }
        Err(why) => return Err(Halt::Trouble(Side::Destination, Trouble::Rejected(why))),
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
}
