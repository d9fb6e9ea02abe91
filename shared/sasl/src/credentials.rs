//! What a client logs in with.

use wire::Secret;

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

/// These credentials cannot be said in any mechanism; the field says what is wrong with them, as in
/// "… cannot be sent".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsendable(pub &'static str);

impl Credentials {
    /// A login and a password, for oneself.
    pub fn password(login: &str, password: Secret) -> Credentials {
        Credentials::Password { login: login.to_owned(), password, authorise_as: None }
    }

    /// Login, secret, and whom to act for where that is somebody else.
    pub fn parts(&self) -> (&str, &str, Option<&str>) {
        match self {
            Credentials::Password { login, password, authorise_as } => {
                let other = authorise_as.as_deref().filter(|other| other != login);
                (login, password.expose(), other)
            }
            Credentials::Token { login, token } => (login, token.expose(), None),
        }
    }

    /// Refuses what would be read as something else: NUL ends a part in PLAIN (RFC 4616 section 2),
    /// and ^A a part beside a token (RFC 7628 section 3.1).
    pub fn check(&self) -> Result<(), Unsendable> {
        let (login, secret, authorise_as) = self.parts();
        let any = |wrong| {
            [login, secret, authorise_as.unwrap_or_default()].iter().any(|it| it.contains(wrong))
        };
        match self {
            _ if any('\0') => Err(Unsendable("a login or password with a NUL")),
            Credentials::Token { .. } if any('\x01') => {
                Err(Unsendable("a login or token with a control character"))
            }
            Credentials::Password { .. } | Credentials::Token { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_would_be_read_as_something_else() {
        let password = |login: &str, password: &str, other: Option<&str>| Credentials::Password {
            login: login.into(),
            password: Secret::new(password.into()),
            authorise_as: other.map(str::to_owned),
        };
        let token = |login: &str, token: &str| Credentials::Token {
            login: login.into(),
            token: Secret::new(token.into()),
        };
        let nul = Err(Unsendable("a login or password with a NUL"));
        let control = Err(Unsendable("a login or token with a control character"));
        for (credentials, checked) in [
            (password("anna", "geheim ü\x01", Some("otto")), Ok(())),
            (token("anna", "abc"), Ok(())),
            (password("a\0", "b", None), nul),
            (password("a", "b\0", None), nul),
            (password("a", "b", Some("\0")), nul),
            (token("a", "\0"), nul),
            (token("a\x01auth=Bearer other", "b"), control),
            (token("a", "b\x01host=x"), control),
        ] {
            assert_eq!(credentials.check(), checked, "{credentials:?}");
        }
    }

    #[test]
    fn acting_for_oneself_is_acting_for_nobody() {
        let own = Credentials::Password {
            login: "anna".into(),
            password: Secret::new("x".into()),
            authorise_as: Some("anna".into()),
        };
        assert_eq!(own.parts(), ("anna", "x", None));
    }
}
