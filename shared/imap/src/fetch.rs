//! Listing and reading messages: FETCH and UID FETCH (RFC 9051 sections 6.4.5 and 7.5.2).

use bytes::Bytes;
use wire::Stream;

use crate::date::InternalDate;
use crate::error::Error;
use crate::flags::Flags;
use crate::reply::Reply;
use crate::session::Session;
use crate::uid_set::UidSet;

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
    /// Only messages changed after this modification sequence (CONDSTORE).
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

impl<S: Stream> Session<S> {
    /// Asks about messages without waiting. Several fetches may be outstanding; the server
    /// answers them in order, and [`Session::next`] gives the events of the oldest.
    pub async fn start_fetch(
        &mut self,
        _sequence: &Sequence,
        _items: FetchItems,
    ) -> Result<(), Error> {
        todo!()
    }

    /// The next event of the oldest outstanding fetch.
    ///
    /// FETCH responses that are no answer to it (another client set a flag) are left out.
    pub async fn next(&mut self) -> Result<FetchEvent, Error> {
        todo!()
    }
}
