//! Compares what a journal says was put into a folder of the destination with what stands there:
//! size, internal date and Message-ID of every message, window by window.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ledger::Message;
use ledger::fold::{Key, Ledger, Row, Windows};
use ledger::folder::Comparing;
use ledger::journal::{Entry, Origin};
use mailbox::{MailboxName, UidSet};
use services::mail::{Asked, Event, Fetch, MailDestination, MailService, Which};
use services::{Destination, Side, Trouble};
use store::Store;
use wire::Stream;

use crate::login;
use crate::mail::failures::failure_of;
use crate::mail::reading::imap_set_octets;
use crate::mail::{listing, pairing, windows};
use crate::run::Run;
use crate::trouble::{At, Halt};
use crate::world::Host;

/// Lines in the failures about messages of one folder that differ; the rest is told by number.
pub(crate) const LINES_MAX: u64 = 100;
/// Messages of one folder that are read back where the destination says that they are smaller than
/// what was sent: a size may be an estimate, octets are not.
const READ_BACK_MAX: u64 = if cfg!(test) { 20 } else { 1_000 };

/// How a message is not what was put there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Missing,
    /// The destination does not tell.
    Untold,
    Smaller {
        octets: u64,
    },
    OtherMessage,
}

/// What one window says.
#[derive(Debug, Default)]
struct Window {
    wrong: Vec<(Entry, Wrong)>,
    /// Said to be smaller than what was sent; by their UID there.
    suspicious: BTreeMap<u32, Entry>,
}

/// What the destination says about the folder.
enum Opened {
    /// Its answer was not read so far.
    Asked,
    /// UIDVALIDITY.
    As(u32),
    /// It is not there.
    Absent,
}

/// How often a destination is asked that refuses to tell about messages, before that is written down
/// as it is.
const TRIES_MAX: u32 = 3;

/// Looks for the messages of these segments at the destination, from where it was left. What was
/// found is in the folder's [`Comparing`].
pub(crate) async fn compare<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    session: &mut Destination<login::Line<H>>,
    at: usize,
    segments: Range<u32>,
) -> Result<(), Halt> {
    let mut comparing = run.folder(at)?.comparing.unwrap_or_default();
    let name = run.folder(at)?.destination.mailbox();
    let mut opened = None;
    // What was brought while the source was asked comes behind what was compared before.
    while comparing.from < segments.end {
        comparing.from = comparing.from.max(segments.start);
        if comparing.to <= comparing.from {
            (comparing.to, comparing.after) = (segments.end, (0, 0));
        }
        if opened.is_none() {
            // Not waited for: the first question about messages goes along.
            session.start_select(&name).await.at(Side::Destination)?;
        }
        let opened = opened.get_or_insert(Opened::Asked);
        through(run, session, at, (&name, opened), &mut comparing).await?;
        (comparing.from, comparing.after) = (comparing.to, (0, 0));
        run.folder_mut(at)?.comparing = Some(comparing);
    }
    if matches!(opened, Some(Opened::Asked)) {
        let answer = session.selected().await;
        session.or_absent(&name, answer).await.at(Side::Destination)?;
    }
    Ok(())
}

/// Compares the segments that are being compared.
async fn through<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    session: &mut Destination<login::Line<H>>,
    at: usize,
    (name, opened): (&MailboxName, &mut Opened),
    comparing: &mut Comparing,
) -> Result<(), Halt> {
    let patient = run.cursor.attempts < TRIES_MAX;
    let of = |run: &Run<'_, H, S>| {
        windows::of(run.id(), at, comparing.to).since_segment(comparing.from).with_unplaced()
    };
    let facts = session.facts();
    let mut windows = of(run).after(comparing.after);
    // UIDs there that were counted, since a message may have two entries.
    let mut counted = counted(run, of(run), comparing.after).await?;
    while let Some(ledger) = windows.next(run.store()).await? {
        let mut window = Window::default();
        let told = there(session, (name, opened), &ledger.rows, patient).await;
        let told = told.at(Side::Destination)?;
        let counts = (&mut counted, &mut *comparing);
        look(session, (&ledger, opened), &told, counts, &mut window).await?;
        if !window.suspicious.is_empty() {
            let changes = facts.rewrites_messages || facts.size_is_estimate;
            let read = read_back(session, changes, comparing, &mut window).await;
            read.at(Side::Destination)?;
        }
        write_down(run, at, &window.wrong)?;
        comparing.after = ledger.last;
        run.folder_mut(at)?.comparing = Some(*comparing);
        if run.check_budget().is_err() {
            run.progressed = true;
            run.checkpoint().await?;
            return Err(Halt::Budget);
        }
    }
    Ok(())
}

/// What was counted up to a key, in an earlier slice.
async fn counted<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    windows: Windows,
    after: Key,
) -> Result<UidSet, Halt> {
    let mut uids = UidSet::new();
    let mut windows = windows.until(after);
    while let Some(ledger) = windows.next(run.store()).await? {
        ledger.rows.iter().for_each(|row| uids.insert(row.entry.destination_uid));
    }
    Ok(uids)
}

/// What the destination tells.
#[derive(Default)]
struct Told {
    rows: BTreeMap<u32, Message>,
    /// It refused to tell about some.
    refused: bool,
}

/// The destination's own word on these messages. One that refuses is asked again later as long as we
/// are `patient`.
async fn there<S: Stream>(
    session: &mut Destination<S>,
    (name, opened): (&MailboxName, &mut Opened),
    rows: &[Row],
    patient: bool,
) -> Result<Told, Trouble> {
    let mut uids: Vec<u32> = rows.iter().map(|row| row.entry.destination_uid).collect();
    uids.retain(|uid| *uid != 0);
    uids.sort_unstable();
    let uids: UidSet = uids.into_iter().collect();
    let mut told = Told::default();
    for piece in uids.pieces(imap_set_octets()) {
        if matches!(opened, Opened::Absent) {
            break;
        }
        crate::mail::reading::ask(session, &Which::Uids(piece)).await?;
        let answer = match opened {
            Opened::Asked => Some(session.selected().await),
            Opened::As(_) | Opened::Absent => None,
        };
        // The answer is taken in any case, so that nothing is left on the line.
        let rows = crate::mail::reading::read(session, |row| uids.contains(row.uid)).await;
        if let Some(answer) = answer {
            match session.or_absent(name, answer).await? {
                Some(selected) => *opened = Opened::As(selected.uid_validity),
                None => {
                    *opened = Opened::Absent;
                    break;
                }
            }
        }
        match rows {
            Err(Trouble::Rejected(reply)) if !patient && reply.wait_s.is_none() => {
                told.refused = true;
            }
            rows => told.rows.extend(rows?.into_iter().map(|row| (row.uid, row))),
        }
    }
    Ok(told)
}

/// Compares one window.
async fn look<T: Stream>(
    session: &mut Destination<T>,
    (ledger, opened): (&Ledger, &Opened),
    told: &Told,
    (counted, comparing): (&mut UidSet, &mut Comparing),
    window: &mut Window,
) -> Result<(), Halt> {
    let validity = match opened {
        Opened::As(validity) => *validity,
        Opened::Asked | Opened::Absent => 0,
    };
    let same = |row: &&Row| {
        let known = row.destination_uid_validity;
        known == 0 || validity == 0 || known == validity
    };
    let (current, former): (Vec<&Row>, Vec<&Row>) = ledger.rows.iter().partition(same);
    let missing = if told.refused { Wrong::Untold } else { Wrong::Missing };
    for row in current {
        let found = told.rows.get(&row.entry.destination_uid).ok_or(missing);
        window.one(&row.entry, found, (counted, comparing));
    }
    if !former.is_empty() {
        for (entry, found) in recognised(session, &former, counted).await.at(Side::Destination)? {
            window.one(&entry, found.as_ref().ok_or(Wrong::Missing), (counted, comparing));
        }
    }
    Ok(())
}

impl Window {
    /// Counts a message, and what of it differs.
    fn one(
        &mut self,
        entry: &Entry,
        row: Result<&Message, Wrong>,
        (counted, comparing): (&mut UidSet, &mut Comparing),
    ) {
        let row = match row {
            Ok(row) => row,
            Err(wrong) => {
                comparing.missing += 1;
                self.wrong(entry, wrong, comparing);
                return;
            }
        };
        if counted.contains(row.uid) {
            return;
        }
        counted.insert(row.uid);
        comparing.messages += 1;
        comparing.bytes += row.size;
        if row.identity != entry.identity {
            comparing.other += 1;
            self.wrong(entry, Wrong::OtherMessage, comparing);
        } else if entry.origin == Origin::Copied {
            if row.size < entry.size {
                self.suspicious.insert(row.uid, entry.clone());
            }
            comparing.larger += u64::from(row.size > entry.size);
            comparing.date += u64::from(row.date.unix_s() != entry.date.unix_s());
        }
    }

    /// Keeps what is to have a line of its own.
    fn wrong(&mut self, entry: &Entry, wrong: Wrong, comparing: &mut Comparing) {
        if comparing.lines < LINES_MAX {
            comparing.lines += 1;
            self.wrong.push((entry.clone(), wrong));
        }
    }
}

/// Entries of a folder that the destination numbered anew, with the messages they are now.
async fn recognised<S: Stream>(
    session: &mut Destination<S>,
    rows: &[&Row],
    counted: &UidSet,
) -> Result<Vec<(Entry, Option<Message>)>, Trouble> {
    let sent: Vec<Message> = rows.iter().map(|row| row.entry.message()).collect();
    let identities: BTreeSet<u64> = sent.iter().map(|message| message.identity).collect();
    let wanted = |row: &listing::Row| !counted.contains(row.uid) && row.may_be_of(&identities);
    let there = crate::mail::reading::list(session, &Which::UidsFrom(1), wanted).await?;
    let any_size = session.facts().size_is_estimate;
    let pairing::Pairing { mut found, doubtful } = pairing::pair(&sent, there, any_size);
    for doubt in doubtful {
        for (place, row) in doubt.sent.into_iter().zip(doubt.there) {
            if let Some(slot) = found.get_mut(place) {
                *slot = Some(row);
            }
        }
    }
    Ok(rows.iter().map(|row| row.entry.clone()).zip(found).collect())
}

/// Counts the octets of messages that the destination says are smaller than what was sent.
/// `changes` says that it is known to store messages otherwise than they were sent.
async fn read_back(
    session: &mut impl Fetch,
    changes: bool,
    comparing: &mut Comparing,
    window: &mut Window,
) -> Result<(), Trouble> {
    let suspicious = std::mem::take(&mut window.suspicious);
    let room = READ_BACK_MAX.saturating_sub(comparing.read_back);
    let some = suspicious.keys().copied().take(usize::try_from(room).unwrap_or(0));
    let some: UidSet = some.collect();
    let octets = octets(session, &some).await?;
    for (uid, entry) in suspicious {
        if !some.contains(uid) {
            comparing.unread += 1;
            continue;
        }
        comparing.read_back += 1;
        match octets.get(&uid) {
            Some(octets) if *octets < entry.size && changes => comparing.unread += 1,
            Some(octets) if *octets < entry.size => {
                comparing.smaller += 1;
                window.wrong(&entry, Wrong::Smaller { octets: *octets }, comparing);
            }
            Some(_) => {}
            None => {
                comparing.missing += 1;
                window.wrong(&entry, Wrong::Missing, comparing);
            }
        }
    }
    Ok(())
}

/// Octets of each of these messages in the open folder, as they are delivered.
async fn octets(session: &mut impl Fetch, uids: &UidSet) -> Result<BTreeMap<u32, u64>, Trouble> {
    let mut found = BTreeMap::new();
    for piece in uids.pieces(imap_set_octets()) {
        let items = Asked { body: true, ..Asked::default() };
        session.start_fetch(&Which::Uids(piece), items).await?;
        let (mut uid, mut octets) = (0, 0);
        loop {
            match session.next().await? {
                Event::Message(row) => (uid, octets) = (row.uid, row.body.unwrap_or(0)),
                Event::EndOfBody(later) => {
                    found.insert(if uid == 0 { later.uid } else { uid }, octets);
                }
                Event::Done => break,
                Event::Refused(reply) => return Err(Trouble::Rejected(reply)),
                Event::Chunk(_) | Event::Vanished(_) => {}
            }
        }
    }
    Ok(found)
}

/// A line in the failures for each message that is wrong, as long as they are not too many.
fn write_down<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    wrong: &[(Entry, Wrong)],
) -> Result<(), Halt> {
    let path = run.folder(at)?.source_path.clone();
    for (entry, wrong) in wrong {
        run.fail(failure_of(path.clone(), Some(entry), wrong.sentence(entry)));
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
            Wrong::Untold => {
                "The destination had taken this message, and refuses to tell whether it has it."
                    .to_owned()
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
