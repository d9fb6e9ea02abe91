//! Writes of several at a time, in one transaction and with one disk sync.
//!
//! Whoever writes leaves its write in a queue and waits for the connection. Who gets that first carries
//! out everything that waits by then, each write all or none, and commits once; the others find theirs
//! done. So a write alone costs one sync, and eight at a time cost hardly more than one.
//!
//! Some records mean something only as long as this process lives, or may be as old as the last write of
//! another one (see [`may_be_lost`]): with a write-ahead log they are committed without waiting for the
//! disk. Writes stay in their order: whatever is on disk has all before it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, Savepoint, TransactionBehavior, params};

use crate::store_error::Error;

/// Reads a value.
pub(crate) const SELECT: &str = "SELECT value FROM spin_key_value WHERE store = ?1 AND key = ?2";

const UPSERT: &str = "INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3)
    ON CONFLICT(store, key) DO UPDATE SET value = excluded.value";
const DELETE: &str = "DELETE FROM spin_key_value WHERE store = ?1 AND key = ?2";
const UPDATE: &str =
    "UPDATE spin_key_value SET value = ?3 WHERE store = ?1 AND key = ?2 AND value = ?4";
const INSERT: &str = "INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3)
    ON CONFLICT(store, key) DO NOTHING";

/// What is done in one write.
pub(crate) enum What {
    /// Sets values.
    Set(Vec<(String, Vec<u8>)>),
    /// Sets values where another value stands at a key.
    SetIf { key: String, expected: Vec<u8>, values: Vec<(String, Vec<u8>)> },
    /// Deletes keys.
    Delete(Vec<String>),
    /// Adds to a counter.
    Increment { key: String, delta: i64 },
    /// Sets a value where another stands.
    Swap { key: String, expected: Option<Vec<u8>>, value: Vec<u8> },
}

/// One write, all or none.
pub(crate) struct Write {
    pub(crate) store: String,
    pub(crate) what: What,
}

/// Whether a power cut may take back what was written last at this key.
///
/// Leases, fences and counts of slices at work end with the process, since nobody else may have the
/// database; places at mail servers end with the leases; limits on strangers begin anew. A kill of the
/// process takes nothing back: what was committed is with the operating system.
fn may_be_lost(key: &str) -> bool {
    let ends = ["/lease", "/fence", "/fruitless"];
    let begins = ["limits/", "hosts/"];
    ends.iter().any(|end| key.ends_with(end)) || begins.iter().any(|start| key.starts_with(start))
}

impl Write {
    fn may_be_lost(&self) -> bool {
        match &self.what {
            What::Set(values) => values.iter().all(|(key, _)| may_be_lost(key)),
            What::Increment { key, .. } | What::Swap { key, .. } => may_be_lost(key),
            What::SetIf { .. } | What::Delete(_) => false,
        }
    }
}

/// Where the outcome of a write is put: the counter, or how many rows were changed.
type Slot = Arc<Mutex<Option<Result<i64, Error>>>>;

/// The connection that writes.
pub(crate) struct Writer {
    connection: Mutex<Connection>,
    /// Whether there is a write-ahead log, so that a commit need not wait for the disk.
    log: bool,
    waiting: Mutex<Vec<(Write, Slot)>>,
}

impl Writer {
    pub(crate) fn new(connection: Connection, log: bool) -> Self {
        Writer { connection: Mutex::new(connection), log, waiting: Mutex::default() }
    }

    /// The connection, while nothing is written.
    pub(crate) fn connection(&self) -> MutexGuard<'_, Connection> {
        lock(&self.connection)
    }

    /// Writes; it is on disk when this returns, but for what [`may_be_lost`].
    pub(crate) fn write(&self, write: Write) -> Result<i64, Error> {
        let slot = Slot::default();
        lock(&self.waiting).push((write, slot.clone()));
        let mut connection = lock(&self.connection);
        if let Some(done) = lock(&slot).take() {
            return done;
        }
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        carry_out(&mut connection, &waiting, self.log);
        let done = lock(&slot).take();
        done.unwrap_or_else(|| Err(Error::Commit("the write was not carried out".to_owned())))
    }
}

/// A lock that a thread died with stays usable: an open transaction is rolled back as it is dropped.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries out all writes in one transaction. Where that fails as a whole, all fail.
fn carry_out(connection: &mut Connection, writes: &[(Write, Slot)], log: bool) {
    let outcomes = match log && writes.iter().all(|(write, _)| write.may_be_lost()) {
        true => without_sync(connection, writes),
        false => transaction(connection, writes),
    };
    match outcomes {
        Ok(outcomes) => {
            for ((_, slot), outcome) in writes.iter().zip(outcomes) {
                *lock(slot) = Some(outcome);
            }
        }
        Err(error) => {
            for (_, slot) in writes {
                *lock(slot) = Some(Err(Error::Commit(error.to_string())));
            }
        }
    }
}

/// The same without waiting for the disk.
fn without_sync(
    connection: &mut Connection,
    writes: &[(Write, Slot)],
) -> rusqlite::Result<Vec<Result<i64, Error>>> {
    connection.pragma_update(None, "synchronous", "normal")?;
    let outcomes = transaction(connection, writes);
    connection.pragma_update(None, "synchronous", "full")?;
    outcomes
}

fn transaction(
    connection: &mut Connection,
    writes: &[(Write, Slot)],
) -> rusqlite::Result<Vec<Result<i64, Error>>> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut outcomes = Vec::with_capacity(writes.len());
    for (write, _) in writes {
        // Dropped without being released, it takes back what the write had done so far.
        let savepoint = transaction.savepoint()?;
        let outcome = apply(&savepoint, write);
        if outcome.is_ok() {
            savepoint.commit()?;
        } else {
            drop(savepoint);
        }
        outcomes.push(outcome);
    }
    transaction.commit()?;
    Ok(outcomes)
}

fn apply(savepoint: &Savepoint<'_>, write: &Write) -> Result<i64, Error> {
    let store = write.store.as_str();
    let changed = match &write.what {
        What::Set(values) => set(savepoint, store, values)?,
        What::SetIf { key, expected, values } => {
            let mut statement = savepoint.prepare_cached(SELECT)?;
            let standing: Option<Vec<u8>> =
                statement.query_row([store, key], |row| row.get(0)).optional()?;
            if standing.as_ref() != Some(expected) {
                return Ok(0);
            }
            set(savepoint, store, values)?;
            1
        }
        What::Delete(keys) => {
            let mut statement = savepoint.prepare_cached(DELETE)?;
            for key in keys {
                statement.execute([store, key])?;
            }
            keys.len()
        }
        What::Increment { key, delta } => return increment(savepoint, store, key, *delta),
        What::Swap { key, expected: Some(expected), value } => {
            savepoint.prepare_cached(UPDATE)?.execute(params![store, key, value, expected])?
        }
        What::Swap { key, expected: None, value } => {
            savepoint.prepare_cached(INSERT)?.execute(params![store, key, value])?
        }
    };
    Ok(i64::try_from(changed).unwrap_or(i64::MAX))
}

fn set(
    savepoint: &Savepoint<'_>,
    store: &str,
    values: &[(String, Vec<u8>)],
) -> rusqlite::Result<usize> {
    let mut statement = savepoint.prepare_cached(UPSERT)?;
    for (key, value) in values {
        statement.execute(params![store, key, value])?;
    }
    Ok(values.len())
}

fn increment(savepoint: &Savepoint<'_>, store: &str, key: &str, delta: i64) -> Result<i64, Error> {
    let stored: Option<Vec<u8>> =
        savepoint.prepare_cached(SELECT)?.query_row([store, key], |row| row.get(0)).optional()?;
    let before = match stored {
        None => 0,
        Some(bytes) => match <[u8; 8]>::try_from(bytes.as_slice()) {
            Ok(bytes) => i64::from_le_bytes(bytes),
            Err(_) => {
                let length_bytes = bytes.len();
                return Err(Error::NoCounter { key: key.to_owned(), length_bytes });
            }
        },
    };
    let after = before.checked_add(delta).ok_or_else(|| Error::Overflow { key: key.to_owned() })?;
    savepoint.prepare_cached(UPSERT)?.execute(params![store, key, after.to_le_bytes()])?;
    Ok(after)
}

#[cfg(test)]
mod tests {
    use crate::key_value::{Database, FILE_NAME, Journal};

    /// What may be lost is named here by the application's own names for it.
    #[test]
    fn what_a_power_cut_may_take_back() {
        for key in ["m/x/lease", "m/x/fence", "m/x/fruitless", "limits/3", "hosts/7"] {
            assert!(super::may_be_lost(key), "{key}");
        }
        for key in ["m/x", "m/x/cursor", "m/x/control", "due/1", "pairs/2", "m/x/intention"] {
            assert!(!super::may_be_lost(key), "{key}");
        }
    }

    /// Written with and without a sync, all of it is there for whoever opens the file next.
    #[test]
    fn with_and_without_a_sync() {
        for journal in [Journal::Wal, Journal::Delete] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(FILE_NAME);
            let database = Database::open(&path, journal).unwrap();
            for n in 0..20u8 {
                database.set("s", "limits/1", &[n]).unwrap();
                database.set("s", "m/x", &[n]).unwrap();
                assert_eq!(database.increment("s", "m/x/fence", 1).unwrap(), i64::from(n) + 1);
                assert_eq!(database.get("s", "limits/1").unwrap(), Some(vec![n]));
            }
            drop(database);
            let again = Database::open(&path, journal).unwrap();
            assert_eq!(again.get("s", "limits/1").unwrap(), Some(vec![19]));
            assert_eq!(again.increment("s", "m/x/fence", 1).unwrap(), 21);
        }
    }

    #[test]
    fn many_who_write_at_once_get_each_their_own_answer() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join(FILE_NAME), Journal::Wal).unwrap();
        database.set("s", "text", b"no counter").unwrap();
        database.set("s", "swapped", &0u32.to_le_bytes()).unwrap();
        let counted: Vec<i64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|thread| {
                    let database = &database;
                    scope.spawn(move || {
                        let mut counted = Vec::new();
                        for n in 0..50 {
                            counted.push(database.increment("s", "n", 1).unwrap());
                            // One that fails takes nobody else's write back.
                            assert!(database.increment("s", "text", 1).is_err());
                            let key = format!("{thread}-{n}");
                            database.set("s", &key, key.as_bytes()).unwrap();
                            loop {
                                let before = database.get("s", "swapped").unwrap().unwrap();
                                let number = u32::from_le_bytes(before[..].try_into().unwrap());
                                let after = (number + 1).to_le_bytes();
                                if database.swap("s", "swapped", Some(&before), &after).unwrap() {
                                    break;
                                }
                            }
                        }
                        counted
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let mut counted = counted;
        counted.sort_unstable();
        assert_eq!(counted, (1..=400).collect::<Vec<i64>>());
        let swapped = database.get("s", "swapped").unwrap().unwrap();
        assert_eq!(swapped, 400u32.to_le_bytes());
        assert_eq!(database.keys("s").unwrap().len(), 403);
    }
}
