//! Listing and reading messages: FETCH and UID FETCH (RFC 9051 sections 6.4.5 and 7.5.2).

use bytes::Bytes;
use wire::Stream;

use crate::date::InternalDate;
use crate::error::Error;
use crate::fetching::{Asked, Fetch, Part, Range, Ready};
use crate::flags::Flags;
use crate::input::Bodies;
use crate::reply::Reply;
use crate::response::{Cursor, Fetched, Line};
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
}

impl<S: Stream> Session<S> {
    /// Asks about messages without waiting. Several fetches may be outstanding, and
    /// [`Session::next`] gives the events of the oldest.
    pub async fn start_fetch(
        &mut self,
        sequence: &Sequence,
        items: FetchItems,
    ) -> Result<(), Error> {
        if !self.appending.is_idle() {
            return Err(Error::OutOfTurn { what: "an append is not finished" });
        }
        let capabilities = &self.state.capabilities;
        let qresync = self.state.enabled.iter().any(|word| word == "QRESYNC");
        let text = items.text(capabilities.condstore(), qresync, capabilities.gmail());
        let ranges = sequence.ranges();
        let count = ranges.len();
        for (n, (set, range)) in ranges.into_iter().enumerate() {
            let mut tag = None;
            if !set.is_empty() {
                let command = self.command(&set).text(" ").text(&text);
                tag = Some(command.tag);
                self.send(command).await?;
            }
            let goes_on = n + 1 < count;
            let left = range.count();
            let fetch = Fetch { tag, range, items, left, goes_on, reply: None };
            self.fetching.queue.push_back(Asked::Fetch(fetch));
        }
        self.flush().await
    }

    /// The next event of the oldest outstanding fetch.
    ///
    /// FETCH responses that are no answer to any (another client set a flag) are left out. A
    /// server may send the messages of the next fetch before its reply to the oldest; that is
    /// [`FetchEvent::Done`] then, and should the late reply be a refusal, it comes as
    /// [`FetchEvent::Refused`] at the end of a later one. So what was asked for and did not come
    /// counts as not delivered, whichever event ends the fetch.
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
            match self.fetching.ready() {
                Ready::Message(attributes) => return Ok(FetchEvent::Message(attributes)),
                Ready::Over { goes_on, reply } => {
                    let refused = reply.filter(|reply| !reply.is_ok());
                    let refused = self.fetching.refused.take().or(refused);
                    if goes_on {
                        self.fetching.refused = refused;
                        continue;
                    }
                    while self.fetching.owes_replies() {
                        self.hear_fetch().await?;
                    }
                    let refused = refused.or(self.fetching.refused.take());
                    return Ok(refused.map_or(FetchEvent::Done, FetchEvent::Refused));
                }
                Ready::Nothing => {}
                Ready::NoFetch => {
                    return Err(Error::OutOfTurn { what: "the oldest command is no fetch" });
                }
            }
            if let Some(vanished) = self.hear_fetch().await? {
                return Ok(FetchEvent::Vanished(vanished));
            }
        }
        Err(self.endless())
    }

    /// Reads one response and sorts it into the queue.
    async fn hear_fetch(&mut self) -> Result<Option<UidSet>, Error> {
        let response = match self.hear(self.fetching.bodies()).await? {
            Heard::Data(response) => response,
            Heard::Tagged(tag, reply) => {
                let known = self.fetching.settle(tag, reply);
                return if known { Ok(None) } else { Err(self.stranger()) };
            }
            Heard::Continue(text) => {
                let what = "a request for more that nothing called for";
                return Err(self.input.unreadable(what, &text));
            }
            Heard::Status(_) => return Ok(None),
        };
        let bytes = &response.bytes;
        let taken = match Line::read(bytes).map_err(|m| self.malformed(m, bytes))? {
            Line::Fetch(number, cursor) => {
                let fetched = Fetched::read(number, cursor, self.state.spelling);
                let fetched = fetched.map_err(|m| self.malformed(m, bytes))?;
                self.fetching.take_in(fetched, response.body)
            }
            Line::Vanished(cursor) => return Ok(read_vanished(cursor)),
            _ => false,
        };
        if let Some(octets) = response.body.filter(|_| !taken) {
            self.input.discard(&mut self.stream, octets).await?;
            self.input.response(&mut self.stream, Bodies::Rest).await?;
        }
        Ok(None)
    }
}

impl Sequence {
    /// The commands to send, without items, and what each asks for.
    fn ranges(&self) -> Vec<(String, Range)> {
        match self {
            Sequence::Uids(uids) if uids.is_empty() => {
                vec![(String::new(), Range::Uids(UidSet::new()))]
            }
            Sequence::Uids(uids) => {
                let pieces = uids.pieces(SET_TEXT_MAX).into_iter();
                pieces.map(|set| (format!("UID FETCH {set}"), Range::Uids(set))).collect()
            }
            Sequence::UidsFrom(uid) => {
                vec![(format!("UID FETCH {}:*", (*uid).max(1)), Range::UidsFrom(*uid))]
            }
            Sequence::Numbers { first, last } => {
                let end = last.map_or("*".to_owned(), |last| last.to_string());
                let last = last.unwrap_or(u32::MAX);
                vec![(format!("FETCH {first}:{end}"), Range::Numbers { first: *first, last })]
            }
        }
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
