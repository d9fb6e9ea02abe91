//! Everything that must hold before a change goes in.

use std::num::NonZero;

use crate::build::{self, release};
use crate::packages;
use crate::shell::{Done, Step, target_folder};
use crate::wasm_target::{self, TARGET};

/// Tests with real servers that run at the same time, for each core.
const TESTS_A_CORE: usize = 3;

/// Format, lints on both targets, dependencies, unit tests, then real servers and a browser.
pub(crate) fn test() -> Done {
    packages::ensure(packages::FOR_BUILDING)?;
    packages::ensure(packages::FOR_TESTING)?;
    wasm_target::ensure()?;
    Step::cargo().args(["fmt", "--all", "--check"]).run()?;
    clippy()?;
    dependencies()?;
    // The house rules first: they take a second, what follows takes many minutes.
    release("test").args(["--test", "tidy"]).run()?;
    release("test").args(["--lib", "--bins", "--examples"]).run()?;
    build::build()?;
    as_a_component("tls", &["aead::", "chacha20::", "poly1305::", "laws::"])?;
    as_a_component("dial", &["laws::"])?;
    eprintln!("\nReal servers (Dovecot, Cyrus, Courier) and a browser are next; none is skipped.");
    // They wait for servers and for each other's turns far more than they compute.
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = format!("--test-threads={}", TESTS_A_CORE * cores);
    release("test").args(["--test", "*", "--", &threads]).run()
}

fn clippy() -> Done {
    let strict = ["--", "-D", "warnings"];
    release("clippy").arg("--all-targets").args(strict).run()?;
    let wasm = build::COMPONENTS.iter().chain(&build::WASM_ONLY).flat_map(|name| ["-p", name]);
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
    release("build").args(["--example", "command"]).run()?;
    let runner = target_folder().join("release/examples/command");
    let tests = ["test", "--profile", "component", "--target", TARGET, "--lib", "-p", name, "--"];
    let runner_variable = "CARGO_TARGET_WASM32_WASIP2_RUNNER";
    let step = Step::cargo().args(tests).args(names);
    step.environment(runner_variable, &runner.to_string_lossy()).run()
}
