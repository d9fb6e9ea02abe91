//! Logging in (RFC 4954).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wire::{Secret, Stream};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::reply::Reply;
use crate::session::Session;

impl<S: Stream> Session<S> {
    /// Logs in by PLAIN (RFC 4616), or by LOGIN where only that is offered. The line must be
    /// encrypted, or one that the operator trusts without.
    pub async fn authenticate(&mut self, login: &str, password: &Secret) -> Result<(), Error> {
        if login.contains('\0') || password.expose().contains('\0') {
            return Err(Error::Unsendable { what: "a login or password with a NUL" });
        }
        // From here on: whatever the server says of it, at whatever time, is handed on without it.
        self.sent.secret(password);
        let plain = Zeroizing::new(format!("\0{login}\0{}", password.expose()));
        self.sent.answer(plain.as_bytes());
        let reply = if self.extensions.offers("PLAIN") {
            self.auth_plain(login, password).await?
        } else if self.extensions.offers("LOGIN") {
            self.auth_login(login, password).await?
        } else {
            return Err(Error::NoMechanism { announced: self.extensions.mechanisms.clone() });
        };
        match reply.is_done() {
            true => Ok(()),
            // RFC 4954 section 6: 454 is a failure of the moment.
            false if !reply.is_permanent() => Err(Error::Refused(reply)),
            false => Err(Error::AuthenticationFailed(reply)),
        }
    }

    async fn auth_plain(&mut self, login: &str, password: &Secret) -> Result<Reply, Error> {
        let message = Zeroizing::new(format!("\0{login}\0{}", password.expose()));
        let encoded = Zeroizing::new(STANDARD.encode(message.as_bytes()));
        self.command(&Zeroizing::new(format!("AUTH PLAIN {}", encoded.as_str()))).await
    }

    /// No RFC defines LOGIN; draft-murchison-sasl-login-00 section 2 describes the two prompts.
    async fn auth_login(&mut self, login: &str, password: &Secret) -> Result<Reply, Error> {
        let mut reply = self.command("AUTH LOGIN").await?;
        for answer in [login, password.expose()] {
            if !reply.wants_more() {
                return Ok(reply);
            }
            reply = self.command(&Zeroizing::new(STANDARD.encode(answer))).await?;
        }
        Ok(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::play;
    use wire::script::Script;

    fn logged_in(auth: &str, tail: &str) -> Result<(), Error> {
        let dialogue = format!("S: 220 x\nC: EHLO a.example\nS: 250-x\nS: 250 {auth}\n{tail}");
        play(&dialogue, async |script: Script| {
            let mut session = Session::greet(script, "a.example").await.unwrap();
            let result = session.authenticate("anna", &Secret::new("pass".into())).await;
            (result, Some(session.stream))
        })
    }

    #[test]
    fn by_plain_or_login() {
        let plain = "C: AUTH PLAIN AGFubmEAcGFzcw==\nS: 235 2.7.0 welcome";
        assert_eq!(logged_in("AUTH LOGIN PLAIN", plain), Ok(()));
        let login = "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YW5uYQ==\nS: 334 UGFzc3dvcmQ6\n\
                     C: cGFzcw==\nS: 235 ok";
        assert_eq!(logged_in("AUTH LOGIN", login), Ok(()));
    }

    /// A server that answers each step with what it was told, in every way that a reply has.
    #[test]
    fn a_server_that_repeats_the_password_is_quoted_without_it() {
        let secret = "Zq7-secret-of-the-operator";
        let (plain, alone) =
            (STANDARD.encode(format!("\0anna\0{secret}")), STANDARD.encode(secret));
        let heard = |auth: &str, tail: &str| {
            let dialogue = format!("S: 220 x\nC: EHLO a.example\nS: 250-x\nS: 250 {auth}\n{tail}");
            play(&dialogue, async |script: Script| {
                let mut session = Session::greet(script, "a.example").await.unwrap();
                let result = session.authenticate("anna", &Secret::new(secret.into())).await;
                // What it says later is no less an echo.
                let later = session.done("NOOP").await;
                (format!("{result:?} {later:?}"), None)
            })
        };
        let (first, last) = secret.split_at(12);
        for said in [
            format!("535 5.7.8 no such password: {secret}"),
            format!("535-5.7.8 you said {first}\nS: 535 5.7.8 {last}"),
            format!("535 5.7.8 AUTH PLAIN {plain}"),
            format!("454 4.7.0 {} {}", secret.to_uppercase(), plain.to_lowercase()),
            format!("what is {secret}?"),
            format!("235 ok\nC: NOOP\nS: 500 what? {alone}"),
            format!("421 4.3.2 bye, {secret}"),
        ] {
            let by_plain = heard("AUTH PLAIN", &format!("C: AUTH PLAIN {plain}\nS: {said}"));
            let by_login = heard(
                "AUTH LOGIN",
                &format!("C: AUTH LOGIN\nS: 334 x\nC: YW5uYQ==\nS: 334 y\nC: {alone}\nS: {said}"),
            );
            for words in [by_plain, by_login] {
                assert!(words.contains("***"), "{said}: {words}");
                for piece in [secret, &secret.to_uppercase(), first, last, &alone, &plain] {
                    assert!(!words.contains(piece), "{said}: {piece} in {words}");
                }
            }
        }
    }

    #[test]
    fn refusals() {
        let refused = logged_in("AUTH PLAIN", "C: AUTH PLAIN AGFubmEAcGFzcw==\nS: 535 5.7.8 no");
        assert!(matches!(&refused, Err(Error::AuthenticationFailed(reply)) if reply.code == 535));
        assert!(!refused.unwrap_err().is_permanent(), "the operator can set it right");
        let later = logged_in("AUTH LOGIN", "C: AUTH LOGIN\nS: 454 4.7.0 later");
        assert!(matches!(later, Err(Error::Refused(_))));
        let none = logged_in("AUTH CRAM-MD5", "");
        assert_eq!(none, Err(Error::NoMechanism { announced: vec!["CRAM-MD5".into()] }));
        assert_eq!(
            logged_in("SIZE", "").unwrap_err().to_string(),
            "no way to log in to the mail server: it offers none"
        );
    }
}
