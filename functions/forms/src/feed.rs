//! What is sent piece by piece, so that no answer is held whole: its name; [`crate::feeds`] makes it.

use bytes::Bytes;
use model::{MigrationId, ProjectId, Status};

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feed {
    /// Server-Sent Events (HTML, section 9.2) of a migration; and how long what is idle is kept.
    Events(MigrationId, u64),
    /// All failures as CSV (RFC 4180).
    FailuresCsv(MigrationId),
    /// The report as JSON.
    Report(MigrationId, Status),
    /// The report as CSV.
    ReportCsv(MigrationId),
    /// The migrations of a project as CSV.
    ProjectCsv(ProjectId),
    /// The manifest, line by line.
    Manifest(MigrationId),
}

/// Where pieces go.
pub trait Out {
    /// Sends a piece; `false` once nobody reads any more.
    async fn send(&mut self, piece: Bytes) -> bool;
}
