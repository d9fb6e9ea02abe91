//! Laws of what browsers and programs send; for the fuzz targets and the test suite. Each takes bytes
//! and panics where it is broken.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken panics"
)]

use ::tables::grid::ROWS_MAX;
use dial::{Endpoint, Plaintext};
use futures::executor::block_on;
use http::{HeaderMap, Method};
use memchr::memmem;

use crate::reading;
use crate::reading::form as form_fields;
use crate::reading::multipart;
use crate::reading::submission;
use crate::request::{Request, fields};
use crate::tables::drafts::{ERRORS_MAX, read_drafts};

/// A request with a body of this type.
fn request(media_type: &str) -> Option<Request> {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", media_type.parse().ok()?);
    headers.insert("cookie", media_type.parse().ok()?);
    Some(Request {
        method: Method::POST,
        path: "/projects".into(),
        query: Vec::new(),
        headers,
        origin: String::new(),
        secure: false,
    })
}

/// Forms with a file: read or refused; a file that was sent is there as it was.
pub fn forms(bytes: &[u8]) {
    let form = request("multipart/form-data; boundary=XX").expect("a request");
    if let Ok(parts) = block_on(multipart::read(&form, bytes)) {
        let file = parts.file.as_deref().map(Vec::as_slice).unwrap_or_default();
        assert!(memmem::find(bytes, file).is_some(), "a file from nowhere");
    }
    // The first line as the head of a request.
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if let Some(odd) = std::str::from_utf8(line).ok().and_then(request) {
        let _ = (odd.media_type(), odd.cookie("a"), odd.check_site());
        let _ = block_on(multipart::read(&odd, bytes));
    }
    if memmem::find(bytes, b"--XX").is_none() && !bytes.is_empty() {
        let head = b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";
        let body = [head, bytes, b"\r\n--XX--\r\n"].concat();
        let parts = block_on(multipart::read(&form, &body)).map_err(|refusal| refusal.code);
        assert!(parts.unwrap().file.unwrap().as_slice() == bytes, "the file is another one");
    }
}

/// Plain forms: fields come back as they were sent; a migration that is read of them, or of JSON,
/// has servers that can be read again, and a refusal never says the password.
pub fn submissions(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut found = fields(&text);
    let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let sent: Vec<String> =
        found.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    let unnamed = found.iter().all(|(name, value)| name.is_empty() && value.is_empty());
    assert!(fields(&sent.join("&")) == found || unnamed, "fields do not come back");
    let secrets: Vec<String> = found
        .iter()
        .filter(|(name, _)| name.ends_with("password"))
        .map(|(_, value)| value.clone())
        .filter(|value| value.len() > 12 && text.matches(&encode(value)).count() < 2)
        .collect();
    // Whoever writes a password as the name of a field is told that name.
    let names: Vec<String> = found.iter().map(|(name, _)| name.clone()).collect();
    let object = form_fields::object(&mut found);
    for value in [Some(object), reading::parse(bytes).ok()].into_iter().flatten() {
        match submission::read(value, Plaintext::Allowed) {
            Ok(submission) => {
                for account in [&submission.source, &submission.destination] {
                    let url = &account.url;
                    assert!(url.is_empty() || Endpoint::parse(url, Plaintext::Allowed).is_ok());
                }
            }
            Err(refusal) => {
                let told = format!("{refusal:?}");
                let once = |secret: &&String| {
                    let others = found.iter().map(|(_, value)| value).chain(&names);
                    others.into_iter().all(|it| !it.contains(*secret))
                };
                let shown = secrets.iter().filter(once).find(|it| told.contains(*it));
                assert_eq!(shown, None, "a password is told: {told}");
            }
        }
    }
}

/// An import: drafts and errors within the limits; nothing is a draft and unreadable at once.
pub fn imports(bytes: &[u8]) {
    let Ok(listed) = read_drafts(bytes) else { return };
    assert!(listed.errors.len() <= ERRORS_MAX.min(listed.total));
    assert!(listed.errors.is_empty() == (listed.total == 0));
    assert!(listed.drafts.len() <= ROWS_MAX);
    for draft in &listed.drafts {
        for side in [&draft.source, &draft.destination] {
            let secret = side.password.expose();
            // A word that is not found elsewhere in the row, and yet is told, was the password.
            let told = listed.errors.iter().filter(|error| error.line == draft.line);
            if secret.len() > 12 && !side.login.contains(secret) && !side.url.contains(secret) {
                assert!(told.clone().all(|error| !error.detail.contains(secret)), "a password");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use laws::hold;

    #[test]
    fn of_forms() {
        hold("multipart", 3_000, forms);
    }

    #[test]
    fn of_imports() {
        hold("imports", 2_000, imports);
    }

    #[test]
    fn of_submissions() {
        hold("submissions", 3_000, submissions);
    }

    /// Each dot was a call of a function: the stack of a component ends after some ten thousand.
    #[test]
    fn names_of_many_dots_are_no_objects() {
        submissions(&[&b".".repeat(200_000)[..], b"=x"].concat());
        let deep = form_fields::object(&mut [("a.".repeat(20), "x".into())]);
        assert_eq!(deep.as_object().map(|it| it.len()), Some(1));
    }
}
