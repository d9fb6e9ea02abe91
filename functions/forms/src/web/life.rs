//! What an owner does with a migration, from its page.

use migrate::removal::Preview;
use model::Migration;
use pages::form::FieldError;
use serde_json::json;

use crate::answer::Answer;
use crate::app::{App, Outside};
use crate::reading::{account, form as form_fields, removal as reading_removal};
use crate::refusals::Refusal;
use crate::request::{Request, value};
use crate::routes::Route;
use crate::shown::migration as shown;
use crate::steps::life;
use crate::web::migration::tracking_page;
use crate::web::page::{elsewhere, form_body, is_correctable, show};

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

/// The same from the pages.
pub async fn form<O: Outside>(
    app: &App<O>,
    route: Route,
    id: &str,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let mut fields = form_body(request, body)?;
    let login = value(&fields, "account").unwrap_or_default().to_owned();
    let migration = app.migration(id, Some(&login)).await?;
    let result = match route {
        Route::PauseForm => life::pause(app, &migration).await,
        Route::ResumeForm => life::resume(app, &migration).await,
        Route::RetryForm => {
            fields.retain(|(name, _)| name.ends_with(".password"));
            match account::read_credentials(form_fields::object(&mut fields)) {
                Ok(credentials) => life::retry(app, &migration, &credentials).await,
                Err(refusal) => Err(refusal),
            }
        }
        _ => match removal_of_form(app, &migration, fields).await {
            Ok((from, Some(preview))) => {
                return Ok(removal(request, (&migration, &login), from, &preview));
            }
            Ok((_, None)) => Ok(()),
            Err(refusal) => Err(refusal),
        },
    };
    after_action(app, request, (&migration, &login), result).await
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
    let removal = reading_removal::read_removal(object, migration.sync_point())?;
    let from = removal.from;
    Ok((from, life::remove(app, migration, removal).await?))
}
