//! The three record ciphers of TLS behind one trait.

use crate::chacha20::ChaCha20Poly1305;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Aes256Gcm};

/// Octets of the authentication tag of all three ciphers.
pub(crate) const TAG: usize = 16;
/// Octets of the nonce of all three ciphers.
pub(crate) const NONCE: usize = 12;

/// A record cipher with its key.
pub(crate) trait Aead: Sized {
    /// `None` where the key has another length.
    fn keyed(key: &[u8]) -> Option<Self>;
    /// Encrypts in place and returns the tag.
    fn seal(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> Option<[u8; TAG]>;
    /// Checks the tag and decrypts in place; `None` where the tag is not right.
    fn open(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8], tag: &[u8]) -> Option<()>;
}

impl Aead for ChaCha20Poly1305 {
    fn keyed(key: &[u8]) -> Option<Self> {
        ChaCha20Poly1305::new(key)
    }

    fn seal(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> Option<[u8; TAG]> {
        Some(ChaCha20Poly1305::seal(self, nonce, aad, text))
    }

    fn open(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8], tag: &[u8]) -> Option<()> {
        ChaCha20Poly1305::open(self, nonce, aad, text, tag)
    }
}

macro_rules! aes_gcm {
    ($cipher:ident) => {
        impl Aead for $cipher {
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
        }
    };
}

aes_gcm!(Aes128Gcm);
aes_gcm!(Aes256Gcm);

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
        let keyed = A::keyed(&hex(key)).unwrap();
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
}
