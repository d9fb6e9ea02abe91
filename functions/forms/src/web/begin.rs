//! The form that begins a migration.

use pages::form;

use crate::answer::Answer;
use crate::app::{App, Outside};
use crate::refusals::Refusal;
use crate::request::{Request, value};
use crate::web::checked;
use crate::web::new::{detected, submitted};
use crate::web::page::{OFFER, form_body, show};

/// `POST /new`.
pub async fn create<O: Outside>(
    app: &App<O>,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let mut fields = form_body(request, body)?;
    if let Some(side) = value(&fields, "detect").map(str::to_owned) {
        let filled = detected(app, &mut fields, &side).await?;
        return Ok(show(request, 200, |page| form::page(page, OFFER, &filled)));
    }
    if value(&fields, "sealed").is_some() {
        return checked::start(app, request, &fields).await;
    }
    if value(&fields, "check").is_some() {
        return checked::check(app, request, fields).await;
    }
    submitted(app, request, fields, &[]).await
}
