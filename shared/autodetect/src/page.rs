//! A small file from a stranger's web server, over a line of `dial`.

use dial::{Dialer, Web};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use web::{Client, Next, Redirects, Request, Scheme, Url};
use wire::{Clock, Error, Http, Network, within};

use crate::address::host_name;

/// Longest time for one exchange.
const EXCHANGE_S: u32 = 4;
/// The most bytes of a body; the largest of Mozilla's files has eight thousand.
const BODY_MAX_BYTES: usize = 64 << 10;
/// Redirections that are followed, each checked as the first address.
const REDIRECTS: Redirects<'static> = Redirects::Where { hops_max: 3, allows: &is_followed };

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Of status 200 alone: of a refusal or a redirection the head says everything.
    pub(crate) body: Vec<u8>,
    /// The address that answered, after redirections.
    pub(crate) url: String,
}

/// Gets `url`, following redirections; each step has a line and a time of its own.
pub(crate) async fn get<H: Network + Http + Clock>(
    dialer: &Dialer<'_, H>,
    url: &str,
) -> Result<Page, Error> {
    let refused = || Error::Http("the address is not one that is followed".to_owned());
    let mut url = Url::parse(url).ok().filter(is_followed).ok_or_else(refused)?;
    let mut hops = 0;
    // Each turn is a redirection, and they have a limit.
    loop {
        let page = within(dialer.host, EXCHANGE_S, exchange(dialer, &url)).await?;
        let status = StatusCode::from_u16(page.status).unwrap_or(StatusCode::OK);
        match web::next(&REDIRECTS, (&Method::GET, &url), (status, &page.headers), hops)? {
            Next::Here => return Ok(page),
            Next::Again(to) | Next::Get(to) => url = to,
        }
        hops += 1;
    }
}

/// Whether an address is one that strangers may lead to: `https`, a name, the usual port.
fn is_followed(url: &Url) -> bool {
    let origin = url.origin();
    origin.scheme == Scheme::Https
        && origin.port == Scheme::Https.default_port()
        && host_name(&origin.host).as_ref() == Some(&origin.host)
}

async fn exchange<H: Network + Http + Clock>(
    dialer: &Dialer<'_, H>,
    url: &Url,
) -> Result<Page, Error> {
    let client = Client::new(Web(dialer), 1);
    let request = Request::new(Method::GET, url.clone())
        .header(header::ACCEPT, HeaderValue::from_static("*/*"))
        .header(header::CONNECTION, HeaderValue::from_static("close"));
    let answer = client.send(request).await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = match status {
        StatusCode::OK => answer.collect(BODY_MAX_BYTES).await?,
        _ => Vec::new(),
    };
    Ok(Page { status: status.as_u16(), headers, body, url: url.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_usual_addresses_are_followed() {
        let found = |url: &str| {
            let url = Url::parse(url).ok().filter(is_followed)?;
            Some((url.host().to_owned(), url.target()))
        };
        let expected = Some(("a.example".to_owned(), "/x?y=z".to_owned()));
        assert_eq!(found("https://A.example/x?y=z"), expected);
        assert_eq!(found("https://a.example:443/x?y=z"), expected);
        for wrong in [
            "http://a.example/",
            "https://a.example:8443/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://2130706433/",
            "https://localhost/",
            "https://a@b.example/",
            "ftp://a.example/",
            "https://169.254.169.254/latest/",
            "/x",
            "",
            "https://a.example:/",
        ] {
            assert_eq!(found(wrong), None, "{wrong}");
        }
        let led = |location: &str| {
            let mut headers = HeaderMap::new();
            headers.append(header::LOCATION, location.parse().unwrap());
            let base = Url::parse("https://a.example/x").unwrap();
            let found = (StatusCode::FOUND, &headers);
            match web::next(&REDIRECTS, (&Method::GET, &base), found, 0) {
                Ok(Next::Again(to)) => Some(to.to_string()),
                _ => None,
            }
        };
        assert_eq!(led("/y").as_deref(), Some("https://a.example/y"));
        assert_eq!(led("https://b.example/").as_deref(), Some("https://b.example/"));
        for wrong in ["//127.0.0.1/", "https://2130706433/", "http://a.example/", "//b.example:1/"]
        {
            assert_eq!(led(wrong), None, "{wrong}");
        }
    }
}
