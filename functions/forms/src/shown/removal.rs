//! What a removal would do, as programs are told.

use std::collections::BTreeMap;

use migrate::removal::Preview;
use schemars::JsonSchema;
use serde::Serialize;

/// What a removal would do.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RemovalPreview<'p> {
    /// Messages that would be removed.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Folders that would be removed, where nothing else is in them.
    pub folders: &'p [String],
    /// Messages by folder of the destination.
    pub per_folder: &'p BTreeMap<String, u64>,
    /// What would stay, although we put it there.
    pub kept: Vec<Kept<'p>>,
    /// Messages that the user has removed already.
    pub gone: u64,
    /// Whether there are more messages than a preview looks at.
    pub truncated: bool,
}

/// What stays, and why.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Kept<'p> {
    /// The destination's folder.
    pub folder: &'p str,
    /// How many messages of it.
    pub messages: u64,
    /// A sentence.
    pub reason: &'p str,
}

/// The object of an answer.
pub fn object(preview: &Preview) -> RemovalPreview<'_> {
    let kept = preview.kept.iter();
    let kept =
        kept.map(|it| Kept { folder: &it.folder, messages: it.messages, reason: &it.reason });
    RemovalPreview {
        messages: preview.messages,
        bytes: preview.bytes,
        folders: &preview.folders,
        per_folder: &preview.per_folder,
        kept: kept.collect(),
        gone: preview.gone,
        truncated: preview.truncated,
    }
}
