//! Compares: every message that this sync point says it put there is looked for at the
//! destination, with size, internal date and Message-ID, while the source is asked what it has
//! ([`proof`]). The verdict is in the report.

use std::collections::BTreeMap;

use futures::join;
use imap::{FetchEvent, FetchItems, Mode, Sequence, Session, UidSet};
use model::{Failure, FailureCode, Item, Phase, Sums, Timestamp, Verdict};
use store::Store;
use wire::Stream;

use crate::adopt::{self, imap_set_octets};
use crate::cursor::{Message, Proof, Verified};
use crate::journal::{Entry, Origin, Segment};
use crate::run::Run;
use crate::slice::Lines;
use crate::trouble::{At, Halt, Side, Trouble};
use crate::world::Host;
use crate::{pairing, proof, reconcile, renumbered};

/// Segments compared in one go: up to 10,000 messages.
const SEGMENTS_AT_ONCE: usize = 20;
/// Lines in the failures about messages of one folder that differ; the rest is told by number.
const LINES_MAX: usize = 100;
/// Messages of one folder that are read back where the destination says that they are smaller than
/// what was sent: a size may be an estimate, octets are not.
const READ_BACK_MAX: usize = 1_000;
/// How often a folder that the source numbers anew again and again is begun anew in one run.
const RENUMBERED_MAX: u32 = 3;

/// How a message is not what was put there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Missing,
    Smaller { octets: u64 },
    OtherMessage,
}

/// What differs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Differences {
    wrong: Vec<(Entry, Wrong)>,
    /// Larger than what was sent: servers add what they find useful.
    larger: u64,
    date: u64,
    /// Said to be smaller than what was sent, and not looked into yet; by their UID there.
    suspicious: BTreeMap<u32, Entry>,
}

/// What was found of this sync point's messages.
#[derive(Debug, Default)]
struct Looked {
    messages: u64,
    bytes: u64,
    differences: Differences,
    /// UIDs there that were counted, since a message may have two entries.
    counted: UidSet,
    /// UIDs there and at the source, of messages as the source numbers them now: no two may share
    /// one.
    places: Vec<(u32, u32)>,
}

/// The phase.
pub(crate) async fn verify<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
) -> Result<(), Halt> {
    run.migration.folder = None;
    while let Some(at) = usize::try_from(run.cursor.at).ok().filter(|at| *at < run.folders.len()) {
        if run.folder(at)?.listed {
            verify_folder(run, lines, at).await?;
        }
        run.cursor.at += 1;
        if run.check_budget().is_err() {
            run.checkpoint().await?;
            return Err(Halt::Budget);
        }
    }
    proof::meet(run);
    run.enter(Phase::Finished);
    run.checkpoint().await
}

async fn verify_folder<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
) -> Result<(), Halt> {
    let folder = run.folder(at)?;
    if !folder.exists || folder.refused {
        // Nothing of it could be put there; or the user took it away, with all that was there.
        let lost = folder.refused || folder.counts.failed >= folder.found.messages.max(1);
        let source = folder.found.messages;
        let sums = match lost {
            true => Sums { source, failed: source, ..Sums::default() },
            false => Sums { source, elsewhere: source, ..Sums::default() },
        };
        let state = folder.found;
        run.folder_mut(at)?.proof = Some(Proof { state, sums, uncounted: 0 });
        return conclude(run, at, Looked::default());
    }
    let fresh = folder.segments_before..folder.segments;
    let proved = folder.proof.is_some_and(|proof| proof.state == folder.found);
    if proved && fresh.is_empty() && !run.cursor.retry {
        return conclude(run, at, Looked::default());
    }
    if renumbered::is_given_up(folder) {
        return conclude(run, at, Looked::default());
    }
    let (name, messages) = (folder.source.mailbox(), folder.found.messages);
    let mut looked = Looked::default();
    let Lines { source, destination, .. } = lines;
    // Neither side waits for the other.
    let (listed, seen) = join!(
        async { proof::ask(source, &name, messages).await.at(Side::Source) },
        look(run, destination, at, fresh.clone(), &mut looked),
    );
    seen?;
    let listed = listed?;
    if renumbered::is(run.folder(at)?, &listed.selected) {
        if run.folder(at)?.renumbered < RENUMBERED_MAX {
            renumbered::begin_anew(run, at, &listed.selected)?;
            run.enter(Phase::Mail);
            run.checkpoint().await?;
            return Err(Halt::Budget);
        }
        renumbered::give_up(run, at)?;
        return conclude(run, at, looked);
    }
    proof::close(run, lines, at, &listed).await?;
    let later = fresh.end..run.folder(at)?.segments;
    look(run, &mut lines.destination, at, later, &mut looked).await?;
    read_back(run, lines, at, &mut looked).await?;
    conclude(run, at, looked)
}

/// Looks for the messages of these segments at the destination.
async fn look<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    session: &mut Session<crate::login::Line<H>>,
    at: usize,
    fresh: std::ops::Range<u32>,
    looked: &mut Looked,
) -> Result<(), Halt> {
    let name = run.folder(at)?.destination.mailbox();
    if fresh.is_empty() {
        return Ok(());
    }
    // Not waited for: the first question about messages goes along.
    session.start_select(&name, Mode::ReadOnly).await.at(Side::Destination)?;
    let mut opened = Opened::Asked;
    for first in fresh.clone().step_by(SEGMENTS_AT_ONCE) {
        let mut some = Vec::new();
        for number in (first..fresh.end).take(SEGMENTS_AT_ONCE) {
            some.push(reconcile::segment(run, at, number).await?);
        }
        let there = match there(session, &some, &mut opened).await {
            // The folder is gone: everything in it is missing.
            Err(imap::Error::Refused(_)) => BTreeMap::new(),
            other => other.at(Side::Destination)?,
        };
        let validity = match opened {
            Opened::As(validity) => validity,
            Opened::Asked => 0,
        };
        let same = |one: &Segment| {
            let known = one.destination_uid_validity;
            known == 0 || validity == 0 || known == validity
        };
        let (current, former): (Vec<Segment>, Vec<Segment>) = some.into_iter().partition(same);
        compare(&current, &there, looked);
        let numbered = run.folder(at)?.found.uid_validity;
        for segment in current.iter().filter(|it| it.source_uid_validity == numbered) {
            let placed = segment.entries.iter().filter(|entry| entry.destination_uid != 0);
            looked.places.extend(placed.map(|it| (it.destination_uid, it.source_uid)));
        }
        if !former.is_empty() {
            let moved = recognised(session, &former).await.at(Side::Destination)?;
            looked.take(&moved);
        }
    }
    if matches!(opened, Opened::Asked) {
        session.selected().await.at(Side::Destination)?;
    }
    Ok(())
}

/// Whether the answer to SELECT was read.
enum Opened {
    Asked,
    /// UIDVALIDITY.
    As(u32),
}

/// The destination's own word on these messages.
async fn there<S: Stream>(
    session: &mut Session<S>,
    segments: &[Segment],
    opened: &mut Opened,
) -> Result<BTreeMap<u32, Message>, imap::Error> {
    let entries = segments.iter().flat_map(|segment| &segment.entries);
    let uids: UidSet = entries.map(|entry| entry.destination_uid).filter(|uid| *uid != 0).collect();
    let mut found = BTreeMap::new();
    for piece in uids.pieces(imap_set_octets()) {
        let sequence = Sequence::Uids(piece);
        adopt::ask(session, &sequence).await?;
        let selected = match opened {
            Opened::Asked => session.selected().await.map(|selected| selected.uid_validity),
            Opened::As(validity) => Ok(*validity),
        };
        // The answer is taken in any case, so that nothing is left on the line.
        let rows = adopt::read(session).await;
        *opened = Opened::As(*selected.as_ref().unwrap_or(&0));
        selected?;
        let rows = rows?;
        found.extend(rows.into_iter().map(|row| (row.uid, row)));
    }
    Ok(found)
}

/// Whether an entry says that a message is here, and not that it is no longer.
fn is_here(entry: &Entry) -> bool {
    entry.destination_uid != 0 || entry.size != 0
}

/// Counts what is there, and what differs.
fn compare(segments: &[Segment], there: &BTreeMap<u32, Message>, looked: &mut Looked) {
    let entries = segments.iter().flat_map(|segment| &segment.entries);
    for entry in entries.filter(|entry| is_here(entry)) {
        looked.one(entry, there.get(&entry.destination_uid));
    }
}

impl Looked {
    fn one(&mut self, entry: &Entry, row: Option<&Message>) {
        let wrong = &mut self.differences.wrong;
        let Some(row) = row else {
            wrong.push((entry.clone(), Wrong::Missing));
            return;
        };
        if self.counted.contains(row.uid) {
            return;
        }
        self.counted.insert(row.uid);
        self.messages += 1;
        self.bytes += row.size;
        if row.identity != entry.identity {
            wrong.push((entry.clone(), Wrong::OtherMessage));
        } else if entry.origin == Origin::Copied {
            if row.size < entry.size {
                self.differences.suspicious.insert(row.uid, entry.clone());
            }
            self.differences.larger += u64::from(row.size > entry.size);
            self.differences.date += u64::from(row.date.unix_s() != entry.date.unix_s());
        }
    }

    fn take(&mut self, pairs: &[(Entry, Option<Message>)]) {
        for (entry, row) in pairs {
            self.one(entry, row.as_ref());
        }
    }
}

/// Entries of a folder that the destination numbered anew, with the messages they are now.
async fn recognised<S: Stream>(
    session: &mut Session<S>,
    segments: &[Segment],
) -> Result<Vec<(Entry, Option<Message>)>, imap::Error> {
    let entries = segments.iter().flat_map(|segment| &segment.entries);
    let entries: Vec<&Entry> = entries.filter(|entry| is_here(entry)).collect();
    let sent: Vec<Message> = entries.iter().map(|entry| entry.message()).collect();
    let rows = adopt::list(session, &Sequence::UidsFrom(1)).await?;
    let any_size = session.quirks().size_is_estimate;
    let pairing::Pairing { mut found, doubtful } = pairing::pair(&sent, rows, any_size);
    for doubt in doubtful {
        for (place, row) in doubt.sent.into_iter().zip(doubt.there) {
            if let Some(slot) = found.get_mut(place) {
                *slot = Some(row);
            }
        }
    }
    Ok(entries.into_iter().cloned().zip(found).collect())
}

/// Counts the octets of messages that the destination says are smaller than what was sent.
async fn read_back<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    looked: &mut Looked,
) -> Result<(), Halt> {
    let suspicious = std::mem::take(&mut looked.differences.suspicious);
    if suspicious.is_empty() {
        return Ok(());
    }
    let quirks = lines.destination.quirks();
    let name = run.folder(at)?.destination.mailbox();
    let all = suspicious.len();
    let some: UidSet = suspicious.keys().copied().take(READ_BACK_MAX).collect();
    lines.destination.select(&name, Mode::ReadOnly).await.at(Side::Destination)?;
    let octets = octets(&mut lines.destination, &some).await.at(Side::Destination)?;
    lines.destination.unselect().await.at(Side::Destination)?;
    let mut smaller = Vec::new();
    for (uid, entry) in suspicious {
        match octets.get(&uid) {
            Some(octets) if *octets < entry.size => {
                smaller.push((entry, Wrong::Smaller { octets: *octets }));
            }
            Some(_) => {}
            None if some.contains(uid) => smaller.push((entry, Wrong::Missing)),
            // One like those that were read.
            None => smaller.push((entry, Wrong::Smaller { octets: 0 })),
        }
    }
    let server = quirks.server;
    let changes = quirks.rewrites_messages || quirks.size_is_estimate;
    if changes || (all > READ_BACK_MAX && smaller.len() == all - READ_BACK_MAX) {
        run.folder_mut(at)?.remark(format!(
            "The destination ({server}) tells other sizes than those of what it was sent, so that \
             sizes were not compared."
        ));
        smaller.retain(|(_, wrong)| *wrong == Wrong::Missing);
    }
    looked.differences.wrong.extend(smaller);
    Ok(())
}

/// Octets of each of these messages in the open folder, as they are delivered.
async fn octets<S: Stream>(
    session: &mut Session<S>,
    uids: &UidSet,
) -> Result<BTreeMap<u32, u64>, Trouble> {
    let mut found = BTreeMap::new();
    for piece in uids.pieces(imap_set_octets()) {
        let items = FetchItems { body: true, ..FetchItems::default() };
        session.start_fetch(&Sequence::Uids(piece), items).await?;
        let (mut uid, mut octets) = (0, 0);
        loop {
            match session.next().await? {
                FetchEvent::Message(row) => (uid, octets) = (row.uid, row.body.unwrap_or(0)),
                FetchEvent::EndOfBody(later) => {
                    found.insert(if uid == 0 { later.uid } else { uid }, octets);
                }
                FetchEvent::Done => break,
                FetchEvent::Refused(reply) => return Err(imap::Error::Refused(reply).into()),
                FetchEvent::Chunk(_) | FetchEvent::Vanished(_) => {}
            }
        }
    }
    Ok(found)
}

fn conclude<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    looked: Looked,
) -> Result<(), Halt> {
    let Looked { messages, bytes, differences, mut places, .. } = looked;
    places.sort_unstable();
    places.dedup();
    let all = places.len();
    places.dedup_by_key(|(uid, _)| *uid);
    let shared = (all - places.len()) as u64;
    if shared > 0 {
        let reason = format!(
            "{shared} messages of this folder are at the destination only once with another of the \
             same Message-ID."
        );
        let path = run.folder(at)?.source_path.clone();
        run.fail(failure_of(path, None, reason));
    }
    let wrong = differences.wrong.len() as u64 + shared;
    let folder = run.folder_mut(at)?;
    if let Some(proof) = &mut folder.proof {
        // What was put there and does not stand there is not migrated.
        let moved = wrong.min(proof.sums.migrated + proof.sums.adopted);
        let of_ours = moved.min(proof.sums.migrated);
        proof.sums.migrated -= of_ours;
        proof.sums.adopted -= moved - of_ours;
        proof.sums.failed += moved;
    }
    let failed = folder.counts.failed.max(folder.proof.map_or(0, |proof| proof.sums.failed));
    let unknown = folder.proof.is_none();
    let unmet = folder.proof.is_some_and(|proof| proof.uncounted > 0 || !proof.sums.meet());
    let serious = wrong > 0 || unknown || unmet;
    let kept = folder.verified.is_some_and(|before| before.verdict == Verdict::Differs);
    let verdict = match (serious || kept, failed, folder.refused) {
        (true, ..) => Verdict::Differs,
        (false, 0, false) => Verdict::Complete,
        (false, ..) => Verdict::CompleteButFailures,
    };
    let old = folder.verified.unwrap_or(Verified { messages: 0, bytes: 0, verdict });
    let (messages, bytes) = (old.messages + messages, old.bytes + bytes);
    folder.verified = Some(Verified { messages, bytes, verdict });
    tell(run, at, &differences)
}

/// Writes down what differs: a line each, as long as they are not too many, and a remark.
fn tell<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    differences: &Differences,
) -> Result<(), Halt> {
    let Differences { wrong, larger, date, .. } = differences;
    if wrong.is_empty() && *larger == 0 && *date == 0 {
        return Ok(());
    }
    let count = |is: &dyn Fn(&Wrong) -> bool| wrong.iter().filter(|(_, one)| is(one)).count();
    let missing = count(&|one| *one == Wrong::Missing);
    let other = count(&|one| *one == Wrong::OtherMessage);
    let smaller = wrong.len() - missing - other;
    let folder = run.folder_mut(at)?;
    let (path, text) = (folder.source_path.clone(), folder.destination_path.clone());
    folder.remark(format!(
        "The destination's folder {text} differs: {missing} messages are missing, {other} have \
         another Message-ID, {smaller} are smaller than what was sent, {larger} larger, {date} have \
         another date."
    ));
    for (entry, wrong) in wrong.iter().take(LINES_MAX) {
        let reason = wrong.sentence(entry);
        run.fail(failure_of(path.clone(), Some(entry), reason));
    }
    if let Some(rest) = wrong.len().checked_sub(LINES_MAX).filter(|rest| *rest > 0) {
        let reason = format!("{rest} further messages of this folder differ in the same ways.");
        run.fail(failure_of(path, None, reason));
    }
    Ok(())
}

impl Wrong {
    fn sentence(self, entry: &Entry) -> String {
        let size = entry.size;
        match self {
            Wrong::Missing => {
                "The destination had taken this message, and does not have it.".to_owned()
            }
            Wrong::Smaller { octets: 0 } => {
                format!(
                    "The destination says that it has less of this message than the {size} octets sent."
                )
            }
            Wrong::Smaller { octets } => format!(
                "The destination was sent {size} octets of this message and has {octets} of them."
            ),
            Wrong::OtherMessage => {
                "Where the destination had put this message, another one stands.".to_owned()
            }
        }
    }
}

pub(crate) fn failure_of(folder: String, entry: Option<&Entry>, reason: String) -> Failure {
    let date = entry.map(|entry| {
        let seconds = u64::try_from(entry.date.unix_s()).unwrap_or(0);
        Timestamp(seconds.saturating_mul(1000)).rfc3339()
    });
    Failure {
        item: Item::Mail,
        folder,
        subject: String::new(),
        date,
        size_bytes: entry.map_or(0, |entry| entry.size),
        code: FailureCode::Differs,
        reason,
    }
}
