//! A project as a whole: it is made, looked at, and its options change.

use migrate::projects;
use model::{Project, ProjectId, ProjectOptions, Status};
use project::members::Filter;
use project::{guard, record};
use serde_json::Value;

use crate::app::{App, Outside};
use crate::reading::project as reading;
use crate::refusals::{Code, Refusal};
use crate::request::Request;
use crate::shown::project::Overview;
use crate::steps::limiting;

/// Makes a project.
pub async fn make<O: Outside>(
    app: &App<O>,
    creation: reading::Creation,
) -> Result<ProjectId, Refusal> {
    let mut bytes = [0; model::id::LENGTH];
    app.outside.fill(&mut bytes);
    let id = ProjectId::from_random(&bytes);
    app.spend(&limiting::PROJECTS).await?;
    let hash = guard::hash(&creation.password, &app.outside)?;
    let now = app.now();
    let project = Project {
        id: id.clone(),
        name: creation.name,
        email: creation.email,
        language: creation.language,
        created_at: now,
        updated_at: now,
        options: ProjectOptions::default(),
    };
    projects::create(app.store(), &project, &hash, app.retention_ms).await?;
    Ok(id)
}

/// A project with its queue and sums.
pub async fn overview<O: Outside>(app: &App<O>, project: Project) -> Result<Overview, Refusal> {
    let queue = record::queue(app.store(), &project.id).await?;
    let sums = record::sums(app.store(), &project.id).await?;
    let eta_seconds = if queue.paused { None } else { sums.eta_seconds(app.now()) };
    Ok(Overview { project, queue, totals: sums.totals(), eta_seconds })
}

/// What part of the list a request asks for: the filter, and the number to begin with.
pub fn asked(request: &Request) -> Result<(Filter, u32), Refusal> {
    let bad = |what: &str| Refusal::because(Code::InvalidInput, what.to_owned());
    let mut statuses = Vec::new();
    for word in request.asked("status").unwrap_or_default().split(',').map(str::trim) {
        if word.is_empty() {
            continue;
        }
        let status = Status::ALL.into_iter().find(|status| status.name() == word);
        statuses.push(status.ok_or_else(|| bad("The parameter status has an unknown word."))?);
    }
    let from = match request.asked("after") {
        None | Some("") => 0,
        Some(text) => {
            let after: u32 =
                text.parse().map_err(|_| bad("The parameter after must be a whole number."))?;
            after.saturating_add(1)
        }
    };
    let words = request.asked("search").map(str::trim).filter(|words| !words.is_empty());
    Ok((Filter { statuses, words: words.map(str::to_owned) }, from))
}

/// Changes the options; what waits begins by them.
pub async fn change_options<O: Outside>(
    app: &App<O>,
    project: &Project,
    value: Value,
) -> Result<(), Refusal> {
    let options = reading::options(&project.options, value, app.plaintext)?;
    record::change(app.store(), &project.id, app.now(), |project| {
        project.options = options.clone();
    })
    .await?;
    projects::wake(app.store(), &project.id, app.now()).await?;
    Ok(())
}
