//! What all pages have: the language, the frame, forms that are read.

use model::offer;
use pages::form::Offer;
use pages::{Language, Page};

use crate::answer::Answer;
use crate::refusals::{Code, Refusal};
use crate::request::{self, Request};

/// How long a chosen language is remembered: a year.
const LANGUAGE_COOKIE_SECONDS: u32 = 31_536_000;

/// Everything of the query but the language, for the language switch.
fn kept(request: &Request) -> Vec<(String, String)> {
    request.query.iter().filter(|(name, _)| name != "lang").cloned().collect()
}

/// The reader's language.
pub fn language(request: &Request) -> Language {
    let accepted = request.header("accept-language");
    Language::choose(request.asked("lang"), request.cookie("lang"), accepted)
}

/// Writes a page in the reader's language; a language that was asked for is remembered.
pub fn show(request: &Request, status: u16, write: impl FnOnce(&Page<'_>) -> String) -> Answer {
    let query = kept(request);
    let language = language(request);
    let answer = Answer::page(status, write(&Page::new(language, &request.path, &query)))
        .with("content-language", language.tag())
        .with("vary", "accept-language, cookie");
    if request.asked("lang").is_none() {
        return answer;
    }
    let cookie = format!(
        "lang={}; Path=/; Max-Age={LANGUAGE_COOKIE_SECONDS}; SameSite=Lax; HttpOnly",
        language.tag()
    );
    answer.with("set-cookie", cookie)
}

/// The request as if it had come for another page.
pub fn elsewhere(request: &Request, path: String, query: Vec<(String, String)>) -> Request {
    Request { path, query, ..request.clone() }
}

/// What the forms have to choose from.
pub const OFFER: Offer<'static> = Offer {
    source_types: offer::SOURCES,
    destination_types: offer::DESTINATIONS,
    items: offer::ITEMS,
};

/// The fields of a form.
pub fn form_body(request: &Request, body: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
    if request.media_type() != "application/x-www-form-urlencoded" {
        return Err(Refusal::of(Code::MediaType));
    }
    let text = std::str::from_utf8(body).map_err(|_| Refusal::of(Code::Unreadable))?;
    Ok(request::fields(text))
}

/// What the form itself can be corrected for; anything else is a page of its own.
pub fn is_correctable(refusal: &Refusal) -> bool {
    matches!(refusal.code, Code::InvalidInput | Code::NotInThisState | Code::AlreadyRunning)
}
