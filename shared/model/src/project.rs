//! A project: many migrations that one person looks after.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Item, MigrationId, ServerType, Timestamp};

/// Identifies a project; it opens with the project's password.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct ProjectId(MigrationId);

impl ProjectId {
    /// From randomness, as [`MigrationId::from_random`].
    pub fn from_random(bytes: &[u8; crate::id::LENGTH]) -> Self {
        ProjectId(MigrationId::from_random(bytes))
    }

    /// Reads what a person typed, as [`MigrationId::parse`].
    pub fn parse(text: &str) -> Option<Self> {
        MigrationId::parse(text).map(ProjectId)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// As lists that hold both kinds of identifiers have it.
    pub fn entry(&self) -> &MigrationId {
        &self.0
    }
}

impl From<MigrationId> for ProjectId {
    fn from(id: MigrationId) -> Self {
        ProjectId(id)
    }
}

impl std::fmt::Display for ProjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A migration's place in a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The project.
    pub project: ProjectId,
    /// Its number there, from 0; never given out twice.
    pub number: u32,
    /// The wave it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// The most migrations that a project may run at a time: each holds an instance of the component
/// with up to its memory limit.
pub const CONCURRENCY_MAX: u32 = 32;
/// The most of a project's connections that one server may be asked for.
pub const REQUESTS_PER_SERVER_MAX: u32 = 64;
/// The most migrations of a project: its queue is one record of the store.
pub const MEMBERS_MAX: u32 = 10_000;
/// The most waves of a project: one for each department of a company.
pub const WAVES_MAX: usize = 100;

/// A server that is filled in where none is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerDefault {
    /// How it is spoken to.
    #[serde(rename = "type")]
    pub server_type: ServerType,
    /// Where it is; empty where it is found from each address.
    #[serde(default)]
    pub url: String,
}

/// What the owner of a project may choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProjectOptions {
    /// What is moved.
    pub items: Vec<Item>,
    /// Migrations that run at a time, at most [`CONCURRENCY_MAX`].
    pub concurrency: u32,
    /// Connections to one server at a time, at most [`REQUESTS_PER_SERVER_MAX`].
    pub requests_per_server: u32,
    /// The source's server where a migration names none.
    #[serde(default)]
    pub default_source: Option<ServerDefault>,
    /// The destination's server where a migration names none.
    #[serde(default)]
    pub default_destination: Option<ServerDefault>,
    /// When the migrations of a group begin; those of other groups begin at once.
    #[serde(default)]
    pub waves: BTreeMap<String, Timestamp>,
}

impl Default for ProjectOptions {
    fn default() -> Self {
        ProjectOptions {
            items: vec![Item::Mail],
            concurrency: 4,
            requests_per_server: 8,
            default_source: None,
            default_destination: None,
            waves: BTreeMap::new(),
        }
    }
}

impl ProjectOptions {
    /// When the migrations of `group` may begin.
    pub fn starts_at(&self, group: &str) -> Timestamp {
        self.waves.get(group).copied().unwrap_or_default()
    }
}

/// A project, as it is stored. Changed by compare-and-swap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Identifies it.
    pub id: ProjectId,
    /// What its owner calls it.
    pub name: String,
    /// Where mails about it go.
    pub email: Option<String>,
    /// `en` or `it`.
    pub language: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its owner did anything with it last.
    pub updated_at: Timestamp,
    /// What its owner chose.
    pub options: ProjectOptions,
}
