//! Where the engine stands: the cursor and the folder table, as they are stored.

use imap::{MailboxName, Spelling};
use mailbox::{InternalDate, UidSet};
use model::{FolderReport, Phase, Sums, Verdict};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Folders in one page of the table: a settle rewrites one page, so pages are small.
pub(crate) const FOLDERS_PER_PAGE: usize = 16;
/// Failures in one page.
pub(crate) const FAILURES_PER_PAGE: u64 = 100;

/// Where the engine stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// What it is doing.
    pub(crate) phase: Phase,
    /// Folders in the table.
    pub(crate) folders: u32,
    /// The folder being worked on.
    pub(crate) at: u32,
    /// Failures written, all sync points; remarks count too.
    pub(crate) failures: u64,
    /// Tries without any progress, for the back-off.
    pub(crate) attempts: u32,
    /// How long the slowest batch took from its last byte to the answer, in milliseconds: a
    /// server that we died on may still be at it that long.
    pub(crate) slowest_ms: u64,
    /// Source messages with a failure in the current sync point, for the verdict of its folder.
    #[serde(default)]
    pub(crate) losses: u64,
    /// Whether this run only tries once more what was refused.
    #[serde(default)]
    pub(crate) retry: bool,
    /// While items are taken back: from which sync point on.
    #[serde(default)]
    pub(crate) remove_from: u32,
    /// Whether the source tells only behind a body whose it is, so that bodies are asked for one at
    /// a time.
    #[serde(default)]
    pub(crate) bodies_alone: bool,
    /// Refusals after which nothing was found that the destination had stored all the same.
    #[serde(default)]
    pub(crate) honest_refusals: u32,
    /// Messages set aside since the last one that was taken: the destination refused them as if it
    /// were too busy.
    #[serde(default)]
    pub(crate) limited: u32,
    /// Octets of the smallest message that was set aside.
    #[serde(default)]
    pub(crate) aside_size: Option<u64>,
    /// The same, once smaller ones were taken: messages as large are set aside at once.
    #[serde(default)]
    pub(crate) limit_size: Option<u64>,
    /// Unique-ids in the stored list, of a source that numbers its messages anew in each session.
    #[serde(default)]
    pub(crate) unique_ids: u32,
}

impl Cursor {
    /// Before anything was done.
    pub(crate) fn new() -> Self {
        Cursor {
            phase: Phase::Discover,
            folders: 0,
            at: 0,
            failures: 0,
            attempts: 0,
            slowest_ms: 0,
            losses: 0,
            retry: false,
            remove_from: 0,
            bodies_alone: false,
            honest_refusals: 0,
            limited: 0,
            aside_size: None,
            limit_size: None,
            unique_ids: 0,
        }
    }
}

impl Cursor {
    /// Where a run begins that follows the one which ended here.
    pub(crate) fn again(self) -> Self {
        let phase = Phase::Discover;
        Cursor { phase, at: 0, attempts: 0, losses: 0, limited: 0, retry: false, ..self }
    }
}

/// A mailbox name that survives JSON whatever bytes it has: each byte is one character.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Name {
    raw: String,
    utf8: bool,
}

impl Name {
    /// From the protocol's name.
    pub(crate) fn new(name: &MailboxName, spelling: Spelling) -> Self {
        let raw = name.raw().iter().map(|byte| char::from(*byte)).collect();
        Name { raw, utf8: spelling == Spelling::Utf8 }
    }

    /// The protocol's name.
    pub(crate) fn mailbox(&self) -> MailboxName {
        let raw: Vec<u8> =
            self.raw.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
        let spelling = if self.utf8 { Spelling::Utf8 } else { Spelling::ModifiedUtf7 };
        MailboxName::from_wire(&raw, spelling)
    }
}

/// A set of UIDs in a record, as RFC 9051 spells sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Uids(pub(crate) UidSet);

impl Uids {
    /// The most octets that it takes in a record.
    pub(crate) fn octets(&self) -> usize {
        // Two numbers of ten digits and two signs for each range.
        self.0.range_count() * 22
    }
}

impl Serialize for Uids {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Uids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Uids::default());
        }
        let set = UidSet::parse(text.as_bytes());
        set.map(Uids).ok_or_else(|| serde::de::Error::custom("not a set of UIDs"))
    }
}

/// What tells whether a folder changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// UIDVALIDITY.
    pub(crate) uid_validity: u32,
    /// UIDNEXT; 0 where the server did not say.
    pub(crate) uid_next: u32,
    /// Number of messages.
    pub(crate) messages: u64,
    /// Sum of their sizes; 0 where the server did not say.
    pub(crate) bytes: u64,
    /// HIGHESTMODSEQ, where the server keeps it.
    pub(crate) modseq: Option<u64>,
}

/// One folder of the source and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Folder {
    /// Name at the source.
    pub(crate) source: Name,
    /// The same for people.
    pub(crate) source_path: String,
    /// Name at the destination.
    pub(crate) destination: Name,
    /// The same for people.
    pub(crate) destination_path: String,
    /// Attribute of its purpose, such as `\Sent`.
    pub(crate) special_use: Option<String>,
    /// Whether the user subscribed to it at the source.
    pub(crate) subscribed: bool,
    /// Whether the destination has it.
    pub(crate) exists: bool,
    /// The sync point in which we made it; 0 if we did not.
    pub(crate) created_in: u32,
    /// Whether the source still has it.
    pub(crate) listed: bool,
    /// Whether the destination refuses it.
    pub(crate) refused: bool,
    /// A Gmail view of everything, of which only messages without a label are taken.
    #[serde(default)]
    pub(crate) unlabelled_only: bool,
    /// As last settled.
    pub(crate) settled: Option<State>,
    /// As found by this sync point.
    pub(crate) found: State,
    /// At the destination: UIDVALIDITY; 0 where unknown.
    pub(crate) destination_uid_validity: u32,
    /// At the destination: UIDNEXT; 0 where unknown.
    pub(crate) destination_uid_next: u32,
    /// Whether the destination may hold messages of this folder that no journal knows.
    pub(crate) adopt: bool,
    /// Whether its messages may stand at the destination although no journal knows them any more:
    /// what a removal left there is recognised by the next sync point.
    #[serde(default)]
    pub(crate) readopt: bool,
    /// Whether the folder is numbered anew on a side, so that messages brought before are
    /// recognised by their Message-ID; those that the user deleted since are not brought again.
    #[serde(default)]
    pub(crate) recognise: bool,
    /// Whether flags may have changed, or messages gone, at the source since it was settled.
    #[serde(default)]
    pub(crate) stale: bool,
    /// Where a folder that was renamed at the source is to be at the destination.
    #[serde(default)]
    pub(crate) rename_to: Option<(Name, String)>,
    /// Whether the destination is to be subscribed to.
    #[serde(default)]
    pub(crate) subscribe: bool,
    /// The sync point in which we subscribed to it; 0 if we did not.
    #[serde(default)]
    pub(crate) subscribed_in: u32,
    /// Source UIDs that were refused, as a set.
    #[serde(default)]
    pub(crate) refused_uids: Uids,
    /// Of these, the ones that this run has still to try again, as a set.
    #[serde(default)]
    pub(crate) retry_uids: Uids,
    /// Source UIDs above `done_uid` that are settled, since their messages were moved, as a set.
    #[serde(default)]
    pub(crate) moved_uids: Uids,
    /// Whether messages of its journal are gone at the source; they may stand in other folders.
    #[serde(default)]
    pub(crate) orphans: bool,
    /// Pages of them; 0 with `orphans` for the one list of earlier versions.
    #[serde(default)]
    pub(crate) orphan_pages: u32,
    /// The most pages of them that there ever were; those behind the last are of older sync points.
    #[serde(default)]
    pub(crate) orphan_pages_max: u32,
    /// How many of them there are.
    #[serde(default)]
    pub(crate) orphan_count: u32,
    /// Every journalled source UID up to this one was looked at for changes in this sync point.
    #[serde(default)]
    pub(crate) changes_uid: u32,
    /// How often the source numbered it anew during this sync point.
    #[serde(default)]
    pub(crate) renumbered: u32,
    /// What the source said when it was asked once more, and what each of its messages is.
    #[serde(default)]
    pub(crate) proof: Option<Proof>,
    /// Every source UID up to this one is settled.
    pub(crate) done_uid: u32,
    /// Message number to look from.
    pub(crate) number_hint: u32,
    /// Whether this sync point is through with it.
    pub(crate) done: bool,
    /// Segments in its journal.
    pub(crate) segments: u32,
    /// Of these, written by earlier sync points.
    pub(crate) segments_before: u32,
    /// Figures for the report.
    pub(crate) counts: Counts,
    /// What the verification found.
    pub(crate) verified: Option<Verified>,
    /// How far the verification came, where a slice ended in the middle of it.
    #[serde(default)]
    pub(crate) comparing: Option<Comparing>,
    /// Source UIDs that the verification found to be missed, and is bringing, as a set.
    #[serde(default)]
    pub(crate) missed_uids: Uids,
    /// For people.
    pub(crate) remarks: Vec<String>,
}

/// Figures of a folder, all sync points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Put there by us.
    pub(crate) migrated: u64,
    /// Their bytes.
    pub(crate) migrated_bytes: u64,
    /// There before.
    pub(crate) adopted: u64,
    /// Left out by the options, or gone at the source before we came.
    pub(crate) left_out: u64,
    /// Refused.
    pub(crate) failed: u64,
}

/// Every message that the source lists is exactly one of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proof {
    /// As found by the sync point that asked.
    pub(crate) state: State,
    /// What the numbers are.
    pub(crate) sums: Sums,
    /// Messages that the source counts and does not list.
    #[serde(default)]
    pub(crate) uncounted: u64,
}

/// What the verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verified {
    /// Our messages found at the destination.
    pub(crate) messages: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// The verdict.
    pub(crate) verdict: Verdict,
}

/// A verification under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Comparing {
    /// Segments before this one were compared.
    pub(crate) from: u32,
    /// The segment behind those that are being compared; 0 before.
    pub(crate) to: u32,
    /// Of these, every message up to this UIDVALIDITY and UID was compared.
    pub(crate) after: (u32, u32),
    /// Our messages found.
    pub(crate) messages: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// What is not there.
    pub(crate) missing: u64,
    /// Where another message stands.
    pub(crate) other: u64,
    /// What has fewer octets than were sent.
    pub(crate) smaller: u64,
    /// What the server says is smaller and was not read.
    pub(crate) unread: u64,
    /// What it said was smaller and was read.
    pub(crate) read_back: u64,
    /// What has more octets: servers add what they find useful.
    pub(crate) larger: u64,
    /// What has another date.
    pub(crate) date: u64,
    /// Lines written into the failures.
    pub(crate) lines: u64,
    /// Of the source's messages that nothing was known of, those up to this UID were asked about.
    pub(crate) asked_to: u32,
    /// Of those that were missed, all up to this UID were tried.
    pub(crate) missed_to: u32,
    /// Of these, what the owner's options leave out.
    pub(crate) left_out: u64,
    /// Of these, what has its place in another folder.
    pub(crate) elsewhere: u64,
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
    pub(crate) fn refuse(&mut self, uid: u32) {
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
    pub(crate) fn forget_orphans(&mut self) {
        (self.orphans, self.orphan_pages, self.orphan_count) = (false, 0, 0);
        self.changes_uid = 0;
    }

    /// Adds a sentence once.
    pub(crate) fn remark(&mut self, sentence: String) {
        let sentence = crate::run::plain(&sentence, Folder::REMARK_OCTETS);
        if self.remarks.len() < Folder::REMARKS_MAX && !self.remarks.contains(&sentence) {
            self.remarks.push(sentence);
        }
    }

    /// Its line in the report.
    pub(crate) fn report(&self) -> FolderReport {
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

/// A message as the source lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its UID.
    pub(crate) uid: u32,
    /// RFC822.SIZE.
    pub(crate) size: u64,
    /// INTERNALDATE.
    pub(crate) date: InternalDate,
    /// Flags without `\Recent`.
    pub(crate) flags: mailbox::Flags,
    /// Hash of the Message-ID where it was asked for; 0 where there is none.
    pub(crate) identity: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_json_whatever_bytes_they_have() {
        let broken = MailboxName::from_wire(b"caf\xe9 & \x80\xff", Spelling::ModifiedUtf7);
        let name = Name::new(&broken, Spelling::ModifiedUtf7);
        let json = serde_json::to_string(&name).unwrap();
        assert_eq!(serde_json::from_str::<Name>(&json).unwrap().mailbox().raw(), broken.raw());
    }
}
