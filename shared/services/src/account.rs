//! What is told of an account that is tried out, and the server that it names.

use dial::{Endpoint, Plaintext, Scheme};
use model::{Account, ServerType};
use schemars::JsonSchema;
use serde::Serialize;
use wire::Network;

use crate::mail::Quota;

/// The stream under a session.
pub type Line<H> = dial::Line<<H as Network>::Stream>;

/// Longest time for trying an account out: a page waits for it. Opening a line has its own, shorter
/// limit, so that what is told is which step did not end.
pub const CHECK_TIMEOUT_S: u32 = 13;

/// Why an account cannot be used; each holds a sentence for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The server does not take login and password.
    AuthenticationFailed(String),
    /// The server cannot be reached, or is not what it should be.
    Unreachable(String),
    /// The URL cannot be used.
    BadUrl(String),
    /// This kind of account is not supported.
    Unsupported(String),
    /// It has more folders than can be moved.
    TooManyFolders(String),
}

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Only whether the password is right.
    PasswordOnly,
    /// The login, and of a source whether it can be moved.
    LoginOnly,
    /// Folders and quota too.
    Folders,
}

/// What an account looks like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AccountReport {
    /// The server's greeting.
    pub server: String,
    /// What it announces.
    pub capabilities: Vec<String>,
    /// Its folders; empty where only the login was tried.
    pub folders: Vec<FolderSummary>,
    /// Its quota, where the server tells.
    pub quota: Option<Quota>,
    /// The largest message that it takes, where it tells (RFC 7889).
    pub append_limit: Option<u64>,
    /// What tells its INBOX from others.
    #[serde(skip)]
    pub inbox: Option<Inbox>,
}

/// What tells an INBOX from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inbox {
    /// UIDVALIDITY (RFC 9051 section 2.3.1.1).
    pub uid_validity: u32,
    /// UIDNEXT.
    pub uid_next: u32,
    /// Messages in it.
    pub messages: u64,
}

/// One folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FolderSummary {
    /// Its name, as the server spells it.
    pub name: String,
    /// Messages in it.
    pub messages: u64,
    /// Their bytes, where the server tells.
    pub bytes: Option<u64>,
    /// Its purpose, such as `\Sent`.
    pub special_use: Option<String>,
}

/// Reads the account's server URL; `Refusal` says what is wrong with it.
pub fn endpoint(account: &Account, allow_plaintext: bool) -> Result<Endpoint, Refusal> {
    let default = match account.server_type {
        ServerType::Imap => Scheme::Imaps,
        ServerType::Pop => Scheme::Pops,
        other => {
            let name = other.name();
            return Err(Refusal::Unsupported(format!(
                "Accounts of type {name} are not supported yet."
            )));
        }
    };
    let plaintext = if allow_plaintext { Plaintext::Allowed } else { Plaintext::Refused };
    let endpoint = Endpoint::parse_as(&account.url, default, plaintext)
        .map_err(|error| Refusal::BadUrl(error.to_string()))?;
    let example = default.name();
    let what = match (endpoint.scheme, default) {
        (Scheme::Imap | Scheme::Imaps, Scheme::Imaps)
        | (Scheme::Pop | Scheme::Pops, Scheme::Pops) => return Ok(endpoint),
        (Scheme::Imap | Scheme::Imaps, _) => "This is the URL of an IMAP server",
        (Scheme::Pop | Scheme::Pops, _) => "This is the URL of a POP server",
        (Scheme::Smtp | Scheme::Smtps, _) => "This server sends mail",
    };
    Err(Refusal::BadUrl(format!("{what}; write {example}://HOST.")))
}

/// The account's server, for a line that is about to be opened.
pub fn checked_endpoint(account: &Account, allow_plaintext: bool) -> Result<Endpoint, wire::Error> {
    endpoint(account, allow_plaintext).map_err(|refusal| {
        let (Refusal::BadUrl(sentence)
        | Refusal::Unsupported(sentence)
        | Refusal::Unreachable(sentence)
        | Refusal::TooManyFolders(sentence)
        | Refusal::AuthenticationFailed(sentence)) = refusal;
        wire::Error::Unreachable { address: account.url.clone(), reason: sentence }
    })
}

/// What is told of a peer that has not proved to be a mail server: the same of one that refuses the
/// connection, of a filter that lets nothing through, and of a server of another protocol.
pub fn unproven(endpoint: &Endpoint, error: wire::Error) -> wire::Error {
    match error {
        wire::Error::Closed => no_server(endpoint, true),
        wire::Error::TimedOut { .. } | wire::Error::Unreachable { .. } | wire::Error::Http(_) => {
            no_server(endpoint, false)
        }
        wire::Error::Tls(sentence) if sentence == dial::NO_TLS => no_server(endpoint, false),
        told => told,
    }
}

/// That no mail server answers there; with `hung_up` the line was opened and then closed.
pub fn no_server(endpoint: &Endpoint, hung_up: bool) -> wire::Error {
    let address = format!("{}:{}", endpoint.host, endpoint.port);
    wire::Error::NoServer { address, hung_up }
}
