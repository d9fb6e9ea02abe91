//! The pages and the JSON API: reads a request, asks the engine, answers.
//!
//! In scope: routes, reading and checking input, refusals, feeds (events, tables), metrics, the
//! API's description. Out of scope: how a migration works (`migrate`), what pages look like
//! (`pages`).
//!
//! Reading order: [`ROUTES`]; [`request`], [`answer`], [`refusals`]; [`input`], [`submission`] with
//! [`account`], [`removal`] and [`schedule`] (the API's objects), [`form_fields`] and [`multipart`] (the same from
//! a form), [`import`] (the same from a table), [`offer`]; [`client`] (who asks), [`limiting`] (how
//! often); [`app`] with [`finding`], [`checking`] and
//! [`checked`] (what both faces
//! share), [`api`] and [`web`] (the two faces), [`shown`] (the object of a migration), [`feeds`],
//! [`metrics`], [`openapi`] with [`schemas`]. Only `entry` touches Spin.
//!
//! Invariants: nothing secret goes back, into a log or into an address; whatever a refusal is, it
//! is in the table of [`refusals`]; a migration is found by identifier and account together, and
//! a wrong account is answered exactly as an unknown identifier.
#![allow(async_fn_in_trait)] // single-threaded by design: no `Send` bound is wanted

pub mod account;
pub mod answer;
pub mod api;
pub mod app;
pub mod checked;
pub mod checking;
pub mod client;
#[cfg(target_family = "wasm")]
mod entry;
pub mod feeds;
pub mod finding;
pub mod form_fields;
pub mod health;
pub mod import;
pub mod input;
#[cfg(any(test, fuzzing))]
pub mod laws;
pub mod life;
pub mod limiting;
pub mod metrics;
pub mod multipart;
pub mod offer;
pub mod openapi;
pub mod projects;
pub mod refusals;
pub mod removal;
mod repeated;
pub mod request;
pub mod schedule;
pub mod schemas;
pub mod shown;
pub mod submission;
pub mod web;

use refusals::{Code, Refusal};

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

/// A row of the route table: method, path with `{names}`, route, what it does (for the API).
pub type Row = (&'static str, &'static str, Route, &'static str);

/// Every route.
#[rustfmt::skip]
pub const ROUTES: &[Row] = &[
    ("GET",    "/",                                       Route::Home, ""),
    ("GET",    "/new",                                    Route::NewForm, ""),
    ("POST",   "/new",                                    Route::New, ""),
    ("GET",    "/find",                                   Route::FindForm, ""),
    ("POST",   "/find",                                   Route::Find, ""),
    ("GET",    "/assets/{name}",                          Route::Asset, ""),
    ("GET",    "/favicon.ico",                            Route::Favicon, ""),
    ("GET",    "/migrations/{id}",                        Route::Tracking, ""),
    ("GET",    "/migrations/{id}/report",                 Route::ReportPage, ""),
    ("POST",   "/migrations/{id}/stop",                   Route::StopForm, ""),
    ("POST",   "/migrations/{id}/synchronise",            Route::SynchroniseForm, ""),
    ("POST",   "/migrations/{id}/retry",                  Route::RetryForm, ""),
    ("POST",   "/migrations/{id}/pause",                  Route::PauseForm, ""),
    ("POST",   "/migrations/{id}/resume",                 Route::ResumeForm, ""),
    ("POST",   "/migrations/{id}/remove",                 Route::RemoveForm, ""),
    ("POST",   "/migrations/{id}/delete",                 Route::DeleteForm, ""),
    ("GET",    "/projects/new",                          Route::ProjectNewForm, ""),
    ("POST",   "/projects/new",                          Route::ProjectNew, ""),
    ("GET",    "/projects/open",                         Route::ProjectOpenForm, ""),
    ("POST",   "/projects/open",                         Route::ProjectOpen, ""),
    ("GET",    "/projects/{id}",                         Route::ProjectPage, ""),
    ("POST",   "/projects/{id}/logout",                  Route::ProjectClose, ""),
    ("POST",   "/projects/{id}/pause",                   Route::ProjectPause, ""),
    ("POST",   "/projects/{id}/resume",                  Route::ProjectResume, ""),
    ("GET",    "/projects/{id}/import",                  Route::ProjectImportForm, ""),
    ("POST",   "/projects/{id}/import",                  Route::ProjectImport, ""),
    ("GET",    "/projects/{id}/retry",                   Route::ProjectRetryForm, ""),
    ("POST",   "/projects/{id}/retry",                   Route::ProjectRetry, ""),
    ("GET",    "/projects/{id}/add",                     Route::ProjectAddForm, ""),
    ("POST",   "/projects/{id}/add",                     Route::ProjectAdd, ""),
    ("GET",    "/projects/{id}/options",                 Route::ProjectOptionsForm, ""),
    ("POST",   "/projects/{id}/options",                 Route::ProjectOptionsSave, ""),
    ("POST",   "/projects/{id}/delete",                  Route::ProjectErase, ""),
    ("POST",   "/api/v1/migrations",                      Route::Create, "Tries both log-ins and begins a migration"),
    ("POST",   "/api/v1/migrations/preflight",            Route::Preflight, "What POST /migrations with the same body would do; nothing is written"),
    ("GET",    "/api/v1/migrations/{id}",                 Route::Show, "How far it is"),
    ("DELETE", "/api/v1/migrations/{id}",                 Route::Delete, "Erases every trace of it here"),
    ("POST",   "/api/v1/migrations/{id}/stop",            Route::Stop, "Stops within one batch; what is migrated stays"),
    ("POST",   "/api/v1/migrations/{id}/synchronise",     Route::Synchronise, "Begins a new sync point: what the destination lacks, and what changed"),
    ("POST",   "/api/v1/migrations/{id}/retry",           Route::Retry, "Tries once more what was refused, and nothing else"),
    ("POST",   "/api/v1/migrations/{id}/pause",           Route::Pause, "Holds it within one batch, for a week at most"),
    ("POST",   "/api/v1/migrations/{id}/resume",          Route::Resume, "Goes on after a pause"),
    ("POST",   "/api/v1/migrations/{id}/remove",          Route::Remove, "Takes back what sync points put at the destination; dry_run answers what that would be"),
    ("GET",    "/api/v1/migrations/{id}/failures",        Route::Failures, "What did not arrive as it was, page by page"),
    ("GET",    "/api/v1/migrations/{id}/failures.csv",    Route::FailuresCsv, "What did not arrive as it was, all of it"),
    ("GET",    "/api/v1/migrations/{id}/report",          Route::Report, "Per folder: counts, bytes and verdict of both sides"),
    ("GET",    "/api/v1/migrations/{id}/report.csv",      Route::ReportCsv, "The same as a table"),
    ("GET",    "/api/v1/migrations/{id}/manifest.txt",    Route::Manifest, "A line for each message that arrived: folder, Message-ID, size, SHA-256"),
    ("GET",    "/api/v1/migrations/{id}/events",          Route::Events, "Server-Sent Events: the migration whenever it changed"),
    ("GET",    "/api/v1/autodetect",                      Route::Autodetect, "Finds the servers of an address; no password is needed"),
    ("GET",    "/api/v1/templates/migrations.csv",        Route::TemplateCsv, "The template of an import, as CSV"),
    ("GET",    "/api/v1/templates/migrations.xlsx",       Route::TemplateXlsx, "The template of an import, as XLSX"),
    ("POST",   "/api/v1/accounts/check",                  Route::CheckAccount, "Tries a log-in and looks at the folders"),
    ("POST",   "/api/v1/projects",                        Route::CreateProject, "Makes a project and opens it"),
    ("POST",   "/api/v1/projects/{id}/login",             Route::OpenProject, "Opens a project: its password for a token"),
    ("POST",   "/api/v1/projects/{id}/logout",            Route::CloseProject, "Gives the token back"),
    ("GET",    "/api/v1/projects/{id}",                   Route::ShowProject, "How far a project is, and its migrations page by page"),
    ("DELETE", "/api/v1/projects/{id}",                   Route::DeleteProject, "Erases a project with all its migrations"),
    ("POST",   "/api/v1/projects/{id}/pause",             Route::PauseProject, "Holds its queue, and within one batch what runs"),
    ("POST",   "/api/v1/projects/{id}/resume",            Route::ResumeProject, "Lets its queue go on"),
    ("PATCH",  "/api/v1/projects/{id}/options",           Route::ProjectOptions, "Changes what is given; null takes a default away"),
    ("POST",   "/api/v1/projects/{id}/migrations",        Route::AddToProject, "Tries both log-ins and adds a migration to the queue"),
    ("POST",   "/api/v1/projects/{id}/import",            Route::Import, "Adds all rows of a table (CSV, XLSX, XLS, ODS) or none"),
    ("POST",   "/api/v1/projects/{id}/retry",             Route::RetryProject, "What did not complete begins anew, with the passwords of a table"),
    ("GET",    "/api/v1/projects/{id}/export.csv",        Route::ExportCsv, "The state of every migration, as CSV"),
    ("GET",    "/api/v1/projects/{id}/export.xlsx",       Route::ExportXlsx, "The state of every migration, as XLSX"),
    ("GET",    "/api/v1/healthz",                         Route::Health, "Whether requests can be answered"),
    ("GET",    "/api/v1/metrics",                         Route::Metrics, "Counters, as Prometheus reads them"),
    ("GET",    "/api/v1/openapi.json",                    Route::OpenApi, "This description"),
    ("GET",    "/api/v1/problems/{code}",                 Route::Problem, "What a refusal's type means"),
    ("GET",    "/healthz",                                Route::Health, ""),
    ("GET",    "/metrics",                                Route::Metrics, ""),
];

/// Finds the route, and what stands in the path where the table has a name.
pub fn route<'p>(method: &str, path: &'p str) -> Result<(Route, &'p str), Refusal> {
    let mut allow = Vec::new();
    for (its_method, pattern, route, _) in ROUTES {
        let Some(name) = matches(pattern, path) else { continue };
        if *its_method == method {
            return Ok((*route, name));
        }
        allow.push(*its_method);
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

#[cfg(test)]
mod tests;
