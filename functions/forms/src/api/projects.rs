//! Projects, as programs ask for them.

use migrate::projects::{self, erase};
use model::{Project, ProjectId, Status};
use project::{guard, members, record};
use serde_json::Value;

use crate::answer::Answer;
use crate::api::tables;
use crate::app::{App, Outside};
use crate::feeds;
use crate::reading::{json_body, project as reading};
use crate::refusals::{Code, Links, Refusal};
use crate::request::Request;
use crate::routes::Route;
use crate::shown::project::{self as shown, Joined, ProjectCreated, ProjectLink, ProjectToken};
use crate::steps::adding::add_one;
use crate::steps::projects::{self as steps_projects, asked, change_options, overview};
use crate::steps::session;

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
        Route::AddToProject => add(app, &project, request, json_body(request, body)?).await,
        Route::Import => tables::call(app, &project, request, body).await,
        Route::RetryProject => tables::retry_call(app, &project, request, body).await,
        Route::ExportCsv => Ok(tables::csv(&project.id)),
        Route::ExportXlsx => feeds::project::workbook(app, &project.id).await,
        Route::DeleteProject => {
            erase::begin(app.store(), &project.id, app.now().0).await?;
            Ok(session::without_cookie(Answer::empty(204), request, &project.id))
        }
        _ => Err(Refusal::of(Code::NoSuchPage)),
    }
}

async fn create<O: Outside>(
    app: &App<O>,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let id = steps_projects::make(app, reading::creation(json_body(request, body)?)?).await?;
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

async fn object<O: Outside>(
    app: &App<O>,
    project: Project,
    status: u16,
) -> Result<Answer, Refusal> {
    let overview = overview(app, project).await?;
    Ok(Answer::json(status, &overview.object(app.now())))
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

/// `POST /projects/{id}/migrations`: one, whose log-ins are tried first.
pub async fn add<O: Outside>(
    app: &App<O>,
    project: &Project,
    request: &Request,
    value: Value,
) -> Result<Answer, Refusal> {
    let (asked, group) = reading::member(value, &project.options, app.plaintext)?;
    let id = add_one(app, project, asked, group).await?;
    let base = app.base(request);
    let links = ProjectLink { project: format!("{base}/api/v1/projects/{}", project.id) };
    Ok(Answer::json(201, &Joined { id, status: Status::Pending, links }))
}
