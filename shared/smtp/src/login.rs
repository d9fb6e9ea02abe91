//! Logging in (RFC 4954).

use sasl::{Credentials, Exchange, Line, Unsendable};
use wire::{Secret, Stream};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::reply::Reply;
use crate::session::{COMMAND_MAX, Session};

impl<S: Stream> Session<S> {
    /// Logs in by PLAIN (RFC 4616), or by LOGIN where only that is offered. The line must be
    /// encrypted, or one that the operator trusts without.
    pub async fn authenticate(&mut self, login: &str, password: &Secret) -> Result<(), Error> {
        let credentials = Credentials::password(login, password.clone());
        credentials.check().map_err(unsendable)?;
        // Nobody listens from whom SCRAM would hide the password.
        let offers = |name: &str| !name.starts_with("SCRAM") && self.extensions.offers(name);
        let mechanisms = sasl::choose(offers, &credentials, Line::Private);
        let Some(&mechanism) = mechanisms.first() else {
            return Err(Error::NoMechanism { announced: self.extensions.mechanisms.clone() });
        };
        // Which is for SCRAM alone.
        let nonce = [0; 18];
        // From here on: whatever the server says of it, at whatever time, is handed on without it.
        let exchange = Exchange::begin(mechanism, &credentials, nonce, &mut self.sent);
        let reply = self.exchange(exchange.map_err(unsendable)?).await?;
        match reply.is_done() {
            true => Ok(()),
            // RFC 4954 section 6: 454 is a failure of the moment.
            false if !reply.is_permanent() => Err(Error::Refused(reply)),
            false => Err(Error::AuthenticationFailed(reply)),
        }
    }

    /// AUTH: the first response goes with the command, others after each 334.
    async fn exchange(&mut self, mut exchange: Exchange) -> Result<Reply, Error> {
        let command = format!("AUTH {}", exchange.name());
        let room = COMMAND_MAX.saturating_sub(command.len() + " ".len());
        let command = match exchange.initial(room) {
            Some(first) => Zeroizing::new(format!("{command} {}", *first)),
            None => Zeroizing::new(command),
        };
        let mut reply = self.command(&command).await?;
        for _ in 0..sasl::CHALLENGES_MAX {
            if !reply.wants_more() {
                break;
            }
            let challenge = reply.lines.first().map(String::as_str).unwrap_or_default();
            let answer = exchange.respond(challenge.as_bytes(), &mut self.sent);
            reply = self.command(&answer).await?;
        }
        Ok(reply)
    }
}

fn unsendable(Unsendable(what): Unsendable) -> Error {
    Error::Unsendable { what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use laws::play;
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
                laws::tell_nothing_of(secret, &[&plain], &words);
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
