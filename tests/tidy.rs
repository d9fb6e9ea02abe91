//! The source keeps the house rules that no compiler checks: dependency arrows, what only `host`
//! may name, where storage keys are spelt, how long a file may be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a panic is a failed test"
)]

#[path = "tidy/modules.rs"]
mod modules;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use e2e::process::repository;

/// Which of our crates each may depend on outside its tests. Arrows point from what changes
/// often to what changes rarely; protocols never see each other, nor a migration.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("shared/model", &[]),
    ("shared/wire", &[]),
    ("shared/store", &["model", "wire"]),
    ("shared/mailbox", &[]),
    ("shared/ledger", &["model", "store", "wire", "mailbox"]),
    ("shared/sasl", &["wire"]),
    ("shared/imap", &["wire", "sasl", "mailbox"]),
    ("shared/pop", &["wire", "sasl"]),
    ("shared/services", &["model", "store", "wire", "mailbox", "dial", "sasl", "imap", "pop"]),
    ("shared/objects", &["model", "store", "wire", "services"]),
    ("shared/smtp", &["wire", "sasl"]),
    ("shared/web", &["wire"]),
    ("shared/tls", &["wire"]),
    ("shared/dial", &["wire", "tls", "web"]),
    ("shared/autodetect", &["model", "wire", "web", "dial"]),
    ("shared/notify", &["model", "store", "wire", "web", "smtp", "dial", "pages"]),
    ("shared/project", &["model", "store", "wire"]),
    (
        "shared/migrate",
        &[
            "model",
            "store",
            "wire",
            "mailbox",
            "ledger",
            "services",
            "dial",
            "notify",
            "project",
            "autodetect",
        ],
    ),
    ("shared/pages", &["model"]),
    ("shared/tables", &[]),
    ("shared/host", &["wire", "store"]),
    (
        "functions/forms",
        &[
            "model",
            "store",
            "wire",
            "dial",
            "migrate",
            "notify",
            "pages",
            "host",
            "project",
            "tables",
            "autodetect",
            "autodetect",
        ],
    ),
    ("functions/upload", &["model", "store", "wire", "host"]),
    ("functions/advance", &["model", "store", "wire", "dial", "migrate", "notify", "host"]),
    // The runtime is a host for components: it knows their interfaces, not their insides.
    ("runtime", &["model"]),
    ("xtask", &[]),
    ("tests", &["fake-imap", "stored", "tables", "wire"]),
    ("tests/counting", &[]),
    ("tests/fake-imap", &["wire"]),
    ("tests/fake-tls", &["wire"]),
    ("tests/laws", &["wire"]),
    ("tests/stored", &["fake-imap"]),
];

/// Crates with modules that need each other. The list only becomes shorter: whoever opens a circle
/// takes its crate out of it.
const CIRCLES: &[&str] = &["shared/web", "runtime"];

/// Longest file without its tests: one subject fits.
const MAX_LINES: usize = 500;

#[test]
fn arrows_point_one_way() {
    let root = repository();
    let workspace = read(&root.join("Cargo.toml")).parse::<toml::Table>().expect("TOML");
    let members = workspace["workspace"]["members"].as_array().expect("members");
    let mut folders = BTreeSet::new();
    for member in members.iter().map(|member| member.as_str().expect("a path")) {
        match member.strip_suffix("/*") {
            None => folders.extend([member.to_owned()]),
            Some(parent) => folders.extend(crates_in(&root, parent)),
        }
    }
    let ours: BTreeSet<String> = folders.iter().map(|folder| name_of(&root, folder)).collect();
    let listed: BTreeSet<String> = MAY_DEPEND_ON.iter().map(|(it, _)| (*it).to_owned()).collect();
    assert_eq!(folders, listed, "MAY_DEPEND_ON lists every crate");
    let mut faults = Vec::new();
    for (folder, allowed) in MAY_DEPEND_ON {
        let manifest = manifest(&root, folder);
        let mut tables = vec![manifest.get("dependencies")];
        if let Some(targets) = manifest.get("target").and_then(toml::Value::as_table) {
            // What a build for the fuzz targets has more is for laws, which are tests.
            let outside_tests = targets.iter().filter(|(target, _)| *target != "cfg(fuzzing)");
            tables.extend(outside_tests.map(|(_, target)| target.get("dependencies")));
        }
        let tables = tables.into_iter().flatten().filter_map(toml::Value::as_table);
        for dependency in tables.flat_map(|table| table.keys()) {
            if ours.contains(dependency) && !allowed.contains(&dependency.as_str()) {
                faults.push(format!("{folder} -> {dependency}"));
            }
        }
    }
    assert!(faults.is_empty(), "arrows that MAY_DEPEND_ON does not have: {faults:?}");
}

/// Modules of a crate have an order, too: whoever reads one can begin with those that it needs, and
/// none of these leads back to it.
#[test]
fn modules_have_an_order() {
    let mut faults = Vec::new();
    for (folder, _) in MAY_DEPEND_ON {
        let modules = modules::Modules::read(&repository().join(folder));
        let circles = modules.circles();
        let listed = CIRCLES.contains(folder);
        if listed && circles.is_empty() {
            faults.push(format!("{folder} has no circle any more: take it out of CIRCLES"));
        }
        for circle in circles.iter().filter(|_| !listed) {
            let inner = |name: &String| circle.contains(name);
            let arrows = modules.arrows().into_iter().filter(|(a, b)| inner(a) && inner(b));
            let arrows: Vec<String> = arrows.map(|(a, b)| format!("{a} -> {b}")).collect();
            faults.push(format!("{folder}: {}\n    {}", circle.join(", "), arrows.join("\n    ")));
        }
    }
    assert!(faults.is_empty(), "modules that need each other:\n{}", faults.join("\n"));
}

#[test]
fn only_host_and_the_functions_know_spin() {
    let words = ["spin_sdk", "wasip3", "wit_bindgen"];
    let mut faults = Vec::new();
    for file in sources(&["shared", "tests", "xtask"]) {
        if file.starts_with(repository().join("shared/host")) || file.ends_with("tests/tidy.rs") {
            continue;
        }
        let text = read(&file);
        faults.extend(words.iter().filter(|it| text.contains(**it)).map(|it| (it, file.clone())));
    }
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn storage_keys_are_spelt_in_one_file() {
    let keys = repository().join("shared/store/src/keys.rs");
    // What keys begin with: `"m/`, `"due/`, and whatever is added there.
    let text = read(&keys);
    let literals = without_tests(&text).split('"').skip(1).step_by(2).collect::<Vec<_>>();
    let prefix = |text: &str| text.split_once('/').map(|(head, _)| format!("\"{head}/"));
    let prefixes: BTreeSet<String> = literals.into_iter().filter_map(prefix).collect();
    assert!(prefixes.len() > 2, "keys.rs has no keys: {prefixes:?}");
    let mut faults = Vec::new();
    for file in sources(&["shared", "functions"]) {
        let is_test =
            file.ends_with("tests.rs") || file.parent().is_some_and(|it| it.ends_with("tests"));
        if file == keys || is_test || file.starts_with(repository().join("shared/pages")) {
            continue;
        }
        let text = read(&file);
        let text = without_tests(&text);
        faults.extend(prefixes.iter().filter(|it| text.contains(*it)).map(|it| (it, file.clone())));
    }
    assert!(faults.is_empty(), "keys outside store/keys.rs: {faults:?}");
}

#[test]
fn files_have_one_subject() {
    let mut faults = Vec::new();
    for file in sources(&["shared", "functions", "runtime", "xtask", "tests"]) {
        let text = read(&file);
        let lines = without_tests(&text).lines().count();
        if lines > MAX_LINES && !file.ends_with("tests.rs") {
            faults.push(format!("{}: {lines} lines", file.display()));
        }
    }
    assert!(faults.is_empty(), "longer than {MAX_LINES} lines without tests: {faults:#?}");
}

#[test]
fn nothing_is_left_for_later() {
    let words = ["todo!(", "unimplemented!(", "FIXME", "dbg!("];
    let mut faults = Vec::new();
    for file in sources(&["shared", "functions", "runtime", "xtask", "tests"]) {
        if file.ends_with("tests/tidy.rs") {
            continue;
        }
        let text = read(&file);
        faults.extend(words.iter().filter(|it| text.contains(**it)).map(|it| (it, file.clone())));
        faults.extend(text.contains("#[ignore").then(|| (&"#[ignore]", file.clone())));
    }
    assert!(faults.is_empty(), "{faults:?}");
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

fn crates_in(root: &Path, parent: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root.join(parent)).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let crates = paths.filter(|path| path.join("Cargo.toml").exists());
    crates.map(|path| format!("{parent}/{}", path.file_name().unwrap().to_string_lossy())).collect()
}

fn manifest(root: &Path, folder: &str) -> toml::Table {
    read(&root.join(folder).join("Cargo.toml")).parse().expect("TOML")
}

fn name_of(root: &Path, folder: &str) -> String {
    manifest(root, folder)["package"]["name"].as_str().expect("a name").to_owned()
}

/// Rust files below these folders.
fn sources(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|it| repository().join(it)).collect();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("target") {
                open.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A file up to its tests, which stand last.
fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests {").map_or(text, |at| &text[..at])
}
