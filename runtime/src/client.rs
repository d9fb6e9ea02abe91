//! Requests of this program to its own components, in process.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::app::{App, collect};

/// All but what is unreserved, RFC 3986 section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The most of an answer that is read.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// An answer that is JSON.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body; `Null` where it is empty.
    pub json: Value,
}

/// No answer is waited for any longer, unless somebody says so: twice what a page may take that tries
/// out accounts.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// Sends a request with a JSON body and reads the JSON answer.
pub async fn send(
    app: &Arc<App>,
    method: Method,
    path: &str,
    body: Option<&Value>,
    bearer: Option<&str>,
) -> Result<Answer> {
    send_within(app, ANSWER_TIMEOUT, (method, path, body, bearer)).await
}

/// The same for whoever waits for `limit` at most.
pub async fn send_within(
    app: &Arc<App>,
    limit: Duration,
    (method, path, body, bearer): (Method, &str, Option<&Value>, Option<&str>),
) -> Result<Answer> {
    let sending = send_patiently(app, method, path, body, bearer);
    let answer = tokio::time::timeout(limit, sending).await;
    answer.with_context(|| format!("{path} gave no answer for {} s", limit.as_secs()))?
}

async fn send_patiently(
    app: &Arc<App>,
    method: Method,
    path: &str,
    body: Option<&Value>,
    bearer: Option<&str>,
) -> Result<Answer> {
    let bytes = body.map(Value::to_string).unwrap_or_default();
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://localhost{path}"))
        .header(CONTENT_LENGTH, bytes.len())
        .header(CONTENT_TYPE, "application/json");
    if let Some(bearer) = bearer {
        let mut value = HeaderValue::try_from(format!("Bearer {bearer}"))?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let body = Full::from(bytes).map_err(|never| match never {}).boxed_unsync();
    let response = app.handle(request.body(body)?, None).await;
    let (status, bytes) = collect(response, MAX_ANSWER_BYTES).await?;
    let json = match bytes.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&bytes)
            .with_context(|| format!("{path} answered {status} and no JSON"))?,
    };
    Ok(Answer { status, json })
}

impl Answer {
    /// The sentences of a refusal (RFC 9457).
    pub fn refusal(&self) -> String {
        let text =
            |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let detail = text(&self.json, "detail").or_else(|| text(&self.json, "title"));
        let mut sentences = vec![detail.unwrap_or_else(|| self.status.to_string())];
        let errors = self.json.get("errors").and_then(Value::as_array);
        for error in errors.into_iter().flatten() {
            let pointer = text(error, "pointer").unwrap_or_default();
            if let Some(detail) = text(error, "detail").or_else(|| text(error, "code"))
                && !sentences.iter().any(|sentence| sentence.contains(&detail))
            {
                sentences.push(format!("{pointer}: {detail}"));
            }
        }
        sentences.join("\n")
    }
}

/// Escapes a value for a query (RFC 3986 section 2.3).
pub fn escape(value: &str) -> String {
    utf8_percent_encode(value, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_was_refused() {
        let json = serde_json::json!({"title": "No", "detail": "Two fields are wrong.", "errors": [
            {"pointer": "/source/password", "code": "authentication_failed", "detail": "NO bad"},
            {"pointer": "/items/0", "code": "unsupported"}]});
        let answer = Answer { status: StatusCode::UNPROCESSABLE_ENTITY, json };
        let said = "Two fields are wrong.\n/source/password: NO bad\n/items/0: unsupported";
        assert_eq!(answer.refusal(), said);
        let bare = Answer { status: StatusCode::NOT_FOUND, json: Value::Null };
        assert_eq!(bare.refusal(), "404 Not Found");
    }

    #[test]
    fn escapes() {
        assert_eq!(escape("a+b@ü c"), "a%2Bb%40%C3%BC%20c");
    }
}
