//! A source that numbers the messages of a folder anew: UIDVALIDITY is another one (RFC 9051 section
//! 2.3.1.1), and UIDs mean other messages. It may happen between any two questions of a run.

use ledger::Uids;
use ledger::folder::{Folder, State};
use services::mail::OpenFolder;
use store::Store;

use crate::mail::ITEM;
use crate::mail::failures::failure_of;
use crate::run::Run;
use crate::trouble::Halt;
use crate::world::Host;

/// Whether an opened folder is numbered otherwise than the run knows it. Without UIDVALIDITY nobody
/// can know.
pub(crate) fn is(folder: &Folder, selected: &OpenFolder) -> bool {
    let (known, now) = (folder.found.uid_validity, selected.uid_validity);
    known != 0 && now != 0 && known != now
}

/// Takes over what an opened folder tells, where the listing told nothing of it (STATUS was refused or
/// left out): otherwise nobody would notice that it is numbered anew later.
pub(crate) fn learn(folder: &mut Folder, selected: &OpenFolder) {
    if folder.found.uid_validity == 0 && folder.segments == 0 {
        folder.found.uid_validity = selected.uid_validity;
        folder.found.uid_next = selected.uid_next.unwrap_or(folder.found.uid_next);
        folder.found.messages = folder.found.messages.max(selected.exists.into());
    }
}

/// How often a folder is begun anew in one run: each time costs a look at all of it, at both sides.
const ANEW_MAX: u32 = 50;

/// Whether a folder was begun anew too often to go on so.
pub(crate) fn is_given_up(folder: &Folder) -> bool {
    folder.renumbered >= ANEW_MAX
}

/// Leaves a folder as it is, which the source numbers anew whenever it is asked: nobody can tell
/// whether all of it was copied.
pub(crate) fn give_up<H: Host, S: Store>(run: &mut Run<'_, H, S>, at: usize) -> Result<(), Halt> {
    let folder = run.folder_mut(at)?;
    (folder.done, folder.proof) = (true, None);
    let reason = "The source numbers the messages of this folder anew whenever it is asked, so \
                  that nobody can tell whether all of them were copied."
        .to_owned();
    folder.remark(reason.clone());
    let path = folder.source_path.clone();
    run.fail(failure_of(path, None, reason));
    Ok(())
}

/// Begins a folder anew: what was brought of it is recognised at the destination by what it says.
pub(crate) fn begin_anew<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    at: usize,
    selected: &OpenFolder,
) -> Result<(), Halt> {
    let folder = run.folder_mut(at)?;
    folder.remark("The source numbered its messages anew; they were recognised by content.".into());
    folder.found = State {
        uid_validity: selected.uid_validity,
        uid_next: selected.uid_next.unwrap_or(0),
        messages: selected.exists.into(),
        bytes: folder.found.bytes,
        modseq: selected.modseq,
    };
    (folder.done_uid, folder.number_hint, folder.done) = (0, 1, false);
    (folder.adopt, folder.recognise) = (true, folder.segments > 0);
    folder.renumbered += 1;
    (folder.comparing, folder.missed_uids) = (None, Uids::default());
    // These numbers mean other messages now: what was refused is tried again with the rest.
    let refused = std::mem::take(&mut folder.refused_uids.0).len();
    folder.counts.failed = folder.counts.failed.saturating_sub(refused);
    folder.retry_uids = Default::default();
    folder.moved_uids = Default::default();
    let mail = run.counters(ITEM);
    mail.failed = mail.failed.saturating_sub(refused);
    Ok(())
}
