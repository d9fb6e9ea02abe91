//! How a slice ended, for whoever drives; and what is taken away then.

use model::{Migration, Timestamp};
use store::{Store, keys};

/// How a slice ended, for whoever drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advanced {
    /// It worked; due again at this time (ms), or never.
    Until(Option<u64>),
    /// Someone else is at it.
    Busy,
}

impl Advanced {
    /// For whoever fans out.
    pub(crate) fn ended(self) -> Ended {
        match self {
            Advanced::Until(due_ms) => Ended::Worked { active: due_ms.is_some() },
            Advanced::Busy => Ended::Busy,
        }
    }
}

/// Takes away what no run needs any more.
pub(crate) async fn tidy_up(
    store: &impl Store,
    migration: &Migration,
    now: Timestamp,
) -> Result<(), store::Error> {
    store.delete_many(&[keys::control(&migration.id), keys::hold(&migration.id)]).await?;
    if migration.keeps_credentials(now) {
        return Ok(());
    }
    store.delete_many(&[keys::credentials(&migration.id), keys::hook(&migration.id)]).await
}

/// How one slice ended, for whoever fans out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It worked; whether anything is left to do by itself.
    Worked {
        /// Whether the migration is due again, now or later.
        active: bool,
    },
    /// Somebody else is at it, or it died: it is tried again later.
    Busy,
}
