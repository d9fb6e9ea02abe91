//! From an account and its password to a session that is logged in; and trying one out.

use std::cell::RefCell;

use dial::{Dialer, Endpoint, Plaintext, Scheme};
use imap::{Credentials as ImapCredentials, Session};
use mailbox::MailboxName;
use model::{Account, ServerType};
use serde::Serialize;
use store::seal::Credential;
use wire::{Network, within};

use crate::discover::FOLDERS_MAX;
use crate::pop;
use crate::source::Source;
use crate::world::Host;
use services::trouble;
use services::{Lack, Side, Trouble};

/// The stream under a session.
pub type Line<H> = dial::Line<<H as Network>::Stream>;

/// Longest time for trying an account out: a page waits for it. Opening a line has its own, shorter
/// limit, so that what is told is which step did not end.
pub const CHECK_TIMEOUT_S: u32 = 13;
/// From this round-trip time on a line counts as slow enough for compression to pay.
const COMPRESS_FROM_MS: u64 = 40;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

/// Whether two accounts, both logged in to, are one mailbox under two names: the same login, and an
/// INBOX with messages that has the same UIDVALIDITY, UIDNEXT and number of messages on both.
pub fn is_same_mailbox(
    (one, seen): (&Account, &AccountReport),
    (other, also): (&Account, &AccountReport),
) -> bool {
    let has_any = seen.inbox.is_some_and(|inbox| inbox.messages > 0);
    has_any && seen.inbox == also.inbox && seen.server == also.server && one.is(&other.login)
}

/// One folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Quota {
    /// In use.
    pub used_bytes: u64,
    /// The limit.
    pub limit_bytes: u64,
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
fn checked_endpoint(account: &Account, allow_plaintext: bool) -> Result<Endpoint, wire::Error> {
    endpoint(account, allow_plaintext).map_err(|refusal| {
        let (Refusal::BadUrl(sentence)
        | Refusal::Unsupported(sentence)
        | Refusal::Unreachable(sentence)
        | Refusal::TooManyFolders(sentence)
        | Refusal::AuthenticationFailed(sentence)) = refusal;
        wire::Error::Unreachable { address: account.url.clone(), reason: sentence }
    })
}

/// Opens a source: a line, hello, log-in; and whether the line is slow enough for compression to
/// pay.
pub(crate) async fn open_source<H: Host>(
    host: &H,
    dialer: &Dialer<'_, H>,
    account: &Account,
    credential: &Credential,
) -> Result<(Source<Line<H>>, bool), Trouble> {
    if account.server_type == ServerType::Pop {
        let endpoint = checked_endpoint(account, dialer.allow_plaintext)?;
        let maildrop = pop::login::open(dialer, &endpoint, account, credential).await?;
        return Ok((Source::Pop(maildrop), false));
    }
    let Opened { session, slow } = open(host, dialer, account, credential).await?;
    Ok((Source::Imap(session), slow))
}

/// A session that is logged in.
pub(crate) struct Opened<H: Host> {
    pub(crate) session: Session<Line<H>>,
    /// Whether the line is slow enough for compression to pay, and the server can.
    pub(crate) slow: bool,
}

/// Opens a line, says hello, logs in.
pub(crate) async fn open<H: Host>(
    host: &H,
    dialer: &Dialer<'_, H>,
    account: &Account,
    credential: &Credential,
) -> Result<Opened<H>, imap::Error> {
    let endpoint = checked_endpoint(account, dialer.allow_plaintext)?;
    let mut session = greet(dialer, &endpoint).await?;
    let before_ms = host.monotonic_ms();
    session.authenticate(&credentials(account, credential), host).await?;
    let round_trip_ms = host.monotonic_ms().saturating_sub(before_ms);
    let slow = round_trip_ms >= COMPRESS_FROM_MS && session.capabilities().compress_deflate();
    Ok(Opened { session, slow })
}

async fn greet<H: Host>(
    dialer: &Dialer<'_, H>,
    endpoint: &Endpoint,
) -> Result<Session<Line<H>>, imap::Error> {
    greeted(dialer, endpoint).await.map_err(|error| match error {
        imap::Error::Wire(error) => unproven(endpoint, error).into(),
        imap::Error::NotImap { .. } | imap::Error::Unreadable { .. } => {
            no_server(endpoint, false).into()
        }
        told => told,
    })
}

/// What is told of a peer that has not proved to be a mail server: the same of one that refuses the
/// connection, of a filter that lets nothing through, and of a server of another protocol.
pub(crate) fn unproven(endpoint: &Endpoint, error: wire::Error) -> wire::Error {
    match error {
        wire::Error::Closed => no_server(endpoint, true),
        wire::Error::TimedOut { .. } | wire::Error::Unreachable { .. } | wire::Error::Http(_) => {
            no_server(endpoint, false)
        }
        wire::Error::Tls(sentence) if sentence == dial::NO_TLS => no_server(endpoint, false),
        told => told,
    }
}

pub(crate) fn no_server(endpoint: &Endpoint, hung_up: bool) -> wire::Error {
    let address = format!("{}:{}", endpoint.host, endpoint.port);
    wire::Error::NoServer { address, hung_up }
}

async fn greeted<H: Host>(
    dialer: &Dialer<'_, H>,
    endpoint: &Endpoint,
) -> Result<Session<Line<H>>, imap::Error> {
    let resumed = RefCell::new(None);
    let start_tls = async |line: Line<H>| -> Result<Line<H>, imap::Error> {
        let mut session = Session::greet(line).await?;
        session.start_tls().await?;
        let (line, resume) = session.into_stream()?;
        resumed.replace(Some(resume));
        Ok(line)
    };
    let opened = dialer.open_with(endpoint, start_tls).await?;
    let encrypted = opened.tls.is_some();
    let mut session = match resumed.take() {
        Some(resume) => Session::resume(opened.line, resume),
        // The greeting has the same limit as the rest of opening.
        None => within(dialer.host, dial::OPEN_TIMEOUT_S, Session::greet(opened.line)).await?,
    };
    if encrypted {
        session.set_encrypted();
    }
    Ok(session)
}

fn credentials(account: &Account, credential: &Credential) -> ImapCredentials {
    let (login, authorise_as) = match &account.delegate {
        Some(admin) => (admin.clone(), Some(account.login.clone())),
        None => (account.login.clone(), None),
    };
    match credential {
        Credential::Password(password) => {
            ImapCredentials::Password { login, password: password.clone(), authorise_as }
        }
        Credential::Token { access_token } => {
            ImapCredentials::Token { login: account.login.clone(), token: access_token.clone() }
        }
    }
}

/// The same session, compressed from here on (RFC 4978): a round trip, so only where there is
/// something to carry.
pub(crate) async fn compressed<S: wire::Stream>(
    mut session: Session<dial::Line<S>>,
) -> Result<Session<dial::Line<S>>, imap::Error> {
    session.compress().await?;
    let (line, resume) = session.into_stream()?;
    Ok(Session::resume(line.deflate(wire::Bytes::new()), resume))
}

/// Tries an account out; nothing is changed there.
pub async fn check<H: Host>(
    host: &H,
    dialer: &Dialer<'_, H>,
    (side, account): (Side, &Account),
    credential: &Credential,
    detail: Detail,
) -> Result<AccountReport, Refusal> {
    let endpoint = endpoint(account, dialer.allow_plaintext)?;
    if account.server_type == ServerType::Pop {
        if side == Side::Destination {
            let sentence = "A POP server can only be a source: nothing can be put into it.";
            return Err(Refusal::Unsupported(sentence.into()));
        }
        let work = pop::login::check(dialer, &endpoint, (account, credential), detail);
        let checked = within(host, CHECK_TIMEOUT_S, work).await;
        return checked.map_err(|error| refusal(side, &error.into()));
    }
    let work = async {
        let mut session = open(host, dialer, account, credential).await?.session;
        let report = look(&mut session, (side, detail)).await?;
        session.leave().await;
        Ok::<_, imap::Error>(report)
    };
    within(host, CHECK_TIMEOUT_S, work).await.map_err(|error| refusal(side, &error.into()))
}

/// What the owner is told about an account that cannot be used.
pub(crate) fn refusal(side: Side, error: &Trouble) -> Refusal {
    let sentence = trouble::sentence(side, error);
    match error {
        Trouble::Credentials(_) => Refusal::AuthenticationFailed(sentence),
        Trouble::Impossible(Lack::Room, _) => Refusal::TooManyFolders(sentence),
        Trouble::Impossible(Lack::Support, _) => Refusal::Unsupported(sentence),
        _ => Refusal::Unreachable(sentence),
    }
}

async fn look<S: wire::Stream>(
    session: &mut Session<S>,
    (side, detail): (Side, Detail),
) -> Result<AccountReport, imap::Error> {
    let capabilities = session.announced();
    let server = session.greeting().to_owned();
    let append_limit = session.capabilities().append_limit();
    let mut report = AccountReport {
        server,
        capabilities,
        folders: Vec::new(),
        quota: None,
        append_limit,
        inbox: None,
    };
    if detail == Detail::LoginOnly {
        report.inbox = inbox(session).await?;
    }
    let listed = match (side, detail) {
        // A source that cannot be moved is better refused than begun.
        (_, Detail::PasswordOnly) => Vec::new(),
        (Side::Source, _) | (_, Detail::Folders) => session.list(detail == Detail::Folders).await?,
        (Side::Destination, Detail::LoginOnly) => Vec::new(),
    };
    if side == Side::Source && listed.len() > FOLDERS_MAX {
        return Err(imap::Error::TooMany { what: "folders", limit: FOLDERS_MAX });
    }
    if detail == Detail::Folders {
        for mailbox in listed.into_iter().filter(|mailbox| mailbox.selectable) {
            let status = mailbox.status.unwrap_or_default();
            report.folders.push(FolderSummary {
                name: mailbox.name.text().to_owned(),
                messages: status.messages.unwrap_or(0),
                bytes: status.size,
                special_use: mailbox.special_use.map(|use_| use_.attribute().to_owned()),
            });
        }
        report.quota = quota(session).await?;
    }
    Ok(report)
}

async fn inbox<S: wire::Stream>(session: &mut Session<S>) -> Result<Option<Inbox>, imap::Error> {
    let states = session.status(&[MailboxName::inbox()]).await?;
    let Some((_, Ok(status))) = states.into_iter().next() else { return Ok(None) };
    let (uid_validity, uid_next) = (status.uid_validity, status.uid_next);
    let known = uid_validity.zip(uid_next).zip(status.messages);
    Ok(known.map(|((uid_validity, uid_next), messages)| Inbox { uid_validity, uid_next, messages }))
}

/// Storage quota of the INBOX; RFC 9208 section 5.1 counts it in units of 1024 octets.
pub(crate) async fn quota<S: wire::Stream>(
    session: &mut Session<S>,
) -> Result<Option<Quota>, imap::Error> {
    if !session.capabilities().quota() {
        return Ok(None);
    }
    let roots = match session.quota(&MailboxName::inbox()).await {
        Ok(roots) => roots,
        Err(imap::Error::Refused(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let storage = roots.iter().flat_map(|root| &root.resources);
    let storage = storage.filter(|resource| resource.name.eq_ignore_ascii_case("STORAGE"));
    let tightest = storage.min_by_key(|resource| resource.limit.saturating_sub(resource.usage));
    Ok(tightest.map(|resource| Quota {
        used_bytes: resource.usage.saturating_mul(1024),
        limit_bytes: resource.limit.saturating_mul(1024),
    }))
}
