//! `cargo xtask`: everything the project needs, from a fresh clone on.
//!
//! In scope: what has to be installed, and the order of commands. Out of scope: whatever cargo
//! can do alone. Reading order: [`shell`], [`packages`], [`wasm_target`], [`build`], [`test`],
//! [`quick`], [`fuzz`], [`schemathesis`], [`demo`].

mod build;
mod demo;
mod fuzz;
mod packages;
mod quick;
mod schemathesis;
mod shell;
mod test;
mod wasm_target;

use std::process::ExitCode;

use shell::{Done, Step, repository};

const USAGE: &str = "\
cargo xtask <command>

  build           components and the release binary: target/release/trasloco
  serve [FLAG…]   builds, then runs the application with its state in target/state
  demo            two real mail servers with sample messages, and the application beside them
  test            format, lints, unit tests, then the tests with real servers and a browser
  ci              the same as test
  quick           what takes a minute: format, lints of what changed, unit tests of what changed and
                  of what depends on it
  fuzz [TARGET [SECONDS]]
                  the fuzz targets (or `all`), each for ten minutes or as long as said
  soak [SECONDS]  for a night: odd servers with many seeds, a million messages, every fuzz target
  schemathesis [SECONDS]
                  requests made of the served OpenAPI, five minutes or as long as said
  bench [FLAG…]   the benchmark bed at ../shared/bench (python3 bench.py FLAG…)
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    // `cargo xtask serve -- --listen …` is what many fingers type.
    let rest: Vec<String> = arguments.skip_while(|argument| argument == "--").collect();
    let done = match command.as_str() {
        "build" => build::build().map(drop),
        "quick" => quick::quick(),
        "serve" => serve(&rest),
        "demo" => demo::demo(),
        "test" | "ci" => test::test(),
        "fuzz" => fuzz::fuzz(&rest),
        "soak" => fuzz::soak(&rest),
        "schemathesis" => schemathesis::schemathesis(&rest),
        "bench" => bench(&rest),
        "" | "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => Err(format!("there is no command {other:?}\n\n{USAGE}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(flags: &[String]) -> Done {
    let binary = build::build()?;
    let mut step = Step::new(&binary.to_string_lossy()).arg("serve");
    if !flags.iter().any(|flag| flag.starts_with("--state-dir")) {
        step = step.arg("--state-dir").arg(&repository().join("target/state").to_string_lossy());
    }
    step.args(flags).become_it()
}

fn bench(flags: &[String]) -> Done {
    let bed = repository().join("../shared/bench");
    if !bed.join("bench.py").exists() {
        return Err(format!("there is no benchmark bed at {}", bed.display()));
    }
    let binary = build::build()?;
    let step = Step::new("python3").arg("bench.py").args(flags).within(&bed);
    step.environment("TRASLOCO", &binary.to_string_lossy()).run()
}
