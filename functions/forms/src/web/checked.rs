//! The step between the form and the start: what would happen is shown, names of folders can be
//! changed, and then the same form is sent.
//!
//! The passwords are typed once and stored nowhere: what was typed goes along in the page, sealed
//! with the installation's key and good for a quarter of an hour. Whoever sees the page's source sees
//! neither a password nor anything that another installation, or this one later, could open.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pages::preflight::{self as page, Row};
use serde::{Deserialize, Serialize};
use wire::Secret;
use zeroize::Zeroizing;

use crate::answer::Answer;
use crate::app::{App, Outside};
use crate::reading::submission;
use crate::refusals::{Code, Refusal};
use crate::request::{Request, value};
use crate::shown::preflight::Looked;
use crate::web::new;
use crate::web::page::show;

/// How long a sealed form can be sent; long enough to read the page and to think about it.
const GOOD_MS: u64 = 15 * 60_000;

/// What the seal is bound to, so that nothing else that is sealed passes for a form.
const BOUND_TO: &str = "form";

/// Folders that can be given another name; a request has room for about so many fields.
const EDITABLE_MAX: usize = 150;

/// A form that was filled in.
#[derive(Serialize, Deserialize)]
struct Sealed {
    until_ms: u64,
    fields: Vec<(String, String)>,
    /// Where each folder goes unless another name is typed.
    mapping: Vec<(String, String)>,
}

impl Drop for Sealed {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.fields.iter_mut().for_each(|(_, text)| text.zeroize());
    }
}

/// The page for a form that was filled in, or the form with what is wrong with it.
pub async fn check<O: Outside>(
    app: &App<O>,
    request: &Request,
    mut fields: Vec<(String, String)>,
) -> Result<Answer, Refusal> {
    fields.retain(|(name, _)| name != "check");
    let typed = fields.clone();
    let object = new::object(&mut fields);
    let seen = match submission::read(object, app.plaintext) {
        Ok(submission) => app.look(&submission).await,
        Err(refusal) => Err(refusal),
    };
    let looked = match seen {
        Ok(looked) => looked,
        Err(refusal) => return new::corrected(request, &fields, refusal),
    };
    let rows = looked.preflight.folders.iter().take(EDITABLE_MAX);
    let mapping = rows.map(|row| (row.source.clone(), row.destination.clone())).collect();
    let until_ms = app.outside.now_ms().saturating_add(GOOD_MS);
    let sealed = seal(app, &Sealed { until_ms, fields: typed, mapping })?;
    Ok(show(request, 200, |words| page::page(words, &shown(&looked, &sealed))))
}

/// Begins with what was sealed, and with the names that were typed.
pub async fn start<O: Outside>(
    app: &App<O>,
    request: &Request,
    fields: &[(String, String)],
) -> Result<Answer, Refusal> {
    let sealed = value(fields, "sealed").unwrap_or_default();
    let sealed = open(app, sealed)?;
    if app.outside.now_ms() > sealed.until_ms {
        return Err(Refusal::of(Code::Expired));
    }
    let moved = moved(&sealed.mapping, |at| value(fields, &format!("to.{at}")));
    new::submitted(app, request, sealed.fields.clone(), &moved).await
}

/// What the page said, for every folder whose name was changed and all below them: what is seen is
/// what happens.
fn moved<'f>(
    mapping: &[(String, String)],
    typed: impl Fn(usize) -> Option<&'f str>,
) -> Vec<(String, String)> {
    let rows: Vec<(&str, String, bool)> = mapping
        .iter()
        .enumerate()
        .map(|(at, (source, destination))| {
            let name = typed(at).map(str::trim).filter(|name| !name.is_empty());
            let name = name.unwrap_or(destination);
            (source.as_str(), name.to_owned(), name != destination)
        })
        .collect();
    let changed: Vec<&str> =
        rows.iter().filter(|(.., changed)| *changed).map(|(source, ..)| *source).collect();
    let below = |source: &str| {
        changed.iter().any(|branch| {
            source.strip_prefix(branch).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let wanted = rows.iter().filter(|(source, ..)| below(source));
    wanted.map(|(source, name, _)| ((*source).to_owned(), name.clone())).collect()
}

fn seal<O: Outside>(app: &App<O>, form: &Sealed) -> Result<String, Refusal> {
    let text = serde_json::to_string(form)
        .map_err(|error| Refusal::because(Code::Unreadable, error.to_string()))?;
    let sealed = app.seal()?.seal_secret(BOUND_TO, &Secret::new(text), &app.outside)?;
    Ok(URL_SAFE_NO_PAD.encode(sealed))
}

fn open<O: Outside>(app: &App<O>, sealed: &str) -> Result<Sealed, Refusal> {
    let expired = || Refusal::of(Code::Expired);
    let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| expired())?;
    let text = app.seal()?.open_secret(BOUND_TO, &bytes).map_err(|_| expired())?;
    let text = Zeroizing::new(text.expose().to_owned());
    serde_json::from_str(&text).map_err(|_| expired())
}

fn shown<'a>(looked: &'a Looked, sealed: &'a str) -> page::Preflight<'a> {
    let seen = &looked.preflight;
    let quota = |quota: Option<migrate::login::Quota>| {
        quota.map(|quota| (quota.used_bytes, quota.limit_bytes))
    };
    let row = |row: &'a migrate::preflight::Row| Row {
        source: &row.source,
        destination: &row.destination,
        exists: row.exists,
        messages: row.messages,
        bytes: row.bytes,
    };
    page::Preflight {
        sides: [
            (&looked.source, quota(seen.source.quota)),
            (&looked.destination, quota(seen.destination.quota)),
        ],
        folders: seen.folders.iter().map(row).collect(),
        editable: EDITABLE_MAX,
        more_folders: seen.more_folders,
        left_out: &seen.left_out,
        messages: seen.messages,
        bytes: seen.bytes,
        largest: seen
            .largest
            .iter()
            .map(|large| (large.folder.as_str(), large.size_bytes, large.date))
            .collect(),
        all_sizes: seen.all_sizes,
        obstacles: seen
            .will_not_fit
            .iter()
            .map(|one| (one.reason.name(), one.limit_bytes, one.messages))
            .collect(),
        not_carried: &looked.not_carried,
        seconds: seen.forecast.seconds,
        bytes_per_second: seen.forecast.bytes_per_second,
        measured: seen.forecast.measured,
        sealed,
        minutes: GOOD_MS / 60_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_is_what_happens() {
        let pair = |(a, b): (&str, &str)| (a.to_owned(), b.to_owned());
        let mapping = [("INBOX", "INBOX"), ("a", "a"), ("a/b", "a/b"), ("ab", "ab")].map(pair);
        let typed = |names: [Option<&'static str>; 4]| moved(&mapping, move |at| names[at]);
        assert_eq!(typed([None; 4]), []);
        assert_eq!(typed([Some("INBOX"), Some(" a "), Some(""), None]), []);
        let found = typed([None, Some("Old/A"), Some("a/b"), Some("ab")]);
        assert_eq!(found, [("a", "Old/A"), ("a/b", "a/b")].map(pair));
        let mut object = serde_json::json!({"options": {"folder_map": {"x": "y"}}});
        new::put_names(&mut object, &found);
        let map = serde_json::json!({"x": "y", "a": "Old/A", "a/b": "a/b"});
        assert_eq!(object["options"]["folder_map"], map);
    }
}
