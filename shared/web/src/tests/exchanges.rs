//! Exchanges by transcripts, whole and byte by byte.

use std::rc::Rc;

use futures::{FutureExt as _, StreamExt as _, stream};
use http::{HeaderName, HeaderValue, header};
use wire::Bytes;

use super::bed::{Scripts, ok, play, request, told};
use crate::{Body, Client, Coding, Error, Redirects, Repeat, Request};

const A: &str = "https://a.example/x";

async fn get(client: &Client<Rc<Scripts>>, at: &str) -> Result<(u16, String), Error> {
    told(client.send(request("GET", at)).await).await
}

#[test]
fn one_line_for_one_question_after_the_other() {
    let line = "
        C: GET /x HTTP/1.1
        C: host: a.example
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 200 OK
        S: Content-Length: 7
        S:
        S: hello
        C: PROPFIND /y HTTP/1.1
        C: host: a.example
        C: depth: 1
        C: user-agent: trasloco
        C: content-length: 6
        C:
        C: <x/>
        S: HTTP/1.1 207 Multi-Status
        S: Transfer-Encoding: chunked
        S:
        S: 3
        S: <y>
        S: 0
        S:
        C: HEAD /x HTTP/1.1
        C: host: a.example
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 200 OK
        S: Content-Length: 7
        S:
        C: DELETE /x HTTP/1.1
        C: host: a.example
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 204 No Content
        S:";
    let n_idle = play(&[line], async |client, scripts| {
        assert_eq!(get(client, A).await, ok(200, "hello\r\n"));
        let depth = HeaderValue::from_static("1");
        let propfind = request("PROPFIND", "https://a.example/y")
            .header(HeaderName::from_static("depth"), depth)
            .body(Body::Whole("<x/>\r\n".into()));
        assert_eq!(told(client.send(propfind).await).await, ok(207, "<y>"));
        assert_eq!(told(client.send(request("HEAD", A)).await).await, ok(200, ""));
        assert_eq!(told(client.send(request("DELETE", A)).await).await, ok(204, ""));
        assert_eq!(scripts.opened.borrow().len(), 1);
        client.n_idle()
    });
    assert_eq!(n_idle, 1);
}

/// What comes back to GET with this head and body, and how many lines are kept after it.
fn answered(answer: &str) -> (Result<(u16, String), Error>, usize) {
    let line = format!(
        "C: GET /x HTTP/1.1
         C: host: a.example
         C: user-agent: trasloco
         C:
         {answer}"
    );
    play(&[&line], async |client, _| (get(client, A).await, client.n_idle()))
}

#[test]
fn lines_that_are_not_used_again() {
    let kept = "S: HTTP/1.1 200 OK\nS: Content-Length: 2\nS:\nS:";
    assert_eq!(answered(kept), (ok(200, "\r\n"), 1));
    for (head, body) in [
        ("HTTP/1.1 200 OK\nS: Content-Length: 2\nS: Connection: close\nS:\nS:", "\r\n"),
        ("HTTP/1.1 200 OK\nS: Content-Length: 2\nS: Connection: x, Close\nS:\nS:", "\r\n"),
        ("HTTP/1.0 200 OK\nS: Content-Length: 2\nS:\nS:", "\r\n"),
        ("HTTP/1.1 200 OK\nS:\nS: hello", "hello\r\n"),
        // Two lengths: whoever sits between may believe the other one.
        (
            "HTTP/1.1 200 OK\nS: Content-Length: 9\nS: Transfer-Encoding: chunked\nS:\nS: 2\nS: \
             he\nS: 0\nS:",
            "he",
        ),
    ] {
        assert_eq!(answered(&format!("S: {head}")), (ok(200, body), 0), "{head}");
    }
    let old = "S: HTTP/1.0 200 OK\nS: Connection: keep-alive\nS: Content-Length: 2\nS:\nS:";
    assert_eq!(answered(old), (ok(200, "\r\n"), 1));
}

/// A second answer behind the first is for a question that nobody asked.
#[test]
fn leftovers_are_nobodys_answer() {
    let poisoned = "
        C: GET /x HTTP/1.1
        C: host: a.example
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 200 OK
        S: Content-Length: 2
        S:
        S:
        S: HTTP/1.1 200 OK
        S: Content-Length: 6
        S:
        S: evil";
    let clean = "
        C: GET /x HTTP/1.1
        C: host: a.example
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 200 OK
        S: Content-Length: 6
        S:
        S: good";
    for bite in [usize::MAX, 1] {
        let scripts = Scripts::new(&[poisoned, clean], bite);
        let client = Client::new(scripts.clone(), 1);
        assert_eq!(get(&client, A).now_or_never(), Some(ok(200, "\r\n")));
        assert_eq!(get(&client, A).now_or_never(), Some(ok(200, "good\r\n")), "{bite}");
        assert_eq!(scripts.opened.borrow().len(), 2);
    }
}

#[test]
fn answers_that_break_off() {
    let (result, n_idle) = answered("S: HTTP/1.1 200 OK\nS: Content-Length: 9\nS:\nS: hello");
    assert_eq!((result, n_idle), (Err(Error::Cut(wire::Error::Closed)), 0));
    let (result, _) = answered("S: HTTP/1.1 200 OK");
    assert_eq!(result, Err(Error::Cut(wire::Error::Closed)));
    let (result, _) = answered("S: HTTP/1.1 100 Continue\nS:");
    assert_eq!(result, Err(Error::Cut(wire::Error::Closed)));
    let (result, _) = answered("");
    assert_eq!(result, Err(Error::Unanswered(wire::Error::Closed)));
    let said = result.unwrap_err().to_string();
    assert!(said.ends_with("it is not known whether the request arrived"), "{said}");
}

#[test]
fn an_error_is_said_again() {
    let line = "
        C: GET /x HTTP/1.1
        C: host: a.example
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 200 OK
        S:
        S: hello";
    play(&[line], async |client, scripts| {
        scripts.said_end.set(false);
        let mut answer = client.send(request("GET", A)).await.unwrap();
        let failure = loop {
            match answer.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("a body that may be cut was taken for the whole"),
                Err(error) => break error,
            }
        };
        assert_eq!(failure, Error::NoEnd);
        assert_eq!(answer.next().await, Err(Error::NoEnd));
        assert_eq!(client.n_idle(), 0);
    });
}

#[test]
fn bodies_have_a_limit() {
    for head in ["Content-Length: 100001\nS:\nS~ 100001", "X: y\nS:\nS~ 100001"] {
        let (result, n_idle) = {
            let line = format!(
                "C: GET /x HTTP/1.1
                 C: host: a.example
                 C: user-agent: trasloco
                 C:
                 S: HTTP/1.1 200 OK
                 S: {head}"
            );
            let scripts = Scripts::new(&[&line], usize::MAX);
            let client = Client::new(scripts, 1);
            (get(&client, A).now_or_never().unwrap(), client.n_idle())
        };
        let too_long = Err(Error::TooLong { what: "the answer", max_bytes: 100_000 });
        assert_eq!((result, n_idle), (too_long, 0));
    }
}

fn streamed<'b>(method: &str, length: Option<u64>, pieces: &[&'static str]) -> Request<'b> {
    let pieces: Vec<_> = pieces.iter().map(|it| Ok(Bytes::from_static(it.as_bytes()))).collect();
    request(method, A).body(Body::Streamed { length, pieces: stream::iter(pieces).boxed_local() })
}

#[test]
fn streamed_bodies() {
    let line = "
        C: PUT /x HTTP/1.1
        C: host: a.example
        C: user-agent: trasloco
        C: content-length: 9
        C:
        C: one two
        S: HTTP/1.1 201 Created
        S: Content-Length: 0
        S:
        C: PUT /x HTTP/1.1
        C: host: a.example
        C: user-agent: trasloco
        C: transfer-encoding: chunked
        C:
        C: 3
        C: one
        C: 6
        C:  two
        C:
        C: 0
        C:
        S: HTTP/1.1 201 Created
        S: Content-Length: 0
        S:";
    play(&[line], async |client, _| {
        let put = streamed("PUT", Some(9), &["one", "", " two\r\n"]);
        assert_eq!(told(client.send(put).await).await, ok(201, ""));
        let put = streamed("PUT", None, &["one", "", " two\r\n"]);
        assert_eq!(told(client.send(put).await).await, ok(201, ""));
    });
    for pieces in [&["one"][..], &["one", " two and more"]] {
        let scripts = Scripts::new(&[line], usize::MAX);
        let client = Client::new(scripts, 1);
        let result = client.send(streamed("PUT", Some(9), pieces)).now_or_never().unwrap();
        assert!(matches!(result.err(), Some(Error::Request(_))), "{pieces:?}");
        assert_eq!(client.n_idle(), 0);
    }
}

#[test]
fn a_body_that_cannot_be_read_is_not_taken_for_whole() {
    let line = "
        C: PUT /x HTTP/1.1
        C: host: a.example
        C: user-agent: trasloco
        C: transfer-encoding: chunked
        C:";
    let error = play(&[line], async |client, _| {
        let pieces = stream::iter([Err(wire::Error::Compression)]).boxed_local();
        let put = request("PUT", A).body(Body::Streamed { length: None, pieces });
        told(client.send(put).await).await.unwrap_err()
    });
    assert_eq!(error, Error::Source(wire::Error::Compression));
}

#[test]
fn redirections() {
    let first = "
        C: GET /x HTTP/1.1
        C: host: a.example
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 302 Found
        S: Location: y?z
        S: Content-Length: 6
        S:
        S: here
        C: GET /y?z HTTP/1.1
        C: host: a.example
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 301 Moved
        S: Location: https://b.example:8443/
        S: Content-Length: 0
        S:";
    let second = "
        C: GET / HTTP/1.1
        C: host: b.example:8443
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 200 OK
        S: Content-Length: 0
        S:";
    play(&[first, second], async |client, scripts| {
        let rules = Redirects::Where {
            hops_max: 2,
            allows: &|url| url.host() == "b.example" || url.host() == "a.example",
        };
        let answer = client.send(request("GET", A).redirects(rules)).await.unwrap();
        assert_eq!(answer.url().to_string(), "https://b.example:8443/");
        assert_eq!(told(Ok(answer)).await, ok(200, ""));
        assert_eq!(scripts.opened.borrow().len(), 2);
    });
    for rules in
        [Redirects::SameOrigin { hops_max: 9 }, Redirects::Where { hops_max: 1, allows: &|_| true }]
    {
        play(&[first], async |client, _| {
            let result = client.send(request("GET", A).redirects(rules)).await;
            assert!(matches!(result.err(), Some(Error::Redirected(_))));
        });
    }
}

#[test]
fn packed_answers() {
    // "hello" in gzip, as a script of text cannot have it: see `lines`.
    let line = "
        C: GET /x HTTP/1.1
        C: host: a.example
        C: user-agent: trasloco
        C: accept-encoding: gzip, deflate
        C:
        S: HTTP/1.1 200 OK
        S: Content-Encoding: gzip
        S: Content-Length: 7
        S:
        S: hello";
    play(&[line], async |client, _| {
        let result = told(client.send(request("GET", A).coding(Coding::Decoded)).await).await;
        assert_eq!(result, Err(Error::Unreadable("the answer is packed, and damaged".into())));
    });
}

/// A server closes an old line whenever it likes, also just while it is asked something.
#[test]
fn old_lines_that_are_dead() {
    let first = "
        C: GET /x HTTP/1.1
        C: host: a.example
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 200 OK
        S: Content-Length: 0
        S:";
    let second = "
        C: METHOD /x HTTP/1.1
        C: host: a.example
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 200 OK
        S: Content-Length: 0
        S:";
    // A script is at its end after the first answer: a look shows that, so nothing was sent.
    for method in ["GET", "X"] {
        play(&[first, &second.replace("METHOD", method)], async |client, scripts| {
            assert_eq!(get(client, A).await, ok(200, ""));
            assert_eq!(client.n_idle(), 1);
            let again = request(method, A).repeat(Repeat::Never);
            assert_eq!(told(client.send(again).await).await, ok(200, ""));
            assert_eq!(scripts.opened.borrow().len(), 2);
        });
    }
}

#[test]
fn lines_grow_old() {
    let line = "
        C: GET /x HTTP/1.1
        C: host: a.example
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 200 OK
        S: Content-Length: 0
        S:";
    play(&[line, line], async |client, scripts| {
        assert_eq!(get(client, A).await, ok(200, ""));
        scripts.now_ms.set(30_000);
        assert_eq!(get(client, A).await, ok(200, ""));
        assert_eq!(scripts.opened.borrow().len(), 2);
    });
}

#[test]
fn a_line_that_cannot_be_opened() {
    play(&[], async |client, _| {
        assert_eq!(get(client, A).await, Err(Error::Unsent(wire::Error::Closed)));
        let bad = request("GET", A).header(header::HOST, HeaderValue::from_static("b.example"));
        assert!(matches!(client.send(bad).await.err(), Some(Error::Request(_))));
    });
}
