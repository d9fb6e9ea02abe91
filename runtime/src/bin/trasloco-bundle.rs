//! `trasloco-bundle MANIFEST OUTPUT`: puts an application into one file for `trasloco` to carry.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("trasloco-bundle: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [manifest, output] = arguments.as_slice() else {
        bail!("two arguments are needed: the manifest and the output");
    };
    let bytes = runtime::bundle::make(Path::new(manifest))?;
    // Whole or not at all: the next build looks at its age only.
    let beside = format!("{output}.new");
    std::fs::write(&beside, bytes).with_context(|| format!("cannot write {beside}"))?;
    std::fs::rename(&beside, output).with_context(|| format!("cannot write {output}"))
}
