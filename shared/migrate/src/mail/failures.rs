//! Lines in the failures.

use ledger::Message;
use ledger::journal::Entry;
use model::{Failure, FailureCode, Timestamp};
use store::Store;

use crate::mail::ITEM;
use crate::run::Run;
use crate::trouble::Halt;
use crate::world::Host;

/// One line in the failures.
pub(crate) fn lost<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    message: &Message,
    code: FailureCode,
    reason: String,
    subject: &[u8],
) -> Result<(), Halt> {
    let folder = run.folder_mut(at)?;
    folder.counts.failed += u64::from(code.is_loss());
    if code.is_loss() {
        folder.refuse(message.uid);
    }
    let seconds = u64::try_from(message.date.unix_s()).unwrap_or(0);
    let failure = Failure {
        item: ITEM,
        folder: folder.source_path.clone(),
        subject: String::from_utf8_lossy(subject).into_owned(),
        date: Some(Timestamp(seconds * 1000).rfc3339()),
        size_bytes: message.size,
        code,
        reason,
    };
    run.fail(failure);
    Ok(())
}

/// A folder that could not be made: its messages count as lost. Its line in the failures, which
/// counts for one, was written when it was refused.
pub(crate) fn lost_folder<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
) -> Result<(), Halt> {
    let folder = run.folder_mut(at)?;
    let lost = folder.found.messages;
    (folder.counts.failed, folder.done) = (lost, true);
    let further = lost.saturating_sub(u64::from(folder.refused));
    run.counters(ITEM).failed += further;
    if let Some(point) = run.migration.sync_points.last_mut() {
        point.failed += further;
    }
    Ok(())
}

/// A line about a message that differs, or about a folder.
pub(crate) fn failure_of(folder: String, entry: Option<&Entry>, reason: String) -> Failure {
    let date = entry.map(|entry| {
        let seconds = u64::try_from(entry.date.unix_s()).unwrap_or(0);
        Timestamp(seconds.saturating_mul(1000)).rfc3339()
    });
    Failure {
        item: ITEM,
        folder,
        subject: String::new(),
        date,
        size_bytes: entry.map_or(0, |entry| entry.size),
        code: FailureCode::Differs,
        reason,
    }
}
