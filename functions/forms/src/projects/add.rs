//! Migrations that are added to a project.

use migrate::login::Detail;
use migrate::projects::add::{Added, Entry, add};
use model::project::MEMBERS_MAX;
use model::{MigrationId, Project};
use serde_json::{Value, json};
use store::metrics::{MIGRATIONS_CREATED, count};

use super::input;
use crate::answer::Answer;
use crate::app::{App, Outside};
use crate::refusals::{Code, Refusal};
use crate::request::Request;
use crate::{schedule, submission};

/// `POST /projects/{id}/migrations`: one, whose log-ins are tried first.
pub async fn one<O: Outside>(
    app: &App<O>,
    project: &Project,
    request: &Request,
    mut value: Value,
) -> Result<Answer, Refusal> {
    input::fill_in(&mut value, &project.options);
    let group = input::group(&mut value)?;
    let id = add_one(app, project, value, group).await?;
    let base = app.base(request);
    let created = json!({
        "id": id,
        "status": "pending",
        "links": {"project": format!("{base}/api/v1/projects/{}", project.id)},
    });
    Ok(Answer::json(201, &created))
}

/// Adds one from its whole object.
pub async fn add_one<O: Outside>(
    app: &App<O>,
    project: &Project,
    value: Value,
    group: Option<String>,
) -> Result<MigrationId, Refusal> {
    let submission = submission::read(value, app.plaintext)?;
    schedule::check(&submission.options, app.now())?;
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
    let ids = all(app, project, &[entry]).await?;
    ids.into_iter().next().ok_or_else(|| Refusal::of(Code::Unavailable))
}

/// Adds several: all or none.
pub async fn all<O: Outside>(
    app: &App<O>,
    project: &Project,
    entries: &[Entry],
) -> Result<Vec<MigrationId>, Refusal> {
    let sealing = (app.seal()?, &app.outside);
    match add(app.store(), sealing, project, entries, app.now()).await? {
        Added::All(ids) => {
            // They are there, whether or not they could be counted.
            let _ = count(app.store(), MIGRATIONS_CREATED, ids.len() as u64).await;
            Ok(ids)
        }
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
