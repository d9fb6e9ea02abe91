//! Content codings: gzip and deflate, RFC 9110 section 8.4.1, unpacked within limits.

use std::io::{self, Write};

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};
use wire::Bytes;

use crate::Error;

/// How many times longer than what came an unpacked body may be, once it is longer than
/// [`FREE_BYTES`]. XML with many equal entries reaches some 50; deflate itself ends at 1,032.
pub const RATIO_MAX: u64 = 200;
/// Up to here nobody counts.
pub const FREE_BYTES: u64 = 1 << 20;
/// Packed bytes that are looked at in one step: they unpack to at most a thousand times as much.
const STEP_BYTES: usize = 256;

/// The coding that an answer has; `None` where it has none.
///
/// # Errors
/// [`Error::Unreadable`] for one that was not asked for, and for several.
pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Decoder>, Error> {
    let values = headers.get_all(header::CONTENT_ENCODING).iter();
    let values = values.map(|value| value.to_str().unwrap_or("?"));
    let names = values.flat_map(|value| value.split(',')).map(str::trim);
    let mut names = names.filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity"));
    match (names.next(), names.next()) {
        (None, _) => Ok(None),
        (Some(name), None) => Decoder::new(name).map(Some),
        (Some(_), Some(_)) => Err(unknown()),
    }
}

/// Unpacks a body.
pub(crate) struct Decoder {
    kind: Kind,
    packed: u64,
}

enum Kind {
    Gzip(MultiGzDecoder<Limited>),
    Zlib(ZlibDecoder<Limited>),
    Raw(DeflateDecoder<Limited>),
    /// `deflate` before its first two bytes: zlib by the specification, raw by some servers.
    Either(Vec<u8>),
}

/// What was unpacked and not taken yet, and how much more may come.
#[derive(Default)]
struct Limited {
    unpacked: Vec<u8>,
    total: u64,
    most: u64,
    is_full: bool,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.total += bytes.len() as u64;
        if self.total > self.most {
            self.is_full = true;
            return Err(io::Error::other("too much"));
        }
        self.unpacked.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Decoder {
    /// For a coding of this name.
    pub(crate) fn new(name: &str) -> Result<Decoder, Error> {
        let kind = match name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Kind::Gzip(MultiGzDecoder::new(Limited::default())),
            "deflate" => Kind::Either(Vec::new()),
            _ => return Err(unknown()),
        };
        Ok(Decoder { kind, packed: 0 })
    }

    /// Takes of `packed` until something comes of it; empty where nothing is left.
    pub(crate) fn piece(&mut self, packed: &mut Bytes) -> Result<Bytes, Error> {
        while !packed.is_empty() {
            let step = packed.split_to(packed.len().min(STEP_BYTES));
            self.packed += step.len() as u64;
            self.step(&step)?;
            if let Some(unpacked) = self.limited().map(|it| std::mem::take(&mut it.unpacked))
                && !unpacked.is_empty()
            {
                return Ok(unpacked.into());
            }
        }
        Ok(Bytes::new())
    }

    /// All that comes of a body, for tests and laws.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn all(&mut self, packed: &[u8], bites: &[usize]) -> Result<Vec<u8>, Error> {
        let mut packed = Bytes::copy_from_slice(packed);
        let mut bites = bites.iter().copied().map(|bite| bite.max(1)).cycle();
        let mut body = Vec::new();
        while !packed.is_empty() {
            let bite = bites.next().unwrap_or(usize::MAX).min(packed.len());
            let mut bite = packed.split_to(bite);
            while !bite.is_empty() {
                body.extend_from_slice(&self.piece(&mut bite)?);
            }
        }
        self.end()?;
        Ok(body)
    }

    /// After the last piece: whether the packed body was whole, with the sums that it ends with.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        if self.packed == 0 {
            return Ok(());
        }
        let ended = match &mut self.kind {
            Kind::Gzip(decoder) => decoder.try_finish(),
            Kind::Zlib(decoder) => decoder.try_finish(),
            Kind::Raw(decoder) => decoder.try_finish(),
            Kind::Either(_) => return Err(damaged()),
        };
        match (ended, self.limited()) {
            (Ok(()), Some(limited)) if limited.unpacked.is_empty() => Ok(()),
            _ => Err(damaged()),
        }
    }

    fn step(&mut self, step: &[u8]) -> Result<(), Error> {
        let mut first = Vec::new();
        if let Kind::Either(begun) = &mut self.kind {
            begun.extend_from_slice(step);
            let &[method, flags, ..] = begun.as_slice() else { return Ok(()) };
            first = std::mem::take(begun);
            self.kind = match is_zlib(method, flags) {
                true => Kind::Zlib(ZlibDecoder::new(Limited::default())),
                false => Kind::Raw(DeflateDecoder::new(Limited::default())),
            };
        }
        let step = if first.is_empty() { step } else { &first };
        let most = FREE_BYTES.max(self.packed.saturating_mul(RATIO_MAX));
        if let Some(limited) = self.limited() {
            limited.most = most;
        }
        let written = match &mut self.kind {
            Kind::Gzip(decoder) => decoder.write_all(step).and_then(|()| decoder.flush()),
            Kind::Zlib(decoder) => decoder.write_all(step).and_then(|()| decoder.flush()),
            Kind::Raw(decoder) => decoder.write_all(step).and_then(|()| decoder.flush()),
            Kind::Either(_) => Ok(()),
        };
        match (written, self.limited().is_some_and(|limited| limited.is_full)) {
            (Ok(()), _) => Ok(()),
            (Err(_), true) => Err(Error::TooLong {
                what: "the unpacked body",
                max_bytes: usize::try_from(most).unwrap_or(usize::MAX),
            }),
            (Err(_), false) => Err(damaged()),
        }
    }

    fn limited(&mut self) -> Option<&mut Limited> {
        match &mut self.kind {
            Kind::Gzip(decoder) => Some(decoder.get_mut()),
            Kind::Zlib(decoder) => Some(decoder.get_mut()),
            Kind::Raw(decoder) => Some(decoder.get_mut()),
            Kind::Either(_) => None,
        }
    }
}

/// RFC 1950 section 2.2: the method is deflate, and the two bytes are a multiple of 31.
fn is_zlib(method: u8, flags: u8) -> bool {
    method & 0x0f == 8 && (u16::from(method) * 256 + u16::from(flags)).is_multiple_of(31)
}

fn unknown() -> Error {
    Error::Unreadable("the answer is packed in a way that nobody asked for".to_owned())
}

fn damaged() -> Error {
    Error::Unreadable("the answer is packed, and damaged".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    fn unpack(name: &str, packed: &[u8], bite: usize) -> Result<Vec<u8>, Error> {
        Decoder::new(name)?.all(packed, &[bite])
    }

    fn packed(name: &str, body: &[u8]) -> Vec<u8> {
        match name {
            "gzip" => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(body).unwrap();
                encoder.finish().unwrap()
            }
            "zlib" => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(body).unwrap();
                encoder.finish().unwrap()
            }
            _ => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(body).unwrap();
                encoder.finish().unwrap()
            }
        }
    }

    #[test]
    fn three_ways_and_any_cut() {
        let body: Vec<u8> =
            (0..70_000_u64).map(|at| u8::try_from(at * at % 251).unwrap()).collect();
        for (name, way) in
            [("gzip", "gzip"), ("x-gzip", "gzip"), ("DEFLATE", "zlib"), ("deflate", "raw")]
        {
            let packed = packed(way, &body);
            for bite in [1, 2, 3, 1000, usize::MAX] {
                assert_eq!(unpack(name, &packed, bite).as_ref(), Ok(&body), "{way} by {bite}");
            }
            for cut in [1, 2, 5, packed.len() / 2, packed.len() - 1] {
                assert_eq!(unpack(name, &packed[..cut], 1000), Err(damaged()), "{way} {cut}");
            }
            assert_eq!(unpack(name, b"", 1), Ok(Vec::new()));
        }
        let mut two = packed("gzip", b"hel");
        two.extend_from_slice(&packed("gzip", b"lo"));
        assert_eq!(unpack("gzip", &two, 7), Ok(b"hello".to_vec()));
        let mut wrong = packed("gzip", b"hello");
        let at = wrong.len() - 8;
        wrong[at] ^= 1;
        assert_eq!(unpack("gzip", &wrong, 7), Err(damaged()), "the sum is looked at");
        let mut more = packed("gzip", b"hello");
        more.extend_from_slice(b"more");
        assert_eq!(unpack("gzip", &more, 7), Err(damaged()));
    }

    #[test]
    fn bombs() {
        let bomb = packed("gzip", &vec![0; 2 << 20]);
        let mut decoder = Decoder::new("gzip").unwrap();
        let (mut longest, mut bomb) = (0, Bytes::from(bomb));
        let failure = loop {
            match decoder.piece(&mut bomb) {
                Ok(piece) => longest = longest.max(piece.len()),
                Err(error) => break error,
            }
        };
        assert!(matches!(failure, Error::TooLong { .. }), "{failure:?}");
        assert!(longest <= 1032 * STEP_BYTES + (64 << 10), "{longest}");
        let small = packed("gzip", &vec![0; 1 << 19]);
        assert_eq!(unpack("gzip", &small, usize::MAX).map(|body| body.len()), Ok(1 << 19));
    }

    #[test]
    fn what_was_not_asked_for() {
        let coded = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(header::CONTENT_ENCODING, value.parse().unwrap());
            of(&headers).map(|decoder| decoder.is_some())
        };
        assert_eq!(coded("identity"), Ok(false));
        assert_eq!(coded("gzip, identity"), Ok(true));
        assert_eq!(coded("br"), Err(unknown()));
        assert_eq!(coded("gzip, gzip"), Err(unknown()));
        assert!(of(&HeaderMap::new()).unwrap().is_none());
    }
}
