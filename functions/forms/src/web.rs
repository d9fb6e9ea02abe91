//! The pages' face: forms in, pages and redirections out.

use autodetect::Address;
use migrate::finding;
use migrate::removal::Preview;
use migrate::report;
use model::{FolderReport, Migration, ServerType};
use pages::form::{FieldError, Filled, Found, Offer};
use pages::{Language, Page, assets, find, form, home};
use store::Store;
use store::control::{self, Request as Asked};

use crate::answer::Answer;
use crate::app::{App, Outside, Secrets};
use crate::reading::{account, submission};
use crate::refusals::{Code, Refusal};
use crate::request::{self, Request, value};
use crate::shown::migration as shown;
use crate::{Route, api, checked, form_fields, offer, projects, route};

/// How long a chosen language is remembered: a year.
const LANGUAGE_COOKIE_SECONDS: u32 = 31_536_000;
/// Files under an address with their hash may be kept as long (RFC 8246).
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Everything of the query but the language, for the language switch.
fn kept(request: &Request) -> Vec<(String, String)> {
    request.query.iter().filter(|(name, _)| name != "lang").cloned().collect()
}

pub(crate) fn language(request: &Request) -> Language {
    let accepted = request.header("accept-language");
    Language::choose(request.asked("lang"), request.cookie("lang"), accepted)
}

/// Writes a page in the reader's language; a language that was asked for is remembered.
pub(crate) fn show(
    request: &Request,
    status: u16,
    write: impl FnOnce(&Page<'_>) -> String,
) -> Answer {
    let query = kept(request);
    let language = language(request);
    let answer = Answer::page(status, write(&Page::new(language, &request.path, &query)))
        .with("content-language", language.tag())
        .with("vary", "accept-language, cookie");
    if request.asked("lang").is_none() {
        return answer;
    }
    let cookie = format!(
        "lang={}; Path=/; Max-Age={LANGUAGE_COOKIE_SECONDS}; SameSite=Lax; HttpOnly",
        language.tag()
    );
    answer.with("set-cookie", cookie)
}

/// A refusal as a page.
pub fn problem(request: &Request, refusal: &Refusal) -> Answer {
    if let (Code::SignIn, Ok((_, id))) =
        (refusal.code, route(request.method.as_str(), &request.path))
    {
        return projects::web::way_in(request, id);
    }
    let said = match refusal.code {
        // What is out of order is for the operator, and its own words are all that helps.
        Code::Unavailable | Code::NotConfigured => Some(refusal.detail.as_str()),
        _ => None,
    };
    let status = refusal.code.status();
    let problem = pages::problem::Problem { code: refusal.code.name(), status, said };
    // The address of a form that was sent shows nothing, so the language switch leads to the start.
    let request = match request.method {
        http::Method::GET => request,
        _ => &elsewhere(request, "/".to_owned(), Vec::new()),
    };
    let mut answer = show(request, status, |page| pages::problem::page(page, problem));
    if let Some(seconds) = refusal.retry_after_s {
        answer = answer.with("retry-after", seconds.to_string());
    }
    if refusal.code == Code::CreationToken {
        // A browser asks its user for it, and sends it along from then on.
        answer = answer.with("www-authenticate", "Basic realm=\"trasloco\", charset=\"UTF-8\"");
    }
    if refusal.allow.is_empty() { answer } else { answer.with("allow", refusal.allow.join(", ")) }
}

/// The request as if it had come for another page.
pub(crate) fn elsewhere(request: &Request, path: String, query: Vec<(String, String)>) -> Request {
    Request { path, query, ..request.clone() }
}

/// Pages and files that need nothing but the request.
pub fn fixed(route: Route, name: &str, request: &Request) -> Result<Answer, Refusal> {
    Ok(match route {
        Route::NewForm => show(request, 200, |page| form::page(page, OFFER, &Filled::default())),
        Route::FindForm => show(request, 200, |page| find::page(page, find::Asked::default())),
        Route::Asset => asset(assets::find(name), request)?,
        Route::Favicon => asset(Some(&assets::LOGO), request)?,
        _ => show(request, 200, home::page),
    })
}

pub(crate) const OFFER: Offer<'static> = Offer {
    source_types: offer::SOURCES,
    destination_types: offer::DESTINATIONS,
    items: offer::ITEMS,
};

fn asset(asset: Option<&assets::Asset>, request: &Request) -> Result<Answer, Refusal> {
    let asset = asset.ok_or_else(|| Refusal::of(Code::NoSuchPage))?;
    let known = request.header("if-none-match").is_some_and(|tags| tags.contains(&asset.etag()));
    let answer = if known {
        Answer::empty(304)
    } else {
        Answer::whole(200, asset.media_type, bytes::Bytes::from_static(asset.bytes))
    };
    // Only an address with the hash stands for this very content.
    let lasting = if request.query.is_empty() { "no-cache" } else { FOR_EVER };
    Ok(answer.with("etag", asset.etag()).with("cache-control", lasting))
}

/// The fields of a form.
pub fn form_body(request: &Request, body: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
    if request.media_type() != "application/x-www-form-urlencoded" {
        return Err(Refusal::of(Code::MediaType));
    }
    let text = std::str::from_utf8(body).map_err(|_| Refusal::of(Code::Unreadable))?;
    Ok(request::fields(text))
}

/// What the form itself can be corrected for; anything else is a page of its own.
fn is_correctable(refusal: &Refusal) -> bool {
    matches!(refusal.code, Code::InvalidInput | Code::NotInThisState | Code::AlreadyRunning)
}

/// `POST /new`.
pub async fn create<O: Outside>(
    app: &App<O>,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let mut fields = form_body(request, body)?;
    if let Some(side) = value(&fields, "detect").map(str::to_owned) {
        let filled = detected(app, &mut fields, &side).await?;
        return Ok(show(request, 200, |page| form::page(page, OFFER, &filled)));
    }
    if value(&fields, "sealed").is_some() {
        return checked::start(app, request, &fields).await;
    }
    if value(&fields, "check").is_some() {
        return checked::check(app, request, fields).await;
    }
    submitted(app, request, fields, &[]).await
}

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
    checked::put_names(&mut object, moved);
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
pub(crate) async fn detected<O: Outside>(
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
fn token_page<O: Outside>(
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

/// `POST /find`.
pub async fn find<O: Outside>(
    app: &App<O>,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let fields = form_body(request, body)?;
    let id = value(&fields, "id").unwrap_or_default();
    let account = value(&fields, "account").unwrap_or_default();
    match app.migration(id, Some(account)).await {
        Ok(migration) => Ok(Answer::see_other(&shown::page_path(&migration))),
        Err(refusal) if refusal.code == Code::NotFound => Ok(unknown(request, id, account)),
        Err(refusal) => Err(refusal),
    }
}

fn unknown(request: &Request, id: &str, account: &str) -> Answer {
    show(request, 404, |page| find::page(page, find::Asked { id, account, unknown: true }))
}

/// `GET /migrations/{id}`.
pub async fn tracking<O: Outside>(
    app: &App<O>,
    id: &str,
    request: &Request,
) -> Result<Answer, Refusal> {
    let account = request.asked("account").unwrap_or_default();
    match app.migration(id, Some(account)).await {
        Ok(migration) => {
            tracking_page(app, request, (&migration, account), (200, &Filled::default())).await
        }
        Err(refusal) if refusal.code == Code::NotFound => Ok(unknown(request, id, account)),
        Err(refusal) => Err(refusal),
    }
}

async fn tracking_page<O: Outside>(
    app: &App<O>,
    request: &Request,
    (migration, account): (&Migration, &str),
    (status, filled): (u16, &Filled),
) -> Result<Answer, Refusal> {
    use pages::tracking::{FAILURES_SHOWN_MAX, FOLDERS_SHOWN_MAX, Tracking};
    let (folders, more_folders) = folders(app.store(), migration, FOLDERS_SHOWN_MAX).await?;
    let after = api::after(request)?;
    let store = app.store();
    let mut failures =
        report::failures(store, &migration.id, after, FAILURES_SHOWN_MAX + 1).await?;
    let more_failures = failures.len() > FAILURES_SHOWN_MAX;
    failures.truncate(FAILURES_SHOWN_MAX);
    let sync_point = migration.sync_point();
    let asked = control::read(store, &migration.id).await?;
    let stopping = !migration.status.is_final() && asked == Some(Asked::Stop { sync_point });
    let tracking = Tracking {
        migration,
        account,
        folders: &folders,
        more_folders,
        failures: &failures,
        more_failures,
        stopping,
        expires_at: migration.expires_at(app.retention_ms),
        filled,
    };
    Ok(show(request, status, |page| pages::tracking::page(page, &tracking)))
}

/// The first `max` folders, and whether there are more.
async fn folders(
    store: &impl Store,
    migration: &Migration,
    max: usize,
) -> Result<(Vec<FolderReport>, bool), Refusal> {
    let mut folders = Vec::new();
    let mut page = 0;
    while let Some(some) = report::folders(store, &migration.id, page).await? {
        folders.extend(some);
        if folders.len() > max {
            break;
        }
        page += 1;
    }
    let more = folders.len() > max;
    folders.truncate(max);
    // People look for their inbox first, and for the rest by name.
    folders.sort_by_cached_key(|folder| {
        let name = folder.source.to_lowercase();
        (name != "inbox", name)
    });
    Ok((folders, more))
}

/// `GET /migrations/{id}/report`.
pub async fn report<O: Outside>(
    app: &App<O>,
    id: &str,
    request: &Request,
) -> Result<Answer, Refusal> {
    use pages::report::{FAILURES_SHOWN_MAX, FOLDERS_SHOWN_MAX, Report};
    let account = request.asked("account").unwrap_or_default();
    let migration = match app.migration(id, Some(account)).await {
        Ok(migration) => migration,
        Err(refusal) if refusal.code == Code::NotFound => return Ok(unknown(request, id, account)),
        Err(refusal) => return Err(refusal),
    };
    let (folders, more_folders) = folders(app.store(), &migration, FOLDERS_SHOWN_MAX).await?;
    let mut failures =
        report::failures(app.store(), &migration.id, 0, FAILURES_SHOWN_MAX + 1).await?;
    let more_failures = failures.len() > FAILURES_SHOWN_MAX;
    failures.truncate(FAILURES_SHOWN_MAX);
    let manifest = match migration.status.is_final() {
        true => Some(migrate::manifest::fingerprint(app.store(), &migration.id).await?),
        false => None,
    };
    let manifest = manifest.as_ref().map(|(lines, sha256)| (*lines, sha256.as_str()));
    let report = Report {
        manifest,
        migration: &migration,
        account,
        folders: &folders,
        more_folders,
        failures: &failures,
        more_failures,
    };
    Ok(show(request, 200, |page| pages::report::page(page, &report)))
}

/// What a removal would do, and the button that does it.
pub fn removal(
    request: &Request,
    (migration, account): (&Migration, &str),
    from: u32,
    preview: &Preview,
) -> Answer {
    let query = vec![("account".to_owned(), account.to_owned())];
    let request = elsewhere(request, format!("/migrations/{}", migration.id), query);
    let kept: Vec<(&str, u64, &str)> = preview
        .kept
        .iter()
        .map(|kept| (kept.folder.as_str(), kept.messages, kept.reason.as_str()))
        .collect();
    let shown = pages::removal::Removal {
        migration,
        account,
        from,
        messages: preview.messages,
        bytes: preview.bytes,
        per_folder: &preview.per_folder,
        folders: &preview.folders,
        kept: &kept,
        gone: preview.gone,
        truncated: preview.truncated,
    };
    show(&request, 200, |page| pages::removal::page(page, &shown))
}

/// After an action: back to the page, or the page with what was wrong.
pub async fn after_action<O: Outside>(
    app: &App<O>,
    request: &Request,
    (migration, account): (&Migration, &str),
    result: Result<(), Refusal>,
) -> Result<Answer, Refusal> {
    match result {
        Ok(()) => Ok(Answer::see_other(&shown::page_path(migration))),
        Err(refusal) if is_correctable(&refusal) => {
            let mut filled = form_fields::filled(&[], &refusal);
            for error in &mut filled.errors {
                // The page has only password fields: what the server is at fault for is told above.
                if !error.field.ends_with(".password") {
                    *error = FieldError { field: String::new(), ..error.clone() };
                }
            }
            let status = refusal.code.status();
            let query = vec![("account".to_owned(), account.to_owned())];
            let request = elsewhere(request, format!("/migrations/{}", migration.id), query);
            tracking_page(app, &request, (migration, account), (status, &filled)).await
        }
        Err(refusal) => Err(refusal),
    }
}

/// `POST /migrations/{id}/stop`.
pub async fn stop<O: Outside>(
    app: &App<O>,
    id: &str,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let fields = form_body(request, body)?;
    let account = value(&fields, "account").unwrap_or_default();
    let migration = app.migration(id, Some(account)).await?;
    after_action(app, request, (&migration, account), app.stop(&migration).await).await
}

/// `POST /migrations/{id}/synchronise`.
pub async fn synchronise<O: Outside>(
    app: &App<O>,
    id: &str,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let fields = form_body(request, body)?;
    let (mut passwords, others): (Vec<_>, Vec<_>) =
        fields.into_iter().partition(|(name, _)| name.ends_with(".password"));
    let account = value(&others, "account").unwrap_or_default();
    let migration = app.migration(id, Some(account)).await?;
    let result = match account::read_credentials(form_fields::object(&mut passwords)) {
        Ok(credentials) => app.again(&migration, &credentials).await,
        Err(refusal) => Err(refusal),
    };
    after_action(app, request, (&migration, account), result).await
}

/// `POST /migrations/{id}/delete`.
pub async fn delete<O: Outside>(
    app: &App<O>,
    id: &str,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let fields = form_body(request, body)?;
    let account = value(&fields, "account").unwrap_or_default();
    app.erase(&app.migration(id, Some(account)).await?).await?;
    // The address of the migration leads nowhere from here on, so the switch leads to the start.
    let request = elsewhere(request, "/".to_owned(), Vec::new());
    Ok(show(&request, 200, pages::problem::erased))
}
