//! Runs a command component (`wasi:cli/run`) on the engine of the runtime, with its own settings.
//!
//! `cargo xtask test` runs the unit tests of `tls` and `dial` with it, compiled as the components are: the
//! SIMD code of the ciphers exists on that target alone. The current folder's repository can be
//! read, nothing else.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use wasmtime::Store;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime_wasi::p2::bindings::Command;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

fn main() -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let succeeded = runtime.block_on(run())?;
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the file that the first argument names with all arguments; whether it succeeded.
async fn run() -> Result<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let file = arguments.first().context("usage: command FILE.wasm [ARGUMENT…]")?;
    let engine = runtime::engine::engine()?;
    let component = Component::from_file(&engine, file)?;
    let mut linker = Linker::<State>::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    // Cargo tells at run time which clone is tested; the one that this was compiled in may be another.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = package.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).to_owned());
    let top = package.ancestors().find(|folder| folder.join("spin.toml").exists());
    let repository = top.context("a repository")?;
    let guest = repository.to_string_lossy();
    let mut wasi = WasiCtxBuilder::new();
    wasi.args(&arguments).inherit_stdout().inherit_stderr();
    wasi.preopened_dir(repository, &guest, FsPerms::ReadOnly)?;
    let state = State { wasi: wasi.build(), table: ResourceTable::new() };
    let mut store = Store::new(&engine, state);
    store.epoch_deadline_async_yield_and_update(1);
    let command = Command::instantiate_async(&mut store, &component, &linker).await?;
    match command.wasi_cli_run().call_run(&mut store).await {
        Ok(ended) => Ok(ended.is_ok()),
        Err(error) => match error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            Some(exit) => Ok(exit.0 == 0),
            None => Err(error.into()),
        },
    }
}
