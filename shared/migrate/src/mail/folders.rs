//! Makes the folders that the destination lacks, empty ones too, and subscribes.

use std::collections::BTreeSet;

use ledger::FolderName;
use ledger::folder::Folder;
use mailbox::{MailboxName, SpecialUse};
use model::{Failure, FailureCode, Phase};
use services::mail::{MailDestination, MailService};
use services::{Reason, Rejection, Side, Trouble};
use store::Store;

use crate::mail::ITEM;
use crate::mail::lines::Lines;
use crate::mail::renames;
use crate::run::Run;
use crate::trouble::{At, Halt};
use crate::world::Host;

/// The phase.
pub(crate) async fn make<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
) -> Result<(), Halt> {
    renames::perform(run, lines).await?;
    let missing = |folder: &Folder| {
        // What the user removed since is made again only for something to put into it.
        let wanted = folder.settled.is_none() || !folder.done;
        folder.listed && !folder.exists && !folder.refused && wanted
    };
    let mut wanted: Vec<usize> = positions(run, missing);
    // Parents first: not every server makes them by itself in the right order.
    wanted.sort_by_key(|at| run.folders.get(*at).map(|folder| folder.destination_path.clone()));
    let asked: Vec<(MailboxName, Option<SpecialUse>)> = wanted
        .iter()
        .filter_map(|at| run.folders.get(*at))
        .map(|folder| {
            let purpose = folder.special_use.as_deref().and_then(mailbox::SpecialUse::of_attribute);
            (folder.destination.mailbox(), purpose)
        })
        .collect();
    let answers = lines.destination.create(&asked).await.at(Side::Destination)?;
    for (at, answer) in wanted.iter().zip(answers) {
        made(run, lines, *at, answer).await?;
    }
    subscribe(run, lines, &wanted).await?;
    learn_states(run, lines, &wanted).await?;
    run.enter(if run.cursor.retry { Phase::Mail } else { Phase::Changes });
    run.checkpoint().await
}

fn positions<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    wanted: impl Fn(&Folder) -> bool,
) -> Vec<usize> {
    let numbered = run.folders.iter().enumerate();
    numbered.filter(|(_, folder)| wanted(folder)).map(|(at, _)| at).collect()
}

async fn made<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    answer: Result<(), Rejection>,
) -> Result<(), Halt> {
    let sync_point = run.migration.sync_point();
    let reply = match answer {
        Ok(()) => {
            let folder = run.folder_mut(at)?;
            (folder.exists, folder.created_in) = (true, sync_point);
            return Ok(());
        }
        Err(reply) => reply,
    };
    if reply.wait_s.is_some() {
        return Err(Halt::Trouble(Side::Destination, Trouble::Rejected(reply)));
    }
    // A slice that died here before made it; servers without codes say so in words, so it is looked at.
    let name = run.folder(at)?.destination.mailbox();
    let there =
        lines.destination.status(std::slice::from_ref(&name)).await.at(Side::Destination)?;
    if reply.reason == Reason::Exists || there.iter().any(Result::is_ok) {
        // Discovery did not see it: it is ours all the same.
        let folder = run.folder_mut(at)?;
        (folder.exists, folder.created_in) = (true, sync_point);
        return Ok(());
    }
    plainer(run, lines, at, reply).await
}

/// The name was refused: tries once with a name any server takes.
async fn plainer<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    refusal: Rejection,
) -> Result<(), Halt> {
    let sync_point = run.migration.sync_point();
    let spelling = lines.destination.spelling();
    let old = run.folder(at)?.destination.mailbox();
    let plain: String = old
        .text()
        .chars()
        .map(|c| if c.is_alphanumeric() || ".-_/ ".contains(c) { c } else { '_' })
        .collect();
    let name = MailboxName::new(&format!("{plain} {}", at + 1), spelling);
    let answer = lines.destination.create(&[(name.clone(), None)]).await.at(Side::Destination)?;
    if let Some(Err(reply)) = answer.first()
        && reply.wait_s.is_some()
    {
        let error = Trouble::Rejected(reply.clone());
        return Err(Halt::Trouble(Side::Destination, error));
    }
    let folder = run.folder_mut(at)?;
    if let Some(Ok(())) = answer.first() {
        folder.remark(format!(
            "The destination refused the name {} ({refusal}); it is called {} there.",
            folder.destination_path,
            name.text()
        ));
        folder.destination = FolderName::new(&name, spelling);
        folder.destination_path = name.text().to_owned();
        (folder.exists, folder.created_in) = (true, sync_point);
        return Ok(());
    }
    folder.refused = true;
    let lost = folder.found.messages;
    let reason = format!(
        "The destination refused to make this folder: {refusal}. Its {lost} messages were not moved."
    );
    folder.remark(reason.clone());
    let failure = Failure {
        item: ITEM,
        folder: folder.source_path.clone(),
        subject: String::new(),
        date: None,
        size_bytes: folder.found.bytes,
        code: FailureCode::FolderRefused,
        reason,
    };
    run.fail(failure);
    Ok(())
}

async fn subscribe<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    fresh: &[usize],
) -> Result<(), Halt> {
    let wanted = positions(run, |folder| folder.listed && folder.exists && folder.subscribe);
    let made = |at: &&usize| {
        run.folders.get(**at).is_some_and(|folder| folder.exists && folder.subscribed)
    };
    let rows: BTreeSet<usize> =
        wanted.into_iter().chain(fresh.iter().filter(made).copied()).collect();
    let names: Vec<MailboxName> = rows
        .iter()
        .filter_map(|at| run.folders.get(*at).map(|folder| folder.destination.mailbox()))
        .collect();
    // A refused subscription loses nothing: the folder is there and shows when it is looked for.
    lines.destination.subscribe(&names).await.at(Side::Destination)?;
    let sync_point = run.migration.sync_point();
    for at in rows {
        let folder = run.folder_mut(at)?;
        (folder.subscribe, folder.subscribed_in) = (false, sync_point);
    }
    Ok(())
}

/// UIDVALIDITY and UIDNEXT of what was just made, which the intentions need.
async fn learn_states<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    wanted: &[usize],
) -> Result<(), Halt> {
    let there: Vec<usize> = wanted
        .iter()
        .copied()
        .filter(|at| run.folders.get(*at).is_some_and(|f| f.exists))
        .collect();
    let names: Vec<MailboxName> = there
        .iter()
        .filter_map(|at| run.folders.get(*at))
        .map(|f| f.destination.mailbox())
        .collect();
    let states = lines.destination.status(&names).await.at(Side::Destination)?;
    for (at, status) in there.iter().zip(states) {
        let folder = run.folder_mut(*at)?;
        if let Ok(status) = status {
            folder.destination_uid_validity = status.uid_validity.unwrap_or(0);
            folder.destination_uid_next = status.uid_next.unwrap_or(1);
        }
    }
    Ok(())
}
