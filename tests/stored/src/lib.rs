//! States as earlier versions of the application left them (`tests/samples/stores`), for tests that
//! open them and go on.
//!
//! A sample is a folder: `store.tsv` has the pairs of the key-value store, `servers/PORT.tsv` what
//! each server held at that moment ([`Mailboxes::snapshot`]), `now_ms` what the clock said. How they
//! were made is in the README beside them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: a panic is a failed test"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fake_imap::{Features, Mailboxes};

/// What the credentials in the samples are sealed with: 32 octets of 1.
pub const SECRET_KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
/// The port of the first source. Sources have the odd ports from there on, and each one's
/// destination has the port behind it.
pub const FIRST_PORT: u16 = 20_143;
/// What opens the project of the sample `project`.
pub const PROJECT_PASSWORD: &str = "a weekend of work";

/// Pairs of a key-value store, in the order of their keys.
pub type Pairs = BTreeMap<String, Vec<u8>>;

/// A state that was stored, with the servers that belong to it.
pub struct Sample {
    /// The pairs of the store.
    pub pairs: Pairs,
    /// The accounts (login `user`, password `secret`) by the ports of their servers.
    pub servers: BTreeMap<u16, Mailboxes>,
    /// What the clock said when it was stored, ms since 1970.
    pub now_ms: u64,
}

impl Sample {
    /// Reads one, such as `5148ca2/paused`; panics where it is not there or not whole.
    pub fn read(name: &str) -> Sample {
        let folder = folder(name);
        let read = |path: &Path| {
            std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
        };
        let mut servers = BTreeMap::new();
        for entry in std::fs::read_dir(folder.join("servers")).expect("servers") {
            let path = entry.expect("an entry").path();
            let port = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            let account = Mailboxes::restored(Features::modern(), &read(&path));
            servers.insert(port.expect("a port"), account);
        }
        let pairs = pairs(&read(&folder.join("store.tsv")));
        let now_ms = read(&folder.join("now_ms")).trim().parse().expect("a number");
        Sample { pairs, servers, now_ms }
    }

    /// Writes one.
    pub fn write(&self, name: &str) {
        let folder = folder(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("servers")).expect("a folder");
        let write =
            |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a file");
        let lines = self.pairs.iter().map(|(key, value)| line(key, value));
        write("store.tsv", &lines.collect::<String>());
        write("now_ms", &format!("{}\n", self.now_ms));
        for (port, account) in &self.servers {
            write(&format!("servers/{port}.tsv"), &account.snapshot());
        }
    }
}

/// Cargo tells where the package under test stands when it runs it; what was true when this crate was
/// compiled may be another clone with the same target folder.
fn folder(name: &str) -> PathBuf {
    let run = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = run.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    let top = package.ancestors().find(|folder| folder.join("spin.toml").exists());
    let top = top.unwrap_or_else(|| panic!("{package:?} is in no clone of the repository"));
    top.join("tests/samples/stores").join(name)
}

/// Key, kind and value: `json`, behind the version byte 1, or all of it in base 64.
fn line(key: &str, value: &[u8]) -> String {
    match value.split_first().map(|(version, text)| (version, str::from_utf8(text))) {
        Some((1, Ok(text))) if text.starts_with(['{', '[', '"']) && !text.contains('\n') => {
            format!("{key}\tjson\t{text}\n")
        }
        _ => format!("{key}\tbase64\t{}\n", STANDARD.encode(value)),
    }
}

fn pairs(text: &str) -> Pairs {
    let pair = |line: &str| {
        let mut parts = line.splitn(3, '\t');
        let (key, kind, value) = (parts.next()?, parts.next()?, parts.next()?);
        let value = match kind {
            "json" => [&[1], value.as_bytes()].concat(),
            "base64" => STANDARD.decode(value).ok()?,
            _ => return None,
        };
        Some((key.to_owned(), value))
    };
    text.lines().map(|line| pair(line).unwrap_or_else(|| panic!("no pair: {line}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_the_same_afterwards() {
        let values: [&[u8]; 7] = [
            b"",
            b"\x01{\"a\": \"\t\"}",
            b"\x01{\"a\n\"}",
            b"\x02[]",
            b"\x01",
            b"\xff\0\t\n",
            b"[]",
        ];
        let all: Pairs = (0..).map(|n| format!("m/{n}")).zip(values.map(<[u8]>::to_vec)).collect();
        let text: String = all.iter().map(|(key, value)| line(key, value)).collect();
        assert_eq!(pairs(&text), all);
        assert!(text.contains("m/1\tjson\t{\"a\": \"\t\"}\n"), "{text}");
    }
}
