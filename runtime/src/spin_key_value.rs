//! `spin:key-value@3.0.0` and `spin:variables@3.0.0` for one instance.

use std::sync::Arc;

use tokio::task::{block_in_place, spawn_blocking};
use wasmtime::component::{Accessor, FutureReader, HasData, Resource, StreamReader};

use crate::bindings::spin::{key_value, variables};
use crate::instance::State;
use crate::key_value::{Database, Error};
use crate::opened::OpenStore;

/// Marks [`State`] as what these interfaces work on.
pub(crate) struct Spin;

impl HasData for Spin {
    type Data<'a> = &'a mut State;
}

impl From<Error> for key_value::Error {
    fn from(error: Error) -> Self {
        key_value::Error::Other(error.to_string())
    }
}

impl variables::Host for &mut State {}

impl<T: Send> variables::HostWithStore<T> for Spin {
    async fn get(
        accessor: &Accessor<T, Self>,
        name: String,
    ) -> wasmtime::Result<Result<String, variables::Error>> {
        let value = accessor.with(|mut access| access.get().settings.variables.get(&name).cloned());
        Ok(value.ok_or(variables::Error::Undefined(name)))
    }
}

impl key_value::Host for &mut State {}
impl key_value::HostStore for &mut State {}

/// The database and the label of an open store.
fn opened<T: Send>(
    accessor: &Accessor<T, Spin>,
    store: &Resource<OpenStore>,
) -> wasmtime::Result<(Arc<Database>, String)> {
    accessor.with(|mut access| {
        let state = access.get();
        Ok((state.database.clone(), state.table.get(store)?.label.clone()))
    })
}

impl<T: Send> key_value::HostStoreWithStore<T> for Spin {
    async fn open(
        accessor: &Accessor<T, Self>,
        label: String,
    ) -> wasmtime::Result<Result<Resource<OpenStore>, key_value::Error>> {
        accessor.with(|mut access| {
            let state = access.get();
            if !state.settings.stores.contains(&label) {
                return Ok(Err(key_value::Error::AccessDenied));
            }
            Ok(Ok(state.table.push(OpenStore { label })?))
        })
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        store: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, key_value::Error>> {
        let (database, label) = opened(accessor, &store)?;
        Ok(database.get(&label, &key).map_err(Into::into))
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        store: Resource<OpenStore>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), key_value::Error>> {
        let (database, label) = opened(accessor, &store)?;
        Ok(block_in_place(|| database.set(&label, &key, &value)).map_err(Into::into))
    }

    async fn delete(
        accessor: &Accessor<T, Self>,
        store: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<(), key_value::Error>> {
        let (database, label) = opened(accessor, &store)?;
        Ok(block_in_place(|| database.delete(&label, &key)).map_err(Into::into))
    }

    async fn exists(
        accessor: &Accessor<T, Self>,
        store: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<bool, key_value::Error>> {
        let (database, label) = opened(accessor, &store)?;
        Ok(database.exists(&label, &key).map_err(Into::into))
    }

    async fn get_keys(
        accessor: &Accessor<T, Self>,
        store: Resource<OpenStore>,
    ) -> wasmtime::Result<(StreamReader<String>, FutureReader<Result<(), key_value::Error>>)> {
        let (database, label) = opened(accessor, &store)?;
        // All at once, so that no lock is held while the component reads.
        let (keys, end) = match spawn_blocking(move || database.keys(&label)).await? {
            Ok(keys) => (keys, Ok(())),
            Err(error) => (Vec::new(), Err(error.into())),
        };
        accessor.with(|mut access| {
            let keys = StreamReader::new(&mut access, keys)?;
            let end = FutureReader::new(&mut access, async move { wasmtime::error::Ok(end) })?;
            Ok((keys, end))
        })
    }

    async fn drop(
        accessor: &Accessor<T, Self>,
        store: Resource<OpenStore>,
    ) -> wasmtime::Result<()> {
        accessor.with(|mut access| access.get().table.delete(store).map(drop))?;
        Ok(())
    }
}
