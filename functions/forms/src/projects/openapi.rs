//! The part of the API's description that tells of projects.

use model::project::{CONCURRENCY_MAX, REQUESTS_PER_SERVER_MAX, WAVES_MAX};
use model::{Item, ServerType, Status};
use project::guard::{PASSWORD_MAX_BYTES, PASSWORD_MIN_CHARS};
use serde_json::{Value, json};

use super::input::NAME_MAX_BYTES;
use crate::Route;
use crate::api::XLSX_MEDIA_TYPE;
use crate::offer;
use crate::schemas::{count, list, moment, object, or_null, reference, text, words};
use crate::submission::{EMAIL_MAX_BYTES, URL_MAX_BYTES};

/// Status, media type and schema of what goes back when all is well; `None` for other routes.
pub fn success(route: Route) -> Option<(&'static str, &'static str, Option<Value>)> {
    let json = "application/json";
    Some(match route {
        Route::CreateProject => ("201", json, Some(reference("ProjectCreated"))),
        Route::OpenProject => ("200", json, Some(reference("ProjectToken"))),
        Route::CloseProject | Route::DeleteProject => ("204", json, None),
        Route::ShowProject | Route::ProjectOptions => ("200", json, Some(reference("Project"))),
        Route::PauseProject | Route::ResumeProject => ("202", json, Some(reference("Project"))),
        Route::AddToProject => ("201", json, Some(json!({"type": "object"}))),
        Route::Import => ("201", json, Some(object(&["added"], &json!({"added": count()})))),
        Route::RetryProject => {
            let counts = json!({"retried": count(), "skipped": count(), "unknown": count()});
            ("202", json, Some(object(&["retried", "skipped", "unknown"], &counts)))
        }
        Route::ExportCsv => ("200", "text/csv", Some(json!({"type": "string"}))),
        Route::ExportXlsx => ("200", XLSX_MEDIA_TYPE, Some(json!({"type": "string"}))),
        _ => return None,
    })
}

/// The schema of the body, where there is one.
pub fn takes(route: Route) -> Option<&'static str> {
    match route {
        Route::CreateProject => Some("NewProject"),
        Route::OpenProject => Some("ProjectPassword"),
        Route::ProjectOptions => Some("ProjectOptions"),
        Route::AddToProject => Some("Submission"),
        _ => None,
    }
}

/// What a request needs besides the identifier.
pub fn parameters(route: Route) -> Option<Value> {
    let words = json!({"type": "string"});
    let id = json!({"name": "id", "in": "path", "required": true, "schema": words});
    let query = |name: &str, about: &str, schema: Value| {
        json!({"name": name, "in": "query", "required": false, "description": about,
               "schema": schema})
    };
    let number = || json!({"type": "integer", "minimum": 0});
    Some(match route {
        Route::ShowProject => json!([
            id,
            query("after", "The number of the last migration that is known.", number()),
            query("status", "Only these, with commas between them.", words.clone()),
            query("search", "Only those with these words in them.", words.clone()),
            query("limit", "Rows in the answer, at most 500.", number()),
        ]),
        Route::CreateProject => json!([]),
        Route::Import => json!([
            id,
            query("dry_run", "Only tells what would be added.", json!({"type": "boolean"})),
        ]),
        Route::OpenProject
        | Route::CloseProject
        | Route::DeleteProject
        | Route::PauseProject
        | Route::ResumeProject
        | Route::ProjectOptions
        | Route::RetryProject
        | Route::ExportCsv
        | Route::ExportXlsx
        | Route::AddToProject => json!([id]),
        _ => return None,
    })
}

/// The schemas by name.
pub fn schemas() -> [(&'static str, Value); 6] {
    let languages = pages::Language::ALL.map(pages::Language::tag);
    let password = json!({"type": "string", "minLength": PASSWORD_MIN_CHARS,
                          "maxLength": PASSWORD_MAX_BYTES, "writeOnly": true});
    let links = object(
        &["self", "page"],
        &json!({"self": text(URL_MAX_BYTES), "page": text(URL_MAX_BYTES)}),
    );
    [
        (
            "NewProject",
            object(
                &["name", "password"],
                &json!({"name": text(NAME_MAX_BYTES), "password": password,
                    "email": or_null(text(EMAIL_MAX_BYTES)), "language": words(languages)}),
            ),
        ),
        ("ProjectPassword", object(&["password"], &json!({"password": text(PASSWORD_MAX_BYTES)}))),
        ("ProjectToken", object(&["token"], &json!({"token": text(100)}))),
        (
            "ProjectCreated",
            object(
                &["id", "token", "links"],
                &json!({"id": text(26), "token": text(100), "links": links}),
            ),
        ),
        ("ProjectOptions", options()),
        ("Project", project()),
    ]
}

fn options() -> Value {
    let default = |types: &[ServerType]| {
        let types = types.iter().map(|server_type| server_type.name());
        or_null(object(&["type"], &json!({"type": words(types), "url": text(URL_MAX_BYTES)})))
    };
    let number = |most: u32| json!({"type": "integer", "minimum": 1, "maximum": most});
    object(
        &[],
        &json!({
            "items": {"type": "array", "minItems": 1, "items": words(Item::ALL.map(Item::name))},
            "concurrency": number(CONCURRENCY_MAX),
            "requests_per_server": number(REQUESTS_PER_SERVER_MAX),
            "default_source": default(offer::SOURCES),
            "default_destination": default(offer::DESTINATIONS),
            "waves": {"type": ["object", "null"], "maxProperties": WAVES_MAX,
                      "additionalProperties": moment(),
                      "description": "When the migrations of a group begin."},
        }),
    )
}

fn project() -> Value {
    let counts = |names: &[&str]| {
        let fields: serde_json::Map<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), count())).collect();
        fields
    };
    let sums =
        ["total", "migrated", "skipped", "left_out", "failed", "bytes_total", "bytes_migrated"];
    let mut totals = counts(&sums);
    totals.extend(counts(&["migrations", "ended"]));
    totals
        .insert("by_status".to_owned(), json!({"type": "object", "additionalProperties": count()}));
    let account = object(
        &["login", "url"],
        &json!({"login": {"type": "string"}, "url": text(URL_MAX_BYTES)}),
    );
    let row = json!({"type": "object", "properties": {
        "number": count(), "id": text(26), "status": words(Status::ALL.map(Status::name)),
        "source": account, "destination": account, "group": or_null(text(100)),
        "progress": {"type": "object", "properties": counts(&sums)},
        "started_at": or_null(moment()), "finished_at": or_null(moment()),
        "error": or_null(text(2000)), "links": {"type": "object"},
    }});
    json!({"type": "object", "required": ["id", "name", "state", "options", "totals"],
           "properties": {
        "id": text(26), "name": text(NAME_MAX_BYTES),
        "email": or_null(text(EMAIL_MAX_BYTES)), "language": {"type": ["string", "null"]},
        "state": words(["running", "paused", "idle"]),
        "created_at": moment(), "updated_at": moment(), "now": moment(),
        "eta_seconds": {"type": ["integer", "null"], "minimum": 0},
        "options": reference("ProjectOptions"),
        "queue": {"type": "object", "properties": counts(&["active", "waiting"])},
        "totals": {"type": "object", "properties": totals},
        "migrations": list(&row),
        "next_after": {"type": ["integer", "null"], "minimum": 0},
    }})
}
