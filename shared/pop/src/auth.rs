//! Logging in: AUTH (RFC 5034), APOP, USER and PASS (RFC 1939 section 7).

use md5::{Digest, Md5};
use sasl::{Credentials, Exchange, Line, Mechanism, Unsendable};
use wire::{Random, Stream};
use zeroize::Zeroizing;

use crate::error::{Error, unreadable};
use crate::reply::Reply;
use crate::session::{Session, State};

/// Longest command with its line end that may carry a first answer (RFC 2449 section 4, RFC 5034
/// section 4); a longer one waits to be asked for.
const INITIAL_MAX: usize = 255;

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Sasl(Mechanism),
    UserPass,
    Apop,
}

impl<S: Stream> Session<S> {
    /// Logs in, by the best way that both sides know, in one attempt: each refused one may count
    /// towards a lock-out. Only where a proof of the password (SCRAM) is refused the next way is
    /// tried, since servers announce it even for accounts that have no password in that form.
    /// Afterwards [`Session::capabilities`] are those of a session that is logged in.
    ///
    /// On a line known to be encrypted ([`Session::set_encrypted`]) that is PLAIN, which takes one
    /// round trip, then USER and PASS, then SCRAM and LOGIN; on another one APOP and SCRAM, which
    /// hide the password, and after them the same only where the caller permits it
    /// ([`Session::permit_clear`]).
    pub async fn authenticate(
        &mut self,
        credentials: &Credentials,
        random: &impl Random,
    ) -> Result<(), Error> {
        self.learn_capabilities().await?;
        let ways = self.ways(credentials);
        let mut refused = None;
        for way in ways {
            let mut reply = self.log_in(way, credentials, random).await?;
            if reply.ok {
                return self.learn_capabilities().await;
            }
            if reply.code == Some(crate::Code::LoginDelay) {
                reply.wait_s = self.state.capabilities.login_delay_s();
            }
            let stop = !way.is_proof() || reply.is_temporary();
            refused = Some(reply);
            if stop {
                break;
            }
        }
        match refused {
            None => {
                let capabilities = &self.state.capabilities;
                let user = capabilities.user().then(|| "USER".to_owned());
                let announced = capabilities.mechanisms().map(str::to_owned).chain(user).collect();
                Err(Error::NoMechanism { announced })
            }
            Some(reply) if reply.is_temporary() => Err(Error::Refused(reply)),
            Some(reply) if reply.code == Some(crate::Code::SysPerm) => Err(Error::Refused(reply)),
            Some(reply) => Err(Error::AuthenticationFailed(reply)),
        }
    }

    fn ways(&self, credentials: &Credentials) -> Vec<Way> {
        let State { capabilities, encrypted, clear_permitted, .. } = &self.state;
        let line = match *encrypted {
            true => Line::Private,
            false => Line::Open { clear_permitted: *clear_permitted },
        };
        let mechanisms = sasl::choose(|name| capabilities.auth(name), credentials, line);
        let mut ways: Vec<Way> = mechanisms.into_iter().map(Way::Sasl).collect();
        let (_, _, authorise_as) = credentials.parts();
        let is_password = matches!(credentials, Credentials::Password { .. });
        if is_password && authorise_as.is_none() {
            if (*encrypted || *clear_permitted) && capabilities.user() {
                let plain = ways.iter().position(|way| *way == Way::Sasl(Mechanism::Plain));
                // Behind what hides the password where somebody may listen.
                let proof = ways.iter().position(|way| !encrypted && way.is_proof());
                let behind = plain.or(proof).map_or(0, |at| at + 1);
                ways.insert(behind, Way::UserPass);
            }
            if !encrypted && self.timestamp().is_some() {
                ways.insert(0, Way::Apop);
            }
        }
        ways
    }

    /// The `msg-id` of the greeting, which says that the server knows APOP.
    fn timestamp(&self) -> Option<&str> {
        let greeting = self.greeting();
        let from = greeting.get(greeting.find('<')?..)?;
        from.get(..=from.find('>')?).filter(|id| id.contains('@'))
    }

    async fn log_in(
        &mut self,
        way: Way,
        credentials: &Credentials,
        random: &impl Random,
    ) -> Result<Reply, Error> {
        credentials.check().map_err(unsendable)?;
        let (login, secret, _) = credentials.parts();
        // From here on: whatever the server says of it, at whatever time, is handed on without it.
        self.state.sent.text(secret);
        match way {
            Way::Sasl(mechanism) => {
                let mut nonce = [0; 18];
                random.fill(&mut nonce);
                let sent = &mut self.state.sent;
                let exchange = Exchange::begin(mechanism, credentials, nonce, sent);
                self.exchange(exchange.map_err(unsendable)?).await
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
        }
    }

    /// AUTH: the first response goes with the command where it is short enough, or after the first
    /// `+`.
    async fn exchange(&mut self, mut exchange: Exchange) -> Result<Reply, Error> {
        let command = format!("AUTH {}", exchange.name());
        let room = INITIAL_MAX.saturating_sub(command.len() + " \r\n".len());
        match exchange.initial(room) {
            Some(first) => self.put(&Zeroizing::new(format!("{command} {}", *first)))?,
            None => self.put(&command)?,
        }
        self.flush().await?;
        // The reply comes after the last one.
        for _ in 0..=sasl::CHALLENGES_MAX {
            let line = self.input.line(&mut self.stream).await;
            let line = line.map_err(|error| self.discreet(error))?;
            if let Some(reply) = Reply::read(&line) {
                let mut reply = self.discreet_reply(reply);
                let settled = exchange.settle(reply.ok, &mut reply.text, &self.state.sent);
                return settled.map(|()| reply).map_err(|_| Error::ServerNotProven);
            }
            let Some(challenge) = line.strip_prefix(b"+") else {
                return Err(self.unreadable("this is neither a status nor a challenge", &line));
            };
            let answer = exchange.respond(challenge, &mut self.state.sent);
            self.put(&answer)?;
            self.flush().await?;
        }
        Err(unreadable("challenges without end", b""))
    }
}

impl Way {
    fn is_proof(self) -> bool {
        matches!(self, Way::Sasl(mechanism) if mechanism.is_proof())
    }
}

fn unsendable(Unsendable(what): Unsendable) -> Error {
    Error::Unsendable { what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Code;
    use crate::testing::play;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use laws::{Same, tell_nothing_of};
    use wire::Secret;
    use wire::echo::Sent;

    fn password(login: &str, password: &str) -> Credentials {
        Credentials::password(login, Secret::new(password.into()))
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
            session.authenticate(credentials, &FIXED).await
        })
    }

    /// Draws the same octets each time, so that a dialogue can be written down.
    const FIXED: Same = Same(7);
    const SECRET: &str = "Zq7-secret-of-anna-Zq7";

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
                    let error = session.authenticate(credentials, &FIXED).await.unwrap_err();
                    format!("{error} {error:?}")
                });
                tell_nothing_of(SECRET, &[&derived], &words);
            }
        }
        let dialogue = format!(
            "{}C: AUTH PLAIN {plain}\nS: +OK\n{}C: NOOP\nS: -ERR {SECRET}",
            capa("SASL PLAIN"),
            capa(&format!("X-{SECRET}"))
        );
        let later = play(&dialogue, async |session| {
            session.set_encrypted();
            session.authenticate(&known, &FIXED).await.unwrap();
            format!("{:?} {:?}", session.announced(), session.noop().await)
        });
        tell_nothing_of(SECRET, &[&plain], &later);
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
            session.authenticate(&password("a", "b"), &FIXED).await
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
            session.authenticate(&credentials, &FIXED).await
        });
        assert_eq!(done, Ok(()));
        let refused = play(&capa("USER, SASL PLAIN LOGIN XOAUTH2"), async |session| {
            session.state.greeting.clear();
            session.authenticate(&credentials, &FIXED).await
        });
        let announced = ["PLAIN", "LOGIN", "XOAUTH2", "USER"].map(str::to_owned).to_vec();
        assert_eq!(refused, Err(Error::NoMechanism { announced }));
        let token = Credentials::Token { login: "a".into(), token: Secret::new("t".into()) };
        let refused =
            play(&capa("SASL XOAUTH2"), async |session| session.authenticate(&token, &FIXED).await);
        assert!(matches!(refused, Err(Error::NoMechanism { .. })));
        let permitted = "C: AUTH PLAIN AG1yb3NlAHRhbnN0YWFm\nS: +OK";
        let done = play(&dialogue("SASL PLAIN", permitted), async |session| {
            session.state.greeting.clear();
            session.permit_clear();
            session.authenticate(&credentials, &FIXED).await
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
                session.authenticate(&password(login, secret), &FIXED).await
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
            session.authenticate(&password("a", "b"), &FIXED).await
        });
        assert!(matches!(done, Err(Error::Unreadable { .. })), "{done:?}");
    }

    /// A dialogue with a server that asks for a proof, up to it.
    fn proof(credentials: &Credentials) -> String {
        let nonce = STANDARD.encode([7; 18]);
        let challenge = format!("r={nonce}xyz,s={},i=16", STANDARD.encode("salt"));
        let challenge = STANDARD.encode(challenge);
        let (mechanism, mut sent) = (Mechanism::ScramSha256, Sent::default());
        let mut exchange = Exchange::begin(mechanism, credentials, [7; 18], &mut sent).unwrap();
        let first = exchange.initial(usize::MAX).unwrap();
        let proof = exchange.respond(challenge.as_bytes(), &mut sent);
        format!("C: AUTH SCRAM-SHA-256 {}\nS: + {challenge}\nC: {}\n", *first, *proof)
    }

    #[test]
    fn a_proof_may_go_over_an_open_line() {
        let user = password("user", "pencil");
        let over_an_open_line = |login: &str, permitted: bool| {
            let dialogue = format!("{}{login}", capa("SASL PLAIN SCRAM-SHA-256"));
            play(&dialogue, async |session| {
                session.state.greeting.clear();
                if permitted {
                    session.permit_clear();
                }
                session.authenticate(&user, &FIXED).await
            })
        };
        let unproven = format!("{}S: +OK", proof(&user));
        assert_eq!(over_an_open_line(&unproven, false), Err(Error::ServerNotProven));
        let refused = format!("{}S: -ERR [AUTH] no", proof(&user));
        let error = over_an_open_line(&refused, false);
        assert!(matches!(error, Err(Error::AuthenticationFailed(_))), "{error:?}");
        // Announced, but this account has no password in that form.
        let capa = capa("SASL PLAIN SCRAM-SHA-256");
        let plain = format!("{refused}\nC: AUTH PLAIN AHVzZXIAcGVuY2ls\nS: +OK\n{capa}");
        assert_eq!(over_an_open_line(&plain, true), Ok(()));
    }

    /// What is tried, in order, by what a server announces.
    #[test]
    fn the_order_of_ways() {
        let ways = |announced: &str, stamp: bool, encrypted: bool, permitted: bool| {
            let known = password("anna", "geheim");
            play(&capa(announced), async |session| {
                session.state.encrypted = encrypted;
                session.state.clear_permitted = permitted;
                if !stamp {
                    session.state.greeting.clear();
                }
                session.learn_capabilities().await.unwrap();
                let name = |way: &Way| match way {
                    Way::Sasl(mechanism) => mechanism.name(),
                    Way::UserPass => "USER",
                    Way::Apop => "APOP",
                };
                session.ways(&known).iter().map(name).collect::<Vec<_>>().join(" ")
            })
        };
        let all = "USER, SASL LOGIN PLAIN SCRAM-SHA-256";
        for (announced, stamp, encrypted, permitted, expected) in [
            (all, true, true, false, "PLAIN USER SCRAM-SHA-256 LOGIN"),
            (all, true, false, false, "APOP SCRAM-SHA-256"),
            (all, true, false, true, "APOP SCRAM-SHA-256 PLAIN USER LOGIN"),
            (all, false, false, true, "SCRAM-SHA-256 PLAIN USER LOGIN"),
            ("USER, SASL LOGIN", false, true, false, "USER LOGIN"),
            ("USER, SASL SCRAM-SHA-1", false, true, false, "USER SCRAM-SHA-1"),
            ("USER, SASL SCRAM-SHA-1", false, false, true, "SCRAM-SHA-1 USER"),
            ("USER", true, false, false, "APOP"),
            ("USER", false, false, false, ""),
        ] {
            assert_eq!(ways(announced, stamp, encrypted, permitted), expected, "{announced}");
        }
    }
}
