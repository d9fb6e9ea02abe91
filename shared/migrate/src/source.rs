//! Where messages come from: an IMAP session, or a maildrop that answers the same questions.
//!
//! The engine asks in IMAP's terms; what a protocol lacks its side of this makes up (`pop/`), so
//! that no phase knows which it is.

use std::pin::pin;

use futures::future::select;
use imap::{Attributes, Capabilities, Criteria, FetchEvent, FetchItems, Mailbox};
use imap::{Mode, Namespaces, Quirks, Selected, Sequence, Session};
use mailbox::MailboxName;
use mailbox::Spelling;
use mailbox::UidSet;
use wire::{Clock, Stream};

use crate::listing::{self, Wanted};
use crate::pop::Maildrop;
use ledger::Message;
use services::Trouble;

/// Longest time that a server is given to let go of a maildrop.
const PART_MS: u64 = 2_000;

/// A source that is logged in.
#[allow(clippy::large_enum_variant, reason = "there is one in a slice")]
pub(crate) enum Source<S> {
    /// IMAP.
    Imap(Session<S>),
    /// POP3.
    Pop(Maildrop<S>),
}

/// Reads messages: both sides can.
pub(crate) trait Fetch {
    /// Asks, without waiting.
    async fn start_fetch(&mut self, sequence: &Sequence, items: FetchItems) -> Result<(), Trouble>;
    /// What comes next of the oldest question.
    async fn next(&mut self) -> Result<FetchEvent, Trouble>;
}

impl<S: Stream> Fetch for Session<S> {
    async fn start_fetch(&mut self, sequence: &Sequence, items: FetchItems) -> Result<(), Trouble> {
        Ok(Session::start_fetch(self, sequence, items).await?)
    }

    async fn next(&mut self) -> Result<FetchEvent, Trouble> {
        Ok(Session::next(self).await?)
    }
}

impl<S: Stream> Fetch for Source<S> {
    async fn start_fetch(&mut self, sequence: &Sequence, items: FetchItems) -> Result<(), Trouble> {
        match self {
            Source::Imap(session) => Ok(session.start_fetch(sequence, items).await?),
            Source::Pop(maildrop) => Ok(maildrop.start_fetch(sequence, items).await?),
        }
    }

    async fn next(&mut self) -> Result<FetchEvent, Trouble> {
        match self {
            Source::Imap(session) => Ok(session.next().await?),
            Source::Pop(maildrop) => Ok(maildrop.next().await?),
        }
    }
}

impl<S: Stream> Source<S> {
    /// What the server announces, in IMAP's words; none of them for another protocol.
    pub(crate) fn capabilities(&self) -> &Capabilities {
        match self {
            Source::Imap(session) => session.capabilities(),
            Source::Pop(maildrop) => maildrop.capabilities(),
        }
    }

    /// What is different on this server.
    pub(crate) fn quirks(&self) -> Quirks {
        match self {
            Source::Imap(session) => session.quirks(),
            // The size of a listing is what the server makes of it, often with lone LFs.
            Source::Pop(_) => Quirks { size_is_estimate: true, ..Quirks::default() },
        }
    }

    /// The server's greeting.
    pub(crate) fn greeting(&self) -> &str {
        match self {
            Source::Imap(session) => session.greeting(),
            Source::Pop(maildrop) => maildrop.greeting(),
        }
    }

    /// What the server announces, in its own words.
    pub(crate) fn announced(&self) -> Vec<String> {
        match self {
            Source::Imap(session) => session.announced(),
            Source::Pop(maildrop) => maildrop.announced(),
        }
    }

    /// A question for nothing but its answer.
    pub(crate) async fn noop(&mut self) -> Result<(), Trouble> {
        match self {
            Source::Imap(session) => Ok(session.noop().await?),
            Source::Pop(maildrop) => Ok(maildrop.noop().await?),
        }
    }

    /// How names of mailboxes are spelled.
    pub(crate) fn spelling(&self) -> Spelling {
        match self {
            Source::Imap(session) => session.spelling(),
            Source::Pop(_) => Spelling::default(),
        }
    }

    /// Namespaces, and all mailboxes with their figures.
    pub(crate) async fn look_around(&mut self) -> Result<(Namespaces, Vec<Mailbox>), Trouble> {
        match self {
            Source::Imap(session) => Ok(session.look_around(true).await?),
            Source::Pop(maildrop) => Ok((Namespaces::default(), vec![maildrop.inbox()])),
        }
    }

    /// Opens a mailbox for reading and waits for the answer.
    pub(crate) async fn select(&mut self, name: &MailboxName) -> Result<Selected, Trouble> {
        self.start_select(name).await?;
        self.selected().await
    }

    /// Opens a mailbox for reading, without waiting.
    pub(crate) async fn start_select(&mut self, name: &MailboxName) -> Result<(), Trouble> {
        match self {
            Source::Imap(session) => Ok(session.start_select(name, Mode::ReadOnly).await?),
            Source::Pop(_) => Ok(()),
        }
    }

    /// The answer to [`Source::start_select`].
    pub(crate) async fn selected(&mut self) -> Result<Selected, Trouble> {
        match self {
            Source::Imap(session) => Ok(session.selected().await?),
            Source::Pop(maildrop) => Ok(maildrop.selected()),
        }
    }

    /// Sends what was asked, although its answer is not waited for yet.
    pub(crate) async fn push(&mut self) -> Result<(), Trouble> {
        match self {
            Source::Imap(session) => Ok(session.push().await?),
            Source::Pop(_) => Ok(()),
        }
    }

    /// Closes the mailbox.
    pub(crate) async fn unselect(&mut self) -> Result<(), Trouble> {
        match self {
            Source::Imap(session) => Ok(session.unselect().await?),
            Source::Pop(_) => Ok(()),
        }
    }

    /// ENABLE; gives what was enabled.
    pub(crate) async fn enable(&mut self, what: &[&str]) -> Result<Vec<String>, Trouble> {
        match self {
            Source::Imap(session) => Ok(session.enable(what).await?),
            Source::Pop(_) => Ok(Vec::new()),
        }
    }

    /// Which of these UIDs are there.
    pub(crate) async fn present(&mut self, uids: &UidSet) -> Result<UidSet, Trouble> {
        match self {
            Source::Imap(session) => {
                let criteria = Criteria { uids: Some(uids.clone()), ..Criteria::default() };
                Ok(session.search(&criteria).await?)
            }
            Source::Pop(maildrop) => Ok(maildrop.present(uids)),
        }
    }

    /// Messages in one window of a listing.
    pub(crate) fn window(&self, wanted: Wanted) -> u32 {
        match self {
            Source::Pop(_) if wanted.header() => listing::WINDOW_HEADERS,
            Source::Imap(_) | Source::Pop(_) => listing::WINDOW_MESSAGES,
        }
    }

    /// Asks for a window of the mailbox, which has `exists` messages, without waiting.
    pub(crate) async fn start_window(
        &mut self,
        (first, exists): (u32, u32),
        wanted: Wanted,
    ) -> Result<(), Trouble> {
        let (sequence, items) = listing::request((first, exists), self.window(wanted), wanted);
        match self {
            Source::Imap(session) => Ok(session.start_fetch(&sequence, items).await?),
            Source::Pop(maildrop) => Ok(maildrop.start_listing(&sequence, wanted.header()).await?),
        }
    }

    /// Asks for the rows of these messages, without waiting.
    pub(crate) async fn start_rows(&mut self, uids: UidSet, wanted: Wanted) -> Result<(), Trouble> {
        let (_, items) = listing::request((1, 1), 1, wanted);
        let sequence = Sequence::Uids(uids);
        match self {
            Source::Imap(session) => Ok(session.start_fetch(&sequence, items).await?),
            Source::Pop(maildrop) => Ok(maildrop.start_listing(&sequence, wanted.header()).await?),
        }
    }

    /// Asks for what tells these messages from others, without waiting: the Message-ID, and the
    /// size and date too where a listing does not have the true ones.
    pub(crate) async fn start_identifying(&mut self, uids: UidSet) -> Result<(), Trouble> {
        match self {
            Source::Imap(session) => {
                let items = FetchItems { message_id: true, ..FetchItems::default() };
                Ok(session.start_fetch(&Sequence::Uids(uids), items).await?)
            }
            Source::Pop(maildrop) => Ok(maildrop.start_identifying(&uids).await?),
        }
    }

    /// The true octets of a message; `None` where it is gone.
    pub(crate) async fn true_size(&mut self, message: &Message) -> Result<Option<u64>, Trouble> {
        match self {
            Source::Imap(_) => Ok(Some(message.size)),
            Source::Pop(maildrop) => {
                maildrop.start_measuring(message.uid).await?;
                let mut size = None;
                loop {
                    match maildrop.next().await? {
                        FetchEvent::Message(Attributes { size: counted, .. }) => size = counted,
                        FetchEvent::Done => return Ok(size),
                        _ => {}
                    }
                }
            }
        }
    }

    /// Says goodbye where the slice ends with its work done.
    pub(crate) async fn leave(self, clock: &impl Clock) {
        match self {
            Source::Imap(session) => session.leave().await,
            pop @ Source::Pop(_) => pop.part(clock).await,
        }
    }

    /// The same, and waits until the server has answered.
    pub(crate) async fn logout(self, clock: &impl Clock) {
        match self {
            Source::Imap(session) => session.logout().await,
            pop @ Source::Pop(_) => pop.part(clock).await,
        }
    }

    /// Lets go of the source where a slice ends in the midst of its work. A maildrop is held by one
    /// session at a time: the next slice would find it in use.
    pub(crate) async fn part(self, clock: &impl Clock) {
        match self {
            Source::Imap(_) => {}
            Source::Pop(maildrop) => {
                let patience = pin!(clock.sleep_ms(PART_MS));
                // A server that takes longer notices by itself in the end.
                let _ = select(pin!(maildrop.leave()), patience).await;
            }
        }
    }
}
