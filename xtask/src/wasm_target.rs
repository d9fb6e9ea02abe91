//! The target `wasm32-wasip2` for the active toolchain.
//!
//! rustup brings it where it can download. Where it cannot, but a Debian mirror is reachable, the
//! standard library is built from Debian's `rust-src` of exactly the compiler's version, and C's
//! from `wasi-libc`; both end up in the toolchain where rustup would have put them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::{Done, Step, repository};

/// The target of the components.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// Suites that may have the source of a recent compiler, asked one by one: each is a download.
const SUITES: [&str; 5] = ["trixie-backports", "forky", "sid", "experimental", "trixie"];

/// Makes sure that the toolchain has the target.
pub(crate) fn ensure() -> Done {
    let target = Target::of_toolchain()?;
    if target.is_there() {
        return Ok(());
    }
    // In the repository, so that rustup sees its toolchain file.
    if Step::new("rustup").args(["target", "add", TARGET]).succeeds() && target.is_there() {
        return Ok(());
    }
    let beside = repository().join("../shared/toolchain/install-wasm-target");
    if beside.exists() && Step::new(&beside.to_string_lossy()).run().is_ok() && target.is_there() {
        return Ok(());
    }
    eprintln!("rustup cannot bring {TARGET}: building its standard library from Debian's source");
    target.build_from_debian().map_err(|error| {
        format!(
            "the toolchain has no target {TARGET}, and it cannot be built here: {error}\n\
             Run `rustup target add {TARGET}` where rustup can download, and then this again."
        )
    })
}

struct Target {
    sysroot: PathBuf,
    /// Of the compiler, such as `1.95.0`.
    version: String,
}

impl Target {
    fn of_toolchain() -> Done<Self> {
        let sysroot = Step::new("rustc").args(["--print", "sysroot"]).output()?;
        let version = Step::new("rustc").arg("--version").output()?;
        let version = version.split(' ').nth(1).unwrap_or_default().to_owned();
        Ok(Target { sysroot: PathBuf::from(sysroot.trim()), version })
    }

    fn libraries(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib").join(TARGET).join("lib")
    }

    fn is_there(&self) -> bool {
        files(&self.libraries()).iter().any(|file| starts_with(file, "libstd-"))
    }

    fn build_from_debian(&self) -> Done {
        let work = std::env::temp_dir().join(format!("xtask-{TARGET}-{}", std::process::id()));
        make_folder(&work)?;
        let done = self.build_within(&work);
        // Only a temporary folder is left behind where this fails.
        let _ = fs::remove_dir_all(&work);
        done
    }

    fn build_within(&self, work: &Path) -> Done {
        let mirror = mirror()?;
        for (package, upstream) in [("rust-src", Some(self.version.as_str())), ("wasi-libc", None)]
        {
            let found = SUITES.iter().find_map(|suite| {
                let debian = Debian::new(work, &mirror, suite).ok()?;
                Some((debian.newest(package, upstream)?, debian))
            });
            let (version, debian) = found.ok_or_else(|| {
                format!("no Debian suite has {package} {}", upstream.unwrap_or_default())
            })?;
            debian.unpack(package, &version)?;
        }
        let source = work.join("root/usr/src").join(format!("rustc-{}", self.version));
        let place = self.sysroot.join("lib/rustlib/src/rust");
        if place.exists() {
            fs::remove_dir_all(&place).map_err(|error| said(&place, &error))?;
        }
        make_folder(&place)?;
        Step::new("cp").arg("-r").args([&text(&source.join("library")), &text(&place)]).run()?;
        let built = build_standard_library(work)?;
        let libraries = self.libraries();
        let own = libraries.join("self-contained");
        make_folder(&own)?;
        for file in files(&built) {
            if file.extension().is_some_and(|end| end == "rlib") && !starts_with(&file, "libseed-")
            {
                copy(&file, &libraries)?;
            }
        }
        let c = work.join("root/usr/lib").join(TARGET);
        for name in ["libc.a", "crt1-command.o", "crt1-reactor.o"] {
            copy(&c.join(name), &own)?;
        }
        if self.is_there() { Ok(()) } else { Err("the build brought no libstd".to_owned()) }
    }
}

/// Builds an empty crate together with `std`; returns the folder of the libraries.
fn build_standard_library(work: &Path) -> Done<PathBuf> {
    let seed = work.join("seed");
    make_folder(&seed)?;
    let manifest = "[package]\nname = \"seed\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
                    [lib]\npath = \"lib.rs\"\n[workspace]\n";
    write(&seed.join("Cargo.toml"), manifest)?;
    write(&seed.join("lib.rs"), "")?;
    let output = work.join("output");
    Step::cargo()
        .args(["build", "--release", "--target", TARGET, "-Zbuild-std=std,panic_abort"])
        .within(&seed)
        // What a stable compiler needs to build its own library.
        .environment("RUSTC_BOOTSTRAP", "1")
        .environment("RUSTFLAGS", "")
        .environment("CARGO_TARGET_DIR", &text(&output))
        .run()?;
    Ok(output.join(TARGET).join("release/deps"))
}

/// apt with a list of its own, one suite, so that the system's stays as it is; signatures are
/// checked.
struct Debian {
    work: PathBuf,
    options: Vec<String>,
}

impl Debian {
    fn new(work: &Path, mirror: &str, suite: &str) -> Done<Self> {
        let sources = work.join(format!("{suite}.list"));
        write(&sources, &format!("deb {mirror} {suite} main\n"))?;
        let state = work.join(suite);
        for folder in
            [state.join("lists/partial"), work.join("archives/partial"), work.join("root")]
        {
            make_folder(&folder)?;
        }
        let option = |name: &str, value: &str| ["-o".to_owned(), format!("{name}={value}")];
        let options = [
            option("Dir::Etc::SourceList", &text(&sources)),
            option("Dir::Etc::SourceParts", "/dev/null"),
            option("Dir::State", &text(&state)),
            option("Dir::Cache", &text(work)),
            option("APT::Sandbox::User", "root"),
            option("Acquire::Languages", "none"),
            option("Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false"),
        ];
        let debian = Debian { work: work.to_owned(), options: options.concat() };
        debian.apt("apt-get").args(["update", "-q"]).output()?;
        Ok(debian)
    }

    fn apt(&self, program: &str) -> Step {
        Step::new(program).args(&self.options).within(&self.work)
    }

    /// The newest version of a package, or the newest one of an upstream version.
    fn newest(&self, package: &str, upstream: Option<&str>) -> Option<String> {
        // Lines such as `rust-src | 1.95.0+dfsg1-1 | http://… sid/main amd64 Packages`.
        let known = self.apt("apt-cache").args(["madison", package]).output().ok()?;
        let mut versions = known.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim);
        let wanted = |version: &&str| upstream.is_none_or(|upstream| is_of(version, upstream));
        versions.find(wanted).map(str::to_owned)
    }

    fn unpack(&self, package: &str, version: &str) -> Done {
        self.apt("apt-get").args(["download", "-q"]).arg(&format!("{package}={version}")).run()?;
        let start = format!("{package}_");
        let archive = files(&self.work).into_iter().find(|file| starts_with(file, &start));
        let archive = archive.ok_or_else(|| format!("apt-get brought no {package}"))?;
        let root = self.work.join("root");
        Step::new("dpkg").arg("-x").args([&text(&archive), &text(&root)]).run()
    }
}

/// Whether a Debian version packages this upstream version.
fn is_of(version: &str, upstream: &str) -> bool {
    version
        .strip_prefix(upstream)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', '-', '~']))
}

/// The Debian mirror that this machine is configured with.
fn mirror() -> Done<String> {
    let mut lists = files(Path::new("/etc/apt/sources.list.d"));
    lists.push(PathBuf::from("/etc/apt/sources.list"));
    let texts = lists.iter().filter_map(|list| fs::read_to_string(list).ok());
    let found = texts.filter_map(|text| first_mirror(&text)).next();
    found.ok_or_else(|| "no Debian mirror is configured here".to_owned())
}

fn first_mirror(text: &str) -> Option<String> {
    let mut words =
        text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
    let word = words
        .find(|word| word.starts_with("http") && word.trim_end_matches('/').ends_with("/debian"));
    word.map(|word| word.trim_end_matches('/').to_owned())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn starts_with(file: &Path, start: &str) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn said(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

fn make_folder(path: &Path) -> Done {
    fs::create_dir_all(path).map_err(|error| said(path, &error))
}

fn write(path: &Path, content: &str) -> Done {
    fs::write(path, content).map_err(|error| said(path, &error))
}

fn copy(file: &Path, folder: &Path) -> Done {
    let name = file.file_name().unwrap_or_default();
    fs::copy(file, folder.join(name)).map(drop).map_err(|error| said(file, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_version_of_the_compiler() {
        assert!(is_of("1.95.0+dfsg1-1", "1.95.0"));
        assert!(is_of("1.95.0-2~bpo13+1", "1.95.0"));
        assert!(!is_of("1.95.01-1", "1.95.0"));
        assert!(!is_of("1.85.0+dfsg1-1", "1.95.0"));
    }

    #[test]
    fn finds_the_mirror() {
        let old =
            "# deb http://no/debian x main\ndeb [arch=amd64] http://m/debian/ bookworm main\n";
        assert_eq!(first_mirror(old).as_deref(), Some("http://m/debian"));
        let new = "Types: deb\nURIs: https://m:8/debian\nSuites: bookworm\n";
        assert_eq!(first_mirror(new).as_deref(), Some("https://m:8/debian"));
        assert_eq!(first_mirror("deb http://m/debian-security x main"), None);
    }
}
