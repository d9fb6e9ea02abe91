//! One request to a stranger's web server: a redirection is an answer like any other, nobody follows
//! it, and nothing but the status of an answer is looked at.

use dial::{Dialer, Web};
use http::{HeaderValue, StatusCode, header};
use web::{Client, Error, Repeat, Request};
use wire::{Clock, Http, Network};

/// Sends `request` once and gives the status of the answer.
pub(crate) async fn post<H: Network + Http + Clock>(
    dialer: &Dialer<'_, H>,
    request: Request<'_>,
) -> Result<StatusCode, Error> {
    let client = Client::new(Web(dialer), 1);
    let close = HeaderValue::from_static("close");
    let request = request.header(header::CONNECTION, close).repeat(Repeat::Never);
    Ok(client.send(request).await?.status())
}
