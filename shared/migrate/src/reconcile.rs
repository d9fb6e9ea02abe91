//! Resolves what an interrupted batch may have left: looks before it sends again.

use std::collections::BTreeMap;

use imap::{FetchEvent, InternalDate, MailboxName, Mode, Sequence, Session, UidSet};
use model::FailureCode;
use store::{Store, keys};
use wire::Stream;

use crate::adopt::{self, imap_set_octets};
use crate::copy::attempt;
use crate::cursor::Message;
use crate::header::{self, Header};
use crate::journal::{Entry, Intention, Segment};
use crate::run::Run;
use crate::settle::{lost, settle};
use crate::slice::Lines;
use crate::source::{Fetch, Source};
use crate::transfer::{Fate, ask};
use crate::trouble::{At, Halt, Side, Trouble};
use crate::world::Host;

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
    if selected.uid_validity != intention.batch.source_uid_validity
        && intention.batch.source_uid_validity != 0
    {
        return renumbered(run, at).await;
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
async fn renumbered<H: Host, S: Store>(run: &mut Run<'_, H, S>, at: usize) -> Result<(), Halt> {
    let folder = run.folder_mut(at)?;
    folder.remark("The source numbered its messages anew; they were recognised by content.".into());
    (folder.done_uid, folder.number_hint, folder.adopt, folder.done) = (0, 1, true, false);
    run.stage(keys::intention(run.id()), Vec::new());
    run.enter(model::Phase::Discover);
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
    let name = run.folder(at)?.destination.mailbox();
    let began_ms = run.world.host.monotonic_ms();
    let grace_ms = (2 * run.cursor.slowest_ms).clamp(GRACE_MS, GRACE_MAX_MS);
    let found = loop {
        let found = find(&mut lines.destination, &name, intention.uid_next, &messages).await?;
        let waited_ms = run.world.host.monotonic_ms().saturating_sub(began_ms);
        if found.iter().all(Option::is_some) || waited_ms >= grace_ms {
            break found;
        }
        run.hold().await?;
        run.world.host.sleep_ms(LOOK_MS).await;
    };
    let arrived = |(message, found): (Message, Option<Message>)| {
        let there = found?;
        let size = there.size;
        // The identity is known already, so the header is spelled for it below.
        let header = Header::default();
        Some((message, Fate::Arrived { uid: there.uid, uid_validity: 0, size, header }))
    };
    let identities: BTreeMap<u32, u64> =
        messages.iter().map(|message| (message.uid, message.identity)).collect();
    let settled: Vec<_> = messages.into_iter().zip(found).filter_map(arrived).collect();
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
    let single = intention.one_by_one || !lines.destination.capabilities().multiappend();
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
    ask(&mut lines.source, &group).await.at(Side::Source)?;
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
        source.start_identifying(piece).await?;
        loop {
            match source.next().await? {
                FetchEvent::Message(row) => {
                    let identity = row.message_id.map_or(0, |block| header::identity(&block));
                    found.insert(row.uid, (identity, row.size, row.internal_date));
                }
                FetchEvent::Done => break,
                FetchEvent::Refused(reply) => return Err(imap::Error::Refused(reply).into()),
                FetchEvent::Chunk(_) | FetchEvent::EndOfBody(_) | FetchEvent::Vanished(_) => {}
            }
        }
    }
    for message in messages {
        let Some((identity, size, date)) = found.get(&message.uid).copied() else { continue };
        message.identity = identity;
        message.size = size.unwrap_or(message.size);
        message.date = date.unwrap_or(message.date);
    }
    Ok(())
}

/// Looks for `wanted`, in the order they were sent, among what has come to the destination's
/// folder from `uid_next` on.
async fn find<S: Stream>(
    session: &mut Session<S>,
    name: &MailboxName,
    uid_next: u32,
    wanted: &[Message],
) -> Result<Vec<Option<Message>>, Halt> {
    let selected = session.select(name, Mode::ReadOnly).await.at(Side::Destination)?;
    if selected.exists == 0 {
        return Ok(vec![None; wanted.len()]);
    }
    let range = Sequence::UidsFrom(uid_next.max(1));
    let listed = adopt::list(session, &range).await.at(Side::Destination)?;
    // `n:*` means at least the last message, whatever its UID (RFC 9051 section 9, seq-range).
    let fresh = listed.into_iter().filter(|row| row.uid >= uid_next).collect();
    Ok(pair(wanted, fresh))
}

/// Pairs in order: by Message-ID, by size and date where there is none. Servers keep the order in
/// which messages were appended, so of equal ones the first sent is the first there.
fn pair(wanted: &[Message], mut there: Vec<Message>) -> Vec<Option<Message>> {
    there.sort_by_key(|row| row.uid);
    let mut there: Vec<Option<Message>> = there.into_iter().map(Some).collect();
    let mut take = |fits: &dyn Fn(&Message) -> bool| {
        there.iter_mut().find(|row| row.as_ref().is_some_and(fits)).and_then(Option::take)
    };
    wanted
        .iter()
        .map(|message| {
            let same = |row: &Message| row.identity == message.identity;
            let sized = |row: &Message| same(row) && row.size == message.size;
            let dated = |row: &Message| sized(row) && row.date.unix_s() == message.date.unix_s();
            let repaired = |row: &Message| same(row) && message.identity != 0;
            take(&dated)
                .or_else(|| take(&|row| sized(row) && message.identity != 0))
                .or_else(|| take(&repaired))
        })
        .collect()
}

/// Finds the UIDs of what arrived where the server did not tell them (no UIDPLUS).
pub(crate) async fn locate<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    uid_next: u32,
    name: &MailboxName,
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
            Fate::Arrived { .. } | Fate::Gone | Fate::Unreadable | Fate::Refused(..) => None,
        })
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    run.hold().await?;
    let found = find(&mut lines.destination, name, uid_next, &wanted).await?;
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
    let key = keys::journal(run.id(), u32::try_from(at).unwrap_or(u32::MAX), number);
    let bytes = run.store().get(&key).await?;
    let missing = || store::Error::Unreadable { key: key.clone(), reason: "it is gone".into() };
    Ok(Segment::decode(&key, &bytes.ok_or_else(missing)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(uid: u32, identity: u64, size: u64, second: i64) -> Message {
        let date = imap::InternalDate::new(second, 0).unwrap();
        Message { uid, size, date, flags: imap::Flags::new(), identity }
    }

    #[test]
    fn pairs_in_order_and_each_once() {
        let wanted =
            [message(1, 7, 10, 0), message(2, 7, 10, 0), message(3, 0, 5, 9), message(4, 8, 1, 1)];
        let there = vec![message(90, 0, 5, 9), message(70, 7, 10, 0), message(80, 8, 3, 1)];
        let uids: Vec<_> =
            pair(&wanted, there).into_iter().map(|row| row.map(|row| row.uid)).collect();
        assert_eq!(uids, [Some(70), None, Some(90), Some(80)]);
    }

    #[test]
    fn nameless_messages_need_size_and_date() {
        let wanted = [message(1, 0, 5, 9)];
        assert_eq!(pair(&wanted, vec![message(1, 0, 5, 8)]), [None]);
        assert_eq!(pair(&wanted, vec![message(1, 0, 6, 9)]), [None]);
    }
}
