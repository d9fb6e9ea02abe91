//! One try of a batch: it is transferred, and then everything is looked into that may have gone
//! wrong with it, before anything of it is sent again.

use std::collections::BTreeMap;

use ledger::Message;
use ledger::journal::Intention;
use mailbox::{UidSet, header};
use services::mail::{MailDestination, MailService};
use services::{Reason, Rejection, Side, Trouble};
use store::{Store, keys};

use crate::mail::arrivals::Window;
use crate::mail::fate::Fate;
use crate::mail::lines::Lines;
use crate::mail::settle::settle;
use crate::mail::transfer::{Batch, Next, Target, command_messages, transfer};
use crate::mail::{limited, pairing, repair};
use crate::run::Run;
use crate::trouble::{At, Halt};
use crate::world::Host;

/// Refusals after which a destination is looked at for as long as after a cut. One that had stored
/// nothing so often is believed: it is looked at once.
const PATIENT_LOOKS: u32 = 3;

/// What became of the messages of a try.
#[derive(Default)]
struct Sorted {
    /// Known for good.
    settled: Vec<(Message, Fate)>,
    /// Why the destination did not take the others, or some of them.
    refused: Option<Rejection>,
    /// Some did not come; only what does not come when asked for alone is gone.
    missing: bool,
}

/// Sends the first `intention.sent` messages, which were asked for, and settles what became of
/// them. On return the intention holds what is left, and is stored so.
pub(crate) async fn attempt<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    intention: &mut Intention,
    (group, next): (&[Message], &mut Option<Next<'_>>),
) -> Result<(), Halt> {
    let name = run.folder(at)?.destination.mailbox();
    let multi = lines.destination.destination_facts().appends_together && group.len() > 1;
    let digests = run.migration.options.content_digests;
    let most = command_messages(run.folder(at)?.destination_uid_next);
    let target = Target { name: &name, multi, most, binary: false, digests };
    let before_ms = run.world.host.monotonic_ms();
    let alone = run.cursor.bodies_alone;
    let batch = Batch { messages: group, next, alone };
    let carried = transfer(&mut lines.source, &mut lines.destination, &target, batch).await?;
    let took_ms = run.world.host.monotonic_ms().saturating_sub(before_ms);
    run.cursor.slowest_ms = run.cursor.slowest_ms.max(took_ms);
    let learnt = carried.unnumbered && !alone;
    run.cursor.bodies_alone |= learnt;

    let mut fates = carried.fates;
    if let Some(why) = no_folder(&fates) {
        return folder_again(run, lines, at, intention, why).await;
    }
    look_for_refused(run, lines, at, (intention, group), &mut fates).await?;
    if let ([message], [fate @ Fate::Gone]) = (group, fates.as_mut_slice()) {
        *fate = undelivered(lines, message, carried.refused.as_ref()).await?;
    }
    let sorted = sort(run, (group, fates), multi);
    let Sorted { mut settled, refused, missing } = sorted;
    repair::mend(run, lines, at, (intention.uid_next, &mut settled)).await?;
    crate::mail::arrivals::locate(run, lines, (at, intention.uid_next), &mut settled).await?;
    let done: UidSet = settled.iter().map(|(message, _)| message.uid).collect();
    intention.batch.entries.retain(|entry| !done.contains(entry.source_uid));
    if let Some(why) = &refused
        && group.len() == 1
    {
        limited::set_aside(run, why, intention)?;
    }
    (intention.sent, intention.tries) = (0, 0);
    intention.one_by_one |= (missing && !learnt) || (multi && refused.is_some());
    settle(run, at, settled, intention, &BTreeMap::new())?;
    run.progressed |= !done.is_empty();
    run.checkpoint().await?;
    go_on(intention, (refused, multi), (missing, carried.refused))
}

/// Whether the slice goes on after a try.
fn go_on(
    intention: &Intention,
    (refused, multi): (Option<Rejection>, bool),
    (missing, source): (bool, Option<Rejection>),
) -> Result<(), Halt> {
    let empty = intention.batch.entries.is_empty();
    match (refused, source.filter(|why| why.wait_s.is_some())) {
        // Set aside: others may be taken.
        (Some(_), _) if empty && !multi => Ok(()),
        // One by one, a mailbox that is nearly full takes what still fits, and one with a limit on
        // sizes what is below it.
        (Some(why), _) if !(multi && is_of_one(&why)) => {
            Err(Halt::Trouble(Side::Destination, Trouble::Rejected(why)))
        }
        (None, Some(why)) if missing => Err(Halt::Trouble(Side::Source, Trouble::Rejected(why))),
        // From a fresh start: more may have been asked of the source already.
        (Some(_), _) => Err(Halt::Budget),
        (None, _) if missing => Err(Halt::Budget),
        (None, _) => Ok(()),
    }
}

/// Tells what is known for good from what has to be tried again.
fn sort<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    (group, fates): (&[Message], Vec<Fate>),
    multi: bool,
) -> Sorted {
    let mut sorted = Sorted::default();
    for (message, fate) in group.iter().zip(fates) {
        let message = Message { date: fate.date().unwrap_or(message.date), ..message.clone() };
        match fate {
            Fate::Gone if group.len() > 1 => sorted.missing = true,
            // One of several was refused, and with it all of its command.
            Fate::Refused { why, .. } if multi || sorted.refused.is_some() => {
                sorted.refused.get_or_insert(why);
            }
            Fate::Refused { why, size, .. }
                if limited::waits(&why, size) && !limited::is_given_up(run, &why, size) =>
            {
                sorted.refused = Some(why);
            }
            Fate::Arrived { .. } => {
                limited::taken(run);
                sorted.settled.push((message, fate));
            }
            fate => sorted.settled.push((message, fate)),
        }
    }
    sorted
}

/// What it means that a message did not come although it was asked for alone: only what the source
/// itself does not list any more is gone.
async fn undelivered<H: Host>(
    lines: &mut Lines<H>,
    message: &Message,
    refused: Option<&Rejection>,
) -> Result<Fate, Halt> {
    if let Some(why) = refused {
        if why.wait_s.is_some() {
            return Err(Halt::Trouble(Side::Source, Trouble::Rejected(why.clone())));
        }
        return Ok(Fate::Unreadable(format!("The source does not deliver this message: {why}.")));
    }
    let own: UidSet = std::iter::once(message.uid).collect();
    let there = lines.source.present(&own).await.at(Side::Source)?;
    Ok(match there.contains(message.uid) {
        true => Fate::Unreadable(
            "The source lists this message but does not deliver it, also when it is asked for \
             alone."
                .to_owned(),
        ),
        false => Fate::Gone,
    })
}

/// Looks for what the destination refused: a server, or a proxy before it, may have stored it all
/// the same (observed behind proxies: `NO [UNAVAILABLE]` after the time that they wait for the
/// server that stores).
async fn look_for_refused<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    (intention, group): (&Intention, &[Message]),
    fates: &mut [Fate],
) -> Result<(), Halt> {
    if !fates.iter().any(|fate| matches!(fate, Fate::Refused { .. })) {
        return Ok(());
    }
    let mut sent = Vec::new();
    let mut certain = true;
    for (fate, message) in fates.iter().zip(group) {
        let (size, header) = match fate {
            Fate::Refused { why, size, header } => {
                certain &= is_certain(why.reason);
                (size, header)
            }
            // What was taken is there, too, and must not be taken for what was refused.
            Fate::Arrived { size, header, .. } => (size, header),
            Fate::Gone | Fate::Unreadable(_) => continue,
        };
        sent.push(Message {
            size: *size,
            identity: header::identity(&header.message_id),
            date: header.date.unwrap_or(message.date),
            ..message.clone()
        });
    }
    let patient = !certain && run.cursor.honest_refusals < PATIENT_LOOKS;
    let window =
        Window { uid_next: intention.uid_next, patient, counted: true, taken: UidSet::new() };
    let found = crate::mail::arrivals::look(run, lines, at, &window, &sent).await?;
    lines.destination.unselect().await.at(Side::Destination)?;
    let pairing::Pairing { found, doubtful } = found;
    if !doubtful.is_empty() {
        // Their contents must be compared, from a fresh start: the intention stands as it was sent.
        return Err(Halt::Budget);
    }
    let mut stored = false;
    let was_sent = |fate: &&mut Fate| matches!(fate, Fate::Arrived { .. } | Fate::Refused { .. });
    for (fate, row) in fates.iter_mut().filter(was_sent).zip(found) {
        let (Some(row), Fate::Refused { size, header, .. }) = (row, &mut *fate) else { continue };
        let (uid, size, header) = (row.uid, *size, std::mem::take(header));
        *fate = Fate::Arrived { uid, uid_validity: 0, size, delivered: Some(size), header };
        stored = true;
    }
    if patient && !stored {
        run.cursor.honest_refusals += 1;
    }
    Ok(())
}

/// Whether a refusal is about the message or the mailbox, and so was made before anything was
/// stored.
fn is_certain(reason: Reason) -> bool {
    matches!(reason, Reason::TooLarge | Reason::Full | Reason::Forbidden)
}

/// Whether it may be one message of several that is refused.
fn is_of_one(why: &Rejection) -> bool {
    why.wait_s.is_none() || matches!(why.reason, Reason::Full | Reason::Limit)
}

fn no_folder(fates: &[Fate]) -> Option<Rejection> {
    fates.iter().find_map(|fate| match fate {
        Fate::Refused { why, .. } if why.reason == Reason::NoFolder => Some(why.clone()),
        Fate::Refused { .. } | Fate::Arrived { .. } | Fate::Gone | Fate::Unreadable(_) => None,
    })
}

/// The destination's folder went away meanwhile: it is made again, and then the batch goes again.
async fn folder_again<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    intention: &mut Intention,
    why: Rejection,
) -> Result<(), Halt> {
    let folder = run.folder_mut(at)?;
    folder.remark(
        "The folder went away at the destination during the run; it was made again.".into(),
    );
    (folder.destination_uid_validity, folder.destination_uid_next) = (0, 1);
    let name = folder.destination.mailbox();
    lines.destination.create(&[(name, None)]).await.at(Side::Destination)?;
    // What was sent before the refusal may have arrived: it is looked for.
    intention.uid_next = 1;
    run.stage(keys::intention(run.id()), intention.encode());
    run.checkpoint().await?;
    Err(Halt::Trouble(Side::Destination, Trouble::Rejected(why)))
}
