//! From an account and its password to a service that is logged in; and trying one out.

pub use crate::account::{
    AccountReport, CHECK_TIMEOUT_S, Detail, FolderSummary, Inbox, Line, Refusal, checked_endpoint,
    endpoint,
};
use dial::Dialer;
use model::{Account, ServerType};
use store::seal::Credential;
use wire::{Host, within};

use crate::destination::Destination;

pub use crate::mail::Quota;
use crate::source::Source;
use crate::trouble::{self, Lack, Side, Trouble};
use crate::{imap, pop};

/// Whether two accounts, both logged in to, are one mailbox under two names: the same login, and an
/// INBOX with messages that has the same UIDVALIDITY, UIDNEXT and number of messages on both.
pub fn is_same_mailbox(
    (one, seen): (&Account, &AccountReport),
    (other, also): (&Account, &AccountReport),
) -> bool {
    let has_any = seen.inbox.is_some_and(|inbox| inbox.messages > 0);
    has_any && seen.inbox == also.inbox && seen.server == also.server && one.is(&other.login)
}

/// A side of a migration, logged in.
pub struct Opened<T> {
    /// The service.
    pub service: T,
    /// Whether the line is slow enough for compression to pay, and the server can.
    pub slow: bool,
}

/// Opens a source of mail: a line, hello, log-in. A message whose size is not known is held up to
/// `spool_max` octets.
pub async fn open_source<H: Host>(
    host: &H,
    dialer: &Dialer<'_, H>,
    account: (&Account, &Credential),
    spool_max: u64,
) -> Result<Opened<Source<Line<H>>>, Trouble> {
    let endpoint = checked_endpoint(account.0, dialer.allow_plaintext)?;
    #[cfg(feature = "testing")]
    if account.0.login == "toy" {
        let toy = crate::toy::Toy::new(dialer.open(&endpoint).await?.line);
        return Ok(Opened { service: Source::Toy(toy), slow: false });
    }
    if account.0.server_type == ServerType::Pop {
        let maildrop = pop::login::open(dialer, &endpoint, account.0, account.1).await?;
        return Ok(Opened { service: Source::Pop(maildrop.holding(spool_max)), slow: false });
    }
    let imap::login::Opened { service, slow } =
        imap::login::open(host, dialer, &endpoint, account).await?;
    Ok(Opened { service: Source::Imap(service), slow })
}

/// Opens a destination of mail.
pub async fn open_destination<H: Host>(
    host: &H,
    dialer: &Dialer<'_, H>,
    account: (&Account, &Credential),
) -> Result<Opened<Destination<Line<H>>>, Trouble> {
    let endpoint = checked_endpoint(account.0, dialer.allow_plaintext)?;
    #[cfg(feature = "testing")]
    if account.0.login == "toy" {
        let toy = crate::toy::Toy::new(dialer.open(&endpoint).await?.line);
        return Ok(Opened { service: Destination::Toy(toy), slow: false });
    }
    let imap::login::Opened { service, slow } =
        imap::login::open(host, dialer, &endpoint, account).await?;
    Ok(Opened { service: Destination::Imap(service), slow })
}

impl<S: wire::Stream> Opened<Source<dial::Line<S>>> {
    /// The same, compressed where that pays; POP3 has no compression.
    pub async fn compressed(self) -> Result<Self, Trouble> {
        Ok(match self {
            Opened { service: Source::Imap(session), slow: true } => {
                Opened { service: Source::Imap(session.compressed().await?), slow: false }
            }
            as_it_is => as_it_is,
        })
    }
}

impl<S: wire::Stream> Opened<Destination<dial::Line<S>>> {
    /// The same, compressed where that pays.
    pub async fn compressed(self) -> Result<Self, Trouble> {
        Ok(match self {
            Opened { service: Destination::Imap(session), slow: true } => {
                Opened { service: Destination::Imap(session.compressed().await?), slow: false }
            }
            as_it_is => as_it_is,
        })
    }
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
    let work = imap::login::check(host, dialer, &endpoint, (account, credential), (side, detail));
    within(host, CHECK_TIMEOUT_S, work).await.map_err(|error| refusal(side, &error))
}

/// What the owner is told about an account that cannot be used.
pub fn refusal(side: Side, error: &Trouble) -> Refusal {
    let sentence = trouble::sentence(side, error);
    match error {
        Trouble::Credentials(_) => Refusal::AuthenticationFailed(sentence),
        Trouble::Impossible(Lack::Room, _) => Refusal::TooManyFolders(sentence),
        Trouble::Impossible(Lack::Support, _) => Refusal::Unsupported(sentence),
        _ => Refusal::Unreachable(sentence),
    }
}
