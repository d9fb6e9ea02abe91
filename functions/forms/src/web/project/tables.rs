//! Spreadsheets that a browser sends.

use std::collections::BTreeMap;

use crate::tables::drafts::ERRORS_MAX;
use model::Project;
use pages::project::import::{self as page_of_import, Cell, Checked, Line, Preview};
use pages::project::retry as page_of_retry;

use crate::answer::Answer;
use crate::app::{App, Outside};
use crate::reading::multipart;
use crate::refusals::{InputError, Refusal};
use crate::request::{Request, value};
use crate::shown::tables::{self as shown, Retried};
use crate::steps::importing::{self, Imported};
use crate::web::page::show;
use crate::web::project::parts::{address, named};

/// `GET /projects/{id}/import`.
pub fn import_form(project: &Project, request: &Request) -> Answer {
    import_page(project, request, 200, &Checked::Nothing)
}

fn import_page(project: &Project, request: &Request, status: u16, checked: &Checked<'_>) -> Answer {
    show(request, status, |page| page_of_import::page(page, named(project), checked))
}

/// `POST /projects/{id}/import`: checks a file, or adds all of it.
pub async fn import<O: Outside>(
    app: &App<O>,
    project: &Project,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let form = multipart::read(request, body).await?;
    let Some(file) = form.file else {
        return Ok(import_page(project, request, 422, &Checked::NoFile));
    };
    let dry_run = value(&form.fields, "action") != Some("add");
    match importing::run(app, project, &file, dry_run).await {
        Ok(Imported::Added(added)) => {
            Ok(Answer::see_other(&address(project, &format!("?added={added}"))))
        }
        Ok(Imported::Fits(told)) => {
            Ok(import_page(project, request, 200, &Checked::Fits(preview(&told))))
        }
        Err(refusal) => {
            let status = refusal.code.status();
            let checked = refused(&refusal)?;
            Ok(import_page(project, request, status, &checked))
        }
    }
}

/// `GET /projects/{id}/retry`.
pub fn retry_form(project: &Project, request: &Request) -> Answer {
    retry_page(project, request, 200, &Checked::Nothing)
}

fn retry_page(project: &Project, request: &Request, status: u16, checked: &Checked<'_>) -> Answer {
    show(request, status, |page| page_of_retry::page(page, named(project), checked))
}

/// `POST /projects/{id}/retry`: what failed begins anew with the passwords of a file.
pub async fn retry<O: Outside>(
    app: &App<O>,
    project: &Project,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let form = multipart::read(request, body).await?;
    let Some(file) = form.file else {
        return Ok(retry_page(project, request, 422, &Checked::NoFile));
    };
    match importing::retry(app, project, &file).await {
        Ok(Retried { retried, skipped, unknown }) => {
            let told = format!("?retried={retried}&skipped={skipped}&unknown={unknown}");
            Ok(Answer::see_other(&address(project, &told)))
        }
        Err(refusal) => {
            let status = refusal.code.status();
            let checked = refused(&refusal)?;
            Ok(retry_page(project, request, status, &checked))
        }
    }
}

/// What the page tells of a refused file; what the file is not at fault for is a page of its own.
pub fn refused(refusal: &Refusal) -> Result<Checked<'_>, Refusal> {
    if refusal.code.status() >= 500 {
        return Err(refusal.clone());
    }
    if refusal.errors.is_empty() {
        return Ok(Checked::Refused { code: refusal.code.name(), said: &refusal.detail });
    }
    let cells: Vec<Cell<'_>> = refusal.errors.iter().map(cell).collect();
    Ok(Checked::Wrong { more: cells.len() >= ERRORS_MAX, cells })
}

fn cell(error: &InputError) -> Cell<'_> {
    let (line, column) = error.cell.as_ref().map_or((0, ""), |it| (it.line, it.column.as_str()));
    Cell { line, column, code: error.code.name(), said: &error.detail }
}

/// What the page shows of a file that could be added.
pub fn preview(told: &shown::Preview) -> Preview<'_> {
    Preview {
        rows: number(told.rows),
        groups: counts(&told.groups),
        sources: counts(&told.servers.source),
        destinations: counts(&told.servers.destination),
        first: told.migrations.iter().map(line).collect(),
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn counts(told: &BTreeMap<String, usize>) -> BTreeMap<&str, u64> {
    told.iter().map(|(name, count)| (name.as_str(), number(*count))).collect()
}

fn line(row: &shown::PreviewRow) -> Line<'_> {
    Line {
        line: row.line.into(),
        source: &row.source.login,
        source_url: &row.source.url,
        destination: &row.destination.login,
        destination_url: &row.destination.url,
        group: row.group.as_deref().unwrap_or_default(),
    }
}
