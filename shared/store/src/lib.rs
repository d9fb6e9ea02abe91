//! What outlives a request, and how it is written so that any crash leaves it whole.
//!
//! In scope: the trait in front of a key-value store, every key, every record with its version,
//! leases, the index of what is due, sealed credentials. Out of scope: what a migration does.
//!
//! Reading order: [`Store`], [`keys`], [`records`], [`lease`], [`due`], [`hosts`], [`limits`], [`calendar`], [`clock`], [`seal`], [`control`],
//! [`metrics`]; [`memory`] is the double for tests.
//!
//! Invariants: an error is never absence; a value is at most [`VALUE_MAX_BYTES`] and a key at most
//! [`KEY_MAX_BYTES`], since hosted stores take no more; nothing scans the keys.
#![allow(async_fn_in_trait)] // single-threaded by design: no `Send` bound is wanted

pub mod answers;
pub mod begun;
pub mod calendar;
pub mod clock;
pub mod control;
pub mod due;
pub mod hosts;
pub mod keys;
pub mod lease;
pub mod limits;
pub mod memory;
pub mod metrics;
pub mod pairs;
pub mod records;
pub mod seal;
mod shard;

/// The most bytes in a value; hosted stores (DynamoDB, Cosmos) take no more.
pub const VALUE_MAX_BYTES: usize = 1 << 20;
/// The most bytes in a key, likewise.
pub const KEY_MAX_BYTES: usize = 255;

/// The store could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The store itself failed; in its own words.
    #[error("the key-value store failed: {0}")]
    Store(String),
    /// A record cannot be read: it is damaged or of a version this program does not know.
    #[error("the record {key} cannot be read: {reason}")]
    Unreadable {
        /// Its key.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// The value is larger than [`VALUE_MAX_BYTES`], or the key than [`KEY_MAX_BYTES`].
    #[error("{key} is too large for the store: {bytes} bytes")]
    TooLarge {
        /// Its key.
        key: String,
        /// The size asked for.
        bytes: usize,
    },
    /// The sealed credentials cannot be opened with this `secret_key`.
    #[error("the credentials cannot be opened: was the secret key changed?")]
    Sealed,
}

/// A key-value store, as Spin offers it.
pub trait Store {
    /// The value, or `None` where there is none.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error>;
    /// The values of several keys, in their order.
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error>;
    /// Writes one value.
    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), Error>;
    /// Writes several values; in one transaction where the store has them.
    async fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Result<(), Error>;
    /// Writes several values where `expected` stands at the key of `guard`, else none of them, which
    /// are given back. One step in the embedded runtime and in memory. Elsewhere stores have no such
    /// write, and it is a read followed by [`Store::set_many`]: whoever is held up just between them
    /// for longer than a lease and its taker's wait last, writes late.
    async fn set_many_if(
        &self,
        (key, expected): (&str, &[u8]),
        pairs: Vec<(String, Vec<u8>)>,
    ) -> Result<Result<(), Vec<(String, Vec<u8>)>>, Error> {
        if self.get(key).await?.as_deref() != Some(expected) {
            return Ok(Err(pairs));
        }
        self.set_many(pairs).await.map(Ok)
    }
    /// Removes a key, whether it is there or not.
    async fn delete(&self, key: &str) -> Result<(), Error>;
    /// Removes several.
    async fn delete_many(&self, keys: &[String]) -> Result<(), Error>;
    /// Adds to a counter that nothing else writes, and gives its new value; absent counts as 0.
    async fn increment(&self, key: &str, by: u64) -> Result<u64, Error>;
    /// Replaces `expected` by `new` unless someone else was quicker. The key must exist.
    /// `true` when `new` stands there now, as read back: what a store answers is not trusted.
    async fn swap(&self, key: &str, expected: &[u8], new: Vec<u8>) -> Result<bool, Error>;
}

/// Refuses what no store would take.
pub fn check_size(key: &str, value: &[u8]) -> Result<(), Error> {
    if key.len() > KEY_MAX_BYTES || value.len() > VALUE_MAX_BYTES {
        return Err(Error::TooLarge { key: key.to_owned(), bytes: key.len() + value.len() });
    }
    Ok(())
}
