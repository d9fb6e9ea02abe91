//! A request as a value.

use futures::stream::LocalBoxStream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use wire::Bytes;

use crate::auth::Login;
use crate::redirect::Redirects;
use crate::{Error, Url};

/// The body of a request.
pub enum Body<'b> {
    /// None.
    Empty,
    /// All of it; may be sent a second time.
    Whole(Bytes),
    /// Read while it is sent, once.
    Streamed {
        /// Its length in bytes, where that is known; otherwise it goes out in chunks
        /// (RFC 9112 section 7.1), which some old servers refuse.
        length: Option<u64>,
        /// What reads it; empty pieces are passed over.
        pieces: LocalBoxStream<'b, Result<Bytes, wire::Error>>,
    },
}

/// Whether a request may be sent a second time where the line broke before the answer. It is
/// sent again once, on a new line, and only after a line that was used before: servers close
/// those whenever they like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Repeat {
    /// Where the method says that twice is the same as once (RFC 9110 section 9.2.2, RFC 4918) and
    /// no condition makes the second answer another one.
    #[default]
    ByMethod,
    /// Always: the caller knows that the server recognises it.
    Always,
    /// Never.
    Never,
}

/// Whether the answer may come compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Coding {
    /// No; a `Content-Encoding` that comes all the same is the caller's business.
    #[default]
    Plain,
    /// gzip and deflate are asked for and taken off (RFC 9110 section 8.4.1).
    Decoded,
}

/// A request, and what may be done for it.
pub struct Request<'b> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body<'b>,
    pub(crate) repeat: Repeat,
    pub(crate) coding: Coding,
    pub(crate) redirects: Redirects<'b>,
    pub(crate) login: Option<&'b Login>,
}

/// Fields that the client writes itself, or whose consequences it does not bear.
const OWN_FIELDS: [HeaderName; 8] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::EXPECT,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::ACCEPT_ENCODING,
];

/// Longest method; the longest registered one has 17 letters.
const METHOD_MAX_BYTES: usize = 32;

impl<'b> Request<'b> {
    /// A request without body and headers, which follows nothing and has no login.
    pub fn new(method: Method, url: Url) -> Request<'b> {
        Request {
            method,
            url,
            headers: HeaderMap::new(),
            body: Body::Empty,
            repeat: Repeat::default(),
            coding: Coding::default(),
            redirects: Redirects::None,
            login: None,
        }
    }

    /// Adds a header field.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// With this body.
    pub fn body(mut self, body: Body<'b>) -> Self {
        self.body = body;
        self
    }

    /// With this rule for trying again.
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// With this rule for compression.
    pub fn coding(mut self, coding: Coding) -> Self {
        self.coding = coding;
        self
    }

    /// With these rules for redirections.
    pub fn redirects(mut self, redirects: Redirects<'b>) -> Self {
        self.redirects = redirects;
        self
    }

    /// Logs in where the server asks for it; only at the origin that `login` is for.
    pub fn login(mut self, login: &'b Login) -> Self {
        self.login = Some(login);
        self
    }

    /// What is asked for.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Where it goes.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Refuses what this client does not send.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let method = self.method.as_str();
        if self.method == Method::CONNECT || method.len() > METHOD_MAX_BYTES {
            return Err(Error::Request(format!("the method {method:.40} is not spoken here")));
        }
        match OWN_FIELDS.iter().find(|name| self.headers.contains_key(*name)) {
            Some(name) => Err(Error::Request(format!("the field {name} is the client's own"))),
            None => Ok(()),
        }
    }

    /// Whether the body can be sent from its start.
    pub(crate) fn is_repeatable(&self) -> bool {
        match self.body {
            Body::Empty | Body::Whole(_) => true,
            Body::Streamed { .. } => false,
        }
    }

    /// Whether the caller lets it be sent again without knowing whether it arrived.
    pub(crate) fn may_repeat(&self) -> bool {
        match self.repeat {
            Repeat::Never => false,
            Repeat::Always => true,
            Repeat::ByMethod => is_safe(&self.method) || self.is_plainly_idempotent(),
        }
    }

    /// A second `PUT` with `If-None-Match: *` is refused because of the first: the caller would
    /// take its own item for a stranger's. So conditions end the trying.
    fn is_plainly_idempotent(&self) -> bool {
        let conditions = [
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::IF_UNMODIFIED_SINCE,
            HeaderName::from_static("if"),
            HeaderName::from_static("overwrite"),
        ];
        const IDEMPOTENT: [&str; 8] =
            ["PUT", "DELETE", "PROPPATCH", "MKCOL", "MKCALENDAR", "COPY", "UNLOCK", "ACL"];
        IDEMPOTENT.contains(&self.method.as_str())
            && !conditions.iter().any(|name| self.headers.contains_key(name))
    }
}

/// Whether a method only asks (RFC 9110 section 9.2.1, RFC 4918 section 9.1, RFC 3253 section 3.6,
/// RFC 5323).
fn is_safe(method: &Method) -> bool {
    let name = method.as_str();
    ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str) -> Request<'static> {
        let url = Url::parse("https://a.example/").unwrap();
        Request::new(Method::from_bytes(method.as_bytes()).unwrap(), url)
    }

    #[test]
    fn what_may_be_sent_twice() {
        for method in ["GET", "HEAD", "PROPFIND", "REPORT", "PUT", "DELETE", "MKCOL"] {
            assert!(request(method).may_repeat(), "{method}");
            assert!(!request(method).repeat(Repeat::Never).may_repeat(), "{method}");
        }
        for method in ["POST", "PATCH", "MOVE", "LOCK", "X"] {
            assert!(!request(method).may_repeat(), "{method}");
            assert!(request(method).repeat(Repeat::Always).may_repeat(), "{method}");
        }
        let any = HeaderValue::from_static("*");
        let asked = request("GET").header(header::IF_NONE_MATCH, any.clone());
        assert!(asked.may_repeat());
        for name in [header::IF_NONE_MATCH, header::IF_MATCH] {
            assert!(!request("PUT").header(name, any.clone()).may_repeat());
        }
    }

    #[test]
    fn what_is_not_sent() {
        assert_eq!(request("PROPFIND").check(), Ok(()));
        assert!(request("CONNECT").check().is_err());
        assert!(request(&"X".repeat(33)).check().is_err());
        for name in OWN_FIELDS {
            let value = HeaderValue::from_static("1");
            assert!(request("GET").header(name, value).check().is_err());
        }
    }
}
