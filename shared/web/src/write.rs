//! Writing a request, RFC 9112 sections 3, 6 and 7. Pure: values in, bytes out.

use http::{HeaderMap, HeaderValue, Method, header};
use ureq_proto::client::state::SendBody;
use ureq_proto::client::{Call, SendRequestResult};
use wire::Bytes;

use crate::request::{Body, Coding, Request};
use crate::{Error, Url};

/// The most bytes of a head that is sent; servers refuse more than 8 to 64 KiB.
const HEAD_MAX_BYTES: usize = 64 << 10;
/// Bytes of a first line and a field beyond their texts: version, blanks, colon, line ends.
const LINE_OVERHEAD: usize = 64;
/// What a chunk costs at most beside its bytes, and how many bytes the library puts in one.
const CHUNK_OVERHEAD: usize = 16;
const CHUNK_BYTES: usize = 10 << 10;
/// Who asks.
const USER_AGENT: HeaderValue = HeaderValue::from_static("trasloco");

/// Turns the pieces of a body into what goes onto the line.
pub(crate) struct Writer {
    /// None once the body is whole, or where there is none.
    call: Option<Call<SendBody>>,
}

/// The head of `request`, with `authorization` where there is one, and what writes its body.
pub(crate) fn head(
    request: &Request<'_>,
    authorization: Option<HeaderValue>,
) -> Result<(Bytes, Writer), Error> {
    request.check()?;
    let headers = fields(request, authorization);
    let bytes = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    let bytes: usize = bytes.map(|bytes| bytes + LINE_OVERHEAD).sum();
    let bytes = bytes + request.url.target().len() + request.url.host().len() + 4 * LINE_OVERHEAD;
    if bytes > HEAD_MAX_BYTES {
        return Err(Error::Request(format!("its head is longer than {HEAD_MAX_BYTES} bytes")));
    }
    write(&request.method, &request.url, headers, bytes)
}

fn fields(request: &Request<'_>, authorization: Option<HeaderValue>) -> HeaderMap {
    let mut headers = request.headers.clone();
    if let Some(mut value) = authorization {
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
    if request.coding == Coding::Decoded {
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"));
    }
    let length = match &request.body {
        // RFC 9110 section 8.6: said where a body would be expected.
        Body::Empty => ["POST", "PUT", "PATCH"].contains(&request.method.as_str()).then_some(0),
        Body::Whole(bytes) => u64::try_from(bytes.len()).ok(),
        Body::Streamed { length, .. } => *length,
    };
    match (&request.body, length) {
        (_, Some(length)) => {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        (Body::Streamed { .. }, None) => {
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        (Body::Empty | Body::Whole(_), None) => {}
    }
    headers
}

fn write(
    method: &Method,
    url: &Url,
    headers: HeaderMap,
    bytes: usize,
) -> Result<(Bytes, Writer), Error> {
    let bad = |error: ureq_proto::Error| Error::Request(error.to_string());
    let mut request = http::Request::new(());
    *request.method_mut() = method.clone();
    *request.uri_mut() = url.uri().clone();
    *request.headers_mut() = headers;
    let mut call = Call::new(request).map_err(bad)?;
    call.allow_non_standard_methods(true);
    // GET and the like have a body only where the caller gave them one.
    call.force_send_body();
    let mut call = call.proceed();
    let mut head = vec![0; bytes];
    let n_bytes = call.write(&mut head).map_err(bad)?;
    head.truncate(n_bytes);
    let call = match call.proceed().map_err(bad)? {
        Some(SendRequestResult::SendBody(call)) => Some(call),
        Some(SendRequestResult::RecvResponse(_)) => None,
        Some(SendRequestResult::Await100(_)) | None => {
            return Err(Error::Request("its head cannot be written".to_owned()));
        }
    };
    Ok((head.into(), Writer { call }))
}

impl Writer {
    /// What goes onto the line for a piece of the body.
    pub(crate) fn piece(&mut self, piece: Bytes) -> Result<Bytes, Error> {
        if piece.is_empty() {
            return Ok(piece);
        }
        let longer = || Error::Request("its body is longer than was announced".to_owned());
        let call = self.call.as_mut().ok_or_else(longer)?;
        if !call.is_chunked() {
            call.consume_direct_write(piece.len()).map_err(|_| longer())?;
            return Ok(piece);
        }
        let n_chunks = piece.len() / CHUNK_BYTES + 2;
        let mut output = vec![0; piece.len() + n_chunks * CHUNK_OVERHEAD];
        let (mut used, mut filled) = (0, 0);
        // Each turn takes some of the piece, or fails.
        while let Some(rest) = piece.get(used..).filter(|rest| !rest.is_empty()) {
            let room = output.get_mut(filled..).unwrap_or_default();
            let (taken, written) =
                call.write(rest, room).map_err(|error| Error::Request(error.to_string()))?;
            if taken == 0 {
                return Err(Error::Request("its body cannot be written".to_owned()));
            }
            (used, filled) = (used + taken, filled + written);
        }
        output.truncate(filled);
        Ok(output.into())
    }

    /// What goes onto the line after the last piece.
    pub(crate) fn end(&mut self) -> Result<Bytes, Error> {
        let Some(mut call) = self.call.take() else { return Ok(Bytes::new()) };
        let mut last = vec![0; CHUNK_OVERHEAD];
        if !call.is_chunked() {
            return match call.can_proceed() {
                true => Ok(Bytes::new()),
                false => Err(Error::Request("its body is shorter than was announced".to_owned())),
            };
        }
        let (_, written) =
            call.write(&[], &mut last).map_err(|error| Error::Request(error.to_string()))?;
        last.truncate(written);
        Ok(last.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt as _;
    use futures::stream;

    fn text(request: &Request<'_>) -> String {
        let (head, _) = head(request, None).unwrap();
        String::from_utf8(head.to_vec()).unwrap()
    }

    fn request(method: &'static str, url: &str) -> Request<'static> {
        Request::new(Method::from_bytes(method.as_bytes()).unwrap(), Url::parse(url).unwrap())
    }

    fn streamed(length: Option<u64>) -> Body<'static> {
        Body::Streamed { length, pieces: stream::empty().boxed_local() }
    }

    #[test]
    fn heads() {
        let name = http::HeaderName::from_static("k");
        let get = request("GET", "https://a.example:8443/x?y=z")
            .header(name, HeaderValue::from_static("v"));
        assert_eq!(
            text(&get),
            "GET /x?y=z HTTP/1.1\r\nhost: a.example:8443\r\nk: v\r\nuser-agent: trasloco\r\n\r\n"
        );
        for (url, host) in [
            ("https://a.example:443", "a.example"),
            ("http://a.example:80", "a.example"),
            ("http://a.example:443", "a.example:443"),
            ("http://[::1]:8080", "[::1]:8080"),
        ] {
            assert!(text(&request("GET", url)).contains(&format!("\r\nhost: {host}\r\n")), "{url}");
        }
        let post = request("POST", "https://a.example/").body(Body::Whole("hello".into()));
        assert!(text(&post).contains("content-length: 5\r\n"));
        assert!(text(&request("POST", "https://a.example/")).contains("content-length: 0\r\n"));
        assert!(!text(&request("GET", "https://a.example/")).contains("content-length"));
        let report = request("REPORT", "https://a.example/").body(Body::Whole("x".into()));
        assert!(text(&report).starts_with("REPORT / HTTP/1.1\r\n"));
        let put = request("PUT", "https://a.example/").body(streamed(Some(7)));
        assert!(text(&put).contains("content-length: 7\r\n"));
        let put = request("PUT", "https://a.example/").body(streamed(None));
        assert!(text(&put).contains("transfer-encoding: chunked\r\n"));
        let coded = request("GET", "https://a.example/").coding(Coding::Decoded);
        assert!(text(&coded).contains("accept-encoding: gzip, deflate\r\n"));
    }

    #[test]
    fn a_head_has_an_end() {
        let name = http::HeaderName::from_static("k");
        let long = HeaderValue::from_str(&"v".repeat(HEAD_MAX_BYTES)).unwrap();
        let long = request("GET", "https://a.example/").header(name, long);
        assert!(matches!(head(&long, None), Err(Error::Request(_))));
    }

    #[test]
    fn bodies_have_the_announced_length() {
        let put = |length| head(&request("PUT", "https://a.example/").body(streamed(length)), None);
        let mut writer = put(Some(5)).unwrap().1;
        assert_eq!(writer.piece("hel".into()), Ok("hel".into()));
        assert!(writer.end().is_err(), "shorter");
        let mut writer = put(Some(5)).unwrap().1;
        assert_eq!(writer.piece("hello".into()), Ok("hello".into()));
        assert!(writer.piece("!".into()).is_err(), "longer");
        assert_eq!(writer.end(), Ok(Bytes::new()));
        let mut empty = put(Some(0)).unwrap().1;
        assert!(empty.piece("!".into()).is_err());
        assert_eq!(empty.end(), Ok(Bytes::new()));
    }

    #[test]
    fn chunks_of_any_size() {
        for length in [1, 15, 16, 17, CHUNK_BYTES, CHUNK_BYTES + 1, 100_000] {
            let put = request("PUT", "https://a.example/").body(streamed(None));
            let mut writer = head(&put, None).unwrap().1;
            let body: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            assert_eq!(writer.piece(Bytes::new()), Ok(Bytes::new()));
            let mut sent = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            sent.extend_from_slice(&writer.piece(body.clone().into()).unwrap());
            sent.extend_from_slice(&writer.end().unwrap());
            // What we write, we read.
            let (_, read) = crate::laws::whole(&sent, &Method::GET).unwrap().unwrap();
            assert_eq!(read, body, "{length}");
        }
    }
}
