//! What this runtime refuses by itself: the answers, and how often each was given.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};

use crate::app::problem;
use crate::instance::Body;

/// Paths below this one are for programs.
const API: &str = "/api/";

/// Why something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// This client has as many requests being answered as one may have.
    RequestsOfClient,
    /// All clients together have.
    Requests,
    /// The application's own requests have no place left.
    InnerRequests,
    /// This client follows as many event streams as one may.
    EventStreamsOfClient,
    /// All clients together do.
    EventStreams,
    /// As many bodies of this client are arriving, or as many bytes of them are held, as may be.
    BodiesOfClient,
    /// The same for all clients together.
    Bodies,
    /// A body arrived too slowly.
    SlowBody,
    /// A body broke off.
    BrokenBody,
    /// A connection without a request was closed in time.
    SilentConnection,
    /// An answer was read too slowly.
    SlowReader,
    /// A connection gave way to a newer one.
    ConnectionGaveWay,
    /// A connection could not be let in, since all others were at work.
    Connections,
}

/// Every reason with its name in `/metrics`.
const ALL: [(Reason, &str); 13] = [
    (Reason::RequestsOfClient, "requests_of_client"),
    (Reason::Requests, "requests"),
    (Reason::InnerRequests, "inner_requests"),
    (Reason::EventStreamsOfClient, "event_streams_of_client"),
    (Reason::EventStreams, "event_streams"),
    (Reason::BodiesOfClient, "bodies_of_client"),
    (Reason::Bodies, "bodies"),
    (Reason::SlowBody, "slow_body"),
    (Reason::BrokenBody, "broken_body"),
    (Reason::SilentConnection, "silent_connection"),
    (Reason::SlowReader, "slow_reader"),
    (Reason::ConnectionGaveWay, "connection_gave_way"),
    (Reason::Connections, "connections"),
];

impl Reason {
    /// Status, seconds until another try makes sense, and the sentence in English and Italian.
    fn answer(self) -> (StatusCode, Option<u16>, &'static str, &'static str) {
        let (too_many, busy) = (StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE);
        match self {
            Reason::RequestsOfClient => {
                let italian = "Troppe richieste insieme da questo indirizzo.";
                (too_many, Some(2), "Too many requests at once from your address.", italian)
            }
            Reason::Requests | Reason::InnerRequests | Reason::Connections => {
                (busy, Some(1), "Too many requests at once.", "Troppe richieste insieme.")
            }
            Reason::EventStreamsOfClient => {
                let english = "Too many event streams at once from your address.";
                (too_many, Some(30), english, "Troppi flussi di eventi da questo indirizzo.")
            }
            Reason::EventStreams => {
                (busy, Some(30), "Too many event streams at once.", "Troppi flussi di eventi.")
            }
            Reason::BodiesOfClient => {
                let english = "Too much is being sent at once from your address.";
                (too_many, Some(15), english, "Troppi invii insieme da questo indirizzo.")
            }
            Reason::Bodies => {
                (busy, Some(10), "Too much is being sent at once.", "Troppi invii insieme.")
            }
            Reason::SlowBody | Reason::SilentConnection | Reason::SlowReader => {
                let english = "The body of the request did not arrive in time.";
                (StatusCode::REQUEST_TIMEOUT, None, english, "L'invio ha richiesto troppo tempo.")
            }
            Reason::BrokenBody | Reason::ConnectionGaveWay => {
                let english = "The body of the request broke off.";
                (StatusCode::BAD_REQUEST, None, english, "L'invio si è interrotto.")
            }
        }
    }

    /// The answer: for programs as RFC 9457 has it, for people as a page.
    pub fn response(self, path: &str) -> Response<Body> {
        let (status, retry_after_s, english, italian) = self.answer();
        let mut response = problem(status, english);
        let headers = response.headers_mut();
        if let Some(seconds) = retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(
            self,
            Reason::SlowBody | Reason::BrokenBody | Reason::BodiesOfClient | Reason::Bodies
        ) {
            // The rest of the body is not read.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if !path.starts_with(API) {
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            headers.insert(CONTENT_TYPE, html);
            *response.body_mut() = Body::full(page(english, italian));
        }
        response
    }
}

fn page(english: &str, italian: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>trasloco</title>\
         <p>{english} Please try again in a moment.</p>\
         <p lang=\"it\">{italian} Riprovare tra poco.</p></html>"
    )
}

/// How often each reason was given.
#[derive(Default)]
pub struct Refusals([AtomicU64; ALL.len()]);

impl Refusals {
    /// Counts one.
    pub fn count(&self, reason: Reason) {
        let counts = ALL.iter().zip(&self.0).find(|((own, _), _)| *own == reason);
        if let Some((_, count)) = counts {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The lines, in Prometheus's text format.
    pub fn text(&self) -> String {
        let metric = "trasloco_refused_total";
        let mut text = format!("# HELP {metric} What the runtime refused or cut off, by reason.\n");
        // Writing into a String does not fail.
        let _ = writeln!(text, "# TYPE {metric} counter");
        for ((_, name), count) in ALL.iter().zip(&self.0) {
            let count = count.load(Ordering::Relaxed);
            let _ = writeln!(text, "{metric}{{reason=\"{name}\"}} {count}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_counted_by_its_name() {
        let refusals = Refusals::default();
        for (times, (reason, _)) in ALL.iter().enumerate() {
            (0..times).for_each(|_| refusals.count(*reason));
        }
        for (times, (_, name)) in ALL.iter().enumerate() {
            let line = format!("trasloco_refused_total{{reason=\"{name}\"}} {times}\n");
            assert!(refusals.text().contains(&line), "{line}");
        }
    }

    #[test]
    fn programs_get_a_problem_and_people_a_page() {
        let response = Reason::RequestsOfClient.response("/api/v1/migrations");
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        let response = Reason::EventStreams.response("/");
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert!(Reason::SlowBody.response("/new").headers().contains_key(CONNECTION));
    }
}
