//! Answers as bytes: what is lawful, what is odd, what is refused, in any cut.

use http::Method;

use crate::Error;
use crate::laws::{read, whole};
use crate::receive::{EXTENSIONS_MAX_BYTES, End, HEAD_MAX_BYTES, Lost, TRAILERS_MAX_BYTES};

const CUT: End = End::Cut(Lost::Closed);
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

fn got(text: &str) -> Option<(u16, String)> {
    let (status, body) = whole(text.as_bytes(), &Method::GET).unwrap()?;
    Some((status, String::from_utf8(body).unwrap()))
}

#[test]
fn bodies_in_many_ways_and_any_cut() {
    let rest = "2\r\nhe\r\n3;a=\"b\\\"c;d\";long=extension-of-more-than-twenty-octets\r\nllo\r\n";
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\ncontent-length:5\r\n\r\nhello".to_owned(),
        format!("{CHUNKED}{rest}0\r\n\r\n"),
        format!("{CHUNKED}{rest}0;last\r\nTrailer: x\r\nOther: y\r\n\r\n"),
        format!("{CHUNKED}0002  \r\nhe\r\n3\t;x\r\nllo\r\n000\r\n\r\n"),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(),
        "HTTP/1.0 200 OK\r\n\r\nhello".to_owned(),
        "HTTP/1.1 200\r\nConnection: close\r\n\r\nhello".to_owned(),
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 x\r\nServer: odd\r\n\r\nHTTP/1.1 103 Early \
         Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
            .to_owned(),
        "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello".to_owned(),
    ] {
        let hello = Some((200, "hello".to_owned()));
        assert_eq!(got(&text), hello, "{text}");
        for bite in [1, 2, 3, 7] {
            let bitten = read(text.as_bytes(), &Method::GET, &[bite], Some(End::Said));
            assert_eq!(bitten, whole(text.as_bytes(), &Method::GET), "{bite} of {text}");
        }
        for cut in 0..text.len() {
            let cut = &text.as_bytes()[..cut];
            for end in [None, Some(CUT)] {
                let answer = read(cut, &Method::GET, &[], end).unwrap_or_default();
                assert!(answer.is_none_or(|(_, body)| body == b"hello"), "{end:?} of {text}");
            }
        }
    }
}

#[test]
fn answers_without_a_body() {
    for (text, status) in [
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204),
        ("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", 304),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
    ] {
        let none = Ok(Some((status, Vec::new())));
        assert_eq!(read(text.as_bytes(), &Method::GET, &[], None), none, "{text}");
    }
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(read(head, &Method::HEAD, &[], None), Ok(Some((200, Vec::new()))));
    assert_eq!(read(head, &Method::GET, &[], None), Ok(None));
    let chunked = CHUNKED.as_bytes();
    assert_eq!(read(chunked, &Method::HEAD, &[], None), Ok(Some((200, Vec::new()))));
}

/// Without close_notify, whoever sits on the line could choose where an answer ends.
#[test]
fn an_answer_that_may_be_cut_is_refused() {
    let answer = |head: &str, body: &str, end| {
        let text = format!("HTTP/1.1 200 OK\r\n{head}\r\n{body}");
        read(text.as_bytes(), &Method::GET, &[], Some(end)).map(|it| it.unwrap().1)
    };
    let hello = Ok(b"hello".to_vec());
    let closed = Err(Error::Cut(wire::Error::Closed));
    let chunked = "Transfer-Encoding: chunked\r\n";
    assert_eq!(answer("", "hello", End::Said), hello);
    assert_eq!(answer("", "hello", CUT), Err(Error::NoEnd));
    assert_eq!(answer("Content-Length: 5\r\n", "hello", CUT), hello);
    for end in [End::Said, CUT] {
        assert_eq!(answer("Content-Length: 6\r\n", "hello", end), closed);
        assert_eq!(answer(chunked, "5\r\nhello\r\n", end), closed);
        assert_eq!(answer(chunked, "6\r\nhello", end), closed);
        // RFC 9112 section 8: the last chunk is what makes it whole.
        assert_eq!(answer(chunked, "5\r\nhello\r\n0\r\n", end), hello);
    }
    let head = read(b"HTTP/1.1 200 OK\r\nX: ", &Method::GET, &[], Some(End::Said));
    assert_eq!(head, Err(Error::Cut(wire::Error::Closed)));
}

#[test]
fn what_is_no_answer() {
    for text in [
        "220 smtp.example ESMTP\r\n".to_owned(),
        "* OK IMAP4rev1\r\n".to_owned(),
        "<html>\r\n\r\n".to_owned(),
        "HTTP/2 200\r\n\r\n".to_owned(),
        "HTTP/1.1 20 OK\r\n\r\n".to_owned(),
        "HTTP/1.1 099 x\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 5,6\r\n\r\nhello".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhello".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello".to_owned(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nhello".to_owned(),
        format!("{CHUNKED}x\r\n"),
        format!("{CHUNKED}\r\n"),
        format!("{CHUNKED};x\r\n"),
        format!("{CHUNKED}+5\r\nhello"),
        format!("{CHUNKED}-1\r\n"),
        format!("{CHUNKED}5\nhello"),
        format!("{CHUNKED}11111111111111111\r\n"),
        format!("{CHUNKED}1\r\nabc"),
        format!("{CHUNKED}1\r\na\n\r\n"),
    ] {
        let refused = read(text.as_bytes(), &Method::GET, &[], None);
        assert!(matches!(refused, Err(Error::Unreadable(_))), "{text} {refused:?}");
        let bitten = read(text.as_bytes(), &Method::GET, &[1], None);
        assert!(matches!(bitten, Err(Error::Unreadable(_))), "{text} {bitten:?}");
    }
}

#[test]
fn what_has_no_end() {
    let too_long = |text: String, bites: &[usize]| {
        let result = read(text.as_bytes(), &Method::GET, bites, None);
        assert!(matches!(result, Err(Error::TooLong { .. })), "{:.60} {result:?}", text);
    };
    let hints = "HTTP/1.1 103 x\r\nA: b\r\n\r\n";
    for bites in [&[][..], &[1000]] {
        too_long(format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(HEAD_MAX_BYTES)), bites);
        too_long(hints.repeat(HEAD_MAX_BYTES / hints.len() + 1), bites);
        too_long(format!("{CHUNKED}5;{}", "x".repeat(EXTENSIONS_MAX_BYTES + 20)), bites);
        let wordy = format!("1;{}\r\na\r\n", "x".repeat(100));
        too_long(format!("{CHUNKED}{}", wordy.repeat(EXTENSIONS_MAX_BYTES / 80)), bites);
        too_long(format!("{CHUNKED}0\r\nX: {}", "x".repeat(TRAILERS_MAX_BYTES)), bites);
        too_long(format!("{CHUNKED}0\r\n{}", "X: y\r\n".repeat(TRAILERS_MAX_BYTES / 6 + 1)), bites);
        too_long(format!("{CHUNKED}0\r\n\r{}", "x".repeat(TRAILERS_MAX_BYTES)), bites);
    }
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(200));
    let result = read(many.as_bytes(), &Method::GET, &[], None);
    let fields = "the answer has too many header fields";
    assert_eq!(result, Err(Error::Unreadable(fields.to_owned())));
}

/// Many small chunks become pieces of a useful size.
#[test]
fn a_body_of_crumbs() {
    let text = format!("{CHUNKED}{}0\r\n\r\n", "1\r\na\r\n".repeat(100_000));
    assert_eq!(got(&text).map(|(_, body)| body.len()), Some(100_000));
}
