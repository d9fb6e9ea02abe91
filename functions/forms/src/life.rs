//! What an owner does with a migration that has begun: try again, hold, go on, take back. Both
//! faces; the steps are the same.

use migrate::Side;
use migrate::lifecycle::{self, Outcome};
use migrate::login::Detail;
use migrate::removal::{Preview, PreviewError};
use migrate::tries::{Ended, Try};
use model::{Action, Migration};
use serde_json::json;
use store::seal::Credentials;

use crate::answer::Answer;
use crate::app::{App, Outside, done, refused};
use crate::reading::removal::{self, Removal};
use crate::reading::{Errors, account};
use crate::refusals::{Code, Refusal};
use crate::request::{Request, value};
use crate::shown::migration as shown;
use crate::{Route, api, form_fields, limiting, web};

/// `POST …/retry`, `…/pause`, `…/resume`, `…/remove` of the API.
pub async fn call<O: Outside>(
    app: &App<O>,
    route: Route,
    id: &str,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let login = request.asked("account");
    let migration = app.migration(id, login).await?;
    match route {
        Route::Pause => pause(app, &migration).await?,
        Route::Resume => resume(app, &migration).await?,
        Route::Retry => {
            let credentials = account::read_credentials(api::json_body(request, body)?)?;
            retry(app, &migration, &credentials).await?;
        }
        _ => {
            let value = api::json_body(request, body)?;
            let removal = removal::read_removal(value, migration.sync_point())?;
            if let Some(preview) = remove(app, &migration, removal).await? {
                return Ok(Answer::json(200, &preview));
            }
        }
    }
    let migration = app.migration(id, login).await?;
    Ok(Answer::json(202, &shown::object(&migration, app.retention_ms)))
}

/// The same from the pages.
pub async fn form<O: Outside>(
    app: &App<O>,
    route: Route,
    id: &str,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let mut fields = web::form_body(request, body)?;
    let login = value(&fields, "account").unwrap_or_default().to_owned();
    let migration = app.migration(id, Some(&login)).await?;
    let result = match route {
        Route::PauseForm => pause(app, &migration).await,
        Route::ResumeForm => resume(app, &migration).await,
        Route::RetryForm => {
            fields.retain(|(name, _)| name.ends_with(".password"));
            match account::read_credentials(form_fields::object(&mut fields)) {
                Ok(credentials) => retry(app, &migration, &credentials).await,
                Err(refusal) => Err(refusal),
            }
        }
        _ => match removal_of_form(app, &migration, fields).await {
            Ok((from, Some(preview))) => {
                return Ok(web::removal(request, (&migration, &login), from, &preview));
            }
            Ok((_, None)) => Ok(()),
            Err(refusal) => Err(refusal),
        },
    };
    web::after_action(app, request, (&migration, &login), result).await
}

/// Shows first what would be removed; the button on that page removes it.
async fn removal_of_form<O: Outside>(
    app: &App<O>,
    migration: &Migration,
    mut fields: Vec<(String, String)>,
) -> Result<(u32, Option<Preview>), Refusal> {
    let from = value(&fields, "from_sync_point").and_then(|from| from.trim().parse::<u32>().ok());
    let confirmed = value(&fields, "confirmed") == Some("yes");
    fields.retain(|(name, _)| name == "destination.password");
    let mut object = form_fields::object(&mut fields);
    if let Some(object) = object.as_object_mut() {
        object.insert("from_sync_point".to_owned(), json!(from));
        object.insert("dry_run".to_owned(), json!(!confirmed));
    }
    let removal = removal::read_removal(object, migration.sync_point())?;
    let from = removal.from;
    Ok((from, remove(app, migration, removal).await?))
}

fn allowed(migration: &Migration, action: Action) -> Result<(), Refusal> {
    match migration.status.allows(action) {
        true => Ok(()),
        false => done(Outcome::NotInThisState(migration.status)),
    }
}

async fn pause<O: Outside>(app: &App<O>, migration: &Migration) -> Result<(), Refusal> {
    done(lifecycle::pause(app.store(), &migration.id, app.now(), &app.boot).await?)
}

async fn resume<O: Outside>(app: &App<O>, migration: &Migration) -> Result<(), Refusal> {
    done(lifecycle::resume(app.store(), &migration.id, app.now(), &app.boot).await?)
}

async fn retry<O: Outside>(
    app: &App<O>,
    migration: &Migration,
    credentials: &Credentials,
) -> Result<(), Refusal> {
    let (seal, random) = (app.seal()?, &app.outside);
    allowed(migration, Action::Retry)?;
    let sides = (&migration.source, &migration.destination);
    app.try_both(sides, credentials, Detail::PasswordOnly).await?;
    let (id, now, boot) = (&migration.id, app.now(), &app.boot);
    let outcome = lifecycle::retry(app.store(), (seal, random), id, credentials, now, boot).await?;
    app.begun(migration, outcome).await
}

/// Begins a removal, or tells what it would do.
async fn remove<O: Outside>(
    app: &App<O>,
    migration: &Migration,
    removal: Removal,
) -> Result<Option<Preview>, Refusal> {
    let (seal, random) = (app.seal()?, &app.outside);
    let Removal { from, dry_run, credential } = removal;
    allowed(migration, Action::Remove)?;
    let mut later = migration.sync_points.iter().filter(|point| point.number >= from);
    if later.all(|point| point.removed) {
        let detail = "What these sync points brought has been taken back already.";
        return Err(Refusal::because(Code::NotInThisState, detail));
    }
    let id = &migration.id;
    if dry_run {
        let one = Try::new(&app.client, &migration.destination);
        one.begin(app.store(), app.now()).await??;
        let seen = app.outside.preview(id, from, &credential).await;
        let ended = match &seen {
            Ok(_) | Err(PreviewError::Store(_)) => Ended::In,
            Err(PreviewError::Refused(refusal)) => limiting::ended(Some(refusal)),
            Err(PreviewError::Broke(_)) => Ended::Elsewhere,
        };
        one.end(app.store(), ended, app.now()).await?;
        return match seen {
            Ok(preview) => Ok(Some(preview)),
            Err(PreviewError::Refused(refusal)) => {
                let mut errors = Errors::default();
                refused(&mut errors, "/destination", refusal);
                errors.finish(None)
            }
            Err(PreviewError::Broke(sentence)) => {
                let mut errors = Errors::default();
                errors.add("/destination/url", Code::Unreachable, sentence);
                errors.finish(None)
            }
            Err(PreviewError::Store(error)) => Err(error.into()),
        };
    }
    let check = app.try_account(
        Side::Destination,
        &migration.destination,
        &credential,
        Detail::PasswordOnly,
    );
    if let Err(refusal) = check.await? {
        let mut errors = Errors::default();
        refused(&mut errors, "/destination", refusal);
        return errors.finish(None);
    }
    let (now, boot) = (app.now(), &app.boot);
    let begun =
        lifecycle::remove(app.store(), (seal, random), id, (from, credential), now, boot).await?;
    app.begun(migration, begun).await.map(|()| None)
}
