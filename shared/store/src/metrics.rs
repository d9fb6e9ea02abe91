//! Counters for `/metrics`: their names, and counting.

use crate::{Error, Store, keys};

/// Migrations that were begun.
pub const MIGRATIONS_CREATED: &str = "migrations_created";
/// Runs that came to an end, whatever way.
pub const RUNS_FINISHED: &str = "runs_finished";
/// Items put at a destination, counted at the end of a run.
pub const ITEMS_MIGRATED: &str = "items_migrated";
/// Items that a destination refused, counted at the end of a run.
pub const ITEMS_FAILED: &str = "items_failed";

/// Mails and webhook calls that were taken.
pub const NOTICES_SENT: &str = "notices_sent";
/// Mails and webhook calls that were given up.
pub const NOTICES_GIVEN_UP: &str = "notices_given_up";
/// Migrations of which nothing is left here.
pub const MIGRATIONS_ERASED: &str = "migrations_erased";
/// Bytes of their keys and values.
pub const BYTES_ERASED: &str = "erased_bytes";

/// Every counter with what it counts.
pub const ALL: [(&str, &str); 8] = [
    (MIGRATIONS_CREATED, "Migrations that were begun"),
    (RUNS_FINISHED, "Runs that came to an end, whatever way"),
    (ITEMS_MIGRATED, "Items put at a destination by runs that ended"),
    (ITEMS_FAILED, "Items that a destination refused in runs that ended"),
    (NOTICES_SENT, "Mails and webhook calls to owners that were taken"),
    (NOTICES_GIVEN_UP, "Mails and webhook calls to owners that were refused or given up"),
    (MIGRATIONS_ERASED, "Migrations of which nothing is left here"),
    (BYTES_ERASED, "Bytes of keys and values that were erased with them"),
];

/// Counts `by` more. A counter is worth less than a run: callers may go on without it.
pub async fn count(store: &impl Store, name: &str, by: u64) -> Result<(), Error> {
    if by == 0 {
        return Ok(());
    }
    store.increment(&keys::metric(name), by).await.map(|_| ())
}
