//! Logging in (RFC 9051 sections 6.2.2 and 6.2.3).

use sasl::{Credentials, Exchange, Line, Mechanism, Unsendable};
use wire::{Random, Stream};

use crate::capability::Capabilities;
use crate::command::Dialect;
use crate::dialogue::{Heard, UNASKED_MAX};
use crate::error::Error;
use crate::input::Bodies;
use crate::reply::{Reply, Status};
use crate::session::Session;

/// Most ways tried one after the other: each refused one may count towards a lock-out.
const WAYS_MAX: usize = 3;

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Sasl(Mechanism),
    /// RFC 9051 section 6.2.3.
    LoginCommand,
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
            // What was announced before the login does not hold after it.
            let before = std::mem::take(&mut self.state.capabilities);
            let dialect = Dialect::new(&before, self.state.spelling);
            let reply = self.log_in(way, credentials, (dialect, &before), random).await?;
            if reply.is_ok() {
                self.learn_capabilities().await?;
                self.state.choose_quirks();
                return Ok(());
            }
            self.state.capabilities = before;
            let next = way.is_proof() || reply.status == Status::Bad;
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
        (dialect, before): (Dialect, &Capabilities),
        random: &impl Random,
    ) -> Result<Reply, Error> {
        credentials.check().map_err(unsendable)?;
        match way {
            Way::Sasl(mechanism) => {
                let mut nonce = [0; 18];
                random.fill(&mut nonce);
                let sent = &mut self.input.sent;
                let exchange = Exchange::begin(mechanism, credentials, nonce, sent);
                self.exchange(exchange.map_err(unsendable)?, before.sasl_ir()).await
            }
            Way::LoginCommand => {
                let (login, secret, _) = credentials.parts();
                // From here on: whatever the server says of it, at whatever time, is handed on
                // without it.
                self.input.sent.text(secret);
                let what = "a login or password with a NUL";
                let command = self.command_in(dialect, "LOGIN");
                let command = command.string(login.as_bytes(), what)?;
                self.answer(command.string(secret.as_bytes(), what)?, |_| Ok(())).await
            }
        }
    }

    /// AUTHENTICATE: the first response goes with the command (RFC 4959) or after the first `+`.
    async fn exchange(&mut self, mut exchange: Exchange, sasl_ir: bool) -> Result<Reply, Error> {
        self.idle()?;
        let command = self.command("AUTHENTICATE").text(" ").text(exchange.name());
        let tag = command.tag;
        let initial = if sasl_ir { exchange.initial(usize::MAX) } else { None };
        let command = match initial {
            Some(first) => command.text(" ").text(&first),
            None => command,
        };
        self.send(command).await?;
        self.flush().await?;
        for _ in 0..UNASKED_MAX {
            match self.hear(Bodies::Within).await? {
                Heard::Tagged(own, mut reply) if own == tag => {
                    let (accepted, sent) = (reply.is_ok(), &self.input.sent);
                    let settled = exchange.settle(accepted, &mut reply.text, sent);
                    return settled.map(|()| reply).map_err(|_| Error::ServerNotProven);
                }
                Heard::Tagged(..) => return Err(self.stranger()),
                Heard::Status(_) | Heard::Data(_) => {}
                Heard::Continue(challenge) => {
                    let answer = exchange.respond(&challenge, &mut self.input.sent);
                    self.output.extend_from_slice(answer.as_bytes());
                    self.output.extend_from_slice(b"\r\n");
                    self.flush().await?;
                }
            }
        }
        Err(self.endless())
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

/// The mechanisms that fit, and LOGIN before AUTH=LOGIN, which says the same in more round trips.
fn ways(capabilities: &Capabilities, credentials: &Credentials, encrypted: bool) -> Vec<Way> {
    // Whether a line that is not encrypted may be used at all is decided where it is opened.
    let line = if encrypted { Line::Private } else { Line::Open { clear_permitted: true } };
    let mechanisms = sasl::choose(|name| capabilities.auth(name), credentials, line);
    let mut ways: Vec<Way> = mechanisms.into_iter().map(Way::Sasl).collect();
    let is_password = matches!(credentials, Credentials::Password { .. });
    let (_, _, authorise_as) = credentials.parts();
    if is_password && authorise_as.is_none() && !capabilities.login_disabled() {
        let last = ways.iter().position(|way| *way == Way::Sasl(Mechanism::Login));
        ways.insert(last.unwrap_or(ways.len()), Way::LoginCommand);
    }
    ways
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

    fn check(capabilities: &str, credentials: &Credentials, dialogue: &str) -> Result<(), Error> {
        play(capabilities, dialogue, async |session| {
            session.authenticate(credentials, &FIXED).await
        })
    }

    fn encrypted(
        capabilities: &str,
        credentials: &Credentials,
        dialogue: &str,
    ) -> Result<(), Error> {
        play(capabilities, dialogue, async |session| {
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
                    let error = session.authenticate(credentials, &FIXED).await.unwrap_err();
                    format!("{error} {error:?}")
                });
                tell_nothing_of(SECRET, &[derived], &words);
            }
        }
        let later = play(
            "SASL-IR AUTH=PLAIN",
            &format!(
                "C: A1 AUTHENTICATE PLAIN {plain}\nS: A1 OK [CAPABILITY X-{SECRET}] in\n\
             C: A2 NOOP\nS: A2 NO {SECRET}"
            ),
            async |session| {
                session.authenticate(&known, &FIXED).await.unwrap();
                format!("{:?} {:?}", session.announced(), session.noop().await)
            },
        );
        tell_nothing_of(SECRET, &[&plain], &later);
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
                session.authenticate(&password("a", "b"), &FIXED).await?;
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
            Session::greet(stream).await?.authenticate(&password("a", "b"), &FIXED).await
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
        let user = password("user", "pencil");
        let (mechanism, mut sent) = (Mechanism::ScramSha256, Sent::default());
        let mut exchange = Exchange::begin(mechanism, &user, [7; 18], &mut sent).unwrap();
        let first = exchange.initial(usize::MAX).unwrap();
        let proof = exchange.respond(STANDARD.encode(&challenge).as_bytes(), &mut sent);
        let dialogue = format!(
            "C: A1 AUTHENTICATE SCRAM-SHA-256 {FIRST}
             S: + {}
             C: {}
             ",
            STANDARD.encode(&challenge),
            *proof
        );
        assert_eq!(*first, FIRST);
        let capabilities = "AUTH=SCRAM-SHA-256 SASL-IR LOGINDISABLED";
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
