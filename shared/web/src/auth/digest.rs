//! Digest access authentication, RFC 7616, and RFC 2617 and 2069 where servers are that old.

use std::fmt::Write as _;

use md5::Md5;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256, Sha512_256};
use wire::Secret;

use super::challenge::Challenge;

/// The functions that challenges name, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hash {
    Md5,
    Sha256,
    Sha512_256,
}

/// A challenge that was taken up, and how often it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) hash: Hash,
    /// Whether the name of the algorithm ends in `-sess`.
    is_session: bool,
    /// As the challenge spelled the algorithm; none where it did not.
    algorithm: Option<String>,
    realm: String,
    pub(crate) nonce: String,
    opaque: Option<String>,
    /// Whether `qop=auth` was offered; without it the old way of RFC 2069 is left.
    has_qop: bool,
    hashes_user: bool,
    /// Requests answered with this nonce.
    pub(crate) count: u32,
}

impl Session {
    /// Takes up a challenge; `None` for one that asks for what is not spoken here: `auth-int` alone,
    /// another algorithm, no nonce.
    pub(crate) fn begin(challenge: &Challenge) -> Option<Session> {
        let algorithm = challenge.get("algorithm").map(str::to_owned);
        let name = algorithm.clone().unwrap_or_default().to_ascii_lowercase();
        let (name, is_session) = match name.strip_suffix("-sess") {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        };
        let hash = match name {
            "" | "md5" => Hash::Md5,
            "sha-256" => Hash::Sha256,
            "sha-512-256" => Hash::Sha512_256,
            _ => return None,
        };
        let has_qop = match challenge.get("qop").map(str::trim) {
            None | Some("") => false,
            Some(offered) => {
                let mut offered = offered.split([',', ' ']);
                offered.any(|way| way.trim().eq_ignore_ascii_case("auth")).then_some(true)?
            }
        };
        Some(Session {
            hash,
            is_session,
            algorithm,
            realm: challenge.get("realm").unwrap_or_default().to_owned(),
            nonce: challenge.get("nonce")?.to_owned(),
            opaque: challenge.get("opaque").map(str::to_owned),
            has_qop,
            hashes_user: challenge.says("userhash"),
            count: 0,
        })
    }

    /// The value of `Authorization` for the next request, RFC 7616 section 3.4. `cnonce` is the
    /// client's own nonce, the same as long as the server's is.
    pub(crate) fn answer(
        &mut self,
        (user, password): (&str, &Secret),
        (method, target): (&str, &str),
        cnonce: &str,
    ) -> String {
        self.count = self.count.saturating_add(1);
        let nc = format!("{:08x}", self.count);
        let response = self.response((user, password), (method, target), (&nc, cnonce));
        let mut answer = format!("Digest {}", self.user_field(user));
        let _ = write!(answer, ", realm={}", quoted(&self.realm));
        let _ = write!(answer, ", nonce={}, uri={}", quoted(&self.nonce), quoted(target));
        let _ = write!(answer, ", response=\"{response}\"");
        if let Some(algorithm) = &self.algorithm {
            let _ = write!(answer, ", algorithm={}", token(algorithm));
        }
        if self.has_qop || self.is_session {
            let _ = write!(answer, ", cnonce={}", quoted(cnonce));
        }
        if self.has_qop {
            let _ = write!(answer, ", qop=auth, nc={nc}");
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(answer, ", opaque={}", quoted(opaque));
        }
        if self.hashes_user {
            answer.push_str(", userhash=true");
        }
        answer
    }

    /// RFC 7616 section 3.4.1, and section 3.4.2 for A1 and A2.
    fn response(
        &self,
        (user, password): (&str, &Secret),
        (method, target): (&str, &str),
        (nc, cnonce): (&str, &str),
    ) -> String {
        let hash = |text: &str| self.hash.of(text);
        let mut a1 = hash(&format!("{user}:{}:{}", self.realm, password.expose()));
        if self.is_session {
            a1 = hash(&format!("{a1}:{}:{cnonce}", self.nonce));
        }
        let a2 = hash(&format!("{method}:{target}"));
        match self.has_qop {
            true => hash(&format!("{a1}:{}:{nc}:{cnonce}:auth:{a2}", self.nonce)),
            false => hash(&format!("{a1}:{}:{a2}", self.nonce)),
        }
    }

    /// RFC 7616 sections 3.4.4 and 4: hashed, plain, or percent-encoded where it is not ASCII.
    fn user_field(&self, user: &str) -> String {
        if self.hashes_user {
            return format!("username=\"{}\"", self.hash.of(&format!("{user}:{}", self.realm)));
        }
        if user.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_control()) {
            return format!("username={}", quoted(user));
        }
        format!("username*=UTF-8''{}", utf8_percent_encode(user, NON_ALPHANUMERIC))
    }
}

impl Hash {
    fn of(self, text: &str) -> String {
        match self {
            Hash::Md5 => hex(&Md5::digest(text)),
            Hash::Sha256 => hex(&Sha256::digest(text)),
            Hash::Sha512_256 => hex(&Sha512_256::digest(text)),
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A quoted string, RFC 9110 section 5.6.4.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

/// What of `text` may stand without quotes.
fn token(text: &str) -> String {
    text.chars().filter(|it| it.is_ascii_alphanumeric() || matches!(it, '-' | '_')).collect()
}

#[cfg(test)]
mod tests {
    use super::super::challenge;
    use super::*;

    fn begin(field: &str) -> Option<Session> {
        let mut found = Vec::new();
        challenge::read(field, &mut found);
        Session::begin(found.first()?)
    }

    /// A parameter of what we send, read by what reads a server's: the two have one grammar.
    fn parameter(answer: &str, name: &str) -> Option<String> {
        let mut found = Vec::new();
        challenge::read(answer, &mut found);
        found.first()?.get(name).map(str::to_owned)
    }

    fn password(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    /// RFC 7616 section 3.9.1.
    const OFFER: &str = r#"Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=ALGORITHM, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#;
    const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

    #[test]
    fn the_answers_of_the_rfc() {
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let mut session = begin(&OFFER.replace("ALGORITHM", algorithm)).unwrap();
            let who = ("Mufasa", &password("Circle of Life"));
            let answer = session.answer(who, ("GET", "/dir/index.html"), CNONCE);
            for (name, value) in [
                ("username", "Mufasa"),
                ("realm", "http-auth@example.org"),
                ("uri", "/dir/index.html"),
                ("algorithm", algorithm),
                ("nonce", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"),
                ("nc", "00000001"),
                ("cnonce", CNONCE),
                ("qop", "auth"),
                ("response", response),
                ("opaque", "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"),
            ] {
                assert_eq!(parameter(&answer, name).as_deref(), Some(value), "{algorithm} {name}");
            }
            assert!(answer.contains(", qop=auth, nc=00000001"), "without quotes: {answer}");
            let again = session.answer(who, ("GET", "/dir/index.html"), CNONCE);
            assert_eq!(parameter(&again, "nc").as_deref(), Some("00000002"));
            assert_ne!(parameter(&again, "response"), parameter(&answer, "response"));
        }
    }

    /// RFC 2617 section 3.5.
    #[test]
    fn the_answer_of_the_older_rfc() {
        let field = r#"Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#;
        let mut session = begin(field).unwrap();
        let who = ("Mufasa", &password("Circle Of Life"));
        let answer = session.answer(who, ("GET", "/dir/index.html"), "0a4f113b");
        let response = parameter(&answer, "response");
        assert_eq!(response.as_deref(), Some("6629fae49393a05397450978507c4ef1"));
        assert_eq!(parameter(&answer, "algorithm"), None);
    }

    /// RFC 2069 section 2.4, with the response of its erratum 749.
    #[test]
    fn the_answer_of_the_oldest_rfc() {
        let field = r#"Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#;
        let mut session = begin(field).unwrap();
        let who = ("Mufasa", &password("CircleOfLife"));
        let answer = session.answer(who, ("GET", "/dir/index.html"), "x");
        let response = parameter(&answer, "response");
        assert_eq!(response.as_deref(), Some("1949323746fe6a43ef61f9606e7febea"));
        assert_eq!(parameter(&answer, "qop"), None);
    }

    /// RFC 7616 section 3.9.2: a name that is not ASCII, hashed.
    #[test]
    fn names_that_are_hashed() {
        let field = r#"Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true"#;
        let mut session = begin(field).unwrap();
        let who = ("J\u{e4}s\u{f8}n Doe", &password("Secret, or not?"));
        let cnonce = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v";
        let answer = session.answer(who, ("GET", "/doe.json"), cnonce);
        assert_eq!(parameter(&answer, "userhash").as_deref(), Some("true"));
        assert_eq!(parameter(&answer, "username").as_deref(), Some(USERNAME));
        assert_eq!(parameter(&answer, "response").as_deref(), Some(RESPONSE));
    }

    /// As its erratum 4897 has them: the RFC itself cut SHA-512 short instead of using SHA-512/256.
    const USERNAME: &str = "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b";
    const RESPONSE: &str = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5";

    #[test]
    fn names_of_all_kinds() {
        let mut session = begin(r#"Digest realm="r", nonce="n", qop="auth""#).unwrap();
        let mut field = |user: &str| {
            let answer = session.answer((user, &password("p")), ("GET", "/"), "c");
            answer.split(", realm").next().unwrap_or_default().to_owned()
        };
        assert_eq!(field(r#"a"b\c"#), r#"Digest username="a\"b\\c""#);
        assert_eq!(field("J\u{e4}n e"), "Digest username*=UTF-8''J%C3%A4n%20e");
    }

    #[test]
    fn sessions_hash_the_nonces() {
        let field = r#"Digest realm="r", nonce="n", qop="auth", algorithm=MD5-sess"#;
        let mut session = begin(field).unwrap();
        let answer = session.answer(("u", &password("p")), ("GET", "/"), "c");
        let a1 = Hash::Md5.of(&format!("{}:n:c", Hash::Md5.of("u:r:p")));
        let a2 = Hash::Md5.of("GET:/");
        let response = Hash::Md5.of(&format!("{a1}:n:00000001:c:auth:{a2}"));
        assert_eq!(parameter(&answer, "response"), Some(response));
        assert_eq!(parameter(&answer, "algorithm").as_deref(), Some("MD5-sess"));
        let field = r#"Digest realm="r", nonce="n", algorithm=SHA-256-sess"#;
        let mut old = begin(field).unwrap();
        let answer = old.answer(("u", &password("p")), ("GET", "/"), "c");
        assert_eq!(parameter(&answer, "cnonce").as_deref(), Some("c"), "it is part of A1");
    }

    #[test]
    fn what_is_not_spoken() {
        for field in [
            r#"Digest realm="r", nonce="n", qop="auth-int""#,
            r#"Digest realm="r", nonce="n", algorithm=SHA-1"#,
            r#"Digest realm="r", qop="auth""#,
        ] {
            assert_eq!(begin(field), None, "{field}");
        }
        assert!(begin(r#"Digest nonce="n", qop="AUTH""#).is_some());
        assert!(begin(r#"Digest nonce="n", qop="auth-int auth""#).is_some());
        assert!(!begin(r#"Digest nonce="n", qop="""#).unwrap().has_qop);
    }
}
