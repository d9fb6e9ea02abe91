//! Where mail goes, whatever protocol it speaks: one variant for each. To add a protocol: its adapter, a
//! variant here, a line in `forward!`.

use imap::Session;
use mailbox::{Flags, MailboxName, SpecialUse, Spelling, UidSet};
use wire::{Bytes, Clock, Stream};

use crate::imap::Imap;
use crate::mail::{
    Access, Asked, Change, DestinationFacts, Event, Fetch, FolderStatus, Found, Head,
    MailDestination, MailFacts, MailService, Moved, OpenFolder, Quota, Stored, Which,
};
use crate::trouble::{Rejection, Trouble};

/// A destination of mail that is logged in.
#[allow(clippy::large_enum_variant, reason = "there is one in a slice")]
pub enum Destination<S> {
    /// IMAP.
    Imap(Imap<S>),
    /// A protocol for tests.
    #[cfg(feature = "testing")]
    Toy(crate::toy::Toy<S>),
}

impl<S: Stream> Destination<S> {
    /// Of an IMAP session.
    pub fn imap(session: Session<S>) -> Self {
        Destination::Imap(Imap::new(session))
    }
}

macro_rules! forward {
    ($own:expr, $it:ident => $call:expr) => {
        match $own {
            Destination::Imap($it) => $call,
            #[cfg(feature = "testing")]
            Destination::Toy($it) => $call,
        }
    };
}

impl<S: Stream> Fetch for Destination<S> {
    async fn start_fetch(&mut self, which: &Which, asked: Asked) -> Result<(), Trouble> {
        forward!(self, it => it.start_fetch(which, asked).await)
    }
    async fn next(&mut self) -> Result<Event, Trouble> {
        forward!(self, it => it.next().await)
    }
}

impl<S: Stream> MailService for Destination<S> {
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

impl<S: Stream> MailDestination for Destination<S> {
    fn destination_facts(&self) -> DestinationFacts {
        forward!(self, it => it.destination_facts())
    }
    async fn open(
        &mut self,
        name: &MailboxName,
        access: Access,
    ) -> Result<Option<OpenFolder>, Trouble> {
        forward!(self, it => it.open(name, access).await)
    }
    async fn or_absent(
        &mut self,
        name: &MailboxName,
        answer: Result<OpenFolder, Trouble>,
    ) -> Result<Option<OpenFolder>, Trouble> {
        forward!(self, it => it.or_absent(name, answer).await)
    }
    async fn folder_names(&mut self) -> Result<(Vec<MailboxName>, Option<char>), Trouble> {
        forward!(self, it => it.folder_names().await)
    }
    async fn look_into(&mut self, name: &MailboxName) -> Result<OpenFolder, Trouble> {
        forward!(self, it => it.look_into(name).await)
    }
    async fn status(
        &mut self,
        names: &[MailboxName],
    ) -> Result<Vec<Result<FolderStatus, Rejection>>, Trouble> {
        forward!(self, it => it.status(names).await)
    }
    async fn create(
        &mut self,
        folders: &[(MailboxName, Option<SpecialUse>)],
    ) -> Result<Vec<Result<(), Rejection>>, Trouble> {
        forward!(self, it => it.create(folders).await)
    }
    async fn rename(
        &mut self,
        from: &MailboxName,
        to: &MailboxName,
    ) -> Result<Result<(), Rejection>, Trouble> {
        forward!(self, it => it.rename(from, to).await)
    }
    async fn delete_folder(
        &mut self,
        name: &MailboxName,
    ) -> Result<Result<(), Rejection>, Trouble> {
        forward!(self, it => it.delete_folder(name).await)
    }
    async fn subscribe(&mut self, names: &[MailboxName]) -> Result<(), Trouble> {
        forward!(self, it => it.subscribe(names).await)
    }
    async fn unsubscribe(&mut self, names: &[MailboxName]) -> Result<(), Trouble> {
        forward!(self, it => it.unsubscribe(names).await)
    }
    async fn begin(
        &mut self,
        folder: &MailboxName,
        head: &Head<'_>,
        together: bool,
    ) -> Result<Result<(), Rejection>, Trouble> {
        forward!(self, it => it.begin(folder, head, together).await)
    }
    async fn chunk(&mut self, bytes: Bytes) -> Result<(), Trouble> {
        forward!(self, it => it.chunk(bytes).await)
    }
    async fn end_command(&mut self) -> Result<(), Trouble> {
        forward!(self, it => it.end_command().await)
    }
    async fn finish(&mut self) -> Result<Vec<Stored>, Trouble> {
        forward!(self, it => it.finish().await)
    }
    async fn change_flags(
        &mut self,
        changes: &[(&UidSet, &Flags, Change)],
    ) -> Result<Result<(), Rejection>, Trouble> {
        forward!(self, it => it.change_flags(changes).await)
    }
    async fn move_messages(
        &mut self,
        uids: &UidSet,
        to: &MailboxName,
    ) -> Result<Vec<Moved>, Trouble> {
        forward!(self, it => it.move_messages(uids, to).await)
    }
    async fn marked_deleted(&mut self) -> Result<UidSet, Trouble> {
        forward!(self, it => it.marked_deleted().await)
    }
    async fn remove(&mut self, uids: &UidSet) -> Result<Result<(), Rejection>, Trouble> {
        forward!(self, it => it.remove(uids).await)
    }
    async fn remove_marked(&mut self) -> Result<Result<(), Rejection>, Trouble> {
        forward!(self, it => it.remove_marked().await)
    }
}
