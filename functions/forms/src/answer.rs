//! What goes back: a status, headers, and a body that is whole or made piece by piece.

use bytes::Bytes;
use serde::Serialize;

use crate::feed::Feed;
use crate::refusals::{Code, Refusal};

/// The media type of `.xlsx` (ECMA-376).
pub const XLSX_MEDIA_TYPE: &str =
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// A body.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// Made while it is sent.
    Feed(Feed),
}

/// A response.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Header fields; each name at most once, but `set-cookie`.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
}

/// For every answer: nothing is sniffed, framed, kept or told to others.
const ALWAYS: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cache-control", "no-store"),
];

impl Answer {
    fn new(status: u16, media_type: &str, body: Body) -> Self {
        let always = ALWAYS.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let answer = Answer { status, headers: always.collect(), body };
        answer
            .with("content-type", media_type)
            .with("content-security-policy", "default-src 'none'; frame-ancestors 'none'")
    }

    /// JSON.
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(text) => Answer::new(status, "application/json", Body::Whole(text.into())),
            Err(error) => Answer::refusal(&Refusal::because(Code::Unavailable, error.to_string())),
        }
    }

    /// A refusal as programs read it (RFC 9457).
    pub fn refusal(refusal: &Refusal) -> Self {
        // Words and numbers alone, so there is always a text.
        let problem = serde_json::to_string(&refusal.problem()).unwrap_or_default();
        let status = refusal.code.status();
        let body = Body::Whole(problem.into());
        let mut answer = Answer::new(status, "application/problem+json", body);
        if status == 401 {
            answer = answer.with("www-authenticate", "Bearer");
        }
        if let Some(seconds) = refusal.retry_after_s {
            answer = answer.with("retry-after", seconds.to_string());
        }
        match refusal.allow.is_empty() {
            true => answer,
            false => answer.with("allow", refusal.allow.join(", ")),
        }
    }

    /// A page.
    pub fn page(status: u16, html: String) -> Self {
        Answer::new(status, "text/html; charset=utf-8", Body::Whole(html.into()))
            .with("content-security-policy", pages::layout::CONTENT_SECURITY_POLICY)
    }

    /// A file that never changes under its address.
    pub fn whole(status: u16, media_type: &str, bytes: Bytes) -> Self {
        Answer::new(status, media_type, Body::Whole(bytes))
    }

    /// Something that is made while it is sent.
    pub fn feed(media_type: &str, feed: Feed) -> Self {
        Answer::new(200, media_type, Body::Feed(feed))
    }

    /// Nothing but a status.
    pub fn empty(status: u16) -> Self {
        let mut answer = Answer::new(status, "text/plain", Body::Whole(Bytes::new()));
        answer.headers.retain(|(name, _)| *name != "content-type");
        answer
    }

    /// Leads on to another page (303, so that a form is not sent twice).
    pub fn see_other(location: &str) -> Self {
        Answer::empty(303).with("location", location)
    }

    /// With this header field; it takes the place of one of the same name.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(old, _)| *old != name);
        self.headers.push((name, value.into()));
        self
    }

    /// With one more header field of a name that may be there several times.
    #[must_use]
    pub fn and(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }
}
