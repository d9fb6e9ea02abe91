//! Reads a JSON object field by field, so that everything wrong is told at once, with its place.
//!
//! An object of the API is written down once, with [`object!`]: the struct, its reader and its JSON
//! Schema are made of the same lines, so that the description of the API cannot differ from what is
//! read. A value of a field is a type that reads itself ([`FromJson`]) and has a schema; those that
//! several objects share are in [`values`].
//!
//! Reading order: here, [`values`], [`account`], [`options`], [`submission`] (a migration),
//! [`removal`], [`project`]; [`form`] and [`multipart`] (the same from a form).

pub mod account;
pub mod form;
pub mod multipart;
mod object;
pub mod options;
pub mod project;
pub mod removal;
pub mod submission;
pub mod values;

use serde_json::{Map, Value};

use crate::refusals::{Code, InputError, Refusal};
use crate::request::Request;

pub(crate) use object::object;

/// A value that is read from JSON.
pub trait FromJson: Sized {
    /// Reads `value`, which stands at `pointer`; notes what is wrong with it.
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self>;

    /// Whether the field is as good as left out: `null`, and for a text the empty one.
    fn is_absent(value: &Value) -> bool {
        value.is_null()
    }
}

/// Reads a whole body.
pub fn body<T: FromJson>(errors: &mut Errors, value: Value) -> Option<T> {
    T::from_json(errors, "", value)
}

/// Gathers what is wrong.
#[derive(Debug, Default)]
pub struct Errors(Vec<InputError>);

impl Errors {
    /// Notes one more.
    pub fn add(&mut self, pointer: impl Into<String>, code: Code, detail: impl Into<String>) {
        let (pointer, detail) = (pointer.into(), detail.into());
        self.0.push(InputError { pointer, code, detail, cell: None });
    }

    /// What was gathered.
    pub fn into_inner(self) -> Vec<InputError> {
        self.0
    }

    /// Whether something is wrong there already.
    pub fn has(&self, pointer: &str) -> bool {
        self.0.iter().any(|error| error.pointer == pointer)
    }

    /// `value` where nothing was wrong and it is there.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Refusal> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            Some(_) | None => Err(Refusal::input(self.0)),
        }
    }
}

/// An object that is being read; what was taken out of it is known.
#[derive(Debug)]
pub struct Object {
    fields: Map<String, Value>,
    pointer: String,
}

/// The body as JSON; other media types are refused, so that no foreign form can send one.
pub fn json_body(request: &Request, body: &[u8]) -> Result<Value, Refusal> {
    if request.media_type() != "application/json" {
        let detail = "The body must be application/json.";
        return Err(Refusal::because(Code::MediaType, detail));
    }
    parse(body)
}

/// Reads JSON.
pub fn parse(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        // serde_json's words may quote the text that it stumbled over, and that may be a password.
        let detail = format!(
            "The JSON ends or is broken at line {}, column {}.",
            error.line(),
            error.column()
        );
        let pointer = String::new();
        let error =
            InputError { pointer, code: Code::Unreadable, detail: detail.clone(), cell: None };
        Refusal { errors: vec![error], ..Refusal::because(Code::Unreadable, detail) }
    })
}

/// A name as a part of a JSON Pointer (RFC 6901 section 3).
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Notes that `value` is not what is expected.
pub fn wrong_type(errors: &mut Errors, pointer: &str, expected: &str, value: &Value) {
    let detail = format!("This must be {expected}, not {}.", kind(value));
    errors.add(pointer, Code::WrongType, detail);
}

/// A string of at most `max_bytes` without control characters.
pub fn text(errors: &mut Errors, pointer: &str, value: Value, max_bytes: usize) -> Option<String> {
    match value {
        Value::String(text) => check_text(errors, pointer, text, max_bytes),
        other => {
            wrong_type(errors, pointer, "a string", &other);
            None
        }
    }
}

fn check_text(
    errors: &mut Errors,
    pointer: &str,
    text: String,
    max_bytes: usize,
) -> Option<String> {
    if text.len() > max_bytes {
        let detail = format!("This has {} bytes; {max_bytes} are allowed.", text.len());
        errors.add(pointer, Code::TooLong, detail);
        return None;
    }
    if text.chars().any(char::is_control) {
        errors.add(pointer, Code::BadValue, "Control characters are not allowed here.");
        return None;
    }
    Some(text)
}

impl Object {
    /// Begins to read `value`; notes it where it is no object.
    pub fn new(errors: &mut Errors, pointer: &str, value: Value) -> Option<Object> {
        match value {
            Value::Object(fields) => Some(Object { fields, pointer: pointer.to_owned() }),
            other => {
                wrong_type(errors, pointer, "an object", &other);
                None
            }
        }
    }

    /// Where a field of this object is.
    pub fn at(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, escape(name))
    }

    /// Takes a field out; absent and `null` are told apart: `None`, and `Some(None)`.
    pub fn change<T: FromJson>(&mut self, errors: &mut Errors, name: &str) -> Option<Option<T>> {
        let value = self.fields.remove(name)?;
        if T::is_absent(&value) {
            return Some(None);
        }
        T::from_json(errors, &self.at(name), value).map(Some)
    }

    /// Takes a field that may be left out; `null` is as good as absent.
    pub fn may<T: FromJson>(&mut self, errors: &mut Errors, name: &str) -> Option<T> {
        self.change(errors, name).flatten()
    }

    /// Takes a field that must be there.
    pub fn need<T: FromJson>(&mut self, errors: &mut Errors, name: &str) -> Option<T> {
        match self.fields.remove(name).filter(|value| !T::is_absent(value)) {
            Some(value) => T::from_json(errors, &self.at(name), value),
            None => {
                let detail = format!("The field {name} is needed.");
                errors.add(self.at(name), Code::Required, detail);
                None
            }
        }
    }

    /// Takes a field that may be left out, but is not emptied.
    pub fn set<T: FromJson>(&mut self, errors: &mut Errors, name: &str) -> Option<T> {
        let given = self.change(errors, name);
        if matches!(given, Some(None)) {
            errors.add(self.at(name), Code::Required, "This cannot be left empty.");
        }
        given.flatten()
    }

    /// Takes what is left, name by name.
    pub fn rest(self) -> impl Iterator<Item = (String, Value)> {
        self.fields.into_iter()
    }

    /// Notes every field that nobody took.
    pub fn finish(self, errors: &mut Errors) {
        for name in self.fields.keys() {
            // A field's name may be anything, so a long one is cut in the sentence.
            let shown: String = name.chars().take(60).collect();
            errors.add(self.at(&shown), Code::UnknownField, "There is no such field.");
        }
    }
}
