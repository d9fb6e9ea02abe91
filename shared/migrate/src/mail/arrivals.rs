//! Looks at the destination for what was sent.

use std::collections::BTreeSet;

use ledger::Message;
use mailbox::header::{self};
use mailbox::{MailboxName, UidSet};
use services::mail::{MailService, Which};
use services::{Destination, Side};
use store::Store;
use wire::Stream;

use crate::mail::fate::Fate;
use crate::mail::journals::segment;
use crate::mail::lines::Lines;
use crate::mail::listing;
use crate::mail::pairing::{self, Doubt, Pairing};
use crate::run::Run;
use crate::trouble::{At, Halt};
use crate::world::Host;

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
pub(crate) async fn known<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    at: usize,
) -> Result<UidSet, Halt> {
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
pub(crate) async fn arrived<S: Stream>(
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
    crate::mail::reading::list(session, &range, wanted).await.at(Side::Destination)
}

pub(crate) fn put(found: &mut [Option<Message>], place: usize, row: Message) {
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

/// A server that we died on may still be storing what it had received. It is looked at until it
/// shows everything, or for this long since we came back; slow servers get longer (`slowest_ms`).
pub(crate) const GRACE_MS: u64 = 2_000;

/// The longest such wait.
pub(crate) const GRACE_MAX_MS: u64 = 30_000;

/// Between two looks.
pub(crate) const LOOK_MS: u64 = 250;
