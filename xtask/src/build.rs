//! Components, then the binary that carries them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::packages;
use crate::shell::{Done, Step, repository, target_folder};
use crate::wasm_target::{self, TARGET};

/// The components of spin.toml, which are crates under `functions/`.
pub(crate) const COMPONENTS: [&str; 3] = ["forms", "upload", "advance"];

/// Crates that exist for the components' target only.
pub(crate) const WASM_ONLY: [&str; 1] = ["host"];

/// Names every package that exists for this machine. All steps name the same ones: cargo unites the
/// features of the packages that are named, and each union would have wasmtime compiled anew.
fn native() -> impl Iterator<Item = &'static str> {
    let others = WASM_ONLY.iter().flat_map(|name| ["--exclude", name]);
    std::iter::once("--workspace").chain(others)
}

/// A command of cargo for all of them; in the release profile throughout, so that what they depend on is
/// built once.
pub(crate) fn release(command: &str) -> Step {
    Step::cargo().args([command, "--release"]).args(native())
}

/// Builds everything; returns the binary, `target/release/trasloco`.
pub(crate) fn build() -> Done<PathBuf> {
    packages::ensure(packages::FOR_BUILDING)?;
    wasm_target::ensure()?;
    let packages = COMPONENTS.iter().flat_map(|name| ["-p", name]);
    let step = Step::cargo().args(["build", "--target", TARGET, "--profile", "component"]);
    step.args(packages).run()?;
    place_components()?;
    // The two binaries differ in what they carry only: one puts the application into a file,
    // native code included, the other has that file inside.
    release("build").args(["--bin", "trasloco-bundle"]).run()?;
    let bundle = bundle()?;
    let bundle = bundle.to_string_lossy();
    let binary = release("build").args(["--bin", "trasloco"]);
    binary.environment("TRASLOCO_BUNDLE", &bundle).run()?;
    place(&target_folder().join("release/trasloco"), &repository().join("target/release/trasloco"))
}

/// Puts the components where spin.toml looks for them.
fn place_components() -> Done {
    for name in COMPONENTS {
        let file = format!("{TARGET}/component/{name}.wasm");
        place(&target_folder().join(&file), &repository().join("target").join(&file))?;
    }
    Ok(())
}

/// Makes the file that the binary carries, unless nothing has changed since.
fn bundle() -> Done<PathBuf> {
    let maker = target_folder().join("release/trasloco-bundle");
    let manifest = repository().join("spin.toml");
    let bundle = target_folder().join("release/trasloco.bundle");
    let mut parts = vec![maker.clone(), manifest.clone()];
    for name in COMPONENTS {
        parts.push(repository().join(format!("target/{TARGET}/component/{name}.wasm")));
    }
    let newest = parts.iter().filter_map(|part| changed(part)).max();
    if changed(&bundle).is_none_or(|made| newest.is_none_or(|newest| newest >= made)) {
        let [maker, manifest, bundle] =
            [&maker, &manifest, &bundle].map(|path| path.to_string_lossy());
        Step::new(&maker).args([manifest, bundle]).run()?;
    }
    Ok(bundle)
}

/// Makes `to` the same file as `from`, or a copy of it on another file system.
fn place(from: &Path, to: &Path) -> Done<PathBuf> {
    let said = |error: std::io::Error| format!("{}: {error}", to.display());
    if same_file(from, to) {
        return Ok(to.to_owned());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(said)?;
    }
    if to.exists() {
        fs::remove_file(to).map_err(said)?;
    }
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to).map_err(said)?;
    }
    Ok(to.to_owned())
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}
