//! One side of a migration: its server, its login, and what opens it.

use autodetect::Address;
use dial::{Endpoint, Plaintext, Scheme};
use model::offer;
use model::{Account, ServerType};
use serde_json::Value;
use store::seal::{Credential, Credentials};

use super::values::{LOGIN_MAX_BYTES, Password, Text, URL_MAX_BYTES, sentence};
use super::{Errors, body, object};
use crate::refusals::{Code, Refusal};

/// What is told where neither the server is named nor an address given.
pub const NO_ADDRESS: &str =
    "The server is needed, since the login is not an e-mail address from which it could be found.";

object! {
    /// A login at one server, with what opens it.
    pub struct AccountBody {
        /// How the server is spoken to.
        need r#type: ServerType,
        /// Left out, it is found from the login, which is an address then.
        may url: Text<URL_MAX_BYTES>,
        /// Left out, it is what the URL has before `@`.
        may login: Text<LOGIN_MAX_BYTES>,
        /// What opens it.
        need password: Password,
        /// The administrator whose password it is, who logs in for the login.
        may delegate: Text<LOGIN_MAX_BYTES>,
        /// Where its calendars are, where they are not found from the address.
        may caldav_url: Text<URL_MAX_BYTES>,
        /// Where its contacts are, likewise.
        may carddav_url: Text<URL_MAX_BYTES>,
        /// Where its rules are, likewise.
        may sieve_url: Text<URL_MAX_BYTES>,
    }
}

object! {
    /// What opens a known account.
    pub struct Opened {
        /// Of its login.
        need password: Password,
    }
}

object! {
    /// What opens both accounts of a migration.
    pub struct CredentialsBody {
        /// Of where it goes from.
        need source: Opened,
        /// Of where it goes to.
        need destination: Opened,
    }
}

/// Reads the object of `POST /accounts/check`.
pub fn read_account(value: Value, plaintext: Plaintext) -> Result<(Account, Credential), Refusal> {
    let mut errors = Errors::default();
    let side = body::<AccountBody>(&mut errors, value);
    let side = side.and_then(|side| side.check(&mut errors, "", plaintext));
    if let Some((Account { server_type, .. }, _)) = &side
        && let Some(detail) = offer::no_source(*server_type)
        && offer::no_destination(*server_type).is_some()
    {
        errors.add("/type", Code::Unsupported, detail);
    }
    errors.finish(side)
}

/// Reads the object of `POST /migrations/{id}/synchronise`.
pub fn read_credentials(value: Value) -> Result<Credentials, Refusal> {
    let mut errors = Errors::default();
    let read = body::<CredentialsBody>(&mut errors, value);
    errors.finish(read.and_then(|read| {
        let opened = |side: Option<Opened>| side?.password.map(|password| password.0);
        Some(Credentials { source: opened(read.source)?, destination: opened(read.destination)? })
    }))
}

/// What a bare host name means in an account of this type.
pub fn scheme(server_type: Option<ServerType>) -> Scheme {
    if server_type == Some(ServerType::Pop) { Scheme::Pops } else { Scheme::Imaps }
}

impl AccountBody {
    /// The account at `pointer`, unless something is wrong with it; its URL is empty where its server
    /// is to be found from the login.
    pub fn check(
        self,
        errors: &mut Errors,
        pointer: &str,
        plaintext: Plaintext,
    ) -> Option<(Account, Credential)> {
        let at = |name: &str| format!("{pointer}/{name}");
        let endpoint = self.endpoint(errors, &at("url"), plaintext);
        let named = endpoint.as_ref().and_then(Option::as_ref);
        let from_url = named.and_then(|url| url.login.clone());
        let login = self.login.map(|login| login.0).or(from_url);
        if login.is_none() && !errors.has(&at("login")) {
            errors.add(at("login"), Code::Required, "The field login is needed.");
        }
        if let (Some(None), Some(login)) = (&endpoint, &login)
            && Address::parse(login).is_none()
        {
            errors.add(at("url"), Code::Required, NO_ADDRESS);
        }
        let services = [
            ("caldav_url", &self.caldav_url),
            ("carddav_url", &self.carddav_url),
            ("sieve_url", &self.sieve_url),
        ];
        for (name, _) in services.iter().filter(|(_, url)| url.is_some()) {
            let detail = "This installation moves nothing that this address would be needed for.";
            errors.add(at(name), Code::Unsupported, detail);
        }
        let (server_type, endpoint) = (self.r#type?, endpoint?);
        // Where the server is named, nothing is left to be found.
        let server_type = match (server_type, endpoint.as_ref().map(|endpoint| endpoint.scheme)) {
            (ServerType::Ovh, Some(Scheme::Pop | Scheme::Pops)) => ServerType::Pop,
            (ServerType::Ovh, Some(_)) => ServerType::Imap,
            (other, _) => other,
        };
        let url = endpoint.map(|endpoint| endpoint.to_string()).unwrap_or_default();
        let delegate = self.delegate.map(|delegate| delegate.0);
        Some((Account { server_type, url, login: login?, delegate }, self.password?.0))
    }

    /// The server's URL; `Some(None)` where it is left out, to be found from the login.
    fn endpoint(
        &self,
        errors: &mut Errors,
        pointer: &str,
        plaintext: Plaintext,
    ) -> Option<Option<Endpoint>> {
        if errors.has(pointer) {
            return None;
        }
        let text = self.url.as_ref().map(|url| url.0.as_str());
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
            if self.r#type.is_none_or(|server_type| offer::FOUND.contains(&server_type)) {
                return Some(None);
            }
            errors.add(pointer, Code::Required, "The field url is needed.");
            return None;
        };
        match Endpoint::parse_as(text, scheme(self.r#type), plaintext) {
            Ok(endpoint) => Some(Some(endpoint)),
            Err(error) => {
                errors.add(pointer, Code::BadUrl, sentence(&error.to_string()));
                None
            }
        }
    }
}
