//! From the API's object to a migration that could be made.

use dial::Plaintext;
use model::{Account, Item, Notify, Options, ServerType, Timestamp};
use serde_json::Value;
use store::seal::{Credential, Credentials};
use wire::Secret;

use crate::account::{account, credential};
use crate::input::{Errors, Object, escape, text, wrong_type};
use crate::offer;
use crate::refusals::{Code, Refusal};
use crate::schedule;

/// The most bytes of a server's URL.
pub const URL_MAX_BYTES: usize = 2048;
/// The most bytes of a login: an e-mail address has at most 254 (RFC 5321), with an
/// administrator's name in front twice that.
pub const LOGIN_MAX_BYTES: usize = 512;
/// The most bytes of a password or token; Microsoft's tokens have some thousand.
pub const PASSWORD_MAX_BYTES: usize = 16 << 10;
/// The most bytes of a folder's name with all its levels.
pub const FOLDER_MAX_BYTES: usize = 1000;
/// The most folders left out, and the most renamed: all options must fit in one stored value.
pub const FOLDERS_MAX: usize = 200;
/// The most bytes of an e-mail address (RFC 5321 section 4.5.3.1.3).
pub const EMAIL_MAX_BYTES: usize = 254;
/// The most bytes of a webhook's secret: 64 bytes in base64 behind `whsec_`.
pub const WEBHOOK_SECRET_MAX_BYTES: usize = 100;
/// The most bytes of a word such as a type, a date or a language.
pub const WORD_MAX_BYTES: usize = 64;

/// What was asked for.
#[derive(Debug)]
pub struct Submission {
    /// Where from.
    pub source: Account,
    /// Where to.
    pub destination: Account,
    /// What opens both.
    pub credentials: Credentials,
    /// What is moved.
    pub items: Vec<Item>,
    /// How.
    pub options: Options,
    /// Who is told.
    pub notify: Notify,
    /// Signs what goes to `notify.webhook`, where the owner gives it.
    pub webhook_secret: Option<Secret>,
}

/// Reads the object of `POST /migrations`.
pub fn read(value: Value, plaintext: Plaintext) -> Result<Submission, Refusal> {
    let mut errors = Errors::default();
    let submission = read_submission(&mut errors, value, plaintext);
    errors.finish(submission)
}

/// Reads the object of `POST /accounts/check`.
pub fn read_account(value: Value, plaintext: Plaintext) -> Result<(Account, Credential), Refusal> {
    let mut errors = Errors::default();
    let side = account(&mut errors, "", value, plaintext);
    if let Some((account, _)) = &side {
        let known = offer::SOURCES.contains(&account.server_type)
            || offer::DESTINATIONS.contains(&account.server_type);
        if !known {
            unsupported_type(&mut errors, "/type", account.server_type);
        }
    }
    errors.finish(side)
}

/// Reads the object of `POST /migrations/{id}/synchronise`.
pub fn read_credentials(value: Value) -> Result<Credentials, Refusal> {
    let mut errors = Errors::default();
    let credentials = Object::new(&mut errors, "", value).and_then(|mut object| {
        let mut side = |name: &str| {
            let value = object.need(&mut errors, name)?;
            let mut side = Object::new(&mut errors, &object.at(name), value)?;
            let credential = credential(&mut errors, &mut side);
            side.finish(&mut errors);
            credential
        };
        let (source, destination) = (side("source"), side("destination"));
        object.finish(&mut errors);
        Some(Credentials { source: source?, destination: destination? })
    });
    errors.finish(credentials)
}

fn read_submission(errors: &mut Errors, value: Value, plaintext: Plaintext) -> Option<Submission> {
    let mut object = Object::new(errors, "", value)?;
    let mut side = |errors: &mut Errors, name: &str| {
        let value = object.need(errors, name)?;
        account(errors, &object.at(name), value, plaintext)
    };
    let (source, destination) = (side(errors, "source"), side(errors, "destination"));
    let types = source.as_ref().zip(destination.as_ref());
    let types =
        types.map(|(source, destination)| (source.0.server_type, destination.0.server_type));
    let carried =
        types.map_or(&[][..], |(source, destination)| offer::carried(source, destination));
    if let Some((from, to)) = types {
        if !offer::SOURCES.contains(&from) {
            unsupported_type(errors, "/source/type", from);
        }
        if !offer::DESTINATIONS.contains(&to) {
            unsupported_type(errors, "/destination/type", to);
        }
    }
    let items = match object.take("items") {
        Some(value) => items(errors, value, carried, types.is_some()),
        None => Some(carried.to_vec()),
    };
    let options = match object.take("options") {
        Some(value) => options(errors, value),
        None => Some(Options::default()),
    };
    let notify = match object.take("notify") {
        Some(value) => notify(errors, value, plaintext),
        None => Some((Notify::default(), None)),
    };
    object.finish(errors);
    let ((source, from), (destination, to)) = (source?, destination?);
    let credentials = Credentials { source: from, destination: to };
    let (notify, webhook_secret) = notify?;
    Some(Submission {
        source,
        destination,
        credentials,
        items: items?,
        options: options?,
        notify,
        webhook_secret,
    })
}

fn unsupported_type(errors: &mut Errors, pointer: &str, server_type: ServerType) {
    let detail = match server_type {
        ServerType::Pop => {
            "A POP server can only be a source: nothing can be put into it.".to_owned()
        }
        other => format!("This installation cannot use {} there.", other.name()),
    };
    errors.add(pointer, Code::Unsupported, detail);
}

/// Capital and full stop for words that stand alone.
pub fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first: String = letters.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    let stop = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}

/// One of several words.
pub fn word<T: Copy>(
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

/// A list of items, all of which must be among `carried` where the pair is `known`.
pub fn items(
    errors: &mut Errors,
    value: Value,
    carried: &[Item],
    known: bool,
) -> Option<Vec<Item>> {
    let Value::Array(values) = value else {
        wrong_type(errors, "/items", "an array of strings", &value);
        return None;
    };
    if values.is_empty() {
        errors.add("/items", Code::Required, "At least one item is needed.");
    }
    if values.len() > Item::ALL.len() {
        errors.add("/items", Code::TooMany, format!("There are only {} items.", Item::ALL.len()));
        return None;
    }
    let mut items = Vec::new();
    for (at, value) in values.into_iter().enumerate() {
        let pointer = format!("/items/{at}");
        let Some(item) = word(errors, &pointer, value, &Item::ALL, Item::name) else { continue };
        if known && !carried.contains(&item) {
            let detail = format!("{} cannot be moved between these two servers.", item.name());
            errors.add(pointer, Code::Unsupported, sentence(&detail));
        } else if !items.contains(&item) {
            items.push(item);
        }
    }
    items.sort();
    Some(items)
}

fn options(errors: &mut Errors, value: Value) -> Option<Options> {
    let mut object = Object::new(errors, "/options", value)?;
    let mut options = Options {
        since: day(errors, &mut object, "since"),
        until: day(errors, &mut object, "until"),
        ..Options::default()
    };
    if let (Some(since), Some(until)) = (&options.since, &options.until)
        && since >= until
    {
        errors.add("/options/until", Code::OutOfOrder, Code::OutOfOrder.title());
    }
    if let Some(value) = object.take("exclude_folders") {
        options.exclude_folders = excluded(errors, value);
    }
    if let Some(value) = object.take("folder_map") {
        folder_map(errors, value, &mut options);
    }
    if let Some(value) = object.take("max_item_bytes") {
        match value.as_u64() {
            Some(0) => {
                errors.add("/options/max_item_bytes", Code::BadValue, "This must be at least 1.")
            }
            Some(bytes) => options.max_item_bytes = Some(bytes),
            None => wrong_type(errors, "/options/max_item_bytes", "a whole number", &value),
        }
    }
    if let Some(value) = object.take("content_digests") {
        match value.as_bool() {
            Some(wanted) => options.content_digests = wanted,
            None => wrong_type(errors, "/options/content_digests", "true or false", &value),
        }
    }
    schedule::take(errors, &mut object, &mut options);
    object.finish(errors);
    Some(options)
}

fn day(errors: &mut Errors, object: &mut Object, name: &str) -> Option<String> {
    let day = object.text(errors, name, WORD_MAX_BYTES)?;
    if day.len() == 10 && Timestamp::parse_day(&day).is_some() {
        return Some(day);
    }
    errors.add(
        object.at(name),
        Code::BadDate,
        "This must be a day such as 2026-11-22, from 1970 on.",
    );
    None
}

fn excluded(errors: &mut Errors, value: Value) -> Vec<String> {
    let pointer = "/options/exclude_folders";
    let Value::Array(values) = value else {
        wrong_type(errors, pointer, "an array of strings", &value);
        return Vec::new();
    };
    if values.len() > FOLDERS_MAX {
        errors.add(pointer, Code::TooMany, format!("At most {FOLDERS_MAX} folders can be named."));
        return Vec::new();
    }
    let numbered = values.into_iter().enumerate();
    numbered.filter_map(|(at, value)| folder(errors, &format!("{pointer}/{at}"), value)).collect()
}

fn folder_map(errors: &mut Errors, value: Value, options: &mut Options) {
    let pointer = "/options/folder_map";
    let Some(object) = Object::new(errors, pointer, value) else { return };
    for (at, (from, value)) in object.rest().enumerate() {
        if at == FOLDERS_MAX {
            let detail = format!("At most {FOLDERS_MAX} folders can be renamed.");
            errors.add(pointer, Code::TooMany, detail);
            return;
        }
        let shown: String = from.chars().take(60).collect();
        let pointer = format!("{pointer}/{}", escape(&shown));
        let from = folder(errors, &pointer, Value::String(from));
        if let (Some(from), Some(to)) = (from, folder(errors, &pointer, value)) {
            options.folder_map.insert(from, to);
        }
    }
}

fn folder(errors: &mut Errors, pointer: &str, value: Value) -> Option<String> {
    let name = text(errors, pointer, value, FOLDER_MAX_BYTES)?;
    if name.trim().is_empty() {
        errors.add(pointer, Code::Required, "A folder's name is needed.");
        return None;
    }
    Some(name)
}

fn notify(
    errors: &mut Errors,
    value: Value,
    plaintext: Plaintext,
) -> Option<(Notify, Option<Secret>)> {
    let mut object = Object::new(errors, "/notify", value)?;
    let email = email(errors, &mut object, "/notify/email");
    let language = language(errors, &mut object, "/notify/language");
    let webhook = object.text(errors, "webhook", URL_MAX_BYTES);
    if let Some(Err(detail)) = webhook.as_deref().map(|url| check_webhook(url, plaintext)) {
        errors.add("/notify/webhook", Code::BadValue, detail);
    }
    let secret = object.text(errors, "webhook_secret", WEBHOOK_SECRET_MAX_BYTES).map(Secret::new);
    if let Some(secret) = &secret {
        if webhook.is_none() {
            let detail = "A secret needs the webhook that it signs for.";
            errors.add("/notify/webhook", Code::Required, detail);
        }
        if !notify::signature::is_secret(secret) {
            let detail = "This must be whsec_ and 24 to 64 bytes in base64.";
            errors.add("/notify/webhook_secret", Code::BadValue, detail);
        }
    }
    object.finish(errors);
    Some((Notify { email, language, webhook }, secret))
}

/// Takes `email`.
pub fn email(errors: &mut Errors, object: &mut Object, pointer: &str) -> Option<String> {
    let email = object.text(errors, "email", EMAIL_MAX_BYTES)?;
    if !is_address(&email) {
        errors.add(pointer, Code::BadValue, "This is not an e-mail address.");
    }
    Some(email)
}

/// Takes `language`.
pub fn language(errors: &mut Errors, object: &mut Object, pointer: &str) -> Option<String> {
    let value = object.take("language")?;
    let all = &pages::Language::ALL;
    let language = word(errors, pointer, value, all, pages::Language::tag);
    language.map(|language| language.tag().to_owned())
}

/// Whether events may be sent there; whether the address is permitted is looked at when they are.
fn check_webhook(url: &str, plaintext: Plaintext) -> Result<(), &'static str> {
    let uri: http::Uri = url.parse().map_err(|_| "This is not an https:// address.")?;
    let authority = uri.authority().ok_or("This is not an https:// address.")?;
    if authority.as_str().contains('@') {
        return Err("A login does not belong in this address.");
    }
    match (uri.scheme_str(), plaintext) {
        (Some("https"), _) | (Some("http"), Plaintext::Allowed) => Ok(()),
        (Some("http"), Plaintext::Refused) => {
            Err("Connections without TLS are not allowed by this installation; write https://.")
        }
        _ => Err("This is not an https:// address."),
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
