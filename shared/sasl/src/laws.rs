//! Laws of mechanisms, that hold for whatever a server says; for the fuzz targets and the test suite.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken panics"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use laws::Taker;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use wire::Secret;
use wire::echo::Sent;

use crate::credentials::Credentials;
use crate::exchange::{CHALLENGES_MAX, Exchange};
use crate::mechanism::Mechanism;

const ALL: [Mechanism; 6] = [
    Mechanism::Plain,
    Mechanism::Login,
    Mechanism::ScramSha1,
    Mechanism::ScramSha256,
    Mechanism::OAuthBearer,
    Mechanism::XOAuth2,
];
/// Appears in the seeds, so that servers of a fuzzer repeat it.
const SECRET: &str = "Zq7-secret-of-anna-Zq7";

fn believed(exchange: &Exchange) -> bool {
    exchange.settle(true, &mut String::new(), &Sent::default()).is_ok()
}

/// The first octet chooses the mechanism, lines after it are challenges: every answer is base64 or
/// cancels, there are no more than some, no server is believed that has not proven itself, and what
/// it explains is quoted without the secret.
pub fn challenges(bytes: &[u8]) {
    let mut input = Taker::new(bytes);
    let (mechanism, how) = (ALL[input.small() % ALL.len()], input.small());
    let token = Credentials::Token { login: "anna".into(), token: Secret::new(SECRET.into()) };
    let credentials = match mechanism {
        Mechanism::OAuthBearer | Mechanism::XOAuth2 => token,
        _ => Credentials::password("anna", Secret::new(SECRET.into())),
    };
    let mut sent = Sent::default();
    let mut exchange = Exchange::begin(mechanism, &credentials, [7; 18], &mut sent).unwrap();
    if how % 2 == 0 {
        let _ = exchange.initial(usize::MAX);
    }
    for (number, challenge) in input.rest().split(|byte| *byte == b'\n').enumerate() {
        let answer = exchange.respond(challenge, &mut sent);
        assert!(*answer == "*" || STANDARD.decode(answer.as_bytes()).is_ok(), "{answer:?}");
        assert!(*answer == "*" || number <= CHALLENGES_MAX, "no end");
    }
    // Nobody finds the server's proof by chance.
    assert_eq!(believed(&exchange), !mechanism.is_proof());
    let mut words = "no".to_owned();
    let _ = exchange.settle(false, &mut words, &sent);
    assert!(words.starts_with("no") && !words.contains(SECRET), "{words}");
    assert!(words.chars().count() <= 2 * wire::WORDS_MAX, "{} characters", words.len());
}

/// The server's side of SCRAM as RFC 5802 section 3 has it, which keeps no password.
struct Server {
    mechanism: Mechanism,
    salt: Vec<u8>,
    rounds: u32,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl Server {
    fn new(mechanism: Mechanism, password: &str, salt: &[u8], rounds: u32) -> Server {
        let mut server = Server {
            mechanism,
            salt: salt.to_vec(),
            rounds,
            stored_key: Vec::new(),
            server_key: Vec::new(),
        };
        // Hi(), RFC 5802 section 2.2, as it is written there.
        let mut last = server.hmac(password.as_bytes(), &[salt, &[0, 0, 0, 1]].concat());
        let mut salted = last.clone();
        for _ in 1..rounds {
            last = server.hmac(password.as_bytes(), &last);
            salted.iter_mut().zip(&last).for_each(|(sum, own)| *sum ^= own);
        }
        server.stored_key = server.hash(&server.hmac(&salted, b"Client Key"));
        server.server_key = server.hmac(&salted, b"Server Key");
        server
    }

    fn hmac(&self, key: &[u8], text: &[u8]) -> Vec<u8> {
        match self.mechanism {
            Mechanism::ScramSha1 => {
                let mac = Hmac::<Sha1>::new_from_slice(key).unwrap();
                mac.chain_update(text).finalize().into_bytes().to_vec()
            }
            _ => {
                let mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
                mac.chain_update(text).finalize().into_bytes().to_vec()
            }
        }
    }

    fn hash(&self, text: &[u8]) -> Vec<u8> {
        match self.mechanism {
            Mechanism::ScramSha1 => Sha1::digest(text).to_vec(),
            _ => Sha256::digest(text).to_vec(),
        }
    }

    /// `server-first-message` to the client's.
    fn first(&self, client_first: &str) -> String {
        let nonce = client_first.rsplit_once(",r=").expect("a nonce").1;
        format!("r={nonce}server,s={},i={}", STANDARD.encode(&self.salt), self.rounds)
    }

    /// `server-final-message` to a client with the right password.
    fn last(&self, client_first: &str, first: &str, client_last: &str) -> Option<String> {
        let bare = client_first.splitn(3, ',').nth(2).expect("a bare message");
        let (without_proof, proof) = client_last.rsplit_once(",p=").expect("a proof");
        let signed = format!("{bare},{first},{without_proof}");
        let mask = self.hmac(&self.stored_key, signed.as_bytes());
        let proof = STANDARD.decode(proof).expect("base64");
        let client_key: Vec<u8> = proof.iter().zip(&mask).map(|(a, b)| a ^ b).collect();
        let right = self.hash(&client_key) == self.stored_key;
        let signature = self.hmac(&self.server_key, signed.as_bytes());
        right.then(|| format!("v={}", STANDARD.encode(signature)))
    }
}

/// SCRAM: a server that knows the password takes the proof, and is believed; with another password
/// neither is, whatever name, password, salt and number of rounds are.
pub fn scram(bytes: &[u8]) {
    let mut input = Taker::new(bytes);
    let mechanism = [Mechanism::ScramSha1, Mechanism::ScramSha256][input.small() % 2];
    let (nonce, rounds, flip) = (input.array(), 1 + input.small() as u32 % 20, input.small());
    let mut text = || {
        let length = input.small() % 64;
        String::from_utf8_lossy(input.piece(length)).into_owned()
    };
    let (login, secret) = (text(), text());
    let salt = input.rest();
    let mut sent = Sent::default();
    let credentials = Credentials::password(&login, Secret::new(secret.clone()));
    let Ok(mut exchange) = Exchange::begin(mechanism, &credentials, nonce, &mut sent) else {
        return;
    };
    let own = crate::prepared::prepared(&secret).expect("it has begun");
    let server = Server::new(mechanism, &own, salt, rounds);
    let said = |line: &str| String::from_utf8(STANDARD.decode(line).unwrap()).unwrap();
    let client_first = said(&exchange.initial(usize::MAX).unwrap());
    let first = server.first(&client_first);
    let proof = exchange.respond(STANDARD.encode(&first).as_bytes(), &mut sent);
    let last = server.last(&client_first, &first, &said(&proof)).expect("the proof is right");
    assert!(!believed(&exchange), "believed without a proof");
    let mut line = last.clone();
    if flip % 4 == 0 {
        // Another signature of the same length.
        let other = if line.as_bytes()[2] == b'A' { "B" } else { "A" };
        line.replace_range(2..3, other);
    }
    let answer = exchange.respond(STANDARD.encode(&line).as_bytes(), &mut sent);
    assert_eq!(
        (&**answer, believed(&exchange)),
        (["*", ""][usize::from(line == last)], line == last)
    );
    let stranger = Server::new(mechanism, &format!("{}x", *own), salt, rounds);
    assert_eq!(stranger.last(&client_first, &first, &said(&proof)), None);
}

#[cfg(test)]
mod tests {
    use laws::hold;

    #[test]
    fn of_challenges() {
        hold("sasl_challenges", 5_000, super::challenges);
    }

    #[test]
    fn of_scram() {
        hold("sasl_scram", 2_000, super::scram);
    }
}
