//! The API's description (OpenAPI 3.1), made of the route table and the schemas.

use serde_json::{Map, Value, json};

use crate::projects::openapi as projects;
use crate::schemas::{self, reference};
use crate::{ROUTES, Route};

/// The description of the API.
pub fn description() -> Value {
    let mut paths = Map::new();
    for (method, path, route, about) in ROUTES.iter().filter(|(.., about)| !about.is_empty()) {
        let short = path.strip_prefix("/api/v1").unwrap_or(path);
        let operations = paths.entry(short).or_insert_with(|| json!({}));
        if let Some(operations) = operations.as_object_mut() {
            operations.insert(method.to_ascii_lowercase(), operation(*route, about));
        }
    }
    paths.insert("/advance".to_owned(), advance());
    json!({
        "openapi": "3.1.0",
        "info": {"title": "trasloco", "version": env!("CARGO_PKG_VERSION"),
                 "summary": "Moves mailboxes",
                 "license": {"name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT"}},
        "servers": [{"url": "/api/v1"}],
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {"advanceToken": {"type": "http", "scheme": "bearer"},
                                "hookToken": {"type": "http", "scheme": "bearer"},
                                "projectToken": {"type": "http", "scheme": "bearer"}},
        },
    })
}

/// The batch step, which a component of its own answers.
fn advance() -> Value {
    let about = "Takes what is due one slice further";
    let integer = json!({"type": "integer", "minimum": 0});
    let tick = json!({
        "type": "object",
        "required": ["advanced", "active", "next_due_at"],
        "properties": {
            "advanced": integer,
            "active": integer,
            "next_due_at": {"type": ["string", "null"], "format": "date-time"},
        },
    });
    json!({"post": {
        "operationId": "Advance",
        "summary": about,
        "security": [{"advanceToken": []}],
        "parameters": [],
        "responses": {
            "200": {"description": about, "content": {"application/json": {"schema": tick}}},
            "default": {
                "description": "Refused (RFC 9457)",
                "content": {"application/problem+json": {"schema": reference("Problem")}}
            },
        },
    }})
}

fn operation(route: Route, about: &str) -> Value {
    let (status, media_type, schema) = success(route);
    let mut answer = json!({"description": about});
    if let (Some(schema), Some(answer)) = (schema, answer.as_object_mut()) {
        answer.insert("content".to_owned(), json!({media_type: {"schema": schema}}));
    }
    let mut operation = json!({
        "operationId": format!("{route:?}"),
        "summary": about,
        "parameters": parameters(route),
        "responses": {
            status: answer,
            "default": {
                "description": "Refused (RFC 9457)",
                "content": {"application/problem+json": {"schema": reference("Problem")}}
            },
        },
    });
    let of_project = projects::parameters(route).is_some();
    let opens = matches!(route, Route::CreateProject | Route::OpenProject);
    if let (true, false, Some(operation)) = (of_project, opens, operation.as_object_mut()) {
        operation.insert("security".to_owned(), json!([{"projectToken": []}]));
    }
    if let (Some(name), Some(operation)) = (takes(route), operation.as_object_mut()) {
        // With the migration's own token neither passwords nor an account are sent.
        let hooked = route == Route::Synchronise;
        if hooked {
            operation.insert("security".to_owned(), json!([{}, {"hookToken": []}]));
        }
        let body = json!({"required": !hooked,
                          "content": {"application/json": {"schema": reference(name)}}});
        operation.insert("requestBody".to_owned(), body);
    }
    operation
}

/// Status, media type and schema of what goes back when all is well.
fn success(route: Route) -> (&'static str, &'static str, Option<Value>) {
    if let Some(known) = projects::success(route) {
        return known;
    }
    let json = "application/json";
    let words = || Some(json!({"type": "string"}));
    match route {
        Route::Create => ("201", json, Some(reference("Created"))),
        Route::Show => ("200", json, Some(reference("Migration"))),
        Route::Stop
        | Route::Synchronise
        | Route::Retry
        | Route::Pause
        | Route::Resume
        | Route::Remove => ("202", json, Some(reference("Migration"))),
        Route::Delete => ("204", json, None),
        Route::Failures => {
            let rows = json!({"type": "array", "items": reference("Failure"),
                              "maxItems": crate::api::FAILURES_PER_ANSWER});
            ("200", json, Some(rows))
        }
        Route::Report => ("200", json, Some(reference("Report"))),
        Route::Autodetect => ("200", json, Some(reference("Detection"))),
        Route::Preflight => ("200", json, Some(reference("Preflight"))),
        Route::CheckAccount => ("200", json, Some(reference("AccountReport"))),
        Route::FailuresCsv | Route::ReportCsv | Route::TemplateCsv => ("200", "text/csv", words()),
        Route::TemplateXlsx => ("200", crate::api::XLSX_MEDIA_TYPE, words()),
        Route::Events => ("200", "text/event-stream", words()),
        Route::Manifest => ("200", "text/plain", words()),
        Route::Metrics => ("200", "text/plain", words()),
        _ => ("200", json, Some(json!({"type": "object"}))),
    }
}

/// The schema of the body, where there is one.
fn takes(route: Route) -> Option<&'static str> {
    match route {
        Route::Create | Route::Preflight => Some("Submission"),
        Route::Synchronise | Route::Retry => Some("Credentials"),
        Route::Remove => Some("Removal"),
        Route::CheckAccount => Some("Account"),
        _ => projects::takes(route),
    }
}

fn parameters(route: Route) -> Value {
    if let Some(known) = projects::parameters(route) {
        return known;
    }
    let text = json!({"type": "string"});
    let id = json!({"name": "id", "in": "path", "required": true, "schema": text});
    let account = json!({"name": "account", "in": "query", "required": true, "schema": text,
        "description": "The source's login (for a file the destination's), ignoring case."});
    let optional = json!({"name": "account", "in": "query", "required": false, "schema": text,
        "description": "As everywhere; not needed with the migration's own token."});
    let after = json!({"name": "after", "in": "query", "required": false,
        "schema": {"type": "integer", "minimum": 0},
        "description": "The number of the last failure that is known."});
    match route {
        Route::Failures => json!([id, account, after]),
        Route::Synchronise => json!([id, optional]),
        Route::Show
        | Route::Delete
        | Route::Stop
        | Route::Retry
        | Route::Pause
        | Route::Resume
        | Route::Remove
        | Route::FailuresCsv
        | Route::Report
        | Route::ReportCsv
        | Route::Manifest
        | Route::Events => json!([id, account]),
        Route::Autodetect => {
            json!([{"name": "address", "in": "query", "required": true, "schema": text}])
        }
        Route::Problem => {
            json!([{"name": "code", "in": "path", "required": true, "schema": text}])
        }
        _ => json!([]),
    }
}
