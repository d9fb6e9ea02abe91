//! What owners are told of: the events in the life of a migration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Counters, Item, Removal, Status, Timestamp, Verdict};

/// Something that happened, with what is told of it. It is a picture of that moment: a mail that
/// is late still says what was true then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The migration was asked for.
    Created {
        /// When it begins, where that is later.
        start_at: Option<Timestamp>,
    },
    /// A run began.
    Started {
        /// Which.
        sync_point: u32,
    },
    /// A run has been waiting for longer than [`Event::WAITING_MS`].
    Waiting {
        /// Which.
        sync_point: u32,
        /// Since when.
        since: Timestamp,
        /// When it is tried again.
        until: Timestamp,
        /// A sentence, with the server's own words.
        reason: String,
    },
    /// A run ended, whatever way.
    Ended(Box<Outcome>),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which; 0 where it was stopped before the first began.
    pub sync_point: u32,
    /// Where the migration stands.
    pub status: Status,
    /// When the run began.
    pub started_at: Option<Timestamp>,
    /// What it dealt with.
    pub progress: BTreeMap<Item, Counters>,
    /// Items that did not arrive.
    pub failures: u64,
    /// Folders that were compared.
    pub folders: u64,
    /// What the comparison found, over all folders.
    pub verdict: Verdict,
    /// Why it could not go on, as a sentence.
    pub last_error: Option<String>,
    /// What became of a removal, where it was one that ended.
    #[serde(default)]
    pub removal: Option<Removal>,
}

impl Event {
    /// How long a run has to wait before its owner is told, in milliseconds.
    pub const WAITING_MS: u64 = 60 * 60 * 1000;

    /// The word for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Event::Created { .. } => "migration.created",
            Event::Started { .. } => "migration.started",
            Event::Waiting { .. } => "migration.waiting",
            Event::Ended(_) => "migration.ended",
        }
    }
}

impl Verdict {
    /// What is to be said of a whole of which these are the parts; nothing compared is unknown.
    pub fn overall(parts: impl IntoIterator<Item = Verdict>) -> Verdict {
        let rank = |verdict: &Verdict| match verdict {
            Verdict::Complete => 0,
            Verdict::CompleteButFailures => 1,
            Verdict::Differs => 2,
            Verdict::Unknown => 3,
        };
        parts.into_iter().max_by_key(rank).unwrap_or(Verdict::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_part_says_it() {
        use Verdict::{Complete, CompleteButFailures, Differs, Unknown};
        assert_eq!(Verdict::overall([]), Unknown);
        assert_eq!(Verdict::overall([Complete, Complete]), Complete);
        assert_eq!(Verdict::overall([CompleteButFailures, Complete]), CompleteButFailures);
        assert_eq!(Verdict::overall([Complete, Differs, CompleteButFailures]), Differs);
        assert_eq!(Verdict::overall([Differs, Unknown]), Unknown);
    }

    #[test]
    fn what_is_stored_stays_readable() -> Result<(), serde_json::Error> {
        let stored = r#"{"event":"waiting","sync_point":1,"since":"2026-11-22T15:04:05Z",
            "until":"2026-11-22T16:14:05Z","reason":"The source: no answer."}"#;
        let event: Event = serde_json::from_str(stored)?;
        assert_eq!(event.name(), "migration.waiting");
        assert_eq!(serde_json::from_str::<Event>(&serde_json::to_string(&event)?)?, event);
        let stored = r#"{"event":"ended","sync_point":1,"status":"completed","started_at":null,
            "progress":{},"failures":0,"folders":3,"verdict":"complete","last_error":null}"#;
        assert!(matches!(serde_json::from_str(stored)?, Event::Ended(_)));
        Ok(())
    }
}
