//! Logging in (RFC 9051 sections 6.2.2 and 6.2.3).

use wire::{Random, Secret, Stream};

use crate::error::Error;
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

impl<S: Stream> Session<S> {
    /// Logs in by the best way that both sides know; a session that is `PREAUTH` is logged in.
    ///
    /// On a line known to be encrypted ([`Session::set_encrypted`]) PLAIN comes first, for it
    /// takes one round trip; otherwise SCRAM-SHA-256, which hides the password. A mechanism that
    /// is announced but refused is followed by the next one.
    pub async fn authenticate(
        &mut self,
        _credentials: &Credentials,
        _random: &impl Random,
    ) -> Result<(), Error> {
        todo!()
    }
}
