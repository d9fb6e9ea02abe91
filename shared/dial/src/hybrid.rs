//! The cryptography of TLS: ring, with record ciphers that are fast in WebAssembly.
//!
//! ring does the key exchange, hashes, key derivation and signatures. Its record ciphers are
//! assembly on native machines only; in a component its portable C is slower than what is used
//! here: half as fast as [`ChaCha20Poly1305`] and as RustCrypto's AES-GCM. The record formats are
//! RFC 8446 section 5.2 (TLS 1.3), RFC 5288 (AES-GCM in TLS 1.2) and RFC 7905 (ChaCha20-Poly1305
//! in TLS 1.2).

use std::marker::PhantomData;
use std::sync::LazyLock;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, KeyBlockShape, MessageDecrypter,
    MessageEncrypter, Nonce, OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload,
    Tls12AeadAlgorithm, Tls13AeadAlgorithm, UnsupportedOperationError, make_tls12_aad,
    make_tls13_aad,
};
use rustls::crypto::{CipherSuiteCommon, CryptoProvider, ring};
use rustls::{
    CipherSuite, ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion,
    SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite,
};

use crate::chacha20::ChaCha20Poly1305;

/// Octets of the authentication tag of all three ciphers.
const TAG: usize = 16;
/// Octets of the nonce of all three ciphers.
const NONCE: usize = 12;
/// Octets of the nonce that AES-GCM records of TLS 1.2 carry, RFC 5288 section 3.
const EXPLICIT_NONCE: usize = 8;
/// Most plaintext octets in a record, RFC 5246 section 6.2.1.
const PLAINTEXT_MAX: usize = 1 << 14;

/// Which cipher suites are offered to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ciphers {
    /// ChaCha20-Poly1305 only: several times faster than AES in a component. Servers that follow
    /// their own preference (AES, nearly always) are thereby made to choose it.
    ChaCha20,
    /// Every suite, ChaCha20-Poly1305 first: for servers that know only AES.
    All,
}

/// The provider that offers `ciphers`.
pub(crate) fn provider(ciphers: Ciphers) -> CryptoProvider {
    let tls13 = TLS13.iter().map(SupportedCipherSuite::Tls13);
    let tls12 = TLS12.iter().map(SupportedCipherSuite::Tls12);
    let mut cipher_suites: Vec<SupportedCipherSuite> = tls13.chain(tls12).collect();
    match ciphers {
        Ciphers::All => cipher_suites.sort_by_key(|suite| !is_chacha(*suite)),
        Ciphers::ChaCha20 => cipher_suites.retain(|suite| is_chacha(*suite)),
    }
    CryptoProvider { cipher_suites, ..ring::default_provider() }
}

fn is_chacha(suite: SupportedCipherSuite) -> bool {
    matches!(cipher_of(suite.suite()), Some(Cipher::ChaCha20))
}

static TLS13: LazyLock<Vec<Tls13CipherSuite>> =
    LazyLock::new(|| ring::ALL_CIPHER_SUITES.iter().filter_map(swap_tls13).collect());

static TLS12: LazyLock<Vec<Tls12CipherSuite>> =
    LazyLock::new(|| ring::ALL_CIPHER_SUITES.iter().filter_map(swap_tls12).collect());

enum Cipher {
    Aes128,
    Aes256,
    ChaCha20,
}

fn cipher_of(suite: CipherSuite) -> Option<Cipher> {
    Some(match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => Cipher::Aes128,
        CipherSuite::TLS13_AES_256_GCM_SHA384
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => Cipher::Aes256,
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => Cipher::ChaCha20,
        _ => return None,
    })
}

fn common(of: &CipherSuiteCommon) -> CipherSuiteCommon {
    CipherSuiteCommon {
        suite: of.suite,
        hash_provider: of.hash_provider,
        confidentiality_limit: of.confidentiality_limit,
    }
}

fn swap_tls13(of: &SupportedCipherSuite) -> Option<Tls13CipherSuite> {
    let suite = of.tls13()?;
    let aead_alg: &dyn Tls13AeadAlgorithm = match cipher_of(of.suite())? {
        Cipher::Aes128 => &Algorithm::<Aes128Gcm>(PhantomData),
        Cipher::Aes256 => &Algorithm::<Aes256Gcm>(PhantomData),
        Cipher::ChaCha20 => &Algorithm::<ChaCha20Poly1305>(PhantomData),
    };
    Some(Tls13CipherSuite {
        common: common(&suite.common),
        hkdf_provider: suite.hkdf_provider,
        aead_alg,
        quic: None,
    })
}

fn swap_tls12(of: &SupportedCipherSuite) -> Option<Tls12CipherSuite> {
    let SupportedCipherSuite::Tls12(suite) = of else { return None };
    let aead_alg: &dyn Tls12AeadAlgorithm = match cipher_of(of.suite())? {
        Cipher::Aes128 => &Algorithm::<Aes128Gcm>(PhantomData),
        Cipher::Aes256 => &Algorithm::<Aes256Gcm>(PhantomData),
        Cipher::ChaCha20 => &Algorithm::<ChaCha20Poly1305>(PhantomData),
    };
    Some(Tls12CipherSuite {
        common: common(&suite.common),
        kx: suite.kx,
        sign: suite.sign,
        prf_provider: suite.prf_provider,
        aead_alg,
    })
}

/// A record cipher with its key, and what TLS needs to know of it.
trait Aead: Sized + Send + Sync + 'static {
    /// Octets of the key.
    const KEY: usize;
    /// Octets of the nonce that each TLS 1.2 record carries.
    const TLS12_EXPLICIT_NONCE: usize;
    /// `None` where the key has another length.
    fn keyed(key: &[u8]) -> Option<Self>;
    /// Encrypts in place and returns the tag.
    fn seal(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> Option<[u8; TAG]>;
    /// Checks the tag and decrypts in place; `None` where the tag is not right.
    fn open(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8], tag: &[u8]) -> Option<()>;
    /// The form in which rustls gives secrets out.
    fn secrets(key: AeadKey, iv: Iv) -> ConnectionTrafficSecrets;
}

impl Aead for ChaCha20Poly1305 {
    const KEY: usize = 32;
    const TLS12_EXPLICIT_NONCE: usize = 0;

    fn keyed(key: &[u8]) -> Option<Self> {
        ChaCha20Poly1305::new(key)
    }

    fn seal(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> Option<[u8; TAG]> {
        Some(ChaCha20Poly1305::seal(self, nonce, aad, text))
    }

    fn open(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8], tag: &[u8]) -> Option<()> {
        ChaCha20Poly1305::open(self, nonce, aad, text, tag)
    }

    fn secrets(key: AeadKey, iv: Iv) -> ConnectionTrafficSecrets {
        ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }
    }
}

macro_rules! aes_gcm {
    ($cipher:ident, $key:literal) => {
        impl Aead for $cipher {
            const KEY: usize = $key;
            const TLS12_EXPLICIT_NONCE: usize = EXPLICIT_NONCE;

            fn keyed(key: &[u8]) -> Option<Self> {
                $cipher::new_from_slice(key).ok()
            }

            fn seal(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> Option<[u8; TAG]> {
                let nonce = nonce.as_slice().try_into().ok()?;
                let tag = self.encrypt_inout_detached(nonce, aad, text.into()).ok()?;
                tag.as_slice().try_into().ok()
            }

            fn open(
                &self,
                nonce: &[u8; NONCE],
                aad: &[u8],
                text: &mut [u8],
                tag: &[u8],
            ) -> Option<()> {
                let nonce = nonce.as_slice().try_into().ok()?;
                let tag = tag.try_into().ok()?;
                self.decrypt_inout_detached(nonce, aad, text.into(), tag).ok()
            }

            fn secrets(key: AeadKey, iv: Iv) -> ConnectionTrafficSecrets {
                ConnectionTrafficSecrets::$cipher { key, iv }
            }
        }
    };
}

aes_gcm!(Aes128Gcm, 16);
aes_gcm!(Aes256Gcm, 32);

struct Algorithm<A>(PhantomData<A>);

/// A key, ready to seal or open. `None` where the key had another length than the cipher's:
/// rustls never asks for that, and then every record is refused.
struct Keyed<A>(Option<A>);

impl<A: Aead> Keyed<A> {
    fn new(key: &AeadKey) -> Self {
        Keyed(A::keyed(key.as_ref()))
    }

    fn seal(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> Option<[u8; TAG]> {
        self.0.as_ref()?.seal(nonce, aad, text)
    }

    fn open(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8], tag: &[u8]) -> Option<()> {
        self.0.as_ref()?.open(nonce, aad, text, tag)
    }
}

/// Records of TLS 1.3, RFC 8446 section 5.2.
struct Tls13<A> {
    key: Keyed<A>,
    iv: Iv,
}

impl<A: Aead> MessageEncrypter for Tls13<A> {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        sequence: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let total = self.encrypted_payload_len(message.payload.len());
        let mut payload = PrefixedPayload::with_capacity(total);
        payload.extend_from_chunks(&message.payload);
        payload.extend_from_slice(&message.typ.to_array());
        let nonce = Nonce::new(&self.iv, sequence).0;
        let sealed = self.key.seal(&nonce, &make_tls13_aad(total), payload.as_mut());
        payload.extend_from_slice(&sealed.ok_or(Error::EncryptError)?);
        let (kind, version) = (ContentType::ApplicationData, ProtocolVersion::TLSv1_2);
        Ok(OutboundOpaqueMessage::new(kind, version, payload))
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        payload_len + 1 + TAG
    }
}

impl<A: Aead> MessageDecrypter for Tls13<A> {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        sequence: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let total = message.payload.len();
        let length = total.checked_sub(TAG).ok_or(Error::DecryptError)?;
        let nonce = Nonce::new(&self.iv, sequence).0;
        let (text, tag) =
            message.payload.split_at_mut_checked(length).ok_or(Error::DecryptError)?;
        let opened = self.key.open(&nonce, &make_tls13_aad(total), text, tag);
        opened.ok_or(Error::DecryptError)?;
        message.payload.truncate(length);
        message.into_tls13_unpadded_message()
    }
}

/// Records of TLS 1.2, RFC 5246 section 6.2.3.3.
struct Tls12<A> {
    key: Keyed<A>,
    iv: Iv,
}

impl<A: Aead> MessageEncrypter for Tls12<A> {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        sequence: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let length = message.payload.len();
        let mut payload = PrefixedPayload::with_capacity(self.encrypted_payload_len(length));
        // RFC 5288 asks for explicit nonces that never repeat: a random start XOR the sequence.
        let nonce = Nonce::new(&self.iv, sequence).0;
        let explicit = A::TLS12_EXPLICIT_NONCE;
        payload.extend_from_slice(nonce.get(NONCE - explicit..).ok_or(Error::EncryptError)?);
        payload.extend_from_chunks(&message.payload);
        let aad = make_tls12_aad(sequence, message.typ, message.version, length);
        let text = payload.as_mut().get_mut(explicit..).ok_or(Error::EncryptError)?;
        let tag = self.key.seal(&nonce, &aad, text).ok_or(Error::EncryptError)?;
        payload.extend_from_slice(&tag);
        Ok(OutboundOpaqueMessage::new(message.typ, message.version, payload))
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        A::TLS12_EXPLICIT_NONCE + payload_len + TAG
    }
}

impl<A: Aead> MessageDecrypter for Tls12<A> {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        sequence: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let explicit = A::TLS12_EXPLICIT_NONCE;
        let length =
            message.payload.len().checked_sub(explicit + TAG).ok_or(Error::DecryptError)?;
        if length > PLAINTEXT_MAX {
            return Err(Error::PeerSentOversizedRecord);
        }
        let (head, rest) =
            message.payload.split_at_mut_checked(explicit).ok_or(Error::DecryptError)?;
        let (text, tag) = rest.split_at_mut_checked(length).ok_or(Error::DecryptError)?;
        let nonce = received_nonce(&self.iv, sequence, head).ok_or(Error::DecryptError)?;
        let aad = make_tls12_aad(sequence, message.typ, message.version, length);
        self.key.open(&nonce, &aad, text, tag).ok_or(Error::DecryptError)?;
        Ok(message.into_plain_message_range(explicit..explicit + length))
    }
}

/// RFC 5288 section 3: four octets of the key block, then the explicit nonce of the record;
/// RFC 7905 section 2: the IV of the key block XOR the sequence number.
fn received_nonce(iv: &Iv, sequence: u64, explicit: &[u8]) -> Option<[u8; NONCE]> {
    if explicit.is_empty() {
        return Some(Nonce::new(iv, sequence).0);
    }
    let fixed = iv.as_ref().get(..NONCE - EXPLICIT_NONCE)?;
    joined(fixed, explicit)
}

fn joined(fixed: &[u8], explicit: &[u8]) -> Option<[u8; NONCE]> {
    [fixed, explicit].concat().try_into().ok()
}

impl<A: Aead> Tls13AeadAlgorithm for Algorithm<A> {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Tls13 { key: Keyed::<A>::new(&key), iv })
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(Tls13 { key: Keyed::<A>::new(&key), iv })
    }

    fn key_len(&self) -> usize {
        A::KEY
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Ok(A::secrets(key, iv))
    }
}

impl<A: Aead> Tls12AeadAlgorithm for Algorithm<A> {
    fn encrypter(&self, key: AeadKey, iv: &[u8], extra: &[u8]) -> Box<dyn MessageEncrypter> {
        Box::new(keyed_tls12::<A>(&key, iv, extra))
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        let explicit = [0; EXPLICIT_NONCE];
        let unused = explicit.get(..NONCE.saturating_sub(iv.len())).unwrap_or(&explicit);
        Box::new(keyed_tls12::<A>(&key, iv, unused))
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        KeyBlockShape {
            enc_key_len: A::KEY,
            fixed_iv_len: NONCE - A::TLS12_EXPLICIT_NONCE,
            explicit_nonce_len: A::TLS12_EXPLICIT_NONCE,
        }
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: &[u8],
        explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        let iv = joined(iv, explicit).ok_or(UnsupportedOperationError)?;
        Ok(A::secrets(key, Iv::new(iv)))
    }
}

fn keyed_tls12<A: Aead>(key: &AeadKey, fixed: &[u8], explicit: &[u8]) -> Tls12<A> {
    match joined(fixed, explicit) {
        Some(iv) => Tls12 { key: Keyed::new(key), iv: Iv::new(iv) },
        None => Tls12 { key: Keyed(None), iv: Iv::new([0; NONCE]) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        digits.chunks(2).map(|pair| byte(pair).unwrap()).collect()
    }

    /// Seals and opens a known answer, and refuses it with any bit of text, tag, nonce or
    /// associated data flipped.
    fn check<A: Aead>(key: &str, nonce: &str, aad: &str, plain: &[u8], sealed: &str, tag: &str) {
        let keyed = Keyed(A::keyed(&hex(key)));
        let nonce: [u8; NONCE] = hex(nonce).try_into().unwrap();
        let (aad, sealed, tag) = (hex(aad), hex(sealed), hex(tag));
        let mut text = plain.to_vec();
        assert_eq!(keyed.seal(&nonce, &aad, &mut text).unwrap().to_vec(), tag);
        assert_eq!(text, sealed);
        assert_eq!(keyed.open(&nonce, &aad, &mut text, &tag), Some(()));
        assert_eq!(text, plain);

        let refuses = |nonce: &[u8; NONCE], aad: &[u8], sealed: &[u8], tag: &[u8]| {
            assert_eq!(keyed.open(nonce, aad, &mut sealed.to_vec(), tag), None);
        };
        let flipped = |bytes: &[u8], bit: usize| {
            let mut bytes = bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        };
        for bit in 0..sealed.len() * 8 {
            refuses(&nonce, &aad, &flipped(&sealed, bit), &tag);
        }
        for bit in 0..TAG * 8 {
            refuses(&nonce, &aad, &sealed, &flipped(&tag, bit));
        }
        for bit in 0..NONCE * 8 {
            refuses(&flipped(&nonce, bit).try_into().unwrap(), &aad, &sealed, &tag);
        }
        for bit in 0..aad.len() * 8 {
            refuses(&nonce, &flipped(&aad, bit), &sealed, &tag);
        }
        refuses(&nonce, &aad, &sealed, &tag[..TAG - 1]);
        refuses(&nonce, &aad, &sealed[1..], &tag);
    }

    #[test]
    fn rfc_8439_section_2_8_2() {
        check::<ChaCha20Poly1305>(
            "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
            "070000004041424344454647",
            "50515253c0c1c2c3c4c5c6c7",
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the \
              future, sunscreen would be it.",
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6
             3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36
             92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
             3ff4def08e4b7a9de576d26586cec64b6116",
            "1ae10b594f09e26a7e902ecbd0600691",
        );
    }

    const GCM_PLAIN: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
        1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
    const GCM_AAD: &str = "feedfacedeadbeeffeedfacedeadbeefabaddad2";

    #[test]
    fn gcm_test_case_4() {
        check::<Aes128Gcm>(
            "feffe9928665731c6d6a8f9467308308",
            "cafebabefacedbaddecaf888",
            GCM_AAD,
            &hex(GCM_PLAIN),
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e
             21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
            "5bc94fbc3221a5db94fae95ae7121a47",
        );
    }

    #[test]
    fn gcm_test_case_16() {
        check::<Aes256Gcm>(
            "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            "cafebabefacedbaddecaf888",
            GCM_AAD,
            &hex(GCM_PLAIN),
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
             8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
            "76fc6ece0f4e1768cddf8853bb2d551b",
        );
    }

    #[test]
    fn offers() {
        let names = |ciphers| {
            let suites = provider(ciphers).cipher_suites;
            suites.iter().map(|suite| format!("{:?}", suite.suite())).collect::<Vec<_>>()
        };
        let chacha = [
            "TLS13_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        ];
        assert_eq!(names(Ciphers::ChaCha20), chacha);
        let all = names(Ciphers::All);
        assert_eq!(all.len(), 9);
        assert_eq!(all[..3], chacha);
    }
}
