//! Fuzz targets: built for libFuzzer with the toolchain that builds everything else, then run.
//!
//! What `cargo fuzz` does with `-s none`, without a tool that would have to be installed first.
//! `cargo fuzz run -s none TARGET` works as well, in the same folder.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::build;
use crate::shell::{Done, Step, repository, target_folder};

/// How long a target runs where nothing is said, in seconds: what a release asks of each.
const SECONDS: &str = "600";
/// How many messages the folder of [`soak`] has.
const MESSAGES: &str = "1000000";
/// Where the linker puts it: the instrumentation is for the target, not for build scripts.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Coverage of edges and of compared values, as libFuzzer reads it; `fuzzing` turns on the laws.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// Builds the targets and runs `TARGET` (or, for `all` or nothing, each of them) for `SECONDS`.
/// As many at a time as there are cores. Fails where one has a finding, whose input is kept in
/// `fuzz/artifacts`.
pub(crate) fn fuzz(arguments: &[String]) -> Done {
    let wanted = arguments.first().map_or("all", String::as_str);
    let seconds = arguments.get(1).map_or(SECONDS, String::as_str);
    if seconds.parse::<u32>().is_err() {
        return Err(format!("{seconds:?} is no number of seconds"));
    }
    let all = targets()?;
    if wanted != "all" && !all.iter().any(|own| own == wanted) {
        return Err(format!("there is no target {wanted:?}; there are {}", all.join(", ")));
    }
    let folder = repository().join("fuzz");
    let built = target_folder().join("fuzz");
    let build = Step::cargo().args(["build", "--release", "--target", TARGET]).within(&folder);
    let build = build.environment("CARGO_TARGET_DIR", &built.to_string_lossy());
    build.environment("RUSTFLAGS", FLAGS).run()?;
    let artifacts = folder.join("artifacts");
    create(&artifacts)?;
    let one = |target: &str| {
        let corpus = folder.join("corpus").join(target);
        create(&corpus)?;
        let program = built.join(TARGET).join("release").join(target);
        Step::new(&program.to_string_lossy())
            // What is found new goes into the first folder; the second is the committed one.
            .arg(&corpus.to_string_lossy())
            .arg(&folder.join("seeds").join(target).to_string_lossy())
            .arg(&format!("-max_total_time={seconds}"))
            .arg(&format!("-artifact_prefix={}/{target}-", artifacts.display()))
            .args(["-max_len=4096", "-timeout=20", "-rss_limit_mb=1500"])
            .run()
    };
    let chosen = all.iter().filter(|own| wanted == "all" || *own == wanted);
    let queue = Mutex::new(chosen.collect::<Vec<_>>().into_iter());
    // One a core: each is a single thread. What one finds does not end the others.
    let worker = || {
        let mut found = Vec::new();
        while let Some(target) = next(&queue) {
            found.extend(one(target).err());
        }
        if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
    };
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        let ended = workers.into_iter().map(|worker| worker.join());
        let ended =
            ended.map(|ended| ended.unwrap_or_else(|_| Err("a worker panicked".to_owned())));
        let found: Vec<String> = ended.filter_map(Result::err).collect();
        if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
    })
}

fn next<T>(queue: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).next()
}

/// The names of the targets: a file each.
fn targets() -> Done<Vec<String>> {
    let folder = repository().join("fuzz/fuzz_targets");
    let unreadable = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

fn create(folder: &PathBuf) -> Done {
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

/// What a night is for: a folder of a million messages, the engine against odd servers with as many
/// seeds as `TRASLOCO_SEEDS=FROM..TO` says, which `chaos` in the tests of `migrate` reads, and every
/// target for `SECONDS`.
pub(crate) fn soak(arguments: &[String]) -> Done {
    let seconds = arguments.first().cloned().unwrap_or(SECONDS.to_owned());
    Step::cargo().args(["test", "--release", "-p", "migrate", "--", "chaos"]).run()?;
    build::build()?;
    let million = ["--test", "real", "large_folder::", "--", "--nocapture", "--test-threads=1"];
    let million = build::release("test").args(million);
    million.environment("TRASLOCO_MESSAGES", MESSAGES).run()?;
    fuzz(&["all".to_owned(), seconds])
}
