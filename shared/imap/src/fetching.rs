//! Which response answers which fetch: the queue of what was asked and is not answered.
//!
//! Servers answer in order, but Dovecot may send the reply to one FETCH only after the messages
//! of the next (observed: 2.3.19, it synchronises once for both). So a message belongs to the
//! first fetch that asked for it, and a fetch is over once messages of a later one arrive.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::attributes::{Attributes, FetchItems};
use crate::input::Bodies;
use crate::reply::Reply;
use crate::response::{Fetched, Item};
use mailbox::MailboxName;
use mailbox::UidSet;

/// What was sent and is to be answered, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Fetching {
    pub(crate) queue: VecDeque<Asked>,
    /// Tags of fetches that are over and whose reply is late.
    late: Vec<u32>,
    /// A message of a later fetch, until the earlier ones are reported as done.
    held: Option<Held>,
    pub(crate) part: Part,
    /// The first refusal that was not reported yet.
    pub(crate) refused: Option<Reply>,
}

/// One command.
#[derive(Debug)]
pub(crate) enum Asked {
    /// SELECT or EXAMINE.
    Select { tag: u32, name: MailboxName },
    /// FETCH or UID FETCH.
    Fetch(Fetch),
}

/// One FETCH.
#[derive(Debug)]
pub(crate) struct Fetch {
    /// `None` for a fetch of no messages, which no command can say.
    pub(crate) tag: Option<u32>,
    pub(crate) range: Range,
    pub(crate) items: FetchItems,
    /// How many messages can still come; `None` where nobody knows.
    pub(crate) left: Option<u64>,
    /// More commands of the same fetch follow.
    pub(crate) goes_on: bool,
    /// The reply, where it overtook that of an earlier fetch.
    pub(crate) reply: Option<Reply>,
}

/// The messages asked for.
#[derive(Debug)]
pub(crate) enum Range {
    Uids(UidSet),
    UidsFrom(u32),
    Numbers { first: u32, last: u32 },
}

#[derive(Debug)]
struct Held {
    /// How many fetches are before the one it belongs to.
    behind: usize,
    attributes: Attributes,
    part: Part,
    /// It has what was asked for, as far as that is told by its key.
    whole: bool,
}

/// Where in a response the reader is.
#[derive(Debug, Default)]
pub(crate) enum Part {
    #[default]
    Between,
    /// In a body, so many octets before its end.
    Body { number: u32, left: u64 },
    /// Before or behind a body that was gathered.
    Gathered { number: u32, body: Option<Bytes> },
}

/// What can be reported without reading on.
pub(crate) enum Ready {
    Message(Attributes),
    /// The oldest fetch is over; its reply, or `None` where that is late.
    Over {
        goes_on: bool,
        reply: Option<Reply>,
    },
    /// Nothing: the server must say more.
    Nothing,
    /// The oldest command is no fetch.
    NoFetch,
}

impl Fetching {
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.late.is_empty() && matches!(self.part, Part::Between)
    }

    /// How bodies are to be read: apart as long as anybody asked for one.
    pub(crate) fn bodies(&self) -> Bodies {
        let asked = |asked: &Asked| matches!(asked, Asked::Fetch(fetch) if fetch.items.body);
        if self.queue.iter().any(asked) { Bodies::Apart } else { Bodies::Within }
    }

    /// The oldest, if it is a SELECT.
    pub(crate) fn take_select(&mut self) -> Option<(u32, MailboxName)> {
        match self.queue.pop_front_if(|asked| matches!(asked, Asked::Select { .. })) {
            Some(Asked::Select { tag, name }) => Some((tag, name)),
            Some(Asked::Fetch(_)) | None => None,
        }
    }

    /// What is known already about the oldest fetch.
    pub(crate) fn ready(&mut self) -> Ready {
        let Some(Asked::Fetch(fetch)) = self.queue.front_mut() else { return Ready::NoFetch };
        let goes_on = fetch.goes_on;
        if fetch.tag.is_none() || fetch.reply.is_some() {
            let reply = fetch.reply.take();
            self.queue.pop_front();
            return Ready::Over { goes_on, reply };
        }
        let Some(held) = self.held.take() else { return Ready::Nothing };
        if held.behind == 0 {
            // Parts do not count: a message whose other part is still to come would be left over.
            let counts = u64::from(held.whole);
            fetch.left = fetch.left.map(|left| left.saturating_sub(counts));
            self.part = held.part;
            return Ready::Message(held.attributes);
        }
        self.late.extend(fetch.tag);
        self.queue.pop_front();
        self.held = Some(Held { behind: held.behind - 1, ..held });
        Ready::Over { goes_on, reply: None }
    }

    /// Takes a message in that the server sent; `false` where nobody asked for it.
    pub(crate) fn take_in(&mut self, fetched: Fetched, body: Option<u64>) -> bool {
        let has_body = body.is_some() || fetched.has(Item::Body);
        let fetches = self.queue.iter().map_while(|asked| match asked {
            Asked::Fetch(fetch) => Some(fetch),
            Asked::Select { .. } => None,
        });
        let fetches: Vec<(usize, &Fetch)> = (0..).zip(fetches).collect();
        let whole = fetches.iter().find(|(_, fetch)| fetch.answers(&fetched, has_body));
        // What is asked for may come in several responses, and news of flags in between (RFC 9051
        // section 7.5.2 ties no item to another): whoever asked about the message is told.
        let part = || fetches.iter().find(|(_, fetch)| fetch.concerns(&fetched, has_body));
        let Some(behind) = whole.or_else(part).map(|(behind, _)| *behind) else { return false };
        let is_whole = whole.is_some();
        let Fetched { mut attributes, body: gathered, .. } = fetched;
        let number = attributes.number;
        let part = match (body, gathered) {
            (Some(left), _) => Part::Body { number, left },
            (None, Some(gathered)) => Part::Gathered { number, body: Some(gathered.into()) },
            (None, None) => Part::Between,
        };
        attributes.body = body.or(attributes.body);
        self.held = Some(Held { behind, attributes, part, whole: is_whole });
        true
    }

    /// Notes a reply; `false` where no fetch has this tag.
    pub(crate) fn settle(&mut self, tag: u32, reply: Reply) -> bool {
        if let Some(at) = self.late.iter().position(|late| *late == tag) {
            self.late.swap_remove(at);
            if !reply.is_ok() {
                self.refused.get_or_insert(reply);
            }
            return true;
        }
        let own = self.queue.iter_mut().find_map(|asked| match asked {
            Asked::Fetch(fetch) if fetch.tag == Some(tag) => Some(fetch),
            Asked::Fetch(_) | Asked::Select { .. } => None,
        });
        own.map(|fetch| fetch.reply = Some(reply)).is_some()
    }

    /// Whether a fetch has this tag.
    pub(crate) fn awaits(&self, tag: u32) -> bool {
        let own = |asked: &Asked| matches!(asked, Asked::Fetch(fetch) if fetch.tag == Some(tag));
        self.queue.iter().any(own)
    }

    /// Whether a late reply must be waited for, because nothing else is outstanding.
    pub(crate) fn owes_replies(&self) -> bool {
        self.queue.is_empty() && !self.late.is_empty()
    }
}

impl Range {
    /// How many messages it has at most.
    pub(crate) fn count(&self) -> Option<u64> {
        match self {
            Range::Uids(uids) => Some(uids.len()),
            Range::UidsFrom(_) => None,
            Range::Numbers { first, last } => Some(u64::from(last.saturating_sub(*first)) + 1),
        }
    }
}

impl Fetch {
    /// Whether this is the message, or a message, that it waits for.
    fn answers(&self, fetched: &Fetched, has_body: bool) -> bool {
        let whole = self.key().is_none_or(|key| fetched.has(key));
        self.left != Some(0) && whole && self.concerns(fetched, has_body)
    }

    /// Whether it asked about this message.
    fn concerns(&self, fetched: &Fetched, has_body: bool) -> bool {
        let Attributes { number, uid, .. } = fetched.attributes;
        // A UID that comes behind the body is not known yet.
        let unknown = uid == 0 && has_body;
        let inside = match &self.range {
            Range::Uids(uids) => uids.contains(uid) || unknown,
            Range::UidsFrom(least) => uid >= (*least).max(1) || unknown,
            Range::Numbers { first, last } => {
                (*first..=*last).contains(&number) && (uid > 0 || unknown)
            }
        };
        inside && has_body == self.items.body
    }

    /// The item without which a response is no answer: news of flags carries FLAGS alone.
    fn key(&self) -> Option<Item> {
        let keys = [
            (self.items.message_id, Item::MessageId),
            (self.items.size, Item::Size),
            (self.items.internal_date, Item::InternalDate),
            (self.items.flags, Item::Flags),
        ];
        keys.iter().find(|key| key.0 && !self.items.body).map(|key| key.1)
    }
}
