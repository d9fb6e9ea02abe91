//! Values that fields of several objects have: each reads itself and says what it may be.

use std::borrow::Cow;

use model::{Item, ServerType, TimeOfDay, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use store::seal::Credential;
use wire::Secret;

use super::{Errors, FromJson, check_text, object, text, wrong_type};
use crate::refusals::Code;

/// The most bytes of a server's URL.
pub const URL_MAX_BYTES: usize = 2048;
/// The most bytes of a login: an e-mail address has at most 254 (RFC 5321), with an
/// administrator's name in front twice that.
pub const LOGIN_MAX_BYTES: usize = 512;
/// The most bytes of a password or token; Microsoft's tokens have some thousand.
pub const PASSWORD_MAX_BYTES: usize = 16 << 10;
/// The most bytes of an e-mail address (RFC 5321 section 4.5.3.1.3).
pub const EMAIL_MAX_BYTES: usize = 254;
/// The most bytes of a word such as a type, a date or a language.
pub const WORD_MAX_BYTES: usize = 64;

/// A text of at most so many bytes, without control characters. An empty one is as good as absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<const MAX_BYTES: usize>(pub String);

impl<const MAX_BYTES: usize> Text<MAX_BYTES> {
    /// A text that stands somewhere else than in JSON.
    pub fn checked(errors: &mut Errors, pointer: &str, text: String) -> Option<Self> {
        let text = check_text(errors, pointer, text, MAX_BYTES)?;
        (!text.is_empty()).then_some(Text(text))
    }
}

impl<const MAX_BYTES: usize> FromJson for Text<MAX_BYTES> {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        text(errors, pointer, value, MAX_BYTES).map(Text)
    }

    fn is_absent(value: &Value) -> bool {
        value.is_null() || value.as_str() == Some("")
    }
}

/// A schema that stands where it is used, not under a name of its own.
macro_rules! inline_schema {
    ($name:literal) => {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> Cow<'static, str> {
            $name.into()
        }
    };
}
pub(crate) use inline_schema;

impl<const MAX_BYTES: usize> JsonSchema for Text<MAX_BYTES> {
    inline_schema!("Text");

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Counted in bytes, so with letters beyond ASCII fewer characters fit.
        json_schema!({"type": "string", "maxLength": MAX_BYTES})
    }
}

/// Whether.
impl FromJson for bool {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        if !value.is_boolean() {
            wrong_type(errors, pointer, "true or false", &value);
        }
        value.as_bool()
    }
}

/// A whole number from `LEAST` to `MOST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole<const LEAST: u64, const MOST: u64>(pub u64);

impl<const LEAST: u64, const MOST: u64> FromJson for Whole<LEAST, MOST> {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        let Some(number) = value.as_u64() else {
            wrong_type(errors, pointer, "a whole number", &value);
            return None;
        };
        if (LEAST..=MOST).contains(&number) {
            return Some(Whole(number));
        }
        let detail = match MOST {
            u64::MAX => format!("This must be at least {LEAST}."),
            _ => format!("This must be a whole number from {LEAST} to {MOST}."),
        };
        errors.add(pointer, Code::BadValue, detail);
        None
    }
}

impl<const LEAST: u64, const MOST: u64> JsonSchema for Whole<LEAST, MOST> {
    inline_schema!("Whole");

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({"type": "integer", "minimum": LEAST, "maximum": MOST});
        if MOST == u64::MAX {
            schema.remove("maximum");
        }
        schema
    }
}

/// One of several words.
fn word<T: Copy>(
    errors: &mut Errors,
    pointer: &str,
    value: Value,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Option<T> {
    let given = text(errors, pointer, value, WORD_MAX_BYTES)?;
    let found = all.iter().copied().find(|one| name(*one) == given);
    if found.is_none() {
        let names: Vec<_> = all.iter().map(|one| name(*one)).collect();
        errors.add(pointer, Code::BadValue, format!("This must be one of {}.", names.join(", ")));
    }
    found
}

impl FromJson for ServerType {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        word(errors, pointer, value, &ServerType::ALL, ServerType::name)
    }
}

impl FromJson for Item {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        word(errors, pointer, value, &Item::ALL, Item::name)
    }
}

/// A language of pages and mails.
#[derive(Debug, Clone, Copy)]
pub struct Language(pub pages::Language);

impl FromJson for Language {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        let all = &pages::Language::ALL;
        word(errors, pointer, value, all, pages::Language::tag).map(Language)
    }
}

impl JsonSchema for Language {
    inline_schema!("Language");

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "enum": pages::Language::ALL.map(pages::Language::tag)})
    }
}

/// An e-mail address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(pub String);

impl FromJson for Email {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        let email = text(errors, pointer, value, EMAIL_MAX_BYTES)?;
        if !is_address(&email) {
            errors.add(pointer, Code::BadValue, "This is not an e-mail address.");
            return None;
        }
        Some(Email(email))
    }

    fn is_absent(value: &Value) -> bool {
        Text::<EMAIL_MAX_BYTES>::is_absent(value)
    }
}

impl JsonSchema for Email {
    inline_schema!("Email");

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "email", "maxLength": EMAIL_MAX_BYTES})
    }
}

/// What could be an e-mail address; the rest is for the mail server to say.
fn is_address(text: &str) -> bool {
    let ends = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with('.');
    let inner = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';' | '"' | '\\');
    text.rsplit_once('@').is_some_and(|(local, domain)| {
        ends(local) && ends(domain) && !local.contains('@') && !text.contains(inner)
    })
}

impl FromJson for Timestamp {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        let text = text(errors, pointer, value, WORD_MAX_BYTES)?;
        let moment = Timestamp::parse(&text);
        if moment.is_none() {
            let detail = "This must be a moment such as 2026-11-22T15:04:05Z.";
            errors.add(pointer, Code::BadDate, detail);
        }
        moment
    }

    fn is_absent(value: &Value) -> bool {
        Text::<WORD_MAX_BYTES>::is_absent(value)
    }
}

/// A day: `YYYY-MM-DD`, from 1970 on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub String);

impl FromJson for Day {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        let day = text(errors, pointer, value, WORD_MAX_BYTES)?;
        if day.len() == 10 && Timestamp::parse_day(&day).is_some() {
            return Some(Day(day));
        }
        let detail = "This must be a day such as 2026-11-22, from 1970 on.";
        errors.add(pointer, Code::BadDate, detail);
        None
    }

    fn is_absent(value: &Value) -> bool {
        Text::<WORD_MAX_BYTES>::is_absent(value)
    }
}

impl JsonSchema for Day {
    inline_schema!("Day");

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date"})
    }
}

impl FromJson for TimeOfDay {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        let text = text(errors, pointer, value, WORD_MAX_BYTES)?;
        let time = TimeOfDay::parse(&text);
        if time.is_none() {
            errors.add(pointer, Code::BadValue, "This must be a time of day such as 22:30.");
        }
        time
    }
}

/// A list of at most so many values; `null` among them is refused.
#[derive(Debug)]
pub struct List<T, const MOST: usize>(pub Vec<T>);

impl<T: FromJson, const MOST: usize> FromJson for List<T, MOST> {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        let Value::Array(values) = value else {
            wrong_type(errors, pointer, "an array of strings", &value);
            return None;
        };
        if values.len() > MOST {
            errors.add(pointer, Code::TooMany, format!("At most {MOST} can be named."));
            return None;
        }
        let numbered = values.into_iter().enumerate();
        let read =
            numbered.map(|(at, value)| T::from_json(errors, &format!("{pointer}/{at}"), value));
        Some(List(read.collect::<Vec<_>>().into_iter().flatten().collect()))
    }
}

impl<T: JsonSchema, const MOST: usize> JsonSchema for List<T, MOST> {
    inline_schema!("List");

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<T>();
        json_schema!({"type": "array", "items": items, "maxItems": MOST})
    }
}

object! {
    /// An OAuth 2.0 access token (XOAUTH2).
    pub struct AccessToken {
        /// As the provider gave it.
        need access_token: PasswordText,
    }
}

/// The text of a password or token: any character but NUL, which no protocol can send.
#[derive(Debug)]
pub struct PasswordText(pub Secret);

impl FromJson for PasswordText {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        match value {
            Value::String(text) => {
                check_secret(errors, pointer, Secret::new(text)).map(PasswordText)
            }
            other => {
                wrong_type(errors, pointer, "a string", &other);
                None
            }
        }
    }
}

impl JsonSchema for PasswordText {
    inline_schema!("PasswordText");

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": PASSWORD_MAX_BYTES})
    }
}

fn check_secret(errors: &mut Errors, pointer: &str, secret: Secret) -> Option<Secret> {
    let length = secret.expose().len();
    if length == 0 {
        errors.add(pointer, Code::Required, "The password is needed.");
    } else if length > PASSWORD_MAX_BYTES {
        let detail = format!("This has {length} bytes; {PASSWORD_MAX_BYTES} are allowed.");
        errors.add(pointer, Code::TooLong, detail);
    } else if secret.expose().contains('\0') {
        errors.add(pointer, Code::BadValue, "A password cannot have a NUL character.");
    } else {
        return Some(secret);
    }
    None
}

/// What opens an account: a password, or an object with an `access_token`.
#[derive(Debug)]
pub struct Password(pub Credential);

impl Password {
    /// A password that stands somewhere else than in JSON.
    pub fn checked(errors: &mut Errors, pointer: &str, secret: Secret) -> Option<Self> {
        check_secret(errors, pointer, secret).map(|secret| Password(Credential::Password(secret)))
    }
}

impl FromJson for Password {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        match value {
            Value::String(text) => Password::checked(errors, pointer, Secret::new(text)),
            Value::Object(_) => {
                let token = AccessToken::from_json(errors, pointer, value)?.access_token?;
                Some(Password(Credential::Token { access_token: token.0 }))
            }
            other => {
                let expected = "a string or an object with access_token";
                wrong_type(errors, pointer, expected, &other);
                None
            }
        }
    }
}

impl JsonSchema for Password {
    fn schema_name() -> Cow<'static, str> {
        "Password".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let about = "A password, or an OAuth 2.0 access token (XOAUTH2). Never sent back.";
        let password = generator.subschema_for::<PasswordText>();
        let token = generator.subschema_for::<AccessToken>();
        json_schema!({"description": about, "oneOf": [password, token], "writeOnly": true})
    }
}

/// Capital and full stop for words that stand alone.
pub fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first: String = letters.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    let stop = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}
