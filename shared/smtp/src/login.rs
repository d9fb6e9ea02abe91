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
