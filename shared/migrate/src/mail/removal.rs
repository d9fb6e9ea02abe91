//! What a removal would take back, and what it would leave with which reason. Looks only.

use std::collections::{BTreeMap, BTreeSet};

use dial::Dialer;
use ledger::fold::{Ledger, Row};
use ledger::folder::Folder;
use ledger::{Cursor, table};
use mailbox::{Flags, SystemFlag, UidSet, header};
use model::MigrationId;
use serde::{Deserialize, Serialize};
use services::mail::{Access, Asked, Event, Fetch, MailDestination, MailService, Which};
use services::{Destination, Side, Trouble, trouble};
use store::seal::Credential;
use store::{Store, keys, records};
use wire::Stream;

use crate::login::{self, Refusal};
use crate::mail::reading::imap_set_octets;
use crate::mail::windows;
use crate::trouble::{At, Halt};
use crate::world::Host;

/// Messages that a preview looks at; it is made while a page waits.
pub const PREVIEW_MAX: u64 = 50_000;

/// What stays, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The destination's folder.
    pub folder: String,
    /// How many messages of it.
    pub messages: u64,
    /// A sentence.
    pub reason: String,
}

/// What a removal would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// Messages that would be removed.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Folders that would be removed, where nothing else is in them.
    pub folders: Vec<String>,
    /// Messages by folder of the destination.
    pub per_folder: BTreeMap<String, u64>,
    /// What would stay, although we put it there.
    pub kept: Vec<Kept>,
    /// Messages that the user has removed already.
    pub gone: u64,
    /// Whether there are more than [`PREVIEW_MAX`] messages, so that the rest was not looked at.
    pub truncated: bool,
}

/// Why a message that we put there stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// The flags differ from those it was left with.
    Flags,
    /// Another message has the UID.
    Other,
    /// The folder is another one than the one we put it into.
    FolderReplaced,
    /// The server cannot remove single messages, and others are marked as deleted.
    CannotSingleOut,
}

impl Reason {
    /// A sentence.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Reason::Flags => {
                "It was read, answered, marked or unmarked since it was brought, so it stays."
            }
            Reason::Other => "Another message stands in its place, so nothing was removed.",
            Reason::FolderReplaced => {
                "The folder was replaced since; what is in it now was not brought by this migration."
            }
            Reason::CannotSingleOut => {
                "This server can only remove all messages marked as deleted at once, and others in \
                 the folder are marked too."
            }
        }
    }
}

/// The verdict on the messages of one folder.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// As we left them.
    pub(crate) removable: Vec<Row>,
    /// The user has removed or moved them.
    pub(crate) gone: Vec<Row>,
    /// They stay.
    pub(crate) kept: Vec<(Row, Reason)>,
}

/// Messages that are judged together: a stop takes effect after them.
pub(crate) const JUDGED_AT_ONCE: usize = if cfg!(test) { 2 } else { 1_000 };

/// The rows of a window that a removal from sync point `from` on is about; each message of the
/// destination once.
pub(crate) fn candidates(ledger: &Ledger, from: u32) -> Vec<Row> {
    let mut seen = BTreeSet::new();
    let brought = ledger.rows.iter().filter(|row| row.is_ours() && row.sync_point >= from);
    let once = brought
        .filter(|row| seen.insert((row.destination_uid_validity, row.entry.destination_uid)));
    once.cloned().collect()
}

/// Opens the destination's folder; its UIDVALIDITY, or `None` where the user removed it.
pub(crate) async fn open<S: Stream>(
    session: &mut Destination<S>,
    folder: &Folder,
    access: Access,
) -> Result<Option<u32>, Halt> {
    let opened = session.open(&folder.destination.mailbox(), access).await;
    Ok(opened.at(Side::Destination)?.map(|selected| selected.uid_validity))
}

/// Compares rows with what stands in the folder, which is open and has this UIDVALIDITY.
/// `marked` are messages that an interrupted removal may have marked as deleted.
pub(crate) async fn judge<S: Stream>(
    session: &mut Destination<S>,
    uid_validity: Option<u32>,
    (ledger, rows): (&Ledger, Vec<Row>),
    marked: &UidSet,
) -> Result<Judged, Halt> {
    let mut judged = Judged::default();
    let Some(uid_validity) = uid_validity else {
        judged.gone = rows;
        return Ok(judged);
    };
    let (here, elsewhere): (Vec<Row>, Vec<Row>) =
        rows.into_iter().partition(|row| row.destination_uid_validity == uid_validity);
    judged.kept.extend(elsewhere.into_iter().map(|row| (row, Reason::FolderReplaced)));
    let uids: UidSet = here.iter().map(|row| row.entry.destination_uid).collect();
    let there = list(session, &uids).await.at(Side::Destination)?;
    let any_size = session.facts().size_is_estimate;
    for row in here {
        let Some(found) = there.get(&row.entry.destination_uid) else {
            judged.gone.push(row);
            continue;
        };
        let mut flags = found.flags.clone();
        if marked.contains(row.entry.destination_uid) {
            flags.clear(SystemFlag::Deleted);
        }
        let sized = found.size == row.entry.size || any_size;
        if found.identity != row.entry.identity || !sized {
            judged.kept.push((row, Reason::Other));
        } else if !same_flags(&flags, &ledger.flags(&row)) {
            judged.kept.push((row, Reason::Flags));
        } else {
            judged.removable.push(row);
        }
    }
    Ok(judged)
}

fn same_flags(one: &Flags, other: &Flags) -> bool {
    let names = |flags: &Flags| -> BTreeSet<String> {
        let lower = flags.names().map(str::to_lowercase);
        lower.filter(|name| name != "\\recent").collect()
    };
    names(one) == names(other)
}

struct Found {
    flags: Flags,
    size: u64,
    identity: u64,
}

async fn list<S: Stream>(
    session: &mut Destination<S>,
    uids: &UidSet,
) -> Result<BTreeMap<u32, Found>, Trouble> {
    let items = Asked { flags: true, size: true, message_id: true, ..Asked::default() };
    let mut found = BTreeMap::new();
    for piece in uids.pieces(imap_set_octets()) {
        session.start_fetch(&Which::Uids(piece), items).await?;
        loop {
            match session.next().await? {
                Event::Message(row) => {
                    let identity = row.message_id.map_or(0, |block| header::identity(&block));
                    let (flags, size) = (row.flags.unwrap_or_default(), row.size.unwrap_or(0));
                    found.insert(row.uid, Found { flags, size, identity });
                }
                Event::Done => break,
                Event::Refused(reply) => return Err(Trouble::Rejected(reply)),
                Event::Chunk(_) | Event::EndOfBody(_) | Event::Vanished(_) => {}
            }
        }
    }
    Ok(found)
}

/// A page waits for a preview: so long, whatever the server does.
const PREVIEW_TIMEOUT_S: u32 = 120;

/// What a removal from sync point `from` on would do, as far as it is found within
/// [`PREVIEW_TIMEOUT_S`]; nothing is changed.
pub async fn preview<H: Host>(
    (host, dialer): (&H, &Dialer<'_, H>),
    store: &impl Store,
    id: &MigrationId,
    from: u32,
    credential: &Credential,
) -> Result<Preview, PreviewError> {
    let work = look((host, dialer), store, id, from, credential);
    wire::within(host, PREVIEW_TIMEOUT_S, work).await
}

async fn look<H: Host>(
    (host, dialer): (&H, &Dialer<'_, H>),
    store: &impl Store,
    id: &MigrationId,
    from: u32,
    credential: &Credential,
) -> Result<Preview, PreviewError> {
    let Some(migration) = crate::stored::read(store, id).await? else {
        return Ok(Preview::default());
    };
    let cursor: Option<Cursor> = records::read(store, &keys::cursor(id)).await?;
    let count = cursor.map_or(0, |cursor| cursor.folders);
    let folders = table::all(store, id, count).await?;
    let account = (&migration.destination, credential);
    let opened = login::open_destination(host, dialer, account).await;
    let refused = |error: Trouble| PreviewError::Refused(login::refusal(Side::Destination, &error));
    let mut session = opened.map_err(refused)?.service;
    let mut preview = Preview::default();
    for (at, folder) in folders.iter().enumerate() {
        if folder.created_in >= from && folder.created_in > 0 && folder.exists {
            preview.folders.push(folder.destination_path.clone());
        }
        if folder.segments == 0 {
            continue;
        }
        if preview.messages + preview.gone >= PREVIEW_MAX {
            preview.truncated = true;
            break;
        }
        look_at(store, id, &mut session, (at, folder, from), &mut preview).await?;
    }
    session.leave(host).await;
    Ok(preview)
}

async fn look_at<S: Stream>(
    store: &impl Store,
    id: &MigrationId,
    session: &mut Destination<S>,
    (at, folder, from): (usize, &Folder, u32),
    preview: &mut Preview,
) -> Result<(), PreviewError> {
    let mut windows = windows::of(id, at, folder.segments);
    let mut opened: Option<Option<u32>> = None;
    let mut reasons: BTreeMap<Reason, u64> = BTreeMap::new();
    'folder: while let Some(ledger) = windows.next(store).await? {
        for rows in candidates(&ledger, from).chunks(JUDGED_AT_ONCE) {
            if preview.messages + preview.gone >= PREVIEW_MAX {
                preview.truncated = true;
                break 'folder;
            }
            let validity = match opened {
                Some(validity) => validity,
                None => *opened.insert(open(session, folder, Access::Read).await?),
            };
            let rows = (&ledger, rows.to_vec());
            let judged = judge(session, validity, rows, &UidSet::new()).await?;
            preview.messages += judged.removable.len() as u64;
            preview.bytes += judged.removable.iter().map(|row| row.entry.size).sum::<u64>();
            preview.gone += judged.gone.len() as u64;
            if !judged.removable.is_empty() {
                let of_folder = preview.per_folder.entry(folder.destination_path.clone());
                *of_folder.or_default() += judged.removable.len() as u64;
            }
            judged.kept.iter().for_each(|(_, reason)| *reasons.entry(*reason).or_default() += 1);
        }
    }
    preview.kept.extend(reasons.into_iter().map(|(reason, messages)| Kept {
        folder: folder.destination_path.clone(),
        messages,
        reason: reason.sentence().to_owned(),
    }));
    Ok(())
}

/// Why there is no preview.
#[derive(Debug)]
pub enum PreviewError {
    /// The destination cannot be used.
    Refused(Refusal),
    /// It broke off; a sentence.
    Broke(String),
    /// The store failed.
    Store(store::Error),
}

impl From<wire::Error> for PreviewError {
    fn from(error: wire::Error) -> Self {
        PreviewError::Broke(format!("The destination: {error}."))
    }
}

impl From<store::Error> for PreviewError {
    fn from(error: store::Error) -> Self {
        PreviewError::Store(error)
    }
}

impl From<Halt> for PreviewError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Store(error) => PreviewError::Store(error),
            Halt::Trouble(side, error) => PreviewError::Broke(trouble::sentence(side, &error)),
            Halt::Impossible(sentence) => PreviewError::Broke(sentence),
            Halt::Budget
            | Halt::Stopped
            | Halt::Paused
            | Halt::Held
            | Halt::Taken
            | Halt::Quiet(_)
            | Halt::Later(..)
            | Halt::Lost => PreviewError::Broke("It was interrupted.".to_owned()),
        }
    }
}
