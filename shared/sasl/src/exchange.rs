//! One attempt to log in by a mechanism: challenge in, response out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wire::echo::Sent;
use zeroize::Zeroizing;

use crate::credentials::{Credentials, Unsendable};
use crate::mechanism::Mechanism;
use crate::scram::{Hash, Last, Proven, Scram};

/// Most challenges of one exchange that are answered, besides the one that asks for the first
/// response; SCRAM has two. What comes after is cancelled.
pub const CHALLENGES_MAX: usize = 5;

/// A response that cancels the exchange (RFC 4954 section 4, RFC 5034 section 4, RFC 9051 section
/// 6.2.2).
const CANCEL: &str = "*";

/// The server said that it accepts us, or would, but did not prove that it knows the password:
/// somebody sits in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotProven;

/// The client's side of an exchange. Responses are in base64, as every protocol carries them.
pub struct Exchange {
    mechanism: Mechanism,
    /// What the client says first, until it is said.
    first: Option<Zeroizing<String>>,
    rest: Rest,
    n_challenges: usize,
    explained: String,
}

/// What is said after the first message.
enum Rest {
    /// Nothing.
    Done,
    /// The answers to prompts, the next one last.
    Prompts(Vec<Zeroizing<String>>),
    /// The acknowledgement of an explanation why a token is refused (RFC 7628 section 3.2.3).
    Acknowledgement(&'static str),
    /// SCRAM, before its proof.
    Unproven(Box<Scram>),
    /// SCRAM, after its proof and before the server's.
    Proving(Proven),
    /// The server has proven that it knows the password.
    ServerProven,
    /// The server has not, and says so (RFC 5802 section 7).
    Refused,
    /// It has claimed to, and it is not true.
    Lied,
}

impl Exchange {
    /// Begins; `nonce` is drawn at random for each. From here on `sent` knows what must not be
    /// quoted.
    pub fn begin(
        mechanism: Mechanism,
        credentials: &Credentials,
        nonce: [u8; 18],
        sent: &mut Sent,
    ) -> Result<Exchange, Unsendable> {
        credentials.check()?;
        let (login, secret, authorise_as) = credentials.parts();
        sent.text(secret);
        let (first, rest) = match mechanism {
            Mechanism::Plain => {
                let other = authorise_as.unwrap_or_default();
                (Some(format!("{other}\0{login}\0{secret}")), Rest::Done)
            }
            Mechanism::Login => (
                None,
                Rest::Prompts([secret, login].map(|it| Zeroizing::new(it.to_owned())).into()),
            ),
            Mechanism::OAuthBearer => {
                let escaped = login.replace('=', "=3D").replace(',', "=2C");
                let first = format!("n,a={escaped},\x01auth=Bearer {secret}\x01\x01");
                (Some(first), Rest::Acknowledgement("\x01"))
            }
            Mechanism::XOAuth2 => {
                let first = format!("user={login}\x01auth=Bearer {secret}\x01\x01");
                (Some(first), Rest::Acknowledgement(""))
            }
            Mechanism::ScramSha1 | Mechanism::ScramSha256 => {
                let hash = match mechanism {
                    Mechanism::ScramSha1 => Hash::Sha1,
                    _ => Hash::Sha256,
                };
                let scram = Scram::new(hash, login, secret, authorise_as, nonce);
                let scram = scram.ok_or(Unsendable("a login or password of this form"))?;
                (Some(scram.first()), Rest::Unproven(Box::new(scram)))
            }
        };
        let first = first.map(Zeroizing::new);
        let first = first.map(|first| Zeroizing::new(STANDARD.encode(first.as_bytes())));
        if let Some(first) = &first {
            sent.encoded(first);
        }
        Ok(Exchange { mechanism, first, rest, n_challenges: 0, explained: String::new() })
    }

    /// The mechanism's name.
    pub fn name(&self) -> &'static str {
        self.mechanism.name()
    }

    /// What may go with the command, where the protocol has room for `octets_max` octets of base64
    /// there (RFC 4959, RFC 5034 section 4, RFC 4954 section 4). What is not taken here is said in
    /// answer to the first challenge.
    pub fn initial(&mut self, octets_max: usize) -> Option<Zeroizing<String>> {
        self.first.take_if(|first| first.len() <= octets_max)
    }

    /// The line that answers a challenge, whose base64 may have spaces around it.
    pub fn respond(&mut self, challenge: &[u8], sent: &mut Sent) -> Zeroizing<String> {
        if let Some(first) = self.first.take() {
            return first;
        }
        self.n_challenges += 1;
        if self.n_challenges > CHALLENGES_MAX {
            return Zeroizing::new(CANCEL.to_owned());
        }
        // What is no base64 is a prompt of LOGIN, or empty.
        let challenge = STANDARD.decode(challenge.trim_ascii()).unwrap_or_default();
        match self.step(&challenge) {
            Some(answer) => {
                let answer = Zeroizing::new(STANDARD.encode(answer.as_bytes()));
                sent.encoded(&answer);
                answer
            }
            None => Zeroizing::new(CANCEL.to_owned()),
        }
    }

    /// What is said to a challenge; `None` cancels.
    fn step(&mut self, challenge: &[u8]) -> Option<Zeroizing<String>> {
        let (answer, rest) = match std::mem::replace(&mut self.rest, Rest::Done) {
            Rest::Prompts(mut answers) => (answers.pop(), Rest::Prompts(answers)),
            Rest::Acknowledgement(text) => {
                self.explained = wire::words(challenge);
                (Some(Zeroizing::new(text.to_owned())), Rest::Acknowledgement(text))
            }
            Rest::Unproven(scram) => match scram.prove(challenge) {
                Ok((proof, proven)) => (Some(Zeroizing::new(proof)), Rest::Proving(proven)),
                Err(_) => (None, Rest::Unproven(scram)),
            },
            Rest::Proving(proven) => match proven.verify(challenge) {
                Ok(Last::Proven) => (Some(Zeroizing::default()), Rest::ServerProven),
                Ok(Last::Refused(reason)) => {
                    self.explained = wire::words(reason);
                    (Some(Zeroizing::default()), Rest::Refused)
                }
                Err(_) => (None, Rest::Lied),
            },
            over @ (Rest::Done | Rest::ServerProven | Rest::Refused | Rest::Lied) => (None, over),
        };
        self.rest = rest;
        answer
    }

    /// Whether the server's last word, `accepted` or not, is to be believed: without the proof
    /// anybody could have said yes. A refusal's `words` get what the server explained in a
    /// challenge, without what was sent: why a token is refused (RFC 7628 section 3.2.2), or a
    /// proof (RFC 5802 section 7).
    pub fn settle(&self, accepted: bool, words: &mut String, sent: &Sent) -> Result<(), NotProven> {
        match &self.rest {
            Rest::Lied => return Err(NotProven),
            Rest::Unproven(_) | Rest::Proving(_) | Rest::Refused if accepted => {
                return Err(NotProven);
            }
            Rest::Unproven(_)
            | Rest::Proving(_)
            | Rest::Refused
            | Rest::Done
            | Rest::Prompts(_)
            | Rest::Acknowledgement(_)
            | Rest::ServerProven => {}
        }
        let explained = self.explained.trim();
        if !accepted && !explained.is_empty() {
            *words = format!("{words} {}", sent.cleaned(explained)).trim().to_owned();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Secret;

    fn password(login: &str, secret: &str, other: Option<&str>) -> Credentials {
        let (login, password) = (login.to_owned(), Secret::new(secret.to_owned()));
        Credentials::Password { login, password, authorise_as: other.map(str::to_owned) }
    }

    fn token() -> Credentials {
        let token = Secret::new("vF9dft4qmT".into());
        Credentials::Token { login: "user@example.com".into(), token }
    }

    fn settled(exchange: &Exchange, accepted: bool) -> Result<String, NotProven> {
        let mut words = "no".to_owned();
        exchange.settle(accepted, &mut words, &Sent::default()).map(|()| words)
    }

    /// What is said to each challenge, none of which is base64 yet; with the first response in the
    /// command, and then without.
    fn played(
        mechanism: Mechanism,
        credentials: &Credentials,
        challenges: &[&str],
    ) -> (Vec<String>, Result<(), NotProven>, Exchange) {
        let decode = |line: Zeroizing<String>| match line.as_str() {
            CANCEL => "(cancel)".to_owned(),
            line => String::from_utf8(STANDARD.decode(line).unwrap()).unwrap(),
        };
        let [early, late] = [true, false].map(|early| {
            let mut sent = Sent::default();
            let nonce = [7; 18];
            let mut exchange = Exchange::begin(mechanism, credentials, nonce, &mut sent).unwrap();
            assert_eq!(exchange.initial(7), None, "there is no room");
            let mut said = Vec::new();
            if early {
                said.extend(exchange.initial(usize::MAX).map(decode));
            } else if exchange.first.is_some() {
                said.push(decode(exchange.respond(b"", &mut sent)));
            }
            for challenge in challenges {
                let line = format!(" {} ", STANDARD.encode(challenge));
                said.push(decode(exchange.respond(line.as_bytes(), &mut sent)));
            }
            (said, settled(&exchange, true).map(drop), exchange)
        });
        assert_eq!((&early.0, early.1), (&late.0, late.1));
        late
    }

    #[test]
    fn plain() {
        // RFC 4616 section 4.
        let tim = password("tim", "tanstaaftanstaaf", None);
        let (said, believed, _) = played(Mechanism::Plain, &tim, &[]);
        assert_eq!((said, believed), (vec!["\0tim\0tanstaaftanstaaf".to_owned()], Ok(())));
        let kurt = password("Kurt", "xipj3plmq", Some("Ursel"));
        let (said, _, _) = played(Mechanism::Plain, &kurt, &["more?"]);
        assert_eq!(said, ["Ursel\0Kurt\0xipj3plmq", "(cancel)"]);
    }

    #[test]
    fn login() {
        let anna = password("anna", "geheim", None);
        let (said, _, _) = played(Mechanism::Login, &anna, &["Username:", "Password:", "Again:"]);
        assert_eq!(said, ["anna", "geheim", "(cancel)"]);
        // Observed: prompts that are no base64.
        let mut sent = Sent::default();
        let mut exchange = Exchange::begin(Mechanism::Login, &anna, [0; 18], &mut sent).unwrap();
        assert_eq!(*exchange.respond(b"User Name", &mut sent), "YW5uYQ==");
    }

    #[test]
    fn tokens() {
        // RFC 7628 section 4, without host and port; and XOAUTH2.
        let explanation = "{\"status\":\"invalid_token\"}";
        for (mechanism, first, acknowledgement) in [
            (
                Mechanism::OAuthBearer,
                "n,a=user@example.com,\x01auth=Bearer vF9dft4qmT\x01\x01",
                "\x01",
            ),
            (Mechanism::XOAuth2, "user=user@example.com\x01auth=Bearer vF9dft4qmT\x01\x01", ""),
        ] {
            let (said, believed, exchange) = played(mechanism, &token(), &[explanation]);
            assert_eq!(said, [first, acknowledgement]);
            assert_eq!(believed, Ok(()));
            assert_eq!(settled(&exchange, false), Ok(format!("no {explanation}")));
            let mut wordless = String::new();
            exchange.settle(false, &mut wordless, &Sent::default()).unwrap();
            assert_eq!(wordless, explanation);
        }
    }

    /// The exchange is in `scram.rs`; here, who is believed.
    #[test]
    fn scram() {
        let user = password("user", "pencil", None);
        let nonce = STANDARD.encode([7; 18]);
        let challenge = format!("r={nonce}xyz,s={},i=16", STANDARD.encode("salt"));
        let scram = Scram::new(Hash::Sha256, "user", "pencil", None, [7; 18]).unwrap();
        let (proof, _) = scram.prove(challenge.as_bytes()).unwrap();
        let false_proof = format!("v={}", STANDARD.encode([0; 32]));
        for (challenges, answers, accepted, refused) in [
            (vec![], vec![], Err(NotProven), Ok(())),
            (vec!["r=stranger"], vec!["(cancel)"], Err(NotProven), Ok(())),
            (vec![&*challenge], vec![&*proof], Err(NotProven), Ok(())),
            (
                vec![&challenge, &false_proof],
                vec![&proof, "(cancel)"],
                Err(NotProven),
                Err(NotProven),
            ),
            // It may be as honest as that about a wrong password.
            (vec![&challenge, "e=invalid-proof"], vec![&proof, ""], Err(NotProven), Ok(())),
        ] {
            let (said, believed, exchange) = played(Mechanism::ScramSha256, &user, &challenges);
            assert_eq!(
                said.get(1..),
                Some(&*answers.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
            );
            assert_eq!(
                (believed, settled(&exchange, false).map(drop)),
                (accepted, refused),
                "{challenges:?}"
            );
        }
        let (_, _, exchange) =
            played(Mechanism::ScramSha256, &user, &[&challenge, "e=invalid-proof"]);
        assert_eq!(settled(&exchange, false).as_deref(), Ok("no invalid-proof"));
    }

    #[test]
    fn challenges_without_end_are_cancelled() {
        let (said, _, _) = played(Mechanism::XOAuth2, &token(), &["x"; CHALLENGES_MAX + 2]);
        assert_eq!(said.last().map(String::as_str), Some("(cancel)"));
    }

    #[test]
    fn what_cannot_be_said_is_not_begun() {
        let begun = |mechanism, credentials: &Credentials| {
            Exchange::begin(mechanism, credentials, [0; 18], &mut Sent::default()).err()
        };
        let nul = password("a", "b\0", None);
        assert_eq!(
            begun(Mechanism::Plain, &nul),
            Some(Unsendable("a login or password with a NUL"))
        );
        let bell = password("a", "\x07", None);
        assert_eq!(begun(Mechanism::Plain, &bell), None);
        let form = Some(Unsendable("a login or password of this form"));
        assert_eq!(begun(Mechanism::ScramSha256, &bell), form);
    }

    #[test]
    fn what_went_out_is_known() {
        let secret = "Zq7-secret-of-anna-Zq7";
        let mut sent = Sent::default();
        let anna = password("anna", secret, None);
        let mut exchange = Exchange::begin(Mechanism::Plain, &anna, [0; 18], &mut sent).unwrap();
        let first = exchange.initial(usize::MAX).unwrap();
        assert_eq!(sent.cleaned(&format!("what is {}?", *first)), "what is ***?");
        assert_eq!(sent.cleaned(&format!("what is {secret}?")), "what is ***?");
        // What is derived from it, too: from a proof passwords can be guessed at leisure.
        let mut exchange =
            Exchange::begin(Mechanism::ScramSha256, &anna, [7; 18], &mut sent).unwrap();
        let _ = exchange.initial(usize::MAX);
        let challenge = format!("r={}x,s=c2FsdA==,i=16", STANDARD.encode([7; 18]));
        let proof = exchange.respond(STANDARD.encode(challenge).as_bytes(), &mut sent);
        assert_eq!(sent.cleaned(&format!("what is {}?", *proof)), "what is ***?");
    }
}
