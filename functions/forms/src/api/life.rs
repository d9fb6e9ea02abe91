//! What an owner does with a migration that has begun, as programs ask for it.

use crate::answer::Answer;
use crate::app::{App, Outside};
use crate::reading::{account, json_body, removal};
use crate::refusals::Refusal;
use crate::request::Request;
use crate::routes::Route;
use crate::shown::{self, migration};
use crate::steps::life;

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
        Route::Pause => life::pause(app, &migration).await?,
        Route::Resume => life::resume(app, &migration).await?,
        Route::Retry => {
            let credentials = account::read_credentials(json_body(request, body)?)?;
            life::retry(app, &migration, &credentials).await?;
        }
        _ => {
            let value = json_body(request, body)?;
            let removal = removal::read_removal(value, migration.sync_point())?;
            if let Some(preview) = life::remove(app, &migration, removal).await? {
                return Ok(Answer::json(200, &shown::removal::object(&preview)));
            }
        }
    }
    let migration = app.migration(id, login).await?;
    Ok(Answer::json(202, &migration::object(&migration, app.retention_ms)))
}
