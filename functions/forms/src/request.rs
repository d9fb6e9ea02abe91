//! What comes in: query, form fields, cookies, where it was sent from.

use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use crate::refusals::{Code, Refusal};

/// The most bytes of a body; a form or a JSON object has no reason for more.
pub const BODY_MAX_BYTES: usize = 256 << 10;
/// How long a body may take to arrive; the slowest telephone line needs less for one of ours.
const BODY_TIMEOUT_S: u32 = 30;
/// The same for a table: some rows of text at that speed, or pictures at a better one.
const TABLE_TIMEOUT_S: u32 = 120;
/// The most fields of a query or a form; a project's options have two for each wave.
const FIELDS_MAX: usize = 300;
/// The most bytes of a query that are read.
const QUERY_MAX_BYTES: usize = 8 << 10;

/// A request without its body.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method; `HEAD` is taken for `GET` by whoever made this.
    pub method: Method,
    /// The path, not decoded: no path of ours has anything to decode.
    pub path: String,
    /// The query's fields, decoded.
    pub query: Vec<(String, String)>,
    /// The header fields.
    pub headers: HeaderMap,
    /// Scheme and authority the client sees, such as `https://mail.example.org`.
    pub origin: String,
    /// Whether browsers reach this installation by TLS, as `public_url` or a proxy says.
    pub secure: bool,
}

impl Request {
    /// The most bytes of the body, and the most seconds it may take to arrive. An import is a
    /// table; nothing else is larger than a form.
    pub fn body_limits(&self) -> (usize, u32) {
        match self.table_for() {
            Some(_) => (tables::grid::FILE_MAX_BYTES, TABLE_TIMEOUT_S),
            None => (BODY_MAX_BYTES, BODY_TIMEOUT_S),
        }
    }

    /// The project that a table is sent to.
    pub fn table_for(&self) -> Option<&str> {
        if self.method == Method::GET {
            return None;
        }
        let projects = ["/projects/", "/api/v1/projects/"];
        let rest = projects.iter().find_map(|start| self.path.strip_prefix(start))?;
        let mut ends = ["/import", "/retry"].iter();
        let id = ends.find_map(|end| rest.strip_suffix(end))?;
        (!id.contains('/')).then_some(id)
    }

    /// A field of the query; the first of its name.
    pub fn asked(&self, name: &str) -> Option<&str> {
        value(&self.query, name)
    }

    /// A header field as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The token of a request that brings one (RFC 6750 section 2.1).
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// Where a page of failures begins.
    pub fn after(&self) -> Result<u64, Refusal> {
        match self.asked("after") {
            None => Ok(0),
            Some(text) => text.parse().map_err(|_| {
                let detail = "The parameter after must be a whole number.";
                Refusal::because(Code::InvalidInput, detail)
            }),
        }
    }

    /// A cookie (RFC 6265 section 5.4).
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.header("cookie")?.split(';').take(FIELDS_MAX);
        pairs
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// The media type without parameters, in lower case.
    pub fn media_type(&self) -> String {
        let whole = self.header("content-type").unwrap_or_default();
        whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Refuses what a browser sends on behalf of another site. Programs send neither field.
    pub fn check_site(&self) -> Result<(), Refusal> {
        if self.method == Method::GET || self.method == Method::OPTIONS {
            return Ok(());
        }
        // Browsers say it themselves (Fetch Metadata); older ones send at least Origin.
        if let Some(site) = self.header("sec-fetch-site") {
            let ours = matches!(site, "same-origin" | "none");
            return if ours { Ok(()) } else { Err(Refusal::of(Code::CrossSite)) };
        }
        let Some(origin) = self.header("origin") else { return Ok(()) };
        let host =
            |address: &str| address.split_once("://").map(|(_, host)| host.to_ascii_lowercase());
        if host(origin).is_some() && host(origin) == host(&self.origin) {
            Ok(())
        } else {
            Err(Refusal::of(Code::CrossSite))
        }
    }
}

/// The first value of that name.
pub fn value<'f>(fields: &'f [(String, String)], name: &str) -> Option<&'f str> {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Reads `application/x-www-form-urlencoded`; what is beyond the limits is left out.
pub fn fields(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).take(FIELDS_MAX);
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// The fields of a query; nothing where it is longer than any of ours.
pub fn query(text: &str) -> Vec<(String, String)> {
    if text.len() > QUERY_MAX_BYTES { Vec::new() } else { fields(text) }
}

/// Decodes `%XX` and `+`; what is no UTF-8 becomes U+FFFD, what is no hexadecimal stays.
fn decode(text: &str) -> String {
    // Room for all of it from the start: growing would leave copies of passwords behind.
    let mut bytes = Vec::with_capacity(text.len());
    for (at, part) in text.split('+').enumerate() {
        bytes.extend((at > 0).then_some(b' '));
        bytes.extend(percent_decode_str(part));
    }
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_forms() {
        let pairs = |text| {
            fields(text).into_iter().map(|(a, b)| format!("{a}={b}")).collect::<Vec<_>>().join("|")
        };
        for (text, expected) in [
            ("", ""),
            ("a=1&b=%C3%A4+%2b&c", "a=1|b=ä +|c="),
            ("a=%&b=%4&c=%zz", "a=%|b=%4|c=%zz"),
            ("a=%ff", "a=\u{fffd}"),
            ("a=b=c&&a=2", "a=b=c|a=2"),
        ] {
            assert_eq!(pairs(text), expected);
        }
        assert_eq!(fields(&"a&".repeat(10_000)).len(), FIELDS_MAX);
    }

    fn request(method: Method, headers: &[(&'static str, &'static str)]) -> Request {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let origin = "http://here.example:3000".to_owned();
        let path = "/new".into();
        Request { method, path, query: vec![], headers: map, origin, secure: false }
    }

    #[test]
    fn other_sites_are_refused() {
        for (headers, good) in [
            (&[][..], true),
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://else.example")], true),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("origin", "http://HERE.example:3000")], true),
            (&[("origin", "http://here.example")], false),
            (&[("origin", "null")], false),
        ] {
            assert_eq!(request(Method::POST, headers).check_site().is_ok(), good, "{headers:?}");
            assert_eq!(request(Method::DELETE, headers).check_site().is_ok(), good);
            assert!(request(Method::GET, headers).check_site().is_ok());
        }
    }

    #[test]
    fn only_an_import_is_large() {
        let limit = |path: &str| {
            let path = path.to_owned();
            Request { path, ..request(Method::POST, &[]) }.body_limits().0
        };
        for path in ["/api/v1/projects/abc/import", "/projects/abc/import", "/projects/abc/retry"] {
            assert_eq!(limit(path), tables::grid::FILE_MAX_BYTES);
        }
        for path in ["/api/v1/projects/abc/migrations", "/projects/a/b/import", "/import", "/new"] {
            assert_eq!(limit(path), BODY_MAX_BYTES);
        }
    }

    #[test]
    fn cookies() {
        let request = request(Method::GET, &[("cookie", "a=1; lang=it;b")]);
        assert_eq!((request.cookie("lang"), request.cookie("b")), (Some("it"), None));
    }
}
