//! The pages' face of projects: forms in, pages and redirections out.
//!
//! Reading order: [`parts`]; [`enter`] (who is let in), here the queue, [`follow`] (how far it is), [`tables`]
//! (spreadsheets), [`adding`] (one migration), [`options`].
//!
//! Whoever is not logged in gets the way in (401), and from there comes back to the page that was asked for.

pub mod adding;
pub mod enter;
pub mod follow;
pub mod options;
pub mod parts;
pub mod tables;

use migrate::projects::{self, erase as erasing};
use model::Project;
use pages::project::enter as page_of_enter;
use parts::address;

use crate::answer::Answer;
use crate::app::{App, Outside};
use crate::refusals::Refusal;
use crate::request::{Request, value};
use crate::routes::Route;
use crate::steps::session;
use crate::web::page::{elsewhere, form_body, show};

/// Every page of a project, and what their forms send.
pub async fn answer<O: Outside>(
    app: &App<O>,
    route: Route,
    id: &str,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    match route {
        Route::ProjectNewForm => {
            return Ok(show(request, 200, |page| page_of_enter::new(page, &Default::default())));
        }
        Route::ProjectNew => return enter::make(app, request, body).await,
        Route::ProjectOpenForm => return Ok(enter::open_form(request)),
        Route::ProjectOpen => return enter::open(app, request, body).await,
        Route::ProjectClose => return enter::close(app, id, request).await,
        _ => {}
    }
    let project = session::open(app, id, request).await?;
    let first = address(&project, "");
    match route {
        Route::ProjectPause => {
            projects::pause(app.store(), &project.id, app.now()).await?;
            Ok(Answer::see_other(&first))
        }
        Route::ProjectResume => {
            projects::resume(app.store(), &project.id, app.now()).await?;
            Ok(Answer::see_other(&first))
        }
        Route::ProjectErase => erase(app, &project, request, body).await,
        Route::ProjectImportForm => Ok(tables::import_form(&project, request)),
        Route::ProjectImport => tables::import(app, &project, request, body).await,
        Route::ProjectRetryForm => Ok(tables::retry_form(&project, request)),
        Route::ProjectRetry => tables::retry(app, &project, request, body).await,
        Route::ProjectAddForm => Ok(adding::form(&project, request)),
        Route::ProjectAdd => adding::add(app, &project, request, body).await,
        Route::ProjectOptionsForm => options::form(app, &project, request).await,
        Route::ProjectOptionsSave => options::save(app, &project, request, body).await,
        _ => follow::follow(app, project, request).await,
    }
}

async fn erase<O: Outside>(
    app: &App<O>,
    project: &Project,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let fields = form_body(request, body)?;
    if value(&fields, "confirmed") != Some("yes") {
        return Ok(Answer::see_other(&address(project, "/options")));
    }
    erasing::begin(app.store(), &project.id, app.now().0).await?;
    // The address of the form that was sent shows nothing, so the language switch leads onwards.
    let onwards = elsewhere(request, "/".to_owned(), Vec::new());
    let answer = show(&onwards, 200, page_of_enter::erased);
    Ok(session::without_cookie(answer, request, &project.id))
}
