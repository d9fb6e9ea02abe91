//! Redirections, RFC 9110 section 15.4: where an answer leads, and what is asked there.

use http::{HeaderMap, HeaderName, Method, StatusCode, header};

use crate::request::{Body, Request};
use crate::url::Scheme;
use crate::{Error, Url};

/// Which redirections are followed. Whatever the rule is, none leads from `https` to `http`, and no
/// log-in goes along to another origin.
#[derive(Clone, Copy, Default)]
pub enum Redirects<'r> {
    /// None: the caller gets the answer that redirects.
    #[default]
    None,
    /// Those to the same scheme, host and port.
    SameOrigin {
        /// At most so many, one after the other.
        hops_max: u32,
    },
    /// Those that `allows` an address.
    Where {
        /// At most so many, one after the other.
        hops_max: u32,
        /// Whether this address is followed.
        allows: &'r dyn Fn(&Url) -> bool,
    },
}

/// What follows from an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It is the answer.
    Here,
    /// The same question is asked there.
    Again(Url),
    /// GET is asked there, without the body.
    Get(Url),
}

/// What follows from an answer with `status` and `headers` to `method` at `url`.
///
/// # Errors
/// [`Error::Redirected`] where it leads to what `rules` do not follow: that is not the answer to
/// what was asked.
pub fn next(
    rules: &Redirects<'_>,
    (method, url): (&Method, &Url),
    (status, headers): (StatusCode, &HeaderMap),
    hops: u32,
) -> Result<Next, Error> {
    let Some(how) = how(status, method) else { return Ok(Next::Here) };
    let hops_max = match rules {
        Redirects::None => return Ok(Next::Here),
        Redirects::SameOrigin { hops_max } | Redirects::Where { hops_max, .. } => *hops_max,
    };
    let refused = |what: &str| Error::Redirected(what.to_owned());
    // Without a place it is an answer like any other.
    let Some(location) = headers.get(header::LOCATION) else { return Ok(Next::Here) };
    let location =
        std::str::from_utf8(location.as_bytes()).map_err(|_| refused("it cannot be read"))?;
    let to = url.join(location).map_err(|_| refused("it is no address of the web"))?;
    if hops >= hops_max {
        return Err(refused(&format!("more than {hops_max} redirections")));
    }
    if url.origin().scheme == Scheme::Https && to.origin().scheme == Scheme::Http {
        return Err(refused(&format!("{} without TLS", to.host())));
    }
    let allowed = match rules {
        Redirects::None => false,
        Redirects::SameOrigin { .. } => to.origin() == url.origin(),
        Redirects::Where { allows, .. } => allows(&to),
    };
    match (allowed, how) {
        (false, _) => Err(refused(to.host())),
        (true, How::Again) => Ok(Next::Again(to)),
        (true, How::Get) => Ok(Next::Get(to)),
    }
}

enum How {
    Again,
    Get,
}

/// 301 and 302 make a POST a GET, as every browser does; all other methods stay, so that PROPFIND
/// asks the same where a server has moved (RFC 6764 section 5). 303 makes everything a GET.
fn how(status: StatusCode, method: &Method) -> Option<How> {
    match status.as_u16() {
        301 | 302 if *method == Method::POST => Some(How::Get),
        303 if *method != Method::HEAD => Some(How::Get),
        301 | 302 | 303 | 307 | 308 => Some(How::Again),
        _ => None,
    }
}

/// Turns `request` into the one that is asked next. What is secret stays at its origin.
pub(crate) fn follow(request: &mut Request<'_>, next: Next) -> Result<(), Error> {
    let to = match next {
        Next::Here => return Ok(()),
        Next::Again(to) => {
            if !request.is_repeatable() {
                return Err(Error::Redirected("the body cannot be sent a second time".to_owned()));
            }
            to
        }
        Next::Get(to) => {
            request.method = Method::GET;
            request.body = Body::Empty;
            let about_body = |name: &&HeaderName| name.as_str().starts_with("content-");
            let names: Vec<HeaderName> =
                request.headers.keys().filter(about_body).cloned().collect();
            for name in names {
                request.headers.remove(name);
            }
            to
        }
    };
    if to.origin() != request.url.origin() {
        for name in [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION] {
            request.headers.remove(name);
        }
    }
    request.url = to;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn led(rules: &Redirects<'_>, method: &str, status: u16, to: &str) -> Result<Next, Error> {
        let mut headers = HeaderMap::new();
        headers.append(header::LOCATION, HeaderValue::from_bytes(to.as_bytes()).unwrap());
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let asked = (&method, &url("https://a.example/x"));
        next(rules, asked, (StatusCode::from_u16(status).unwrap(), &headers), 1)
    }

    const SAME: Redirects<'static> = Redirects::SameOrigin { hops_max: 2 };
    const ALL: Redirects<'static> = Redirects::Where { hops_max: 2, allows: &|_| true };

    #[test]
    fn methods() {
        let there = || url("https://a.example/y");
        for (method, status, then) in [
            ("GET", 301, Next::Again(there())),
            ("PROPFIND", 301, Next::Again(there())),
            ("PROPFIND", 302, Next::Again(there())),
            ("POST", 301, Next::Get(there())),
            ("POST", 302, Next::Get(there())),
            ("PUT", 303, Next::Get(there())),
            ("HEAD", 303, Next::Again(there())),
            ("POST", 307, Next::Again(there())),
            ("POST", 308, Next::Again(there())),
            ("GET", 300, Next::Here),
            ("GET", 304, Next::Here),
            ("GET", 305, Next::Here),
            ("GET", 200, Next::Here),
        ] {
            assert_eq!(led(&SAME, method, status, "/y"), Ok(then), "{method} {status}");
        }
    }

    #[test]
    fn places() {
        assert_eq!(led(&Redirects::None, "GET", 302, "/y"), Ok(Next::Here));
        assert_eq!(led(&SAME, "GET", 302, "y?z"), Ok(Next::Again(url("https://a.example/y?z"))));
        let elsewhere = "https://b.example/";
        assert_eq!(led(&SAME, "GET", 302, elsewhere), Err(Error::Redirected("b.example".into())));
        assert_eq!(led(&ALL, "GET", 302, elsewhere), Ok(Next::Again(url(elsewhere))));
        for refused in [
            "http://a.example/",
            "//a.example:x/",
            "ftp://a.example/",
            "https://anna:pw@a.example/",
            "javascript:alert(1)",
            "https://a.example:8443/",
        ] {
            let result = led(&SAME, "GET", 302, refused);
            assert!(matches!(result, Err(Error::Redirected(_))), "{refused} {result:?}");
        }
        let mut headers = HeaderMap::new();
        let asked = (&Method::GET, &url("https://a.example/x"));
        let found = StatusCode::FOUND;
        assert_eq!(next(&ALL, asked, (found, &headers), 0), Ok(Next::Here));
        headers.append(header::LOCATION, "/y".parse().unwrap());
        assert!(next(&ALL, asked, (found, &headers), 2).is_err(), "an end is reached");
    }

    #[test]
    fn what_goes_along() {
        let request = || {
            let post = Request::new(Method::POST, url("https://a.example/x"));
            let post = post.header(header::AUTHORIZATION, HeaderValue::from_static("secret"));
            let post = post.header(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
            post.body(Body::Whole("<x/>".into()))
        };
        let mut same = request();
        follow(&mut same, Next::Again(url("https://a.example/y"))).unwrap();
        assert!(same.headers.contains_key(header::AUTHORIZATION));
        assert!(matches!(&same.body, Body::Whole(body) if body == "<x/>"));
        let mut other = request();
        follow(&mut other, Next::Get(url("https://a.example:444/y"))).unwrap();
        assert!(other.headers.is_empty(), "{:?}", other.headers);
        assert_eq!(other.method, Method::GET);
        assert!(matches!(other.body, Body::Empty));
    }
}
