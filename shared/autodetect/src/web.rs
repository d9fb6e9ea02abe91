//! A small file from a stranger's web server, over a line of our own.
//!
//! Not over the host's HTTP client: that looks names up by itself, so that a name could lead to a
//! permitted address when it is checked and to another one when it is connected to.

use dial::{Dialer, Endpoint, Line, Scheme, Tls};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use wire::{Bytes, Clock, Error, Http, Network, Stream, within};

use crate::address::host_name;

/// Longest time for one exchange.
const EXCHANGE_S: u32 = 4;
/// The most bytes before a body.
const HEAD_MAX_BYTES: usize = 16 << 10;
/// The most header fields; ordinary servers send some twenty.
const FIELDS_MAX: usize = 64;
/// The most bytes of a body; the largest of Mozilla's files has eight thousand.
const BODY_MAX_BYTES: usize = 64 << 10;
/// Redirections that are followed.
const HOPS_MAX: usize = 3;

/// The answer has no length, and TLS did not end as it should.
const CUT: &str = "the answer may have been cut off: it says no length, and the line just ended";

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// The address that answered, after redirections.
    pub(crate) url: String,
}

/// Gets `url`, following redirections; each step is checked as the first one.
pub(crate) async fn get<H: Network + Http + Clock>(
    dialer: &Dialer<'_, H>,
    url: &str,
) -> Result<Page, Error> {
    let mut url = url.to_owned();
    for _ in 0..=HOPS_MAX {
        let page = within(dialer.host, EXCHANGE_S, exchange(dialer, &url)).await?;
        match redirection(&page) {
            Some(next) => url = next,
            None => return Ok(page),
        }
    }
    Err(Error::Http(format!("more than {HOPS_MAX} redirections")))
}

/// Where an answer leads on to.
fn redirection(page: &Page) -> Option<String> {
    if !matches!(page.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = page.headers.get(header::LOCATION)?.to_str().ok()?;
    if location.starts_with('/') && !location.starts_with("//") {
        let base: Uri = page.url.parse().ok()?;
        return Some(format!("https://{}{location}", base.host()?));
    }
    Some(location.to_owned())
}

/// Where `url` is: `https`, a name, the usual port, no login.
fn target(url: &str) -> Option<(Endpoint, String)> {
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?;
    if uri.scheme_str() != Some("https") || authority.as_str().contains('@') {
        return None;
    }
    if authority.port_u16().unwrap_or(443) != 443 || authority.as_str().ends_with(':') {
        return None;
    }
    let host = host_name(authority.host())?;
    // A line knows no scheme: what counts is that TLS comes first.
    let endpoint =
        Endpoint { scheme: Scheme::Imaps, host, port: 443, tls: Tls::Implicit, login: None };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Some((endpoint, if path.is_empty() { "/".to_owned() } else { path.to_owned() }))
}

async fn exchange<H: Network + Http + Clock>(
    dialer: &Dialer<'_, H>,
    url: &str,
) -> Result<Page, Error> {
    let refused = || Error::Http("the address is not one that is followed".to_owned());
    let (endpoint, path) = target(url).ok_or_else(refused)?;
    let mut line = dialer.open(&endpoint).await?.line;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\nUser-Agent: trasloco\r\n\
         Connection: close\r\n\r\n",
        endpoint.host
    );
    line.write(Bytes::from(request)).await?;
    read(&mut line, url).await
}

/// What is known of the end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// More may come.
    Open,
    /// The server said that nothing more comes.
    Said,
    /// The line is gone, and anybody on the way may have cut it.
    Cut,
}

async fn read<S: Stream>(line: &mut Line<S>, url: &str) -> Result<Page, Error> {
    let mut received = Vec::new();
    loop {
        // Many servers hang up without a farewell: an answer that says its length is whole then.
        let chunk = match line.read().await {
            Ok(chunk) => chunk,
            Err(Error::Closed | Error::Tls(_)) if !received.is_empty() => Bytes::new(),
            Err(error) => return Err(error),
        };
        let end = match chunk.is_empty() {
            false => End::Open,
            true if line.said_end() => End::Said,
            true => End::Cut,
        };
        received.extend_from_slice(&chunk);
        if let Some(page) = take(&received, end, url)? {
            return Ok(page);
        }
        if end != End::Open {
            return Err(Error::Closed);
        }
    }
}

/// The whole answer, if it is there: RFC 9112 section 6.3 for a request that ends the connection.
fn take(received: &[u8], end: End, url: &str) -> Result<Option<Page>, Error> {
    let broken = |what: &str| Error::Http(what.to_owned());
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let head_bytes = match response.parse(received) {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) if received.len() > HEAD_MAX_BYTES => {
            return Err(broken("the head of the answer is too long"));
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(Error::Http(error.to_string())),
    };
    let status = response.code.unwrap_or(0);
    let headers = headers(response.headers);
    let rest = received.get(head_bytes..).unwrap_or_default();
    if (100..200).contains(&status) {
        return take(rest, end, url);
    }
    let Some(body) = body(&headers, status, rest, end)? else { return Ok(None) };
    Ok(Some(Page { status, headers, body, url: url.to_owned() }))
}

fn headers(fields: &[httparse::Header<'_>]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(field.value)) {
            headers.append(name, value);
        }
    }
    headers
}

fn body(headers: &HeaderMap, status: u16, rest: &[u8], end: End) -> Result<Option<Vec<u8>>, Error> {
    let too_long = || Error::Http(format!("the answer is longer than {BODY_MAX_BYTES} bytes"));
    let text = |name: header::HeaderName| headers.get(name).and_then(|it| it.to_str().ok());
    let nothing = matches!(status, 204 | 304)
        // Of a refusal or a redirection the head says everything.
        || status != StatusCode::OK.as_u16();
    if nothing {
        return Ok(Some(Vec::new()));
    }
    if text(header::TRANSFER_ENCODING).is_some_and(|it| it.eq_ignore_ascii_case("chunked")) {
        return unchunked(rest);
    }
    let length = text(header::CONTENT_LENGTH).and_then(|it| it.trim().parse::<usize>().ok());
    if length.unwrap_or(rest.len()) > BODY_MAX_BYTES {
        return Err(too_long());
    }
    match length {
        Some(length) => Ok(rest.get(..length).map(<[u8]>::to_vec)),
        None => match end {
            End::Open => Ok(None),
            End::Said => Ok(Some(rest.to_vec())),
            // RFC 9112 section 9.8: such an answer counts as incomplete.
            End::Cut => Err(Error::Http(CUT.to_owned())),
        },
    }
}

/// RFC 9112 section 7.1.
fn unchunked(mut rest: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let broken = || Error::Http("the chunks of the answer are broken".to_owned());
    let mut body = Vec::new();
    // Each turn takes a chunk of at least a byte, and the body has a limit.
    loop {
        let (head_bytes, length) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) if rest.len() > HEAD_MAX_BYTES => return Err(broken()),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(broken()),
        };
        let length = usize::try_from(length).map_err(|_| broken())?;
        if length == 0 {
            return Ok(Some(body));
        }
        if body.len().saturating_add(length) > BODY_MAX_BYTES {
            return Err(Error::Http(format!("the answer is longer than {BODY_MAX_BYTES} bytes")));
        }
        let end = head_bytes.saturating_add(length);
        let Some(chunk) = rest.get(head_bytes..end) else { return Ok(None) };
        body.extend_from_slice(chunk);
        match rest.get(end..end + 2) {
            Some(b"\r\n") => rest = rest.get(end + 2..).unwrap_or_default(),
            Some(_) => return Err(broken()),
            None => return Ok(None),
        }
    }
}

/// For the laws: status and body of the whole answer in `received`, where it is there. `is_open`
/// says that more may come, `is_said` that the server said it had ended.
#[cfg(any(test, fuzzing))]
pub(crate) fn taken(
    received: &[u8],
    is_open: bool,
    is_said: bool,
) -> Result<Option<(u16, Vec<u8>)>, Error> {
    let end = match (is_open, is_said) {
        (true, _) => End::Open,
        (false, true) => End::Said,
        (false, false) => End::Cut,
    };
    let page = take(received, end, "https://a.example/x")?;
    if let Some(url) = page.as_ref().and_then(redirection) {
        let _ = target(&url);
    }
    Ok(page.map(|page| (page.status, page.body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Option<(u16, String)> {
        let page = take(text.as_bytes(), End::Said, "https://a.example/x").unwrap()?;
        Some((page.status, String::from_utf8(page.body).unwrap()))
    }

    #[test]
    fn bodies_in_three_ways_and_any_cut() {
        let counted = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\n\r\n";
        let until_end = "HTTP/1.0 200 OK\r\n\r\nhello";
        let after =
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        for text in [counted, chunked, until_end, after] {
            assert_eq!(whole(text), Some((200, "hello".into())), "{text}");
            for cut in 0..text.len() {
                let cut = &text.as_bytes()[..cut];
                for end in [End::Open, End::Cut] {
                    let page = take(cut, end, "").unwrap_or_default();
                    assert!(page.is_none_or(|page| page.body == b"hello"), "{end:?} of {text}");
                }
            }
        }
    }

    /// Without close_notify, whoever sits on the line could choose where an answer ends.
    #[test]
    fn an_answer_that_may_be_cut_is_refused() {
        let answer = |head: &str, end| {
            let text = format!("HTTP/1.1 200 OK\r\n{head}\r\nhello");
            take(text.as_bytes(), end, "").map(|page| page.map(|page| page.body))
        };
        let hello = Ok(Some(b"hello".to_vec()));
        assert_eq!(answer("", End::Said), hello);
        assert_eq!(answer("", End::Cut), Err(Error::Http(CUT.to_owned())));
        assert_eq!(answer("Content-Length: 5\r\n", End::Cut), hello);
        assert_eq!(answer("Content-Length: 6\r\n", End::Cut), Ok(None));
    }

    #[test]
    fn answers_without_end_are_refused() {
        let refused = |text: String| take(text.as_bytes(), End::Open, "").is_err();
        assert!(refused(format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(HEAD_MAX_BYTES))));
        assert!(refused(format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(FIELDS_MAX + 1))));
        assert!(refused("HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n".into()));
        assert!(refused(format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(BODY_MAX_BYTES + 1))));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(refused(format!("{chunked}fffffffffffffff0\r\n")));
        assert!(refused(format!("{chunked}10001\r\n")));
        assert!(refused(format!("{chunked}1\r\nabc")));
        assert!(refused("220 smtp.example ESMTP\r\n".into()));
    }

    #[test]
    fn only_usual_addresses_are_followed() {
        let found = |url: &str| target(url).map(|(endpoint, path)| (endpoint.host, path));
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
        let page = |location: &str| {
            let text = format!("HTTP/1.1 302 x\r\nLocation: {location}\r\n\r\n");
            redirection(&take(text.as_bytes(), End::Said, "https://a.example/x").unwrap().unwrap())
        };
        assert_eq!(page("/y").as_deref(), Some("https://a.example/y"));
        assert_eq!(page("https://b.example/").as_deref(), Some("https://b.example/"));
        assert_eq!(page("//127.0.0.1/").as_deref(), Some("//127.0.0.1/"));
    }
}
