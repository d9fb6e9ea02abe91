//! Why a call of a key-value store fails.

/// The most bytes one answer may hold, as in Spin: beyond this a component would trap.
pub(crate) const MAX_RESULT_BYTES: usize = 128 << 20;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite's own words.
    #[error("key-value store: {0}")]
    Database(#[from] rusqlite::Error),
    /// `increment` on something that is no counter.
    #[error("the value of {key:?} has {length_bytes} bytes; a counter has 8")]
    NoCounter {
        /// The key.
        key: String,
        /// What is there instead.
        length_bytes: usize,
    },
    /// The counter would overflow.
    #[error("the counter {key:?} is at its end")]
    Overflow {
        /// The key.
        key: String,
    },
    /// The transaction could not be ended; in SQLite's own words.
    #[error("key-value store: {0}")]
    Commit(String),
    /// The answer does not fit.
    #[error("query result exceeds limit of {MAX_RESULT_BYTES} bytes")]
    TooLarge,
}
