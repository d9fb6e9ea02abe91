//! The object of a migration, as `GET /migrations/{id}` and its events have it.

use std::collections::BTreeMap;

use model::{
    Account, Action, Counters, Item, Migration, MigrationId, Options, Phase, Removal, Status,
    SyncPoint, Timestamp, Waiting,
};
use pages::layout::encode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::refusals::Links;

/// What the owner of a migration sees of it: nothing else of what is stored.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Migration")]
pub struct Shown<'m> {
    /// Identifies it.
    pub id: &'m MigrationId,
    /// Where it stands.
    pub status: Status,
    /// What it is doing.
    pub phase: Option<Phase>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// When it is erased unless somebody does something with it.
    pub expires_at: Option<Timestamp>,
    /// When a run begins by itself.
    pub next_run_at: Option<Timestamp>,
    /// Seconds until its end, where they can be told.
    pub eta_seconds: Option<u64>,
    /// What it moved lately.
    pub bytes_per_second: u64,
    /// The folder at work.
    pub folder: Option<&'m str>,
    /// Until when it waits, and for what.
    pub waiting: Option<&'m Waiting>,
    /// What went wrong last, for its owner.
    pub last_error: Option<&'m str>,
    /// What can be done with it now.
    pub actions: &'static [Action],
    /// Where from.
    pub source: &'m Account,
    /// Where to.
    pub destination: &'m Account,
    /// What is moved.
    pub items: &'m [Item],
    /// How.
    pub options: &'m Options,
    /// How far each item is.
    pub progress: &'m BTreeMap<Item, Counters>,
    /// Its runs.
    pub sync_points: &'m [SyncPoint],
    /// What became of the last removal.
    pub removal: Option<&'m Removal>,
}

/// The object. `retention_ms` is how long what is idle is kept.
pub fn object(migration: &Migration, retention_ms: u64) -> Shown<'_> {
    Shown {
        id: &migration.id,
        status: migration.status,
        phase: migration.phase,
        created_at: migration.created_at,
        updated_at: migration.updated_at,
        expires_at: migration.expires_at(retention_ms),
        next_run_at: migration.next_run(),
        eta_seconds: migration.eta_seconds,
        bytes_per_second: migration.bytes_per_second,
        folder: migration.folder.as_deref(),
        waiting: migration.waiting.as_ref(),
        last_error: migration.last_error.as_deref(),
        actions: migration.status.actions(),
        source: &migration.source,
        destination: &migration.destination,
        items: &migration.items,
        options: &migration.options,
        progress: &migration.progress,
        sync_points: &migration.sync_points,
        removal: migration.removal.as_ref(),
    }
}

/// What a migration that was begun is told with.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Created {
    /// Identifies it.
    pub id: MigrationId,
    /// Where it stands.
    pub status: Status,
    /// Where it is.
    pub links: Links,
    /// Begins a run without passwords; only where they are kept, and told only here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook_token: Option<String>,
    /// Signs the calls of the webhook; only where it was made here, and told only here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_secret: Option<String>,
}

/// Where the migration is: for programs and for people.
pub fn links(base: &str, migration: &Migration) -> Links {
    links_of(base, &migration.id, &migration.key_account().login)
}

/// The same, of an identifier and a login that go together.
pub fn links_of(base: &str, id: &MigrationId, login: &str) -> Links {
    let account = encode(login);
    Links {
        object: format!("{base}/api/v1/migrations/{id}?account={account}"),
        page: format!("{base}/migrations/{id}?account={account}"),
    }
}

/// Path of the page of a migration.
pub fn page_path(migration: &Migration) -> String {
    let account = encode(&migration.key_account().login);
    format!("/migrations/{}?account={account}", migration.id)
}
