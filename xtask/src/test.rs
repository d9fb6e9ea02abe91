//! Everything that must hold before a change goes in.

use crate::shell::{Done, Step, target_folder};
use crate::wasm_target::{self, TARGET};
use crate::{build, packages};

/// Crates that exist for the components' target only.
const WASM_ONLY: [&str; 1] = ["host"];

/// Format, lints on both targets, dependencies, unit tests, then real servers and a browser.
pub(crate) fn test() -> Done {
    packages::ensure(packages::FOR_BUILDING)?;
    packages::ensure(packages::FOR_TESTING)?;
    wasm_target::ensure()?;
    Step::cargo().args(["fmt", "--all", "--check"]).run()?;
    clippy()?;
    dependencies()?;
    // The house rules first: they take a second, what follows takes a quarter of an hour.
    Step::cargo().args(["test", "--release", "-p", "e2e", "--test", "tidy"]).run()?;
    let native = ["test", "--release", "--workspace", "--exclude", "e2e"];
    Step::cargo().args(native).args(without_wasm_only()).run()?;
    build::build()?;
    as_a_component("dial", &["aead::", "chacha20::", "poly1305::", "laws::"])?;
    eprintln!("\nReal servers (Dovecot, Cyrus, Courier) and a browser are next; none is skipped.");
    Step::cargo().args(["test", "--release", "-p", "e2e", "--test", "real"]).run()
}

fn clippy() -> Done {
    // The release profile throughout, so that build scripts and macros are built once.
    let native = ["clippy", "--release", "--workspace", "--all-targets"];
    let strict = ["--", "-D", "warnings"];
    Step::cargo().args(native).args(without_wasm_only()).args(strict).run()?;
    let wasm = build::COMPONENTS.iter().chain(&WASM_ONLY).flat_map(|name| ["-p", name]);
    let step = Step::cargo().args(["clippy", "--target", TARGET, "--profile", "component"]);
    step.args(wasm).args(strict).run()
}

/// `deny.toml`: licences, banned crates, sources; and known faults, where their list can be had.
fn dependencies() -> Done {
    if !Step::cargo().args(["deny", "--version"]).succeeds() {
        Step::cargo().args(["install", "cargo-deny", "--locked"]).run()?;
    }
    Step::cargo().args(["deny", "check", "bans", "licenses", "sources"]).run()?;
    let fetch = Step::cargo().args(["deny", "fetch", "db"]);
    match fetch.output() {
        Ok(_) => Step::cargo().args(["deny", "check", "advisories"]).run(),
        Err(error) => {
            let reason = error.lines().last().unwrap_or_default();
            eprintln!(
                "\nNOT CHECKED: advisories, since RustSec's list cannot be had here: {reason}"
            );
            Ok(())
        }
    }
}

/// Those unit tests of a crate whose names hold one of `names`, compiled as the components are and run on the engine of the runtime:
/// what is written for SIMD exists on that target alone.
fn as_a_component(name: &str, names: &[&str]) -> Done {
    let example = ["build", "--release", "-p", "trasloco", "--example", "command"];
    Step::cargo().args(example).run()?;
    let runner = target_folder().join("release/examples/command");
    let tests = ["test", "--profile", "component", "--target", TARGET, "--lib", "-p", name, "--"];
    let runner_variable = "CARGO_TARGET_WASM32_WASIP2_RUNNER";
    let step = Step::cargo().args(tests).args(names);
    step.environment(runner_variable, &runner.to_string_lossy()).run()
}

fn without_wasm_only() -> impl Iterator<Item = &'static str> {
    WASM_ONLY.iter().flat_map(|name| ["--exclude", name])
}
