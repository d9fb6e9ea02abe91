//! What the user may choose.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{QuietHours, Repeat, Timestamp};

/// Choices for one migration. An empty `Options` moves everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Source folders that are left out, with everything below them. A special-use name such as
    /// `Junk` also matches the folder the server marks as such.
    pub exclude_folders: Vec<String>,
    /// Source folder → destination folder; what lies below moves along. `/` separates levels.
    pub folder_map: BTreeMap<String, String>,
    /// Only messages whose internal date is on or after this day (`YYYY-MM-DD`, UTC).
    pub since: Option<String>,
    /// Only messages whose internal date is before this day (`YYYY-MM-DD`, UTC).
    pub until: Option<String>,
    /// Messages with more bytes than this are left out and reported.
    pub max_item_bytes: Option<u64>,
    /// Not before this moment.
    pub start_at: Option<Timestamp>,
    /// Whether the manifest has the SHA-256 of each message: dearer, and slower on very fast lines.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub content_digests: bool,
    /// Again and again after that, each run a sync point; the credentials stay sealed until then.
    pub repeat: Option<Repeat>,
    /// Not in these hours of the day.
    pub quiet_hours: Option<QuietHours>,
    /// The credentials stay sealed until this moment, for runs that are asked for with the token of
    /// the migration; at most a year.
    pub keep_credentials_until: Option<Timestamp>,
}

/// Who is told about the progress.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Notify {
    /// Where mails go.
    pub email: Option<String>,
    /// `en` or `it`.
    pub language: Option<String>,
    /// Where events go as JSON, signed as Standard Webhooks says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
}

impl Notify {
    /// Whether anybody is told at all.
    pub fn is_wanted(&self) -> bool {
        self.email.is_some() || self.webhook.is_some()
    }
}
