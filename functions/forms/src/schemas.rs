//! JSON Schemas (draft 2020-12) of what goes in and out, made of the same tables that the checks
//! use: a limit or a word that changes there changes here.

use autodetect::Hint;
use model::{FailureCode, Item, Phase, ServerType, Status, Verdict};
use serde_json::{Value, json};

use crate::refusals::Code;
use crate::schedule;
use crate::submission as limit;

/// Every schema by its name.
pub fn all() -> Value {
    let mut all = migrations();
    if let Some(all) = all.as_object_mut() {
        let of_projects = crate::projects::openapi::schemas();
        all.extend(of_projects.map(|(name, schema)| (name.to_owned(), schema)));
    }
    all
}

fn migrations() -> Value {
    json!({
        "Account": account(),
        "AccountReport": account_report(),
        "Created": created(),
        "Detection": detection(),
        "Credentials": credentials(),
        "Removal": removal(),
        "Failure": failure(),
        "FolderReport": folder_report(),
        "Migration": migration(),
        "Password": password(),
        "Preflight": preflight(),
        "Problem": problem(),
        "Report": report(),
        "Submission": submission(),
    })
}

/// A reference to a schema.
pub fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// A string of at most so many bytes.
pub fn text(max_bytes: usize) -> Value {
    json!({"type": "string", "maxLength": max_bytes})
}

/// The same, or null.
pub fn or_null(mut schema: Value) -> Value {
    if let Some(fields) = schema.as_object_mut() {
        let one = fields.get("type").cloned().unwrap_or_default();
        fields.insert("type".to_owned(), json!([one, "null"]));
    }
    schema
}

/// One of these words.
pub fn words(words: impl IntoIterator<Item = &'static str>) -> Value {
    json!({"type": "string", "enum": words.into_iter().collect::<Vec<_>>()})
}

/// A moment (RFC 3339).
pub fn moment() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// A whole number.
pub fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// An array of these.
pub fn list(items: &Value) -> Value {
    json!({"type": "array", "items": items})
}

/// An object with exactly these fields, of which the named ones must be there.
pub fn object(required: &[&str], properties: &Value) -> Value {
    json!({"type": "object", "required": required, "properties": properties,
           "additionalProperties": false})
}

fn password() -> Value {
    let token =
        object(&["access_token"], &json!({"access_token": text(limit::PASSWORD_MAX_BYTES)}));
    json!({"description": "A password, or an OAuth 2.0 access token (XOAUTH2). Never sent back.",
           "oneOf": [text(limit::PASSWORD_MAX_BYTES), token], "writeOnly": true})
}

fn account() -> Value {
    object(
        &["type", "password"],
        &json!({
            "type": words(ServerType::ALL.map(ServerType::name)),
            "url": {"type": ["string", "null"], "maxLength": limit::URL_MAX_BYTES,
                    "description": "Left out, it is found from the login, which is an address then."},
            "login": text(limit::LOGIN_MAX_BYTES),
            "password": reference("Password"),
            "delegate": or_null(text(limit::LOGIN_MAX_BYTES)),
            "caldav_url": or_null(text(limit::URL_MAX_BYTES)),
            "carddav_url": or_null(text(limit::URL_MAX_BYTES)),
            "sieve_url": or_null(text(limit::URL_MAX_BYTES)),
        }),
    )
}

fn options() -> Value {
    let day = json!({"type": ["string", "null"], "format": "date"});
    let folder = text(limit::FOLDER_MAX_BYTES);
    let every = json!({"type": "integer", "minimum": 1, "maximum": schedule::EVERY_HOURS_MAX});
    let repeat =
        object(&["every_hours", "until"], &json!({"every_hours": every, "until": moment()}));
    let time = json!({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"});
    let zone = json!({"description": "Minutes ahead of UTC", "default": 0, "oneOf": [
        {"const": "UTC"},
        {"type": "integer", "minimum": schedule::ZONES.start(), "maximum": schedule::ZONES.end()}]});
    let quiet_hours = object(&["from", "to"], &json!({"from": time, "to": time, "zone": zone}));
    let (repeat, quiet_hours) = (or_null(repeat), or_null(quiet_hours));
    object(
        &[],
        &json!({
            "exclude_folders": {"type": "array", "items": folder, "maxItems": limit::FOLDERS_MAX},
            "folder_map": {"type": "object", "additionalProperties": folder,
                           "maxProperties": limit::FOLDERS_MAX},
            "since": day,
            "until": day,
            "max_item_bytes": {"type": ["integer", "null"], "minimum": 1},
            "content_digests": {"type": "boolean", "default": false},
            "start_at": or_null(moment()),
            "repeat": repeat,
            "quiet_hours": quiet_hours,
            "keep_credentials_until": or_null(moment()),
        }),
    )
}

fn submission() -> Value {
    let items = json!({"type": "array", "minItems": 1, "items": words(Item::ALL.map(Item::name))});
    let languages = pages::Language::ALL.map(pages::Language::tag);
    let notify = object(
        &[],
        &json!({"email": or_null(text(limit::EMAIL_MAX_BYTES)), "language": words(languages),
                "webhook": or_null(text(limit::URL_MAX_BYTES)),
                "webhook_secret": or_null(text(limit::WEBHOOK_SECRET_MAX_BYTES))}),
    );
    object(
        &["source", "destination"],
        &json!({"source": reference("Account"), "destination": reference("Account"),
                "items": items, "options": options(), "notify": notify}),
    )
}

fn credentials() -> Value {
    let side = object(&["password"], &json!({"password": reference("Password")}));
    object(&["source", "destination"], &json!({"source": side, "destination": side}))
}

fn removal() -> Value {
    let side = object(&["password"], &json!({"password": reference("Password")}));
    object(
        &["from_sync_point", "destination"],
        &json!({"from_sync_point": {"type": "integer", "minimum": 1}, "destination": side,
                "dry_run": {"type": "boolean", "default": false}}),
    )
}

fn created() -> Value {
    let address = json!({"type": "string", "format": "uri"});
    let links = object(&["self", "page"], &json!({"self": address, "page": address}));
    object(
        &["id", "status", "links"],
        &json!({"id": {"type": "string"}, "status": status(), "links": links,
                "webhook_secret": {"type": "string", "description": "Signs the calls of the webhook; \
                    only where it was made here, and shown only here."},
                "hook_token": {"type": "string", "description": "Begins a run without passwords; \
                    only where they are kept, and shown only here."}}),
    )
}

fn status() -> Value {
    words(Status::ALL.map(Status::name))
}

fn migration() -> Value {
    let phases = [
        Phase::Discover,
        Phase::Folders,
        Phase::Changes,
        Phase::Mail,
        Phase::Verify,
        Phase::Remove,
        Phase::Finished,
    ];
    let shown = json!({"type": "object", "required": ["type", "url", "login"]});
    let names = "total migrated skipped left_out failed removed bytes_total bytes_migrated";
    let counters: serde_json::Map<String, Value> =
        names.split(' ').map(|name| (name.to_owned(), count())).collect();
    let waiting = json!({"type": ["object", "null"], "required": ["until", "reason"],
        "properties": {"until": moment(), "reason": {"type": "string"}}});
    let point = json!({"type": "object", "properties": {"number": count(), "started_at": moment(),
        "finished_at": or_null(moment()), "migrated": count(), "failed": count(),
        "removed": {"type": "boolean"}, "verdict": {"type": ["string", "null"]}}});
    let removal = json!({"type": ["object", "null"], "properties": {"from_sync_point": count(),
        "finished_at": or_null(moment()), "removed": count(), "kept": count(), "left": count()}});
    json!({
        "type": "object",
        "required": ["id", "status", "phase", "created_at", "updated_at", "eta_seconds", "waiting",
                     "last_error", "actions", "source", "destination", "progress", "sync_points"],
        "properties": {
            "id": {"type": "string"},
            "status": status(),
            "phase": or_null(words(phases.map(Phase::name))),
            "created_at": moment(),
            "updated_at": moment(),
            "expires_at": or_null(moment()),
            "next_run_at": or_null(moment()),
            "eta_seconds": or_null(count()),
            "bytes_per_second": count(),
            "folder": {"type": ["string", "null"]},
            "waiting": waiting,
            "last_error": {"type": ["string", "null"]},
            "actions": list(&words(["start", "stop", "synchronise", "delete"])),
            "source": shown,
            "destination": shown,
            "items": list(&words(Item::ALL.map(Item::name))),
            "options": options(),
            "progress": {"type": "object",
                         "additionalProperties": {"type": "object", "properties": counters}},
            "sync_points": list(&point),
            "removal": removal,
        }
    })
}

fn failure() -> Value {
    let codes = [
        FailureCode::TooLarge,
        FailureCode::Refused,
        FailureCode::Unreadable,
        FailureCode::Incomplete,
        FailureCode::FolderRefused,
        FailureCode::FlagNotKept,
        FailureCode::FolderRenamed,
        FailureCode::Repaired,
        FailureCode::Differs,
        FailureCode::Kept,
    ];
    json!({"type": "object", "properties": {
        "number": count(), "item": words(Item::ALL.map(Item::name)), "folder": {"type": "string"},
        "subject": {"type": "string"}, "date": {"type": ["string", "null"]},
        "size_bytes": count(), "code": words(codes.map(FailureCode::name)),
        "reason": {"type": "string"}}})
}

fn verdict() -> Value {
    let all = [Verdict::Complete, Verdict::CompleteButFailures, Verdict::Differs, Verdict::Unknown];
    words(all.map(Verdict::name))
}

fn folder_report() -> Value {
    let names = ["source", "migrated", "adopted", "elsewhere", "left_out", "failed"];
    let sums: serde_json::Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), count())).collect();
    json!({"type": "object", "properties": {
        "source": {"type": "string"}, "destination": {"type": "string"},
        "sums": {"type": ["object", "null"], "properties": sums},
        "source_messages": count(), "source_bytes": count(),
        "destination_messages": count(), "destination_bytes": count(),
        "migrated": count(), "adopted": count(), "left_out": count(), "failed": count(),
        "verdict": verdict(), "remarks": list(&json!({"type": "string"}))}})
}

fn report() -> Value {
    json!({"type": "object", "required": ["id", "status", "folders", "verdict"], "properties": {
        "id": {"type": "string"}, "status": status(), "verdict": verdict(),
        "folders": list(&reference("FolderReport")),
        "manifest": {"type": ["object", "null"], "properties": {
            "lines": count(), "sha256": {"type": "string"}}}}})
}

fn account_report() -> Value {
    let folder = json!({"type": "object", "properties": {
        "name": {"type": "string"}, "messages": count(), "bytes": or_null(count()),
        "special_use": {"type": ["string", "null"]}}});
    let quota = json!({"type": ["object", "null"], "properties": {
        "used_bytes": count(), "limit_bytes": count()}});
    json!({"type": "object", "properties": {
        "server": {"type": "string"}, "capabilities": list(&json!({"type": "string"})),
        "folders": list(&folder), "quota": quota, "append_limit": or_null(count())}})
}

fn preflight() -> Value {
    let text = || json!({"type": "string"});
    let maybe = || or_null(text());
    let flag = || json!({"type": "boolean"});
    let quota = json!({"type": ["object", "null"], "properties": {
        "used_bytes": count(), "limit_bytes": count()}});
    let party = json!({"type": "object", "properties": {
        "type": words(ServerType::ALL.map(ServerType::name)), "url": text(), "login": text(),
        "server": text(), "capabilities": list(&text()), "folders": count(), "quota": quota,
        "append_limit": or_null(count()), "round_trip_ms": count()}});
    let row = json!({"type": "object", "properties": {
        "source": text(), "destination": text(), "exists": flag(), "special_use": maybe(),
        "messages": count(), "bytes": or_null(count()), "remark": maybe()}});
    let large = json!({"type": "object", "properties": {
        "folder": text(), "uid": count(), "size_bytes": count(), "date": or_null(moment())}});
    let obstacle = json!({"type": "object", "properties": {
        "reason": words(["quota", "append_limit", "max_item_bytes"]), "limit_bytes": count(),
        "messages": or_null(count()), "detail": text()}});
    let item = words(Item::ALL.map(Item::name));
    let lacking = json!({"type": "object", "properties": {"item": item, "reason": text()}});
    let forecast = json!({"type": "object", "properties": {
        "seconds": count(), "bytes_per_second": count(), "measured": flag(), "rests_on": text()}});
    json!({"type": "object", "properties": {
        "source": party, "destination": party, "folders": list(&row), "more_folders": flag(),
        "left_out": list(&text()), "messages": count(), "bytes": or_null(count()),
        "largest": list(&large), "all_sizes": flag(), "will_not_fit": list(&obstacle),
        "cannot_carry": list(&lacking), "items": list(&item), "forecast": forecast}})
}

fn detection() -> Value {
    let maybe = || or_null(json!({"type": "string"}));
    let hints = || or_null(words(Hint::ALL.map(Hint::name)));
    let candidate = json!({"type": "object",
        "required": ["type", "url", "caldav_url", "carddav_url", "confidence", "found_by"],
        "properties": {
            "type": words(ServerType::ALL.map(ServerType::name)), "url": {"type": "string"},
            "caldav_url": maybe(), "carddav_url": maybe(),
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            "found_by": {"type": "string"}, "confirmed": {"type": "boolean"},
            "provider": maybe(), "login": maybe(), "hint": maybe(), "hint_code": hints(),
            "app_password_url": maybe(), "max_connections": or_null(count())}});
    json!({"type": "object", "required": ["candidates"], "properties": {
        "candidates": list(&candidate), "notes": list(&json!({"type": "string"})),
        "hint": maybe(), "hint_code": hints(), "detail": maybe(),
        "complete": {"type": "boolean"}}})
}

fn problem() -> Value {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    let error = json!({"type": "object", "required": ["pointer", "code", "detail"], "properties": {
        "pointer": {"type": "string", "format": "json-pointer"},
        "code": {"type": "string", "enum": codes}, "detail": {"type": "string"},
        "line": {"type": "integer", "description": "Of a table: the row, as the user counts"},
        "column": {"type": "string", "description": "Of a table: the column's name"}}});
    json!({"type": "object", "required": ["type", "title", "status", "detail"], "properties": {
        "type": {"type": "string", "format": "uri-reference"}, "title": {"type": "string"},
        "status": {"type": "integer"}, "detail": {"type": "string"}, "errors": list(&error)}})
}
