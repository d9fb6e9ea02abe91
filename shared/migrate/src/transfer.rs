//! Streams messages from one session into the other; nothing is held but the chunk under way.

use imap::{
    AppendHead, Appended, FetchEvent, FetchItems, InternalDate, MailboxName, Reply, Sequence,
    Session, Started, UidSet,
};
use sha2::{Digest, Sha256};
use wire::Stream;

use crate::cursor::Message;
use crate::header::{Header, HeaderReader};
use crate::source::{Fetch, Source};
use crate::trouble::{At, Halt, Side, Trouble};

/// Messages and octets in one command of a batch: the server stores one while the next is sent.
const COMMAND_MESSAGES: usize = if cfg!(test) { 2 } else { 200 };
const COMMAND_BYTES: u64 = 8 << 20;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The destination took it.
    Arrived {
        /// Its UID there; 0 where the server did not say.
        uid: u32,
        /// UIDVALIDITY there; 0 where the server did not say.
        uid_validity: u32,
        /// Bytes sent.
        size: u64,
        /// What its header says.
        header: Header,
    },
    /// The source did not send it: it has it no more, if it was asked for alone.
    Gone,
    /// The source has it and did not deliver it.
    Unreadable,
    /// The destination refused it.
    Refused(Reply, Header),
}

impl Fate {
    /// When the message arrived, where only its header tells.
    pub(crate) fn date(&self) -> Option<InternalDate> {
        match self {
            Fate::Arrived { header, .. } | Fate::Refused(_, header) => header.date,
            Fate::Gone | Fate::Unreadable => None,
        }
    }
}

/// Where messages go and how.
pub(crate) struct Target<'a> {
    /// The destination's folder.
    pub(crate) name: &'a MailboxName,
    /// Several in one command (RFC 3502), of which all or none arrive.
    pub(crate) multi: bool,
    /// Octets may be NUL (RFC 3516).
    pub(crate) binary: bool,
    /// The SHA-256 of each message is wanted.
    pub(crate) digests: bool,
}

/// Asks for the bodies of `batch`, without waiting.
pub(crate) async fn ask<S: Stream>(
    source: &mut Source<S>,
    batch: &[Message],
) -> Result<(), Trouble> {
    let uids: UidSet = batch.iter().map(|message| message.uid).collect();
    let items = FetchItems { body: true, ..FetchItems::default() };
    source.start_fetch(&Sequence::Uids(uids), items).await
}

/// Reads the answer to the fetch of `batch` and appends what comes; one fate a message, in order.
///
/// `next` is asked for as soon as the last message of `batch` begins to arrive. Not before: Dovecot
/// mixes the messages of two fetches when the line is full (observed: 2.3.19), and then nobody can
/// tell what is still to come.
pub(crate) async fn transfer<A: Stream, B: Stream>(
    source: &mut Source<A>,
    destination: &mut Session<B>,
    target: &Target<'_>,
    (batch, next): (&[Message], &mut Option<&[Message]>),
) -> Result<Vec<Fate>, Halt> {
    let mut fates = vec![Fate::Gone; batch.len()];
    let mut sent: Vec<usize> = Vec::new();
    let mut refused_all: Option<Reply> = None;
    let mut command = (0, 0);
    loop {
        let row = match source.next().await.at(Side::Source)? {
            FetchEvent::Message(row) => row,
            FetchEvent::Done => break,
            FetchEvent::Refused(_) => {
                // What it did not deliver with this it has, but cannot read.
                mark_missing(&mut fates);
                break;
            }
            FetchEvent::Chunk(_) | FetchEvent::EndOfBody(_) | FetchEvent::Vanished(_) => continue,
        };
        let at = batch.iter().position(|message| message.uid == row.uid);
        let (Some(at), Some(size)) = (at, row.body) else {
            if let Some(fate) = at.and_then(|at| fates.get_mut(at)) {
                *fate = Fate::Unreadable;
            }
            continue;
        };
        let Some(message) = batch.get(at) else { continue };
        if at + 1 == batch.len()
            && let Some(next) = next.take()
        {
            ask(source, next).await.at(Side::Source)?;
        }
        let ready = match &refused_all {
            Some(reply) => Started::Refused(reply.clone()),
            None => {
                if target.multi && (command.0 >= COMMAND_MESSAGES || command.1 >= COMMAND_BYTES) {
                    destination.append_end().await.at(Side::Destination)?;
                    command = (0, 0);
                }
                command = (command.0 + 1, command.1 + size);
                let head = AppendHead {
                    flags: &message.flags,
                    internal_date: Some(row.internal_date.as_ref().unwrap_or(&message.date)),
                    size,
                    binary: target.binary,
                };
                let started = destination.append_message(target.name, &head, target.multi).await;
                started.at(Side::Destination)?
            }
        };
        let taken = matches!(ready, Started::Ready);
        let header = stream(source, taken.then_some(&mut *destination), target.digests).await?;
        let header = Header { date: row.internal_date, ..header };
        let fate = match ready {
            Started::Ready => {
                sent.push(at);
                Fate::Arrived { uid: 0, uid_validity: 0, size, header }
            }
            Started::Refused(reply) => {
                if target.multi {
                    refused_all = Some(reply.clone());
                }
                Fate::Refused(reply, header)
            }
        };
        if let Some(slot) = fates.get_mut(at) {
            *slot = fate;
        }
    }
    let answers = destination.append_finish().await.at(Side::Destination)?;
    settle_answers(&mut fates, &sent, answers, refused_all.as_ref());
    Ok(fates)
}

/// Passes one body on (or drops it), and reads its header by the way.
async fn stream<A: Stream, B: Stream>(
    source: &mut Source<A>,
    mut destination: Option<&mut Session<B>>,
    digests: bool,
) -> Result<Header, Halt> {
    let mut reader = HeaderReader::default();
    let mut hash = digests.then(Sha256::new);
    loop {
        match source.next().await.at(Side::Source)? {
            FetchEvent::Chunk(bytes) => {
                reader.feed(&bytes);
                if let Some(hash) = &mut hash {
                    hash.update(&bytes);
                }
                if let Some(destination) = destination.as_deref_mut() {
                    destination.append_chunk(bytes).await.at(Side::Destination)?;
                }
            }
            FetchEvent::EndOfBody(_) => {
                let digest = hash.map(|hash| hash.finalize().into());
                return Ok(Header { digest, ..reader.finish() });
            }
            FetchEvent::Message(_)
            | FetchEvent::Vanished(_)
            | FetchEvent::Done
            | FetchEvent::Refused(_) => {
                return Err(Halt::Trouble(
                    Side::Source,
                    imap::Error::Wire(wire::Error::Closed).into(),
                ));
            }
        }
    }
}

fn mark_missing(fates: &mut [Fate]) {
    for fate in fates.iter_mut().filter(|fate| **fate == Fate::Gone) {
        *fate = Fate::Unreadable;
    }
}

/// Puts the destination's answers to the messages they belong to.
fn settle_answers(
    fates: &mut [Fate],
    sent: &[usize],
    answers: Vec<Appended>,
    refused_all: Option<&Reply>,
) {
    let mut answers = answers.into_iter();
    for at in sent {
        let Some(fate) = fates.get_mut(*at) else { continue };
        let Fate::Arrived { uid, uid_validity, header, .. } = fate else { continue };
        match (answers.next(), refused_all) {
            (Some(Appended::Ok { uid: number, uid_validity: validity }), _) => {
                (*uid, *uid_validity) = (number.unwrap_or(0), validity.unwrap_or(0));
            }
            (Some(Appended::Refused(reply)), _) => {
                *fate = Fate::Refused(reply, std::mem::take(header));
            }
            (None, Some(reply)) => *fate = Fate::Refused(reply.clone(), std::mem::take(header)),
            (None, None) => {}
        }
    }
}
