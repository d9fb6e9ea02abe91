//! What did not arrive, and what the verification found.

use model::{Failure, FolderReport, MigrationId, Status, Verdict};
use schemars::JsonSchema;
use serde::Serialize;

/// Failures in one answer; there is a link to the next ones.
pub const FAILURES_PER_ANSWER: usize = 500;

/// A failure as a list has it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Failure")]
pub struct Numbered<'f> {
    /// Its number in the migration, from 1; a page begins after one.
    pub number: u64,
    /// What it is.
    #[serde(flatten)]
    pub failure: &'f Failure,
}

/// How a report begins; its folders follow while they are read.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReportHead<'r> {
    /// The migration.
    pub id: &'r MigrationId,
    /// Where it stands.
    pub status: Status,
}

/// How a report ends.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReportEnd {
    /// The worst of all folders' verdicts.
    pub verdict: Verdict,
    /// What tells the manifest from any other; `null` until the migration has ended.
    pub manifest: Option<Fingerprint>,
}

/// Per folder: counts, bytes and verdict of both sides.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "it is written piece by piece, see `feeds`")]
pub struct Report<'r> {
    #[schemars(flatten)]
    head: ReportHead<'r>,
    /// Each folder of the source.
    folders: Vec<FolderReport>,
    #[schemars(flatten)]
    end: ReportEnd,
}

/// What tells a manifest from any other.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Fingerprint {
    /// Its lines.
    pub lines: u64,
    /// SHA-256 over all of it, in hexadecimal digits.
    pub sha256: String,
}
