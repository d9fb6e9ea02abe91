//! The object of a migration, as `GET /migrations/{id}` and its events have it.

use model::{Account, Action, Migration};
use serde_json::{Value, json};

use pages::layout::encode;

/// The object. It has nothing that the owner's page must not show. `retention_ms` is how long what
/// is idle is kept.
pub fn object(migration: &Migration, retention_ms: u64) -> Value {
    let actions: Vec<_> =
        migration.status.actions().iter().map(|action: &Action| action.name()).collect();
    let progress: serde_json::Map<String, Value> = migration
        .progress
        .iter()
        .map(|(item, counters)| (item.name().to_owned(), json!(counters)))
        .collect();
    json!({
        "id": migration.id,
        "status": migration.status.name(),
        "phase": migration.phase.map(model::Phase::name),
        "created_at": migration.created_at,
        "updated_at": migration.updated_at,
        "expires_at": migration.expires_at(retention_ms),
        "next_run_at": migration.next_run(),
        "eta_seconds": migration.eta_seconds,
        "bytes_per_second": migration.bytes_per_second,
        "folder": migration.folder,
        "waiting": migration.waiting,
        "last_error": migration.last_error,
        "actions": actions,
        "source": account(&migration.source),
        "destination": account(&migration.destination),
        "items": migration.items,
        "options": migration.options,
        "progress": progress,
        "sync_points": migration.sync_points,
        "removal": migration.removal,
    })
}

fn account(account: &Account) -> Value {
    json!(account)
}

/// Where the migration is: for programs and for people.
pub fn links(base: &str, migration: &Migration) -> Value {
    let account = encode(&migration.key_account().login);
    let id = &migration.id;
    json!({
        "self": format!("{base}/api/v1/migrations/{id}?account={account}"),
        "page": format!("{base}/migrations/{id}?account={account}"),
    })
}

/// Path of the page of a migration.
pub fn page_path(migration: &Migration) -> String {
    let account = encode(&migration.key_account().login);
    format!("/migrations/{}?account={account}", migration.id)
}
