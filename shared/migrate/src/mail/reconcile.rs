//! Resolves what an interrupted batch may have left: looks before it sends again.

use std::collections::BTreeMap;

use ledger::Message;
use ledger::journal::{Entry, Intention, Segment};
use mailbox::header::{self, Header};
use mailbox::{InternalDate, UidSet};
use model::{FailureCode, Phase};
use services::mail::{Event, Fetch, MailDestination, MailService, MailSource, OpenFolder};
use services::{Side, Source, Trouble};
use store::{Store, keys};
use wire::Stream;

use crate::mail::adopt::{self};
use crate::mail::arrivals::{Window, look, put};
use crate::mail::attempt::attempt;
use crate::mail::failures::lost;
use crate::mail::fate::Fate;
use crate::mail::lines::Lines;
use crate::mail::pairing::{Doubt, Pairing};
use crate::mail::reading::{digests, headers, imap_set_octets};
use crate::mail::renumbered;
use crate::mail::settle::settle;
use crate::mail::transfer::ask;
use crate::run::Run;
use crate::trouble::{At, Halt};
use crate::world::Host;

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
