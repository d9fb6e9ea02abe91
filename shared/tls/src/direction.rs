//! One direction of a connection: a key, an IV and a number seal or open record after record.
//!
//! Nonces and associated data are those of RFC 8446 section 5.2 and 5.3 (TLS 1.3), RFC 5288 (AES-GCM
//! in TLS 1.2) and RFC 7905 (ChaCha20-Poly1305 in TLS 1.2). Records are opened where they lie and
//! sealed where they are put together.

use aes_gcm::{Aes128Gcm, Aes256Gcm};
use rustls::crypto::cipher::{make_tls12_aad, make_tls13_aad};
use rustls::{ConnectionTrafficSecrets, ContentType, Error, PeerMisbehaved, ProtocolVersion};
use zeroize::Zeroizing;

use crate::aead::{Aead, NONCE, TAG};
use crate::chacha20::ChaCha20Poly1305;
use crate::record::{PLAIN_MAX, Version, put_header, split_header, unexpected};

/// Octets of the nonce that AES-GCM records of TLS 1.2 carry, RFC 5288 section 3.
pub(crate) const EXPLICIT_NONCE: usize = 8;
/// Most records under one key. AES-GCM is safe for 2^24 full records (RFC 8446 section 5.5),
/// which is 256 GiB.
const RECORDS_MAX: u64 = 1 << 24;

/// A key, and how many records it has seen. Key and IV are wiped when it is dropped.
pub(crate) struct Direction {
    version: Version,
    cipher: Cipher,
    iv: Zeroizing<[u8; NONCE]>,
    sequence: u64,
}

/// The ciphers of the suites that are offered.
enum Cipher {
    Aes128(Box<Aes128Gcm>),
    Aes256(Box<Aes256Gcm>),
    ChaCha20(ChaCha20Poly1305),
}

impl Direction {
    /// The direction whose next record has this number.
    pub(crate) fn new(
        version: Version,
        (sequence, secrets): (u64, ConnectionTrafficSecrets),
    ) -> Result<Self, Error> {
        let bad_key = || Error::General("a key of the wrong length".to_owned());
        let (cipher, iv) = match &secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => {
                (Aes128Gcm::keyed(key.as_ref()).map(|key| Cipher::Aes128(Box::new(key))), iv)
            }
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => {
                (Aes256Gcm::keyed(key.as_ref()).map(|key| Cipher::Aes256(Box::new(key))), iv)
            }
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
                (ChaCha20Poly1305::keyed(key.as_ref()).map(Cipher::ChaCha20), iv)
            }
            _ => return Err(Error::General("a cipher that was not offered".to_owned())),
        };
        let iv = iv.as_ref().try_into().map_err(|_| bad_key())?;
        let cipher = cipher.ok_or_else(bad_key)?;
        Ok(Direction { version, cipher, iv: Zeroizing::new(iv), sequence })
    }

    /// Appends `plain`, at most [`PLAIN_MAX`] octets, to `out` as one record.
    pub(crate) fn seal(
        &mut self,
        kind: ContentType,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        match self.version {
            Version::Tls13 => self.seal_tls13(kind, plain, out),
            Version::Tls12 => self.seal_tls12(kind, plain, out),
        }
    }

    /// Opens a whole record, header included, in place.
    pub(crate) fn open<'r>(
        &mut self,
        record: &'r mut [u8],
    ) -> Result<(ContentType, &'r [u8]), Error> {
        match self.version {
            Version::Tls13 => self.open_tls13(record),
            Version::Tls12 => self.open_tls12(record),
        }
    }

    /// The number of the next record.
    fn next(&mut self) -> Result<u64, Error> {
        let sequence = self.sequence;
        if sequence >= RECORDS_MAX && !matches!(self.cipher, Cipher::ChaCha20(_)) {
            return Err(Error::EncryptError);
        }
        self.sequence = sequence.checked_add(1).ok_or(Error::EncryptError)?;
        Ok(sequence)
    }

    /// RFC 8446 section 5.3 and RFC 7905 section 2: the IV XOR the number of the record.
    fn nonce(&self, sequence: u64) -> [u8; NONCE] {
        let mut nonce = *self.iv;
        for (to, from) in nonce.iter_mut().rev().zip(sequence.to_le_bytes()) {
            *to ^= from;
        }
        nonce
    }

    /// Octets of the nonce in each TLS 1.2 record.
    fn explicit(&self) -> usize {
        match self.cipher {
            Cipher::Aes128(_) | Cipher::Aes256(_) => EXPLICIT_NONCE,
            Cipher::ChaCha20(_) => 0,
        }
    }

    fn seal_tls13(
        &mut self,
        kind: ContentType,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let sealed = plain.len() + 1 + TAG;
        let sequence = self.next()?;
        put_header(ContentType::ApplicationData, sealed, out)?;
        let start = out.len();
        out.extend_from_slice(plain);
        out.push(kind.into());
        let text = out.get_mut(start..).unwrap_or_default();
        let tag = self.cipher.seal(&self.nonce(sequence), &make_tls13_aad(sealed), text)?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    fn seal_tls12(
        &mut self,
        kind: ContentType,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let explicit = self.explicit();
        let sequence = self.next()?;
        put_header(kind, explicit + plain.len() + TAG, out)?;
        let nonce = self.nonce(sequence);
        // RFC 5288 asks for explicit nonces that never repeat: a random start XOR the number.
        out.extend_from_slice(nonce.get(NONCE - explicit..).unwrap_or_default());
        let start = out.len();
        out.extend_from_slice(plain);
        let aad = make_tls12_aad(sequence, kind, ProtocolVersion::TLSv1_2, plain.len());
        let text = out.get_mut(start..).unwrap_or_default();
        let tag = self.cipher.seal(&nonce, &aad, text)?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    fn open_tls13<'r>(&mut self, record: &'r mut [u8]) -> Result<(ContentType, &'r [u8]), Error> {
        let (kind, body) = split_header(record)?;
        if kind != ContentType::ApplicationData {
            return Err(unexpected(kind));
        }
        let aad = make_tls13_aad(body.len());
        let sequence = self.next()?;
        let text = self.cipher.open(&self.nonce(sequence), &aad, body)?;
        // Text, type and padding together, RFC 8446 section 5.4.
        if text.len() > PLAIN_MAX + 1 {
            return Err(Error::PeerSentOversizedRecord);
        }
        // The type is the last octet that is not zero, RFC 8446 section 5.4.
        let padded = text.iter().rposition(|octet| *octet != 0);
        let kind_at = padded.ok_or(PeerMisbehaved::IllegalTlsInnerPlaintext)?;
        let (plain, rest) = text.split_at(kind_at);
        let kind = ContentType::from(rest.first().copied().unwrap_or_default());
        // It is never protected, RFC 8446 section 5.
        if kind == ContentType::ChangeCipherSpec {
            return Err(PeerMisbehaved::IllegalMiddleboxChangeCipherSpec.into());
        }
        Ok((kind, plain))
    }

    fn open_tls12<'r>(&mut self, record: &'r mut [u8]) -> Result<(ContentType, &'r [u8]), Error> {
        let (kind, body) = split_header(record)?;
        let (explicit, body) =
            body.split_at_mut_checked(self.explicit()).ok_or(Error::DecryptError)?;
        let length = body.len().checked_sub(TAG).ok_or(Error::DecryptError)?;
        if length > PLAIN_MAX {
            return Err(Error::PeerSentOversizedRecord);
        }
        let sequence = self.next()?;
        let mut nonce = self.nonce(sequence);
        if !explicit.is_empty() {
            // RFC 5288 section 3: the IV's first four octets, and the nonce that was sent.
            nonce = *self.iv;
            for (to, from) in nonce.iter_mut().skip(NONCE - EXPLICIT_NONCE).zip(explicit) {
                *to = *from;
            }
        }
        let aad = make_tls12_aad(sequence, kind, ProtocolVersion::TLSv1_2, length);
        Ok((kind, self.cipher.open(&nonce, &aad, body)?))
    }
}

impl Cipher {
    fn seal(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> Result<[u8; TAG], Error> {
        let tag = match self {
            Cipher::Aes128(cipher) => Aead::seal(cipher.as_ref(), nonce, aad, text),
            Cipher::Aes256(cipher) => Aead::seal(cipher.as_ref(), nonce, aad, text),
            Cipher::ChaCha20(cipher) => Aead::seal(cipher, nonce, aad, text),
        };
        tag.ok_or(Error::EncryptError)
    }

    /// Opens text and tag in place, and gives the text.
    fn open<'r>(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        sealed: &'r mut [u8],
    ) -> Result<&'r [u8], Error> {
        let length = sealed.len().checked_sub(TAG).ok_or(Error::DecryptError)?;
        let (text, tag) = sealed.split_at_mut_checked(length).ok_or(Error::DecryptError)?;
        let opened = match self {
            Cipher::Aes128(cipher) => Aead::open(cipher.as_ref(), nonce, aad, text, tag),
            Cipher::Aes256(cipher) => Aead::open(cipher.as_ref(), nonce, aad, text, tag),
            Cipher::ChaCha20(cipher) => Aead::open(cipher, nonce, aad, text, tag),
        };
        opened.map(|()| &*text).ok_or(Error::DecryptError)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn known(version: Version, cipher: Option<Cipher>) -> Direction {
        let (cipher, iv) = (cipher.unwrap(), Zeroizing::new([9; NONCE]));
        Direction { version, cipher, iv, sequence: 0 }
    }

    /// A direction under a key that the tests know.
    pub(crate) fn chacha20(version: Version) -> Direction {
        known(version, ChaCha20Poly1305::keyed(&[1; 32]).map(Cipher::ChaCha20))
    }

    /// The same with AES-GCM.
    pub(crate) fn aes(version: Version) -> Direction {
        let cipher = Aes128Gcm::keyed(&[1; 16]).map(|key| Cipher::Aes128(Box::new(key)));
        known(version, cipher)
    }

    #[test]
    fn aes_keys_wear_out() {
        let seal = |mut direction: Direction| {
            let sealed = direction.seal(ContentType::ApplicationData, b"x", &mut Vec::new());
            sealed.map(|()| direction)
        };
        for version in [Version::Tls13, Version::Tls12] {
            let worn = seal(Direction { sequence: RECORDS_MAX - 1, ..aes(version) }).ok().unwrap();
            assert_eq!(seal(worn).err(), Some(Error::EncryptError));
            assert!(seal(Direction { sequence: RECORDS_MAX, ..chacha20(version) }).is_ok());
        }
    }
}
