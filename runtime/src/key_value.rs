//! Key-value stores on SQLite, in the schema of Spin's own default store.
//!
//! The file is called as Spin calls it, so that a state folder can be opened by either. Writes go
//! through one connection ([`crate::group_commit`]) and are on disk when the call returns; reads have
//! a connection of their own, so that they never wait for a disk.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use crate::group_commit::{SELECT, What, Write, Writer, lock};
pub use crate::store_error::Error;
use crate::store_error::MAX_RESULT_BYTES;

/// Name of the database in the state folder.
pub const FILE_NAME: &str = "sqlite_key_value.db";

/// How long a write waits for another process that has the database open.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How SQLite makes a transaction safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journal {
    /// Write-ahead log: readers and the writer do not wait for each other.
    Wal,
    /// Rollback journal, what Spin has on a file of its own.
    Delete,
}

/// A key and its value, if it has one.
pub type Pair = (String, Option<Vec<u8>>);

/// All stores of an application.
pub struct Database {
    writer: Writer,
    /// `None` with a rollback journal, where a second connection would find the file locked.
    reader: Option<Mutex<Connection>>,
    /// Whether the write-ahead log may still have what was deleted.
    deleted: AtomicBool,
    /// Writes that failed.
    failed: AtomicU64,
}

impl Database {
    /// Opens or makes the database at `path`.
    pub fn open(path: &Path, journal: Journal) -> Result<Self, Error> {
        let writer = Connection::open(path)?;
        writer.busy_timeout(BUSY_TIMEOUT)?;
        let mode = match journal {
            Journal::Wal => "wal",
            Journal::Delete => "delete",
        };
        writer.pragma_update(None, "journal_mode", mode)?;
        writer.pragma_update(None, "synchronous", "full")?;
        // What is erased or replaced is overwritten, not only left out of the index.
        writer.pragma_update(None, "secure_delete", true)?;
        writer.execute(
            "CREATE TABLE IF NOT EXISTS spin_key_value (
                store TEXT NOT NULL,
                key   TEXT NOT NULL,
                value BLOB NOT NULL,

                PRIMARY KEY (store, key)
            )",
            [],
        )?;
        let reader = match journal {
            Journal::Wal => {
                let reader = Connection::open(path)?;
                reader.busy_timeout(BUSY_TIMEOUT)?;
                reader.pragma_update(None, "query_only", true)?;
                Some(Mutex::new(reader))
            }
            Journal::Delete => None,
        };
        let deleted = AtomicBool::new(journal == Journal::Wal);
        let failed = AtomicU64::new(0);
        Ok(Database {
            writer: Writer::new(writer, journal == Journal::Wal),
            reader,
            deleted,
            failed,
        })
    }

    /// Writes that failed so far.
    pub fn failed_writes(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    fn write(&self, write: Write) -> Result<i64, Error> {
        let written = self.writer.write(write);
        if written.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        written
    }

    /// The value of a key.
    pub fn get(&self, store: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(SELECT)?;
        let value: Option<Vec<u8>> =
            statement.query_row([store, key], |row| row.get(0)).optional()?;
        match value {
            Some(value) if value.len() > MAX_RESULT_BYTES => Err(Error::TooLarge),
            value => Ok(value),
        }
    }

    /// Values of several keys, in their order.
    pub fn get_many(&self, store: &str, keys: Vec<String>) -> Result<Vec<Pair>, Error> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(SELECT)?;
        let mut size_bytes = 0;
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            let value: Option<Vec<u8>> =
                statement.query_row([store, &key], |row| row.get(0)).optional()?;
            size_bytes += key.len() + value.as_ref().map_or(0, Vec::len);
            if size_bytes > MAX_RESULT_BYTES {
                return Err(Error::TooLarge);
            }
            values.push((key, value));
        }
        Ok(values)
    }

    /// Whether a key has a value.
    pub fn exists(&self, store: &str, key: &str) -> Result<bool, Error> {
        let reader = self.reader();
        let mut statement =
            reader.prepare_cached("SELECT 1 FROM spin_key_value WHERE store = ?1 AND key = ?2")?;
        Ok(statement.exists([store, key])?)
    }

    /// All keys of a store.
    pub fn keys(&self, store: &str) -> Result<Vec<String>, Error> {
        let reader = self.reader();
        let mut statement =
            reader.prepare_cached("SELECT key FROM spin_key_value WHERE store = ?1")?;
        let mut rows = statement.query([store])?;
        let mut size_bytes = 0;
        let mut keys = Vec::new();
        while let Some(row) = rows.next()? {
            let key: String = row.get(0)?;
            size_bytes += key.len() + size_of::<String>();
            if size_bytes > MAX_RESULT_BYTES {
                return Err(Error::TooLarge);
            }
            keys.push(key);
        }
        Ok(keys)
    }

    /// Sets one value.
    pub fn set(&self, store: &str, key: &str, value: &[u8]) -> Result<(), Error> {
        self.set_many(store, &[(key.to_owned(), value.to_vec())])
    }

    /// Sets several values, all or none.
    pub fn set_many(&self, store: &str, values: &[(String, Vec<u8>)]) -> Result<(), Error> {
        self.write(Write { store: store.to_owned(), what: What::Set(values.to_vec()) })?;
        Ok(())
    }

    /// Sets several values where `expected` stands at a key; `false`, and nothing set, where it does
    /// not.
    pub fn set_many_if(
        &self,
        store: &str,
        (key, expected): (&str, &[u8]),
        values: &[(String, Vec<u8>)],
    ) -> Result<bool, Error> {
        let (key, expected) = (key.to_owned(), expected.to_vec());
        let what = What::SetIf { key, expected, values: values.to_vec() };
        Ok(self.writer.write(Write { store: store.to_owned(), what })? == 1)
    }

    /// Deletes a key; one that is absent is no error.
    pub fn delete(&self, store: &str, key: &str) -> Result<(), Error> {
        self.delete_many(store, &[key.to_owned()])
    }

    /// Deletes several keys, all or none.
    pub fn delete_many(&self, store: &str, keys: &[String]) -> Result<(), Error> {
        self.write(Write { store: store.to_owned(), what: What::Delete(keys.to_vec()) })?;
        self.deleted.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Adds to a counter (8 bytes, little endian; absent is 0) and returns it.
    pub fn increment(&self, store: &str, key: &str, delta: i64) -> Result<i64, Error> {
        let what = What::Increment { key: key.to_owned(), delta };
        self.write(Write { store: store.to_owned(), what })
    }

    /// Sets a value if it still is `expected` (`None`: absent); `false` where it is not.
    pub fn swap(
        &self,
        store: &str,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
    ) -> Result<bool, Error> {
        let (key, expected) = (key.to_owned(), expected.map(<[u8]>::to_vec));
        let what = What::Swap { key, expected, value: value.to_vec() };
        Ok(self.write(Write { store: store.to_owned(), what })? == 1)
    }

    /// Empties the write-ahead log if anything was deleted since the last time: until then the log
    /// has the pages as they were before. What other connections keep from it is left for later.
    pub fn tidy(&self) -> Result<(), Error> {
        if self.reader.is_none() || !self.deleted.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let writer = self.writer.connection();
        let busy: bool =
            writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy {
            self.deleted.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        match &self.reader {
            Some(reader) => lock(reader),
            None => self.writer.connection(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(check: impl Fn(&Database)) {
        for journal in [Journal::Wal, Journal::Delete] {
            let folder = tempfile::tempdir().unwrap();
            check(&Database::open(&folder.path().join(FILE_NAME), journal).unwrap());
        }
    }

    #[test]
    fn sets_gets_and_deletes() {
        each(|database| {
            database.set("default", "a", b"1").unwrap();
            database.set("default", "", b"").unwrap();
            database.set("other", "a", b"2").unwrap();
            assert_eq!(database.get("default", "a").unwrap(), Some(b"1".to_vec()));
            assert_eq!(database.get("default", "").unwrap(), Some(vec![]));
            assert_eq!(database.get("other", "a").unwrap(), Some(b"2".to_vec()));
            assert!(database.exists("default", "a").unwrap());
            assert_eq!(database.keys("default").unwrap().len(), 2);
            database.delete("default", "a").unwrap();
            database.delete("default", "a").unwrap();
            assert_eq!(database.get("default", "a").unwrap(), None);
            assert!(!database.exists("default", "a").unwrap());
        });
    }

    #[test]
    fn what_was_deleted_is_in_no_file() {
        for journal in [Journal::Wal, Journal::Delete] {
            let folder = tempfile::tempdir().unwrap();
            let database = Database::open(&folder.path().join(FILE_NAME), journal).unwrap();
            let found = |what: &[u8]| {
                std::fs::read_dir(folder.path()).unwrap().any(|file| {
                    let bytes = std::fs::read(file.unwrap().path()).unwrap();
                    bytes.windows(what.len()).any(|part| part == what)
                })
            };
            let value = |fill: &[u8]| fill.repeat(2_000);
            for n in 0..50 {
                database.set("s", &format!("key-{n}"), &value(b"first-")).unwrap();
                database.set("s", &format!("key-{n}"), &value(b"second")).unwrap();
            }
            assert!(found(b"key-7") && found(b"second"));
            let keys: Vec<String> = (0..49).map(|n| format!("key-{n}")).collect();
            database.delete_many("s", &keys).unwrap();
            database.delete("s", "key-49").unwrap();
            database.tidy().unwrap();
            assert!(!found(b"key-7") && !found(b"first-") && !found(b"second"), "{journal:?}");
        }
    }

    #[test]
    fn batches_keep_the_order_and_name_what_is_absent() {
        each(|database| {
            let pair = |key: &str, value: &[u8]| (key.to_owned(), value.to_vec());
            database.set_many("s", &[pair("b", b"2"), pair("a", b"1"), pair("b", b"3")]).unwrap();
            let keys = ["b", "x", "a"].map(str::to_owned);
            let values = database.get_many("s", keys.to_vec()).unwrap();
            let values: Vec<_> = values.into_iter().map(|(_, value)| value).collect();
            assert_eq!(values, [Some(b"3".to_vec()), None, Some(b"1".to_vec())]);
            database.delete_many("s", &keys).unwrap();
            assert!(database.keys("s").unwrap().is_empty());
        });
    }

    #[test]
    fn counts() {
        each(|database| {
            assert_eq!(database.increment("s", "n", 1).unwrap(), 1);
            assert_eq!(database.increment("s", "n", -3).unwrap(), -2);
            assert_eq!(database.get("s", "n").unwrap(), Some((-2i64).to_le_bytes().to_vec()));
            database.set("s", "t", b"123").unwrap();
            assert!(matches!(
                database.increment("s", "t", 1),
                Err(Error::NoCounter { length_bytes: 3, .. })
            ));
            database.set("s", "m", &i64::MAX.to_le_bytes()).unwrap();
            assert!(matches!(database.increment("s", "m", 1), Err(Error::Overflow { .. })));
            assert_eq!(database.increment("s", "n", 2).unwrap(), 0, "usable after an error");
        });
    }

    #[test]
    fn swaps_only_what_was_expected() {
        each(|database| {
            assert!(database.swap("s", "k", None, b"1").unwrap());
            assert!(!database.swap("s", "k", None, b"2").unwrap());
            assert!(!database.swap("s", "k", Some(b"0"), b"2").unwrap());
            assert!(database.swap("s", "k", Some(b"1"), b"2").unwrap());
            assert_eq!(database.get("s", "k").unwrap(), Some(b"2".to_vec()));
        });
    }

    #[test]
    fn sets_several_only_where_a_value_stands() {
        each(|database| {
            let pairs = |value: &[u8]| vec![("a".to_owned(), value.to_vec()); 2];
            assert!(!database.set_many_if("s", ("lease", b"1"), &pairs(b"no")).unwrap());
            database.set("s", "lease", b"2").unwrap();
            assert!(!database.set_many_if("s", ("lease", b"1"), &pairs(b"no")).unwrap());
            assert_eq!(database.get("s", "a").unwrap(), None);
            assert!(database.set_many_if("s", ("lease", b"2"), &pairs(b"yes")).unwrap());
            assert!(database.set_many_if("s", ("lease", b"2"), &[]).unwrap());
            assert_eq!(database.get("s", "a").unwrap(), Some(b"yes".to_vec()));
        });
    }

    #[test]
    fn many_threads_lose_nothing() {
        each(|database| {
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    scope.spawn(move || {
                        for round in 0..25u8 {
                            database.increment("s", "n", 1).unwrap();
                            loop {
                                let old = database.get("s", "cas").unwrap();
                                let count = old.as_ref().map_or(0, |value| value[0]);
                                if database.swap("s", "cas", old.as_deref(), &[count + 1]).unwrap()
                                {
                                    break;
                                }
                            }
                            let key = format!("{thread}-{round}");
                            database.set_many("s", &[(key.clone(), vec![round])]).unwrap();
                            assert_eq!(database.get("s", &key).unwrap(), Some(vec![round]));
                        }
                    });
                }
            });
            assert_eq!(database.increment("s", "n", 0).unwrap(), 100);
            assert_eq!(database.get("s", "cas").unwrap(), Some(vec![100]));
        });
    }

    #[test]
    fn a_folder_goes_from_one_journal_to_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        for journal in [Journal::Wal, Journal::Delete, Journal::Wal] {
            let database = Database::open(&path, journal).unwrap();
            database.increment("s", "n", 1).unwrap();
        }
        let database = Database::open(&path, Journal::Delete).unwrap();
        assert_eq!(database.increment("s", "n", 0).unwrap(), 3);
    }
}
