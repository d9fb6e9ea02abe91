//! The components import only what Spin 4.1 provides.

use std::collections::BTreeSet;

use e2e::process::{repository, target_dir};
use wasmparser::{Parser, Payload};

/// Packages and their versions, with the interfaces of each that Spin 4.1 links. WASI 0.2 is
/// provided in all its releases up to 0.2.6, and 0.3.0 beside it.
const PROVIDED: &[(&str, &[&str])] = &[
    ("wasi:http", &["0.2", "0.3.0"]),
    ("wasi:sockets", &["0.2", "0.3.0"]),
    ("wasi:io", &["0.2"]),
    ("wasi:cli", &["0.2", "0.3.0"]),
    ("wasi:clocks", &["0.2", "0.3.0"]),
    ("wasi:filesystem", &["0.2", "0.3.0"]),
    ("wasi:random", &["0.2", "0.3.0"]),
    ("wasi:keyvalue", &["0.2.0-draft2"]),
    ("spin:key-value", &["3.0.0"]),
    ("spin:variables", &["3.0.0"]),
];

fn imports(name: &str) -> BTreeSet<String> {
    let folders = [target_dir(), repository().join("target")];
    let file = format!("wasm32-wasip2/component/{name}.wasm");
    let found = folders.iter().map(|folder| folder.join(&file)).find(|path| path.exists());
    let found = found.unwrap_or_else(|| panic!("no {file}: run `cargo xtask build` first"));
    let octets = std::fs::read(found).expect("a component");
    let mut names = BTreeSet::new();
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(&octets) {
        match payload.expect("a valid component") {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) if depth > 0 => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.insert(import.expect("an import").name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    assert!(!names.is_empty(), "{name} imports nothing");
    names
}

fn is_provided(import: &str) -> bool {
    let (package, rest) = import.split_once('/').unwrap_or((import, ""));
    let version = rest.split_once('@').map_or("", |(_, version)| version);
    let known = PROVIDED.iter().find(|(name, _)| *name == package);
    known.is_some_and(|(_, versions)| {
        versions.iter().any(|it| match it.split('.').count() {
            2 => version
                .strip_prefix(&format!("{it}."))
                .is_some_and(|minor| minor.parse::<u32>().is_ok_and(|minor| minor <= 6)),
            _ => version == *it,
        })
    })
}

#[test]
fn components_import_only_what_spin_provides() {
    for component in ["forms", "upload", "advance"] {
        let imports = imports(component);
        let foreign: Vec<&String> = imports.iter().filter(|it| !is_provided(it)).collect();
        assert!(foreign.is_empty(), "{component} imports what Spin 4.1 has not: {foreign:?}");
    }
}

#[test]
fn the_check_can_fail() {
    assert!(is_provided("wasi:io/streams@0.2.6"));
    assert!(!is_provided("wasi:io/streams@0.2.9"));
    assert!(!is_provided("wasi:nn/tensor@0.2.0"));
    assert!(!is_provided("spin:key-value/key-value@4.0.0"));
    assert!(!is_provided("host"));
}
