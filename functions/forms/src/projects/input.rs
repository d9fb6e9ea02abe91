//! The API's objects of projects.

use dial::{Endpoint, Plaintext};
use model::project::{CONCURRENCY_MAX, REQUESTS_PER_SERVER_MAX, WAVES_MAX};
use model::{ProjectOptions, ServerDefault, ServerType, Timestamp};
use project::guard::{PASSWORD_MAX_BYTES, PASSWORD_MIN_CHARS};
use serde_json::Value;
use wire::Secret;

use crate::input::{Errors, Object, text, wrong_type};
use crate::offer;
use crate::refusals::{Code, Refusal};
use crate::submission::{self, URL_MAX_BYTES, WORD_MAX_BYTES};

/// The most bytes of a project's name.
pub const NAME_MAX_BYTES: usize = 200;
/// The most bytes of a group's name.
pub const GROUP_MAX_BYTES: usize = 100;

/// What `POST /projects` asks for.
#[derive(Debug)]
pub struct Creation {
    /// What its owner calls it.
    pub name: String,
    /// What opens it.
    pub password: Secret,
    /// Where mails about it go.
    pub email: Option<String>,
    /// `en` or `it`.
    pub language: Option<String>,
}

/// Reads the object of `POST /projects`.
pub fn creation(value: Value) -> Result<Creation, Refusal> {
    let mut errors = Errors::default();
    let creation = Object::new(&mut errors, "", value).and_then(|mut object| {
        let name = object.text(&mut errors, "name", NAME_MAX_BYTES);
        if name.as_ref().is_none_or(|name| name.trim().is_empty()) && !errors.has("/name") {
            errors.add("/name", Code::Required, "The project needs a name.");
        }
        let password = new_password(&mut errors, &mut object);
        let email = submission::email(&mut errors, &mut object, "/email");
        let language = submission::language(&mut errors, &mut object, "/language");
        object.finish(&mut errors);
        Some(Creation { name: name?, password: password?, email, language })
    });
    errors.finish(creation)
}

/// A password that is chosen now.
fn new_password(errors: &mut Errors, object: &mut Object) -> Option<Secret> {
    let password = match object.need(errors, "password")? {
        Value::String(text) => Secret::new(text),
        other => {
            wrong_type(errors, "/password", "a string", &other);
            return None;
        }
    };
    if password.expose().chars().count() < PASSWORD_MIN_CHARS {
        let detail = format!("The password needs at least {PASSWORD_MIN_CHARS} characters.");
        errors.add("/password", Code::TooShort, detail);
        return None;
    }
    if password.expose().len() > PASSWORD_MAX_BYTES {
        let detail = format!("The password may have at most {PASSWORD_MAX_BYTES} bytes.");
        errors.add("/password", Code::TooLong, detail);
        return None;
    }
    Some(password)
}

/// Reads the object of `POST /projects/{id}/login`.
pub fn password(value: Value) -> Result<Secret, Refusal> {
    let mut errors = Errors::default();
    let password = Object::new(&mut errors, "", value).and_then(|mut object| {
        let password = match object.need(&mut errors, "password")? {
            Value::String(text) => Some(Secret::new(text)),
            other => {
                wrong_type(&mut errors, "/password", "a string", &other);
                None
            }
        };
        object.finish(&mut errors);
        password
    });
    errors.finish(password)
}

/// Reads the object of `PATCH /projects/{id}/options`; what is left out stays, and a default or a
/// list of waves that is `null` goes.
pub fn options(
    before: &ProjectOptions,
    value: Value,
    plaintext: Plaintext,
) -> Result<ProjectOptions, Refusal> {
    let mut errors = Errors::default();
    let mut options = before.clone();
    let Value::Object(fields) = value else {
        wrong_type(&mut errors, "", "an object", &value);
        return errors.finish(None);
    };
    for (name, value) in fields {
        let pointer = format!("/{}", crate::input::escape(&name));
        let given = !value.is_null();
        match name.as_str() {
            "items" if given => {
                let items = submission::items(&mut errors, value, offer::ITEMS, true);
                options.items = items.unwrap_or_default();
            }
            "concurrency" if given => {
                let read = number(&mut errors, &pointer, &value, CONCURRENCY_MAX);
                options.concurrency = read.unwrap_or(options.concurrency);
            }
            "requests_per_server" if given => {
                let read = number(&mut errors, &pointer, &value, REQUESTS_PER_SERVER_MAX);
                options.requests_per_server = read.unwrap_or(options.requests_per_server);
            }
            "default_source" => {
                let read = |errors: &mut _, value| {
                    default(errors, &pointer, value, offer::SOURCES, plaintext)
                };
                options.default_source = given.then(|| read(&mut errors, value)).flatten();
            }
            "default_destination" => {
                let read = |errors: &mut _, value| {
                    default(errors, &pointer, value, offer::DESTINATIONS, plaintext)
                };
                options.default_destination = given.then(|| read(&mut errors, value)).flatten();
            }
            "waves" => {
                options.waves.clear();
                if given {
                    waves(&mut errors, value, &mut options);
                }
            }
            "items" | "concurrency" | "requests_per_server" => {
                errors.add(pointer, Code::Required, "This cannot be left empty.");
            }
            _ => errors.add(pointer, Code::UnknownField, "There is no such field."),
        }
    }
    errors.finish(Some(options))
}

fn number(errors: &mut Errors, pointer: &str, value: &Value, most: u32) -> Option<u32> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    let good = number.filter(|number| (1..=most).contains(number));
    if good.is_none() {
        let detail = format!("This must be a whole number from 1 to {most}.");
        errors.add(pointer, Code::BadValue, detail);
    }
    good
}

/// A server that is filled in where none is named.
fn default(
    errors: &mut Errors,
    pointer: &str,
    value: Value,
    types: &[ServerType],
    plaintext: Plaintext,
) -> Option<ServerDefault> {
    let mut object = Object::new(errors, pointer, value)?;
    let server_type = object.need(errors, "type").and_then(|value| {
        submission::word(errors, &object.at("type"), value, types, ServerType::name)
    });
    let url = object.text(errors, "url", URL_MAX_BYTES).unwrap_or_default();
    let scheme = crate::account::scheme(server_type);
    let url = match (url.is_empty(), Endpoint::parse_as(&url, scheme, plaintext)) {
        (true, _) => Some(url),
        (false, Ok(endpoint)) => Some(Endpoint { login: None, ..endpoint }.to_string()),
        (false, Err(error)) => {
            let words = submission::sentence(&error.to_string());
            errors.add(object.at("url"), Code::BadUrl, words);
            None
        }
    };
    object.finish(errors);
    Some(ServerDefault { server_type: server_type?, url: url? })
}

fn waves(errors: &mut Errors, value: Value, options: &mut ProjectOptions) {
    let Some(object) = Object::new(errors, "/waves", value) else { return };
    for (at, (group, value)) in object.rest().enumerate() {
        if at == WAVES_MAX {
            errors.add(
                "/waves",
                Code::TooMany,
                format!("At most {WAVES_MAX} groups are possible."),
            );
            return;
        }
        let shown: String = group.chars().take(60).collect();
        let pointer = format!("/waves/{}", crate::input::escape(&shown));
        let group = text(errors, &pointer, Value::String(group), GROUP_MAX_BYTES);
        let moment = text(errors, &pointer, value, WORD_MAX_BYTES);
        let start = moment.and_then(|moment| Timestamp::parse(&moment));
        if start.is_none() && !errors.has(&pointer) {
            let detail = "This must be a moment such as 2026-11-28T20:00:00Z.";
            errors.add(pointer, Code::BadDate, detail);
        }
        if let (Some(group), Some(start)) = (group, start) {
            options.waves.insert(group, start);
        }
    }
}

/// Fills in what a migration's object leaves out, from the project's options.
pub fn fill_in(value: &mut Value, options: &ProjectOptions) {
    let Some(object) = value.as_object_mut() else { return };
    let sides =
        [("source", &options.default_source), ("destination", &options.default_destination)];
    for (side, default) in sides {
        let (Some(side), Some(default)) =
            (object.get_mut(side).and_then(Value::as_object_mut), default)
        else {
            continue;
        };
        let lacks = |value: Option<&Value>| {
            value.is_none_or(|value| value.is_null() || value.as_str() == Some(""))
        };
        if !lacks(side.get("url")) {
            continue;
        }
        if lacks(side.get("type")) {
            side.insert("type".to_owned(), default.server_type.name().into());
        }
        if side.get("type").and_then(Value::as_str) == Some(default.server_type.name()) {
            side.insert("url".to_owned(), default.url.clone().into());
        }
    }
    if object.get("items").is_none_or(Value::is_null) {
        let items = options.items.iter().map(|item| item.name()).collect::<Vec<_>>();
        object.insert("items".to_owned(), items.into());
    }
}

/// Takes the wave out of a migration's object.
pub fn group(value: &mut Value) -> Result<Option<String>, Refusal> {
    let Some(given) = value.as_object_mut().and_then(|object| object.remove("group")) else {
        return Ok(None);
    };
    if given.is_null() {
        return Ok(None);
    }
    let mut errors = Errors::default();
    let group = text(&mut errors, "/group", given, GROUP_MAX_BYTES);
    errors.finish(Some(group.filter(|group| !group.trim().is_empty())))
}
