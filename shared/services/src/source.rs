//! Where mail comes from, whatever protocol it speaks: one variant for each.
//!
//! An enum and not a trait object, since its functions are `async`; and no type parameter of the engine,
//! which would be compiled once for each pair of protocols. To add a protocol: its adapter, a variant here,
//! a line in `forward!`.

use imap::Session;
use mailbox::{MailboxName, Spelling, UidSet};
use wire::{Clock, Stream};

use crate::imap::Imap;
use crate::mail::{
    Asked, Event, Fetch, Found, MailFacts, MailService, MailSource, Names, OpenFolder, Quota,
    SourceFacts, Which,
};
use crate::pop::Maildrop;
use crate::trouble::Trouble;

/// A source of mail that is logged in.
#[allow(clippy::large_enum_variant, reason = "there is one in a slice")]
pub enum Source<S> {
    /// IMAP.
    Imap(Imap<S>),
    /// POP3.
    Pop(Maildrop<S>),
    /// A protocol for tests.
    #[cfg(feature = "testing")]
    Toy(crate::toy::Toy<S>),
}

impl<S: Stream> Source<S> {
    /// Of an IMAP session.
    pub fn imap(session: Session<S>) -> Self {
        Source::Imap(Imap::new(session))
    }
}

macro_rules! forward {
    ($own:expr, $it:ident => $call:expr) => {
        match $own {
            Source::Imap($it) => $call,
            Source::Pop($it) => $call,
            #[cfg(feature = "testing")]
            Source::Toy($it) => $call,
        }
    };
}

impl<S: Stream> Fetch for Source<S> {
    async fn start_fetch(&mut self, which: &Which, asked: Asked) -> Result<(), Trouble> {
        forward!(self, it => it.start_fetch(which, asked).await)
    }
    async fn next(&mut self) -> Result<Event, Trouble> {
        forward!(self, it => it.next().await)
    }
}

impl<S: Stream> MailService for Source<S> {
    fn facts(&self) -> MailFacts {
        forward!(self, it => it.facts())
    }
    fn greeting(&self) -> &str {
        forward!(self, it => it.greeting())
    }
    fn announced(&self) -> Vec<String> {
        forward!(self, it => it.announced())
    }
    fn spelling(&self) -> Spelling {
        forward!(self, it => it.spelling())
    }
    async fn folders(&mut self) -> Result<Found, Trouble> {
        forward!(self, it => it.folders().await)
    }
    async fn quota(&mut self) -> Result<Option<Quota>, Trouble> {
        forward!(self, it => it.quota().await)
    }
    async fn noop(&mut self) -> Result<(), Trouble> {
        forward!(self, it => it.noop().await)
    }
    async fn start_select(&mut self, name: &MailboxName) -> Result<(), Trouble> {
        forward!(self, it => it.start_select(name).await)
    }
    async fn selected(&mut self) -> Result<OpenFolder, Trouble> {
        forward!(self, it => it.selected().await)
    }
    async fn unselect(&mut self) -> Result<(), Trouble> {
        forward!(self, it => it.unselect().await)
    }
    async fn present(&mut self, uids: &UidSet) -> Result<UidSet, Trouble> {
        forward!(self, it => it.present(uids).await)
    }
    async fn leave(self, clock: &impl Clock) {
        forward!(self, it => it.leave(clock).await);
    }
    async fn logout(self, clock: &impl Clock) {
        forward!(self, it => it.logout(clock).await);
    }
}

impl<S: Stream> MailSource for Source<S> {
    fn source_facts(&self) -> SourceFacts {
        forward!(self, it => it.source_facts())
    }
    async fn names(&mut self) -> Result<Option<Names>, Trouble> {
        forward!(self, it => it.names().await)
    }
    fn number(&mut self, uids: &[u32], uid_next: u32) {
        forward!(self, it => it.number(uids, uid_next));
    }
    async fn push(&mut self) -> Result<(), Trouble> {
        forward!(self, it => it.push().await)
    }
    async fn track_vanished(&mut self) -> Result<bool, Trouble> {
        forward!(self, it => it.track_vanished().await)
    }
    async fn start_identifying(&mut self, uids: &UidSet) -> Result<(), Trouble> {
        forward!(self, it => it.start_identifying(uids).await)
    }
    async fn true_size(&mut self, uid: u32, size: u64) -> Result<Option<u64>, Trouble> {
        forward!(self, it => it.true_size(uid, size).await)
    }
    async fn part(self, clock: &impl Clock) {
        forward!(self, it => it.part(clock).await);
    }
}
