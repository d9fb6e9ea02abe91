//! A provider of mailboxes, and what it says of its servers.

use model::ServerType;

use crate::candidate::{Candidate, Hint, LOCAL_PART};

/// What the owner logs in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// The whole address.
    Address,
    /// What stands before `@`.
    Local,
}

/// A provider of mailboxes.
#[derive(Debug, Clone, Copy)]
pub struct Provider {
    /// Its name, as its customers know it.
    pub name: &'static str,
    /// Domains of addresses that it gives out itself.
    pub domains: &'static [&'static str],
    /// Domains below which its mail exchangers are.
    pub mx: &'static [&'static str],
    /// Its IMAP server.
    pub imap: Option<&'static str>,
    /// Its POP server.
    pub pop: Option<&'static str>,
    /// Its Exchange Web Services.
    pub exchange: Option<&'static str>,
    /// Its calendars.
    pub caldav: Option<&'static str>,
    /// Its contacts.
    pub carddav: Option<&'static str>,
    /// What the owner logs in with.
    pub login: Login,
    /// What the owner has to know or do first.
    pub hint: Option<Hint>,
    /// Where a password for applications is made.
    pub app_passwords: Option<&'static str>,
    /// Connections that it documents as the most for one mailbox over IMAP.
    pub max_connections: Option<u32>,
}

/// A provider of which nothing is known; the tables say only what differs.
pub const UNKNOWN: Provider = Provider {
    name: "",
    domains: &[],
    mx: &[],
    imap: None,
    pop: None,
    exchange: None,
    caldav: None,
    carddav: None,
    login: Login::Address,
    hint: None,
    app_passwords: None,
    max_connections: None,
};

impl Provider {
    /// Its servers; each later one is a little less wanted.
    pub fn candidates(&self, confidence: f64, found_by: &str) -> Vec<Candidate> {
        let ways = [
            (ServerType::Imap, self.imap),
            (ServerType::Exchange, self.exchange),
            (ServerType::Pop, self.pop),
        ];
        let ways = ways.into_iter().filter_map(|(server_type, url)| Some((server_type, url?)));
        let mut confidence = confidence + 0.02;
        ways.map(|(server_type, url)| {
            confidence -= 0.02;
            let mut candidate = Candidate::new(server_type, url, confidence, found_by);
            self.describe(&mut candidate);
            candidate
        })
        .collect()
    }

    /// Adds to a candidate what is known of its provider.
    pub fn describe(&self, candidate: &mut Candidate) {
        let given = |text: Option<&str>| text.map(str::to_owned);
        candidate.provider = Some(self.name.to_owned());
        candidate.caldav_url = candidate.caldav_url.take().or(given(self.caldav));
        candidate.carddav_url = candidate.carddav_url.take().or(given(self.carddav));
        candidate.hint = self.hint;
        candidate.app_password_url = given(self.app_passwords);
        candidate.max_connections = self.max_connections;
        candidate.login = match self.login {
            Login::Address => None,
            Login::Local => Some(LOCAL_PART.to_owned()),
        };
    }
}
