//! One request to a stranger's web server, over a line of our own.
//!
//! Not over the host's HTTP client: that looks names up by itself, so that a name could lead to a
//! permitted address when it is checked and to another one when it is connected to. The name is
//! resolved once, and exactly what was checked is connected to; a redirection is an answer like any
//! other, and nobody follows it.

use dial::{Dialer, Endpoint, Scheme, Tls};
use http::{Request, StatusCode, Uri, header};
use wire::{Bytes, Clock, Error, Http, Network, Stream};

/// The most bytes before the end of an answer's head; nothing else of an answer is read.
const HEAD_MAX_BYTES: usize = 16 << 10;
/// The most header fields of an answer; ordinary servers send some twenty.
const FIELDS_MAX: usize = 64;

/// Sends `request` and gives the status of the answer.
pub(crate) async fn post<H: Network + Http + Clock>(
    dialer: &Dialer<'_, H>,
    request: Request<Bytes>,
) -> Result<StatusCode, Error> {
    let endpoint = endpoint(request.uri())?;
    let head = head(&request)?;
    let mut line = dialer.open(&endpoint).await?.line;
    line.write(Bytes::from(head)).await?;
    line.write(request.into_body()).await?;
    answered(&mut line).await
}

/// Where a request goes: TLS from the first byte for `https`, none for `http`, which the dialer
/// refuses where the operator does not allow it.
fn endpoint(uri: &Uri) -> Result<Endpoint, Error> {
    let bad = |what: &str| Error::Http(what.to_owned());
    let authority = uri.authority().ok_or_else(|| bad("the address names no server"))?;
    if authority.as_str().contains('@') {
        return Err(bad("a login does not belong in the address"));
    }
    let (scheme, port, tls) = match uri.scheme_str() {
        Some("https") => (Scheme::Imaps, 443, Tls::Implicit),
        Some("http") => (Scheme::Imap, 80, Tls::None),
        _ => return Err(bad("the address is neither https:// nor http://")),
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    // A line knows no scheme of the web: what counts is when TLS begins.
    let port = authority.port_u16().unwrap_or(port);
    Ok(Endpoint { scheme, host, port, tls, login: None })
}

/// The request up to its body (RFC 9112 section 3).
fn head(request: &Request<Bytes>) -> Result<Vec<u8>, Error> {
    let uri = request.uri();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let host = uri.authority().map(|it| it.as_str()).unwrap_or_default();
    let mut head = format!("{} {path} HTTP/1.1\r\nHost: {host}\r\n", request.method()).into_bytes();
    for (name, value) in request.headers() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    let close = format!("{}: close\r\n\r\n", header::CONNECTION);
    head.extend_from_slice(close.as_bytes());
    Ok(head)
}

/// The status of the final answer.
async fn answered(line: &mut impl Stream) -> Result<StatusCode, Error> {
    let mut received = Vec::new();
    loop {
        let chunk = line.read().await?;
        if chunk.is_empty() {
            return Err(Error::Closed);
        }
        received.extend_from_slice(&chunk);
        if let Some(status) = status(&received)? {
            return Ok(status);
        }
    }
}

/// The status, if the head of the final answer is there.
fn status(received: &[u8]) -> Result<Option<StatusCode>, Error> {
    let mut rest = received;
    // Each turn takes an answer's head, of which there are only so many bytes.
    loop {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut fields);
        let bytes = match response.parse(rest) {
            Ok(httparse::Status::Complete(bytes)) => bytes,
            Ok(httparse::Status::Partial) if received.len() > HEAD_MAX_BYTES => {
                return Err(Error::Http("the head of the answer is too long".to_owned()));
            }
            Ok(httparse::Status::Partial) => return Ok(None),
            // Not in its words: whoever answers is perhaps no web server.
            Err(_) => return Err(Error::Http("no web server answers there".to_owned())),
        };
        let code = response.code.unwrap_or(0);
        if !(100..200).contains(&code) {
            let wrong = |_| Error::Http("no web server answers there".to_owned());
            return StatusCode::from_u16(code).map(Some).map_err(wrong);
        }
        rest = rest.get(bytes..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_in_any_cut() {
        let text =
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 410 Gone\r\nA: b\r\n\r\nmore";
        for cut in 0..text.len() - 4 {
            assert_eq!(status(&text[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(status(text), Ok(Some(StatusCode::GONE)));
        assert!(status(b"220 smtp.example ESMTP\r\n").is_err());
        let endless = [b"HTTP/1.1 200 OK\r\nA: ".to_vec(), vec![b'x'; HEAD_MAX_BYTES]].concat();
        assert!(status(&endless).is_err());
        let hints = b"HTTP/1.1 100 x\r\n\r\n".repeat(HEAD_MAX_BYTES / 18 + 2);
        assert!(status(&hints).is_err());
    }

    #[test]
    fn where_and_what() {
        let found = |url: &str| {
            let endpoint = endpoint(&url.parse().unwrap())?;
            Ok::<_, Error>((endpoint.host, endpoint.port, endpoint.tls))
        };
        assert_eq!(
            found("https://Hook.example/x"),
            Ok(("hook.example".into(), 443, Tls::Implicit))
        );
        assert_eq!(
            found("https://hook.example.:8443"),
            Ok(("hook.example".into(), 8443, Tls::Implicit))
        );
        assert_eq!(found("http://[::1]/x"), Ok(("::1".into(), 80, Tls::None)));
        for wrong in ["ftp://a.example/", "/x", "https://a@b.example/"] {
            assert!(found(wrong).is_err(), "{wrong}");
        }
        let request = Request::post("https://a.example:8443/x?y=z").header("k", "v");
        let head = head(&request.body(Bytes::new()).unwrap()).unwrap();
        let text =
            "POST /x?y=z HTTP/1.1\r\nHost: a.example:8443\r\nk: v\r\nconnection: close\r\n\r\n";
        assert_eq!(String::from_utf8(head).unwrap(), text);
    }
}
