//! What is told about folders and about what did not arrive.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Item;

/// Why something did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The destination's limit for one message, or `max_item_bytes`.
    TooLarge,
    /// The destination refused the message, also after it was repaired.
    Refused,
    /// The source announced the message and could not deliver it.
    Unreadable,
    /// The source delivered fewer octets than it announced; what came was copied.
    Incomplete,
    /// The destination refused to make the folder.
    FolderRefused,
    /// The destination keeps no such flag or keyword; the message arrived without it.
    FlagNotKept,
    /// The folder has another name at the destination; its messages arrived.
    FolderRenamed,
    /// The message was changed so that the destination takes it.
    Repaired,
    /// The verification found the destination differing.
    Differs,
    /// Not taken back by a removal, since it is no longer as it was left.
    Kept,
}

impl FailureCode {
    /// Whether the item is missing at the destination; the others are remarks.
    pub fn is_loss(self) -> bool {
        match self {
            FailureCode::TooLarge
            | FailureCode::Refused
            | FailureCode::Unreadable
            | FailureCode::Incomplete
            | FailureCode::FolderRefused
            | FailureCode::Differs => true,
            FailureCode::FlagNotKept
            | FailureCode::FolderRenamed
            | FailureCode::Repaired
            | FailureCode::Kept => false,
        }
    }

    /// The word of the API.
    pub fn name(self) -> &'static str {
        match self {
            FailureCode::TooLarge => "too_large",
            FailureCode::Refused => "refused",
            FailureCode::Unreadable => "unreadable",
            FailureCode::Incomplete => "incomplete",
            FailureCode::FolderRefused => "folder_refused",
            FailureCode::FlagNotKept => "flag_not_kept",
            FailureCode::FolderRenamed => "folder_renamed",
            FailureCode::Repaired => "repaired",
            FailureCode::Differs => "differs",
            FailureCode::Kept => "kept",
        }
    }
}

/// One thing that did not arrive, or not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// What kind of thing.
    pub item: Item,
    /// The source's folder.
    pub folder: String,
    /// Subject of the message; empty where unknown.
    pub subject: String,
    /// Internal date, RFC 3339; `None` where unknown.
    pub date: Option<String>,
    /// Size of the message in bytes.
    pub size_bytes: u64,
    /// For programs.
    pub code: FailureCode,
    /// For people, with the server's own words.
    pub reason: String,
}

/// What the verification found out about a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every message of the source is at the destination, same size, date and Message-ID.
    Complete,
    /// All but those that the failures list.
    CompleteButFailures,
    /// Something is missing or differs that no failure explains.
    Differs,
    /// Not verified (yet).
    Unknown,
}

impl Verdict {
    /// The word of the API.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Complete => "complete",
            Verdict::CompleteButFailures => "complete_but_failures",
            Verdict::Differs => "differs",
            Verdict::Unknown => "unknown",
        }
    }
}

/// What became of the messages that the source lists at the end of a run: each is counted once, so
/// that `migrated + adopted + elsewhere + left_out + failed = source`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Sums {
    /// Messages that the source has, as it says when it is asked once more after the copy.
    pub source: u64,
    /// Put at the destination by this migration, with what they had.
    pub migrated: u64,
    /// At the destination before, and recognised.
    pub adopted: u64,
    /// Settled in another way: in another folder of the destination, or deleted there by the user.
    pub elsewhere: u64,
    /// Left out by the owner's own options.
    pub left_out: u64,
    /// Not at the destination, or not as they were; each has a line in the failures, or a remark
    /// says why that is not possible.
    pub failed: u64,
}

impl Sums {
    /// Whether every message of the source is one of these.
    pub fn meet(&self) -> bool {
        let arrived = self.migrated + self.adopted + self.elsewhere;
        arrived + self.left_out + self.failed == self.source
    }
}

/// One folder in the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FolderReport {
    /// Name at the source, `/` between levels.
    pub source: String,
    /// Name at the destination, `/` between levels.
    pub destination: String,
    /// Messages at the source when they were last looked at.
    pub source_messages: u64,
    /// Their bytes.
    pub source_bytes: u64,
    /// Messages of this migration found at the destination by the verification.
    pub destination_messages: u64,
    /// Their bytes.
    pub destination_bytes: u64,
    /// Put there by us, all sync points.
    pub migrated: u64,
    /// There before, and recognised.
    pub adopted: u64,
    /// Left out by the options.
    pub left_out: u64,
    /// Refused.
    pub failed: u64,
    /// What the verification says.
    pub verdict: Verdict,
    /// What each message of the source is, once the source was asked.
    #[serde(default)]
    pub sums: Option<Sums>,
    /// Remarks, such as a changed name.
    pub remarks: Vec<String>,
}
