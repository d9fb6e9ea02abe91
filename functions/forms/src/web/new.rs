//! A migration from a form: what both ways through it have.

use autodetect::Address;
use migrate::finding;
use model::{Migration, ServerType};
use pages::form::{self, FieldError, Filled, Found};

use crate::answer::Answer;
use crate::app::{App, Outside, Secrets};
use crate::reading::{form as form_fields, submission};
use crate::refusals::{Code, Refusal};
use crate::request::{Request, value};
use crate::shown::migration as shown;
use crate::web::page::{OFFER, elsewhere, is_correctable, show};

/// The object of a form. Without a box ticked a browser sends no field at all, which the API takes
/// for "everything".
pub fn object(fields: &mut Vec<(String, String)>) -> serde_json::Value {
    let wanted = fields.iter().any(|(name, _)| name == "items");
    let mut object = form_fields::object(fields);
    if let (false, Some(object)) = (wanted, object.as_object_mut()) {
        object.insert("items".to_owned(), serde_json::json!([]));
        fields.push(("items".to_owned(), String::new()));
    }
    object
}

/// Begins the migration of a form, with further names of folders.
pub async fn submitted<O: Outside>(
    app: &App<O>,
    request: &Request,
    mut fields: Vec<(String, String)>,
    moved: &[(String, String)],
) -> Result<Answer, Refusal> {
    let mut object = object(&mut fields);
    put_names(&mut object, moved);
    let begun = match submission::read(object, app.plaintext) {
        Ok(submission) => app.begin(submission).await,
        Err(refusal) => Err(refusal),
    };
    match begun {
        Ok((migration, Secrets { hook_token: None, .. })) => {
            Ok(Answer::see_other(&shown::page_path(&migration)))
        }
        Ok((migration, Secrets { hook_token: Some(token), .. })) => {
            Ok(token_page(app, request, &migration, &token))
        }
        // The same form twice: whoever sent it has just logged in to both accounts.
        Err(refusal) if refusal.code == Code::AlreadyRunning && refusal.links.is_some() => {
            let page = refusal.links.as_ref().map(|links| links.page.as_str());
            let base = app.base(request);
            let page = page.map(|page| page.strip_prefix(base).unwrap_or(page));
            Ok(Answer::see_other(page.unwrap_or("/find")))
        }
        Err(refusal) => corrected(request, &fields, refusal),
    }
}

/// Puts names into the object of the API.
pub(super) fn put_names(object: &mut serde_json::Value, moved: &[(String, String)]) {
    let Some(fields) = object.as_object_mut().filter(|_| !moved.is_empty()) else { return };
    let options = fields.entry("options").or_insert_with(|| serde_json::json!({}));
    let Some(options) = options.as_object_mut() else { return };
    let map = options.entry("folder_map").or_insert_with(|| serde_json::json!({}));
    let Some(map) = map.as_object_mut() else { return };
    for (source, destination) in moved {
        map.insert(source.clone(), serde_json::Value::String(destination.clone()));
    }
}

/// The form with what is wrong with it.
pub fn corrected(
    request: &Request,
    fields: &[(String, String)],
    refusal: Refusal,
) -> Result<Answer, Refusal> {
    if !is_correctable(&refusal) {
        return Err(refusal);
    }
    let filled = form_fields::filled(fields, &refusal);
    Ok(show(request, refusal.code.status(), |page| form::page(page, OFFER, &filled)))
}

/// A form with the server of one side filled in, for readers without the script.
pub async fn detected<O: Outside>(
    app: &App<O>,
    fields: &mut Vec<(String, String)>,
    side: &str,
) -> Result<Filled, Refusal> {
    fields.retain(|(name, _)| name != "detect");
    let (login, url) = (format!("{side}.login"), format!("{side}.url"));
    let address = Address::parse(value(fields, &login).unwrap_or_default());
    let (mut errors, mut found) = (Vec::new(), Vec::new());
    let wrong = |field: String, code: Code, said: Option<String>| FieldError {
        field,
        code: code.name(),
        said,
    };
    match address {
        None => errors.push(wrong(login, Code::BadValue, None)),
        Some(address) => {
            let detection = app.detect(&address).await?;
            match finding::choose(&detection, ServerType::Ovh) {
                Some(one) => {
                    put(fields, &format!("{side}.type"), one.server_type.name());
                    put(fields, &url, &one.url);
                    found.push(Found {
                        side: side.to_owned(),
                        provider: one.provider.clone(),
                        hint: one.hint.map(|hint| hint.name().to_owned()),
                        app_password_url: one.app_password_url.clone(),
                    });
                }
                None => {
                    let sentence = detection.sentence(address.domain());
                    errors.push(wrong(url, Code::NoServer, Some(sentence)));
                }
            }
        }
    }
    Ok(Filled { errors, found, ..form_fields::filled(fields, &Refusal::input(vec![])) })
}

fn put(fields: &mut Vec<(String, String)>, name: &str, text: &str) {
    fields.retain(|(known, _)| known != name);
    fields.push((name.to_owned(), text.to_owned()));
}

/// What the page of a migration cannot show again: its token.
pub fn token_page<O: Outside>(
    app: &App<O>,
    request: &Request,
    migration: &Migration,
    token: &str,
) -> Answer {
    let address = format!("{}/api/v1/migrations/{}/synchronise", app.base(request), migration.id);
    let path = shown::page_path(migration);
    let shown = pages::token::Token { token, address: &address, page: &path };
    // The address of the form that was sent shows nothing, so the language switch leads onwards.
    let onwards = elsewhere(request, "/find".to_owned(), Vec::new());
    show(&onwards, 200, |page| pages::token::page(page, &shown))
}
