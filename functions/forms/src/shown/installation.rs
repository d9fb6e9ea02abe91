//! What the installation tells of itself.

use schemars::JsonSchema;
use serde::Serialize;

use crate::refusals::Code;

/// What a refusal's type means.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Meaning {
    /// The code.
    pub code: Code,
    /// What it means, in a sentence.
    pub title: &'static str,
    /// The HTTP status that it comes with; 422 where it is about one field.
    pub status: u16,
}

/// What `GET /healthz` answers.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Health {
    /// In one word.
    pub status: Well,
    /// The version of the application.
    pub version: &'static str,
    /// For how long that waits which is due first and nobody works on; `null` where it is unknown.
    pub oldest_due_seconds: Option<u64>,
    /// How the store is.
    pub store: &'static str,
}

/// Whether all is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Well {
    /// It is.
    Ok,
    /// It is not; the other fields say what is not.
    Failing,
}
