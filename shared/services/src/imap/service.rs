//! A session that is logged in, as a service of mail.

use imap::{Attributes, Criteria, FetchEvent, FetchItems, Mode, Selected, Sequence, Session};
use mailbox::{MailboxName, Spelling, UidSet};
use wire::{Clock, Stream};

use super::listing;
use crate::mail::{
    Asked, Event, Fetch, Found, MailFacts, MailService, MailSource, OpenFolder, Quota, Row,
    SourceFacts, Which,
};
use crate::trouble::Trouble;

/// An IMAP session that is logged in.
pub struct Imap<S> {
    pub(super) session: Session<S>,
}

impl<S: Stream> Imap<S> {
    /// Of a session that is logged in.
    pub fn new(session: Session<S>) -> Self {
        Imap { session }
    }

    /// The session itself, for logging in and compression.
    pub fn into_session(self) -> Session<S> {
        self.session
    }
}

impl From<&Which> for Sequence {
    fn from(which: &Which) -> Self {
        match which {
            Which::Uids(uids) => Sequence::Uids(uids.clone()),
            Which::UidsFrom(uid) => Sequence::UidsFrom(*uid),
            Which::Numbers { first, last } => Sequence::Numbers { first: *first, last: *last },
        }
    }
}

impl From<Asked> for FetchItems {
    fn from(asked: Asked) -> Self {
        FetchItems {
            flags: asked.flags,
            internal_date: asked.date,
            size: asked.size,
            message_id: asked.message_id,
            modseq: false,
            body: asked.body,
            gmail: asked.labels,
            changed_since: asked.changed_since,
            vanished: asked.vanished,
        }
    }
}

impl From<Attributes> for Row {
    fn from(told: Attributes) -> Self {
        Row {
            uid: told.uid,
            flags: told.flags,
            date: told.internal_date,
            size: told.size,
            message_id: told.message_id,
            body: told.body,
            labelled: has_label(&told.gmail_labels),
        }
    }
}

impl From<FetchEvent> for Event {
    fn from(event: FetchEvent) -> Self {
        match event {
            FetchEvent::Message(told) => Event::Message(told.into()),
            FetchEvent::Chunk(bytes) => Event::Chunk(bytes),
            FetchEvent::EndOfBody(later) => Event::EndOfBody(later.into()),
            FetchEvent::Vanished(uids) => Event::Vanished(uids),
            FetchEvent::Done => Event::Done,
            FetchEvent::Refused(reply) => Event::Refused(reply.into()),
        }
    }
}

impl From<Selected> for OpenFolder {
    fn from(selected: Selected) -> Self {
        OpenFolder {
            exists: selected.exists,
            uid_validity: selected.uid_validity,
            uid_next: selected.uid_next,
            modseq: selected.highest_modseq,
            permanent_flags: selected.permanent_flags,
        }
    }
}

/// Whether a message has a label that is a folder of its own. Gmail counts two marks among labels.
fn has_label(labels: &[String]) -> bool {
    labels.iter().any(|label| {
        let name = label.trim_start_matches('\\');
        !name.eq_ignore_ascii_case("Important") && !name.eq_ignore_ascii_case("Starred")
    })
}

impl<S: Stream> Fetch for Imap<S> {
    async fn start_fetch(&mut self, which: &Which, asked: Asked) -> Result<(), Trouble> {
        Ok(self.session.start_fetch(&which.into(), asked.into()).await?)
    }

    async fn next(&mut self) -> Result<Event, Trouble> {
        Ok(self.session.next().await?.into())
    }
}

impl<S: Stream> MailService for Imap<S> {
    fn facts(&self) -> MailFacts {
        let quirks = self.session.quirks();
        MailFacts {
            size_is_estimate: quirks.size_is_estimate,
            rewrites_messages: quirks.rewrites_messages,
            labels: self.session.capabilities().gmail(),
            append_limit: self.session.capabilities().append_limit(),
        }
    }

    fn greeting(&self) -> &str {
        self.session.greeting()
    }

    fn announced(&self) -> Vec<String> {
        self.session.announced()
    }

    fn spelling(&self) -> Spelling {
        self.session.spelling()
    }

    async fn folders(&mut self) -> Result<Found, Trouble> {
        let listed = self.session.look_around(true).await?;
        Ok(listing::own(listed, self.session.spelling()))
    }

    /// Storage quota of the INBOX; RFC 9208 section 5.1 counts it in units of 1024 octets.
    async fn quota(&mut self) -> Result<Option<Quota>, Trouble> {
        if !self.session.capabilities().quota() {
            return Ok(None);
        }
        let roots = match self.session.quota(&MailboxName::inbox()).await {
            Ok(roots) => roots,
            Err(imap::Error::Refused(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let storage = roots.iter().flat_map(|root| &root.resources);
        let storage = storage.filter(|resource| resource.name.eq_ignore_ascii_case("STORAGE"));
        let tightest = storage.min_by_key(|resource| resource.limit.saturating_sub(resource.usage));
        Ok(tightest.map(|resource| Quota {
            used_bytes: resource.usage.saturating_mul(1024),
            limit_bytes: resource.limit.saturating_mul(1024),
        }))
    }

    async fn noop(&mut self) -> Result<(), Trouble> {
        Ok(self.session.noop().await?)
    }

    async fn start_select(&mut self, name: &MailboxName) -> Result<(), Trouble> {
        Ok(self.session.start_select(name, Mode::ReadOnly).await?)
    }

    async fn selected(&mut self) -> Result<OpenFolder, Trouble> {
        Ok(self.session.selected().await?.into())
    }

    async fn unselect(&mut self) -> Result<(), Trouble> {
        Ok(self.session.unselect().await?)
    }

    async fn present(&mut self, uids: &UidSet) -> Result<UidSet, Trouble> {
        if uids.is_empty() {
            return Ok(UidSet::new());
        }
        let criteria = Criteria { uids: Some(uids.clone()), ..Criteria::default() };
        Ok(self.session.search(&criteria).await?)
    }

    async fn leave(self, _clock: &impl Clock) {
        self.session.leave().await;
    }

    async fn logout(self, _clock: &impl Clock) {
        self.session.logout().await;
    }
}

impl<S: Stream> MailSource for Imap<S> {
    fn source_facts(&self) -> SourceFacts {
        SourceFacts {
            tells_changes: self.session.capabilities().condstore(),
            renames: true,
            headers_one_by_one: false,
            identifies_by_content: false,
        }
    }

    async fn push(&mut self) -> Result<(), Trouble> {
        Ok(self.session.push().await?)
    }

    async fn track_vanished(&mut self) -> Result<bool, Trouble> {
        if !self.session.capabilities().qresync() {
            return Ok(false);
        }
        // ENABLE is for the authenticated state only (RFC 5161 section 3.1).
        self.session.unselect().await?;
        Ok(self.session.enable(&["QRESYNC"]).await?.iter().any(|word| word == "QRESYNC"))
    }

    async fn start_identifying(&mut self, uids: &UidSet) -> Result<(), Trouble> {
        let items = FetchItems { message_id: true, ..FetchItems::default() };
        Ok(self.session.start_fetch(&Sequence::Uids(uids.clone()), items).await?)
    }

    async fn true_size(&mut self, _uid: u32, size: u64) -> Result<Option<u64>, Trouble> {
        Ok(Some(size))
    }

    async fn part(self, _clock: &impl Clock) {
        // A server notices by itself that the line is gone.
    }
}
