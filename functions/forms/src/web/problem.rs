//! A refusal as a page.

use crate::answer::Answer;
use crate::refusals::{Code, Refusal};
use crate::request::Request;
use crate::routes::route;
use crate::web::page::{elsewhere, show};
use crate::web::project::enter::way_in;

/// A refusal as a page.
pub fn problem(request: &Request, refusal: &Refusal) -> Answer {
    if let (Code::SignIn, Ok((_, id))) =
        (refusal.code, route(request.method.as_str(), &request.path))
    {
        return way_in(request, id);
    }
    let said = match refusal.code {
        // What is out of order is for the operator, and its own words are all that helps.
        Code::Unavailable | Code::NotConfigured => Some(refusal.detail.as_str()),
        _ => None,
    };
    let status = refusal.code.status();
    let problem = pages::problem::Problem { code: refusal.code.name(), status, said };
    // The address of a form that was sent shows nothing, so the language switch leads to the start.
    let request = match request.method {
        http::Method::GET => request,
        _ => &elsewhere(request, "/".to_owned(), Vec::new()),
    };
    let mut answer = show(request, status, |page| pages::problem::page(page, problem));
    if let Some(seconds) = refusal.retry_after_s {
        answer = answer.with("retry-after", seconds.to_string());
    }
    if refusal.code == Code::CreationToken {
        // A browser asks its user for it, and sends it along from then on.
        answer = answer.with("www-authenticate", "Basic realm=\"trasloco\", charset=\"UTF-8\"");
    }
    if refusal.allow.is_empty() { answer } else { answer.with("allow", refusal.allow.join(", ")) }
}
