//! The JSON face.

use migrate::Side;
use migrate::login::Detail;
use migrate::report;
use serde_json::Value;

use crate::answer::{Answer, XLSX_MEDIA_TYPE};
use crate::app::{App, Outside, Secrets, refused};
use crate::feeds::Feed;
use crate::finding::lacking;
use crate::reading::submission;
use crate::reading::{self, Errors, Object};
use crate::refusals::{Code, Refusal};
use crate::request::Request;
use crate::shown::installation::Meaning;
use crate::shown::migration::{self as shown, Created};
use crate::shown::report::{FAILURES_PER_ANSWER, Numbered};
use crate::{Route, repeated};

/// The body as JSON; other media types are refused, so that no foreign form can send one.
pub fn json_body(request: &Request, body: &[u8]) -> Result<Value, Refusal> {
    if request.media_type() != "application/json" {
        let detail = "The body must be application/json.";
        return Err(Refusal::because(Code::MediaType, detail));
    }
    reading::parse(body)
}

/// `POST /migrations`.
pub async fn create<O: Outside>(
    app: &App<O>,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    match request.header("idempotency-key") {
        None => created(app, request, body).await,
        Some(key) => repeated::once(app, request, (key, body)).await,
    }
}

/// Makes a migration.
pub(crate) async fn created<O: Outside>(
    app: &App<O>,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let value = json_body(request, body)?;
    let submission = submission::read(value, app.plaintext)?;
    let (migration, secrets) = app.begin(submission).await?;
    let Secrets { hook_token, webhook_secret } = secrets;
    let created = Created {
        id: migration.id.clone(),
        status: migration.status,
        links: shown::links(app.base(request), &migration),
        hook_token,
        webhook_secret: webhook_secret.map(|secret| secret.expose().to_owned()),
    };
    let account = pages::layout::encode(&migration.key_account().login);
    let location = format!("/api/v1/migrations/{}?account={account}", migration.id);
    Ok(Answer::json(201, &created).with("location", location))
}

/// `GET /migrations/{id}`.
pub async fn show<O: Outside>(
    app: &App<O>,
    id: &str,
    request: &Request,
) -> Result<Answer, Refusal> {
    let migration = app.migration(id, request.asked("account")).await?;
    Ok(Answer::json(200, &shown::object(&migration, app.retention_ms)))
}

/// `DELETE /migrations/{id}`.
pub async fn delete<O: Outside>(
    app: &App<O>,
    id: &str,
    request: &Request,
) -> Result<Answer, Refusal> {
    app.erase(&app.migration(id, request.asked("account")).await?).await?;
    Ok(Answer::empty(204))
}

/// `POST /migrations/{id}/stop`.
pub async fn stop<O: Outside>(
    app: &App<O>,
    id: &str,
    request: &Request,
) -> Result<Answer, Refusal> {
    let account = request.asked("account");
    app.stop(&app.migration(id, account).await?).await?;
    let migration = app.migration(id, account).await?;
    Ok(Answer::json(202, &shown::object(&migration, app.retention_ms)))
}

/// `POST /migrations/{id}/synchronise`.
pub async fn synchronise<O: Outside>(
    app: &App<O>,
    id: &str,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    if let Some(token) = bearer(request) {
        nothing(request, body)?;
        let migration = app.hooked(id, token).await?;
        return Ok(Answer::json(202, &shown::object(&migration, app.retention_ms)));
    }
    let account = request.asked("account");
    let migration = app.migration(id, account).await?;
    let credentials = reading::account::read_credentials(json_body(request, body)?)?;
    app.again(&migration, &credentials).await?;
    let migration = app.migration(id, account).await?;
    Ok(Answer::json(202, &shown::object(&migration, app.retention_ms)))
}

/// The token of a request that brings one (RFC 6750 section 2.1).
pub fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.header("authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// With a token nothing else is sent, or an object with nothing in it.
fn nothing(request: &Request, body: &[u8]) -> Result<(), Refusal> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    let mut errors = Errors::default();
    if let Some(object) = Object::new(&mut errors, "", json_body(request, body)?) {
        object.finish(&mut errors);
    }
    errors.finish(Some(()))
}

/// `GET /migrations/{id}/failures`.
pub async fn failures<O: Outside>(
    app: &App<O>,
    id: &str,
    request: &Request,
) -> Result<Answer, Refusal> {
    let account = request.asked("account");
    let migration = app.migration(id, account).await?;
    let after = after(request)?;
    // One more than is shown tells whether there are more.
    let mut rows =
        report::failures(app.store(), &migration.id, after, FAILURES_PER_ANSWER + 1).await?;
    let more = rows.len() > FAILURES_PER_ANSWER;
    rows.truncate(FAILURES_PER_ANSWER);
    let last = rows.last().map_or(after, |(number, _)| *number);
    let listed: Vec<Numbered<'_>> =
        rows.iter().map(|(number, failure)| Numbered { number: *number, failure }).collect();
    let answer = Answer::json(200, &listed);
    if !more {
        return Ok(answer);
    }
    let account = pages::layout::encode(account.unwrap_or_default());
    let next =
        format!("/api/v1/migrations/{}/failures?account={account}&after={last}", migration.id);
    Ok(answer.with("link", format!("<{next}>; rel=\"next\"")))
}

/// Where a page of failures begins.
pub fn after(request: &Request) -> Result<u64, Refusal> {
    match request.asked("after") {
        None => Ok(0),
        Some(text) => text.parse().map_err(|_| {
            Refusal::because(Code::InvalidInput, "The parameter after must be a whole number.")
        }),
    }
}

/// Answers that are made while they are sent.
pub async fn feed<O: Outside>(
    app: &App<O>,
    route: Route,
    id: &str,
    request: &Request,
) -> Result<Answer, Refusal> {
    let migration = app.migration(id, request.asked("account")).await?;
    let (id, status) = (migration.id, migration.status);
    let table = |feed, name: &str| {
        Answer::feed("text/csv; charset=utf-8", feed)
            .with("content-disposition", format!("attachment; filename=\"{name}\""))
    };
    Ok(match route {
        Route::FailuresCsv => table(Feed::FailuresCsv(id), "failures.csv"),
        Route::ReportCsv => table(Feed::ReportCsv(id), "report.csv"),
        Route::Manifest => Answer::feed("text/plain; charset=utf-8", Feed::Manifest(id))
            .with("content-disposition", "attachment; filename=\"manifest.txt\"".to_owned()),
        Route::Report => Answer::feed("application/json", Feed::Report(id, status)),
        // Whatever stands between must hand each event on at once.
        _ => Answer::feed("text/event-stream", Feed::Events(id, app.retention_ms))
            .with("x-accel-buffering", "no"),
    })
}

/// `GET /templates/migrations.csv` and `.xlsx`.
pub fn template(route: Route) -> Result<Answer, Refusal> {
    let (media_type, name, file) = if route == Route::TemplateXlsx {
        let file = text::templates::xlsx();
        let file = file.map_err(|error| Refusal::because(Code::Unavailable, error.to_string()))?;
        (XLSX_MEDIA_TYPE, "migrations.xlsx", file)
    } else {
        ("text/csv; charset=utf-8", "migrations.csv", text::templates::csv())
    };
    Ok(Answer::whole(200, media_type, file.into())
        .with("content-disposition", format!("attachment; filename=\"{name}\"")))
}

/// `POST /accounts/check`.
pub async fn check_account<O: Outside>(
    app: &App<O>,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let value = json_body(request, body)?;
    let (account, credential) = reading::account::read_account(value, app.plaintext)?;
    let mut errors = Errors::default();
    let account = match app.name_server(account).await? {
        Ok(account) => account,
        Err(missing) => {
            lacking(&mut errors, "", missing);
            return errors.finish(None);
        }
    };
    match app.try_account(Side::Source, &account, &credential, Detail::Folders).await? {
        Ok(report) => Ok(Answer::json(200, &report)),
        Err(refusal) => {
            refused(&mut errors, "", refusal);
            errors.finish(None)
        }
    }
}

/// `GET /problems/{code}`: what a refusal's type means.
pub fn problem(name: &str) -> Result<Answer, Refusal> {
    let code = Code::ALL.iter().find(|code| code.name() == name);
    let code = code.ok_or_else(|| Refusal::of(Code::NoSuchPage))?;
    let (title, status) = (code.title(), code.status());
    Ok(Answer::json(200, &Meaning { code: *code, title, status }))
}
