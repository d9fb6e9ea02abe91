//! What is found: servers that may hold the mailbox, the likeliest first.

use model::ServerType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::address::Address;

/// The most candidates that are kept; no mailbox has as many ways in.
const CANDIDATES_MAX: usize = 12;
/// The most sentences that are kept.
const NOTES_MAX: usize = 8;

/// Stands for the address in a login; the placeholders are those of Thunderbird's format.
pub const ADDRESS: &str = "%EMAILADDRESS%";
/// Stands for what is before `@`.
pub const LOCAL_PART: &str = "%EMAILLOCALPART%";
/// Stands for the address in the path of a URL.
pub const ADDRESS_IN_URL: &str = "%EMAILADDRESS%";

/// What the owner has to know or do before a log-in works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hint {
    /// The password of the web page does not open IMAP: one for applications is made there.
    AppPassword,
    /// No password opens it; an OAuth token does.
    TokenOnly,
    /// IMAP is off until the owner switches it on.
    SwitchOn,
    /// Off until it is switched on, and then a password for applications is needed.
    SwitchOnAppPassword,
    /// The login is what stands before `@`.
    LocalLogin,
    /// Mail is encrypted for the provider's own programs, and reached only through one of them.
    OwnProgram,
    /// The paid plans only.
    PaidOnly,
    /// A password for e-mail programs, which is another one than the web page's.
    MailPassword,
    /// Which of OVH's products it is, DNS does not tell; another product has another server.
    OvhProduct,
    /// The domain only redirects; there is no mailbox behind it.
    RedirectOnly,
}

impl Hint {
    /// Every hint.
    pub const ALL: [Hint; 10] = [
        Hint::AppPassword,
        Hint::TokenOnly,
        Hint::SwitchOn,
        Hint::SwitchOnAppPassword,
        Hint::LocalLogin,
        Hint::OwnProgram,
        Hint::PaidOnly,
        Hint::MailPassword,
        Hint::OvhProduct,
        Hint::RedirectOnly,
    ];

    /// Its name, for programs and for the catalogue of translations.
    pub fn name(self) -> &'static str {
        match self {
            Hint::AppPassword => "app_password",
            Hint::TokenOnly => "token_only",
            Hint::SwitchOn => "switch_on",
            Hint::SwitchOnAppPassword => "switch_on_app_password",
            Hint::LocalLogin => "local_login",
            Hint::OwnProgram => "own_program",
            Hint::PaidOnly => "paid_only",
            Hint::MailPassword => "mail_password",
            Hint::OvhProduct => "ovh_product",
            Hint::RedirectOnly => "redirect_only",
        }
    }

    /// The sentence in English.
    pub fn sentence(self) -> &'static str {
        match self {
            Hint::AppPassword => {
                "This provider wants an app password here, not the one of its web page."
            }
            Hint::TokenOnly => {
                "This provider takes no password here, only an OAuth 2.0 access token."
            }
            Hint::SwitchOn => "IMAP must be switched on first, in the settings of the mailbox.",
            Hint::SwitchOnAppPassword => {
                "IMAP must be switched on first, in the settings of the mailbox; the password is \
                 one for applications that is made there."
            }
            Hint::LocalLogin => "The login is the part of the address before the @.",
            Hint::OwnProgram => {
                "This provider's mail is opened only by its own programs. Export it to a file, or \
                 run the provider's bridge on your own computer and name that as the server."
            }
            Hint::PaidOnly => "This provider offers IMAP only with its paid plans.",
            Hint::MailPassword => {
                "The password is the one for e-mail programs, set in the account of this provider."
            }
            Hint::OvhProduct => {
                "The domain tells that it is hosted by OVHcloud, but not as which product. If it \
                 is Email Pro or Exchange, type its server as the control panel names it, such \
                 as pro1.mail.ovh.net or ex2.mail.ovh.net."
            }
            Hint::RedirectOnly => {
                "This domain only redirects its mail to other addresses; there is no mailbox here."
            }
        }
    }
}

/// A server that may hold the mailbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// How it is spoken to.
    #[serde(rename = "type")]
    pub server_type: ServerType,
    /// Where it is.
    pub url: String,
    /// Where its calendars are, as far as that is known.
    pub caldav_url: Option<String>,
    /// Where its contacts are, as far as that is known.
    pub carddav_url: Option<String>,
    /// From 0 to 1; the order of candidates. Not a probability.
    pub confidence: f64,
    /// What told it: the kind of source, a colon, and which one.
    pub found_by: String,
    /// Whether a server answered there with a valid certificate and the protocol's greeting.
    pub confirmed: bool,
    /// The provider's name, where it is a known one.
    pub provider: Option<String>,
    /// The login, where it is not the address.
    pub login: Option<String>,
    /// What to know before logging in.
    pub hint: Option<Hint>,
    /// Where a password for applications is made.
    pub app_password_url: Option<String>,
    /// Connections that the provider documents as the most for one mailbox.
    pub max_connections: Option<u32>,
}

impl Candidate {
    /// A candidate of which nothing more is known.
    pub fn new(
        server_type: ServerType,
        url: impl Into<String>,
        confidence: f64,
        found_by: impl Into<String>,
    ) -> Candidate {
        Candidate {
            server_type,
            url: url.into(),
            caldav_url: None,
            carddav_url: None,
            confidence,
            found_by: found_by.into(),
            confirmed: false,
            provider: None,
            login: None,
            hint: None,
            app_password_url: None,
            max_connections: None,
        }
    }
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Detection {
    /// The likeliest first.
    pub candidates: Vec<Candidate>,
    /// What else the owner should know: sentences in English.
    pub notes: Vec<String>,
    /// What to know where there is no server to name.
    pub hint: Option<Hint>,
    /// Whether a question that matters had no answer, so that another try may find more.
    pub unanswered: bool,
}

impl Detection {
    /// Adds a candidate; one that is known already only gains.
    pub fn add(&mut self, new: Candidate) {
        let known = |old: &&mut Candidate| old.server_type == new.server_type && old.url == new.url;
        let Some(old) = self.candidates.iter_mut().find(known) else {
            self.candidates.push(new);
            return self.sort();
        };
        if new.confidence > old.confidence {
            (old.confidence, old.found_by) = (new.confidence, new.found_by);
        }
        old.confirmed |= new.confirmed;
        old.caldav_url = old.caldav_url.take().or(new.caldav_url);
        old.carddav_url = old.carddav_url.take().or(new.carddav_url);
        old.provider = old.provider.take().or(new.provider);
        old.login = old.login.take().or(new.login);
        old.hint = old.hint.or(new.hint);
        old.app_password_url = old.app_password_url.take().or(new.app_password_url);
        old.max_connections = old.max_connections.or(new.max_connections);
        self.sort();
    }

    /// Adds a sentence.
    pub fn note(&mut self, sentence: String) {
        if self.notes.len() < NOTES_MAX && !self.notes.contains(&sentence) {
            self.notes.push(sentence);
        }
    }

    /// The best candidate that `usable` takes.
    pub fn best(&self, usable: impl Fn(ServerType) -> bool) -> Option<&Candidate> {
        self.candidates.iter().find(|candidate| usable(candidate.server_type))
    }

    /// Why there is nothing to use, for whoever gave the address of `domain`.
    pub fn sentence(&self, domain: &str) -> String {
        let mut words = match (self.unanswered, self.candidates.is_empty()) {
            (true, _) => format!("The mail server of {domain} could not be looked for."),
            (false, true) => format!("No mail server was found for {domain}."),
            (false, false) => {
                format!("No mail server was found for {domain} that can be used here.")
            }
        };
        for more in
            self.hint.map(Hint::sentence).into_iter().chain(self.notes.iter().map(String::as_str))
        {
            words.push(' ');
            words.push_str(more);
        }
        words
    }

    /// What was found for a domain, with the placeholders filled in for one of its addresses.
    #[must_use]
    pub fn filled(mut self, address: &Address) -> Detection {
        for one in &mut self.candidates {
            if let Some(login) = &mut one.login {
                *login = login
                    .replace(ADDRESS, &address.to_string())
                    .replace(LOCAL_PART, address.local());
            }
            for url in [&mut one.caldav_url, &mut one.carddav_url].into_iter().flatten() {
                *url = url.replace(ADDRESS_IN_URL, &address.encoded());
            }
        }
        self
    }

    /// What holds for every address of the domain: a login that the domain's server told for one
    /// address is left out.
    #[must_use]
    pub fn for_domain(mut self) -> Detection {
        for one in &mut self.candidates {
            one.login = one.login.take().filter(|login| login.contains(LOCAL_PART));
        }
        self
    }

    /// The likeliest first; equals stay in the order in which they were found.
    fn sort(&mut self) {
        self.candidates.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        self.candidates.truncate(CANDIDATES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_comes_first_and_doubles_become_one() {
        let mut found = Detection::default();
        let imap = |url: &str, confidence| Candidate::new(ServerType::Imap, url, confidence, "x");
        found.add(imap("imaps://a", 0.5));
        found.add(imap("imaps://b", 0.7));
        let better = Candidate {
            confirmed: true,
            caldav_url: Some("https://a/dav".into()),
            ..imap("imaps://a", 0.9)
        };
        found.add(better.clone());
        found.add(imap("imaps://a", 0.1));
        let urls: Vec<_> = found.candidates.iter().map(|one| one.url.as_str()).collect();
        assert_eq!(urls, ["imaps://a", "imaps://b"]);
        assert_eq!(found.candidates[0], better);
        assert_eq!(found.best(|kind| kind == ServerType::Pop), None);
        for at in 0..50 {
            found.add(imap(&format!("imaps://{at}"), 0.2));
        }
        assert_eq!(found.candidates.len(), CANDIDATES_MAX);
    }

    #[test]
    fn what_holds_for_one_address_does_not_for_another() {
        let candidate = |login: &str| Candidate {
            login: Some(login.to_owned()),
            caldav_url: Some(format!("https://a/{ADDRESS_IN_URL}/")),
            ..Candidate::new(ServerType::Imap, login, 0.9, "x")
        };
        let candidates = ["%EMAILLOCALPART%", "X\\%EMAILLOCALPART%", "u1234"].map(candidate);
        let found = Detection { candidates: candidates.to_vec(), ..Detection::default() };
        let logins = |found: Detection| -> Vec<Option<String>> {
            found.candidates.into_iter().map(|one| one.login).collect()
        };
        let anna = Address::parse("anna@example.org").unwrap();
        let own = found.clone().filled(&anna);
        assert_eq!(own.candidates[0].caldav_url.as_deref(), Some("https://a/anna%40example.org/"));
        let given = |logins: [Option<&str>; 3]| logins.map(|it| it.map(str::to_owned));
        assert_eq!(logins(own), given([Some("anna"), Some("X\\anna"), Some("u1234")]));
        let shared = found.for_domain().filled(&anna);
        assert_eq!(logins(shared), given([Some("anna"), Some("X\\anna"), None]));
    }

    #[test]
    fn hints_have_names_of_their_own() {
        for hint in Hint::ALL {
            assert_eq!(serde_json::to_value(hint).unwrap(), hint.name());
        }
    }
}
