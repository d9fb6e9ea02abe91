//! What an account's owner entered, as a client logs in with it.

use model::Account;
use sasl::Credentials;
use store::seal::Credential;

/// The credentials for `account`. Where it has a delegate, that is an administrator whose password was
/// entered, and who acts for the account (RFC 4616); a token speaks for itself.
pub(crate) fn credentials(account: &Account, credential: &Credential) -> Credentials {
    let own = account.login.clone();
    match credential {
        Credential::Password(password) => {
            let (login, authorise_as) = match &account.delegate {
                Some(admin) => (admin.clone(), Some(own)),
                None => (own, None),
            };
            Credentials::Password { login, password: password.clone(), authorise_as }
        }
        Credential::Token { access_token } => {
            Credentials::Token { login: own, token: access_token.clone() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ServerType;
    use wire::Secret;

    #[test]
    fn an_administrator_acts_for_the_account() {
        let account = |delegate: Option<&str>| Account {
            server_type: ServerType::Imap,
            url: "imaps://mail.example".into(),
            login: "anna".into(),
            delegate: delegate.map(str::to_owned),
        };
        let secret = Secret::new("geheim".into());
        let password = Credential::Password(secret.clone());
        let token = Credential::Token { access_token: secret };
        for (delegate, entered, parts) in [
            (None, &password, ("anna", "geheim", None)),
            (Some("admin"), &password, ("admin", "geheim", Some("anna"))),
            (Some("admin"), &token, ("anna", "geheim", None)),
        ] {
            assert_eq!(credentials(&account(delegate), entered).parts(), parts);
        }
    }
}
