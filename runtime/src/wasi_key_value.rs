//! `wasi:keyvalue@0.2.0-draft2` for one instance: store, atomics, batch.

use tokio::task::block_in_place;
use wasmtime::component::Resource;

use crate::bindings::wasi::{atomics, batch, store};
use crate::instance::State;
use crate::key_value::Error;
use crate::opened::{OpenBucket, Swap};

/// The last key of a batch that is written only where the value beside it stands at the key behind
/// this. `wasi:keyvalue` has no such write, and without one a component that is held up between a
/// look and its write would write over what came after. Not where Spin is imitated.
const ONLY_IF: &str = "\u{0}only-if\u{0}";
/// What is answered where another value stands there.
const STANDS_NOT: &str = "only-if: another value stands there";

impl From<Error> for store::Error {
    fn from(error: Error) -> Self {
        store::Error::Other(error.to_string())
    }
}

type Answer<T> = wasmtime::Result<Result<T, store::Error>>;

impl State {
    fn label(&self, bucket: &Resource<OpenBucket>) -> wasmtime::Result<&str> {
        Ok(self.table.get(bucket)?.label.as_str())
    }

    fn begin_swap(&mut self, label: String, key: String) -> Answer<Resource<Swap>> {
        Ok(match self.database.get(&label, &key) {
            Ok(expected) => Ok(self.table.push(Swap { label, key, expected })?),
            Err(error) => Err(error.into()),
        })
    }
}

impl store::Host for State {
    fn open(&mut self, identifier: String) -> Answer<Resource<OpenBucket>> {
        if !self.settings.stores.contains(&identifier) {
            return Ok(Err(store::Error::AccessDenied));
        }
        Ok(Ok(self.table.push(OpenBucket { label: identifier })?))
    }
}

impl store::HostBucket for State {
    fn get(&mut self, bucket: Resource<OpenBucket>, key: String) -> Answer<Option<Vec<u8>>> {
        Ok(self.database.get(self.label(&bucket)?, &key).map_err(Into::into))
    }

    fn set(&mut self, bucket: Resource<OpenBucket>, key: String, value: Vec<u8>) -> Answer<()> {
        let label = self.label(&bucket)?;
        Ok(block_in_place(|| self.database.set(label, &key, &value)).map_err(Into::into))
    }

    fn delete(&mut self, bucket: Resource<OpenBucket>, key: String) -> Answer<()> {
        let label = self.label(&bucket)?;
        Ok(block_in_place(|| self.database.delete(label, &key)).map_err(Into::into))
    }

    fn exists(&mut self, bucket: Resource<OpenBucket>, key: String) -> Answer<bool> {
        Ok(self.database.exists(self.label(&bucket)?, &key).map_err(Into::into))
    }

    fn list_keys(
        &mut self,
        bucket: Resource<OpenBucket>,
        cursor: Option<String>,
    ) -> Answer<store::KeyResponse> {
        if cursor.is_some() {
            // One answer holds all keys, so no cursor was ever given out.
            return Ok(Err(store::Error::Other("list-keys: unknown cursor".to_owned())));
        }
        let label = self.label(&bucket)?;
        let keys = block_in_place(|| self.database.keys(label));
        Ok(keys.map(|keys| store::KeyResponse { keys, cursor: None }).map_err(Into::into))
    }

    fn drop(&mut self, bucket: Resource<OpenBucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl batch::Host for State {
    fn get_many(
        &mut self,
        bucket: Resource<OpenBucket>,
        keys: Vec<String>,
    ) -> Answer<Vec<(String, Option<Vec<u8>>)>> {
        let label = self.label(&bucket)?;
        let values = block_in_place(|| self.database.get_many(label, keys));
        let as_spin = self.settings.as_spin;
        // Observed: Spin 4.1.0-pre0 leaves absent keys out, 2026-11.
        let kept = values.map(|values| {
            values.into_iter().filter(|(_, value)| value.is_some() || !as_spin).collect()
        });
        Ok(kept.map_err(Into::into))
    }

    fn set_many(
        &mut self,
        bucket: Resource<OpenBucket>,
        values: Vec<(String, Vec<u8>)>,
    ) -> Answer<()> {
        let label = self.label(&bucket)?;
        let guard = values.last().filter(|_| !self.settings.as_spin);
        let guard = guard.and_then(|(key, expected)| Some((key.strip_prefix(ONLY_IF)?, expected)));
        let Some((key, expected)) = guard else {
            return Ok(
                block_in_place(|| self.database.set_many(label, &values)).map_err(Into::into)
            );
        };
        let values = values.get(..values.len() - 1).unwrap_or_default();
        let written = block_in_place(|| self.database.set_many_if(label, (key, expected), values));
        Ok(match written {
            Ok(true) => Ok(()),
            Ok(false) => Err(store::Error::Other(STANDS_NOT.to_owned())),
            Err(error) => Err(error.into()),
        })
    }

    fn delete_many(&mut self, bucket: Resource<OpenBucket>, keys: Vec<String>) -> Answer<()> {
        let label = self.label(&bucket)?;
        Ok(block_in_place(|| self.database.delete_many(label, &keys)).map_err(Into::into))
    }
}

impl atomics::Host for State {
    fn increment(&mut self, bucket: Resource<OpenBucket>, key: String, delta: i64) -> Answer<i64> {
        let label = self.label(&bucket)?;
        Ok(block_in_place(|| self.database.increment(label, &key, delta)).map_err(Into::into))
    }

    fn swap(
        &mut self,
        swap: Resource<Swap>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), atomics::CasError>> {
        let Swap { label, key, expected } = self.table.delete(swap)?;
        let swapped =
            block_in_place(|| self.database.swap(&label, &key, expected.as_deref(), &value));
        Ok(match swapped {
            Ok(true) => Ok(()),
            Ok(false) => Err(match self.begin_swap(label, key)? {
                Ok(retry) => atomics::CasError::CasFailed(retry),
                Err(error) => atomics::CasError::StoreError(error),
            }),
            Err(error) => Err(atomics::CasError::StoreError(error.into())),
        })
    }
}

impl atomics::HostCas for State {
    fn new(&mut self, bucket: Resource<OpenBucket>, key: String) -> Answer<Resource<Swap>> {
        let label = self.label(&bucket)?.to_owned();
        self.begin_swap(label, key)
    }

    fn current(&mut self, swap: Resource<Swap>) -> Answer<Option<Vec<u8>>> {
        let Swap { label, key, .. } = self.table.get(&swap)?;
        let current = match self.database.get(label, key) {
            Ok(current) => current,
            Err(error) => return Ok(Err(error.into())),
        };
        self.table.get_mut(&swap)?.expected.clone_from(&current);
        Ok(Ok(current))
    }

    fn drop(&mut self, swap: Resource<Swap>) -> wasmtime::Result<()> {
        self.table.delete(swap)?;
        Ok(())
    }
}
