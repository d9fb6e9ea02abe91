//! Logging in: Basic (RFC 7617), Digest (RFC 7616) and Bearer (RFC 6750).
//!
//! What is chosen is decided by [`choose`], a pure function of what the server offers; a [`Login`]
//! remembers the choice, so that the following requests need no question first.

pub(crate) mod challenge;
mod digest;

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sha2::{Digest as _, Sha256};
use wire::echo::Sent;
use wire::{Random, Secret};

use crate::url::{Origin, Scheme};
use crate::{Error, Url};
use challenge::Challenge;
use digest::Session;

/// Where servers tell the next nonce, RFC 7616 section 3.5.
const AUTHENTICATION_INFO: HeaderName = HeaderName::from_static("authentication-info");

/// Whether what anybody on the way can read may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clear {
    /// Passwords and tokens go over TLS only.
    #[default]
    Refused,
    /// Also without TLS: whoever named the server said so.
    Allowed,
}

/// Who logs in, at one origin. It may be shared by all requests there, also at the same time.
pub struct Login {
    origin: Origin,
    key: Key,
    clear: Clear,
    /// Whether the first request already carries the password, without being asked.
    unasked: bool,
    /// What the client's own nonces are made of.
    seed: [u8; 16],
    state: RefCell<State>,
}

enum Key {
    Password { user: String, password: Secret },
    Token(Secret),
}

/// What worked, or is about to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    New,
    Basic,
    Bearer,
    Digest(Session),
}

/// With what a request was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tried {
    Nothing,
    Basic,
    Bearer,
    Digest { nonce: String, count: u32 },
}

/// Why a server's challenges are not answered; sentences for users.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The server did not take what it got.
    #[error("the server refuses the login")]
    Wrong,
    /// It wants to see the password on a line that others may read.
    #[error("the server asks for the password in clear text on a connection without TLS")]
    Clear,
    /// It asks for something else.
    #[error("the server asks for a way to log in that is not spoken here: {0}")]
    Unspoken(String),
    /// Basic separates login and password by a colon.
    #[error("this way to log in knows no login with a colon")]
    Colon,
    /// It refuses without telling how to log in.
    #[error("the server asks for a login and does not say how")]
    Silent,
}

/// What is sent next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Choice {
    Digest(Session, Stale),
    Basic,
    Bearer,
}

/// Whether the challenge says that only the nonce is too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stale {
    Yes,
    No,
}

impl Login {
    /// With a password, at `origin` only. Nothing is sent before the server asks.
    pub fn password(origin: Origin, user: String, password: Secret, random: &impl Random) -> Login {
        Login::new(origin, Key::Password { user, password }, Some(random))
    }

    /// With a token (OAuth 2.0), at `origin` only; it goes with every request, over TLS.
    pub fn token(origin: Origin, token: Secret) -> Login {
        Login::new(origin, Key::Token(token), None::<&NoRandom>)
    }

    fn new(origin: Origin, key: Key, random: Option<&impl Random>) -> Login {
        let mut seed = [0; 16];
        if let Some(random) = random {
            random.fill(&mut seed);
        }
        let (clear, unasked) = (Clear::Refused, matches!(key, Key::Token(_)));
        Login { origin, key, clear, unasked, seed, state: RefCell::new(State::New) }
    }

    /// Sends the password by Basic with the first request, without being asked: a round trip less,
    /// and some servers never ask.
    pub fn unasked(mut self) -> Login {
        self.unasked = true;
        self
    }

    /// With this rule for lines without TLS.
    pub fn clear(mut self, clear: Clear) -> Login {
        self.clear = clear;
        self
    }

    /// What is sent in confidence, to take it out of a server's words.
    pub fn sent(&self) -> Sent {
        let mut sent = Sent::default();
        match &self.key {
            Key::Password { user, password } => {
                sent.secret(password);
                sent.encoded(&STANDARD.encode(format!("{user}:{}", password.expose())));
            }
            Key::Token(token) => sent.secret(token),
        }
        sent
    }

    /// Why the challenges of an answer with status 401 are not answered any more.
    pub fn refusal(&self, headers: &HeaderMap) -> Refusal {
        match choose(&challenge::all(headers), self.means()) {
            Ok(_) => Refusal::Wrong,
            Err(refusal) => refusal,
        }
    }

    /// The value of `Authorization` for a request, and what it tries.
    pub(crate) fn authorization(
        &self,
        method: &Method,
        url: &Url,
    ) -> Result<(Option<HeaderValue>, Tried), Error> {
        if *url.origin() != self.origin {
            return Ok((None, Tried::Nothing));
        }
        let mut state = self.state.borrow_mut();
        if *state == State::New && self.unasked {
            match (&self.key, self.means().may_show) {
                (_, false) => {}
                (Key::Password { user, .. }, true) if user.contains(':') => {}
                (Key::Password { .. }, true) => *state = State::Basic,
                (Key::Token(_), true) => *state = State::Bearer,
            }
        }
        let (text, tried) = match (&mut *state, &self.key) {
            (State::Basic, Key::Password { user, password }) => {
                let pair = Secret::new(format!("{user}:{}", password.expose()));
                (format!("Basic {}", STANDARD.encode(pair.expose())), Tried::Basic)
            }
            (State::Bearer, Key::Token(token)) => {
                (format!("Bearer {}", token.expose()), Tried::Bearer)
            }
            (State::Digest(session), Key::Password { user, password }) => {
                let cnonce = self.cnonce(&session.nonce);
                let target = url.target();
                let asked = (method.as_str(), target.as_str());
                let text = session.answer((user, password), asked, &cnonce);
                (text, Tried::Digest { nonce: session.nonce.clone(), count: session.count })
            }
            _ => return Ok((None, Tried::Nothing)),
        };
        let text = Secret::new(text);
        let mut value = HeaderValue::from_str(text.expose()).map_err(|_| {
            Error::Request("the login has letters that HTTP cannot carry".to_owned())
        })?;
        value.set_sensitive(true);
        Ok((Some(value), tried))
    }

    /// A request that was sent with `tried` was answered with 401: whether it is sent again.
    pub(crate) fn challenged(&self, url: &Url, tried: &Tried, headers: &HeaderMap) -> bool {
        if *url.origin() != self.origin {
            return false;
        }
        let mut state = self.state.borrow_mut();
        // Another request has got a newer nonce meanwhile.
        if let (State::Digest(session), Tried::Digest { nonce, .. }) = (&*state, tried)
            && session.nonce != *nonce
        {
            return true;
        }
        let Ok(choice) = choose(&challenge::all(headers), self.means()) else { return false };
        let next = match (choice, tried) {
            (Choice::Basic, Tried::Basic) | (Choice::Bearer, Tried::Bearer) => return false,
            (Choice::Basic, _) => State::Basic,
            (Choice::Bearer, _) => State::Bearer,
            (Choice::Digest(session, stale), Tried::Digest { nonce, count }) => {
                // Some servers forget to say that a nonce is too old; the first answer to one tells.
                let is_old = stale == Stale::Yes || (session.nonce != *nonce && *count > 1);
                if !is_old {
                    return false;
                }
                State::Digest(session)
            }
            (Choice::Digest(session, _), _) => State::Digest(session),
        };
        *state = next;
        true
    }

    /// Takes the next nonce from an answer that tells one.
    pub(crate) fn answered(&self, url: &Url, headers: &HeaderMap) {
        let Some(info) = headers.get(AUTHENTICATION_INFO).and_then(|it| it.to_str().ok()) else {
            return;
        };
        let mut found = Vec::new();
        challenge::read(&format!("Digest {info}"), &mut found);
        let next = found.first().and_then(|it| it.get("nextnonce"));
        if let (State::Digest(session), Some(next)) = (&mut *self.state.borrow_mut(), next)
            && *url.origin() == self.origin
            && session.nonce != next
        {
            next.clone_into(&mut session.nonce);
            session.count = 0;
        }
    }

    fn cnonce(&self, nonce: &str) -> String {
        let hash = Sha256::new().chain_update(self.seed).chain_update(nonce).finalize();
        digest::hex(hash.get(..16).unwrap_or_default())
    }

    fn means(&self) -> Means {
        let key = match &self.key {
            Key::Password { user, .. } => Has::Password { colon: user.contains(':') },
            Key::Token(_) => Has::Token,
        };
        let may_show = self.origin.scheme == Scheme::Https || self.clear == Clear::Allowed;
        Means { key, may_show }
    }
}

/// Never asked: a token needs no nonce.
struct NoRandom;

impl Random for NoRandom {
    fn fill(&self, _: &mut [u8]) {}
}

/// What there is to log in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Means {
    key: Has,
    /// Whether the line may carry it as it is.
    may_show: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Has {
    Password { colon: bool },
    Token,
}

/// The strongest of the ways that are offered and spoken here: Digest by its hash (SHA-512/256,
/// SHA-256, MD5; among equals the server's first), then Basic, which needs TLS.
fn choose(offered: &[Challenge], means: Means) -> Result<Choice, Refusal> {
    let has = |scheme: &str| offered.iter().any(|it| it.scheme == scheme);
    let colon = match means.key {
        Has::Token if has("bearer") && means.may_show => return Ok(Choice::Bearer),
        Has::Token if has("bearer") => return Err(Refusal::Clear),
        Has::Token => return Err(unspoken(offered)),
        Has::Password { colon } => colon,
    };
    let digests = offered.iter().filter(|it| it.scheme == "digest");
    let digests = digests.filter_map(|it| {
        let stale = if it.says("stale") { Stale::Yes } else { Stale::No };
        Some((Session::begin(it)?, stale))
    });
    // The last of the largest is taken, so the order is turned round.
    let digests: Vec<(Session, Stale)> = digests.collect();
    let best = digests.into_iter().rev().max_by_key(|(session, _)| session.hash);
    if let Some((session, stale)) = best {
        return Ok(Choice::Digest(session, stale));
    }
    match (has("basic"), means.may_show, colon) {
        (false, _, _) => Err(unspoken(offered)),
        (true, false, _) => Err(Refusal::Clear),
        (true, true, true) => Err(Refusal::Colon),
        (true, true, false) => Ok(Choice::Basic),
    }
}

fn unspoken(offered: &[Challenge]) -> Refusal {
    if offered.is_empty() {
        return Refusal::Silent;
    }
    let names: Vec<&str> = offered.iter().map(|it| it.scheme.as_str()).collect();
    Refusal::Unspoken(wire::cut(&names.join(", "), 200).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;

    impl Random for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = u8::try_from(at).unwrap());
        }
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn headers(challenges: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for challenge in challenges {
            headers.append(http::header::WWW_AUTHENTICATE, challenge.parse().unwrap());
        }
        headers
    }

    fn login(at: &str) -> Login {
        let secret = Secret::new("gehe\u{ed}m".into());
        Login::password(url(at).origin().clone(), "anna".into(), secret, &Counting)
    }

    fn sends(login: &Login, at: &str) -> (Option<String>, Tried) {
        let (value, tried) = login.authorization(&Method::GET, &url(at)).unwrap();
        assert!(value.as_ref().is_none_or(HeaderValue::is_sensitive));
        (value.map(|it| it.to_str().unwrap().to_owned()), tried)
    }

    const A: &str = "https://a.example/";
    const BASIC: &str = r#"Basic realm="x""#;
    const MD5: &str = r#"Digest realm="x", nonce="m", qop="auth""#;
    const SHA: &str = r#"Digest realm="x", nonce="s", qop="auth", algorithm=SHA-256"#;

    #[test]
    fn the_strongest_way() {
        let password = Has::Password { colon: false };
        let chosen = |offers: &[&str], key, may_show| {
            let choice = choose(&challenge::all(&headers(offers)), Means { key, may_show })?;
            Ok(match choice {
                Choice::Digest(session, _) => session.nonce,
                other => format!("{other:?}"),
            })
        };
        let is = |name: &str| Ok::<_, Refusal>(name.to_owned());
        assert_eq!(chosen(&[BASIC, MD5, SHA], password, true), is("s"));
        assert_eq!(chosen(&[&format!("{BASIC}, {SHA}, {MD5}")], password, true), is("s"));
        assert_eq!(chosen(&[BASIC, MD5], password, false), is("m"));
        assert_eq!(chosen(&[MD5, r#"Digest nonce="2""#], password, true), is("m"), "its first");
        assert_eq!(chosen(&["NTLM", "Negotiate", BASIC], password, true), is("Basic"));
        assert_eq!(chosen(&[BASIC], password, false), Err(Refusal::Clear));
        let colon = Has::Password { colon: true };
        assert_eq!(chosen(&[BASIC], colon, true), Err(Refusal::Colon));
        assert_eq!(chosen(&[BASIC, MD5], colon, true), is("m"));
        assert_eq!(chosen(&[], password, true), Err(Refusal::Silent));
        let windows = Refusal::Unspoken("ntlm, negotiate".into());
        assert_eq!(chosen(&["NTLM", "Negotiate"], password, true), Err(windows));
        assert_eq!(chosen(&[BASIC, r#"Bearer error="x""#], Has::Token, true), is("Bearer"));
        assert_eq!(chosen(&["Bearer"], Has::Token, false), Err(Refusal::Clear));
        assert_eq!(chosen(&[BASIC], Has::Token, true), Err(Refusal::Unspoken("basic".into())));
    }

    #[test]
    fn basic_when_asked_and_once() {
        let login = login(A);
        assert_eq!(sends(&login, A), (None, Tried::Nothing));
        assert!(login.challenged(&url(A), &Tried::Nothing, &headers(&[BASIC])));
        // "anna:geheím" in UTF-8.
        let expected = "Basic YW5uYTpnZWhlw61t".to_owned();
        assert_eq!(sends(&login, A), (Some(expected.clone()), Tried::Basic));
        assert!(!login.challenged(&url(A), &Tried::Basic, &headers(&[BASIC])));
        assert_eq!(login.refusal(&headers(&[BASIC])), Refusal::Wrong);
        assert_eq!(sends(&login, "https://a.example:444/"), (None, Tried::Nothing));
        assert_eq!(sends(&login, "http://a.example/"), (None, Tried::Nothing));
        assert!(!login.challenged(&url("https://b.example/"), &Tried::Nothing, &headers(&[BASIC])));
        assert_eq!(login.sent().cleaned(&format!("no {expected}")), "no Basic ***");
    }

    #[test]
    fn without_being_asked() {
        assert_eq!(sends(&login(A).unasked(), A).1, Tried::Basic);
        let plain = "http://a.example/";
        assert_eq!(sends(&login(plain).unasked(), plain), (None, Tried::Nothing));
        assert_eq!(sends(&login(plain).unasked().clear(Clear::Allowed), plain).1, Tried::Basic);
        let token = || Login::token(url(A).origin().clone(), Secret::new("t0ken".into()));
        assert_eq!(sends(&token(), A), (Some("Bearer t0ken".into()), Tried::Bearer));
        assert!(!token().challenged(&url(A), &Tried::Bearer, &headers(&["Bearer"])));
        let bad = Login::token(url(A).origin().clone(), Secret::new("t\nx".into()));
        assert!(bad.authorization(&Method::GET, &url(A)).is_err());
        // A server that wants more than it got.
        let login = login(A).unasked();
        assert_eq!(sends(&login, A).1, Tried::Basic);
        assert!(login.challenged(&url(A), &Tried::Basic, &headers(&[MD5])));
        assert!(matches!(sends(&login, A).1, Tried::Digest { count: 1, .. }));
    }

    #[test]
    fn nonces_grow_old() {
        let login = login(A);
        assert!(login.challenged(&url(A), &Tried::Nothing, &headers(&[MD5])));
        let (_, first) = sends(&login, A);
        assert_eq!(first, Tried::Digest { nonce: "m".into(), count: 1 });
        let other = MD5.replace("\"m\"", "\"n\"");
        let stale = format!("{other}, stale=TRUE");
        assert!(!login.challenged(&url(A), &first, &headers(&[&other])), "a wrong password");
        let (_, second) = sends(&login, A);
        assert_eq!(second, Tried::Digest { nonce: "m".into(), count: 2 });
        assert!(login.challenged(&url(A), &second, &headers(&[&other])), "it had worked before");
        let (_, third) = sends(&login, A);
        assert_eq!(third, Tried::Digest { nonce: "n".into(), count: 1 });
        assert!(login.challenged(&url(A), &second, &headers(&[MD5])), "another one was sooner");
        assert!(!login.challenged(&url(A), &third, &headers(&[&other])));
        let stale = stale.replace("\"n\"", "\"o\"");
        assert!(login.challenged(&url(A), &third, &headers(&[&stale])));
        assert_eq!(sends(&login, A).1, Tried::Digest { nonce: "o".into(), count: 1 });
    }

    #[test]
    fn the_next_nonce_is_told() {
        let login = login(A);
        let next = |nonce: &str| {
            let mut headers = HeaderMap::new();
            let value = format!(r#"qop=auth, rspauth="x", nextnonce="{nonce}""#);
            headers.append(AUTHENTICATION_INFO, value.parse().unwrap());
            headers
        };
        login.answered(&url(A), &next("p"));
        assert!(login.challenged(&url(A), &Tried::Nothing, &headers(&[MD5])));
        let _ = sends(&login, A);
        login.answered(&url("https://b.example/"), &next("q"));
        login.answered(&url(A), &next("p"));
        assert_eq!(sends(&login, A).1, Tried::Digest { nonce: "p".into(), count: 1 });
    }

    #[test]
    fn own_nonces_are_of_the_seed() {
        let (one, other) = (login(A), login(A));
        assert_eq!(one.cnonce("n"), other.cnonce("n"));
        assert_ne!(one.cnonce("n"), one.cnonce("m"));
        assert_eq!(one.cnonce("n").len(), 32);
    }
}
