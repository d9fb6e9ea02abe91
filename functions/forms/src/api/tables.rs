//! Tables that programs send, and those that they get.

use model::{Project, ProjectId};

use crate::answer::{Answer, XLSX_MEDIA_TYPE};
use crate::app::{App, Outside};
use crate::feed::Feed;
use crate::refusals::{Code, Refusal};
use crate::request::Request;
use crate::routes::Route;
use crate::shown::tables::Added;
use crate::steps::importing::{Imported, retry, run};

/// Beginnings of media types that tables come with. What a table really is, its own bytes tell.
const MEDIA_TYPES: [&str; 5] =
    ["text/", "application/vnd.", "application/octet-stream", "application/x-", "application/zip"];

/// `POST /projects/{id}/import`; with `?dry_run=true` only what it would add.
pub async fn call<O: Outside>(
    app: &App<O>,
    project: &Project,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    check_media_type(request)?;
    let dry_run = matches!(request.asked("dry_run"), Some("true" | "1"));
    Ok(match run(app, project, body, dry_run).await? {
        Imported::Fits(preview) => Answer::json(200, &preview),
        Imported::Added(added) => Answer::json(201, &Added { added }),
    })
}

fn check_media_type(request: &Request) -> Result<(), Refusal> {
    let given = request.media_type();
    if given.is_empty() || MEDIA_TYPES.iter().any(|begin| given.starts_with(begin)) {
        return Ok(());
    }
    let detail = "The body must be a table: text/csv, or the media type of a workbook.";
    Err(Refusal::because(Code::MediaType, detail))
}

/// `POST /projects/{id}/retry`: the rows of a table whose migrations did not complete begin a new
/// run, with the passwords of the table.
pub async fn retry_call<O: Outside>(
    app: &App<O>,
    project: &Project,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    check_media_type(request)?;
    Ok(Answer::json(202, &retry(app, project, body).await?))
}

/// The CSV, which is made while it is sent.
pub fn csv(id: &ProjectId) -> Answer {
    Answer::feed("text/csv; charset=utf-8", Feed::ProjectCsv(id.clone()))
        .with("content-disposition", "attachment; filename=\"migrations.csv\"")
}

/// `GET /templates/migrations.csv` and `.xlsx`.
pub fn template(route: Route) -> Result<Answer, Refusal> {
    let (media_type, name, file) = if route == Route::TemplateXlsx {
        let file = crate::tables::template::xlsx();
        let file = file.map_err(|error| Refusal::because(Code::Unavailable, error.to_string()))?;
        (XLSX_MEDIA_TYPE, "migrations.xlsx", file)
    } else {
        ("text/csv; charset=utf-8", "migrations.csv", crate::tables::template::csv())
    };
    Ok(Answer::whole(200, media_type, file.into())
        .with("content-disposition", format!("attachment; filename=\"{name}\"")))
}
