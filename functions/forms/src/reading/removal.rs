//! What a removal asks for.

use serde_json::Value;
use store::seal::Credential;

use super::account::Opened;
use super::values::Whole;
use super::{Errors, body, object};
use crate::refusals::{Code, Refusal};

object! {
    /// What is taken back.
    pub struct RemovalBody {
        /// The first sync point that is taken back.
        need from_sync_point: Whole<1, { u32::MAX as u64 }>,
        /// What opens the destination.
        need destination: Opened,
        /// Whether only to tell what would be done.
        may dry_run: bool,
    }
}

/// What `POST /migrations/{id}/remove` asks for, once it is checked.
pub struct Removal {
    /// The first sync point that is taken back.
    pub from: u32,
    /// Whether only to tell what would be done.
    pub dry_run: bool,
    /// The destination's.
    pub credential: Credential,
}

/// Reads the object of `POST /migrations/{id}/remove`; there are `sync_points` of them.
pub fn read_removal(value: Value, sync_points: u32) -> Result<Removal, Refusal> {
    let mut errors = Errors::default();
    let removal = body::<RemovalBody>(&mut errors, value).and_then(|read| {
        let from = read.from_sync_point.and_then(|from| u32::try_from(from.0).ok());
        if from.is_some_and(|from| from > sync_points) {
            let detail = format!("There is no such sync point; the last one is {sync_points}.");
            errors.add("/from_sync_point", Code::BadValue, detail);
        }
        let credential = read.destination.and_then(|side| side.password)?.0;
        Some(Removal { from: from?, dry_run: read.dry_run.unwrap_or(false), credential })
    });
    errors.finish(removal)
}
