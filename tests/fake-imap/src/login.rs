//! LOGIN, AUTHENTICATE PLAIN and ENABLE.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wire::Stream;

use crate::command::Arg;
use crate::session::{Gone, Outcome, Session};

impl<S: Stream> Session<S> {
    pub(crate) fn login(&mut self, args: &[Arg]) -> Outcome {
        let [login, password] = args else { return Err("BAD LOGIN takes two arguments".into()) };
        if self.features.login_disabled {
            self.complain("LOGIN although LOGINDISABLED");
            return Err("NO [PRIVACYREQUIRED] LOGIN is disabled".into());
        }
        let (login, password) = (login.text(), password.text());
        self.check(None, &login.unwrap_or_default(), &password.unwrap_or_default())
    }

    fn check(&mut self, acting_for: Option<&str>, login: &str, password: &str) -> Outcome {
        if self.authenticated {
            return Err("BAD already logged in".into());
        }
        let account = self.account.lock();
        let own = login == account.login && password == account.password;
        let own = own && acting_for.is_none_or(|identity| identity == login);
        let admin = account.admin.as_ref().is_some_and(|(name, secret)| {
            login == name && password == secret && acting_for == Some(account.login.as_str())
        });
        drop(account);
        if !own && !admin {
            return Err("NO [AUTHENTICATIONFAILED] wrong login or password".into());
        }
        self.authenticated = true;
        if self.features.quiet {
            return Ok("OK logged in".into());
        }
        Ok(format!("OK [CAPABILITY {}] logged in", self.features.capabilities()))
    }

    /// SASL PLAIN, RFC 4616, with or without an initial response (RFC 4959).
    pub(crate) async fn authenticate(&mut self, args: &[Arg]) -> Result<Outcome, Gone> {
        let mechanism = args.first().and_then(Arg::word).unwrap_or_default();
        if mechanism != "PLAIN" || !self.features.auth_plain {
            return Ok(Err("NO no such mechanism".into()));
        }
        let response = match args.get(1).and_then(Arg::text) {
            Some(_) if !self.features.sasl_ir => {
                return Ok(Err("BAD no initial response without SASL-IR".into()));
            }
            Some(initial) => initial.into_bytes(),
            None => {
                self.say("+ ");
                self.read_line().await?
            }
        };
        if response == b"*" {
            return Ok(Err("BAD cancelled".into()));
        }
        let Ok(octets) = STANDARD.decode(&response) else {
            return Ok(Err("BAD base64".into()));
        };
        let parts: Vec<String> = octets
            .split(|octet| *octet == 0)
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect();
        let [identity, login, password] = parts.as_slice() else {
            return Ok(Err("BAD PLAIN has three parts".into()));
        };
        let acting_for = Some(identity.as_str()).filter(|identity| !identity.is_empty());
        Ok(self.check(acting_for, login, password))
    }

    pub(crate) fn enable(&mut self, args: &[Arg]) -> Outcome {
        if self.selected.is_some() {
            return Err("BAD ENABLE with a mailbox selected".into());
        }
        let mut enabled = String::new();
        for word in args.iter().filter_map(Arg::word) {
            let known = match word.as_str() {
                "CONDSTORE" => self.features.condstore || self.features.qresync,
                "QRESYNC" => {
                    self.qresync |= self.features.qresync;
                    self.features.qresync
                }
                "UTF8=ACCEPT" => {
                    self.utf8 |= self.features.utf8_accept;
                    self.features.utf8_accept
                }
                "IMAP4REV2" => {
                    self.rev2 |= self.features.imap4rev2;
                    self.features.imap4rev2
                }
                _ => false,
            };
            if known {
                enabled.push(' ');
                enabled.push_str(&word);
            }
        }
        self.say(&format!("* ENABLED{enabled}"));
        Ok("OK done".into())
    }
}
