//! What every ended run has, and what its owner is told.

use ledger::folder::Folder;
use model::{Migration, Phase, Status, Timestamp};

/// Sets what every ended run has.
pub(crate) fn end(migration: &mut Migration, status: Status, now: Timestamp) {
    migration.status = status;
    migration.phase = Some(Phase::Finished);
    migration.waiting = None;
    migration.next_run_at = None;
    migration.folder = None;
    migration.eta_seconds = None;
    migration.updated_at = now;
    if let Some(point) = migration.sync_points.last_mut() {
        point.finished_at.get_or_insert(now);
    }
}

/// How the last run ended.
pub(crate) fn outcome(migration: &Migration, folders: &[Folder]) -> model::Outcome {
    let point = migration.sync_points.last();
    let verdicts = folders.iter().map(|folder| folder.report().verdict);
    model::Outcome {
        sync_point: migration.sync_point(),
        status: migration.status,
        started_at: point.map(|point| point.started_at),
        progress: migration.progress.clone(),
        failures: point.map_or(0, |point| point.failed),
        folders: folders.len() as u64,
        verdict: model::Verdict::overall(verdicts),
        last_error: migration.last_error.clone(),
        removal: migration.removal,
    }
}
