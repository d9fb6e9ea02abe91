//! Recognises what the destination has already, so that it is not put there twice.
//!
//! A message is recognised by Message-ID and size; one without Message-ID only by equal content,
//! since two reports of one program easily have one size and one second.

use std::collections::BTreeMap;

use ledger::Message;
use ledger::journal::{Entry, Origin};
use mailbox::UidSet;
use services::Side;
use services::mail::{MailService, MailSource};
use store::Store;

use crate::mail::ITEM;
use crate::mail::journals::{segment_for, stage_segment};
use crate::mail::lines::Lines;
use crate::mail::reading::digests;
use crate::mail::standing::Standing;
use crate::run::Run;
use crate::trouble::{At, Halt};
use crate::world::Host;

/// What the destination's folder held before us, where it has to be compared.
pub(crate) async fn standing<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
) -> Result<Option<Standing>, Halt> {
    match run.folder(at)?.adopt {
        true => look(run, lines, at).await,
        false => Ok(None),
    }
}

/// What the destination's folder holds that no journal knows.
pub(crate) async fn look<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
) -> Result<Option<Standing>, Halt> {
    let folder = run.folder(at)?;
    let any_size =
        lines.source.facts().size_is_estimate || lines.destination.facts().size_is_estimate;
    let name = folder.destination.mailbox();
    let mut standing =
        Standing::read(&mut lines.destination, &name, any_size).await.at(Side::Destination)?;
    // What the journal knows belongs to a source message already, unless that has another number now.
    let mut known = Vec::new();
    for number in 0..folder.segments {
        let segment = crate::mail::journals::segment(run, at, number).await?;
        if segment.destination_uid_validity != folder.destination_uid_validity {
            continue;
        }
        if segment.source_uid_validity == folder.found.uid_validity {
            known.extend(segment.entries.iter().map(|entry| entry.destination_uid));
            continue;
        }
        let copied = segment.entries.iter().filter(|entry| entry.origin == Origin::Copied);
        for uid in copied.map(|entry| entry.destination_uid).filter(|uid| *uid != 0) {
            standing.ours.insert(uid);
            if segment.sync_point == run.migration.sync_point() {
                standing.ours_now.insert(uid);
            }
        }
    }
    known.sort_unstable();
    standing.take_all(&known.into_iter().collect());
    Ok(Some(standing))
}

/// Tells what the destination lacks from what it has already, which is journalled.
pub(crate) async fn adopted<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    mut messages: Vec<Message>,
    standing: &mut Standing,
) -> Result<(Vec<Message>, Vec<Message>), Halt> {
    let mut segment = segment_for(run, at)?;
    segment.destination_uid_validity = run.folder(at)?.destination_uid_validity;
    measure(lines, &mut messages).await?;
    let contents = nameless(lines, &messages, standing).await?;
    let alike = alike(lines, &messages, standing).await?;
    let (mut kept, mut found) = (Vec::new(), Vec::new());
    for message in messages {
        let uid = match (alike.get(&message.uid), contents.get(&message.uid)) {
            (Some(decided), _) => *decided,
            (None, Some((size, digest))) => {
                let taken = standing.take_nameless(&mut lines.destination, *size, digest).await;
                taken.at(Side::Destination)?
            }
            (None, None) => standing.take(&message),
        };
        match uid {
            Some(uid) => found.push((message, uid)),
            None => kept.push(message),
        }
    }
    for (message, uid) in &found {
        let flags = segment.flag_set(&message.flags);
        segment.entries.push(Entry {
            source_uid: message.uid,
            destination_uid: *uid,
            size: message.size,
            date: message.date,
            identity: message.identity,
            flags,
            origin: if standing.ours.contains(*uid) { Origin::Copied } else { Origin::Adopted },
        });
    }
    if !found.is_empty() {
        let (all, ours) = (found.len(), |set: &UidSet| {
            found.iter().filter(|(_, uid)| set.contains(*uid)).count()
        });
        // What this sync point put there is counted as migrated, and what an earlier one did was
        // counted then.
        run.counters(ITEM).skipped += (all - ours(&standing.ours_now)) as u64;
        let folder = run.folder_mut(at)?;
        // The slice may end before the rest of the window is through.
        found.iter().for_each(|(message, _)| folder.moved_uids.0.insert(message.uid));
        folder.counts.adopted += (all - ours(&standing.ours)) as u64;
        stage_segment(run, at, &segment)?;
    }
    Ok((kept, found.into_iter().map(|(message, _)| message).collect()))
}

/// Measures messages of which the source announced no size: they have one.
pub(crate) async fn measure<H: Host>(
    lines: &mut Lines<H>,
    messages: &mut [Message],
) -> Result<(), Halt> {
    let unsized_ones: UidSet =
        messages.iter().filter(|message| message.size == 0).map(|message| message.uid).collect();
    if unsized_ones.is_empty() {
        return Ok(());
    }
    let read =
        crate::mail::reading::headers(&mut lines.source, &unsized_ones).await.at(Side::Source)?;
    let octets: BTreeMap<u32, u64> =
        read.into_iter().map(|(uid, _, octets)| (uid, octets)).collect();
    for message in messages.iter_mut().filter(|message| message.size == 0) {
        message.size = octets.get(&message.uid).copied().unwrap_or(0);
    }
    Ok(())
}

/// Size and content of those without Message-ID of which the destination has some of the same size.
async fn nameless<H: Host>(
    lines: &mut Lines<H>,
    messages: &[Message],
    standing: &mut Standing,
) -> Result<BTreeMap<u32, (u64, [u8; 32])>, Halt> {
    let mut sizes = BTreeMap::new();
    for message in messages.iter().filter(|message| message.identity == 0) {
        if !standing.has_any_nameless() {
            break;
        }
        let size = lines.source.true_size(message.uid, message.size).await.at(Side::Source)?;
        if let Some(size) = size.filter(|size| standing.has_nameless(*size)) {
            sizes.insert(message.uid, size);
        }
    }
    let uids: UidSet = sizes.keys().copied().collect();
    let digests = digests(&mut lines.source, &uids).await.at(Side::Source)?;
    let with_size = |(uid, digest)| sizes.get(&uid).map(|size| (uid, (*size, digest)));
    Ok(digests.into_iter().filter_map(with_size).collect())
}

/// Of messages of one Message-ID and size of which the destination has some and not all: which are
/// there. Their content decides: drafts of one letter look alike, and one that was refused before
/// must not be taken for another that is there.
async fn alike<H: Host>(
    lines: &mut Lines<H>,
    messages: &[Message],
    standing: &mut Standing,
) -> Result<BTreeMap<u32, Option<u32>>, Halt> {
    let mut groups: BTreeMap<(u64, u64), Vec<u32>> = BTreeMap::new();
    for message in messages.iter().filter(|message| message.identity != 0) {
        groups.entry((message.identity, message.size)).or_default().push(message.uid);
    }
    let mut decided = BTreeMap::new();
    for (key, own) in groups.into_iter().filter(|(_, own)| own.len() > 1) {
        let there = standing.some(key, own.len());
        if there.is_empty() || there.len() == own.len() {
            continue;
        }
        let set = |uids: &mut dyn Iterator<Item = u32>| uids.collect::<UidSet>();
        let ours = set(&mut own.iter().copied());
        let ours = digests(&mut lines.source, &ours).await.at(Side::Source)?;
        let theirs = set(&mut there.iter().map(|(_, uid)| *uid));
        let theirs = digests(&mut lines.destination, &theirs).await.at(Side::Destination)?;
        let mut left = there;
        for message in own {
            let digest = ours.get(&message);
            let same = |(_, uid): &(usize, u32)| digest.is_some() && theirs.get(uid) == digest;
            let found = left.iter().position(same).map(|at| left.remove(at));
            if let Some((place, _)) = found {
                standing.take_place(place);
            }
            decided.insert(message, found.map(|(_, uid)| uid));
        }
    }
    Ok(decided)
}
