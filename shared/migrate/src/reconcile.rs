//! Resolves what an interrupted batch may have left: looks before it sends again.

use std::collections::{BTreeMap, BTreeSet};

use ledger::Message;
use ledger::journal::{Entry, Intention, Segment};
use mailbox::header::{self, Header, HeaderReader};
use mailbox::{InternalDate, MailboxName, UidSet};
use model::{FailureCode, MigrationId, Phase};
use services::mail::{
    Asked, Event, Fetch, MailDestination, MailService, MailSource, OpenFolder, Which,
};
use services::{Destination, Side, Source, Trouble};
use store::{Store, keys};
use wire::Stream;

use crate::adopt::{self, digests, imap_set_octets};
use crate::attempt::attempt;
use crate::pairing::{self, Doubt, Pairing};
use crate::run::Run;
use crate::settle::{lost, settle};
use crate::slice::Lines;
use crate::transfer::{Fate, ask};
use crate::trouble::{At, Halt};
use crate::world::Host;
use crate::{listing, renumbered};

/// A server that we died on may still be storing what it had received. It is looked at until it
/// shows everything, or for this long since we came back; slow servers get longer (`slowest_ms`).
const GRACE_MS: u64 = 2_000;
/// The longest such wait.
const GRACE_MAX_MS: u64 = 30_000;
/// Between two looks.
const LOOK_MS: u64 = 250;
/// After this many tries of a batch its messages go one by one, and after as many of one message
/// it is left out: something about it breaks the connection.
const TRIES_MAX: u32 = 3;

/// Resolves the stored intention, if there is one. Afterwards nothing is in doubt.
pub(crate) async fn reconcile<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
) -> Result<(), Halt> {
    let key = keys::intention(run.id());
    let Some(bytes) = run.store().get(&key).await?.filter(|bytes| !bytes.is_empty()) else {
        return Ok(());
    };
    let mut intention = Intention::decode(&key, &bytes)?;
    let at = usize::try_from(intention.folder).unwrap_or(usize::MAX);
    let source = run.folder(at)?.source.mailbox();
    let selected = lines.source.select(&source).await.at(Side::Source)?;
    let (then, now) = (intention.batch.source_uid_validity, selected.uid_validity);
    if renumbered::is(run.folder(at)?, &selected) || (then != 0 && now != 0 && then != now) {
        return begin_anew(run, at, &selected).await;
    }
    if intention.sent > 0 {
        find_sent(run, lines, at, &mut intention).await?;
    }
    while !intention.batch.entries.is_empty() {
        again(run, lines, at, &mut intention).await?;
        run.check_budget()?;
    }
    Ok(())
}

/// Takes back that a batch was tried, where it was dropped in the middle for no fault of its own.
pub(crate) async fn forgive<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
) -> Result<(), store::Error> {
    let key = keys::intention(run.id());
    let Some(bytes) = run.store().get(&key).await?.filter(|bytes| !bytes.is_empty()) else {
        return Ok(());
    };
    let mut intention = Intention::decode(&key, &bytes)?;
    if intention.sent > 0 {
        intention.tries = intention.tries.saturating_sub(1);
        run.stage(key, intention.encode());
    }
    Ok(())
}

/// UIDs mean other messages now: the folder is begun anew, and what is there is recognised.
async fn begin_anew<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    selected: &OpenFolder,
) -> Result<(), Halt> {
    if renumbered::is_given_up(run.folder(at)?) {
        renumbered::give_up(run, at)?;
        run.stage(keys::intention(run.id()), Vec::new());
        return run.checkpoint().await;
    }
    renumbered::begin_anew(run, at, selected)?;
    run.stage(keys::intention(run.id()), Vec::new());
    run.enter(Phase::Mail);
    run.checkpoint().await
}

/// Settles those of the messages sent that stand at the destination.
async fn find_sent<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    intention: &mut Intention,
) -> Result<(), Halt> {
    let sent = usize::try_from(intention.sent).unwrap_or(usize::MAX);
    let mut messages: Vec<Message> = intention
        .batch
        .entries
        .iter()
        .take(sent)
        .map(|entry| message(&intention.batch, entry))
        .collect();
    identify(&mut lines.source, &mut messages).await.at(Side::Source)?;
    let announced: Vec<u64> = messages.iter().map(|message| message.size).collect();
    // Of several with one Message-ID the size tells which are there.
    adopt::measure(lines, &mut messages).await?;
    let window = Window {
        uid_next: intention.uid_next,
        patient: true,
        counted: false,
        taken: UidSet::new(),
    };
    let found = look(run, lines, at, &window, &messages).await?;
    let found = decide(lines, &messages, found).await?;
    let arrived = |(message, found): (Message, Option<Message>)| {
        let there = found?;
        let size = there.size;
        // The identity is known already, so the header is spelled for it below.
        let header = Header::default();
        let (uid, uid_validity) = (there.uid, 0);
        Some((message, Fate::Arrived { uid, uid_validity, size, delivered: None, header }))
    };
    let identities: BTreeMap<u32, u64> =
        messages.iter().map(|message| (message.uid, message.identity)).collect();
    // What the source announced decides whether all of it came, not what was measured since.
    let told = messages.into_iter().zip(announced);
    let told = told.map(|(message, size)| Message { size, ..message });
    let settled: Vec<_> = told.zip(found).filter_map(arrived).collect();
    let done: Vec<u32> = settled.iter().map(|(message, _)| message.uid).collect();
    intention.batch.entries.retain(|entry| !done.contains(&entry.source_uid));
    intention.sent = 0;
    if !done.is_empty() {
        intention.tries = 0;
    }
    settle(run, at, settled, intention, &identities)?;
    run.checkpoint().await
}

fn message(batch: &Segment, entry: &Entry) -> Message {
    Message {
        uid: entry.source_uid,
        size: entry.size,
        date: entry.date,
        flags: batch.flags_of(entry),
        identity: entry.identity,
    }
}

/// Sends what is left once more: all of it, or one message.
async fn again<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    intention: &mut Intention,
) -> Result<(), Halt> {
    if intention.tries >= TRIES_MAX && !intention.one_by_one {
        (intention.one_by_one, intention.tries) = (true, 0);
    }
    let single = intention.one_by_one || !lines.destination.destination_facts().appends_together;
    let count = if single { 1 } else { intention.batch.entries.len() };
    let group: Vec<Message> = intention
        .batch
        .entries
        .iter()
        .take(count)
        .map(|entry| message(&intention.batch, entry))
        .collect();
    if intention.tries >= TRIES_MAX {
        return give_up(run, at, intention, &group).await;
    }
    intention.sent = u32::try_from(group.len()).unwrap_or(u32::MAX);
    intention.tries += 1;
    intention.uid_next = run.folder(at)?.destination_uid_next;
    run.stage(keys::intention(run.id()), intention.encode());
    run.checkpoint().await?;
    if !run.cursor.bodies_alone {
        ask(&mut lines.source, &group).await.at(Side::Source)?;
    }
    attempt(run, lines, at, intention, (&group, &mut None)).await
}

/// One message breaks the connection each time: it is left out, and the rest goes on.
async fn give_up<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    intention: &mut Intention,
    group: &[Message],
) -> Result<(), Halt> {
    let last = run.migration.last_error.clone().unwrap_or_default();
    for message in group {
        let reason =
            format!("The connection broke {TRIES_MAX} times while this message was moved. {last}");
        lost(run, at, message, FailureCode::Unreadable, reason, &[])?;
        intention.batch.entries.retain(|entry| entry.source_uid != message.uid);
    }
    (intention.sent, intention.tries) = (0, 0);
    settle(run, at, Vec::new(), intention, &BTreeMap::new())?;
    run.checkpoint().await
}

/// Fills in the Message-IDs from the source's folder, which is open, and what the listing could
/// not tell for certain.
async fn identify<S: Stream>(
    source: &mut Source<S>,
    messages: &mut [Message],
) -> Result<(), Trouble> {
    let uids: UidSet = messages.iter().map(|message| message.uid).collect();
    let mut found: BTreeMap<u32, (u64, Option<u64>, Option<InternalDate>)> = BTreeMap::new();
    for piece in uids.pieces(imap_set_octets()) {
        source.start_identifying(&piece).await?;
        loop {
            match source.next().await? {
                Event::Message(row) => {
                    let known = found.entry(row.uid).or_default();
                    if let Some(block) = row.message_id {
                        known.0 = header::identity(&block);
                    }
                    known.1 = row.size.or(known.1);
                    known.2 = row.date.or(known.2);
                }
                Event::Done => break,
                Event::Refused(reply) => return Err(Trouble::Rejected(reply)),
                Event::Chunk(_) | Event::EndOfBody(_) | Event::Vanished(_) => {}
            }
        }
    }
    // News of flags looks like an answer without Message-ID; the message itself knows.
    let nameless = |uid: &u32| found.get(uid).is_none_or(|known| known.0 == 0);
    let doubtful = !source.source_facts().identifies_by_content;
    let uids = messages.iter().map(|message| message.uid).filter(|_| doubtful);
    let unknown: UidSet = uids.filter(nameless).collect();
    for (uid, header, size) in headers(source, &unknown).await? {
        found.insert(uid, (header::identity(&header.message_id), Some(size), header.date));
    }
    for message in messages {
        let Some((identity, size, date)) = found.get(&message.uid).copied() else { continue };
        message.identity = identity;
        message.size = size.unwrap_or(message.size);
        message.date = date.unwrap_or(message.date);
    }
    Ok(())
}

/// UIDs, headers and octets of these messages, from their bodies: a source that does not tell a
/// Message-ID may still deliver the message.
pub(crate) async fn headers<S: Stream>(
    source: &mut Source<S>,
    uids: &UidSet,
) -> Result<Vec<(u32, Header, u64)>, Trouble> {
    let mut found = Vec::new();
    // One at a time, since a body may come before its UID.
    for uid in uids.iter() {
        let items = Asked { body: true, ..Asked::default() };
        let own: UidSet = std::iter::once(uid).collect();
        source.start_fetch(&Which::Uids(own), items).await?;
        let (mut reader, mut octets) = (HeaderReader::default(), 0);
        loop {
            match source.next().await? {
                Event::Chunk(bytes) => {
                    octets += bytes.len() as u64;
                    reader.feed(&bytes);
                }
                Event::EndOfBody(_) => {
                    let header = std::mem::take(&mut reader).finish();
                    found.push((uid, header, std::mem::take(&mut octets)));
                }
                // Later it may deliver it; without it, nobody knows which message this is.
                Event::Refused(reply) if reply.wait_s.is_some() => {
                    return Err(Trouble::Rejected(reply));
                }
                Event::Done | Event::Refused(_) => break,
                Event::Message(_) | Event::Vanished(_) => {}
            }
        }
    }
    Ok(found)
}

/// Where and how long to look for what was sent.
pub(crate) struct Window {
    /// UIDNEXT before it was sent; 0 where the server did not say.
    pub(crate) uid_next: u32,
    /// Whether a server may still be at it.
    pub(crate) patient: bool,
    /// Whether it is known how many octets were sent, and not only what was announced.
    pub(crate) counted: bool,
    /// UIDs that are known as other messages'.
    pub(crate) taken: UidSet,
}

/// Looks for what was sent, until all of it is there, or for as long as a server may need that we
/// died on. The destination's folder is left open.
pub(crate) async fn look<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    window: &Window,
    sent: &[Message],
) -> Result<Pairing, Halt> {
    let name = run.folder(at)?.destination.mailbox();
    let mut known = if window.uid_next <= 1 { known(run, at).await? } else { UidSet::new() };
    window.taken.iter().for_each(|uid| known.insert(uid));
    let source = !window.counted && lines.source.facts().size_is_estimate;
    let any_size = source || lines.destination.facts().size_is_estimate;
    let identities = sent.iter().map(|message| message.identity).collect();
    let began_ms = run.world.host.monotonic_ms();
    let grace_ms = (2 * run.cursor.slowest_ms).clamp(GRACE_MS, GRACE_MAX_MS);
    loop {
        let after = (window.uid_next, &known);
        let there = arrived(&mut lines.destination, &name, after, &identities).await?;
        let found = pairing::pair(sent, there, any_size);
        let waited_ms = run.world.host.monotonic_ms().saturating_sub(began_ms);
        let all = found.found.iter().all(Option::is_some);
        if all || !window.patient || waited_ms >= grace_ms {
            return Ok(found);
        }
        run.hold().await?;
        run.world.host.sleep_ms(LOOK_MS).await;
    }
}

/// UIDs at the destination that the journal knows as other messages': where a server tells no
/// UIDNEXT, all of a folder is looked at, and an older copy must not be taken for a new one.
async fn known<H: Host, S: Store>(run: &Run<'_, H, S>, at: usize) -> Result<UidSet, Halt> {
    let folder = run.folder(at)?;
    let (validity, segments) = (folder.destination_uid_validity, folder.segments);
    let mut uids: Vec<u32> = Vec::new();
    for number in 0..segments {
        let segment = segment(run, at, number).await?;
        if segment.destination_uid_validity == validity {
            uids.extend(segment.entries.iter().map(|entry| entry.destination_uid));
        }
    }
    uids.sort_unstable();
    Ok(uids.into_iter().filter(|uid| *uid != 0).collect())
}

/// What has come to the destination's folder from `uid_next` on and may be of these identities.
async fn arrived<S: Stream>(
    session: &mut Destination<S>,
    name: &MailboxName,
    (uid_next, known): (u32, &UidSet),
    identities: &BTreeSet<u64>,
) -> Result<Vec<Message>, Halt> {
    let selected = session.select(name).await.at(Side::Destination)?;
    if selected.exists == 0 {
        return Ok(Vec::new());
    }
    let range = Which::UidsFrom(uid_next.max(1));
    // `n:*` means at least the last message, whatever its UID (RFC 9051 section 9, seq-range).
    let wanted = |row: &listing::Row| {
        row.uid >= uid_next && !known.contains(row.uid) && row.may_be_of(identities)
    };
    adopt::list(session, &range, wanted).await.at(Side::Destination)
}

/// Tells by their content which of the messages that look alike have come. The folders of both
/// sides are open. Where a server changes what it stores, the first sent is the first there.
async fn decide<H: Host>(
    lines: &mut Lines<H>,
    sent: &[Message],
    pairing: Pairing,
) -> Result<Vec<Option<Message>>, Halt> {
    let Pairing { mut found, doubtful } = pairing;
    for Doubt { sent: places, there } in doubtful {
        let own = places.iter().filter_map(|place| sent.get(*place)).map(|message| message.uid);
        let theirs: UidSet = there.iter().map(|row| row.uid).collect();
        let own = digests(&mut lines.source, &own.collect()).await.at(Side::Source)?;
        let theirs = digests(&mut lines.destination, &theirs).await.at(Side::Destination)?;
        let mut left = there;
        let mut open = Vec::new();
        for place in places {
            let digest = sent.get(place).and_then(|message| own.get(&message.uid));
            let same = |row: &Message| digest.is_some() && theirs.get(&row.uid) == digest;
            match left.iter().position(same) {
                Some(at) => put(&mut found, place, left.remove(at)),
                None => open.push(place),
            }
        }
        for (place, row) in open.into_iter().zip(left) {
            put(&mut found, place, row);
        }
    }
    Ok(found)
}

fn put(found: &mut [Option<Message>], place: usize, row: Message) {
    if let Some(slot) = found.get_mut(place) {
        *slot = Some(row);
    }
}

/// Finds the UIDs of what arrived where the server did not tell them (no UIDPLUS).
pub(crate) async fn locate<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    (at, uid_next): (usize, u32),
    settled: &mut [(Message, Fate)],
) -> Result<(), Halt> {
    let wanted: Vec<Message> = settled
        .iter()
        .filter_map(|(message, fate)| match fate {
            Fate::Arrived { uid: 0, size, header, .. } => Some(Message {
                size: *size,
                identity: header::identity(&header.message_id),
                ..message.clone()
            }),
            Fate::Arrived { .. } | Fate::Gone | Fate::Unreadable(_) | Fate::Refused { .. } => None,
        })
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    run.hold().await?;
    let told = settled.iter().filter_map(|(_, fate)| match fate {
        Fate::Arrived { uid, .. } => Some(*uid).filter(|uid| *uid != 0),
        Fate::Gone | Fate::Unreadable(_) | Fate::Refused { .. } => None,
    });
    let window = Window { uid_next, patient: false, counted: true, taken: told.collect() };
    let Pairing { mut found, doubtful } = look(run, lines, at, &window, &wanted).await?;
    for Doubt { sent, there } in doubtful {
        sent.into_iter().zip(there).for_each(|(place, row)| put(&mut found, place, row));
    }
    lines.destination.unselect().await.at(Side::Destination)?;
    let mut found = wanted.iter().zip(found);
    for (message, fate) in settled {
        if let Fate::Arrived { uid, .. } = fate
            && *uid == 0
            && let Some((own, there)) = found.next()
            && own.uid == message.uid
        {
            *uid = there.map_or(0, |row| row.uid);
        }
    }
    Ok(())
}

/// A segment of a folder's journal.
pub(crate) async fn segment<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    at: usize,
    number: u32,
) -> Result<Segment, Halt> {
    segment_of(run.store(), run.id(), at, number).await
}

/// The same, of any migration.
pub(crate) async fn segment_of(
    store: &impl Store,
    id: &MigrationId,
    at: usize,
    number: u32,
) -> Result<Segment, Halt> {
    let key = keys::journal(id, u32::try_from(at).unwrap_or(u32::MAX), number);
    let bytes = store.get(&key).await?;
    let missing = || store::Error::Unreadable { key: key.clone(), reason: "it is gone".into() };
    Ok(Segment::decode(&key, &bytes.ok_or_else(missing)?)?)
}
