//! SCRAM: a proof of the password without the password (RFC 5802 with SHA-1, RFC 7677 with SHA-256).
//!
//! Without channel binding, which the header `n` says (RFC 5802 section 6): no `-PLUS` mechanism is
//! spoken.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::prepared::prepared;

/// Most iterations that are computed: a server may not keep a component busy for longer than
/// about a second. Servers use 4096 to 600,000. A fuzzer has no second for each try.
const ITERATIONS_MAX: u32 = if cfg!(fuzzing) { 100 } else { 1_000_000 };

/// The hash function of a mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
}

/// Why an exchange cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The challenge is not of the form of RFC 5802, or asks too much.
    Challenge,
    /// The server's signature is not the one the password gives.
    Signature,
}

/// The client's side after its first message.
pub(crate) struct Scram {
    hash: Hash,
    password: Zeroizing<String>,
    gs2_header: String,
    first_bare: String,
    nonce: String,
}

/// The client's side after its proof.
pub(crate) struct Proven {
    signature: Zeroizing<Vec<u8>>,
}

/// `server-final-message`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Last<'a> {
    /// The server knows the password, or what was derived from it.
    Proven,
    /// It refuses, with `server-error-value` (RFC 5802 section 7).
    Refused(&'a [u8]),
}

impl Scram {
    /// Begins; `random` makes the nonce. `None` where the login or the password has no form that
    /// both sides compute with.
    pub(crate) fn new(
        hash: Hash,
        login: &str,
        password: &str,
        authorise_as: Option<&str>,
        random: [u8; 18],
    ) -> Option<Self> {
        Scram::with_nonce(hash, login, password, authorise_as, STANDARD.encode(random))
    }

    fn with_nonce(
        hash: Hash,
        login: &str,
        password: &str,
        authorise_as: Option<&str>,
        nonce: String,
    ) -> Option<Self> {
        let escape = |name: &str| name.replace('=', "=3D").replace(',', "=2C");
        let gs2_header = match authorise_as {
            Some(name) => format!("n,a={},", escape(name)),
            None => "n,,".to_owned(),
        };
        let first_bare = format!("n={},r={nonce}", escape(&prepared(login)?));
        Some(Scram { hash, password: prepared(password)?, gs2_header, first_bare, nonce })
    }

    /// `client-first-message`.
    pub(crate) fn first(&self) -> String {
        format!("{}{}", self.gs2_header, self.first_bare)
    }

    /// `client-final-message` in answer to `server-first-message`.
    pub(crate) fn prove(&self, challenge: &[u8]) -> Result<(String, Proven), Broken> {
        let challenge = std::str::from_utf8(challenge).map_err(|_| Broken::Challenge)?;
        // What the server insists on and we do not know, RFC 5802 section 5.1.
        if challenge.split(',').any(|part| part.starts_with("m=")) {
            return Err(Broken::Challenge);
        }
        let field = |name| {
            challenge
                .split(',')
                .find_map(|part: &str| part.strip_prefix(name))
                .ok_or(Broken::Challenge)
        };
        let nonce =
            field("r=").ok().filter(|own| own.starts_with(&self.nonce) && *own != self.nonce);
        let nonce = nonce.ok_or(Broken::Challenge)?;
        let salt = STANDARD.decode(field("s=")?).map_err(|_| Broken::Challenge)?;
        let rounds = field("i=")?.parse().ok().filter(|i| (1..=ITERATIONS_MAX).contains(i));
        let rounds = rounds.ok_or(Broken::Challenge)?;
        let salted = self.hash.salted(self.password.as_bytes(), &salt, rounds);
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(&self.gs2_header));
        let signed = format!("{},{challenge},{without_proof}", self.first_bare);
        let client_key = self.hash.keyed(&salted, b"Client Key")?;
        let stored_key = self.hash.of(&client_key);
        let client_signature = self.hash.keyed(&stored_key, signed.as_bytes())?;
        let proof: Vec<u8> =
            client_key.iter().zip(client_signature.iter()).map(|(key, mask)| key ^ mask).collect();
        let server_key = self.hash.keyed(&salted, b"Server Key")?;
        let signature = self.hash.keyed(&server_key, signed.as_bytes())?;
        Ok((format!("{without_proof},p={}", STANDARD.encode(proof)), Proven { signature }))
    }
}

impl Proven {
    /// Reads `server-final-message`.
    pub(crate) fn verify<'a>(&self, last: &'a [u8]) -> Result<Last<'a>, Broken> {
        if let Some(reason) = last.strip_prefix(b"e=") {
            return Ok(Last::Refused(reason));
        }
        let signature = last.strip_prefix(b"v=").ok_or(Broken::Signature)?;
        let signature = signature.split(|byte| *byte == b',').next().unwrap_or_default();
        let signature = STANDARD.decode(signature).map_err(|_| Broken::Signature)?;
        if signature == *self.signature { Ok(Last::Proven) } else { Err(Broken::Signature) }
    }
}

impl Hash {
    /// `Hi(password, salt, rounds)`, RFC 5802 section 2.2.
    fn salted(self, password: &[u8], salt: &[u8], rounds: u32) -> Zeroizing<Vec<u8>> {
        match self {
            Hash::Sha1 => {
                let mut salted = Zeroizing::new(vec![0; 20]);
                pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, rounds, &mut salted);
                salted
            }
            Hash::Sha256 => {
                let mut salted = Zeroizing::new(vec![0; 32]);
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, &mut salted);
                salted
            }
        }
    }

    /// `HMAC(key, message)`.
    fn keyed(self, key: &[u8], message: &[u8]) -> Result<Zeroizing<Vec<u8>>, Broken> {
        match self {
            Hash::Sha1 => keyed::<Hmac<Sha1>>(key, message),
            Hash::Sha256 => keyed::<Hmac<Sha256>>(key, message),
        }
    }

    /// `H(message)`.
    fn of(self, message: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Hash::Sha1 => Sha1::digest(message).to_vec(),
            Hash::Sha256 => Sha256::digest(message).to_vec(),
        })
    }
}

fn keyed<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Result<Zeroizing<Vec<u8>>, Broken> {
    // HMAC takes keys of any length; the error is the crate's type, not a case.
    let mut mac = <M as KeyInit>::new_from_slice(key).map_err(|_| Broken::Challenge)?;
    mac.update(message);
    Ok(Zeroizing::new(mac.finalize().into_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn scram() -> Scram {
        let nonce = "rOprNGfwEbeRWgbNEkqO".to_owned();
        Scram::with_nonce(Hash::Sha256, "user", "pencil", None, nonce).unwrap()
    }

    #[test]
    fn the_exchange_of_rfc_7677() {
        assert_eq!(scram().first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (proof, proven) = scram().prove(CHALLENGE.as_bytes()).unwrap();
        assert_eq!(
            proof,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        let last = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(proven.verify(last), Ok(Last::Proven));
        assert_eq!(
            proven.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="),
            Err(Broken::Signature)
        );
        assert_eq!(proven.verify(b"e=invalid-proof"), Ok(Last::Refused(b"invalid-proof")));
        assert_eq!(proven.verify(b""), Err(Broken::Signature));
    }

    #[test]
    fn the_exchange_of_rfc_5802() {
        let nonce = "fyko+d2lbbFgONRv9qkxdawL".to_owned();
        let scram = Scram::with_nonce(Hash::Sha1, "user", "pencil", None, nonce).unwrap();
        assert_eq!(scram.first(), "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
        let challenge = b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096";
        let (proof, proven) = scram.prove(challenge).unwrap();
        assert_eq!(
            proof,
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
        );
        assert_eq!(proven.verify(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), Ok(Last::Proven));
    }

    #[test]
    fn names_are_escaped() {
        let nonce = "N".to_owned();
        let scram = Scram::with_nonce(Hash::Sha256, "a=b,c", "x", Some("boss,1"), nonce).unwrap();
        assert_eq!(scram.first(), "n,a=boss=2C1,n=a=3Db=2Cc,r=N");
    }

    /// Whoever typed the letter with its accent in one key or in two has the same password.
    #[test]
    fn passwords_beyond_ascii_are_prepared() {
        let proof = |login: &str, password: &str| {
            let nonce = "rOprNGfwEbeRWgbNEkqO".to_owned();
            let scram = Scram::with_nonce(Hash::Sha256, login, password, None, nonce)?;
            Some((scram.first(), scram.prove(CHALLENGE.as_bytes()).unwrap().0))
        };
        let composed = proof("jürgen", "Käse").unwrap();
        assert_eq!(proof("ju\u{308}rgen", "Ka\u{308}se").unwrap(), composed);
        assert_ne!(proof("jürgen", "Kase").unwrap(), composed);
        assert_eq!(proof("anna", "\u{7}"), None);
        assert_eq!(proof("\u{7}", "x"), None);
    }

    #[test]
    fn refuses_bad_challenges() {
        for challenge in [
            "",
            "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=!,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=0",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4000000000",
            "r=rOprNGfwEbeRWgbNEkqOx,i=4096",
            "m=x,r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4096",
        ] {
            assert_eq!(scram().prove(challenge.as_bytes()).err(), Some(Broken::Challenge));
        }
    }
}
