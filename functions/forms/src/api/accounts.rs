//! Accounts and addresses, as programs ask for them: nothing is begun.

use autodetect::Address;
use migrate::Side;
use migrate::login::Detail;

use crate::answer::Answer;
use crate::app::{App, Outside, refused};
use crate::reading::{self, Errors, json_body, submission};
use crate::refusals::{Code, InputError, Refusal};
use crate::request::Request;
use crate::shown::{detection, preflight};
use crate::steps::finding::lacking;

/// `POST /accounts/check`.
pub async fn check_account<O: Outside>(
    app: &App<O>,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let value = json_body(request, body)?;
    let (account, credential) = reading::account::read_account(value, app.plaintext)?;
    let mut errors = Errors::default();
    let account = match app.name_server(account).await? {
        Ok(account) => account,
        Err(missing) => {
            lacking(&mut errors, "", missing);
            return errors.finish(None);
        }
    };
    match app.try_account(Side::Source, &account, &credential, Detail::Folders).await? {
        Ok(report) => Ok(Answer::json(200, &report)),
        Err(refusal) => {
            refused(&mut errors, "", refusal);
            errors.finish(None)
        }
    }
}

/// `GET /autodetect`.
pub async fn autodetect<O: Outside>(app: &App<O>, request: &Request) -> Result<Answer, Refusal> {
    // Whoever asks makes this installation look up names and open lines.
    if request.header("sec-fetch-site") == Some("cross-site") {
        return Err(Refusal::of(Code::CrossSite));
    }
    let text = request.asked("address").unwrap_or_default();
    let address = Address::parse(text).ok_or_else(|| {
        let (code, detail) = match text.trim().is_empty() {
            true => (Code::Required, "The parameter address is needed.".to_owned()),
            false => (Code::BadValue, "This is not an e-mail address.".to_owned()),
        };
        let pointer = "/address".to_owned();
        Refusal::input(vec![InputError { pointer, code, detail, cell: None }])
    })?;
    let found = app.detect(&address).await?;
    Ok(Answer::json(200, &detection::object(&found, &address))
        .with("cache-control", "private, no-store"))
}

/// `POST /migrations/preflight`.
pub async fn preflight<O: Outside>(
    app: &App<O>,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let submission = submission::read(json_body(request, body)?, app.plaintext)?;
    let looked = app.look(&submission).await?;
    Ok(Answer::json(200, &preflight::object(&looked, &submission.items)))
}
