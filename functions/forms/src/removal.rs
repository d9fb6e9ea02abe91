//! What a removal asks for.

use serde_json::Value;
use store::seal::Credential;

use crate::account::credential;
use crate::input::{Errors, Object, wrong_type};
use crate::refusals::{Code, Refusal};

/// What `POST /migrations/{id}/remove` asks for.
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
    let removal = Object::new(&mut errors, "", value).and_then(|mut object| {
        let from = object.need(&mut errors, "from_sync_point").and_then(|value| {
            let from = value.as_u64().and_then(|from| u32::try_from(from).ok());
            if from.is_none() {
                wrong_type(&mut errors, "/from_sync_point", "a whole number", &value);
            }
            from
        });
        if from.is_some_and(|from| from == 0 || from > sync_points) {
            let detail = format!("There is no such sync point; the last one is {sync_points}.");
            errors.add("/from_sync_point", Code::BadValue, detail);
        }
        let dry_run = object.take("dry_run").and_then(|value| {
            if !value.is_boolean() {
                wrong_type(&mut errors, "/dry_run", "true or false", &value);
            }
            value.as_bool()
        });
        let destination = object.need(&mut errors, "destination");
        let credential = destination.and_then(|value| {
            let mut side = Object::new(&mut errors, "/destination", value)?;
            let credential = credential(&mut errors, &mut side);
            side.finish(&mut errors);
            credential
        });
        object.finish(&mut errors);
        Some(Removal { from: from?, dry_run: dry_run.unwrap_or(false), credential: credential? })
    });
    errors.finish(removal)
}
