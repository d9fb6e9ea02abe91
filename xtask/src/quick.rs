//! What can be known in a minute, before each commit: format, and of the crates that changed their
//! lints and unit tests, with the unit tests of all crates that depend on them.
//!
//! Everything in the debug profile, which builds in seconds once it is warm. `cargo xtask test` is
//! what must pass.

use std::collections::BTreeSet;
use std::path::Path;

use crate::build::{COMPONENTS, WASM_ONLY};
use crate::shell::{Done, Step, repository};
use crate::wasm_target::TARGET;

/// The crate of the house rules and of the tests with real servers.
const RULES: &str = "e2e";

/// Checks what differs from the branch that everything goes into.
pub(crate) fn quick() -> Done {
    Step::cargo().args(["fmt", "--all", "--check"]).run()?;
    let members = members()?;
    let files = changed_files()?;
    let changed = owners(&files, &members);
    if changed.is_empty() {
        eprintln!("\nno crate has changed");
    } else {
        eprintln!("\nchanged: {}", list(&changed));
        lints(&changed)?;
        let tested = dependents(&changed, &members)?;
        eprintln!("\nchanged or depending on it: {}", list(&tested));
        unit_tests(&tested, &members)?;
    }
    Step::cargo().args(["test", "--quiet", "-p", RULES, "--test", "tidy"]).run()
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Files that are not as on the branch, or that nobody has committed yet.
fn changed_files() -> Done<Vec<String>> {
    let git = |words: &[&str]| Step::new("git").args(words).output();
    let branches = ["origin/main", "origin/HEAD", "HEAD"];
    let base = branches.iter().find_map(|branch| git(&["merge-base", "HEAD", branch]).ok());
    let base = base.ok_or("this is no clone of the repository")?;
    let differing = git(&["diff", "--name-only", base.trim()])?;
    let new = git(&["ls-files", "--others", "--exclude-standard"])?;
    Ok(differing.lines().chain(new.lines()).map(str::to_owned).collect())
}

/// Our crates: name and folder, relative to the repository.
fn members() -> Done<Vec<(String, String)>> {
    let tree = ["tree", "--workspace", "--depth", "0", "--prefix", "none", "--offline"];
    let listed = Step::cargo().args(tree).output()?;
    Ok(listed.lines().filter_map(|line| member(line, &repository())).collect())
}

/// Name and folder in a line such as `store v0.1.0 (/home/anna/trasloco/shared/store)`.
fn member(line: &str, root: &Path) -> Option<(String, String)> {
    let (name, rest) = line.split_once(' ')?;
    let (_, rest) = rest.split_once('(')?;
    let folder = Path::new(rest.split(')').next()?).strip_prefix(root).ok()?;
    Some((name.to_owned(), folder.to_string_lossy().into_owned()))
}

/// The crates that these files belong to: each to the one with the longest folder above it.
fn owners(files: &[String], members: &[(String, String)]) -> BTreeSet<String> {
    let owner = |file: &String| {
        let above = members.iter().filter(|(_, folder)| Path::new(file).starts_with(folder));
        above.max_by_key(|(_, folder)| folder.len()).map(|(name, _)| name.clone())
    };
    files.iter().filter_map(owner).collect()
}

/// These crates, and all that depend on one of them, be it in their tests.
fn dependents(changed: &BTreeSet<String>, members: &[(String, String)]) -> Done<BTreeSet<String>> {
    let mut found = changed.clone();
    for name in changed {
        let tree = ["tree", "--workspace", "--invert", name, "--target", "all"];
        let tree = Step::cargo().args(tree).args(["--prefix", "none", "--offline"]).output()?;
        let names = tree.lines().filter_map(|line| line.split(' ').next());
        found
            .extend(names.filter(|name| members.iter().any(|it| it.0 == *name)).map(str::to_owned));
    }
    Ok(found)
}

/// Native, and for the components' target where there is code for it alone.
fn lints(changed: &BTreeSet<String>) -> Done {
    let strict = ["--", "-D", "warnings"];
    let (only, native): (Vec<_>, Vec<_>) =
        changed.iter().map(String::as_str).partition(|name| WASM_ONLY.contains(name));
    if !native.is_empty() {
        let packages = native.iter().flat_map(|name| ["-p", name]);
        Step::cargo().args(["clippy", "--all-targets"]).args(packages).args(strict).run()?;
    }
    let both = native.into_iter().filter(|name| COMPONENTS.contains(name));
    let wasm: Vec<&str> = only.into_iter().chain(both).collect();
    if wasm.is_empty() {
        return Ok(());
    }
    let packages = wasm.iter().flat_map(|name| ["-p", name]);
    Step::cargo().args(["clippy", "--target", TARGET]).args(packages).args(strict).run()
}

fn unit_tests(names: &BTreeSet<String>, members: &[(String, String)]) -> Done {
    let native = names.iter().map(String::as_str).filter(|name| !WASM_ONLY.contains(name));
    // Its only unit tests are those of what it tests with.
    let packages: Vec<&str> = native.filter(|name| *name != RULES).collect();
    if packages.is_empty() {
        return Ok(());
    }
    // Cargo refuses `--lib` where none of the packages has a library.
    let library = |folder: &str| repository().join(folder).join("src/lib.rs").exists();
    let mut of = members.iter().filter(|(name, _)| packages.contains(&name.as_str()));
    let lib = of.any(|(_, folder)| library(folder)).then_some("--lib");
    let step = Step::cargo().args(["test", "--quiet", "--bins"]).args(lib);
    step.args(packages.iter().flat_map(|name| ["-p", name])).run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_lines_of_cargo() {
        let root = Path::new("/home/anna/trasloco");
        let line = "store v0.1.0 (/home/anna/trasloco/shared/store) (*)";
        assert_eq!(member(line, root), Some(("store".into(), "shared/store".into())));
        assert_eq!(member("serde v1.0.228", root), None);
        assert_eq!(member("spin-macro v7.0.0 (proc-macro)", root), None);
    }

    #[test]
    fn a_file_belongs_to_the_crate_around_it() {
        let members = [("e2e", "tests"), ("laws", "tests/laws"), ("trasloco", "runtime")];
        let members = members.map(|(name, folder)| (name.to_owned(), folder.to_owned()));
        let files = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let owners = |list: &[&str]| owners(&files(list), &members).into_iter().collect::<Vec<_>>();
        assert_eq!(owners(&["tests/laws/src/lib.rs"]), ["laws"]);
        assert_eq!(owners(&["tests/tidy.rs", "runtime/src/lib.rs"]), ["e2e", "trasloco"]);
        assert_eq!(owners(&["README.md", "runtime2/x.rs"]), Vec::<String>::new());
    }
}
