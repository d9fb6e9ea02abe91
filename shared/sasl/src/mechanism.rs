//! Which mechanism to use.

use crate::credentials::Credentials;
use crate::prepared::prepared;

/// The mechanisms that are known here, all of which speak first or after an empty challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// RFC 4616: login and password as they are.
    Plain,
    /// No RFC defines it; draft-murchison-sasl-login-00 section 2 describes the two prompts.
    Login,
    /// RFC 5802 with SHA-1: a proof of the password.
    ScramSha1,
    /// RFC 7677: the same with SHA-256.
    ScramSha256,
    /// RFC 7628: an access token.
    OAuthBearer,
    /// Google's and Microsoft's way for the same, older than RFC 7628.
    XOAuth2,
}

impl Mechanism {
    /// As servers announce it.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
            Mechanism::ScramSha1 => "SCRAM-SHA-1",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::OAuthBearer => "OAUTHBEARER",
            Mechanism::XOAuth2 => "XOAUTH2",
        }
    }

    /// Whether it is a proof that hides the password. Servers announce these for accounts, too, for
    /// which they keep no password in that form, so after a refusal another mechanism may do.
    pub fn is_proof(self) -> bool {
        match self {
            Mechanism::ScramSha1 | Mechanism::ScramSha256 => true,
            Mechanism::Plain | Mechanism::Login | Mechanism::OAuthBearer | Mechanism::XOAuth2 => {
                false
            }
        }
    }
}

/// Who may read what goes over the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Nobody: it is encrypted and the server's certificate was checked, or the operator trusts it
    /// without.
    Private,
    /// Whoever sits on the way.
    Open {
        /// Whether a password or token may go over it all the same.
        clear_permitted: bool,
    },
}

/// The mechanisms that fit, the best first; `offered` says whether the server announced a name.
///
/// On a private line PLAIN comes first, for it takes one round trip; on an open one SCRAM, which
/// hides the password, and without permission nothing else. Of the SCRAM mechanisms only the
/// strongest is used: an attempt more may count towards a lock-out. LOGIN is the last resort, and
/// cannot act for somebody else.
pub fn choose(
    offered: impl Fn(&str) -> bool,
    credentials: &Credentials,
    line: Line,
) -> Vec<Mechanism> {
    use Mechanism::{Login, OAuthBearer, Plain, ScramSha1, ScramSha256, XOAuth2};
    let order: &[Mechanism] = match (credentials, line) {
        (_, Line::Open { clear_permitted: false }) => &[ScramSha256, ScramSha1],
        (Credentials::Token { .. }, _) => &[OAuthBearer, XOAuth2],
        (Credentials::Password { .. }, Line::Private) => &[Plain, ScramSha256, ScramSha1, Login],
        (Credentials::Password { .. }, Line::Open { clear_permitted: true }) => {
            &[ScramSha256, ScramSha1, Plain, Login]
        }
    };
    let (login, secret, authorise_as) = credentials.parts();
    let mut proof_found = false;
    let fits = |mechanism: &&Mechanism| match **mechanism {
        name if !offered(name.name()) => false,
        proof if proof.is_proof() => {
            let is_password = matches!(credentials, Credentials::Password { .. });
            let can = is_password && prepared(login).is_some() && prepared(secret).is_some();
            can && !std::mem::replace(&mut proof_found, true)
        }
        Login => authorise_as.is_none(),
        Plain | ScramSha1 | ScramSha256 | OAuthBearer | XOAuth2 => true,
    };
    order.iter().filter(fits).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Secret;

    const PRIVATE: Line = Line::Private;
    const PERMITTED: Line = Line::Open { clear_permitted: true };
    const FORBIDDEN: Line = Line::Open { clear_permitted: false };

    fn password(secret: &str, authorise_as: Option<&str>) -> Credentials {
        let (login, password) = ("anna".to_owned(), Secret::new(secret.to_owned()));
        Credentials::Password { login, password, authorise_as: authorise_as.map(str::to_owned) }
    }

    fn chosen(offered: &str, credentials: &Credentials, line: Line) -> String {
        let names: Vec<&str> = offered.split(' ').collect();
        let chosen = choose(|name| names.contains(&name), credentials, line);
        chosen.iter().map(|mechanism| mechanism.name()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_chosen() {
        let all = "LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 XOAUTH2 OAUTHBEARER GSSAPI";
        let known = password("geheim", None);
        let admin = password("geheim", Some("otto"));
        let own = password("geheim", Some("anna"));
        let foreign = password("geheim\u{221e}\u{e000}", None);
        let token = Credentials::Token { login: "anna".into(), token: Secret::new("t".into()) };
        for (offered, credentials, line, expected) in [
            (all, &known, PRIVATE, "PLAIN SCRAM-SHA-256 LOGIN"),
            (all, &known, PERMITTED, "SCRAM-SHA-256 PLAIN LOGIN"),
            (all, &known, FORBIDDEN, "SCRAM-SHA-256"),
            ("LOGIN", &known, PRIVATE, "LOGIN"),
            ("LOGIN PLAIN", &known, PERMITTED, "PLAIN LOGIN"),
            ("LOGIN PLAIN", &known, FORBIDDEN, ""),
            ("SCRAM-SHA-1 LOGIN", &known, PERMITTED, "SCRAM-SHA-1 LOGIN"),
            ("SCRAM-SHA-1 PLAIN", &known, FORBIDDEN, "SCRAM-SHA-1"),
            ("CRAM-MD5 GSSAPI", &known, PRIVATE, ""),
            ("", &known, PRIVATE, ""),
            // LOGIN has no place for whom to act for; the others have.
            (all, &admin, PRIVATE, "PLAIN SCRAM-SHA-256"),
            (all, &own, PRIVATE, "PLAIN SCRAM-SHA-256 LOGIN"),
            // A character of private use has no form that both sides agree on (RFC 4013).
            (all, &foreign, PERMITTED, "PLAIN LOGIN"),
            (all, &foreign, FORBIDDEN, ""),
            (all, &token, PRIVATE, "OAUTHBEARER XOAUTH2"),
            (all, &token, PERMITTED, "OAUTHBEARER XOAUTH2"),
            (all, &token, FORBIDDEN, ""),
            ("PLAIN XOAUTH2", &token, PRIVATE, "XOAUTH2"),
            ("PLAIN LOGIN", &token, PRIVATE, ""),
        ] {
            assert_eq!(chosen(offered, credentials, line), expected, "{offered} {line:?}");
        }
    }
}
