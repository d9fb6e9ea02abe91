//! The key-value store of the component, over `spin:key-value` and `wasi:keyvalue`.
//!
//! Single operations go through Spin's own asynchronous interface; batches, counters and swaps
//! exist only in `wasi:keyvalue`, whose calls are synchronous. Both see the same data. Where the
//! two disagree with their documentation, the comments say what was observed with Spin 4.1.

use std::cell::Cell;
use std::collections::HashMap;

use spin_sdk::experimental::wasi::keyvalue::store::{Bucket, Error as BucketError, open};
use spin_sdk::experimental::wasi::keyvalue::{atomics, batch};
use spin_sdk::key_value;
use store::{Error, Store, check_size};

/// The label that every component has in `spin.toml`.
const LABEL: &str = "default";
/// Most keys in one batched read. With values of [`store::VALUE_MAX_BYTES`] this stays below the
/// 128 MiB that Spin buffers for one call.
const GET_MANY_MAX: usize = 100;
/// Most bytes in one batched write: below the 128 MiB that a call may copy, above which the
/// component would be stopped.
const SET_MANY_MAX_BYTES: usize = 100 << 20;
/// The last key of a batch that is written only where the value beside it stands at the key behind
/// this, which the embedded runtime sees to (`runtime/src/wasi_key_value.rs`). Other hosts would
/// write it as any key: it is not sent there.
const ONLY_IF: &str = "\u{0}only-if\u{0}";
/// What the embedded runtime answers where another value stands there.
const STANDS_NOT: &str = "only-if: another value stands there";
/// Set by the embedded runtime alone, where it owns its store.
const BOOT: &str = "TRASLOCO_BOOT";

/// An open store.
pub struct KeyValue {
    single: key_value::Store,
    bucket: Bucket,
    batched_reads: Cell<BatchedReads>,
    /// Whether the host can write a batch on a condition.
    conditional: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BatchedReads {
    Work,
    /// Observed: with Redis every one fails.
    Fail,
}

impl KeyValue {
    /// Opens the store of the component.
    pub async fn open() -> Result<KeyValue, Error> {
        let single = key_value::Store::open(LABEL).await.map_err(single_failed)?;
        let bucket = open(LABEL).map_err(bucket_failed)?;
        let conditional = std::env::var(BOOT).is_ok_and(|boot| !boot.is_empty());
        let batched_reads = Cell::new(BatchedReads::Work);
        Ok(KeyValue { single, bucket, batched_reads, conditional })
    }

    /// `None` where batched reads fail, and single ones must do.
    fn get_batch(&self, keys: &[String]) -> Option<HashMap<String, Vec<u8>>> {
        if self.batched_reads.get() == BatchedReads::Fail {
            return None;
        }
        match batch::get_many(&self.bucket, keys) {
            Ok(found) => {
                // Observed: absent keys are left out, and the order is the store's own.
                Some(found.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
            }
            Err(_) => {
                self.batched_reads.set(BatchedReads::Fail);
                None
            }
        }
    }
}

impl Store for KeyValue {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.single.get(key).await.map_err(single_failed)
    }

    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let mut values = Vec::with_capacity(keys.len());
        for keys in keys.chunks(GET_MANY_MAX) {
            match self.get_batch(keys) {
                // Cloned, since a key may be asked for twice.
                Some(found) => values.extend(keys.iter().map(|key| found.get(key).cloned())),
                None => {
                    for key in keys {
                        values.push(self.get(key).await?);
                    }
                }
            }
        }
        Ok(values)
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), Error> {
        check_size(key, &value)?;
        self.single.set(key, value).await.map_err(single_failed)
    }

    async fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        check_batch(&pairs)?;
        batch::set_many(&self.bucket, &pairs).map_err(bucket_failed)
    }

    async fn set_many_if(
        &self,
        (key, expected): (&str, &[u8]),
        mut pairs: Vec<(String, Vec<u8>)>,
    ) -> Result<Result<(), Vec<(String, Vec<u8>)>>, Error> {
        check_batch(&pairs)?;
        if !self.conditional {
            let standing = self.bucket.get(key).map_err(bucket_failed)?;
            if standing.as_deref() != Some(expected) {
                return Ok(Err(pairs));
            }
            return batch::set_many(&self.bucket, &pairs).map(Ok).map_err(bucket_failed);
        }
        pairs.push((format!("{ONLY_IF}{key}"), expected.to_vec()));
        match batch::set_many(&self.bucket, &pairs) {
            Ok(()) => Ok(Ok(())),
            Err(BucketError::Other(words)) if words == STANDS_NOT => {
                pairs.pop();
                Ok(Err(pairs))
            }
            Err(error) => Err(bucket_failed(error)),
        }
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.single.delete(key).await.map_err(single_failed)
    }

    async fn delete_many(&self, keys: &[String]) -> Result<(), Error> {
        batch::delete_many(&self.bucket, keys).map_err(bucket_failed)
    }

    async fn increment(&self, key: &str, by: u64) -> Result<u64, Error> {
        check_size(key, &[])?;
        // Only ever called for keys that nothing else writes. Observed: the increment of a value
        // that is not a counter leaves Spin's store unusable until it is started again.
        let failed = |_| Error::Store(format!("the counter {key} cannot hold its value"));
        let by = i64::try_from(by).map_err(failed)?;
        let value = atomics::increment(&self.bucket, key, by).map_err(bucket_failed)?;
        u64::try_from(value).map_err(failed)
    }

    async fn swap(&self, key: &str, expected: &[u8], new: Vec<u8>) -> Result<bool, Error> {
        check_size(key, &new)?;
        let cas = atomics::Cas::new(&self.bucket, key).map_err(bucket_failed)?;
        // This call also fixes what the swap compares with.
        let current = cas.current().map_err(bucket_failed)?;
        if current.as_deref() != Some(expected) {
            return Ok(false);
        }
        if let Err(atomics::CasError::StoreError(error)) = atomics::swap(cas, &new) {
            return Err(bucket_failed(error));
        }
        // Observed: Redis answers "failed" to a swap that was made.
        let standing = self.bucket.get(key).map_err(bucket_failed)?;
        Ok(standing.as_deref() == Some(&new))
    }
}

fn check_batch(pairs: &[(String, Vec<u8>)]) -> Result<(), Error> {
    let mut bytes = 0;
    for (key, value) in pairs {
        check_size(key, value)?;
        bytes += key.len() + value.len();
    }
    // Cutting it in two would be two transactions.
    if bytes > SET_MANY_MAX_BYTES {
        let key = format!("a batch of {} values", pairs.len());
        return Err(Error::TooLarge { key, bytes });
    }
    Ok(())
}

fn single_failed(error: key_value::Error) -> Error {
    Error::Store(match error {
        key_value::Error::StoreTableFull => "too many stores are open".to_owned(),
        key_value::Error::NoSuchStore => format!("no store is called {LABEL}"),
        key_value::Error::AccessDenied => not_granted(),
        key_value::Error::Other(words) => words,
    })
}

fn bucket_failed(error: BucketError) -> Error {
    Error::Store(match error {
        BucketError::NoSuchStore => format!("no store is called {LABEL}"),
        BucketError::AccessDenied => not_granted(),
        BucketError::Other(words) => words,
    })
}

fn not_granted() -> String {
    format!("spin.toml does not give this component the store {LABEL}")
}
