//! Logging in, by transcripts.

use std::rc::Rc;

use wire::{Random, Secret};

use super::bed::{Scripts, ok, play, request, told, url};
use crate::{Body, Clear, Client, Error, Login, Redirects, Refusal};

const A: &str = "https://a.example/dav";

struct Zeros;

impl Random for Zeros {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

fn anna(at: &str) -> Login {
    let password = Secret::new("geheim!".to_owned());
    Login::password(url(at).origin().clone(), "anna".to_owned(), password, &Zeros)
}

async fn get(client: &Client<Rc<Scripts>>, login: &Login) -> Result<(u16, String), Error> {
    told(client.send(request("PROPFIND", A).login(login)).await).await
}

#[test]
fn basic_after_a_question() {
    let line = "
        C: PROPFIND /dav HTTP/1.1
        C: host: a.example
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 401 Unauthorized
        S: WWW-Authenticate: Negotiate
        S: WWW-Authenticate: Basic realm=\"x\"
        S: Content-Length: 6
        S:
        S: who?
        C: PROPFIND /dav HTTP/1.1
        C: host: a.example
        C: authorization: Basic YW5uYTpnZWhlaW0h
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 207 Multi-Status
        S: Content-Length: 0
        S:
        C: PROPFIND /dav HTTP/1.1
        C: host: a.example
        C: authorization: Basic YW5uYTpnZWhlaW0h
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 401 Unauthorized
        S: WWW-Authenticate: Basic realm=\"x\"
        S: Content-Length: 0
        S:";
    play(&[line], async |client, scripts| {
        let login = anna(A);
        assert_eq!(get(client, &login).await, ok(207, ""));
        let answer = client.send(request("PROPFIND", A).login(&login)).await.unwrap();
        assert_eq!(login.refusal(answer.headers()), Refusal::Wrong);
        assert_eq!(told(Ok(answer)).await, ok(401, ""));
        assert_eq!(scripts.opened.borrow().len(), 1);
    });
}

#[test]
fn no_password_over_a_line_that_others_read() {
    let at = "http://a.example/dav";
    let line = "
        C: GET /dav HTTP/1.1
        C: host: a.example
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 401 Unauthorized
        S: WWW-Authenticate: Basic realm=\"x\"
        S: Content-Length: 0
        S:";
    play(&[line], async |client, _| {
        let login = anna(at);
        let answer = client.send(request("GET", at).login(&login)).await.unwrap();
        assert_eq!(login.refusal(answer.headers()), Refusal::Clear);
    });
    let allowed = "
        C: GET /dav HTTP/1.1
        C: host: a.example
        C: authorization: Basic YW5uYTpnZWhlaW0h
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 200 OK
        S: Content-Length: 0
        S:";
    play(&[&format!("{line}\n{allowed}")], async |client, _| {
        let login = anna(at).clear(Clear::Allowed);
        assert_eq!(told(client.send(request("GET", at).login(&login)).await).await, ok(200, ""));
    });
}

/// The responses were computed apart from this code, from RFC 7616 section 3.4.1.
#[test]
fn digest_and_a_nonce_that_grows_old() {
    let line = "
        C: PROPFIND /dav HTTP/1.1
        C: host: a.example
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 401 Unauthorized
        S: WWW-Authenticate: Basic realm=\"r\", Digest realm=\"r\", qop=\"auth\", nonce=\"n1\"
        S: Content-Length: 0
        S:
        C: PROPFIND /dav HTTP/1.1
        C: host: a.example
        C: authorization: Digest username=\"anna\", realm=\"r\", nonce=\"n1\", uri=\"/dav\", response=\"RESPONSE1\", cnonce=\"CNONCE1\", qop=auth, nc=00000001
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 207 Multi-Status
        S: Content-Length: 0
        S:
        C: PROPFIND /dav HTTP/1.1
        C: host: a.example
        C: authorization: Digest username=\"anna\", realm=\"r\", nonce=\"n1\", uri=\"/dav\", response=\"RESPONSE2\", cnonce=\"CNONCE1\", qop=auth, nc=00000002
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 401 Unauthorized
        S: WWW-Authenticate: Digest realm=\"r\", qop=\"auth\", nonce=\"n2\", stale=true
        S: Content-Length: 0
        S:
        C: PROPFIND /dav HTTP/1.1
        C: host: a.example
        C: authorization: Digest username=\"anna\", realm=\"r\", nonce=\"n2\", uri=\"/dav\", response=\"RESPONSE3\", cnonce=\"CNONCE2\", qop=auth, nc=00000001
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 207 Multi-Status
        S: Content-Length: 0
        S:";
    let line = KNOWN.iter().fold(line.to_owned(), |line, (name, value)| line.replace(name, value));
    play(&[&line], async |client, _| {
        let login = anna(A);
        assert_eq!(get(client, &login).await, ok(207, ""));
        assert_eq!(get(client, &login).await, ok(207, ""));
    });
}

#[test]
fn a_server_that_never_has_enough() {
    let asks = |nonce: u32, authorization: &str| {
        format!(
            "C: PROPFIND /dav HTTP/1.1
             C: host: a.example{authorization}
             C: user-agent: trasloco
             C:
             S: HTTP/1.1 401 Unauthorized
             S: WWW-Authenticate: Digest realm=\"r\", nonce=\"n{nonce}\", stale=true
             S: Content-Length: 0
             S:
             "
        )
    };
    let authorization = |nonce: u32, response: &str| {
        format!(
            "\nC: authorization: Digest username=\"anna\", realm=\"r\", nonce=\"n{nonce}\", \
             uri=\"/dav\", response=\"{response}\""
        )
    };
    let mut line = asks(0, "");
    for (nonce, response) in (0..).zip(OLD) {
        line.push_str(&asks(nonce + 1, &authorization(nonce, response)));
    }
    play(&[&line], async |client, _| {
        assert_eq!(get(client, &anna(A)).await, ok(401, ""));
    });
}

#[test]
fn a_login_stays_at_its_origin() {
    let first = "
        C: GET /dav HTTP/1.1
        C: host: a.example
        C: authorization: Basic YW5uYTpnZWhlaW0h
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 307 Temporary Redirect
        S: Location: https://b.example/dav
        S: Content-Length: 0
        S:";
    let second = "
        C: GET /dav HTTP/1.1
        C: host: b.example
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 401 Unauthorized
        S: WWW-Authenticate: Basic realm=\"x\"
        S: Content-Length: 0
        S:";
    play(&[first, second], async |client, _| {
        let rules = Redirects::Where { hops_max: 3, allows: &|_| true };
        let login = anna(A).unasked();
        let asked = request("GET", A).redirects(rules).login(&login);
        assert_eq!(told(client.send(asked).await).await, ok(401, ""));
    });
}

/// Servers put what they were told into addresses, and addresses into sentences.
#[test]
fn sentences_have_no_passwords() {
    let line = "
        C: GET /dav HTTP/1.1
        C: host: a.example
        C: authorization: Basic YW5uYTpnZWhlaW0h
        C: user-agent: trasloco
        C:
        S: HTTP/1.1 302 Found
        S: Location: https://YW5uYTpnZWhlaW0h.example/
        S: Content-Length: 0
        S:";
    play(&[line], async |client, _| {
        let login = anna(A).unasked();
        let rules = Redirects::SameOrigin { hops_max: 3 };
        let asked = request("GET", A).redirects(rules).login(&login);
        let error = client.send(asked).await.err().unwrap().to_string();
        assert!(error.ends_with("***.example"), "{error}");
    });
}

/// A streamed body is gone after the first try; the caller gets the question and sends a new one.
#[test]
fn a_streamed_body_is_sent_once() {
    use futures::{StreamExt as _, stream};
    let line = "
        C: PUT /dav HTTP/1.1
        C: host: a.example
        C: user-agent: trasloco
        C: content-length: 2
        C:
        C:
        S: HTTP/1.1 401 Unauthorized
        S: WWW-Authenticate: Basic realm=\"x\"
        S: Content-Length: 0
        S:";
    play(&[line], async |client, _| {
        let login = anna(A);
        let pieces = stream::iter([Ok("\r\n".into())]).boxed_local();
        let put = request("PUT", A).body(Body::Streamed { length: Some(2), pieces });
        let answer = client.send(put.login(&login)).await;
        assert_eq!(told(answer).await, ok(401, ""));
    });
}

const KNOWN: [(&str, &str); 5] = [
    ("RESPONSE1", "2ad0969d93221a71e4bfcd4437948c24"),
    ("RESPONSE2", "5945db9da5bb8d4e8701d16fd84f3b3b"),
    ("RESPONSE3", "4163b3780212e6e1f9fa7051de75c001"),
    ("CNONCE1", "c4762027446f1863c620a27bc5039356"),
    ("CNONCE2", "455a96c35af4fc38e5d3dad4619c409b"),
];

/// The same without `qop`, RFC 2069, for the nonces n0 to n2.
const OLD: [&str; 3] = [
    "13a7afe182722ccfd73656f68cec780e",
    "91fced2edd4dccd0c6ec117c61c301cf",
    "4b15ea850ef0f00e3cefc91a27c38e48",
];
