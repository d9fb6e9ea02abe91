//! From a request to whoever answers it, and what is looked at before anything else.

use crate::answer::Answer;
use crate::app::{App, Outside};
use crate::refusals::{Code, Refusal};
use crate::request::Request;
use crate::routes::{Route, route};
use crate::{api, client, openapi, web};

/// A year, for RFC 6797.
const TLS_FOR_A_YEAR: &str = "max-age=31536000";

/// A body, or why there is none.
pub type BodyRead = Result<zeroize::Zeroizing<Vec<u8>>, Refusal>;

impl<O: Outside> App<O> {
    /// Answers a request.
    pub async fn answer(&self, request: &Request, body: BodyRead) -> Answer {
        let for_programs = request.path.starts_with("/api/");
        let answer = match route(request.method.as_str(), &request.path) {
            Err(refusal) => Err(refusal),
            Ok((route, name)) => match self.admit(route, request).and(body) {
                Err(refusal) => Err(refusal),
                Ok(body) => self.dispatch(route, name, request, &body).await,
            },
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(refusal) if for_programs => Answer::refusal(&refusal),
            Err(refusal) => web::problem::problem(request, &refusal),
        };
        match request.secure {
            // From here on a browser comes by TLS only (RFC 6797).
            true => answer.with("strict-transport-security", TLS_FOR_A_YEAR),
            false => answer,
        }
    }

    /// What is looked at before anything else: for whom a request is, from where it came, and
    /// whether it may begin something.
    fn admit(&self, route: Route, request: &Request) -> Result<(), Refusal> {
        // Who only asks whether all is well may do so under any name.
        let for_us = matches!(route, Route::Health | Route::Metrics);
        let origin = request.origin.as_str();
        let authority = origin.split_once("://").map_or(origin, |(_, rest)| rest);
        if !for_us && !client::is_for_us(authority, &self.public_url, &request.headers) {
            let detail = "If this is its name, whoever runs it sets the variable public_url.";
            return Err(Refusal::because(Code::Misdirected, detail));
        }
        request.check_site()?;
        match route {
            Route::NewForm
            | Route::New
            | Route::ProjectNewForm
            | Route::ProjectNew
            | Route::Create
            | Route::Preflight
            | Route::CheckAccount
            | Route::CreateProject
            | Route::Autodetect => self.may_create(request),
            _ => Ok(()),
        }
    }

    async fn dispatch(
        &self,
        route: Route,
        name: &str,
        request: &Request,
        body: &[u8],
    ) -> Result<Answer, Refusal> {
        match route {
            Route::Home | Route::NewForm | Route::FindForm | Route::Asset | Route::Favicon => {
                web::fixed::fixed(route, name, request)
            }
            Route::New => web::begin::create(self, request, body).await,
            Route::Find => web::migration::find(self, request, body).await,
            Route::Tracking => web::migration::tracking(self, name, request).await,
            Route::ReportPage => web::migration::report(self, name, request).await,
            Route::StopForm => web::life::stop(self, name, request, body).await,
            Route::SynchroniseForm => web::life::synchronise(self, name, request, body).await,
            Route::RetryForm | Route::PauseForm | Route::ResumeForm | Route::RemoveForm => {
                web::life::form(self, route, name, request, body).await
            }
            Route::DeleteForm => web::life::delete(self, name, request, body).await,
            Route::ProjectNewForm
            | Route::ProjectNew
            | Route::ProjectOpenForm
            | Route::ProjectOpen
            | Route::ProjectClose
            | Route::ProjectPage
            | Route::ProjectPause
            | Route::ProjectResume
            | Route::ProjectImportForm
            | Route::ProjectImport
            | Route::ProjectRetryForm
            | Route::ProjectRetry
            | Route::ProjectAddForm
            | Route::ProjectAdd
            | Route::ProjectOptionsForm
            | Route::ProjectOptionsSave
            | Route::ProjectErase => web::project::answer(self, route, name, request, body).await,
            Route::Create => api::migrations::create(self, request, body).await,
            Route::Show => api::migrations::show(self, name, request).await,
            Route::Delete => api::migrations::delete(self, name, request).await,
            Route::Stop => api::migrations::stop(self, name, request).await,
            Route::Synchronise => api::migrations::synchronise(self, name, request, body).await,
            Route::Retry | Route::Pause | Route::Resume | Route::Remove => {
                api::life::call(self, route, name, request, body).await
            }
            Route::Failures => api::migrations::failures(self, name, request).await,
            Route::FailuresCsv
            | Route::Report
            | Route::ReportCsv
            | Route::Manifest
            | Route::Events => api::migrations::feed(self, route, name, request).await,
            Route::Autodetect => api::accounts::autodetect(self, request).await,
            Route::Preflight => api::accounts::preflight(self, request, body).await,
            Route::TemplateCsv | Route::TemplateXlsx => api::tables::template(route),
            Route::CheckAccount => api::accounts::check_account(self, request, body).await,
            Route::CreateProject
            | Route::OpenProject
            | Route::CloseProject
            | Route::ShowProject
            | Route::DeleteProject
            | Route::PauseProject
            | Route::ResumeProject
            | Route::ProjectOptions
            | Route::Import
            | Route::RetryProject
            | Route::ExportCsv
            | Route::ExportXlsx
            | Route::AddToProject => api::projects::call(self, route, name, request, body).await,
            Route::Health => api::health::answer(self).await,
            Route::Metrics => api::metrics::answer(self).await,
            Route::OpenApi => Ok(Answer::json(200, &openapi::document::description())),
            Route::Problem => api::problems::problem(name),
        }
    }
}
