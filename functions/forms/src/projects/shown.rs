//! What is told of a project: to programs as JSON, to pages as values.

use model::{Project, ProjectOptions, Status, Timestamp};
use project::members::{Row, Totals};
use project::queue::Queue;
use serde_json::{Value, json};

use pages::layout::encode;

/// A project with its queue and sums.
#[derive(Debug)]
pub struct Overview {
    /// The project.
    pub project: Project,
    /// Its queue.
    pub queue: Queue,
    /// Its sums.
    pub totals: Totals,
    /// Seconds until everything has ended, where they can be told.
    pub eta_seconds: Option<u64>,
}

impl Overview {
    /// `paused`, `running` while anything is to be done, else `idle`.
    pub fn state(&self) -> &'static str {
        match (self.queue.paused, self.queue.active() + self.queue.waiting()) {
            (true, _) => "paused",
            (false, 0) => "idle",
            (false, _) => "running",
        }
    }

    /// The object of `GET /projects/{id}`, without its migrations.
    pub fn object(&self, now: Timestamp) -> Value {
        let (project, totals) = (&self.project, &self.totals);
        let by_status: serde_json::Map<String, Value> = Status::ALL
            .iter()
            .filter_map(|status| {
                let count = totals.by_status.get(status)?;
                Some((status.name().to_owned(), json!(count)))
            })
            .collect();
        json!({
            "id": project.id,
            "name": project.name,
            "email": project.email,
            "language": project.language,
            "state": self.state(),
            "created_at": project.created_at,
            "updated_at": project.updated_at,
            "now": now,
            "eta_seconds": self.eta_seconds,
            "options": options(&project.options),
            "queue": {"active": self.queue.active(), "waiting": self.queue.waiting()},
            "totals": {
                "migrations": totals.members(),
                "ended": totals.ended(),
                "by_status": by_status,
                "total": totals.progress.total,
                "migrated": totals.progress.migrated,
                "skipped": totals.progress.skipped,
                "left_out": totals.progress.left_out,
                "failed": totals.progress.failed,
                "bytes_total": totals.progress.bytes_total,
                "bytes_migrated": totals.progress.bytes_migrated,
            },
        })
    }
}

/// The options.
pub fn options(options: &ProjectOptions) -> Value {
    json!(options)
}

/// A row of the list.
pub fn row(base: &str, number: u32, row: &Row) -> Value {
    let account = encode(&row.source);
    let id = &row.id;
    json!({
        "number": number,
        "id": id,
        "status": row.status.map(Status::name),
        "removal": row.removal,
        "verdict": row.verdict,
        "source": {"login": row.source, "url": row.source_url},
        "destination": {"login": row.destination, "url": row.destination_url},
        "group": row.group,
        "progress": row.progress,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "error": row.error,
        "links": {
            "self": format!("{base}/api/v1/migrations/{id}?account={account}"),
            "page": format!("{base}/migrations/{id}?account={account}"),
        },
    })
}
