//! A row of the folder table: one folder of the source, and what became of it.

use model::{FolderReport, Sums, Verdict};
use serde::{Deserialize, Serialize};

use crate::names::{FolderName, Uids};

/// Folders in one page of the table: a settle rewrites one page, so pages are small.
pub const FOLDERS_PER_PAGE: usize = 16;
/// What tells whether a folder changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// UIDVALIDITY.
    pub uid_validity: u32,
    /// UIDNEXT; 0 where the server did not say.
    pub uid_next: u32,
    /// Number of messages.
    pub messages: u64,
    /// Sum of their sizes; 0 where the server did not say.
    pub bytes: u64,
    /// HIGHESTMODSEQ, where the server keeps it.
    pub modseq: Option<u64>,
}

/// One folder of the source and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// Name at the source.
    pub source: FolderName,
    /// The same for people.
    pub source_path: String,
    /// Name at the destination.
    pub destination: FolderName,
    /// The same for people.
    pub destination_path: String,
    /// Attribute of its purpose, such as `\Sent`.
    pub special_use: Option<String>,
    /// Whether the user subscribed to it at the source.
    pub subscribed: bool,
    /// Whether the destination has it.
    pub exists: bool,
    /// The sync point in which we made it; 0 if we did not.
    pub created_in: u32,
    /// Whether the source still has it.
    pub listed: bool,
    /// Whether the destination refuses it.
    pub refused: bool,
    /// A Gmail view of everything, of which only messages without a label are taken.
    #[serde(default)]
    pub unlabelled_only: bool,
    /// As last settled.
    pub settled: Option<State>,
    /// As found by this sync point.
    pub found: State,
    /// At the destination: UIDVALIDITY; 0 where unknown.
    pub destination_uid_validity: u32,
    /// At the destination: UIDNEXT; 0 where unknown.
    pub destination_uid_next: u32,
    /// Whether the destination may hold messages of this folder that no journal knows.
    pub adopt: bool,
    /// Whether its messages may stand at the destination although no journal knows them any more:
    /// what a removal left there is recognised by the next sync point.
    #[serde(default)]
    pub readopt: bool,
    /// Whether the folder is numbered anew on a side, so that messages brought before are
    /// recognised by their Message-ID; those that the user deleted since are not brought again.
    #[serde(default)]
    pub recognise: bool,
    /// Whether flags may have changed, or messages gone, at the source since it was settled.
    #[serde(default)]
    pub stale: bool,
    /// Where a folder that was renamed at the source is to be at the destination.
    #[serde(default)]
    pub rename_to: Option<(FolderName, String)>,
    /// Whether the destination is to be subscribed to.
    #[serde(default)]
    pub subscribe: bool,
    /// The sync point in which we subscribed to it; 0 if we did not.
    #[serde(default)]
    pub subscribed_in: u32,
    /// Source UIDs that were refused, as a set.
    #[serde(default)]
    pub refused_uids: Uids,
    /// Of these, the ones that this run has still to try again, as a set.
    #[serde(default)]
    pub retry_uids: Uids,
    /// Source UIDs above `done_uid` that are settled, since their messages were moved, as a set.
    #[serde(default)]
    pub moved_uids: Uids,
    /// Whether messages of its journal are gone at the source; they may stand in other folders.
    #[serde(default)]
    pub orphans: bool,
    /// Pages of them; 0 with `orphans` for the one list of earlier versions.
    #[serde(default)]
    pub orphan_pages: u32,
    /// The most pages of them that there ever were; those behind the last are of older sync points.
    #[serde(default)]
    pub orphan_pages_max: u32,
    /// How many of them there are.
    #[serde(default)]
    pub orphan_count: u32,
    /// Every journalled source UID up to this one was looked at for changes in this sync point.
    #[serde(default)]
    pub changes_uid: u32,
    /// How often the source numbered it anew during this sync point.
    #[serde(default)]
    pub renumbered: u32,
    /// What the source said when it was asked once more, and what each of its messages is.
    #[serde(default)]
    pub proof: Option<Proof>,
    /// Every source UID up to this one is settled.
    pub done_uid: u32,
    /// Message number to look from.
    pub number_hint: u32,
    /// Whether this sync point is through with it.
    pub done: bool,
    /// Segments in its journal.
    pub segments: u32,
    /// Of these, written by earlier sync points.
    pub segments_before: u32,
    /// Figures for the report.
    pub counts: Counts,
    /// What the verification found.
    pub verified: Option<Verified>,
    /// How far the verification came, where a slice ended in the middle of it.
    #[serde(default)]
    pub comparing: Option<Comparing>,
    /// Source UIDs that the verification found to be missed, and is bringing, as a set.
    #[serde(default)]
    pub missed_uids: Uids,
    /// For people.
    pub remarks: Vec<String>,
}

/// Figures of a folder, all sync points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Put there by us.
    pub migrated: u64,
    /// Their bytes.
    pub migrated_bytes: u64,
    /// There before.
    pub adopted: u64,
    /// Left out by the options, or gone at the source before we came.
    pub left_out: u64,
    /// Refused.
    pub failed: u64,
}

/// Every message that the source lists is exactly one of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// As found by the sync point that asked.
    pub state: State,
    /// What the numbers are.
    pub sums: Sums,
    /// Messages that the source counts and does not list.
    #[serde(default)]
    pub uncounted: u64,
}

/// What the verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Our messages found at the destination.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The verdict.
    pub verdict: Verdict,
}

/// A verification under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparing {
    /// Segments before this one were compared.
    pub from: u32,
    /// The segment behind those that are being compared; 0 before.
    pub to: u32,
    /// Of these, every message up to this UIDVALIDITY and UID was compared.
    pub after: (u32, u32),
    /// Our messages found.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is not there.
    pub missing: u64,
    /// Where another message stands.
    pub other: u64,
    /// What has fewer octets than were sent.
    pub smaller: u64,
    /// What the server says is smaller and was not read.
    pub unread: u64,
    /// What it said was smaller and was read.
    pub read_back: u64,
    /// What has more octets: servers add what they find useful.
    pub larger: u64,
    /// What has another date.
    pub date: u64,
    /// Lines written into the failures.
    pub lines: u64,
    /// Of the source's messages that nothing was known of, those up to this UID were asked about.
    pub asked_to: u32,
    /// Of those that were missed, all up to this UID were tried.
    pub missed_to: u32,
    /// Of these, what the owner's options leave out.
    pub left_out: u64,
    /// Of these, what has its place in another folder.
    pub elsewhere: u64,
}

impl Folder {
    /// The most remarks kept of one folder.
    const REMARKS_MAX: usize = 20;

    /// Octets kept of a remark.
    const REMARK_OCTETS: usize = 2_000;
    /// Octets kept of the list of refused messages: some 25,000 that stand alone. What is refused
    /// beyond is counted, and not tried again by itself.
    const REFUSED_OCTETS: usize = 250_000;

    /// Remembers a message that was refused, so that it can be tried again.
    pub fn refuse(&mut self, uid: u32) {
        if self.refused_uids.octets() < Folder::REFUSED_OCTETS {
            self.refused_uids.0.insert(uid);
        } else {
            self.remark(
                "So many messages of this folder were refused that a further try takes only the \
                 first of them."
                    .to_owned(),
            );
        }
    }

    /// A new sync point looks for messages that left the folder, from its first one on.
    pub fn forget_orphans(&mut self) {
        (self.orphans, self.orphan_pages, self.orphan_count) = (false, 0, 0);
        self.changes_uid = 0;
    }

    /// Adds a sentence once.
    pub fn remark(&mut self, sentence: String) {
        let sentence = wire::plain(&sentence, Folder::REMARK_OCTETS);
        if self.remarks.len() < Folder::REMARKS_MAX && !self.remarks.contains(&sentence) {
            self.remarks.push(sentence);
        }
    }

    /// Its line in the report.
    pub fn report(&self) -> FolderReport {
        let verified = self.verified;
        let sums = self.proof.map(|proof| proof.sums);
        FolderReport {
            source: self.source_path.clone(),
            destination: self.destination_path.clone(),
            source_messages: sums.map_or(self.found.messages, |sums| sums.source),
            source_bytes: self.found.bytes,
            destination_messages: verified.map_or(0, |found| found.messages),
            destination_bytes: verified.map_or(0, |found| found.bytes),
            migrated: self.counts.migrated,
            adopted: self.counts.adopted,
            left_out: sums.map_or(self.counts.left_out, |sums| sums.left_out),
            failed: sums.map_or(self.counts.failed, |sums| sums.failed),
            verdict: verified.map_or(Verdict::Unknown, |found| found.verdict),
            sums,
            remarks: self.remarks.clone(),
        }
    }
}

impl Comparing {
    /// Decides about messages that were said to be smaller and not read: they are like those that
    /// were read. Whether sizes mean nothing at this destination.
    pub fn settle_sizes(&mut self) -> bool {
        if self.unread > 0 && self.smaller == 0 {
            return true;
        }
        self.smaller += std::mem::take(&mut self.unread);
        false
    }

    /// Messages that are not there as they were sent.
    pub fn wrong(&self) -> u64 {
        self.missing + self.other + self.smaller
    }
}
