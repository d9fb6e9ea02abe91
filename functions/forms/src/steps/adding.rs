//! Migrations that are added to a project.

use migrate::lifecycle;
use migrate::login::Detail;
use migrate::projects::add::{Added, Entry, add};
use model::project::MEMBERS_MAX;
use model::{MigrationId, Project};
use store::metrics::{MIGRATIONS_CREATED, count};

use crate::app::{App, Outside, already_running};
use crate::reading::options;
use crate::reading::submission::Asked;
use crate::refusals::{Code, Refusal};

/// Adds one, once its log-ins have worked.
pub async fn add_one<O: Outside>(
    app: &App<O>,
    project: &Project,
    submission: Asked,
    group: Option<String>,
) -> Result<MigrationId, Refusal> {
    options::check(&submission.options, app.now())?;
    let sides = (submission.source, submission.destination);
    let (source, destination) = app.name_servers(sides).await?;
    let tried = (&source, &destination);
    app.try_both(tried, &submission.credentials, Detail::LoginOnly).await?;
    let entry = Entry {
        source,
        destination,
        items: submission.items,
        options: submission.options,
        credentials: submission.credentials,
        group,
    };
    let added = match all(app, project, &[entry]).await? {
        Ok(ids) => ids.into_iter().next(),
        Err(taken) => {
            let first = taken.first().map(|(_, id)| id);
            let Some(first) = first else { return Err(Refusal::of(Code::AlreadyRunning)) };
            let first = lifecycle::read(app.store(), first).await?;
            let refusal = first.map(|first| already_running(&app.public_url, &first));
            return Err(refusal.unwrap_or_else(|| Refusal::of(Code::AlreadyRunning)));
        }
    };
    added.ok_or_else(|| Refusal::of(Code::Unavailable))
}

/// Those of a list (by their places) whose accounts another migration has, each with that one.
pub type Taken = Vec<(usize, MigrationId)>;

/// Adds several: all or none.
pub async fn all<O: Outside>(
    app: &App<O>,
    project: &Project,
    entries: &[Entry],
) -> Result<Result<Vec<MigrationId>, Taken>, Refusal> {
    let sealing = (app.seal()?, &app.outside);
    match add(app.store(), sealing, project, entries, app.now()).await? {
        Added::All(ids) => {
            // They are there, whether or not they could be counted.
            let _ = count(app.store(), MIGRATIONS_CREATED, ids.len() as u64).await;
            Ok(Ok(ids))
        }
        Added::Taken(taken) => Ok(Err(taken)),
        Added::Busy => {
            let detail =
                "Somebody else is adding migrations to this project; try again in a moment.";
            Err(Refusal::because(Code::Busy, detail))
        }
        Added::TooMany => {
            let detail =
                format!("A project has at most {MEMBERS_MAX} migrations; make another one.");
            Err(Refusal::because(Code::TooMany, detail))
        }
    }
}
