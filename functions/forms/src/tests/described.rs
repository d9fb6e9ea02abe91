//! What the API's description says is what happens: every answer of these tests is compared with it.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use jsonschema::Validator;

use super::*;
use crate::openapi::document;
use crate::routes::{API, ELSEWHERE, ROUTES, Row};

static DESCRIPTION: LazyLock<Value> = LazyLock::new(closed);

/// The description; what it does not name is not there.
fn closed() -> Value {
    let mut description = document::description();
    for schema in description["components"]["schemas"].as_object_mut().unwrap().values_mut() {
        if schema["properties"].is_object() && schema.get("additionalProperties").is_none() {
            schema["unevaluatedProperties"] = json!(false);
        }
    }
    description
}

/// Whether a value is what a schema of the description says; else what is wrong.
fn check(schema: &Value, value: &Value) -> Result<(), String> {
    static KNOWN: LazyLock<Mutex<HashMap<String, &'static Validator>>> =
        LazyLock::new(Default::default);
    let mut known = KNOWN.lock().unwrap();
    let validator = *known.entry(schema.to_string()).or_insert_with(|| {
        let components = &DESCRIPTION["components"];
        let whole = json!({"allOf": [schema], "components": components});
        Box::leak(Box::new(jsonschema::draft202012::new(&whole).unwrap()))
    });
    let faults: Vec<String> =
        validator.iter_errors(value).map(|it| format!("{}: {it}", it.instance_path)).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
}

fn row(request: &Request) -> Option<&'static Row> {
    let (found, _) = route(request.method.as_str(), &request.path).ok()?;
    let is = |row: &&Row| row.route == found && row.operation.is_some();
    ROUTES.iter().find(is).filter(|_| request.path.starts_with(API))
}

fn operation(row: &Row) -> &'static Value {
    let path = row.path.strip_prefix("/api/v1").unwrap();
    &DESCRIPTION["paths"][path][row.method.to_ascii_lowercase()]
}

/// Compares what was answered, and what was taken, with the description.
pub(super) fn compare(request: &Request, body: &[u8], answer: &Answer) {
    let Some(row) = row(request) else { return };
    let told = operation(row);
    let at = format!("{} {} {}", row.method, request.path, answer.status);
    let response = &told["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{at} is not described: {}", text(answer));
    let Some(whole) = answer.header("content-type") else {
        assert!(response.get("content").is_none(), "{at} has no content");
        return;
    };
    let media_type = whole.split(';').next().unwrap();
    let content = &response["content"][media_type];
    assert!(content.is_object(), "{at}: {media_type} is not described");
    if let (true, Body::Whole(bytes)) = (media_type.ends_with("json"), &answer.body) {
        let value: Value = serde_json::from_slice(bytes).unwrap();
        check(&content["schema"], &value).unwrap_or_else(|wrong| panic!("{at}: {wrong}\n{value}"));
    }
    let taken = &told["requestBody"]["content"]["application/json"]["schema"];
    if answer.status < 300 && taken.is_object() && !body.is_empty() {
        let value: Value = serde_json::from_slice(body).unwrap();
        check(taken, &value).unwrap_or_else(|wrong| panic!("{at} took {value}: {wrong}"));
    }
}

/// What is answered piece by piece is an object of the description, too.
#[test]
fn feeds_are_as_described() {
    let app = app();
    let id = begun(&app);
    let sent = |what: &str| {
        let Body::Feed(feed) = get(&app, &format!("/api/v1/migrations/{id}{what}")).body else {
            panic!("no feed")
        };
        pieces(&app, &feed)
    };
    set(&app, &id, |migration| migration.status = Status::Stopped);
    let schema = |path: &str, media_type: &str| {
        DESCRIPTION["paths"][path]["get"]["responses"]["200"]["content"][media_type]["schema"]
            .clone()
    };
    let account = "?account=anna@a.example";
    let report: Value = serde_json::from_str(&sent(&format!("/report{account}"))).unwrap();
    check(&schema("/migrations/{id}/report", "application/json"), &report).unwrap();
    let events = sent(&format!("/events{account}"));
    let event = events.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let event: Value = serde_json::from_str(event).unwrap();
    check(&schema("/migrations/{id}", "application/json"), &event).unwrap();
    let wrong = check(&schema("/migrations/{id}/report", "application/json"), &event);
    assert!(wrong.is_err(), "a migration passes for a report");
}

/// Every row of the table that is no page is in the description with all that it may answer, and
/// nothing else is there.
#[test]
fn the_table_and_the_description_have_the_same_addresses() {
    let calls = ROUTES.iter().filter(|row| row.operation.is_some());
    let mut expected: Vec<String> =
        calls.map(|row| format!("{} {}", row.method, row.path)).collect();
    expected.extend(ELSEWHERE.iter().map(|(method, path, _)| format!("{method} {path}")));
    let mut told = Vec::new();
    let mut names = Vec::new();
    for (path, operations) in DESCRIPTION["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            told.push(format!("{} /api/v1{path}", method.to_ascii_uppercase()));
            names.push(operation["operationId"].as_str().unwrap().to_owned());
            let described = operation["parameters"].as_array().unwrap();
            let in_path = described.iter().filter(|parameter| parameter["in"] == "path").count();
            assert_eq!(in_path, path.matches('{').count(), "{method} {path}");
            assert!(!operation["summary"].as_str().unwrap().is_empty());
        }
    }
    expected.sort();
    told.sort();
    assert_eq!(told, expected);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), told.len(), "names of operations are unique");
    // An operation is named as its route, so that none is described in another's place.
    for row in ROUTES {
        let name = row.operation.map(|operation| operation.name.to_owned());
        assert_eq!(name.clone().unwrap_or(format!("{:?}", row.route)), format!("{:?}", row.route));
    }
}

/// A refusal of each row has its status and its codes; nothing is told by `default`.
#[test]
fn refusals_have_their_status_and_their_codes() {
    for row in ROUTES {
        let Some(operation) = row.operation else { continue };
        let responses = self::operation(row)["responses"].as_object().unwrap();
        assert!(!responses.contains_key("default"));
        assert!(responses.keys().any(|status| status.starts_with('2')), "{}", row.path);
        for code in document::refusals(row.method, operation) {
            let problem =
                &responses[&code.status().to_string()]["content"]["application/problem+json"];
            let kinds = &problem["schema"]["allOf"][1]["properties"]["type"]["enum"];
            let known = kinds.as_array().unwrap().contains(&json!(code.address()));
            assert!(known, "{} {}: {}", row.method, row.path, code.name());
        }
    }
}

/// Words that the description has of the model's types are all there are.
#[test]
fn words_are_those_of_the_model() {
    let words = |name: &str| {
        let schema = &DESCRIPTION["components"]["schemas"][name];
        let one = |it: &Value| it["const"].as_str().unwrap().to_owned();
        let of = schema["oneOf"].as_array().map(|all| all.iter().map(one).collect());
        let list = schema["enum"].as_array();
        let list = list.map(|all| all.iter().map(|it| it.as_str().unwrap().to_owned()).collect());
        let words: Vec<String> = of.or(list).unwrap_or_else(|| panic!("{name}: {schema}"));
        words
    };
    let actions = words("Action");
    for status in Status::ALL {
        assert!(words("Status").contains(&status.name().to_owned()));
        for action in status.actions() {
            assert!(actions.contains(&action.name().to_owned()), "{}", action.name());
        }
    }
    let phases = ["discover", "folders", "changes", "mail", "verify", "remove", "finished"];
    assert_eq!(words("Phase"), phases);
    assert_eq!(words("Item"), model::Item::ALL.map(|item| item.name()));
    assert_eq!(words("ServerType"), ServerType::ALL.map(|kind| kind.name()));
    assert!(words("Verdict").contains(&"complete_but_failures".to_owned()));
    assert!(words("FailureCode").contains(&"kept".to_owned()));
}

/// Every reference leads to a schema.
#[test]
fn the_description_holds_together() {
    let description = object(&get(&app(), "/api/v1/openapi.json"));
    assert_eq!(description["openapi"], "3.1.0");
    let whole = description.to_string();
    for part in whole.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(description["components"]["schemas"][name].is_object(), "{name}");
    }
}
