//! What became of a table, or would.

use std::collections::BTreeMap;

use model::{Account, Item};
use schemars::JsonSchema;
use serde::Serialize;

/// What a table would add: how many, of which groups and servers, and the first rows, without
/// passwords.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ImportPreview")]
pub struct Preview {
    /// Migrations that were added: none.
    pub added: usize,
    /// Rows of the table.
    pub rows: usize,
    /// Rows by their wave.
    pub groups: BTreeMap<String, usize>,
    /// Rows by their servers.
    pub servers: Servers,
    /// The first rows.
    pub migrations: Vec<PreviewRow>,
}

/// Rows by their servers, which are empty where they are found from the address.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ImportServers")]
pub struct Servers {
    /// Where from.
    pub source: BTreeMap<String, usize>,
    /// Where to.
    pub destination: BTreeMap<String, usize>,
}

/// A row that would be added.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ImportRow")]
pub struct PreviewRow {
    /// Where it stands in the file.
    pub line: u32,
    /// Where from.
    pub source: Account,
    /// Where to.
    pub destination: Account,
    /// What is moved.
    pub items: Vec<Item>,
    /// Its wave.
    pub group: Option<String>,
}

/// A table that was added.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Added {
    /// Migrations.
    pub added: usize,
}

/// What became of a table that was sent to try again.
#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Retried {
    /// Begun anew.
    pub retried: usize,
    /// At work, or complete.
    pub skipped: usize,
    /// Not of this project.
    pub unknown: usize,
}
