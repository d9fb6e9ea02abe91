//! Everything that must hold before a change goes in.

use crate::shell::{Done, Step};
use crate::wasm_target::{self, TARGET};
use crate::{build, packages};

/// Crates that exist for the components' target only.
const WASM_ONLY: [&str; 1] = ["host"];

/// Format, lints on both targets, unit tests, then real servers and a browser.
pub(crate) fn test() -> Done {
    packages::ensure(packages::FOR_BUILDING)?;
    packages::ensure(packages::FOR_TESTING)?;
    wasm_target::ensure()?;
    Step::cargo().args(["fmt", "--all", "--check"]).run()?;
    clippy()?;
    let native = ["test", "--release", "--workspace", "--exclude", "e2e"];
    Step::cargo().args(native).args(without_wasm_only()).run()?;
    build::build()?;
    eprintln!("\nReal servers (Dovecot, Cyrus, Courier) and a browser are next; none is skipped.");
    Step::cargo().args(["test", "--release", "-p", "e2e"]).run()
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

fn without_wasm_only() -> impl Iterator<Item = &'static str> {
    WASM_ONLY.iter().flat_map(|name| ["--exclude", name])
}
