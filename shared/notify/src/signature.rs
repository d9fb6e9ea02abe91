//! Signing as Standard Webhooks says (version 1.0.0, "Signature scheme"): HMAC-SHA-256 over
//! `id.timestamp.body`, in base64 behind `v1,`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use wire::{Random, Secret};

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Octets of a secret, by the specification at least 24 and at most 64.
const SECRET_MIN: usize = 24;
const SECRET_MAX: usize = 64;
/// Octets of one that is made here.
const SECRET_MADE: usize = 32;

/// A new secret.
pub fn make_secret(random: &impl Random) -> Secret {
    let mut bytes = [0; SECRET_MADE];
    random.fill(&mut bytes);
    Secret::new(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

/// Whether a secret of an owner's can be used.
pub fn is_secret(secret: &Secret) -> bool {
    key(secret).is_some()
}

/// The value of `webhook-signature`; `None` where the secret is none.
pub fn sign(secret: &Secret, id: &str, timestamp_s: u64, body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key(secret)?).ok()?;
    mac.update(format!("{id}.{timestamp_s}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

fn key(secret: &Secret) -> Option<Vec<u8>> {
    let key = STANDARD.decode(secret.expose().strip_prefix(PREFIX)?).ok()?;
    (SECRET_MIN..=SECRET_MAX).contains(&key.len()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn signs_as_the_reference_does() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into());
        let signed = sign(
            &secret,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn knows_a_secret() {
        struct Seven;
        impl Random for Seven {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.fill(7);
            }
        }
        assert!(is_secret(&make_secret(&Seven)));
        for wrong in ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert!(!is_secret(&Secret::new(wrong.into())), "{wrong}");
        }
    }
}
