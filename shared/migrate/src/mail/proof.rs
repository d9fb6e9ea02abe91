//! Asks the source once more, after the copy: each message that it lists is at the destination, was
//! there before, is left out by the owner, or has a line in the failures. What is none of these was
//! missed, and is brought now.
//!
//! What the source lists is asked for in another way than the listing did: a server that leaves a
//! message out of one answer is found out by the other, or by the number of messages it counts.

use ledger::folder::{Folder, Proof};
use ledger::journal::Origin;
use ledger::{Message, Uids};
use mailbox::{MailboxName, UidSet};
use model::{FailureCode, MigrationId, Sums};
use services::mail::{Asked, Event, Fetch, MailService, OpenFolder, Which};
use services::{Side, Source, Trouble};
use store::Store;
use wire::Stream;

use crate::mail::ITEM;
use crate::mail::adopt::adopted;
use crate::mail::copy::{batches, is_left_out};
use crate::mail::failures::{failure_of, lost};
use crate::mail::lines::Lines;
use crate::mail::listing::{self, Wanted};
use crate::mail::standing::Standing;
use crate::run::Run;
use crate::trouble::{At, Halt};
use crate::world::Host;

/// What is asked about at once: about 100 bytes a message.
const AT_ONCE: u64 = if cfg!(test) { 5 } else { 10_000 };
/// How often a source is asked that counts more messages than it lists: another program may be at
/// work in the folder.
const TRIES_MAX: u32 = 3;
/// Lines in the failures about messages of one folder that a source counts and does not tell
/// anything about; the rest is told by number.
const LINES_MAX: usize = 100;

/// What a source says about a folder.
pub(crate) struct Listed {
    /// As it was opened.
    pub(crate) selected: OpenFolder,
    /// UIDs of its messages.
    pub(crate) uids: UidSet,
    /// Messages that it counts beyond those.
    pub(crate) uncounted: u64,
}

/// Asks what a folder has that had `messages` messages.
pub(crate) async fn ask<S: Stream>(
    source: &mut Source<S>,
    name: &MailboxName,
    messages: u64,
) -> Result<Listed, Trouble> {
    let mut expected = messages;
    let mut tries = 0;
    loop {
        tries += 1;
        let (selected, mut uids) = look(source, name, expected).await?;
        let exists = u64::from(selected.exists);
        if uids.len() < exists && tries > 1 {
            // A search is another part of a server than a listing.
            let mut all = UidSet::new();
            all.insert_range(1..=u32::MAX);
            for range in source.present(&all).await?.ranges() {
                uids.insert_range(range);
            }
        }
        let uncounted = exists.saturating_sub(uids.len());
        if uncounted == 0 || tries >= TRIES_MAX {
            return Ok(Listed { selected, uids, uncounted });
        }
        expected = exists;
    }
}

/// Opens a folder and lists its UIDs, in one go.
async fn look<S: Stream>(
    source: &mut Source<S>,
    name: &MailboxName,
    expected: u64,
) -> Result<(OpenFolder, UidSet), Trouble> {
    source.start_select(name).await?;
    let all = Which::Numbers { first: 1, last: None };
    if expected > 0 {
        source.start_fetch(&all, Asked::default()).await?;
    }
    let selected = source.selected().await;
    let mut uids = Vec::new();
    let mut open = expected > 0;
    while open {
        match source.next().await? {
            Event::Message(told) if told.uid != 0 => uids.push(told.uid),
            Event::Refused(reply) if reply.wait_s.is_some() => {
                return Err(Trouble::Rejected(reply));
            }
            // It is empty by now, of which some say that there is no message 1; or the server lists
            // nothing, and a search has to tell.
            Event::Done | Event::Refused(_) => open = false,
            Event::Message(_) | Event::Chunk(_) | Event::EndOfBody(_) | Event::Vanished(_) => {}
        }
    }
    if !uids.is_sorted() {
        uids.sort_unstable();
    }
    Ok((selected?, uids.into_iter().collect()))
}

/// What the journal and the failures know about the messages of a folder as it is numbered now.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Put at the destination by us.
    migrated: UidSet,
    /// There before.
    adopted: UidSet,
    /// Settled elsewhere.
    elsewhere: UidSet,
    /// Not arrived, or not whole.
    failed: UidSet,
    /// Messages brought by this sync point that have one place at the destination with another: no
    /// two may share one.
    shared: u64,
}

impl Known {
    /// Reads the journal of a folder.
    pub(crate) async fn read<H: Host, S: Store>(
        run: &Run<'_, H, S>,
        at: usize,
    ) -> Result<Known, Halt> {
        Known::of_journal(run.store(), run.id(), at, run.folder(at)?).await
    }

    /// Reads what the journal of this folder says.
    pub(crate) async fn of_journal(
        store: &impl Store,
        id: &MigrationId,
        at: usize,
        folder: &Folder,
    ) -> Result<Known, Halt> {
        let (mut migrated, mut adopted, mut elsewhere) = (Vec::new(), Vec::new(), Vec::new());
        // UIDs there and at the source.
        let mut places: Vec<(u32, u32)> = Vec::new();
        for number in 0..folder.segments {
            let segment = crate::mail::journals::segment_of(store, id, at, number).await?;
            if segment.source_uid_validity != folder.found.uid_validity {
                continue;
            }
            for entry in &segment.entries {
                let list = match (entry.destination_uid, entry.size, entry.origin) {
                    (0, 0, _) => &mut elsewhere,
                    (_, _, Origin::Copied) => &mut migrated,
                    (_, _, Origin::Adopted) => &mut adopted,
                };
                list.push(entry.source_uid);
            }
            if number >= folder.segments_before {
                let placed = segment.entries.iter().filter(|entry| entry.destination_uid != 0);
                places.extend(placed.map(|entry| (entry.destination_uid, entry.source_uid)));
            }
        }
        let set = |mut uids: Vec<u32>| -> UidSet {
            uids.sort_unstable();
            uids.dedup();
            uids.into_iter().collect()
        };
        Ok(Known {
            shared: shared(places),
            migrated: set(migrated),
            adopted: set(adopted),
            elsewhere: set(elsewhere),
            failed: folder.refused_uids.0.clone(),
        })
    }

    /// Which of these are known, in the order in which they count: what has a line in the failures
    /// is not told as arrived.
    fn lists(&self) -> [&UidSet; 4] {
        [&self.failed, &self.elsewhere, &self.migrated, &self.adopted]
    }

    /// Those of `uids` about which nothing is known.
    pub(crate) fn unknown(&self, uids: &UidSet) -> UidSet {
        self.lists().into_iter().fold(uids.clone(), |left, known| difference(&left, known))
    }

    /// How many of `uids` are what.
    fn sums(&self, uids: &UidSet) -> Sums {
        let mut left = uids.clone();
        let mut counts = [0; 4];
        for (count, known) in counts.iter_mut().zip(self.lists()) {
            let rest = difference(&left, known);
            *count = left.len() - rest.len();
            left = rest;
        }
        let [failed, elsewhere, migrated, adopted] = counts;
        Sums { source: uids.len(), migrated, adopted, elsewhere, left_out: 0, failed }
    }
}

/// How many messages have a place that another has too.
fn shared(mut places: Vec<(u32, u32)>) -> u64 {
    places.sort_unstable();
    places.dedup();
    let all = places.len();
    places.dedup_by_key(|(uid, _)| *uid);
    (all - places.len()) as u64
}

/// What is in `all` and not in `known`.
fn difference(all: &UidSet, known: &UidSet) -> UidSet {
    let mut left = UidSet::new();
    let mut others = known.ranges().peekable();
    for range in all.ranges() {
        let (mut first, last) = (*range.start(), *range.end());
        while let Some(other) = others.peek() {
            if *other.end() < first {
                others.next();
                continue;
            }
            if *other.start() > last {
                break;
            }
            if first < *other.start() {
                left.insert_range(first..=*other.start() - 1);
            }
            match other.end().checked_add(1) {
                Some(next) => first = next,
                None => return left,
            }
            if first > last {
                break;
            }
        }
        if first <= last {
            left.insert_range(first..=last);
        }
    }
    left
}

/// Brings what was missed, and says what each message of the source is; gives the number of messages
/// that share their place at the destination with another. The folder of the source is open, as
/// `listed` says.
pub(crate) async fn close<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    listed: &Listed,
) -> Result<u64, Halt> {
    let mut uids = listed.uids.clone();
    if run.cursor.retry {
        // What is new since is for the next synchronisation.
        let above = run.folder(at)?.done_uid.checked_add(1);
        uids = above.map_or(uids.clone(), |first| difference(&uids, &range(first, u32::MAX)));
    }
    let mut known = Known::read(run, at).await?;
    if ask_about(run, lines, at, known.unknown(&uids)).await? {
        known = Known::read(run, at).await?;
    }
    let comparing = run.folder(at)?.comparing.unwrap_or_default();
    let mut sums = known.sums(&uids);
    let mut rest = known.unknown(&uids).len();
    sums.left_out = comparing.left_out.min(rest);
    rest -= sums.left_out;
    let elsewhere = comparing.elsewhere.min(rest);
    sums.elsewhere += elsewhere;
    // What went away meanwhile is no message of the source.
    sums.source -= rest - elsewhere;
    sums.source += listed.uncounted;
    sums.failed += listed.uncounted;
    let found = run.folder(at)?.found;
    let is_told = |proof: Proof| proof.state == found && proof.uncounted == listed.uncounted;
    if listed.uncounted > 0 && !run.folder(at)?.proof.is_some_and(is_told) {
        let reason = format!(
            "The source counts {} messages more in this folder than it lists, whatever way it is \
             asked. Nobody can tell which they are.",
            listed.uncounted
        );
        let folder = run.folder_mut(at)?;
        folder.remark(reason.clone());
        let path = folder.source_path.clone();
        run.fail(failure_of(path, None, reason));
    }
    let folder = run.folder_mut(at)?;
    folder.proof = Some(Proof { state: folder.found, sums, uncounted: listed.uncounted });
    Ok(known.shared)
}

fn range(first: u32, last: u32) -> UidSet {
    let mut range = UidSet::new();
    range.insert_range(first..=last);
    range
}

/// Asks about messages that nothing is known about, from where an earlier slice came to. Whether
/// more is known of them now.
async fn ask_about<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    unknown: UidSet,
) -> Result<bool, Halt> {
    let mut known = bring(run, lines, at).await?;
    let asked_to = run.folder(at)?.comparing.unwrap_or_default().asked_to;
    let mut rest = difference(&unknown, &range(1, asked_to));
    while !rest.is_empty() {
        let some: UidSet = rest.iter().take(usize::try_from(AT_ONCE).unwrap_or(1)).collect();
        rest = difference(&rest, &some);
        known |= look_again(run, lines, at, some).await?;
        known |= bring(run, lines, at).await?;
        if run.check_budget().is_err() && !rest.is_empty() {
            run.progressed = true;
            run.checkpoint().await?;
            return Err(Halt::Budget);
        }
    }
    Ok(known)
}

/// Looks at messages that nothing is known about: left out by the owner, or missed, which are
/// written down to be brought. Whether more is known of them now.
async fn look_again<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    uids: UidSet,
) -> Result<bool, Halt> {
    let mut comparing = run.folder(at)?.comparing.unwrap_or_default();
    let options = run.migration.options.clone();
    let unlabelled_only = run.folder(at)?.unlabelled_only;
    let dates = options.since.is_some() || options.until.is_some();
    let wanted = Wanted { identity: true, unlabelled_only: false, dates };
    let rows = listing::of(&mut lines.source, uids.clone(), wanted).await.at(Side::Source)?;
    let there: UidSet = rows.iter().map(|message| message.uid).collect();
    let mut missed = rows;
    if unlabelled_only {
        let wanted = Wanted { identity: false, unlabelled_only, dates: false };
        let bare = listing::of(&mut lines.source, there.clone(), wanted).await;
        let bare: UidSet = bare.at(Side::Source)?.iter().map(|message| message.uid).collect();
        let labelled = missed.extract_if(.., |message| !bare.contains(message.uid));
        comparing.elsewhere += labelled.count() as u64;
    }
    let left_out = missed.extract_if(.., |message| is_left_out(&options, message));
    comparing.left_out += left_out.count() as u64;
    let told = untold(run, lines, at, &difference(&uids, &there)).await?;
    comparing.asked_to = uids.last().unwrap_or(u32::MAX);
    comparing.missed_to = 0;
    let folder = run.folder_mut(at)?;
    folder.missed_uids = Uids(missed.iter().map(|message| message.uid).collect());
    folder.comparing = Some(comparing);
    Ok(told)
}

/// Brings messages that the listing had left out, unless they are at the destination. Whether there
/// were any.
async fn bring<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
) -> Result<bool, Halt> {
    let missed = run.folder(at)?.missed_uids.0.clone();
    if missed.is_empty() {
        return Ok(false);
    }
    let tried_to = run.folder(at)?.comparing.unwrap_or_default().missed_to;
    let open = Known::read(run, at).await?.unknown(&missed);
    let open = difference(&open, &range(1, tried_to));
    if !open.is_empty() {
        let wanted = Wanted { identity: true, unlabelled_only: false, dates: false };
        let rows = listing::of(&mut lines.source, open, wanted).await.at(Side::Source)?;
        let standing = crate::mail::adopt::look(run, lines, at).await?;
        let (rows, _) = match standing {
            Some(mut standing) => adopt(run, lines, at, rows, &mut standing).await?,
            None => (rows, Vec::new()),
        };
        lines.destination.unselect().await.at(Side::Destination)?;
        batches(run, lines, at, rows, None).await?;
    }
    // What did not come although it is there was given up; what is gone is gone.
    let rest = Known::read(run, at).await?.unknown(&missed);
    untold(run, lines, at, &rest).await?;
    run.folder_mut(at)?.missed_uids = Uids::default();
    Ok(true)
}

async fn adopt<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    missed: Vec<Message>,
    standing: &mut Standing,
) -> Result<(Vec<Message>, Vec<Message>), Halt> {
    let done = adopted(run, lines, at, missed, standing).await?;
    run.checkpoint().await?;
    Ok(done)
}

/// Messages that the source counts among its own, lists or finds, and neither describes nor delivers.
/// Whether there are any.
async fn untold<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    uids: &UidSet,
) -> Result<bool, Halt> {
    if uids.is_empty() {
        return Ok(false);
    }
    // Gone is only what neither a listing nor a search has any more.
    let bare = Wanted { identity: false, unlabelled_only: false, dates: false };
    let listed = listing::of(&mut lines.source, uids.clone(), bare).await.at(Side::Source)?;
    let mut there = lines.source.present(uids).await.at(Side::Source)?;
    listed.iter().for_each(|message| there.insert(message.uid));
    let Some(date) = mailbox::InternalDate::new(0, 0) else { return Ok(false) };
    for (number, uid) in there.iter().filter(|uid| uids.contains(*uid)).enumerate() {
        let message = Message { uid, size: 0, date, flags: mailbox::Flags::new(), identity: 0 };
        if number >= LINES_MAX {
            run.folder_mut(at)?.refused_uids.0.insert(uid);
            continue;
        }
        let reason = format!(
            "The source counts this message (UID {uid}) but does not tell what it is, nor deliver \
             it."
        );
        lost(run, at, &message, FailureCode::Unreadable, reason, &[])?;
    }
    Ok(!there.is_empty())
}

/// Makes the counters of the run say what the proofs of all folders say together, so that each
/// message of the source is in one of them.
pub(crate) fn meet<H: Host, S: Store>(run: &mut Run<'_, H, S>) {
    if run.cursor.retry {
        return;
    }
    let (mut source, mut left_out, mut failed) = (0u64, 0, 0);
    for folder in run.folders.iter().filter(|folder| folder.listed) {
        match folder.proof {
            Some(Proof { sums, .. }) => {
                source += sums.source;
                left_out += sums.left_out;
                failed += sums.failed;
            }
            // It could not be made at the destination, so nothing of it arrived.
            None => {
                source += folder.found.messages;
                failed += folder.found.messages;
            }
        }
    }
    let mail = run.counters(ITEM);
    (mail.left_out, mail.failed) = (left_out, failed);
    mail.migrated = mail.migrated.min(source.max(mail.total).saturating_sub(left_out + failed));
    mail.total = mail.total.max(source).max(mail.migrated + left_out + failed);
    // There before, brought by an earlier run, or gone before it was reached.
    mail.skipped = mail.total - mail.migrated - left_out - failed;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences() {
        let set = |text: &str| UidSet::parse(text.as_bytes()).unwrap_or_default();
        for (all, known, left) in [
            ("1:10", "3:4,7", "1:2,5:6,8:10"),
            ("1:10", "", "1:10"),
            ("", "1:3", ""),
            ("1:3,5:9", "2:6", "1,7:9"),
            ("1:3", "1:3", ""),
            ("5", "1:4,6:9", "5"),
            ("4294967290:4294967295", "4294967295", "4294967290:4294967294"),
            ("4294967290:4294967295", "4294967291:4294967295", "4294967290"),
            ("1,3,5,7", "1:3,7:9", "5"),
        ] {
            assert_eq!(difference(&set(all), &set(known)).to_string(), left, "{all} - {known}");
        }
    }

    #[test]
    fn each_message_counts_once() {
        let set = |text: &str| UidSet::parse(text.as_bytes()).unwrap_or_default();
        let known = Known {
            shared: 0,
            migrated: set("1:6"),
            adopted: set("6:7"),
            elsewhere: set("5"),
            failed: set("1,9"),
        };
        let sums = known.sums(&set("1:10"));
        let counts = (sums.migrated, sums.adopted, sums.elsewhere, sums.failed);
        assert_eq!((sums.source, counts), (10, (4, 1, 1, 2)));
        assert_eq!(known.unknown(&set("1:10")).to_string(), "8,10");
    }
}
