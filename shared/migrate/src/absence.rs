//! Whether a folder of the destination is not there. A refusal alone does not say so: a server that is
//! busy refuses too, and what is taken for absent then is taken for deleted by its user.

use imap::{Code, Mode, Reply, Selected, Session};
use mailbox::MailboxName;
use wire::Stream;

use services::imap::asks_to_wait;

/// Opens a folder; `None` where it is not there. Any other refusal is an error.
pub(crate) async fn open<S: Stream>(
    session: &mut Session<S>,
    name: &MailboxName,
    mode: Mode,
) -> Result<Option<Selected>, imap::Error> {
    let answer = session.select(name, mode).await;
    opened(session, name, answer).await
}

/// What an answer to SELECT says: the folder is open, or is not there.
pub(crate) async fn opened<S: Stream>(
    session: &mut Session<S>,
    name: &MailboxName,
    answer: Result<Selected, imap::Error>,
) -> Result<Option<Selected>, imap::Error> {
    match answer {
        Err(imap::Error::Refused(reply)) => match is_absent(session, name, &reply).await? {
            true => Ok(None),
            false => Err(imap::Error::Refused(reply)),
        },
        other => other.map(Some),
    }
}

/// Whether a folder that could not be opened with this answer is not there.
async fn is_absent<S: Stream>(
    session: &mut Session<S>,
    name: &MailboxName,
    reply: &Reply,
) -> Result<bool, imap::Error> {
    if reply.code == Some(Code::NonExistent) {
        return Ok(true);
    }
    let listed = session.list(false).await?;
    if listed.iter().any(|mailbox| mailbox.name == *name && mailbox.selectable) {
        return Ok(false);
    }
    // It may be listed in another spelling of the same name.
    let status = session.status(std::slice::from_ref(name)).await?;
    match status.into_iter().next() {
        Some((_, Err(reply))) if asks_to_wait(&reply).is_some() => Err(imap::Error::Refused(reply)),
        Some((_, status)) => Ok(status.is_err()),
        None => Ok(true),
    }
}
