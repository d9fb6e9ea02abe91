//! Logging in (RFC 9051 sections 6.2.2 and 6.2.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wire::{Random, Secret, Stream};

use crate::capability::Capabilities;
use crate::command::Dialect;
use crate::dialogue::{Heard, UNASKED_MAX};
use crate::error::Error;
use crate::input::Bodies;
use crate::reply::{Reply, Status};
use crate::scram::{Proven, Scram};
use crate::session::Session;

/// How to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// With a password.
    Password {
        /// Login name; forms like `user*master` are the server's business.
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

/// Most ways tried one after the other: each refused one may count towards a lock-out.
const WAYS_MAX: usize = 3;

/// Most challenges of one exchange; SCRAM has two.
const CHALLENGES_MAX: usize = 5;

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Scram,
    Plain,
    LoginCommand,
    AuthLogin,
    OAuthBearer,
    XOAuth2,
}

impl<S: Stream> Session<S> {
    /// Logs in by the best way that both sides know; a session that is `PREAUTH` is logged in.
    ///
    /// On a line known to be encrypted ([`Session::set_encrypted`]) PLAIN comes first, for it
    /// takes one round trip; otherwise SCRAM-SHA-256, which hides the password. Where SCRAM is
    /// refused the next way is tried: servers announce it even for accounts that have no
    /// password in that form.
    pub async fn authenticate(
        &mut self,
        credentials: &Credentials,
        random: &impl Random,
    ) -> Result<(), Error> {
        if self.state.preauth {
            return Ok(());
        }
        self.learn_capabilities().await?;
        let ways = ways(&self.state.capabilities, credentials, self.state.encrypted);
        let mut refused = None;
        for way in ways.into_iter().take(WAYS_MAX) {
            let mut nonce = [0; 18];
            random.fill(&mut nonce);
            // What was announced before the login does not hold after it.
            let before = std::mem::take(&mut self.state.capabilities);
            let dialect = Dialect::new(&before, self.state.spelling);
            let reply = self.log_in(way, credentials, nonce, dialect, &before).await?;
            if reply.is_ok() {
                self.learn_capabilities().await?;
                self.state.choose_quirks();
                return Ok(());
            }
            self.state.capabilities = before;
            let next = way == Way::Scram || reply.status == Status::Bad;
            let stop = reply.is_temporary() || !next;
            refused = Some(reply);
            if stop {
                break;
            }
        }
        match refused {
            Some(reply) if reply.is_temporary() => Err(Error::Refused(reply)),
            Some(reply) => Err(Error::AuthenticationFailed(reply)),
            None => {
                let capabilities = &self.state.capabilities;
                Err(Error::NoMechanism {
                    announced: capabilities.mechanisms().map(str::to_owned).collect(),
                    login_disabled: capabilities.login_disabled(),
                })
            }
        }
    }

    async fn log_in(
        &mut self,
        way: Way,
        credentials: &Credentials,
        nonce: [u8; 18],
        dialect: Dialect,
        before: &Capabilities,
    ) -> Result<Reply, Error> {
        let (login, secret, authorise_as) = credentials.parts();
        if [login, secret, authorise_as.unwrap_or_default()].iter().any(|part| part.contains('\0'))
        {
            return Err(Error::Unsendable { what: "a login or password with a NUL" });
        }
        let sasl_ir = before.sasl_ir();
        // From here on: whatever the server says of it, at whatever time, is handed on without it.
        self.input.sent.text(secret);
        match way {
            Way::LoginCommand => {
                let what = "a login or password with a NUL";
                let command = self.command_in(dialect, "LOGIN");
                let command = command.string(login.as_bytes(), what)?;
                self.answer(command.string(secret.as_bytes(), what)?, |_| Ok(())).await
            }
            Way::Plain => {
                let text = format!("{}\0{login}\0{secret}", authorise_as.unwrap_or_default());
                self.exchange("PLAIN", Some(text), sasl_ir, |_| None).await
            }
            Way::AuthLogin => {
                // draft-murchison-sasl-login-00 section 2: two prompts, name and password.
                let mut answers = [login, secret].map(str::to_owned).into_iter();
                self.exchange("LOGIN", None, false, |_| answers.next()).await
            }
            Way::OAuthBearer => {
                let escaped = login.replace('=', "=3D").replace(',', "=2C");
                let text = format!("n,a={escaped},\x01auth=Bearer {secret}\x01\x01");
                self.token_exchange("OAUTHBEARER", text, "\x01", sasl_ir).await
            }
            Way::XOAuth2 => {
                let text = format!("user={login}\x01auth=Bearer {secret}\x01\x01");
                self.token_exchange("XOAUTH2", text, "", sasl_ir).await
            }
            Way::Scram => {
                self.scram_exchange(Scram::new(login, authorise_as, nonce), secret, sasl_ir).await
            }
        }
    }

    /// A refused token is explained in a challenge (RFC 7628 section 3.2.2), which must be
    /// answered before the server says NO; its words go into the reply.
    async fn token_exchange(
        &mut self,
        mechanism: &str,
        first: String,
        acknowledgement: &str,
        sasl_ir: bool,
    ) -> Result<Reply, Error> {
        let mut explained = String::new();
        let explain = |challenge: &[u8]| {
            explained = wire::words(challenge);
            Some(acknowledgement.to_owned())
        };
        let mut reply = self.exchange(mechanism, Some(first), sasl_ir, explain).await?;
        if !reply.is_ok() && !explained.is_empty() {
            let explained = self.input.sent.cleaned(&explained);
            reply.text = format!("{} {}", reply.text, explained.trim()).trim().to_owned();
        }
        Ok(reply)
    }

    async fn scram_exchange(
        &mut self,
        scram: Scram,
        password: &str,
        sasl_ir: bool,
    ) -> Result<Reply, Error> {
        let mut proven: Option<Proven> = None;
        let mut verified = None;
        let step = |challenge: &[u8]| match &proven {
            None => {
                let (proof, next) = scram.prove(challenge, password).ok()?;
                proven = Some(next);
                Some(proof)
            }
            Some(proven) => {
                let checked = proven.verify(challenge);
                verified = Some(checked.is_ok());
                checked.ok().map(|()| String::new())
            }
        };
        let first = scram.first();
        let reply = self.exchange("SCRAM-SHA-256", Some(first), sasl_ir, step).await?;
        // Without the proof anybody could have said OK.
        if verified == Some(false) || (reply.is_ok() && verified.is_none()) {
            return Err(Error::ServerNotProven);
        }
        Ok(reply)
    }

    /// AUTHENTICATE: `first` goes with the command (RFC 4959) or after the first `+`; `step`
    /// answers the challenges, `None` cancels.
    async fn exchange(
        &mut self,
        mechanism: &str,
        first: Option<String>,
        sasl_ir: bool,
        mut step: impl FnMut(&[u8]) -> Option<String>,
    ) -> Result<Reply, Error> {
        self.idle()?;
        let command = self.command("AUTHENTICATE").text(" ").text(mechanism);
        let tag = command.tag;
        if let Some(first) = &first {
            self.input.sent.answer(first.as_bytes());
        }
        let mut first = first.map(|first| STANDARD.encode(first));
        let command = match first.take_if(|_| sasl_ir) {
            Some(first) => command.text(" ").text(&first),
            None => command,
        };
        self.send(command).await?;
        self.flush().await?;
        let mut challenges = 0;
        for _ in 0..UNASKED_MAX {
            match self.hear(Bodies::Within).await? {
                Heard::Tagged(own, reply) if own == tag => return Ok(reply),
                Heard::Tagged(..) => return Err(self.stranger()),
                Heard::Status(_) | Heard::Data(_) => {}
                Heard::Continue(challenge) => {
                    challenges += 1;
                    let answer = match first.take() {
                        Some(first) => Some(first),
                        None if challenges > CHALLENGES_MAX => None,
                        // What is no base64 is a prompt of AUTH=LOGIN, or empty.
                        None => step(&STANDARD.decode(&challenge).unwrap_or_default())
                            .map(|answer| STANDARD.encode(answer)),
                    };
                    let answer = answer.as_deref().unwrap_or("*");
                    self.input.sent.encoded(answer);
                    self.output.extend_from_slice(answer.as_bytes());
                    self.output.extend_from_slice(b"\r\n");
                    self.flush().await?;
                }
            }
        }
        Err(self.endless())
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

fn ways(capabilities: &Capabilities, credentials: &Credentials, encrypted: bool) -> Vec<Way> {
    let (login, secret, authorise_as) = credentials.parts();
    let possible: &[(Way, bool)] = match credentials {
        Credentials::Token { .. } => &[
            (Way::OAuthBearer, capabilities.auth("OAUTHBEARER")),
            (Way::XOAuth2, capabilities.auth("XOAUTH2")),
        ],
        Credentials::Password { .. } => {
            let scram = capabilities.auth("SCRAM-SHA-256") && login.is_ascii() && secret.is_ascii();
            let plain = capabilities.auth("PLAIN");
            let alone = authorise_as.is_none();
            let login_command = alone && !capabilities.login_disabled();
            let auth_login = alone && capabilities.auth("LOGIN");
            let (first, second) = match encrypted {
                true => ((Way::Plain, plain), (Way::Scram, scram)),
                false => ((Way::Scram, scram), (Way::Plain, plain)),
            };
            &[first, second, (Way::LoginCommand, login_command), (Way::AuthLogin, auth_login)]
        }
    };
    possible.iter().filter(|way| way.1).map(|way| way.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Code;
    use crate::testing::play;

    /// Draws the same bytes each time, so that a dialogue can be written down.
    struct Fixed;

    impl Random for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn password(login: &str, password: &str) -> Credentials {
        let password = Secret::new(password.into());
        Credentials::Password { login: login.into(), password, authorise_as: None }
    }

    fn check(capabilities: &str, credentials: &Credentials, dialogue: &str) -> Result<(), Error> {
        play(capabilities, dialogue, async |session| {
            session.authenticate(credentials, &Fixed).await
        })
    }

    fn encrypted(
        capabilities: &str,
        credentials: &Credentials,
        dialogue: &str,
    ) -> Result<(), Error> {
        play(capabilities, dialogue, async |session| {
            session.set_encrypted();
            session.authenticate(credentials, &Fixed).await
        })
    }

    const SECRET: &str = "Zq7-secret-of-anna-Zq7";

    /// Nothing of the secret and of what went out is in `words`, and something was there.
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
        let token = Credentials::Token { login: "anna".into(), token: Secret::new(SECRET.into()) };
        let known = password("anna", SECRET);
        let explained = STANDARD.encode(format!("{{\"said\":\"{SECRET}\"}}"));
        let ways = [
            ("SASL-IR AUTH=PLAIN", &known, format!("C: A1 AUTHENTICATE PLAIN {plain}"), &plain),
            ("AUTH=PLAIN", &known, format!("C: A1 AUTHENTICATE PLAIN\nS: +\nC: {plain}"), &plain),
            ("X", &known, format!("C: A1 LOGIN \"anna\" \"{SECRET}\""), &plain),
            (
                "LOGINDISABLED AUTH=LOGIN",
                &known,
                format!(
                    "C: A1 AUTHENTICATE LOGIN\nS: + VXNlcm5hbWU6\nC: YW5uYQ==\nS: +\nC: {alone}"
                ),
                &alone,
            ),
            (
                "SASL-IR AUTH=XOAUTH2",
                &token,
                format!("C: A1 AUTHENTICATE XOAUTH2 {bearer}"),
                &bearer,
            ),
            (
                "SASL-IR AUTH=OAUTHBEARER",
                &token,
                format!("C: A1 AUTHENTICATE OAUTHBEARER {oauth}\nS: + {explained}\nC: AQ=="),
                &oauth,
            ),
        ];
        for (announced, credentials, login, derived) in ways {
            for said in [
                format!("A1 NO {SECRET} {derived}"),
                format!("A1 NO [X-{SECRET}] {}", SECRET.to_uppercase()),
                format!("A1 NO [UNAVAILABLE] {derived}"),
                format!("* BYE {SECRET} {derived}"),
                format!("{SECRET} {derived}"),
            ] {
                let greeting = "S: * OK [CAPABILITY IMAP4rev1";
                let transcript = format!("{greeting} {announced}] x\n{login}\nS: {said}");
                let script = wire::script::Script::new(&transcript, usize::MAX);
                let words = futures::executor::block_on(async {
                    let mut session = Session::greet(script).await.unwrap();
                    let error = session.authenticate(credentials, &Fixed).await.unwrap_err();
                    format!("{error} {error:?}")
                });
                discreet(&words, derived);
            }
        }
        let later = play(
            "SASL-IR AUTH=PLAIN",
            &format!(
                "C: A1 AUTHENTICATE PLAIN {plain}\nS: A1 OK [CAPABILITY X-{SECRET}] in\n\
             C: A2 NOOP\nS: A2 NO {SECRET}"
            ),
            async |session| {
                session.authenticate(&known, &Fixed).await.unwrap();
                format!("{:?} {:?}", session.announced(), session.noop().await)
            },
        );
        discreet(&later, &plain);
    }

    #[test]
    fn plain() {
        // RFC 4616 section 4: tim, tanstaaftanstaaf; and acting for somebody else.
        let tim = password("tim", "tanstaaftanstaaf");
        let prompt = check(
            "AUTH=PLAIN",
            &tim,
            "C: A1 AUTHENTICATE PLAIN
             S: +
             C: AHRpbQB0YW5zdGFhZnRhbnN0YWFm
             S: A1 OK [CAPABILITY IMAP4rev1 MOVE] in",
        );
        assert_eq!(prompt, Ok(()));
        let kurt = Credentials::Password {
            login: "Kurt".into(),
            password: Secret::new("xipj3plmq".into()),
            authorise_as: Some("Ursel".into()),
        };
        let acting = check(
            "AUTH=PLAIN SASL-IR LOGINDISABLED",
            &kurt,
            "C: A1 AUTHENTICATE PLAIN VXJzZWwAS3VydAB4aXBqM3BsbXE=
             S: * CAPABILITY IMAP4rev1
             S: A1 OK in",
        );
        assert_eq!(acting, Ok(()));
        let alone = Error::NoMechanism { announced: vec!["LOGIN".into()], login_disabled: false };
        assert_eq!(check("AUTH=LOGIN", &kurt, ""), Err(alone));
    }

    #[test]
    fn capabilities_are_asked_for_before_and_after() {
        let known = play(
            "",
            "C: A1 LOGIN \"a\" \"b\"
             S: A1 OK in
             C: A2 CAPABILITY
             S: * CAPABILITY IMAP4rev1 UIDPLUS
             S: A2 OK done",
            async |session| {
                session.authenticate(&password("a", "b"), &Fixed).await?;
                Ok::<_, Error>(session.capabilities().uidplus())
            },
        );
        assert_eq!(known, Ok(true));
        let transcript = "S: * OK hi
             C: A1 CAPABILITY
             S: * CAPABILITY IMAP4rev1 LOGINDISABLED
             S: A1 OK done";
        let refused = futures::executor::block_on(async {
            let stream = wire::script::Script::new(transcript, usize::MAX);
            Session::greet(stream).await?.authenticate(&password("a", "b"), &Fixed).await
        });
        assert_eq!(refused, Err(Error::NoMechanism { announced: vec![], login_disabled: true }));
    }

    #[test]
    fn login_with_spaces_quotes_and_letters_beyond_ascii() {
        let odd = check(
            "",
            &password("an na", "p\"w\\ ü"),
            "C: A1 LOGIN \"an na\" {7}
             S: + go
             C: p\"w\\ ü
             S: A1 OK [CAPABILITY IMAP4rev1] in",
        );
        assert_eq!(odd, Ok(()));
        let nul = check("", &password("a", "b\0"), "");
        assert_eq!(nul, Err(Error::Unsendable { what: "a login or password with a NUL" }));
    }

    #[test]
    fn auth_login_where_nothing_else_is_left() {
        let done = check(
            "AUTH=LOGIN LOGINDISABLED",
            &password("anna", "geheim"),
            "C: A1 AUTHENTICATE LOGIN
             S: + VXNlcm5hbWU6
             C: YW5uYQ==
             S: + UGFzc3dvcmQ6
             C: Z2VoZWlt
             S: A1 OK [CAPABILITY IMAP4rev1] in",
        );
        assert_eq!(done, Ok(()));
    }

    #[test]
    fn wrong_passwords_are_tried_once() {
        let wrong = encrypted(
            "AUTH=PLAIN AUTH=SCRAM-SHA-256 AUTH=LOGIN SASL-IR",
            &password("tim", "tanstaaftanstaaf"),
            "C: A1 AUTHENTICATE PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm
             S: A1 NO [AUTHENTICATIONFAILED] wrong",
        );
        let reply = Reply {
            status: Status::No,
            code: Some(Code::AuthenticationFailed),
            text: "wrong".into(),
        };
        assert_eq!(wrong, Err(Error::AuthenticationFailed(reply)));
        let busy = check(
            "",
            &password("a", "b"),
            "C: A1 LOGIN \"a\" \"b\"
             S: A1 NO [ALERT] Too many simultaneous connections. (Failure)",
        );
        assert!(matches!(busy, Err(Error::Refused(_))), "{busy:?}");
    }

    #[test]
    fn what_is_not_understood_is_followed_by_the_next_way() {
        let done = check(
            "AUTH=PLAIN SASL-IR",
            &password("tim", "tanstaaftanstaaf"),
            "C: A1 AUTHENTICATE PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm
             S: A1 BAD what
             C: A2 LOGIN \"tim\" \"tanstaaftanstaaf\"
             S: A2 OK [CAPABILITY IMAP4rev1] in",
        );
        assert_eq!(done, Ok(()));
    }

    const FIRST: &str = "biwsbj11c2VyLHI9QndjSEJ3Y0hCd2NIQndjSEJ3Y0hCd2NI";

    #[test]
    fn scram() {
        // The server's side was computed with the formulas of RFC 5802 section 3.
        let nonce = STANDARD.encode([7; 18]);
        let challenge = format!("r={nonce}xyz,s={},i=16", STANDARD.encode("salt"));
        let scram = Scram::new("user", None, [7; 18]);
        let (proof, _) = scram.prove(challenge.as_bytes(), "pencil").unwrap();
        let dialogue = format!(
            "C: A1 AUTHENTICATE SCRAM-SHA-256 {FIRST}
             S: + {}
             C: {}
             ",
            STANDARD.encode(&challenge),
            STANDARD.encode(&proof)
        );
        assert_eq!(STANDARD.encode(scram.first()), FIRST);
        let capabilities = "AUTH=SCRAM-SHA-256 SASL-IR LOGINDISABLED";
        let user = password("user", "pencil");
        let unproven = check(capabilities, &user, &format!("{dialogue}S: A1 OK in"));
        assert_eq!(unproven, Err(Error::ServerNotProven));
        let false_proof = STANDARD.encode(format!("v={}", STANDARD.encode([0; 32])));
        let lied = format!("{dialogue}S: + {false_proof}\nC: *\nS: A1 BAD cancelled");
        assert_eq!(check(capabilities, &user, &lied), Err(Error::ServerNotProven));
        let refused = format!("{dialogue}S: A1 NO [AUTHENTICATIONFAILED] no");
        assert!(matches!(
            check(capabilities, &user, &refused),
            Err(Error::AuthenticationFailed(_))
        ));
        // Announced, but this account has no password in that form: PLAIN may still do.
        let plain = format!(
            "{refused}
             C: A2 AUTHENTICATE PLAIN AHVzZXIAcGVuY2ls
             S: A2 OK [CAPABILITY IMAP4rev1] in"
        );
        assert_eq!(check("AUTH=SCRAM-SHA-256 AUTH=PLAIN SASL-IR", &user, &plain), Ok(()));
    }

    #[test]
    fn tokens() {
        let token = Credentials::Token {
            login: "user@example.com".into(),
            token: Secret::new("vF9dft4qmT".into()),
        };
        // RFC 7628 section 4.3, without host and port; and XOAUTH2 with its explanation.
        let bearer = STANDARD.encode("n,a=user@example.com,\x01auth=Bearer vF9dft4qmT\x01\x01");
        let done = check(
            "AUTH=OAUTHBEARER AUTH=XOAUTH2 SASL-IR",
            &token,
            &format!("C: A1 AUTHENTICATE OAUTHBEARER {bearer}\nS: A1 OK [CAPABILITY IMAP4rev1] in"),
        );
        assert_eq!(done, Ok(()));
        let first = STANDARD.encode("user=user@example.com\x01auth=Bearer vF9dft4qmT\x01\x01");
        let explained = STANDARD.encode("{\"status\":\"400\",\"schemes\":\"Bearer\"}");
        let refused = check(
            "AUTH=XOAUTH2",
            &token,
            &format!(
                "C: A1 AUTHENTICATE XOAUTH2
                 S: +
                 C: {first}
                 S: + {explained}
                 C:
                 S: A1 NO SASL authentication failed"
            ),
        );
        let Err(Error::AuthenticationFailed(reply)) = refused else { panic!("{refused:?}") };
        assert_eq!(
            reply.text,
            "SASL authentication failed {\"status\":\"400\",\"schemes\":\"Bearer\"}"
        );
        let none = Error::NoMechanism { announced: vec!["PLAIN".into()], login_disabled: false };
        assert_eq!(check("AUTH=PLAIN", &token, ""), Err(none));
    }

    #[test]
    fn endless_challenges_are_cancelled() {
        let asked = "S: + eA==\nC: *\n".repeat(3);
        let dialogue = format!("C: A1 AUTHENTICATE SCRAM-SHA-256 {FIRST}\n{asked}S: A1 NO enough");
        let capabilities = "AUTH=SCRAM-SHA-256 SASL-IR LOGINDISABLED";
        let ended = check(capabilities, &password("user", "pencil"), &dialogue);
        assert!(matches!(ended, Err(Error::AuthenticationFailed(_))), "{ended:?}");
    }
}
