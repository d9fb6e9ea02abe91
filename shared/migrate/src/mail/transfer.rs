//! Streams messages from one session into the other; nothing is held but the chunk under way.

use std::ops::Range;

use ledger::Message;
use mailbox::header::{Header, HeaderReader};
use mailbox::{InternalDate, MailboxName, UidSet};
use services::mail::{Asked, Event, Fetch, Head, MailDestination, Row, Stored, Which};
use services::{Destination, Rejection, Side, Source, Trouble};
use sha2::{Digest, Sha256};
use wire::Stream;

use crate::mail::ahead::Opening;
use crate::mail::fate::Fate;
use crate::trouble::{At, Halt};

/// Messages and octets in one command of a batch: the server stores one while the next is sent.
const COMMAND_MESSAGES: usize = if cfg!(test) { 2 } else { 200 };
const COMMAND_BYTES: u64 = 8 << 20;
/// The part of a folder that one command adds where that is more: servers write the index of a folder
/// anew after a command (observed: Dovecot, 40 MB for a million messages), so that commands of one
/// size would cost more with each message that is there.
const COMMAND_PART: u32 = 100;

/// How many messages go into one command for a folder that has about so many.
pub(crate) fn command_messages(there: u32) -> usize {
    usize::try_from(there / COMMAND_PART).unwrap_or(0).max(COMMAND_MESSAGES)
}

/// Where messages go and how.
pub(crate) struct Target<'a> {
    /// The destination's folder.
    pub(crate) name: &'a MailboxName,
    /// Several in one command (RFC 3502), of which all or none arrive.
    pub(crate) multi: bool,
    /// Messages in one command.
    pub(crate) most: usize,
    /// Octets may be NUL (RFC 3516).
    pub(crate) binary: bool,
    /// The SHA-256 of each message is wanted.
    pub(crate) digests: bool,
}

/// What is to be carried over.
pub(crate) struct Batch<'b, 'n, 'm> {
    /// The messages.
    pub(crate) messages: &'b [Message],
    /// What follows; taken once it was asked for.
    pub(crate) next: &'n mut Option<Next<'m>>,
    /// Bodies are asked for one at a time, since the source does not say in time whose they are.
    pub(crate) alone: bool,
}

/// What the source is asked for while the destination has still to answer.
pub(crate) enum Next<'m> {
    /// The bodies of the next batch; as soon as the last message of this one begins to arrive.
    Bodies(&'m [Message]),
    /// The next folder; once all of this one have arrived.
    Folder(&'m Opening),
}

/// What became of a batch.
pub(crate) struct Carried {
    /// One fate a message, in order.
    pub(crate) fates: Vec<Fate>,
    /// A body came of which nobody could tell whose it is before it was over.
    pub(crate) unnumbered: bool,
    /// The source refused to deliver.
    pub(crate) refused: Option<Rejection>,
}

/// Asks for the bodies of `batch`, without waiting.
pub(crate) async fn ask<S: Stream>(
    source: &mut Source<S>,
    batch: &[Message],
) -> Result<(), Trouble> {
    let uids: UidSet = batch.iter().map(|message| message.uid).collect();
    let items = Asked { body: true, ..Asked::default() };
    source.start_fetch(&Which::Uids(uids), items).await
}

/// Reads the answer to the fetch of `batch` and appends what comes. Unless it is to be asked for one
/// at a time, the batch was asked for before.
///
/// The next batch is asked for as soon as the last message begins to arrive. Not before: Dovecot
/// mixes the messages of two fetches when the line is full (observed: 2.3.19), and then nobody can
/// tell what is still to come.
pub(crate) async fn transfer<A: Stream, B: Stream>(
    source: &mut Source<A>,
    destination: &mut Destination<B>,
    target: &Target<'_>,
    batch: Batch<'_, '_, '_>,
) -> Result<Carried, Halt> {
    let count = batch.messages.len();
    let mut transfer = Transfer {
        source,
        destination,
        target,
        batch,
        carried: Carried { fates: vec![Fate::Gone; count], unnumbered: false, refused: None },
        sent: Vec::new(),
        refused_all: None,
        command: (0, 0),
    };
    match transfer.batch.alone {
        false => transfer.answer(0..count).await?,
        true => {
            for (at, message) in transfer.batch.messages.iter().enumerate() {
                let one = std::slice::from_ref(message);
                ask(transfer.source, one).await.at(Side::Source)?;
                transfer.answer(at..at + 1).await?;
            }
        }
    }
    transfer.finish().await
}

/// A batch under way.
struct Transfer<'t, 'b, 'n, 'm, A, B> {
    source: &'t mut Source<A>,
    destination: &'t mut Destination<B>,
    target: &'t Target<'t>,
    batch: Batch<'b, 'n, 'm>,
    carried: Carried,
    /// Places of what was sent, in order.
    sent: Vec<usize>,
    /// Why the command that carries several was refused.
    refused_all: Option<Rejection>,
    /// Messages and octets in the present command.
    command: (usize, u64),
}

impl<A: Stream, B: Stream> Transfer<'_, '_, '_, '_, A, B> {
    /// Reads the answer to one fetch of these messages.
    async fn answer(&mut self, asked: Range<usize>) -> Result<(), Halt> {
        loop {
            let row = match self.source.next().await.at(Side::Source)? {
                Event::Message(row) => row,
                Event::Done => return Ok(()),
                Event::Refused(reply) => {
                    self.carried.refused.get_or_insert(reply);
                    return Ok(());
                }
                Event::Chunk(_) | Event::EndOfBody(_) | Event::Vanished(_) => {
                    continue;
                }
            };
            let place = self.place(&row, &asked);
            match (place, row.body) {
                (Some(at), Some(octets)) if octets > 0 => self.carry(at, &row, octets).await?,
                (Some(at), octets) => self.undelivered(at, octets),
                // Nobody knows whose it is, or it came before: it goes nowhere.
                (None, _) => {
                    self.carried.unnumbered |= row.uid == 0;
                    self.drop_body(row.body).await?;
                }
            }
        }
    }

    /// Whose body it is; `None` where that is not known, or where it was delivered already.
    fn place(&self, row: &Row, asked: &Range<usize>) -> Option<usize> {
        let open = |at: &usize| self.carried.fates.get(*at) == Some(&Fate::Gone);
        if row.uid == 0 {
            // RFC 9051 leaves the order of items open: the UID may come behind the body.
            return Some(asked.start).filter(|at| asked.len() == 1 && open(at));
        }
        let is_it = |at: usize| {
            let message = self.batch.messages.get(at).filter(|it| it.uid == row.uid);
            message.map(|_| at)
        };
        // Most often it is the one after the last.
        let next = self.sent.last().map_or(asked.start, |last| last + 1);
        is_it(next).or_else(|| asked.clone().find_map(is_it)).filter(open)
    }

    fn undelivered(&mut self, at: usize, octets: Option<u64>) {
        let why = match octets {
            Some(_) => "The source delivers this message without a single octet.",
            None => "The source lists this message and says that it has no content (NIL).",
        };
        if let Some(fate) = self.carried.fates.get_mut(at) {
            *fate = Fate::Unreadable(why.to_owned());
        }
    }

    async fn drop_body(&mut self, octets: Option<u64>) -> Result<(), Halt> {
        if octets.is_some() {
            stream(self.source, None::<&mut Destination<B>>, Wanted::default()).await?;
        }
        Ok(())
    }

    /// Passes the body of the message at this place on.
    async fn carry(&mut self, at: usize, row: &Row, size: u64) -> Result<(), Halt> {
        let Some(message) = self.batch.messages.get(at) else { return Ok(()) };
        if at + 1 == self.batch.messages.len()
            && !self.batch.alone
            && let Some(Next::Bodies(next)) =
                self.batch.next.take_if(|next| matches!(next, Next::Bodies(_)))
        {
            ask(self.source, next).await.at(Side::Source)?;
        }
        let refused = match &self.refused_all {
            Some(why) => Some(why.clone()),
            None => {
                let date = row.date.unwrap_or(message.date);
                self.head(message, date, size).await?
            }
        };
        let to = refused.is_none().then_some(&mut *self.destination);
        // One more pass over every octet: only who announced another size is in question.
        let wanted = Wanted { digest: self.target.digests, line_feeds: size != message.size };
        let passed = stream(self.source, to, wanted).await?;
        if row.uid == 0 && passed.uid != 0 && passed.uid != message.uid {
            // The APPEND is not ended: the destination drops it with the line.
            let words = format!(
                "the server delivered another message than the one that was asked for (UID {})",
                passed.uid
            );
            return Err(Halt::Trouble(Side::Source, Trouble::Unreadable(words)));
        }
        let header = Header { date: row.date, ..passed.header };
        let fate = match refused {
            None => {
                self.sent.push(at);
                Fate::Arrived { uid: 0, uid_validity: 0, size, delivered: Some(size), header }
            }
            Some(why) => {
                if self.target.multi {
                    self.refused_all = Some(why.clone());
                }
                Fate::Refused { why, size, header }
            }
        };
        if let Some(slot) = self.carried.fates.get_mut(at) {
            *slot = fate;
        }
        Ok(())
    }

    /// Announces a message to the destination; why it does not take it, where it says so at once.
    async fn head(
        &mut self,
        message: &Message,
        date: InternalDate,
        size: u64,
    ) -> Result<Option<Rejection>, Halt> {
        let multi = self.target.multi;
        if multi && (self.command.0 >= self.target.most || self.command.1 >= COMMAND_BYTES) {
            self.destination.end_command().await.at(Side::Destination)?;
            self.command = (0, 0);
        }
        self.command = (self.command.0 + 1, self.command.1 + size);
        let head =
            Head { flags: &message.flags, date: Some(&date), size, binary: self.target.binary };
        let started = self.destination.begin(self.target.name, &head, multi).await;
        Ok(started.at(Side::Destination)?.err())
    }

    async fn finish(mut self) -> Result<Carried, Halt> {
        // Whatever did not come is asked for again in this folder.
        let all = self.sent.len() == self.batch.messages.len();
        let is_folder = |next: &mut Next<'_>| all && matches!(next, Next::Folder(_));
        if let Some(Next::Folder(opening)) = self.batch.next.take_if(is_folder) {
            opening.ask(self.source).await.at(Side::Source)?;
        }
        let answers = self.destination.finish().await.at(Side::Destination)?;
        settle_answers(&mut self.carried.fates, &self.sent, answers, self.refused_all.as_ref());
        Ok(self.carried)
    }
}

/// What is to be learnt about a body by the way, beside its header.
#[derive(Clone, Copy, Default)]
struct Wanted {
    digest: bool,
    line_feeds: bool,
}

/// What was learnt about a body by the way.
struct Passed {
    header: Header,
    /// The UID that came behind it; 0 where none did.
    uid: u32,
}

/// Passes one body on (or drops it), and reads its header by the way.
async fn stream<A: Stream, B: Stream>(
    source: &mut Source<A>,
    mut destination: Option<&mut Destination<B>>,
    wanted: Wanted,
) -> Result<Passed, Halt> {
    let mut reader = HeaderReader::default();
    let mut hash = wanted.digest.then(Sha256::new);
    let mut line_feeds = 0;
    loop {
        match source.next().await.at(Side::Source)? {
            Event::Chunk(bytes) => {
                reader.feed(&bytes);
                if wanted.line_feeds {
                    line_feeds += memchr::memchr_iter(b'\n', &bytes).count() as u64;
                }
                if let Some(hash) = &mut hash {
                    hash.update(&bytes);
                }
                if let Some(destination) = destination.as_deref_mut() {
                    destination.chunk(bytes).await.at(Side::Destination)?;
                }
            }
            Event::EndOfBody(later) => {
                let digest = hash.map(|hash| hash.finalize().into());
                let header = Header { digest, line_feeds, ..reader.finish() };
                return Ok(Passed { header, uid: later.uid });
            }
            Event::Message(_) | Event::Vanished(_) | Event::Done | Event::Refused(_) => {
                return Err(Halt::Trouble(Side::Source, wire::Error::Closed.into()));
            }
        }
    }
}

/// Puts the destination's answers to the messages they belong to.
fn settle_answers(
    fates: &mut [Fate],
    sent: &[usize],
    answers: Vec<Stored>,
    refused_all: Option<&Rejection>,
) {
    let mut answers = answers.into_iter();
    for at in sent {
        let Some(fate) = fates.get_mut(*at) else { continue };
        let Fate::Arrived { uid, uid_validity, size, header, .. } = fate else { continue };
        let size = *size;
        match (answers.next(), refused_all) {
            (Some(Stored::Ok { uid: number, uid_validity: validity }), _) => {
                (*uid, *uid_validity) = (number.unwrap_or(0), validity.unwrap_or(0));
            }
            (Some(Stored::Refused(reply)), _) => {
                *fate = Fate::Refused { why: reply, size, header: std::mem::take(header) };
            }
            (None, Some(why)) => {
                let (why, header) = (why.clone(), std::mem::take(header));
                *fate = Fate::Refused { why, size, header };
            }
            (None, None) => {}
        }
    }
}
