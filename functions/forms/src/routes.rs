//! The one table of routes: the router finds its way by it, and the API's description is made of it,
//! so that an address of the API that is not described cannot exist.

use crate::openapi::operation::Operation;
use crate::openapi::operations;
use crate::refusals::{Code, Refusal};

/// What a path and a method lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the table below says it
pub enum Route {
    Home,
    NewForm,
    New,
    FindForm,
    Find,
    Asset,
    Favicon,
    Tracking,
    ReportPage,
    StopForm,
    SynchroniseForm,
    RetryForm,
    PauseForm,
    ResumeForm,
    RemoveForm,
    DeleteForm,
    ProjectNewForm,
    ProjectNew,
    ProjectOpenForm,
    ProjectOpen,
    ProjectClose,
    ProjectPage,
    ProjectPause,
    ProjectResume,
    ProjectImportForm,
    ProjectImport,
    ProjectRetryForm,
    ProjectRetry,
    ProjectAddForm,
    ProjectAdd,
    ProjectOptionsForm,
    ProjectOptionsSave,
    ProjectErase,
    Create,
    Show,
    Delete,
    Stop,
    Synchronise,
    Retry,
    Pause,
    Resume,
    Remove,
    TemplateCsv,
    TemplateXlsx,
    Failures,
    FailuresCsv,
    Report,
    ReportCsv,
    Manifest,
    Events,
    Autodetect,
    Preflight,
    CheckAccount,
    CreateProject,
    OpenProject,
    CloseProject,
    ShowProject,
    DeleteProject,
    PauseProject,
    ResumeProject,
    ProjectOptions,
    AddToProject,
    Import,
    RetryProject,
    ExportCsv,
    ExportXlsx,
    Health,
    Metrics,
    OpenApi,
    Problem,
}

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    /// The HTTP method.
    pub method: &'static str,
    /// The path, with a `{name}` for what stands there.
    pub path: &'static str,
    /// What it leads to.
    pub route: Route,
    /// What it does; pages have none. A path of the API without one does not compile, see [`page`].
    pub operation: Option<&'static Operation>,
}

/// Below this path are addresses for programs, all of which are described.
pub const API: &str = "/api/";

/// A page, or what a form is sent to.
const fn page(method: &'static str, path: &'static str, route: Route) -> Row {
    assert!(!begins_with(path, API), "an address of the API is described");
    Row { method, path, route, operation: None }
}

/// An address of the API.
const fn call(
    method: &'static str,
    path: &'static str,
    route: Route,
    operation: &'static Operation,
) -> Row {
    assert!(begins_with(path, API), "what is described is an address of the API");
    Row { method, path, route, operation: Some(operation) }
}

/// `str::starts_with`, where the compiler calls it.
const fn begins_with(text: &str, begin: &str) -> bool {
    match text.as_bytes().split_at_checked(begin.len()) {
        Some((mut head, _)) => {
            let mut expected = begin.as_bytes();
            while let ([a, rest @ ..], [b, others @ ..]) = (head, expected) {
                if *a != *b {
                    return false;
                }
                (head, expected) = (rest, others);
            }
            true
        }
        None => false,
    }
}

/// Every route.
#[rustfmt::skip]
pub const ROUTES: &[Row] = &[
    page("GET",    "/",                                           Route::Home),
    page("GET",    "/new",                                        Route::NewForm),
    page("POST",   "/new",                                        Route::New),
    page("GET",    "/find",                                       Route::FindForm),
    page("POST",   "/find",                                       Route::Find),
    page("GET",    "/assets/{name}",                              Route::Asset),
    page("GET",    "/favicon.ico",                                Route::Favicon),
    page("GET",    "/migrations/{id}",                            Route::Tracking),
    page("GET",    "/migrations/{id}/report",                     Route::ReportPage),
    page("POST",   "/migrations/{id}/stop",                       Route::StopForm),
    page("POST",   "/migrations/{id}/synchronise",                Route::SynchroniseForm),
    page("POST",   "/migrations/{id}/retry",                      Route::RetryForm),
    page("POST",   "/migrations/{id}/pause",                      Route::PauseForm),
    page("POST",   "/migrations/{id}/resume",                     Route::ResumeForm),
    page("POST",   "/migrations/{id}/remove",                     Route::RemoveForm),
    page("POST",   "/migrations/{id}/delete",                     Route::DeleteForm),
    page("GET",    "/projects/new",                               Route::ProjectNewForm),
    page("POST",   "/projects/new",                               Route::ProjectNew),
    page("GET",    "/projects/open",                              Route::ProjectOpenForm),
    page("POST",   "/projects/open",                              Route::ProjectOpen),
    page("GET",    "/projects/{id}",                              Route::ProjectPage),
    page("POST",   "/projects/{id}/logout",                       Route::ProjectClose),
    page("POST",   "/projects/{id}/pause",                        Route::ProjectPause),
    page("POST",   "/projects/{id}/resume",                       Route::ProjectResume),
    page("GET",    "/projects/{id}/import",                       Route::ProjectImportForm),
    page("POST",   "/projects/{id}/import",                       Route::ProjectImport),
    page("GET",    "/projects/{id}/retry",                        Route::ProjectRetryForm),
    page("POST",   "/projects/{id}/retry",                        Route::ProjectRetry),
    page("GET",    "/projects/{id}/add",                          Route::ProjectAddForm),
    page("POST",   "/projects/{id}/add",                          Route::ProjectAdd),
    page("GET",    "/projects/{id}/options",                      Route::ProjectOptionsForm),
    page("POST",   "/projects/{id}/options",                      Route::ProjectOptionsSave),
    page("POST",   "/projects/{id}/delete",                       Route::ProjectErase),
    call("POST",   "/api/v1/migrations",                          Route::Create, &operations::CREATE),
    call("POST",   "/api/v1/migrations/preflight",                Route::Preflight, &operations::PREFLIGHT),
    call("GET",    "/api/v1/migrations/{id}",                     Route::Show, &operations::SHOW),
    call("DELETE", "/api/v1/migrations/{id}",                     Route::Delete, &operations::DELETE),
    call("POST",   "/api/v1/migrations/{id}/stop",                Route::Stop, &operations::STOP),
    call("POST",   "/api/v1/migrations/{id}/synchronise",         Route::Synchronise, &operations::SYNCHRONISE),
    call("POST",   "/api/v1/migrations/{id}/retry",               Route::Retry, &operations::RETRY),
    call("POST",   "/api/v1/migrations/{id}/pause",               Route::Pause, &operations::PAUSE),
    call("POST",   "/api/v1/migrations/{id}/resume",              Route::Resume, &operations::RESUME),
    call("POST",   "/api/v1/migrations/{id}/remove",              Route::Remove, &operations::REMOVE),
    call("GET",    "/api/v1/migrations/{id}/failures",            Route::Failures, &operations::FAILURES),
    call("GET",    "/api/v1/migrations/{id}/failures.csv",        Route::FailuresCsv, &operations::FAILURES_CSV),
    call("GET",    "/api/v1/migrations/{id}/report",              Route::Report, &operations::REPORT),
    call("GET",    "/api/v1/migrations/{id}/report.csv",          Route::ReportCsv, &operations::REPORT_CSV),
    call("GET",    "/api/v1/migrations/{id}/manifest.txt",        Route::Manifest, &operations::MANIFEST),
    call("GET",    "/api/v1/migrations/{id}/events",              Route::Events, &operations::EVENTS),
    call("GET",    "/api/v1/autodetect",                          Route::Autodetect, &operations::AUTODETECT),
    call("GET",    "/api/v1/templates/migrations.csv",            Route::TemplateCsv, &operations::TEMPLATE_CSV),
    call("GET",    "/api/v1/templates/migrations.xlsx",           Route::TemplateXlsx, &operations::TEMPLATE_XLSX),
    call("POST",   "/api/v1/accounts/check",                      Route::CheckAccount, &operations::CHECK_ACCOUNT),
    call("POST",   "/api/v1/projects",                            Route::CreateProject, &operations::CREATE_PROJECT),
    call("POST",   "/api/v1/projects/{id}/login",                 Route::OpenProject, &operations::OPEN_PROJECT),
    call("POST",   "/api/v1/projects/{id}/logout",                Route::CloseProject, &operations::CLOSE_PROJECT),
    call("GET",    "/api/v1/projects/{id}",                       Route::ShowProject, &operations::SHOW_PROJECT),
    call("DELETE", "/api/v1/projects/{id}",                       Route::DeleteProject, &operations::DELETE_PROJECT),
    call("POST",   "/api/v1/projects/{id}/pause",                 Route::PauseProject, &operations::PAUSE_PROJECT),
    call("POST",   "/api/v1/projects/{id}/resume",                Route::ResumeProject, &operations::RESUME_PROJECT),
    call("PATCH",  "/api/v1/projects/{id}/options",               Route::ProjectOptions, &operations::PROJECT_OPTIONS),
    call("POST",   "/api/v1/projects/{id}/migrations",            Route::AddToProject, &operations::ADD_TO_PROJECT),
    call("POST",   "/api/v1/projects/{id}/import",                Route::Import, &operations::IMPORT),
    call("POST",   "/api/v1/projects/{id}/retry",                 Route::RetryProject, &operations::RETRY_PROJECT),
    call("GET",    "/api/v1/projects/{id}/export.csv",            Route::ExportCsv, &operations::EXPORT_CSV),
    call("GET",    "/api/v1/projects/{id}/export.xlsx",           Route::ExportXlsx, &operations::EXPORT_XLSX),
    call("GET",    "/api/v1/healthz",                             Route::Health, &operations::HEALTH),
    call("GET",    "/api/v1/metrics",                             Route::Metrics, &operations::METRICS),
    call("GET",    "/api/v1/openapi.json",                        Route::OpenApi, &operations::OPEN_API),
    call("GET",    "/api/v1/problems/{code}",                     Route::Problem, &operations::PROBLEM),
    page("GET",    "/healthz",                                    Route::Health),
    page("GET",    "/metrics",                                    Route::Metrics),
];

/// What other components of `spin.toml` answer.
#[rustfmt::skip]
pub const ELSEWHERE: &[(&str, &str, &Operation)] = &[
    ("POST", "/api/v1/advance",      &operations::ADVANCE),
    ("POST", "/api/v1/uploads/{id}", &operations::UPLOAD),
];

/// Finds the route, and what stands in the path where the table has a name.
pub fn route<'p>(method: &str, path: &'p str) -> Result<(Route, &'p str), Refusal> {
    let mut allow = Vec::new();
    for row in ROUTES {
        let Some(name) = matches(row.path, path) else { continue };
        if row.method == method {
            return Ok((row.route, name));
        }
        allow.push(row.method);
    }
    if allow.is_empty() {
        return Err(Refusal::of(Code::NoSuchPage));
    }
    if allow.contains(&"GET") {
        allow.push("HEAD");
    }
    Err(Refusal { allow, ..Refusal::of(Code::Method) })
}

/// The text at `{name}` (empty where the pattern has none) if the path is of that pattern.
fn matches<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let mut name = "";
    let mut parts = path.split('/');
    for expected in pattern.split('/') {
        let part = parts.next()?;
        if expected.starts_with('{') {
            if part.is_empty() {
                return None;
            }
            name = part;
        } else if part != expected {
            return None;
        }
    }
    parts.next().is_none().then_some(name)
}
