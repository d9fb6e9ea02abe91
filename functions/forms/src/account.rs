//! One side of a migration: its server, its login, and what opens it.

use autodetect::Address;
use dial::{Endpoint, Plaintext, Scheme};
use model::{Account, ServerType};
use serde_json::Value;
use store::seal::Credential;
use wire::Secret;

use crate::finding::NO_ADDRESS;
use crate::input::{Errors, Object, text, wrong_type};
use crate::offer;
use crate::refusals::Code;
use crate::submission::{LOGIN_MAX_BYTES, PASSWORD_MAX_BYTES, URL_MAX_BYTES, sentence, word};

/// Reads an account; its URL may be left out where its server can be found from the login.
pub fn account(
    errors: &mut Errors,
    pointer: &str,
    value: Value,
    plaintext: Plaintext,
) -> Option<(Account, Credential)> {
    let mut object = Object::new(errors, pointer, value)?;
    let server_type = match object.need(errors, "type") {
        Some(value) => word(errors, &object.at("type"), value, &ServerType::ALL, ServerType::name),
        None => None,
    };
    let endpoint = url(errors, &mut object, (plaintext, server_type));
    let named = endpoint.as_ref().and_then(Option::as_ref);
    let login = login(errors, &mut object, named);
    if let (Some(None), Some(login)) = (&endpoint, &login)
        && Address::parse(login).is_none()
    {
        errors.add(object.at("url"), Code::Required, NO_ADDRESS);
    }
    let delegate = object.text(errors, "delegate", LOGIN_MAX_BYTES);
    let credential = credential(errors, &mut object);
    for name in ["caldav_url", "carddav_url", "sieve_url"] {
        if object.text(errors, name, URL_MAX_BYTES).is_some() {
            let detail = "This installation moves nothing that this address would be needed for.";
            errors.add(object.at(name), Code::Unsupported, detail);
        }
    }
    object.finish(errors);
    let (server_type, endpoint) = (server_type?, endpoint?);
    // Where the server is named, nothing is left to be found.
    let server_type = match (server_type, endpoint.as_ref().map(|endpoint| endpoint.scheme)) {
        (ServerType::Ovh, Some(Scheme::Pop | Scheme::Pops)) => ServerType::Pop,
        (ServerType::Ovh, Some(_)) => ServerType::Imap,
        (other, _) => other,
    };
    let url = endpoint.map(|endpoint| endpoint.to_string()).unwrap_or_default();
    Some((Account { server_type, url, login: login?, delegate }, credential?))
}

/// The login: its field, or where that is left out what the URL has before `@`.
fn login(errors: &mut Errors, object: &mut Object, url: Option<&Endpoint>) -> Option<String> {
    let pointer = object.at("login");
    let given = object.take("login").filter(|value| value.as_str() != Some(""));
    match given {
        Some(value) => text(errors, &pointer, value, LOGIN_MAX_BYTES),
        None => {
            let from_url = url.and_then(|url| url.login.clone());
            if from_url.is_none() {
                errors.add(pointer, Code::Required, "The field login is needed.");
            }
            from_url
        }
    }
}

/// What a bare host name means in an account of this type.
pub fn scheme(server_type: Option<ServerType>) -> Scheme {
    if server_type == Some(ServerType::Pop) { Scheme::Pops } else { Scheme::Imaps }
}

/// The server's URL; `Some(None)` where it is left out, to be found from the login.
fn url(
    errors: &mut Errors,
    object: &mut Object,
    (plaintext, server_type): (Plaintext, Option<ServerType>),
) -> Option<Option<Endpoint>> {
    let pointer = object.at("url");
    let found = server_type.is_none_or(|server_type| offer::FOUND.contains(&server_type));
    let value = match object.take("url") {
        Some(Value::String(text)) if text.trim().is_empty() => None,
        value => value,
    };
    let Some(value) = value else {
        if found {
            return Some(None);
        }
        errors.add(pointer, Code::Required, "The field url is needed.");
        return None;
    };
    let text = text(errors, &pointer, value, URL_MAX_BYTES)?;
    match Endpoint::parse_as(&text, scheme(server_type), plaintext) {
        Ok(endpoint) => Some(Some(endpoint)),
        Err(error) => {
            errors.add(pointer, Code::BadUrl, sentence(&error.to_string()));
            None
        }
    }
}

/// Takes `password`: a string, or an object with an `access_token`.
pub fn credential(errors: &mut Errors, object: &mut Object) -> Option<Credential> {
    let pointer = object.at("password");
    match object.need(errors, "password")? {
        Value::String(password) => secret(errors, &pointer, password).map(Credential::Password),
        Value::Object(fields) => {
            let mut token = Object::new(errors, &pointer, Value::Object(fields))?;
            let at = token.at("access_token");
            let value = token.need(errors, "access_token");
            token.finish(errors);
            match value? {
                Value::String(text) => {
                    secret(errors, &at, text).map(|access_token| Credential::Token { access_token })
                }
                other => {
                    wrong_type(errors, &at, "a string", &other);
                    None
                }
            }
        }
        other => {
            wrong_type(errors, &pointer, "a string or an object with access_token", &other);
            None
        }
    }
}

/// A password may have any character but NUL, which no protocol can send.
fn secret(errors: &mut Errors, pointer: &str, text: String) -> Option<Secret> {
    let secret = Secret::new(text);
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
