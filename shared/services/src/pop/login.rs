//! From an account and its password to a maildrop that is logged in; and trying one out.

use std::cell::RefCell;

use dial::{Dialer, Endpoint, Tls};
use model::Account;
use pop::{Listed, Session};
use store::seal::Credential;
use wire::{Host, within};

use super::maildrop::Maildrop;
use crate::account::{AccountReport, Detail, FolderSummary, Line, no_server, unproven};
use crate::credentials::credentials;

/// Opens a line, says hello, logs in.
pub async fn open<H: Host>(
    dialer: &Dialer<'_, H>,
    endpoint: &Endpoint,
    account: &Account,
    credential: &Credential,
) -> Result<Maildrop<Line<H>>, pop::Error> {
    Ok(Maildrop::new(logged_in(dialer, endpoint, account, credential).await?))
}

async fn logged_in<H: Host>(
    dialer: &Dialer<'_, H>,
    endpoint: &Endpoint,
    account: &Account,
    credential: &Credential,
) -> Result<Session<Line<H>>, pop::Error> {
    let mut session = greeted(dialer, endpoint).await.map_err(|error| match error {
        pop::Error::Wire(error) => unproven(endpoint, error).into(),
        pop::Error::NotPop { .. } | pop::Error::Unreadable { .. } => {
            no_server(endpoint, false).into()
        }
        told => told,
    })?;
    session.authenticate(&credentials(account, credential), dialer.host).await?;
    Ok(session)
}

/// A session that knows whether its line is encrypted.
async fn greeted<H: Host>(
    dialer: &Dialer<'_, H>,
    endpoint: &Endpoint,
) -> Result<Session<Line<H>>, pop::Error> {
    let resumed = RefCell::new(None);
    let start_tls = async |line: Line<H>| -> Result<Line<H>, pop::Error> {
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
    match endpoint.tls {
        Tls::Implicit | Tls::StartTls if encrypted => session.set_encrypted(),
        Tls::None if dialer.allow_plaintext => session.permit_clear(),
        Tls::Implicit | Tls::StartTls | Tls::None => {}
    }
    Ok(session)
}

/// Tries an account out: the login, and whether the maildrop can be a source.
pub async fn check<H: Host>(
    dialer: &Dialer<'_, H>,
    endpoint: &Endpoint,
    (account, credential): (&Account, &Credential),
    detail: Detail,
) -> Result<AccountReport, pop::Error> {
    let mut session = logged_in(dialer, endpoint, account, credential).await?;
    let server = session.greeting().to_owned();
    let capabilities = session.capabilities().lines().map(str::to_owned).collect();
    let mut report = AccountReport {
        server,
        capabilities,
        folders: Vec::new(),
        quota: None,
        append_limit: None,
        inbox: None,
    };
    if detail != Detail::PasswordOnly {
        let (mut messages, mut bytes) = (0u64, 0u64);
        session
            .listing(|line| match line {
                Listed::Named { .. } => messages += 1,
                Listed::Sized { size, .. } => bytes = bytes.saturating_add(size),
            })
            .await?;
        if detail == Detail::Folders {
            let (name, bytes) = ("INBOX".to_owned(), Some(bytes));
            report.folders.push(FolderSummary { name, messages, bytes, special_use: None });
        }
    }
    session.quit().await;
    Ok(report)
}
