//! Laws of what strangers' web servers answer; for the fuzz targets and the test suite. Each takes
//! bytes and panics where it is broken.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken panics"
)]

use bytes::BytesMut;
use http::{HeaderMap, HeaderValue, Method, header};

use crate::auth::challenge;
use crate::receive::{End, Lost, Piece, Receiver};
use crate::{Error, Url, coding, retry_after_s};

/// An answer with its body, where it is there whole.
type Answer = Option<(u16, Vec<u8>)>;

/// What `bytes` are as an answer to `method`, if they come in pieces as long as `bites` says and end
/// like this; `None` for the end: more may come.
pub(crate) fn read(
    bytes: &[u8],
    method: &Method,
    bites: &[usize],
    end: Option<End>,
) -> Result<Answer, Error> {
    let mut receiver = Receiver::new(method)?;
    let (mut input, mut rest, mut head, mut body) = (BytesMut::new(), bytes, None, Vec::new());
    let mut bites = bites.iter().copied().map(|bite| bite.max(1)).cycle();
    loop {
        if head.is_none() {
            head = receiver.head(&mut input)?.map(|head| head.status.as_u16());
        }
        // Each turn takes some of the input.
        while head.is_some() {
            match receiver.body(&mut input)? {
                Piece::Bytes(piece) => body.extend_from_slice(&piece),
                Piece::More => break,
                Piece::End => return Ok(head.map(|status| (status, body))),
            }
        }
        if rest.is_empty() {
            break;
        }
        let (bite, left) = rest.split_at(bites.next().unwrap_or(usize::MAX).min(rest.len()));
        input.extend_from_slice(bite);
        rest = left;
    }
    let Some(end) = end else { return Ok(None) };
    receiver.end(end)?;
    Ok(head.map(|status| (status, body)))
}

/// As [`read`], at once and with the server's word that it was all.
#[cfg(test)]
pub(crate) fn whole(bytes: &[u8], method: &Method) -> Result<Answer, Error> {
    read(bytes, method, &[], Some(End::Said))
}

/// An HTTP answer: any cut gives the same; what is taken for the whole before its end is the whole
/// at its end, too; without the server's word nothing is taken that would be longer with it.
pub fn answers(bytes: &[u8]) {
    for method in [Method::GET, Method::HEAD] {
        let said = read(bytes, &method, &[], Some(End::Said));
        if let Ok(Some((_, body))) = &said {
            assert!(body.len() <= bytes.len());
        }
        for bites in wire::fed::cuts(bytes) {
            let bitten = read(bytes, &method, &bites, Some(End::Said));
            assert_eq!(bitten.ok(), said.clone().ok(), "in pieces of {bites:?}");
        }
        // At each place where something may be decided.
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        for cut in ends.map(|(at, _)| at + 1).take(60).chain([bytes.len()]) {
            let early = read(&bytes[..cut], &method, &[], None);
            let cut_off = read(&bytes[..cut], &method, &[], Some(End::Cut(Lost::Closed)));
            if let Ok(Some(early)) = &early {
                assert_eq!(said.as_ref().ok().and_then(Option::as_ref), Some(early), "{cut}");
                assert_eq!(cut_off.as_ref().ok().and_then(Option::as_ref), Some(early), "{cut}");
            }
            if let (Ok(None), Ok(Some(_))) = (&early, &cut_off) {
                let last_chunk = bytes[..cut].windows(3).any(|it| it == b"0\r\n");
                assert!(last_chunk, "a cut at {cut} was taken for the end");
            }
        }
    }
}

/// What header fields say: challenges, times, addresses; and bodies that are compressed.
pub fn fields(bytes: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(bytes) {
        let mut headers = HeaderMap::new();
        headers.append(header::WWW_AUTHENTICATE, value.clone());
        assert!(challenge::all(&headers).len() <= challenge::CHALLENGES_MAX);
        headers.append(header::RETRY_AFTER, value);
        let _ = retry_after_s(&headers, 0);
    }
    let text = String::from_utf8_lossy(bytes);
    let base = Url::parse("https://a.example/b/c?d").unwrap();
    if let Ok(url) = base.join(&text) {
        assert_eq!(Url::parse(&url.to_string()).as_ref(), Ok(&url));
        assert_eq!(url.join(""), Ok(url.clone()));
        assert!(url.target().starts_with('/') && !url.host().contains(['@', '/', '?', '#']));
    }
    for name in ["gzip", "deflate"] {
        let unpacked = |bites: &[usize]| coding::Decoder::new(name)?.all(bytes, bites);
        let whole = unpacked(&[]).ok();
        for bites in wire::fed::cuts(bytes) {
            assert_eq!(unpacked(&bites).ok(), whole, "{name} in pieces of {bites:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use laws::hold;

    #[test]
    fn of_answers() {
        hold("web_answers", 5_000, super::answers);
    }

    #[test]
    fn of_fields() {
        hold("web_fields", 5_000, super::fields);
    }
}
