//! Where a migration stands, and what may be done with it there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a migration stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A file is still to come.
    AwaitingUpload,
    /// The file is there; the owner has to start it.
    AwaitingStart,
    /// Starts by itself at `options.start_at`.
    Scheduled,
    /// Will be taken up as soon as possible.
    Pending,
    /// Being advanced.
    Running,
    /// Held by a server or the line: goes on by itself.
    Waiting,
    /// Held by the owner.
    Paused,
    /// Everything arrived.
    Completed,
    /// Everything but what the failures list arrived.
    CompletedWithErrors,
    /// Ended by the owner; what was migrated stays.
    Stopped,
    /// Could not go on.
    Failed,
    /// Migrated items are being taken back.
    Removing,
}

/// Something the owner can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Begin a file migration whose upload is complete.
    Start,
    /// End it; what was migrated stays.
    Stop,
    /// Hold it; it goes on where it was.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Bring what the destination lacks, and what changed.
    Synchronise,
    /// Try once more what was refused, and nothing else.
    Retry,
    /// Take back what sync points put at the destination.
    Remove,
    /// Erase every trace of it here.
    Delete,
}

impl Action {
    /// The word of the API.
    pub fn name(self) -> &'static str {
        match self {
            Action::Start => "start",
            Action::Stop => "stop",
            Action::Pause => "pause",
            Action::Resume => "resume",
            Action::Retry => "retry",
            Action::Remove => "remove",
            Action::Synchronise => "synchronise",
            Action::Delete => "delete",
        }
    }
}

impl Status {
    /// Every status, in the order a migration goes through them.
    pub const ALL: [Status; 12] = [
        Status::AwaitingUpload,
        Status::AwaitingStart,
        Status::Scheduled,
        Status::Pending,
        Status::Running,
        Status::Waiting,
        Status::Paused,
        Status::Completed,
        Status::CompletedWithErrors,
        Status::Stopped,
        Status::Failed,
        Status::Removing,
    ];

    /// What may be done in this status; everything else is refused with this list.
    pub fn actions(self) -> &'static [Action] {
        match self {
            Status::AwaitingUpload => &[Action::Delete],
            Status::AwaitingStart => &[Action::Start, Action::Delete],
            Status::Scheduled | Status::Pending | Status::Running | Status::Waiting => {
                &[Action::Stop, Action::Pause, Action::Delete]
            }
            Status::Paused => &[Action::Resume, Action::Stop, Action::Delete],
            Status::Completed => &[Action::Synchronise, Action::Remove, Action::Delete],
            Status::CompletedWithErrors | Status::Stopped | Status::Failed => {
                &[Action::Synchronise, Action::Retry, Action::Remove, Action::Delete]
            }
            Status::Removing => &[Action::Stop, Action::Delete],
        }
    }

    /// Whether `action` may be done in this status.
    pub fn allows(self, action: Action) -> bool {
        self.actions().contains(&action)
    }

    /// Whether nothing happens any more unless the owner acts.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Status::Completed | Status::CompletedWithErrors | Status::Stopped | Status::Failed
        )
    }

    /// The word of the API.
    pub fn name(self) -> &'static str {
        match self {
            Status::AwaitingUpload => "awaiting_upload",
            Status::AwaitingStart => "awaiting_start",
            Status::Scheduled => "scheduled",
            Status::Pending => "pending",
            Status::Running => "running",
            Status::Waiting => "waiting",
            Status::Paused => "paused",
            Status::Completed => "completed",
            Status::CompletedWithErrors => "completed_with_errors",
            Status::Stopped => "stopped",
            Status::Failed => "failed",
            Status::Removing => "removing",
        }
    }
}

/// What a running migration is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Looks at both accounts.
    Discover,
    /// Makes the folders.
    Folders,
    /// Brings flags that changed, and finds out what was moved.
    Changes,
    /// Moves messages.
    Mail,
    /// Compares both sides.
    Verify,
    /// Takes back what sync points brought.
    Remove,
    /// Nothing is left to do.
    Finished,
}

impl Phase {
    /// The word of the API.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Discover => "discover",
            Phase::Folders => "folders",
            Phase::Changes => "changes",
            Phase::Mail => "mail",
            Phase::Verify => "verify",
            Phase::Remove => "remove",
            Phase::Finished => "finished",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_stored_words() -> Result<(), serde_json::Error> {
        for status in [Status::AwaitingUpload, Status::CompletedWithErrors, Status::Running] {
            assert_eq!(serde_json::to_string(&status)?, format!("{:?}", status.name()));
        }
        Ok(())
    }

    #[test]
    fn a_finished_migration_cannot_be_stopped() {
        assert!(!Status::Completed.allows(Action::Stop));
        assert!(Status::Completed.allows(Action::Synchronise));
        assert!(Status::Waiting.allows(Action::Stop));
    }
}
