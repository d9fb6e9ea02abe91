//! Every slice is counted before it begins, and the count cleared with its first result, so that whatever
//! ends a slice, the next one knows.

use model::MigrationId;
use serde::{Deserialize, Serialize};
use store::{Error, Store, keys, records};

/// What is known of the slices before, as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Before {
    /// Slices in a row that were begun and had no result.
    #[serde(default)]
    pub(crate) fruitless: u32,
    /// Which process began the last one; empty where nobody can tell.
    #[serde(default)]
    boot: String,
    /// Whether the last one with a result ended because a server was too slow.
    #[serde(default)]
    pub(crate) slow: bool,
}

impl Before {
    /// What is stored. A count that cannot be read is none: it is written anew.
    pub(crate) async fn read(store: &impl Store, id: &MigrationId) -> Result<Self, Error> {
        match records::read(store, &keys::fruitless(id)).await {
            Err(Error::Unreadable { .. }) => Ok(Before::default()),
            read => Ok(read?.unwrap_or_default()),
        }
    }

    /// Counts a slice that begins. That the process before ended, with all its slices, is no fault
    /// of one of them.
    pub(crate) async fn begin(
        self,
        store: &impl Store,
        id: &MigrationId,
        boot: &str,
    ) -> Result<(), Error> {
        let restarted = !boot.is_empty() && !self.boot.is_empty() && self.boot != boot;
        let fruitless = self.fruitless.saturating_sub(u32::from(restarted)) + 1;
        let after = Before { fruitless, boot: boot.to_owned(), slow: self.slow };
        records::write(store, &keys::fruitless(id), &after).await
    }

    /// The pair to write with a result.
    pub(crate) fn cleared(id: &MigrationId, slow: bool) -> Result<(String, Vec<u8>), Error> {
        let key = keys::fruitless(id);
        let record = records::encode(&key, &Before { slow, ..Before::default() })?;
        Ok((key, record))
    }
}
