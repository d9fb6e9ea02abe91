//! The JSON face of projects.

use migrate::projects::{self, erase};
use model::{Project, ProjectId, ProjectOptions, Status};
use project::members::{self, Filter};
use project::{guard, record};
use serde_json::Value;

use super::{add, export, import, session};
use crate::Route;
use crate::answer::Answer;
use crate::api::json_body;
use crate::app::{App, Outside};
use crate::limiting;
use crate::reading::project as reading;
use crate::refusals::{Code, Links, Refusal};
use crate::request::Request;
use crate::shown::project::{self as shown, Overview, ProjectCreated, ProjectToken};

/// Rows in one answer where nothing else is asked for, and at most.
const ROWS: usize = 100;
const ROWS_MAX: usize = 500;

/// Every route of a project.
pub async fn call<O: Outside>(
    app: &App<O>,
    route: Route,
    id: &str,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    match route {
        Route::CreateProject => return create(app, request, body).await,
        Route::OpenProject => return login(app, id, request, body).await,
        Route::CloseProject => {
            session::end(app, id, request).await?;
            let answer = Answer::empty(204);
            return Ok(match ProjectId::parse(id) {
                Some(id) => session::without_cookie(answer, request, &id),
                None => answer,
            });
        }
        _ => {}
    }
    let project = session::open(app, id, request).await?;
    match route {
        Route::ShowProject => show(app, project, request).await,
        Route::PauseProject => {
            projects::pause(app.store(), &project.id, app.now()).await?;
            object(app, project, 202).await
        }
        Route::ResumeProject => {
            projects::resume(app.store(), &project.id, app.now()).await?;
            object(app, project, 202).await
        }
        Route::ProjectOptions => {
            change_options(app, &project, json_body(request, body)?).await?;
            let fresh = record::read(app.store(), &project.id).await?.unwrap_or(project);
            object(app, fresh, 200).await
        }
        Route::AddToProject => add::one(app, &project, request, json_body(request, body)?).await,
        Route::Import => import::call(app, &project, request, body).await,
        Route::RetryProject => import::retry_call(app, &project, request, body).await,
        Route::ExportCsv => Ok(export::csv(&project.id)),
        Route::ExportXlsx => export::workbook(app, &project.id).await,
        Route::DeleteProject => {
            erase::begin(app.store(), &project.id, app.now().0).await?;
            Ok(session::without_cookie(Answer::empty(204), request, &project.id))
        }
        _ => Err(Refusal::of(Code::NoSuchPage)),
    }
}

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

async fn create<O: Outside>(
    app: &App<O>,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let id = make(app, reading::creation(json_body(request, body)?)?).await?;
    let token = guard::begin_session(app.store(), &id, &app.outside, app.now()).await?;
    let base = app.base(request);
    let links = Links {
        object: format!("{base}/api/v1/projects/{id}"),
        page: format!("{base}/projects/{id}"),
    };
    let location = format!("/api/v1/projects/{id}");
    let created = ProjectCreated { id: id.clone(), token: token.expose().to_owned(), links };
    let answer = Answer::json(201, &created).with("location", location);
    Ok(session::with_cookie(answer, request, &id, &token))
}

async fn login<O: Outside>(
    app: &App<O>,
    id: &str,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let password = reading::password(json_body(request, body)?)?;
    let (id, token) = session::begin(app, id, &password).await?;
    let answer = Answer::json(200, &ProjectToken { token: token.expose().to_owned() });
    Ok(session::with_cookie(answer, request, &id, &token))
}

/// A project with its queue and sums.
pub async fn overview<O: Outside>(app: &App<O>, project: Project) -> Result<Overview, Refusal> {
    let queue = record::queue(app.store(), &project.id).await?;
    let sums = record::sums(app.store(), &project.id).await?;
    let eta_seconds = if queue.paused { None } else { sums.eta_seconds(app.now()) };
    Ok(Overview { project, queue, totals: sums.totals(), eta_seconds })
}

async fn object<O: Outside>(
    app: &App<O>,
    project: Project,
    status: u16,
) -> Result<Answer, Refusal> {
    let overview = overview(app, project).await?;
    Ok(Answer::json(status, &overview.object(app.now())))
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

async fn show<O: Outside>(
    app: &App<O>,
    project: Project,
    request: &Request,
) -> Result<Answer, Refusal> {
    let (filter, from) = asked(request)?;
    let limit = request.asked("limit").and_then(|text| text.parse().ok()).unwrap_or(ROWS);
    let overview = overview(app, project).await?;
    let (id, count) = (&overview.project.id, overview.queue.count);
    let most = limit.clamp(1, ROWS_MAX);
    let (rows, more) = members::list(app.store(), id, (from, count, most), &filter).await?;
    let base = app.base(request);
    let listed = rows.iter().map(|(number, row)| shown::member(base, *number, row)).collect();
    let after = rows.last().filter(|_| more.is_some()).map(|(number, _)| *number);
    let mut object = overview.object(app.now());
    (object.migrations, object.next_after) = (Some(listed), after);
    let answer = Answer::json(200, &object);
    let Some(after) = after else { return Ok(answer) };
    let kept = request.query.iter().filter(|(name, _)| name != "after");
    let query: String =
        kept.map(|(name, value)| format!("{name}={}&", pages::layout::encode(value))).collect();
    let next = format!("</api/v1/projects/{id}?{query}after={after}>; rel=\"next\"");
    Ok(answer.with("link", next))
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
