//! wasmtime, set up for this application, and where compiled components come from.
//!
//! Compiling takes seconds, so it is done once: the released binary carries native code beside the
//! components, and what it does not carry is kept in a cache that all state folders share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use wasmtime::component::Component;
use wasmtime::{Config, Engine};

/// Compiled components that are kept: some versions of three, at about 10 MB each.
const MAX_CACHED: usize = 12;

/// How long a component computes before others get their turn.
const EPOCH: Duration = Duration::from_millis(5);

/// An engine whose epoch advances for as long as it lives.
pub fn engine() -> Result<Engine> {
    let engine = Engine::new(&config())?;
    let weak = engine.weak();
    std::thread::Builder::new().name("epochs".to_owned()).spawn(move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(EPOCH);
        }
    })?;
    Ok(engine)
}

fn config() -> Config {
    let mut config = Config::new();
    config.wasm_component_model_async(true).epoch_interruption(true);
    config
}

/// A component as it is shipped.
#[derive(Clone, Copy)]
pub struct Code<'a> {
    /// The `.wasm` file.
    pub wasm: &'a [u8],
    /// What [`compile`] made of it, where the binary carries that.
    pub native: Option<&'a [u8]>,
}

/// Compiles a component to native code for this machine.
pub fn compile(engine: &Engine, wasm: &[u8]) -> Result<Vec<u8>> {
    Ok(engine.precompile_component(wasm)?)
}

/// Makes a component ready to run: its own native code, the cache, or the compiler.
pub fn load(engine: &Engine, name: &str, code: Code<'_>) -> Result<Component> {
    if let Some(native) = code.native {
        // SAFETY: these bytes are part of this binary and were made by `compile`.
        match unsafe { Component::deserialize(engine, native) } {
            Ok(component) => return Ok(component),
            // Another processor than the one it was built on.
            Err(error) => log::info!("{name}: the carried native code is of no use here: {error}"),
        }
    }
    let cached = cache_folder().map(|folder| folder.join(cache_name(engine, code.wasm)));
    if let Some(path) = &cached
        && path.exists()
    {
        // SAFETY: only this program writes into the folder, which is the user's alone.
        match unsafe { Component::deserialize_file(engine, path) } {
            Ok(component) => return Ok(component),
            Err(error) => log::info!("{name}: {} is of no use: {error}", path.display()),
        }
    }
    let started = std::time::Instant::now();
    let native =
        compile(engine, code.wasm).with_context(|| format!("{name} is not a Wasm component"))?;
    log::info!("{name}: compiled in {} ms", started.elapsed().as_millis());
    if let Some(path) = &cached
        && let Err(error) = keep(path, &native)
    {
        log::info!("compiled components are not kept: {error:#}");
    }
    // SAFETY: made by `compile` just now.
    Ok(unsafe { Component::deserialize(engine, &native) }?)
}

fn cache_folder() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "trasloco").map(|dirs| dirs.cache_dir().to_owned())
}

/// Differs for every component, every version of wasmtime and every setting of the compiler.
fn cache_name(engine: &Engine, wasm: &[u8]) -> String {
    struct Sink(Sha256);
    impl std::hash::Hasher for Sink {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
    }
    let mut sink = Sink(Sha256::new());
    std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut sink);
    sink.0.update(wasm);
    let digest = sink.0.finalize();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}.cwasm")
}

fn keep(path: &Path, native: &[u8]) -> Result<()> {
    let folder = path.parent().context("the cache has no folder")?;
    crate::state::make_private_folder(folder)?;
    crate::state::write_atomically(path, native)?;
    forget_oldest(folder, MAX_CACHED)
}

fn forget_oldest(folder: &Path, keep: usize) -> Result<()> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "cwasm") {
            files.push((path.metadata()?.modified()?, path));
        }
    }
    files.sort();
    let too_many = files.len().saturating_sub(keep);
    for (_, path) in files.into_iter().take(too_many) {
        // A process that has it mapped goes on with it.
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// A component without anything, as bytes: magic number, version, layer.
#[cfg(test)]
pub(crate) const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_tells_components_apart() {
        let engine = Engine::new(&config()).unwrap();
        assert_eq!(cache_name(&engine, b"a"), cache_name(&engine, b"a"));
        assert_ne!(cache_name(&engine, b"a"), cache_name(&engine, b"b"));
    }

    #[test]
    fn the_cache_stays_small() {
        let folder = tempfile::tempdir().unwrap();
        let name = |n: u64| folder.path().join(format!("{n}.cwasm"));
        for n in 0..4 {
            std::fs::write(name(n), "").unwrap();
            let when = std::time::UNIX_EPOCH + Duration::from_secs(n);
            std::fs::File::options().write(true).open(name(n)).unwrap().set_modified(when).unwrap();
        }
        std::fs::write(folder.path().join("other"), "").unwrap();
        forget_oldest(folder.path(), 2).unwrap();
        assert_eq!([0, 1, 2, 3].map(|n| name(n).exists()), [false, false, true, true]);
        assert!(folder.path().join("other").exists());
    }

    #[test]
    fn native_code_that_does_not_fit_is_compiled_again() {
        let engine = Engine::new(&config()).unwrap();
        let code = Code { wasm: EMPTY, native: Some(b"of another machine") };
        load(&engine, "empty", code).unwrap();
    }
}
