//! Listing and reading messages: FETCH and UID FETCH (RFC 9051 sections 6.4.5 and 7.5.2).

use std::collections::VecDeque;

use bytes::Bytes;
use wire::Stream;

use crate::date::InternalDate;
use crate::error::Error;
use crate::flags::Flags;
use crate::input::{Bodies, Response};
use crate::mailbox_name::MailboxName;
use crate::reply::Reply;
use crate::response::{Cursor, Fetched, Item, Line};
use crate::session::{Heard, Session, UNASKED_MAX};
use crate::uid_set::{SET_TEXT_MAX, UidSet};

/// Which messages a FETCH is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sequence {
    /// These UIDs; a set too long for one command line goes out in several.
    Uids(UidSet),
    /// UIDs from this one on. Unlike `n:*` on the line, it never yields a message below `n`.
    UidsFrom(u32),
    /// Sequence numbers, both ends included.
    Numbers {
        /// First, from 1.
        first: u32,
        /// Last; `None` is the last message of the mailbox.
        last: Option<u32>,
    },
}

/// What is asked about each message, besides its UID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FetchItems {
    /// FLAGS.
    pub flags: bool,
    /// INTERNALDATE.
    pub internal_date: bool,
    /// RFC822.SIZE.
    pub size: bool,
    /// The Message-ID header field.
    pub message_id: bool,
    /// MODSEQ; left out where CONDSTORE is not announced.
    pub modseq: bool,
    /// The whole message, without setting `\Seen`.
    pub body: bool,
    /// Gmail's labels and message id; left out where X-GM-EXT-1 is not announced.
    pub gmail: bool,
    /// Only messages changed after this modification sequence; all of them where CONDSTORE is not
    /// announced.
    pub changed_since: Option<u64>,
    /// With `changed_since`: also the UIDs that vanished since (needs `ENABLE QRESYNC`).
    pub vanished: bool,
}

/// What a FETCH response says about a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Sequence number.
    pub number: u32,
    /// UID; 0 only in [`FetchEvent::EndOfBody`] where it did not come after the body.
    pub uid: u32,
    /// FLAGS.
    pub flags: Option<Flags>,
    /// INTERNALDATE; `None` also where it is no date.
    pub internal_date: Option<InternalDate>,
    /// RFC822.SIZE in octets.
    pub size: Option<u64>,
    /// The value of the Message-ID field, unfolded and trimmed; `None` where there is none.
    pub message_id: Option<Box<[u8]>>,
    /// MODSEQ.
    pub modseq: Option<u64>,
    /// Octets of the body, which follow as chunks; `None` where no body was asked for or the
    /// server has none for this message (`NIL`).
    pub body: Option<u64>,
    /// X-GM-MSGID.
    pub gmail_message_id: Option<u64>,
    /// X-GM-LABELS; system labels begin with a backslash, others are mailbox names.
    pub gmail_labels: Vec<String>,
}

/// What comes next of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchEvent {
    /// A message; where its `body` is given, chunks and [`FetchEvent::EndOfBody`] follow.
    Message(Attributes),
    /// Octets of the body.
    Chunk(Bytes),
    /// The body is complete. Carries what the server put after it; merge it with
    /// [`Attributes::merge`].
    EndOfBody(Attributes),
    /// UIDs that are gone (RFC 7162 section 3.2.10).
    Vanished(UidSet),
    /// The oldest outstanding fetch is complete.
    Done,
    /// The oldest outstanding fetch is over, and the server refused it or a part of it.
    Refused(Reply),
}

impl Attributes {
    /// Takes over what `later` knows and `self` does not.
    pub fn merge(&mut self, later: Attributes) {
        let Attributes {
            number: _,
            uid,
            flags,
            internal_date,
            size,
            message_id,
            modseq,
            body,
            gmail_message_id,
            gmail_labels,
        } = later;
        self.uid = if self.uid == 0 { uid } else { self.uid };
        self.flags = self.flags.take().or(flags);
        self.internal_date = self.internal_date.or(internal_date);
        self.size = self.size.or(size);
        self.message_id = self.message_id.take().or(message_id);
        self.modseq = self.modseq.or(modseq);
        self.body = self.body.or(body);
        self.gmail_message_id = self.gmail_message_id.or(gmail_message_id);
        if self.gmail_labels.is_empty() {
            self.gmail_labels = gmail_labels;
        }
    }
}

/// What was sent and is to be answered, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Fetching {
    outstanding: VecDeque<Outstanding>,
    part: Part,
    /// The first refusal of a fetch that went out as several commands.
    refused: Option<Reply>,
}

#[derive(Debug)]
pub(crate) enum Outstanding {
    /// SELECT or EXAMINE.
    Select { tag: u32, name: MailboxName },
    /// FETCH or UID FETCH.
    Fetch(Fetch),
    /// A fetch of no messages, which no command can say.
    Nothing,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetch {
    tag: u32,
    /// The item without which a response is no answer; `None`: the UID is enough.
    key: Option<Item>,
    bodies: Bodies,
    /// Responses about smaller UIDs are no answer.
    least_uid: u32,
    /// More commands of the same fetch follow.
    goes_on: bool,
}

/// Where in a response the reader is.
#[derive(Debug, Default)]
enum Part {
    #[default]
    Between,
    /// In a body, so many octets before its end.
    Body { number: u32, left: u64 },
    /// Before or behind a body that was gathered.
    Gathered { number: u32, body: Option<Bytes> },
}

impl Fetching {
    pub(crate) fn is_idle(&self) -> bool {
        self.outstanding.is_empty() && matches!(self.part, Part::Between)
    }

    pub(crate) fn push(&mut self, outstanding: Outstanding) {
        self.outstanding.push_back(outstanding);
    }

    /// The oldest, if it is a SELECT.
    pub(crate) fn take_select(&mut self) -> Option<(u32, MailboxName)> {
        match self.outstanding.pop_front() {
            Some(Outstanding::Select { tag, name }) => Some((tag, name)),
            Some(other) => {
                self.outstanding.push_front(other);
                None
            }
            None => None,
        }
    }
}

impl FetchItems {
    /// The items as FETCH takes them, and the modifiers behind (RFC 7162 section 3.1.4).
    fn text(&self, condstore: bool, qresync: bool, gmail: bool) -> String {
        let items = [
            (true, "UID"),
            (self.flags, "FLAGS"),
            (self.internal_date, "INTERNALDATE"),
            (self.size, "RFC822.SIZE"),
            (self.modseq && condstore, "MODSEQ"),
            (self.gmail && gmail, "X-GM-MSGID X-GM-LABELS"),
            (self.message_id, "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"),
            (self.body, "BODY.PEEK[]"),
        ];
        let items: Vec<&str> = items.iter().filter(|item| item.0).map(|item| item.1).collect();
        let vanished = if self.vanished && qresync { " VANISHED" } else { "" };
        match self.changed_since.filter(|_| condstore) {
            Some(modseq) => format!("({}) (CHANGEDSINCE {modseq}{vanished})", items.join(" ")),
            None => format!("({})", items.join(" ")),
        }
    }

    fn key(&self) -> Option<Item> {
        let keys = [
            (self.body, Item::Body),
            (self.message_id, Item::MessageId),
            (self.size, Item::Size),
            (self.internal_date, Item::InternalDate),
            (self.flags, Item::Flags),
        ];
        keys.iter().find(|key| key.0).map(|key| key.1)
    }
}

impl<S: Stream> Session<S> {
    /// Asks about messages without waiting. Several fetches may be outstanding; the server
    /// answers them in order, and [`Session::next`] gives the events of the oldest.
    pub async fn start_fetch(
        &mut self,
        sequence: &Sequence,
        items: FetchItems,
    ) -> Result<(), Error> {
        if !self.appending.is_idle() {
            return Err(Error::OutOfTurn { what: "an append is not finished" });
        }
        let (sets, least_uid) = match sequence {
            Sequence::Uids(uids) => {
                let sets = uids.pieces(SET_TEXT_MAX);
                (sets.iter().map(|set| format!("UID FETCH {set} ")).collect(), 1)
            }
            Sequence::UidsFrom(uid) => (vec![format!("UID FETCH {}:* ", (*uid).max(1))], *uid),
            Sequence::Numbers { first, last: None } => (vec![format!("FETCH {first}:* ")], 1),
            Sequence::Numbers { first, last: Some(last) } => {
                (vec![format!("FETCH {first}:{last} ")], 1)
            }
        };
        if sets.is_empty() {
            self.fetching.push(Outstanding::Nothing);
            return Ok(());
        }
        let capabilities = &self.state.capabilities;
        let qresync = self.state.enabled.iter().any(|word| word == "QRESYNC");
        let text = items.text(capabilities.condstore(), qresync, capabilities.gmail());
        let bodies = if items.body { Bodies::Apart } else { Bodies::Within };
        let count = sets.len();
        for (n, set) in sets.into_iter().enumerate() {
            let command = self.command(&set).text(&text);
            let (tag, goes_on) = (command.tag, n + 1 < count);
            self.send(command).await?;
            let key = items.key();
            self.fetching.push(Outstanding::Fetch(Fetch { tag, key, bodies, least_uid, goes_on }));
        }
        self.flush().await
    }

    /// The next event of the oldest outstanding fetch.
    ///
    /// FETCH responses that are no answer to it (another client set a flag) are left out.
    pub async fn next(&mut self) -> Result<FetchEvent, Error> {
        match std::mem::take(&mut self.fetching.part) {
            Part::Between => self.next_message().await,
            Part::Body { number, left: 0 } => {
                let rest = self.input.response(&mut self.stream, Bodies::Rest).await?;
                let fetched = Fetched::read_rest(number, &rest.bytes, self.state.spelling);
                let fetched = fetched.map_err(|m| self.malformed(m, &rest.bytes))?;
                Ok(FetchEvent::EndOfBody(fetched.attributes))
            }
            Part::Body { number, left } => {
                let chunk = self.input.chunk(&mut self.stream, left).await?;
                let left = left - chunk.len() as u64;
                self.fetching.part = Part::Body { number, left };
                Ok(FetchEvent::Chunk(chunk))
            }
            Part::Gathered { number, body: Some(body) } if !body.is_empty() => {
                self.fetching.part = Part::Gathered { number, body: None };
                Ok(FetchEvent::Chunk(body))
            }
            Part::Gathered { number, .. } => {
                Ok(FetchEvent::EndOfBody(Attributes { number, ..Attributes::default() }))
            }
        }
    }

    async fn next_message(&mut self) -> Result<FetchEvent, Error> {
        for _ in 0..UNASKED_MAX {
            let fetch = match self.fetching.outstanding.front() {
                Some(Outstanding::Fetch(fetch)) => *fetch,
                Some(Outstanding::Nothing) => {
                    self.fetching.outstanding.pop_front();
                    return Ok(FetchEvent::Done);
                }
                Some(Outstanding::Select { .. }) => {
                    return Err(Error::OutOfTurn { what: "the answer to a select" });
                }
                None => return Err(Error::OutOfTurn { what: "no fetch is outstanding" }),
            };
            match self.hear(fetch.bodies).await? {
                Heard::Data(response) => {
                    if let Some(event) = self.read_data(fetch, response).await? {
                        return Ok(event);
                    }
                }
                Heard::Tagged(tag, reply) if tag == fetch.tag => {
                    self.fetching.outstanding.pop_front();
                    let earlier = self.fetching.refused.take();
                    let refused = earlier.or((!reply.is_ok()).then_some(reply));
                    match (fetch.goes_on, refused) {
                        (true, refused) => self.fetching.refused = refused,
                        (false, Some(reply)) => return Ok(FetchEvent::Refused(reply)),
                        (false, None) => return Ok(FetchEvent::Done),
                    }
                }
                Heard::Tagged(..) => return Err(self.stranger()),
                Heard::Continue(text) => {
                    let what = "a request for more that nothing called for";
                    return Err(self.input.unreadable(what, &text));
                }
                Heard::Status(_) => {}
            }
        }
        Err(self.endless())
    }

    async fn read_data(
        &mut self,
        fetch: Fetch,
        response: Response,
    ) -> Result<Option<FetchEvent>, Error> {
        let bytes = &response.bytes;
        let fetched = match Line::read(bytes).map_err(|m| self.malformed(m, bytes))? {
            Line::Fetch(number, cursor) => Fetched::read(number, cursor, self.state.spelling),
            Line::Vanished(cursor) => return Ok(read_vanished(cursor).map(FetchEvent::Vanished)),
            _ => return self.pass(response.body).await.map(|()| None),
        };
        let mut fetched = fetched.map_err(|m| self.malformed(m, bytes))?;
        let uid = fetched.attributes.uid;
        // A UID that comes behind the body is not known yet.
        let known = uid >= fetch.least_uid.max(1) || (uid == 0 && response.body.is_some());
        if !known || !fetch.key.is_none_or(|key| fetched.has(key)) {
            return self.pass(response.body).await.map(|()| None);
        }
        let number = fetched.attributes.number;
        if let Some(left) = response.body {
            fetched.attributes.body = Some(left);
            self.fetching.part = Part::Body { number, left };
        } else if let Some(body) = fetched.body.take() {
            self.fetching.part = Part::Gathered { number, body: Some(body.into()) };
        }
        Ok(Some(FetchEvent::Message(fetched.attributes)))
    }

    /// Lets a body and what follows it pass.
    async fn pass(&mut self, body: Option<u64>) -> Result<(), Error> {
        if let Some(octets) = body {
            self.input.discard(&mut self.stream, octets).await?;
            self.input.response(&mut self.stream, Bodies::Rest).await?;
        }
        Ok(())
    }
}

/// `"VANISHED" [SP "(EARLIER)"] SP known-uids` (RFC 7162 section 3.2.10).
fn read_vanished(mut cursor: Cursor<'_>) -> Option<UidSet> {
    if cursor.peek() == Some(b'(') {
        cursor.skip_value().ok()?;
        cursor.spaces();
    }
    UidSet::parse(cursor.atom())
}
