//! Logging in: AUTH (RFC 5034), APOP, USER and PASS (RFC 1939 section 7).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use wire::{Secret, Stream};
use zeroize::Zeroizing;

use crate::error::{Error, unreadable};
use crate::reply::Reply;
use crate::session::Session;

/// Longest command with its line end that may carry a first answer (RFC 2449 section 4, RFC 5034
/// section 4); a longer one waits to be asked for.
const INITIAL_MAX: usize = 255;

/// Most challenges of one exchange; LOGIN has two.
const CHALLENGES_MAX: usize = 5;

/// How to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// With a password.
    Password {
        /// Login name.
        login: String,
        /// The password.
        password: Secret,
        /// The account to act for, where `login` is an administrator's (RFC 4616).
        authorise_as: Option<String>,
    },
    /// With an OAuth 2.0 access token (RFC 7628, XOAUTH2).
    Token {
        /// The account.
        login: String,
        /// The access token.
        token: Secret,
    },
}

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain,
    UserPass,
    AuthLogin,
    Apop,
    OAuthBearer,
    XOAuth2,
}

impl<S: Stream> Session<S> {
    /// Logs in, by the best way that both sides know, in one attempt: each refused one may count
    /// towards a lock-out. Afterwards [`Session::capabilities`] are those of a session that is
    /// logged in.
    ///
    /// On a line known to be encrypted ([`Session::set_encrypted`]) that is PLAIN, which takes one
    /// round trip, then USER and PASS, then LOGIN; on another one APOP, which hides the password,
    /// and after it the same only where the caller permits it ([`Session::permit_clear`]).
    pub async fn authenticate(&mut self, credentials: &Credentials) -> Result<(), Error> {
        self.learn_capabilities().await?;
        let Some(way) = self.way(credentials) else {
            let capabilities = &self.state.capabilities;
            let user = capabilities.user().then(|| "USER".to_owned());
            let announced = capabilities.mechanisms().map(str::to_owned).chain(user).collect();
            return Err(Error::NoMechanism { announced });
        };
        let (login, secret, authorise_as) = credentials.parts();
        if [login, secret, authorise_as.unwrap_or_default()].iter().any(|part| part.contains('\0'))
        {
            return Err(Error::Unsendable { what: "a login or password with a NUL" });
        }
        // From here on: whatever the server says of it, at whatever time, is handed on without it.
        self.state.sent.text(secret);
        let mut reply = self.log_in(way, credentials).await?;
        if reply.code == Some(crate::Code::LoginDelay) {
            reply.wait_s = self.state.capabilities.login_delay_s();
        }
        match (reply.ok, &reply.code) {
            (true, _) => self.learn_capabilities().await,
            (false, Some(crate::Code::SysPerm)) => Err(Error::Refused(reply)),
            (false, _) if reply.is_temporary() => Err(Error::Refused(reply)),
            (false, _) => Err(Error::AuthenticationFailed(reply)),
        }
    }

    fn way(&self, credentials: &Credentials) -> Option<Way> {
        let capabilities = &self.state.capabilities;
        let clear = self.state.encrypted || self.state.clear_permitted;
        let (_, _, authorise_as) = credentials.parts();
        let alone = authorise_as.is_none();
        let possible: &[(Way, bool)] = match credentials {
            Credentials::Token { .. } => &[
                (Way::OAuthBearer, clear && capabilities.auth("OAUTHBEARER")),
                (Way::XOAuth2, clear && capabilities.auth("XOAUTH2")),
            ],
            Credentials::Password { .. } => &[
                (Way::Apop, alone && !self.state.encrypted && self.timestamp().is_some()),
                (Way::Plain, clear && capabilities.auth("PLAIN")),
                (Way::UserPass, clear && alone && capabilities.user()),
                (Way::AuthLogin, clear && alone && capabilities.auth("LOGIN")),
            ],
        };
        possible.iter().find(|way| way.1).map(|way| way.0)
    }

    /// The `msg-id` of the greeting, which says that the server knows APOP.
    fn timestamp(&self) -> Option<&str> {
        let greeting = self.greeting();
        let from = greeting.get(greeting.find('<')?..)?;
        from.get(..=from.find('>')?).filter(|id| id.contains('@'))
    }

    async fn log_in(&mut self, way: Way, credentials: &Credentials) -> Result<Reply, Error> {
        let (login, secret, authorise_as) = credentials.parts();
        match way {
            Way::Plain => {
                let other = authorise_as.unwrap_or_default();
                let text = Zeroizing::new(format!("{other}\0{login}\0{secret}"));
                self.exchange("PLAIN", Some(&text), |_| None).await
            }
            Way::AuthLogin => {
                // draft-murchison-sasl-login-00 section 2: two prompts, name and password.
                let mut answers = [login, secret].into_iter();
                self.exchange("LOGIN", None, |_| answers.next()).await
            }
            Way::UserPass => {
                // Before the name goes out, so that nothing is left half-way.
                if secret.chars().any(|c| c.is_ascii_control()) {
                    return Err(Error::Unsendable { what: "a password with control characters" });
                }
                let reply = self.command(&format!("USER {login}")).await?;
                if !reply.ok {
                    return Ok(reply);
                }
                self.command(&Zeroizing::new(format!("PASS {secret}"))).await
            }
            Way::Apop => {
                let stamp = self.timestamp().unwrap_or_default();
                let digest = Md5::new().chain_update(stamp).chain_update(secret).finalize();
                let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                self.state.sent.encoded(&digest);
                self.command(&format!("APOP {login} {digest}")).await
            }
            Way::OAuthBearer => {
                let escaped = login.replace('=', "=3D").replace(',', "=2C");
                let text = format!("n,a={escaped},\x01auth=Bearer {secret}\x01\x01");
                self.token_exchange("OAUTHBEARER", &Zeroizing::new(text), "\x01").await
            }
            Way::XOAuth2 => {
                let text = format!("user={login}\x01auth=Bearer {secret}\x01\x01");
                self.token_exchange("XOAUTH2", &Zeroizing::new(text), "").await
            }
        }
    }

    /// A refused token is explained in a challenge (RFC 7628 section 3.2.2), which must be
    /// answered before the server says no; its words go into the reply.
    async fn token_exchange(
        &mut self,
        mechanism: &str,
        first: &str,
        acknowledgement: &'static str,
    ) -> Result<Reply, Error> {
        let mut explained = String::new();
        let explain = |challenge: &[u8]| {
            explained = String::from_utf8_lossy(challenge).into_owned();
            Some(acknowledgement)
        };
        let mut reply = self.exchange(mechanism, Some(first), explain).await?;
        if !reply.ok && !explained.is_empty() {
            let explained = self.state.sent.cleaned(&explained);
            reply.text = format!("{} {}", reply.text, explained.trim()).trim().to_owned();
        }
        Ok(reply)
    }

    /// AUTH: `first` goes with the command where it is short enough, or after the first `+`;
    /// `step` answers the challenges, `None` cancels.
    async fn exchange<'a>(
        &mut self,
        mechanism: &str,
        first: Option<&str>,
        mut step: impl FnMut(&[u8]) -> Option<&'a str>,
    ) -> Result<Reply, Error> {
        if let Some(first) = first {
            self.state.sent.answer(first.as_bytes());
        }
        let mut first = first.map(|first| Zeroizing::new(STANDARD.encode(first)));
        let command = format!("AUTH {mechanism}");
        let initial = first.take_if(|first| command.len() + first.len() + 3 <= INITIAL_MAX);
        match initial {
            Some(first) => self.put(&Zeroizing::new(format!("{command} {}", first.as_str())))?,
            None => self.put(&command)?,
        }
        self.flush().await?;
        for _ in 0..=CHALLENGES_MAX {
            let line = self.input.line(&mut self.stream).await;
            let line = line.map_err(|error| self.discreet(error))?;
            if let Some(reply) = Reply::read(&line) {
                return Ok(self.discreet_reply(reply));
            }
            let Some(challenge) = line.strip_prefix(b"+") else {
                return Err(self.unreadable("this is neither a status nor a challenge", &line));
            };
            // What is no base64 is a prompt of LOGIN, or empty.
            let challenge = STANDARD.decode(challenge.trim_ascii()).unwrap_or_default();
            let answer = match first.take() {
                Some(first) => Some(first),
                None => step(&challenge).map(|answer| Zeroizing::new(STANDARD.encode(answer))),
            };
            let answer = answer.as_ref().map_or("*", |answer| answer.as_str());
            self.state.sent.encoded(answer);
            self.put(answer)?;
            self.flush().await?;
        }
        Err(unreadable("challenges without end", b""))
    }
}

impl Credentials {
    /// Login, secret, and whom to act for where that is somebody else.
    fn parts(&self) -> (&str, &str, Option<&str>) {
        match self {
            Credentials::Password { login, password, authorise_as } => {
                let other = authorise_as.as_deref().filter(|other| other != login);
                (login, password.expose(), other)
            }
            Credentials::Token { login, token } => (login, token.expose(), None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Code;
    use crate::testing::play;

    fn password(login: &str, password: &str) -> Credentials {
        let password = Secret::new(password.into());
        Credentials::Password { login: login.into(), password, authorise_as: None }
    }

    /// CAPA before and after a login that succeeds.
    fn dialogue(capabilities: &str, login: &str) -> String {
        let capa = capa(capabilities);
        let after = if login.trim_end().contains("-ERR") { "" } else { &capa };
        format!("{capa}{login}\n{after}")
    }

    fn capa(capabilities: &str) -> String {
        let lines: String =
            capabilities.split(',').map(|line| format!("S: {}\n", line.trim())).collect();
        format!("C: CAPA\nS: +OK\n{lines}S: .\n")
    }

    fn encrypted(capabilities: &str, credentials: &Credentials, login: &str) -> Result<(), Error> {
        play(&dialogue(capabilities, login), async |session| {
            session.set_encrypted();
            session.authenticate(credentials).await
        })
    }

    const SECRET: &str = "Zq7-secret-of-anna-Zq7";

    /// Nothing of the secret, of its base64 and of `derived` is in `words`, and something was there.
    fn discreet(words: &str, derived: &str) {
        assert!(words.contains("***"), "{words}");
        let alone = STANDARD.encode(SECRET);
        let (first, last) = SECRET.split_at(11);
        let upper = SECRET.to_uppercase();
        for piece in [SECRET, &upper, first, last, &alone, derived] {
            assert!(!words.contains(piece), "{piece} in {words}");
        }
    }

    /// A server that answers each step of each way to log in with what it was told.
    #[test]
    fn a_server_that_repeats_the_password_is_quoted_without_it() {
        let plain = STANDARD.encode(format!("\0anna\0{SECRET}"));
        let bearer = STANDARD.encode(format!("user=anna\x01auth=Bearer {SECRET}\x01\x01"));
        let oauth = STANDARD.encode(format!("n,a=anna,\x01auth=Bearer {SECRET}\x01\x01"));
        let alone = STANDARD.encode(SECRET);
        let stamp = "<1896.697170952@dbc.mtview.ca.us>";
        let digest = Md5::new().chain_update(stamp).chain_update(SECRET).finalize();
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let token = Credentials::Token { login: "anna".into(), token: Secret::new(SECRET.into()) };
        let known = password("anna", SECRET);
        let explained = STANDARD.encode(format!("{{\"said\":\"{SECRET}\"}}"));
        let ways = [
            ("SASL PLAIN", true, &known, format!("C: AUTH PLAIN {plain}"), plain.clone()),
            (
                "USER",
                true,
                &known,
                format!("C: USER anna\nS: +OK\nC: PASS {SECRET}"),
                plain.clone(),
            ),
            (
                "SASL LOGIN",
                true,
                &known,
                format!(
                    "C: AUTH LOGIN\nS: + VXNlcm5hbWU6\nC: YW5uYQ==\nS: + UGFzc3dvcmQ6\nC: {alone}"
                ),
                alone.clone(),
            ),
            ("X", false, &known, format!("C: APOP anna {digest}"), digest.clone()),
            ("SASL XOAUTH2", true, &token, format!("C: AUTH XOAUTH2 {bearer}"), bearer.clone()),
            (
                "SASL OAUTHBEARER",
                true,
                &token,
                format!("C: AUTH OAUTHBEARER {oauth}\nS: + {explained}\nC: AQ=="),
                oauth.clone(),
            ),
        ];
        for (announced, over_tls, credentials, login, derived) in ways {
            for said in [
                format!("-ERR {SECRET} {derived}"),
                format!("-ERR [X-{SECRET}] {}", SECRET.to_uppercase()),
                format!("-ERR [SYS/TEMP] {derived}"),
                format!("{SECRET} {derived}"),
            ] {
                let dialogue = format!("{}{login}\nS: {said}", capa(announced));
                let words = play(&dialogue, async |session| {
                    if over_tls {
                        session.set_encrypted();
                    }
                    let error = session.authenticate(credentials).await.unwrap_err();
                    format!("{error} {error:?}")
                });
                discreet(&words, &derived);
            }
        }
        let dialogue = format!(
            "{}C: AUTH PLAIN {plain}\nS: +OK\n{}C: NOOP\nS: -ERR {SECRET}",
            capa("SASL PLAIN"),
            capa(&format!("X-{SECRET}"))
        );
        let later = play(&dialogue, async |session| {
            session.set_encrypted();
            session.authenticate(&known).await.unwrap();
            format!("{:?} {:?}", session.announced(), session.noop().await)
        });
        discreet(&later, &plain);
    }

    #[test]
    fn plain_with_and_without_initial_response() {
        // RFC 5034 section 6: test, test.
        let login = "C: AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=
            S: +OK Maildrop locked and ready";
        let test = Credentials::Password {
            login: "test".into(),
            password: Secret::new("test".into()),
            authorise_as: Some("test".into()),
        };
        // Acting for oneself is acting for nobody.
        let own = login.replace("dGVzdAB0ZXN0AHRlc3Q=", "AHRlc3QAdGVzdA==");
        assert_eq!(encrypted("SASL PLAIN", &test, &own), Ok(()));
        let admin = Credentials::Password {
            login: "admin".into(),
            password: Secret::new("x".into()),
            authorise_as: Some("test".into()),
        };
        let acting = "C: AUTH PLAIN dGVzdABhZG1pbgB4\nS: +OK";
        assert_eq!(encrypted("USER, SASL LOGIN PLAIN", &admin, acting), Ok(()));
        let long = password("a", &"p".repeat(200));
        let encoded = STANDARD.encode(format!("\0a\0{}", "p".repeat(200)));
        let asked = format!("C: AUTH PLAIN\nS: + \nC: {encoded}\nS: +OK");
        assert_eq!(encrypted("SASL PLAIN", &long, &asked), Ok(()));
    }

    #[test]
    fn user_and_pass() {
        // RFC 1939 section 7.
        let login = "C: USER mrose
            S: +OK mrose is a real hoopy frood
            C: PASS secret word
            S: +OK mrose's maildrop has 2 messages (320 octets)";
        assert_eq!(encrypted("USER", &password("mrose", "secret word"), login), Ok(()));
        let unknown = "C: USER frated\nS: -ERR sorry, no mailbox for frated here";
        let error = encrypted("USER", &password("frated", "x"), unknown).unwrap_err();
        assert!(error.to_string().contains("no mailbox for frated here"), "{error}");
        assert!(matches!(error, Error::AuthenticationFailed(_)));
        // A server that does not know CAPA.
        let old = "C: CAPA\nS: -ERR what?\nC: USER a\nS: +OK\nC: PASS b\nS: +OK\nC: CAPA\nS: -ERR";
        let done = play(old, async |session| {
            session.set_encrypted();
            session.authenticate(&password("a", "b")).await
        });
        assert_eq!(done, Ok(()));
    }

    #[test]
    fn login() {
        let login = "C: AUTH LOGIN
            S: + VXNlcm5hbWU6
            C: YQ==
            S: + UGFzc3dvcmQ6
            C: Yg==
            S: +OK";
        assert_eq!(encrypted("SASL LOGIN", &password("a", "b"), login), Ok(()));
    }

    #[test]
    fn apop_hides_the_password_and_nothing_else_goes_over_an_open_line() {
        // RFC 1939 section 7.
        let login = "C: APOP mrose c4c9334bac560ecc979e58001b3e22fb
            S: +OK maildrop has 1 message (369 octets)";
        let credentials = password("mrose", "tanstaaf");
        let done = play(&dialogue("USER, SASL PLAIN", login), async |session| {
            session.authenticate(&credentials).await
        });
        assert_eq!(done, Ok(()));
        let refused = play(&capa("USER, SASL PLAIN LOGIN XOAUTH2"), async |session| {
            session.state.greeting.clear();
            session.authenticate(&credentials).await
        });
        let announced = ["PLAIN", "LOGIN", "XOAUTH2", "USER"].map(str::to_owned).to_vec();
        assert_eq!(refused, Err(Error::NoMechanism { announced }));
        let token = Credentials::Token { login: "a".into(), token: Secret::new("t".into()) };
        let refused =
            play(&capa("SASL XOAUTH2"), async |session| session.authenticate(&token).await);
        assert!(matches!(refused, Err(Error::NoMechanism { .. })));
        let permitted = "C: AUTH PLAIN AG1yb3NlAHRhbnN0YWFm\nS: +OK";
        let done = play(&dialogue("SASL PLAIN", permitted), async |session| {
            session.state.greeting.clear();
            session.permit_clear();
            session.authenticate(&credentials).await
        });
        assert_eq!(done, Ok(()));
    }

    #[test]
    fn a_refused_token_is_explained() {
        let token = Credentials::Token { login: "a@x".into(), token: Secret::new("t".into()) };
        let said = STANDARD.encode("{\"status\":\"401\"}");
        let login = format!(
            "C: AUTH XOAUTH2 {}\nS: + {said}\nC: \nS: -ERR [AUTH] no",
            STANDARD.encode("user=a@x\x01auth=Bearer t\x01\x01")
        );
        // The empty answer is an empty line.
        let error = encrypted("SASL XOAUTH2", &token, &login).unwrap_err();
        let Error::AuthenticationFailed(reply) = error else { panic!() };
        assert_eq!(reply.code, Some(Code::Auth));
        assert_eq!(reply.text, "no {\"status\":\"401\"}");
    }

    #[test]
    fn waiting_is_no_wrong_password() {
        let refused = |said: &str| {
            let login = format!("C: USER a\nS: +OK\nC: PASS b\nS: -ERR {said}");
            encrypted("USER", &password("a", "b"), &login).unwrap_err()
        };
        for said in ["[IN-USE] x", "[LOGIN-DELAY] x", "[SYS/TEMP] x", "unable to lock maildrop"] {
            assert!(matches!(refused(said), Error::Refused(_)), "{said}");
        }
        for said in ["[AUTH] x", "Your account is locked", "x"] {
            assert!(matches!(refused(said), Error::AuthenticationFailed(_)), "{said}");
        }
    }

    #[test]
    fn how_long_to_wait_is_what_was_announced() {
        let login = "C: USER a\nS: +OK\nC: PASS b\nS: -ERR [LOGIN-DELAY] wait";
        let error = encrypted("USER, LOGIN-DELAY 900", &password("a", "b"), login);
        let Err(Error::Refused(reply)) = error else { panic!() };
        assert_eq!((reply.code, reply.wait_s), (Some(Code::LoginDelay), Some(900)));
    }

    #[test]
    fn only_what_can_be_said_is_said() {
        for (login, secret) in [("a\0", "b"), ("a\r\nQUIT", "b"), ("a", "b\nc")] {
            let done = play(&capa("USER"), async |session| {
                session.set_encrypted();
                session.authenticate(&password(login, secret)).await
            });
            assert!(matches!(done, Err(Error::Unsendable { .. })), "{login:?} {done:?}");
        }
    }

    #[test]
    fn challenges_without_end_end() {
        let answers: String =
            ["YQ==", "Yg==", "*", "*", "*"].iter().map(|it| format!("S: + \nC: {it}\n")).collect();
        let login = format!("C: AUTH LOGIN\n{answers}S: + \nC: *");
        let done = play(&format!("{}{login}", capa("SASL LOGIN")), async |session| {
            session.set_encrypted();
            session.authenticate(&password("a", "b")).await
        });
        assert!(matches!(done, Err(Error::Unreadable { .. })), "{done:?}");
    }
}
