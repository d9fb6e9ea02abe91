//! The form of a TLS record: a header and what it may hold, RFC 8446 section 5 and RFC 5246 section
//! 6.2.

use rustls::{ContentType, Error, InvalidMessage};

/// Octets in front of a record: type, version, length.
pub(crate) const HEADER: usize = 5;
/// Most plaintext octets in one record, RFC 8446 section 5.1.
pub(crate) const PLAIN_MAX: usize = 1 << 14;
/// Most octets of a sealed record after its header in TLS 1.2, RFC 5246 section 6.2.3.
const SEALED_MAX_TLS12: usize = PLAIN_MAX + 2048;
/// The same in TLS 1.3, RFC 8446 section 5.2.
const SEALED_MAX_TLS13: usize = PLAIN_MAX + 256;
/// Most octets a record adds to its plaintext in any suite we offer (header, explicit nonce,
/// type, tag), rounded up.
pub(crate) const OVERHEAD_MAX: usize = 40;

/// The versions of TLS that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl Version {
    /// Octets of the first record in `bytes`, header included; `None` while the header is not
    /// there.
    pub(crate) fn record_length(self, bytes: &[u8]) -> Result<Option<usize>, Error> {
        let most = match self {
            Version::Tls13 => SEALED_MAX_TLS13,
            Version::Tls12 => SEALED_MAX_TLS12,
        };
        let Some(announced) = announced_length(bytes) else { return Ok(None) };
        match announced {
            sealed if sealed <= most => Ok(Some(HEADER + sealed)),
            _ => Err(Error::PeerSentOversizedRecord),
        }
    }
}

/// Octets that the header at the start of `bytes` says come behind it; `None` while the header is
/// not there.
pub(crate) fn announced_length(bytes: &[u8]) -> Option<usize> {
    let &[_, _, _, high, low] = bytes.first_chunk::<HEADER>()?;
    Some(usize::from(u16::from_be_bytes([high, low])))
}

/// Appends a header for `sealed` octets to `out`.
pub(crate) fn put_header(kind: ContentType, sealed: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    // The version is 1.2 whatever was agreed, RFC 8446 section 5.1.
    let [high, low] = u16::try_from(sealed).map_err(|_| Error::EncryptError)?.to_be_bytes();
    out.extend_from_slice(&[kind.into(), 3, 3, high, low]);
    Ok(())
}

/// The type that a whole record has outside, and what stands behind its header.
pub(crate) fn split_header(record: &mut [u8]) -> Result<(ContentType, &mut [u8]), Error> {
    let split = record.split_first_chunk_mut::<HEADER>();
    let (&mut [kind, ..], body) = split.ok_or(InvalidMessage::MessageTooShort)?;
    Ok((ContentType::from(kind), body))
}

/// The refusal of a record whose type does not belong there.
pub(crate) fn unexpected(kind: ContentType) -> Error {
    Error::InappropriateMessage { expect_types: vec![ContentType::ApplicationData], got_type: kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_lengths_of_each_version() {
        for (version, most) in [(Version::Tls13, 0x4100u16), (Version::Tls12, 0x4800)] {
            let length = |sealed: u16| {
                let [high, low] = sealed.to_be_bytes();
                version.record_length(&[23, 3, 3, high, low, 9])
            };
            assert_eq!(version.record_length(&[23, 3, 3, 0]), Ok(None));
            assert_eq!(length(258), Ok(Some(HEADER + 258)));
            assert_eq!(length(most), Ok(Some(HEADER + usize::from(most))));
            assert_eq!(length(most + 1), Err(Error::PeerSentOversizedRecord));
        }
    }
}
