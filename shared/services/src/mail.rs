//! What the engine asks of a service of mail: where mail comes from, and where it goes.
//!
//! The model is that of IMAP (RFC 9051 section 2), since the others map onto it: a folder has messages, each
//! with a number (UID) that means the same message as long as the folder's UIDVALIDITY is the same. A service
//! whose messages have names instead gives each name a number, its place in a list that only grows.
//!
//! A question is sent by a `start_…` function, which does not wait; [`Fetch::next`] gives the answer to the
//! oldest one, event by event. This is how one line is kept full.

use mailbox::{
    Flags, Hierarchy, InternalDate, MailboxName, PermanentFlags, SpecialUse, Spelling, UidSet,
};
use wire::{Bytes, Clock};

use crate::trouble::{Rejection, Trouble};

/// The most octets of a folder's name.
pub const NAME_OCTETS_MAX: usize = ::imap::NAME_OCTETS_MAX;

/// The most folders of an account. Each has a row in the store and a verdict in the report; no
/// server is known to carry more in one account with any program still usable.
pub const FOLDERS_MAX: usize = 20_000;

/// Which messages of the open folder a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Those with these UIDs, as far as they are there.
    Uids(UidSet),
    /// All from this UID on.
    UidsFrom(u32),
    /// By their place in the folder, from 1, both ends included.
    Numbers {
        /// The first.
        first: u32,
        /// The last; `None` for the last of the folder.
        last: Option<u32>,
    },
}

/// What is asked about each message beside its UID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked {
    /// Its flags.
    pub flags: bool,
    /// When it arrived, where the service lists that.
    pub date: bool,
    /// When it arrived, also where only the message itself tells.
    pub date_from_header: bool,
    /// Its size in octets.
    pub size: bool,
    /// Its Message-ID.
    pub message_id: bool,
    /// Whether it has a label, on a service whose folders are labels.
    pub labels: bool,
    /// All of it.
    pub body: bool,
    /// Only messages that changed after this state of the folder, where the service can tell
    /// ([`SourceFacts::tells_changes`]).
    pub changed_since: Option<u64>,
    /// With `changed_since`: the UIDs too that went away since ([`MailSource::track_vanished`]).
    pub vanished: bool,
}

/// What is told about a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// Its UID; 0 where it is not known (yet): it may come behind the body.
    pub uid: u32,
    /// Its flags.
    pub flags: Option<Flags>,
    /// When it arrived.
    pub date: Option<InternalDate>,
    /// Octets, as the service announces them.
    pub size: Option<u64>,
    /// The value of its Message-ID field, unfolded and trimmed.
    pub message_id: Option<Box<[u8]>>,
    /// Octets of the body that follows as chunks; `None` where no body follows.
    pub body: Option<u64>,
    /// Whether it has a label that is a folder of its own.
    pub labelled: bool,
}

/// What comes next of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message; where its `body` is given, chunks and [`Event::EndOfBody`] follow.
    Message(Row),
    /// Octets of the body.
    Chunk(Bytes),
    /// The body is complete; with what the service told only behind it.
    EndOfBody(Row),
    /// These went away.
    Vanished(UidSet),
    /// The answer is complete.
    Done,
    /// The answer is over: the service refused it, or a part of it.
    Refused(Rejection),
}

/// A folder that is open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpenFolder {
    /// Number of messages.
    pub exists: u32,
    /// UIDVALIDITY; 0 where UIDs do not last and the service did not say.
    pub uid_validity: u32,
    /// UIDNEXT, where the service tells.
    pub uid_next: Option<u32>,
    /// The number of its last change (HIGHESTMODSEQ), where the service keeps one.
    pub modseq: Option<u64>,
    /// The flags that it keeps.
    pub permanent_flags: PermanentFlags,
}

/// Figures of a folder that is not open; `None` where the service did not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FolderStatus {
    /// Number of messages.
    pub messages: Option<u64>,
    /// Sum of their sizes in octets.
    pub bytes: Option<u64>,
    /// UIDNEXT.
    pub uid_next: Option<u32>,
    /// UIDVALIDITY.
    pub uid_validity: Option<u32>,
    /// The number of its last change.
    pub modseq: Option<u64>,
}

/// A folder as the account lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFolder {
    /// Its name.
    pub name: MailboxName,
    /// Whether it can hold messages.
    pub selectable: bool,
    /// Whether the user subscribed to it.
    pub subscribed: bool,
    /// What it is for, where the service marks that.
    pub special_use: Option<SpecialUse>,
    /// Its figures; `None` where nothing was told of it.
    pub status: Option<FolderStatus>,
}

/// An account's own folders: what others share with it is theirs to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// In the order in which they are listed.
    pub folders: Vec<FoundFolder>,
    /// How their names are made.
    pub hierarchy: Hierarchy,
    /// The beginnings of names that are too long to be used.
    pub overlong: Vec<String>,
}

/// What there is to know about a service before anything is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MailFacts {
    /// The announced size of a message may differ from its octets.
    pub size_is_estimate: bool,
    /// What is read back is not, octet for octet, what was put there.
    pub rewrites_messages: bool,
    /// Folders are labels: one message may be in several (Gmail).
    pub labels: bool,
    /// The largest message that it takes, in octets, where it tells (RFC 7889).
    pub append_limit: Option<u64>,
}

/// What a source can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceFacts {
    /// It tells which messages changed since a state of the folder (CONDSTORE, RFC 7162).
    pub tells_changes: bool,
    /// Folders can be renamed, and keep their messages' UIDs.
    pub renames: bool,
    /// What a header says costs a command for each message.
    pub headers_one_by_one: bool,
    /// What [`MailSource::start_identifying`] tells is read out of the message itself.
    pub identifies_by_content: bool,
}

/// What a destination can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DestinationFacts {
    /// It takes several messages in one command, of which all or none arrive (MULTIAPPEND, RFC 3502).
    pub appends_together: bool,
    /// A message may hold NUL (BINARY, RFC 3516).
    pub takes_binary: bool,
    /// It moves messages between folders (MOVE, RFC 6851).
    pub moves: bool,
    /// It removes exactly the messages that it is told (UIDPLUS, RFC 4315), not all that are marked.
    pub removes_singly: bool,
}

/// How much room there is, in octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Quota {
    /// In use.
    pub used_bytes: u64,
    /// The limit.
    pub limit_bytes: u64,
}

/// Reads messages of the open folder: both sides can.
pub trait Fetch {
    /// Asks, without waiting.
    async fn start_fetch(&mut self, which: &Which, asked: Asked) -> Result<(), Trouble>;
    /// What comes next of the oldest question.
    async fn next(&mut self) -> Result<Event, Trouble>;
}

/// What every service of mail answers.
pub trait MailService: Fetch {
    /// What there is to know about it.
    fn facts(&self) -> MailFacts;
    /// Its greeting.
    fn greeting(&self) -> &str;
    /// What it announces, in its own words.
    fn announced(&self) -> Vec<String>;
    /// How names of folders are spelt.
    fn spelling(&self) -> Spelling;
    /// The account's own folders with their figures.
    async fn folders(&mut self) -> Result<Found, Trouble>;
    /// Its quota, where it tells.
    async fn quota(&mut self) -> Result<Option<Quota>, Trouble>;
    /// A question for nothing but its answer.
    async fn noop(&mut self) -> Result<(), Trouble>;
    /// Opens a folder for reading, without waiting; a question may follow at once.
    async fn start_select(&mut self, name: &MailboxName) -> Result<(), Trouble>;
    /// The answer to [`MailService::start_select`], before those to what was asked later.
    async fn selected(&mut self) -> Result<OpenFolder, Trouble>;
    /// Closes the folder.
    async fn unselect(&mut self) -> Result<(), Trouble>;
    /// Which of these UIDs are in the open folder.
    async fn present(&mut self, uids: &UidSet) -> Result<UidSet, Trouble>;
    /// Says goodbye where the work is done.
    async fn leave(self, clock: &impl Clock);
    /// The same, and waits until the service has answered.
    async fn logout(self, clock: &impl Clock);

    /// Opens a folder for reading and waits for the answer.
    async fn select(&mut self, name: &MailboxName) -> Result<OpenFolder, Trouble> {
        self.start_select(name).await?;
        self.selected().await
    }
}

/// The name of a message, at a service that does not number them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    /// A digest of it: the same in every session, another for each message.
    pub digest: [u8; 16],
    /// The message's place in this session, from 1.
    pub number: u32,
}

/// The names of all messages, in order of their digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// One for each message.
    pub names: Vec<Name>,
    /// How many may ever be given numbers.
    pub most: u32,
}

/// Where mail comes from. Nothing is changed there.
pub trait MailSource: MailService {
    /// The names of its messages, which it has to be given numbers for before anything else is asked;
    /// `None` where it numbers its messages itself.
    async fn names(&mut self) -> Result<Option<Names>, Trouble> {
        Ok(None)
    }
    /// Takes the numbers, in the order of the names; no message will have `uid_next` or more so far.
    fn number(&mut self, _uids: &[u32], _uid_next: u32) {}
    /// What it can tell.
    fn source_facts(&self) -> SourceFacts;
    /// Sends what was asked, although its answer is not waited for yet.
    async fn push(&mut self) -> Result<(), Trouble>;
    /// From now on it tells which messages went away (QRESYNC, RFC 7162); whether it does. No folder may
    /// be open.
    async fn track_vanished(&mut self) -> Result<bool, Trouble>;
    /// Asks for what tells these messages from others, without waiting: the Message-ID, and the size and
    /// date too where a listing does not have the true ones.
    async fn start_identifying(&mut self, uids: &UidSet) -> Result<(), Trouble>;
    /// The octets of a message, which is announced with `size`; `None` where it is gone.
    async fn true_size(&mut self, uid: u32, size: u64) -> Result<Option<u64>, Trouble>;
    /// Lets go of the source where a slice ends in the midst of its work.
    async fn part(self, clock: &impl Clock);
}

/// What goes before a message's octets.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// Flags to set.
    pub flags: &'a Flags,
    /// When it arrived; the service's clock where `None`.
    pub date: Option<&'a InternalDate>,
    /// Octets that will follow, exactly.
    pub size: u64,
    /// It may hold NUL ([`DestinationFacts::takes_binary`]).
    pub binary: bool,
}

/// What became of a message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// It is in the folder.
    Ok {
        /// Its UID, where the service tells.
        uid: Option<u32>,
        /// UIDVALIDITY that belongs to the UID.
        uid_validity: Option<u32>,
    },
    /// It is not, as the service says; of several in one command none is.
    Refused(Rejection),
}

/// Messages that were moved together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// UIDVALIDITY of the folder moved to.
    pub uid_validity: u32,
    /// UIDs in the folder moved from, in the order of `to`.
    pub from: UidSet,
    /// UIDs in the folder moved to.
    pub to: UidSet,
}

/// How flags are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// These are set too.
    Add,
    /// These are not set any more.
    Remove,
}

/// How a folder is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// For looking.
    Read,
    /// For changing.
    Write,
}

/// Where mail goes. What may be refused about one thing is told as a [`Rejection`] of that thing.
pub trait MailDestination: MailService {
    /// What it can do.
    fn destination_facts(&self) -> DestinationFacts;
    /// Opens a folder; `None` where it is not there, which is more than a refusal: a service that is busy
    /// refuses too.
    async fn open(
        &mut self,
        name: &MailboxName,
        access: Access,
    ) -> Result<Option<OpenFolder>, Trouble>;
    /// What an answer to [`MailService::selected`] about this folder says: `None` where it is not there.
    async fn or_absent(
        &mut self,
        name: &MailboxName,
        answer: Result<OpenFolder, Trouble>,
    ) -> Result<Option<OpenFolder>, Trouble>;
    /// The names of all folders, and what separates their levels.
    async fn folder_names(&mut self) -> Result<(Vec<MailboxName>, Option<char>), Trouble>;
    /// Looks which flags a folder keeps; it is not left open.
    async fn look_into(&mut self, name: &MailboxName) -> Result<OpenFolder, Trouble>;
    /// Figures of folders, each as far as it is told.
    async fn status(
        &mut self,
        names: &[MailboxName],
    ) -> Result<Vec<Result<FolderStatus, Rejection>>, Trouble>;
    /// Makes folders, parents first; what each is for goes along where the service takes it.
    async fn create(
        &mut self,
        folders: &[(MailboxName, Option<SpecialUse>)],
    ) -> Result<Vec<Result<(), Rejection>>, Trouble>;
    /// Renames a folder.
    async fn rename(
        &mut self,
        from: &MailboxName,
        to: &MailboxName,
    ) -> Result<Result<(), Rejection>, Trouble>;
    /// Deletes a folder.
    async fn delete_folder(&mut self, name: &MailboxName)
    -> Result<Result<(), Rejection>, Trouble>;
    /// Subscribes to folders. What is refused is left: the folder is there all the same.
    async fn subscribe(&mut self, names: &[MailboxName]) -> Result<(), Trouble>;
    /// Takes subscriptions back.
    async fn unsubscribe(&mut self, names: &[MailboxName]) -> Result<(), Trouble>;
    /// Announces a message; with `together` in one command with those before it. `Err` inside: it is not
    /// taken, nothing of it was sent, and [`MailDestination::finish`] says nothing about it.
    async fn begin(
        &mut self,
        folder: &MailboxName,
        head: &Head<'_>,
        together: bool,
    ) -> Result<Result<(), Rejection>, Trouble>;
    /// Octets of the message that was announced.
    async fn chunk(&mut self, bytes: Bytes) -> Result<(), Trouble>;
    /// Ends the command that carries several; its answer is not waited for.
    async fn end_command(&mut self) -> Result<(), Trouble>;
    /// Ends everything and waits for all answers: one for each message that was announced and taken.
    async fn finish(&mut self) -> Result<Vec<Stored>, Trouble>;
    /// Changes flags in the open folder.
    async fn change_flags(
        &mut self,
        changes: &[(&UidSet, &Flags, Change)],
    ) -> Result<Result<(), Rejection>, Trouble>;
    /// Moves messages of the open folder; what is told of where they are now.
    async fn move_messages(
        &mut self,
        uids: &UidSet,
        to: &MailboxName,
    ) -> Result<Vec<Moved>, Trouble>;
    /// Which messages of the open folder are marked as deleted.
    async fn marked_deleted(&mut self) -> Result<UidSet, Trouble>;
    /// Removes these messages of the open folder, which are marked as deleted
    /// ([`DestinationFacts::removes_singly`]).
    async fn remove(&mut self, uids: &UidSet) -> Result<Result<(), Rejection>, Trouble>;
    /// Removes whatever is marked as deleted in the open folder.
    async fn remove_marked(&mut self) -> Result<Result<(), Rejection>, Trouble>;
}
