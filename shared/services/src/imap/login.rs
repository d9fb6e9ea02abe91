//! From an account and its password to a session that is logged in; and what it looks like.

use std::cell::RefCell;

use dial::{Dialer, Endpoint};
use imap::Session;
use mailbox::MailboxName;
use model::Account;
use store::seal::Credential;
use wire::{Host, Stream, within};

use super::service::Imap;
use crate::account::{AccountReport, Detail, FolderSummary, Inbox, Line, no_server, unproven};
use crate::credentials::credentials;
use crate::mail::{FOLDERS_MAX, MailService};
use crate::trouble::{Side, Trouble};

/// From this round-trip time on a line counts as slow enough for compression to pay.
const COMPRESS_FROM_MS: u64 = 40;

/// A session that is logged in.
pub struct Opened<H: Host> {
    /// The session.
    pub service: Imap<Line<H>>,
    /// Whether the line is slow enough for compression to pay, and the server can.
    pub slow: bool,
}

/// Opens a line, says hello, logs in.
pub async fn open<H: Host>(
    host: &H,
    dialer: &Dialer<'_, H>,
    endpoint: &Endpoint,
    (account, credential): (&Account, &Credential),
) -> Result<Opened<H>, imap::Error> {
    let mut session = greet(dialer, endpoint).await?;
    let before_ms = host.monotonic_ms();
    session.authenticate(&credentials(account, credential), host).await?;
    let round_trip_ms = host.monotonic_ms().saturating_sub(before_ms);
    let slow = round_trip_ms >= COMPRESS_FROM_MS && session.capabilities().compress_deflate();
    Ok(Opened { service: Imap::new(session), slow })
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

impl<S: Stream> Imap<dial::Line<S>> {
    /// The same session, compressed from here on (RFC 4978): a round trip, so only where there is
    /// something to carry.
    pub async fn compressed(self) -> Result<Self, Trouble> {
        let mut session = self.session;
        session.compress().await?;
        let (line, resume) = session.into_stream()?;
        Ok(Imap::new(Session::resume(line.deflate(wire::Bytes::new()), resume)))
    }
}

/// Tries an account out; nothing is changed there.
pub async fn check<H: Host>(
    host: &H,
    dialer: &Dialer<'_, H>,
    endpoint: &Endpoint,
    account: (&Account, &Credential),
    wanted: (Side, Detail),
) -> Result<AccountReport, Trouble> {
    let mut service = open(host, dialer, endpoint, account).await?.service;
    let report = look(&mut service, wanted).await?;
    service.leave(host).await;
    Ok(report)
}

async fn look<S: Stream>(
    service: &mut Imap<S>,
    (side, detail): (Side, Detail),
) -> Result<AccountReport, Trouble> {
    let mut report = AccountReport {
        server: service.greeting().to_owned(),
        capabilities: service.announced(),
        folders: Vec::new(),
        quota: None,
        append_limit: service.facts().append_limit,
        inbox: None,
    };
    if detail == Detail::LoginOnly {
        report.inbox = inbox(&mut service.session).await?;
    }
    let listed = match (side, detail) {
        // A source that cannot be moved is better refused than begun.
        (_, Detail::PasswordOnly) => Vec::new(),
        (Side::Source, _) | (_, Detail::Folders) => {
            service.session.list(detail == Detail::Folders).await?
        }
        (Side::Destination, Detail::LoginOnly) => Vec::new(),
    };
    if side == Side::Source && listed.len() > FOLDERS_MAX {
        return Err(Trouble::too_many("folders", FOLDERS_MAX));
    }
    if detail == Detail::Folders {
        for mailbox in listed.into_iter().filter(|mailbox| mailbox.selectable) {
            let status = mailbox.status.unwrap_or_default();
            report.folders.push(FolderSummary {
                name: mailbox.name.text().to_owned(),
                messages: status.messages.unwrap_or(0),
                bytes: status.size,
                special_use: mailbox.special_use.map(|purpose| purpose.attribute().to_owned()),
            });
        }
        report.quota = service.quota().await?;
    }
    Ok(report)
}

async fn inbox<S: Stream>(session: &mut Session<S>) -> Result<Option<Inbox>, imap::Error> {
    let states = session.status(&[MailboxName::inbox()]).await?;
    let Some((_, Ok(status))) = states.into_iter().next() else { return Ok(None) };
    let (uid_validity, uid_next) = (status.uid_validity, status.uid_next);
    let known = uid_validity.zip(uid_next).zip(status.messages);
    Ok(known.map(|((uid_validity, uid_next), messages)| Inbox { uid_validity, uid_next, messages }))
}
