//! The description as OpenAPI writes it.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::operation::{Operation, Parameter, Takes, Who, schema};
use crate::refusals::{Code, Problem};
use crate::routes::{ELSEWHERE, ROUTES};

/// What all addresses of the API begin with.
const BASE: &str = "/api/v1";

/// Media types that a table may have; what it is, its own bytes tell.
const TABLES: [&str; 3] = ["text/csv", crate::answer::XLSX_MEDIA_TYPE, "application/octet-stream"];

/// The description of the API.
pub fn description() -> Value {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    let described = ROUTES.iter().filter_map(|row| Some((row.method, row.path, row.operation?)));
    for (method, path, operation) in described.chain(ELSEWHERE.iter().copied()) {
        let short = path.strip_prefix(BASE).unwrap_or(path);
        let operations = paths.entry(short).or_insert_with(|| json!({}));
        if let Some(operations) = operations.as_object_mut() {
            let written = written(&mut generator, (method, path), operation);
            operations.insert(method.to_ascii_lowercase(), written);
        }
    }
    let bearer = json!({"type": "http", "scheme": "bearer"});
    json!({
        "openapi": "3.1.0",
        "info": {"title": "trasloco", "version": env!("CARGO_PKG_VERSION"),
                 "summary": "Moves mailboxes",
                 "license": {"name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT"}},
        "servers": [{"url": BASE}],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {"advanceToken": bearer, "hookToken": bearer,
                                "projectToken": bearer, "creationToken": bearer},
        },
    })
}

fn written(
    generator: &mut SchemaGenerator,
    (method, path): (&str, &str),
    operation: &Operation,
) -> Value {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = names.map(in_path).collect();
    parameters.extend(account(operation.who));
    parameters.extend(operation.parameters.iter().map(|it| parameter(generator, it)));
    let mut fields = Map::from_iter([
        ("operationId".to_owned(), json!(operation.name)),
        ("summary".to_owned(), json!(operation.about)),
        ("parameters".to_owned(), json!(parameters)),
        ("responses".to_owned(), responses(generator, method, operation)),
    ]);
    if let Some(security) = security(operation.who) {
        fields.insert("security".to_owned(), security);
    }
    if let Some(body) = body(generator, &operation.takes) {
        fields.insert("requestBody".to_owned(), body);
    }
    Value::Object(fields)
}

fn in_path(name: &str) -> Value {
    json!({"name": name, "in": "path", "required": true,
           "schema": {"type": "string", "minLength": 1}})
}

/// The login that opens a migration, which is asked for beside its identifier.
fn account(who: Who) -> Option<Value> {
    let (required, about) = match who {
        Who::Owner => (true, "The source's login (for a file the destination's), ignoring case."),
        Who::OwnerOrHook => (false, "As everywhere; not needed with the migration's own token."),
        Who::Anybody | Who::Beginner | Who::Project | Who::Enterer | Who::Driver => return None,
    };
    Some(json!({"name": "account", "in": "query", "required": required,
                "schema": {"type": "string"}, "description": about}))
}

fn parameter(generator: &mut SchemaGenerator, parameter: &Parameter) -> Value {
    let Parameter { name, place, about, required, schema } = parameter;
    json!({"name": name, "in": place, "required": required, "description": about,
           "schema": schema(generator)})
}

/// What a request brings with it; where `{}` stands among others, it may also bring nothing.
fn security(who: Who) -> Option<Value> {
    Some(match who {
        Who::Anybody | Who::Owner | Who::Enterer => return None,
        Who::Beginner => json!([{}, {"creationToken": []}]),
        Who::OwnerOrHook => json!([{}, {"hookToken": []}]),
        Who::Project => json!([{"projectToken": []}]),
        Who::Driver => json!([{"advanceToken": []}]),
    })
}

fn body(generator: &mut SchemaGenerator, takes: &Takes) -> Option<Value> {
    let one = |required: bool, schema: Schema| json!({"required": required, "content": {"application/json": {"schema": schema}}});
    match takes {
        Takes::Nothing => None,
        Takes::Object(schema) => Some(one(true, schema(generator))),
        Takes::PerhapsObject(schema) => {
            let nothing = json!({"type": "object", "maxProperties": 0});
            Some(one(false, json!({"anyOf": [schema(generator), nothing]}).try_into().ok()?))
        }
        Takes::Table => {
            let file = json!({"schema": {"type": "string", "format": "binary"}});
            let content: Map<String, Value> =
                TABLES.iter().map(|kind| ((*kind).to_owned(), file.clone())).collect();
            Some(json!({"required": true, "content": content}))
        }
    }
}

/// Codes of what a request is refused for, whatever the operation does in particular. What the
/// variables of the installation say is looked at first, then where a request came from, then its body.
pub fn refusals(method: &str, operation: &Operation) -> Vec<Code> {
    let mut codes = vec![Code::Misdirected, Code::Unavailable, Code::NotConfigured];
    if method != "GET" {
        codes.extend([Code::CrossSite, Code::TooLarge, Code::Unreadable]);
    }
    match operation.takes {
        Takes::Nothing => {}
        Takes::Object(_) | Takes::PerhapsObject(_) | Takes::Table => codes.push(Code::MediaType),
    }
    match operation.who {
        Who::Anybody | Who::Enterer | Who::Driver => {}
        Who::Beginner => codes.push(Code::CreationToken),
        Who::Owner => codes.push(Code::NotFound),
        Who::OwnerOrHook => codes.extend([Code::NotFound, Code::Unauthorized]),
        Who::Project => codes.push(Code::SignIn),
    }
    codes.extend(operation.refuses);
    codes
}

/// What the host refuses by itself, before or beside the application: too much at once, and bodies that
/// do not arrive. Its problems have no type of ours (`about:blank`).
fn of_host(method: &str) -> Vec<(u16, &'static str)> {
    let mut refused = vec![
        (429, "Too many requests at once of this client."),
        (503, "Too many requests at once."),
    ];
    if method != "GET" {
        refused.push((400, "The body broke off."));
        refused.push((408, "The body did not arrive in time."));
    }
    refused
}

/// What goes back with one status.
#[derive(Default)]
struct Response {
    about: Vec<String>,
    content: Map<String, Value>,
    headers: Map<String, Value>,
}

impl Response {
    fn written(self) -> Value {
        let Response { about, content, headers } = self;
        let mut fields = Map::from_iter([("description".to_owned(), json!(about.join(" ")))]);
        for (name, part) in [("content", content), ("headers", headers)] {
            if !part.is_empty() {
                fields.insert(name.to_owned(), Value::Object(part));
            }
        }
        Value::Object(fields)
    }
}

fn responses(generator: &mut SchemaGenerator, method: &str, operation: &Operation) -> Value {
    let mut responses: BTreeMap<u16, Response> = BTreeMap::new();
    for gives in operation.gives {
        let response = responses.entry(gives.status).or_default();
        response.about.push(format!("{}.", gives.about));
        if let Some(content) = gives.content {
            let schema = (content.schema)(generator);
            response.content.insert(content.media_type.to_owned(), json!({"schema": schema}));
        }
        let text = json!({"schema": {"type": "string"}});
        let headers = gives.headers.iter().map(|name| ((*name).to_owned(), text.clone()));
        response.headers.extend(headers);
    }
    for (status, (about, schema)) in problems(generator, method, operation) {
        let response = responses.entry(status).or_default();
        response.about.push(about);
        let media_type = "application/problem+json".to_owned();
        response.content.insert(media_type, json!({"schema": schema}));
        if status == 429 {
            let seconds = json!({"schema": {"type": "integer", "minimum": 0},
                                 "description": "Seconds after which it may be tried again."});
            response.headers.insert("retry-after".to_owned(), seconds);
        }
    }
    let by_text = responses.into_iter().map(|(status, it)| (status.to_string(), it.written()));
    Value::Object(by_text.collect())
}

/// By status: in words what may be wrong, and the problem with its types (RFC 9457).
fn problems(
    generator: &mut SchemaGenerator,
    method: &str,
    operation: &Operation,
) -> BTreeMap<u16, (String, Value)> {
    let elsewhere = ELSEWHERE.iter().any(|(.., it)| it.name == operation.name);
    let mut by_status: BTreeMap<u16, (Vec<String>, Vec<String>)> = BTreeMap::new();
    let mut note = |status: u16, about: &str, kind: String| {
        let (words, kinds) = by_status.entry(status).or_default();
        if !kinds.contains(&kind) {
            words.push(about.to_owned());
            kinds.push(kind);
        }
    };
    if elsewhere {
        for (status, about) in of_others(operation) {
            note(*status, about, ABOUT_BLANK.to_owned());
        }
    } else {
        for code in refusals(method, operation) {
            note(code.status(), code.title(), code.address());
        }
    }
    for (status, about) in of_host(method) {
        note(status, about, ABOUT_BLANK.to_owned());
    }
    let problem = schema::<Problem>(generator).to_value();
    let described = |(status, (words, kinds)): (u16, (Vec<String>, Vec<String>))| {
        let narrowed =
            json!({"properties": {"type": {"enum": kinds}, "status": {"const": status}}});
        (status, (words.join(" "), json!({"allOf": [problem, narrowed]})))
    };
    by_status.into_iter().map(described).collect()
}

/// The type of a problem that is told by its status alone (RFC 9457 section 4.2.1).
const ABOUT_BLANK: &str = "about:blank";

/// What other components refuse.
fn of_others(operation: &Operation) -> &'static [(u16, &'static str)] {
    match operation.who {
        Who::Driver => &[
            (401, "The token is not the one of this installation."),
            (405, "It is called with POST."),
            (422, "What is asked for cannot be read."),
            (500, "The installation is not set up completely."),
            (503, "The store cannot be used."),
        ],
        _ => &[(501, "This version takes no files.")],
    }
}
