//! What is asked about a message, and what is told about it (FETCH, RFC 9051 sections 6.4.5 and 7.5.2).

use mailbox::{Flags, InternalDate};

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
    /// UID; 0 only in [`crate::FetchEvent::EndOfBody`] where it did not come after the body.
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
    pub(crate) fn text(&self, condstore: bool, qresync: bool, gmail: bool) -> String {
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
