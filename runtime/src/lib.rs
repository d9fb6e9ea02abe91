//! The embedded runtime and the command line: everything of `trasloco` but the components.
//!
//! In scope: what `spin.toml` asks for, as far as this application needs it; whatever else a
//! manifest or a component asks for is refused by name at start. Out of scope: being a framework,
//! and anything that knows mail.
//!
//! Reading order: [`cli`], [`load`] with [`manifest`], [`variables`], [`outbound`] and [`routes`];
//! [`app`] and [`instance`], the way of a request; [`spin_key_value`] and [`wasi_key_value`] on
//! [`key_value`] with `group_commit`; [`engine`] and [`bundle`], where code comes from; [`server`] and [`driver`];
//! [`connections`], [`connection`], [`patience`], [`peer`], [`budget`], [`gate`], [`receive`] and
//! [`refusals`], what clients may have at a time; [`descriptors`] and [`own_addresses`];
//! `batch`, the slices' threads; [`migrate`], the same application without a socket; [`state`], the folder.
//!
//! Invariants: every request has an instance of its own, so that nothing survives in memory; no
//! query string, body or variable is ever logged; a component that computes, blocks or traps
//! stops nobody else.
#![allow(async_fn_in_trait)]

pub mod app;
mod batch;
mod bindings;
pub mod budget;
pub mod bundle;
mod chaining;
pub mod cli;
pub mod client;
pub mod connection;
pub mod connections;
mod core_dumps;
pub mod descriptors;
pub mod driver;
pub mod engine;
pub mod gate;
mod group_commit;
mod health;
pub mod instance;
pub mod key_value;
pub mod load;
pub mod logging;
pub mod manifest;
pub mod metrics;
pub mod migrate;
pub mod opened;
pub mod outbound;
pub mod own_addresses;
pub mod patience;
pub mod peer;
pub mod receive;
pub mod refusals;
pub mod routes;
pub mod server;
pub mod spin_key_value;
pub mod state;
mod store_error;
pub mod variables;
pub mod wasi_key_value;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use log::LevelFilter;

use crate::bundle::Bundle;
use crate::cli::{Cli, Command, Common};
use crate::load::{Options, Origin};

/// Everything that is neither success nor "some items failed".
const FAILED: u8 = 1;

/// Runs the command line; `bundle` is the application inside this binary, or empty.
pub fn main(bundle: &'static [u8]) -> ExitCode {
    core_dumps::forbid();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are "errors" of clap, too. A broken pipe is nobody's concern.
            let _ = error.print();
            return if error.use_stderr() { FAILED.into() } else { ExitCode::SUCCESS };
        }
    };
    match run(cli, bundle) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("trasloco: {error:#}");
            FAILED.into()
        }
    }
}

fn run(cli: Cli, bundle: &'static [u8]) -> Result<ExitCode> {
    let (common, default_level) = match &cli.command {
        Command::Serve(serve) => (&serve.common, LevelFilter::Info),
        Command::Migrate(migrate) => (&migrate.common, LevelFilter::Error),
        Command::Import(import) => (&import.common, LevelFilter::Info),
    };
    logging::start(common.log.unwrap_or(default_level));
    match cli.command {
        Command::Serve(serve) => {
            let batch = batch::Batch::start()?;
            let options = Options { batch: batch.handle(), ..options(&serve.common, bundle)? };
            block_on(PROCESSORS, server::serve(options, serve.listen))??;
            Ok(ExitCode::SUCCESS)
        }
        Command::Migrate(migrate) => {
            let mut options = options(&migrate.common, bundle)?;
            lengthen_slices(&mut options);
            trust_the_terminal(&mut options);
            block_on(ALONE, migrate::migrate(*migrate, options))?
        }
        Command::Import(import) => {
            let file = import.file.display();
            eprintln!("trasloco: {file}: importing files is not part of this version yet");
            Ok(FAILED.into())
        }
    }
}

fn options(common: &Common, bundle: &'static [u8]) -> Result<Options> {
    let origin = match &common.manifest {
        Some(manifest) => Origin::Manifest(manifest.clone()),
        None => Origin::Bundle(Bundle::read(bundle)?.context(
            "this binary carries no application: give --manifest spin.toml, \
             or build it with cargo xtask build",
        )?),
    };
    let state_dir = match &common.state_dir {
        Some(dir) => dir.clone(),
        None => state::default_folder()?,
    };
    let mebibytes = usize::try_from(common.memory_limit)?;
    Ok(Options {
        origin,
        state_dir,
        variables: common.variable.clone(),
        as_spin: common.as_spin,
        request_timeout: common.request_timeout.map(|s| Duration::from_secs(s.into())),
        memory_limit_bytes: mebibytes.saturating_mul(1 << 20),
        batch: None,
    })
}

/// One migration alone has nobody to make room for, and a slice less is two log-ins less.
/// Put first, so that whatever else sets the variable wins.
fn lengthen_slices(options: &mut Options) {
    const ALONE: &str = "slice_seconds=600";
    let chosen = std::env::var_os(variables::environment_name("slice_seconds")).is_some();
    if !chosen && options.request_timeout.is_none() {
        options.variables.insert(0, ALONE.to_owned());
    }
}

/// Whoever types the address of a server in their own terminal may mean any port of it, and is no
/// stranger whose tries must be limited.
fn trust_the_terminal(options: &mut Options) {
    for (name, value) in [("allowed_ports", "*"), ("limits", "off")] {
        if std::env::var_os(variables::environment_name(name)).is_none() {
            options.variables.insert(0, format!("{name}={value}"));
        }
    }
}

/// Threads of `serve`: one a processor.
const PROCESSORS: Option<usize> = None;
/// Threads of a single migration. Its one busy component would only be passed to and fro between
/// two threads, at each packet: measured at 12 % of the whole time.
const ALONE: Option<usize> = Some(1);

fn block_on<T>(threads: Option<usize>, work: impl Future<Output = T>) -> Result<T> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(threads);
    }
    let runtime = builder.enable_all().build()?;
    let done = runtime.block_on(work);
    // Instances that are still at work end here; what they need is in the store.
    runtime.shutdown_background();
    Ok(done)
}
