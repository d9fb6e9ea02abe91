//! Where a run stands.

use model::Phase;
use serde::{Deserialize, Serialize};

/// Failures in one page.
pub const FAILURES_PER_PAGE: u64 = 100;

/// Where the engine stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// What it is doing.
    pub phase: Phase,
    /// Folders in the table.
    pub folders: u32,
    /// The folder being worked on.
    pub at: u32,
    /// Failures written, all sync points; remarks count too.
    pub failures: u64,
    /// Tries without any progress, for the back-off.
    pub attempts: u32,
    /// How long the slowest batch took from its last byte to the answer, in milliseconds: a
    /// server that we died on may still be at it that long.
    pub slowest_ms: u64,
    /// Source messages with a failure in the current sync point, for the verdict of its folder.
    #[serde(default)]
    pub losses: u64,
    /// Whether this run only tries once more what was refused.
    #[serde(default)]
    pub retry: bool,
    /// While items are taken back: from which sync point on.
    #[serde(default)]
    pub remove_from: u32,
    /// Whether the source tells only behind a body whose it is, so that bodies are asked for one at
    /// a time.
    #[serde(default)]
    pub bodies_alone: bool,
    /// Refusals after which nothing was found that the destination had stored all the same.
    #[serde(default)]
    pub honest_refusals: u32,
    /// Messages set aside since the last one that was taken: the destination refused them as if it
    /// were too busy.
    #[serde(default)]
    pub limited: u32,
    /// Octets of the smallest message that was set aside.
    #[serde(default)]
    pub aside_size: Option<u64>,
    /// The same, once smaller ones were taken: messages as large are set aside at once.
    #[serde(default)]
    pub limit_size: Option<u64>,
    /// Unique-ids in the stored list, of a source that numbers its messages anew in each session.
    #[serde(default)]
    pub unique_ids: u32,
}

impl Default for Cursor {
    /// Before anything was done.
    fn default() -> Self {
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
    pub fn again(self) -> Self {
        let phase = Phase::Discover;
        Cursor { phase, at: 0, attempts: 0, losses: 0, limited: 0, retry: false, ..self }
    }
}
