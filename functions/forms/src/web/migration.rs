//! The page of a migration, its report, and the way to it.

use migrate::report;
use model::{FolderReport, Migration};
use pages::find;
use pages::form::Filled;
use store::Store;
use store::control::{self, Request as Asked};

use crate::answer::Answer;
use crate::app::{App, Outside};
use crate::refusals::{Code, Refusal};
use crate::request::{Request, value};
use crate::shown::migration as shown;
use crate::web::page::{form_body, show};

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

/// The page, with what was wrong with an action.
pub(super) async fn tracking_page<O: Outside>(
    app: &App<O>,
    request: &Request,
    (migration, account): (&Migration, &str),
    (status, filled): (u16, &Filled),
) -> Result<Answer, Refusal> {
    use pages::tracking::{FAILURES_SHOWN_MAX, FOLDERS_SHOWN_MAX, Tracking};
    let (folders, more_folders) = folders(app.store(), migration, FOLDERS_SHOWN_MAX).await?;
    let after = request.after()?;
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
pub async fn folders(
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
