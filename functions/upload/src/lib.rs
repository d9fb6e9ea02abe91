//! Uploads of mailbox files, at `/api/v1/uploads/…`.
//!
//! In scope: the tus protocol 1.0.0. Out of scope: what becomes of a file (`migrate`). This version
//! takes no files and says so: every request is refused with 501 (RFC 9457), and `OPTIONS` claims
//! no extension and no room.
//!
//! Reading order: [`answer`], then `entry`, the only part that touches Spin.
//!
//! Invariant: nothing is read from a request but its method, so nothing large can do harm.

use http::{Method, Response, StatusCode};
use serde_json::json;

/// The version of the protocol that is spoken.
const TUS_VERSION: &str = "1.0.0";

/// What is answered to a request with this method.
pub fn answer(method: &Method) -> Result<Response<String>, http::Error> {
    let response = Response::builder()
        .header("tus-resumable", TUS_VERSION)
        .header("x-content-type-options", "nosniff")
        .header("cache-control", "no-store");
    if method == Method::OPTIONS {
        return response
            .status(StatusCode::NO_CONTENT)
            .header("tus-version", TUS_VERSION)
            // Nothing can be uploaded: the largest file is one without a byte.
            .header("tus-max-size", "0")
            .body(String::new());
    }
    let problem = json!({
        "type": "about:blank",
        "title": "Not Implemented",
        "status": 501,
        "detail": "Uploads are not part of this version: mailboxes are moved from server to server.",
    });
    let body = if method == Method::HEAD { String::new() } else { problem.to_string() };
    response
        .status(StatusCode::NOT_IMPLEMENTED)
        .header("content-type", "application/problem+json")
        .body(body)
}

#[cfg(target_family = "wasm")]
mod entry {
    use bytes::Bytes;
    use spin_sdk::http::{Error, FullBody, IntoResponse, Request};
    use spin_sdk::http_service;

    #[http_service]
    async fn handle(request: Request) -> impl IntoResponse {
        let answer = super::answer(request.method()).map_err(Error::from)?;
        let length = answer.body().len();
        let mut response = answer.map(|body| FullBody::new(Bytes::from(body)));
        // Header and body go out at once only where the length is known.
        response.headers_mut().insert("content-length", length.into());
        Ok::<_, Error>(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_everything_and_claims_nothing() {
        for method in [Method::GET, Method::POST, Method::PATCH, Method::DELETE] {
            let answer = answer(&method).unwrap();
            assert_eq!(answer.status(), 501);
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            let problem: serde_json::Value = serde_json::from_str(answer.body()).unwrap();
            assert_eq!(problem["status"], 501);
        }
        assert_eq!(answer(&Method::HEAD).unwrap().body(), "");
        let options = answer(&Method::OPTIONS).unwrap();
        assert_eq!((options.status().as_u16(), options.body().as_str()), (204, ""));
        assert_eq!(options.headers()["tus-version"], "1.0.0");
        assert!(!options.headers().contains_key("tus-extension"));
        assert_eq!(options.headers()["tus-max-size"], "0");
    }
}
