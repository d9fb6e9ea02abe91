//! Migrations, as programs ask for them.

use migrate::report;

use crate::answer::Answer;
use crate::api::once;
use crate::app::{App, Outside, Secrets};
use crate::feed::Feed;
use crate::reading::{self, Errors, Object, json_body, submission};
use crate::refusals::Refusal;
use crate::request::Request;
use crate::routes::Route;
use crate::shown::migration::{self as shown, Created};
use crate::shown::report::{FAILURES_PER_ANSWER, Numbered};

/// `POST /migrations`.
pub async fn create<O: Outside>(
    app: &App<O>,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    match request.header("idempotency-key") {
        None => created(app, request, body).await,
        Some(key) => once::once(app, (key, body), created(app, request, body)).await,
    }
}

/// Makes a migration.
async fn created<O: Outside>(
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
    if let Some(token) = request.bearer() {
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
    let after = request.after()?;
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
