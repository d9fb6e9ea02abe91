//! Which migration a state folder made for which pair of accounts, so that running the same
//! command again continues or synchronises instead of beginning anew.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::state::{Folder, write_atomically};

/// Name of the file in the state folder.
const FILE_NAME: &str = "runs.json";

/// The runs of a state folder: migration ids by pair.
pub(super) struct Runs {
    path: PathBuf,
    ids: BTreeMap<String, String>,
}

/// The key of a pair: a digest, since the file need not tell who migrated what.
pub(super) fn key(request_without_passwords: &Value) -> String {
    // Maps of serde_json are sorted, so the same request is the same text.
    let digest = Sha256::digest(request_without_passwords.to_string());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Runs {
    /// Reads the runs of a folder.
    pub(super) fn read(folder: &Folder) -> Result<Self> {
        let path = folder.join(FILE_NAME);
        let ids = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        Ok(Runs { path, ids })
    }

    /// The migration of a pair.
    pub(super) fn find(&self, key: &str) -> Option<&str> {
        self.ids.get(key).map(String::as_str)
    }

    /// Keeps the migration of a pair.
    pub(super) fn keep(&mut self, key: String, id: String) -> Result<()> {
        self.ids.insert(key, id);
        write_atomically(&self.path, &serde_json::to_vec(&self.ids)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers() {
        let path = tempfile::tempdir().unwrap();
        let folder = Folder::open(path.path()).unwrap();
        let one = key(&serde_json::json!({"source": 1, "items": []}));
        assert_eq!(one, key(&serde_json::json!({"items": [], "source": 1})));
        assert_ne!(one, key(&serde_json::json!({"items": [], "source": 2})));
        let mut runs = Runs::read(&folder).unwrap();
        assert_eq!(runs.find(&one), None);
        runs.keep(one.clone(), "id".to_owned()).unwrap();
        assert_eq!(Runs::read(&folder).unwrap().find(&one), Some("id"));
    }
}
