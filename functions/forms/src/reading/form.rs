//! From the fields of a form to the API's object, so that one validation serves both.
//!
//! A field's name is its place in the object with dots; what a form can only say as text (lists,
//! megabytes, a moment without zone) is put into the API's form. What cannot be is handed on as it
//! was typed: the validation says what is wrong with it.

use pages::form::{FieldError, Filled};
use serde_json::{Map, Value, json};

use crate::refusals::{Code, Refusal};

/// Fields whose values are never shown again.
const SECRET: [&str; 2] = ["source.password", "destination.password"];

/// The object of `POST /migrations` (or of `synchronise`) from a form's fields. Passwords are
/// taken out of them, so that no second copy is left to be shown or to lie about.
pub fn object(fields: &mut [(String, String)]) -> Value {
    let mut root = Map::new();
    for (name, text) in fields {
        let value = match name.as_str() {
            secret if SECRET.contains(&secret) => Value::String(std::mem::take(text)),
            "items" => {
                let items = root.entry("items").or_insert_with(|| json!([]));
                if let Value::Array(items) = items {
                    items.push(json!(text));
                }
                continue;
            }
            "options.exclude_folders" => json!(lines(text).collect::<Vec<_>>()),
            "options.folder_map" => folder_map(text),
            "options.content_digests" => json!(text == "true"),
            "options.max_item_bytes" => megabytes(text),
            "options.start_at" | "options.repeat.until" | "options.keep_credentials_until" => {
                moment(text)
            }
            "options.repeat.every_hours" => whole(text),
            _ => json!(text),
        };
        let absent = match &value {
            Value::String(text) => text.trim().is_empty() && !SECRET.contains(&name.as_str()),
            _ => false,
        };
        if !absent {
            put(&mut root, name, value);
        }
    }
    Value::Object(root)
}

/// Objects within objects: ours have three, and each costs a call of a function on its way in and
/// out, so a name of a hundred thousand dots would be too much for the stack.
const DEPTH_MAX: usize = 8;

/// Puts `value` at `outer.inner`, down to [`DEPTH_MAX`]; a name without a dot is at the top.
fn put(root: &mut Map<String, Value>, name: &str, value: Value) {
    let is_deep = name.matches('.').nth(DEPTH_MAX).is_some();
    match name.split_once('.').filter(|_| !is_deep) {
        None => {
            root.insert(name.to_owned(), value);
        }
        Some((outer, inner)) => {
            let object = root.entry(outer).or_insert_with(|| json!({}));
            if let Value::Object(object) = object {
                put(object, inner, value);
            }
        }
    }
}

fn whole(text: &str) -> Value {
    text.trim().parse::<u64>().map_or_else(|_| json!(text), |number| json!(number))
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// `Old = New`, one a line; a line without `=` maps to nothing and is refused as such.
fn folder_map(text: &str) -> Value {
    let pairs = lines(text).map(|line| {
        let (from, to) = line.split_once('=').unwrap_or((line, ""));
        (from.trim().to_owned(), json!(to.trim()))
    });
    Value::Object(pairs.collect())
}

fn megabytes(text: &str) -> Value {
    match text.trim().parse::<u64>() {
        Ok(megabytes) => json!(megabytes.saturating_mul(1_000_000)),
        Err(_) => json!(text),
    }
}

/// Browsers send `2026-11-22T15:04`, which is meant in UTC.
pub(crate) fn moment(text: &str) -> Value {
    let text = text.trim();
    match text.len() {
        16 => json!(format!("{text}:00Z")),
        19 => json!(format!("{text}Z")),
        _ => json!(text),
    }
}

/// What to show again: what was typed (never passwords), and each error at its field.
pub fn filled(fields: &[(String, String)], refusal: &Refusal) -> Filled {
    let shown = fields.iter().filter(|(name, _)| !SECRET.contains(&name.as_str()));
    let mut errors: Vec<FieldError> = Vec::new();
    for error in &refusal.errors {
        let field = field_of(&error.pointer);
        let said = match error.code {
            Code::AuthenticationFailed
            | Code::Unreachable
            | Code::Unsupported
            | Code::BadUrl
            | Code::BadValue => Some(error.detail.clone()),
            _ => None,
        };
        // Several bad lines of one list are told once, at the list.
        if !errors.iter().any(|known| known.field == field && known.code == error.code.name()) {
            errors.push(FieldError { field, code: error.code.name(), said });
        }
    }
    if errors.is_empty() {
        let said = (!refusal.detail.is_empty()).then(|| refusal.detail.clone());
        errors.push(FieldError { field: String::new(), code: refusal.code.name(), said });
    }
    Filled { values: shown.cloned().collect(), errors, found: Vec::new() }
}

/// The field that holds what a pointer leads to: at most two levels have fields of their own, and
/// three where there is an object in the options that is not a list.
fn field_of(pointer: &str) -> String {
    let parts: Vec<&str> = pointer.split('/').skip(1).collect();
    match parts.as_slice() {
        ["items", ..] => "items".to_owned(),
        ["options", inner @ ("repeat" | "quiet_hours"), leaf] => format!("options.{inner}.{leaf}"),
        [outer, inner, ..] => format!("{outer}.{inner}"),
        [one] => (*one).to_owned(),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::fields;

    #[test]
    fn a_form_says_what_the_api_says() {
        let mut form = fields(
            "source.type=imap&source.url=mail.example.org&source.login=anna&source.password=+p+\
             &source.delegate=&items=mail&items=contacts&options.exclude_folders=Junk%0D%0A%0D%0A+Old+\
             &options.folder_map=A+%3D+B%2FC%0Abroken&options.since=&options.max_item_bytes=25\
             &options.start_at=2026-11-22T15%3A04&notify.email=&options.repeat.every_hours=6\
             &options.repeat.until=2026-12-22T15%3A04&options.quiet_hours.from=22%3A00\
             &options.quiet_hours.to=&options.keep_credentials_until=",
        );
        assert_eq!(
            object(&mut form),
            json!({
                "source": {"type": "imap", "url": "mail.example.org", "login": "anna",
                           "password": " p "},
                "items": ["mail", "contacts"],
                "options": {"exclude_folders": ["Junk", "Old"],
                            "folder_map": {"A": "B/C", "broken": ""},
                            "max_item_bytes": 25_000_000, "start_at": "2026-11-22T15:04:00Z",
                            "repeat": {"every_hours": 6, "until": "2026-12-22T15:04:00Z"},
                            "quiet_hours": {"from": "22:00"}},
            })
        );
        assert_eq!(object(&mut fields("source=1&source.url=x")), json!({"source": "1"}));
    }

    #[test]
    fn errors_find_their_fields_and_passwords_stay_away() {
        let form = fields("source.url=x&source.password=hunter2&destination.password=hunter2");
        let error = |pointer: &str, code| crate::refusals::InputError {
            pointer: pointer.into(),
            code,
            detail: "said".into(),
            cell: None,
        };
        let refusal = Refusal::input(vec![
            error("/source/url", Code::BadUrl),
            error("/options/exclude_folders/2", Code::TooLong),
            error("/options/exclude_folders/3", Code::TooLong),
            error("/options/quiet_hours/to", Code::Required),
            error("/items/0", Code::Unsupported),
            error("/source/password/access_token", Code::Required),
        ]);
        let filled = filled(&form, &refusal);
        assert_eq!(filled.values, fields("source.url=x"));
        let at: Vec<_> = filled.errors.iter().map(|error| error.field.as_str()).collect();
        let quiet = "options.quiet_hours.to";
        assert_eq!(
            at,
            ["source.url", "options.exclude_folders", quiet, "items", "source.password"]
        );
    }
}
