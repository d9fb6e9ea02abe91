//! Credentials at rest: XChaCha20-Poly1305 under `secret_key`, bound to their migration.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::Deserialize;
use wire::{Random, Secret};
use zeroize::Zeroizing;

use crate::Error;

const NONCE_BYTES: usize = 24;
/// Plain texts are padded to a multiple of this, so that the length of a password is not told.
const PAD_BYTES: usize = 128;

/// What one log-in takes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Credential {
    /// A password.
    Password(Secret),
    /// An OAuth 2.0 bearer token (XOAUTH2, RFC 7628).
    Token {
        /// The token.
        access_token: Secret,
    },
}

/// What a run needs to log in at both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// For the source.
    pub source: Credential,
    /// For the destination.
    pub destination: Credential,
}

/// Seals and opens credentials.
pub struct Seal(XChaCha20Poly1305);

impl Seal {
    /// From the variable `secret_key`: 32 bytes in base 64. `None` if it is anything else.
    pub fn from_variable(secret_key: &str) -> Option<Self> {
        let key = Zeroizing::new(STANDARD.decode(secret_key.trim()).ok()?);
        XChaCha20Poly1305::new_from_slice(&key).ok().map(Seal)
    }

    /// Seals `credentials` for the migration `id`.
    pub fn seal(
        &self,
        id: &model::MigrationId,
        credentials: &Credentials,
        random: &impl Random,
    ) -> Result<Vec<u8>, Error> {
        self.close(id.as_str(), &Zeroizing::new(pack(credentials)), random)
    }

    /// Opens what [`Seal::seal`] made for the same `id`.
    pub fn open(&self, id: &model::MigrationId, sealed: &[u8]) -> Result<Credentials, Error> {
        unpack(&self.disclose(id.as_str(), sealed)?).ok_or(Error::Sealed)
    }

    /// Seals a single secret, bound to the `key` it is stored at.
    pub fn seal_secret(
        &self,
        key: &str,
        secret: &Secret,
        random: &impl Random,
    ) -> Result<Vec<u8>, Error> {
        self.close(key, secret.expose().as_bytes(), random)
    }

    /// Opens what [`Seal::seal_secret`] made for the same `key`.
    pub fn open_secret(&self, key: &str, sealed: &[u8]) -> Result<Secret, Error> {
        let opened = self.disclose(key, sealed)?;
        let text = std::str::from_utf8(&opened).map_err(|_| Error::Sealed)?;
        Ok(Secret::new(text.to_owned()))
    }

    fn close(&self, bound_to: &str, plain: &[u8], random: &impl Random) -> Result<Vec<u8>, Error> {
        let mut nonce = [0; NONCE_BYTES];
        random.fill(&mut nonce);
        let payload = Payload { msg: plain, aad: bound_to.as_bytes() };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| Error::Sealed)?;
        Ok([&nonce[..], &sealed].concat())
    }

    fn disclose(&self, bound_to: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(Error::Sealed)?;
        let payload = Payload { msg: sealed, aad: bound_to.as_bytes() };
        let opened = self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| Error::Sealed)?;
        Ok(Zeroizing::new(opened))
    }
}

fn pack(credentials: &Credentials) -> Vec<u8> {
    let mut plain = Vec::new();
    for credential in [&credentials.source, &credentials.destination] {
        let (kind, text) = match credential {
            Credential::Password(password) => (0, password.expose()),
            Credential::Token { access_token } => (1, access_token.expose()),
        };
        plain.push(kind);
        plain.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        plain.extend_from_slice(text.as_bytes());
    }
    plain.resize(plain.len().next_multiple_of(PAD_BYTES), 0);
    plain
}

fn unpack(plain: &[u8]) -> Option<Credentials> {
    let (source, rest) = unpack_one(plain)?;
    let (destination, _) = unpack_one(rest)?;
    Some(Credentials { source, destination })
}

fn unpack_one(plain: &[u8]) -> Option<(Credential, &[u8])> {
    let (kind, rest) = plain.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (text, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    let secret = Secret::new(std::str::from_utf8(text).ok()?.to_owned());
    match kind {
        0 => Some((Credential::Password(secret), rest)),
        1 => Some((Credential::Token { access_token: secret }, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::MigrationId;

    struct Counter;
    impl Random for Counter {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.iter_mut().zip(0..).for_each(|(byte, n)| *byte = n);
        }
    }

    #[test]
    fn opens_only_with_key_id_and_untouched() {
        let seal = Seal::from_variable(&STANDARD.encode([1; 32])).unwrap();
        let other = Seal::from_variable(&STANDARD.encode([2; 32])).unwrap();
        let (id, stranger) =
            (MigrationId::from_random(&[1; 26]), MigrationId::from_random(&[2; 26]));
        let credentials = Credentials {
            source: Credential::Password(Secret::new("pa\"ss\\wörd".into())),
            destination: Credential::Token { access_token: Secret::new("ya29".into()) },
        };
        let sealed = seal.seal(&id, &credentials, &Counter).unwrap();
        assert_eq!(seal.open(&id, &sealed), Ok(credentials));
        assert_eq!(seal.open(&stranger, &sealed), Err(Error::Sealed));
        assert_eq!(other.open(&id, &sealed), Err(Error::Sealed));
        for at in 0..sealed.len() {
            let mut touched = sealed.clone();
            touched[at] ^= 1;
            assert_eq!(seal.open(&id, &touched), Err(Error::Sealed), "{at}");
            assert_eq!(seal.open(&id, &sealed[..at]), Err(Error::Sealed), "{at}");
        }
        let secret = Secret::new("whsec_x".into());
        let sealed = seal.seal_secret("m/a", &secret, &Counter).unwrap();
        assert_eq!(seal.open_secret("m/a", &sealed), Ok(secret));
        assert_eq!(seal.open_secret("m/b", &sealed), Err(Error::Sealed));
        assert!(Seal::from_variable("short").is_none());
    }
}
