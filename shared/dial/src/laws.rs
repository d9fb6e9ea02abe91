//! Laws of lines, that hold for whatever arrives; for the fuzz targets and the test suite.
//!
//! Each takes bytes and panics where it is broken. Those of TLS are in crate `tls`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken panics"
)]

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use futures::executor::block_on;
use hickory_proto::rr::RecordType;
use wire::fed::{Fed, cuts};
use wire::{Bytes, Error, Http, Secret, Stream};

use crate::deflate::Deflate;
use crate::doh;
use crate::networks::Networks;
use crate::url::{Endpoint, Plaintext};

/// Most octets of a compressed stream that are compared.
const INFLATED_MAX: usize = 1 << 20;

/// Compressed streams: the same text however they arrive, no read above its limit, and what we
/// deflate comes back.
pub fn deflate(bytes: &[u8]) {
    let (mut reference, mut expected) = (Decompress::new(false), Vec::with_capacity(INFLATED_MAX));
    let whole = reference.decompress_vec(bytes, &mut expected, FlushDecompress::Sync);
    let mut texts = cuts(bytes).map(|bites| inflated(Fed::new(bytes, &bites))).to_vec();
    texts.push(inflated(Fed::new(bytes, &[])));
    for (text, damaged) in texts {
        let common = text.len().min(expected.len());
        assert!(text[..common] == expected[..common], "inflated to something else");
        if whole.is_ok() && expected.len() < INFLATED_MAX {
            assert!(!damaged && text.len() == expected.len(), "whole, and yet not read whole");
        } else if whole.is_err() {
            assert!(damaged, "damage was not noticed");
        }
    }
    let mut compress = Compress::new(Compression::fast(), false);
    let mut packed = Vec::with_capacity(bytes.len() + 1000);
    compress.compress_vec(bytes, &mut packed, FlushCompress::Sync).unwrap();
    for bites in cuts(bytes) {
        let (text, damaged) = inflated(Fed::new(&packed, &bites));
        assert!(text == bytes && !damaged, "what was deflated does not come back");
    }
}

fn inflated(stream: Fed) -> (Vec<u8>, bool) {
    let (mut stream, mut text) = (Deflate::new(stream, Bytes::new()), Vec::new());
    loop {
        match block_on(stream.read()) {
            Ok(piece) if piece.is_empty() => return (text, false),
            Ok(piece) => {
                assert!(piece.len() <= 256 * 1024, "{} octets at once", piece.len());
                text.extend_from_slice(&piece);
            }
            Err(_) => return (text, true),
        }
        if text.len() > INFLATED_MAX {
            return (text, false);
        }
    }
}

/// A resolver that answers the input, whatever is asked.
struct Answers<'a>(&'a [u8]);

impl Http for Answers<'_> {
    async fn send(
        &self,
        _: http::Request<Bytes>,
        _: usize,
    ) -> Result<http::Response<Bytes>, Error> {
        Ok(http::Response::new(Bytes::copy_from_slice(self.0)))
    }
}

/// Answers of DNS: read or refused; and what is given is of the type that was asked for.
pub fn dns(bytes: &[u8]) {
    for kind in [RecordType::A, RecordType::AAAA, RecordType::MX, RecordType::SRV, RecordType::TXT]
    {
        let resolver = Answers(bytes);
        let query = doh::query(&resolver, "https://dns.example/", "a.example", kind);
        for record in block_on(query).iter().flatten() {
            assert_eq!(record.record_type(), kind);
        }
    }
}

/// Addresses of servers and networks: what is read and printed is read as the same.
pub fn urls(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for plaintext in [Plaintext::Allowed, Plaintext::Refused] {
        if let Ok(endpoint) = Endpoint::parse(&text, plaintext) {
            let printed = endpoint.to_string();
            let again = Endpoint::parse(&printed, plaintext).expect("what we print can be read");
            assert_eq!(again, Endpoint { login: None, ..endpoint }, "{printed}");
            assert!(printed.is_ascii() && !printed.contains(char::is_whitespace), "{printed:?}");
        }
    }
    if let Ok((endpoint, password)) = Endpoint::parse_submission(&Secret::new(text.to_string())) {
        let printed = endpoint.to_string();
        let again = Endpoint::parse_submission(&Secret::new(printed)).expect("it can be read");
        assert_eq!(again.0, Endpoint { login: None, ..endpoint });
        assert!(again.1.is_none() || password.is_some());
    }
    let _ = Networks::parse(&text).map(|networks| networks.permits([10, 0, 0, 1].into()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use laws::hold;

    #[test]
    fn of_deflate() {
        hold("deflate", 2_000, deflate);
    }

    #[test]
    fn of_dns() {
        hold("dns", 5_000, dns);
    }

    #[test]
    fn of_urls() {
        hold("urls", 10_000, urls);
    }
}
