//! SCRAM-SHA-256: a proof of the password without the password (RFC 5802, RFC 7677).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// Most iterations that are computed: a server may not keep a component busy for longer than
/// about a second. Servers use 4096 to 600,000. A fuzzer has no second for each try.
const ITERATIONS_MAX: u32 = if cfg!(fuzzing) { 100 } else { 1_000_000 };

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
    gs2_header: String,
    first_bare: String,
    nonce: String,
}

/// The client's side after its proof.
pub(crate) struct Proven {
    signature: Vec<u8>,
}

impl Scram {
    /// Begins; `random` makes the nonce. Names and passwords must be ASCII: for others SASLprep
    /// (RFC 4013) would have to be applied first.
    pub(crate) fn new(login: &str, authorise_as: Option<&str>, random: [u8; 18]) -> Self {
        Scram::with_nonce(login, authorise_as, STANDARD.encode(random))
    }

    fn with_nonce(login: &str, authorise_as: Option<&str>, nonce: String) -> Self {
        let escape = |name: &str| name.replace('=', "=3D").replace(',', "=2C");
        let gs2_header = match authorise_as {
            Some(name) => format!("n,a={},", escape(name)),
            None => "n,,".to_owned(),
        };
        let first_bare = format!("n={},r={nonce}", escape(login));
        Scram { gs2_header, first_bare, nonce }
    }

    /// `client-first-message`.
    pub(crate) fn first(&self) -> String {
        format!("{}{}", self.gs2_header, self.first_bare)
    }

    /// `client-final-message` in answer to `server-first-message`.
    pub(crate) fn prove(
        &self,
        challenge: &[u8],
        password: &str,
    ) -> Result<(String, Proven), Broken> {
        let challenge = std::str::from_utf8(challenge).map_err(|_| Broken::Challenge)?;
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
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, rounds, &mut salted);
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(&self.gs2_header));
        let signed = format!("{},{challenge},{without_proof}", self.first_bare);
        let client_key = keyed_hash(&salted, b"Client Key")?;
        let stored_key = Sha256::digest(&client_key);
        let client_signature = keyed_hash(&stored_key, signed.as_bytes())?;
        let proof: Vec<u8> =
            client_key.iter().zip(&client_signature).map(|(key, mask)| key ^ mask).collect();
        let signature = keyed_hash(&keyed_hash(&salted, b"Server Key")?, signed.as_bytes())?;
        Ok((format!("{without_proof},p={}", STANDARD.encode(proof)), Proven { signature }))
    }
}

impl Proven {
    /// Checks `server-final-message`.
    pub(crate) fn verify(&self, last: &[u8]) -> Result<(), Broken> {
        let signature = last.strip_prefix(b"v=").ok_or(Broken::Signature)?;
        let signature = signature.split(|byte| *byte == b',').next().unwrap_or_default();
        let signature = STANDARD.decode(signature).map_err(|_| Broken::Signature)?;
        if signature == self.signature { Ok(()) } else { Err(Broken::Signature) }
    }
}

fn keyed_hash(key: &[u8], message: &[u8]) -> Result<Vec<u8>, Broken> {
    // HMAC takes keys of any length; the error is the crate's type, not a case.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Broken::Challenge)?;
    mac.update(message);
    Ok(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn scram() -> Scram {
        Scram::with_nonce("user", None, "rOprNGfwEbeRWgbNEkqO".into())
    }

    #[test]
    fn the_exchange_of_rfc_7677() {
        assert_eq!(scram().first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (proof, proven) = scram().prove(CHALLENGE.as_bytes(), "pencil").unwrap();
        assert_eq!(
            proof,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        let last = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(proven.verify(last), Ok(()));
        assert_eq!(
            proven.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="),
            Err(Broken::Signature)
        );
        assert_eq!(proven.verify(b"e=invalid-proof"), Err(Broken::Signature));
    }

    #[test]
    fn names_are_escaped() {
        let scram = Scram::with_nonce("a=b,c", Some("boss,1"), "N".into());
        assert_eq!(scram.first(), "n,a=boss=2C1,n=a=3Db=2Cc,r=N");
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
        ] {
            assert_eq!(scram().prove(challenge.as_bytes(), "x").err(), Some(Broken::Challenge));
        }
    }
}
