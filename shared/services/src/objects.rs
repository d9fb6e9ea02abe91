//! What the engine asks of a service of objects: contacts, groups, events, tasks, rules, absence notes.
//!
//! An object is held whole, at most [`OBJECT_MAX_OCTETS`]; a mail is not (it is streamed, in a lane of its
//! own). Both sides of a migration answer the same questions, so each protocol has one adapter.
//!
//! | here | CardDAV, CalDAV (RFC 6352, 4791) | JMAP (RFC 8620) | EWS | Graph | ManageSieve (RFC 5804) |
//! |---|---|---|---|---|---|
//! | collection | address book or calendar collection | AddressBook, Calendar | folder | contactFolder, calendar | the account |
//! | kind of a collection | component set; `KIND:group` of cards | type of object | folder class | path | scripts are rules |
//! | object's name | last segment of the href | id | ItemId | id | name of the script |
//! | tag | ETag | hash of the object's properties | ChangeKey | `@odata.etag` | hash of the text |
//! | state | sync-token (RFC 6578), else ctag | state string | SyncState | delta link | none |
//! | state is no longer valid | `valid-sync-token` (RFC 6578 section 3.2) | `cannotCalculateChanges` | `ErrorInvalidSyncStateData` | 410 Gone | |
//! | name that we give | href | extended property, found by a query | extended property, found by a filter | `transactionId` or extended property | name |
//! | only if absent | `If-None-Match: *` | `ifInState` | a search before it | `transactionId` | `LISTSCRIPTS` before it |
//! | only if as known | `If-Match` | `ifInState` | ChangeKey with `NeverOverwrite` | `If-Match` | `GETSCRIPT` before it |
//!
//! **A collection holds objects of one kind.** A calendar of events and tasks is told twice, with the same
//! id and two kinds, and the adapter answers each question about the objects of that kind alone: a CalDAV
//! server filters by component (RFC 4791 section 9.7.1), a CardDAV server by the property KIND.
//!
//! **Tags.** A service without tags of its own answers with a hash of the content as the tag, and compares right
//! before it writes. Where an object has no tag, nobody replaces or removes it: whether it was changed could
//! not be part of the same step.
//!
//! **Names.** An object that is made gets a name that depends on what it is ([`Objects::named`]), so that a
//! second try finds the first. A service may store it under another name, and says so or not.

use model::Item;

use crate::trouble::{Rejection, Trouble};

#[cfg(feature = "testing")]
pub mod fake;
pub mod service;
#[cfg(feature = "testing")]
pub mod toy;

pub use service::Service;

/// The most octets of an object: as a store takes them in one value, with room for what stands around them. A
/// card with a photo has some 100 KiB.
pub const OBJECT_MAX_OCTETS: usize = (1 << 20) - 1_024;
/// The most octets of a name of an object or a collection; a longer one is refused by the adapter.
pub const NAME_MAX_OCTETS: usize = 1_000;
/// The most octets of a tag or a state; longer ones are told as none. Delta links of Graph have some 2,000.
pub const STATE_MAX_OCTETS: usize = 8_000;
/// The most collections of one account; with more it is refused.
pub const COLLECTIONS_MAX: usize = 1_000;
/// The most entries in one part of a listing.
pub const PART_MAX: usize = 1_000;
/// Octets of objects after which an adapter answers a reading, and leaves the rest to be asked for again.
pub const READ_MAX_OCTETS: usize = 4 << 20;

/// Which collection is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// As the service names it; only its adapter reads it.
    pub id: String,
    /// The kind of objects that are asked about.
    pub kind: Item,
}

/// What may be done with a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Read and written.
    Writable,
    /// Read only, as shared ones often are: a source, but no destination.
    ReadOnly,
    /// Not to be copied, such as a subscribed calendar, or birthdays that the server makes itself; a sentence.
    NotCopied(String),
}

/// A collection of objects of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Which one.
    pub place: Place,
    /// For people.
    pub display_name: String,
    /// Whether it is the one that takes what is put nowhere else.
    pub is_default: bool,
    /// Whether it holds one document at most, which always is the same one: a script of rules, an absence note.
    pub is_single: bool,
    /// What may be done with it.
    pub access: Access,
    /// Different once anything in it has changed; `None` where the service keeps no such thing.
    pub state: Option<String>,
    /// What else a new one gets: colour, description, order, time zone, by their DAV names without
    /// namespace (RFC 4791, 5.2; RFC 6352, 6.2; `calendar-color`, `calendar-order` as Apple has them).
    pub details: Vec<(String, String)>,
}

/// A collection to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCollection {
    /// The name that it gets where the service lets us choose; the same in every try. Where one of this name
    /// is there, it was made by an earlier try, and is the answer.
    pub name: String,
    /// What it holds first of all.
    pub kind: Item,
    /// What it is to hold besides, where the service has collections of several kinds.
    pub further_kinds: Vec<Item>,
    /// For people.
    pub display_name: String,
    /// As in [`Collection::details`].
    pub details: Vec<(String, String)>,
}

/// An object as a listing names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Within its collection.
    pub name: String,
    /// Another one whenever the object was changed; `None` where the service tells none.
    pub tag: Option<String>,
}

/// How the service answers the question what has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// Everything there is will be listed: what is not listed is not there.
    Whole,
    /// Only what changed since the state.
    Since,
    /// The state is no longer valid: ask anew, without one.
    Expired,
}

/// A part of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// At most [`PART_MAX`] objects that are there, and names of those that are gone.
    Some {
        /// There, new or changed; in a whole listing all.
        there: Vec<Listed>,
        /// Gone since the state; empty in a whole listing.
        gone: Vec<String>,
    },
    /// There is no more, and this is the state that the whole answer belongs to.
    End {
        /// `None` where the service keeps none.
        state: Option<String>,
    },
}

/// A fingerprint of an object's content, the first half of a SHA-256. It is taken of the normalised content:
/// line ends and folding, the order of properties, and what servers stamp on whatever they store (`PRODID`,
/// `DTSTAMP`, `REV`) do not count, so that two copies of one object have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(pub [u8; 16]);

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Within its collection.
    pub name: String,
    /// As in [`Listed::tag`].
    pub tag: Option<String>,
    /// What makes it the same object wherever it is: UID of an event or a card. Never empty: of what has
    /// none, the adapter makes one out of the content.
    pub identity: String,
    /// Of its content.
    pub digest: Digest,
    /// When it is, for people and for `since` and `until`: begin of an event, due date of a task; seconds
    /// since 1970. `None` where it has none: such an object is never left out by its date.
    pub unix_s: Option<i64>,
    /// What people call it.
    pub title: String,
    /// The whole, in the form that the services of both sides were opened for.
    pub body: wire::Bytes,
}

/// What became of reading one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// Here it is.
    Found(Object),
    /// The service says that there is none of this name.
    Absent,
    /// There is one, and it cannot be had: too large ([`crate::Reason::TooLarge`]), damaged, forbidden.
    Refused(Rejection),
}

/// When an object may be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// Only if there is none of this name.
    Absent,
    /// Only if the one that is there has this tag.
    Is(String),
}

/// An object to be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Where it is to be, within its collection.
    pub name: String,
    /// If so.
    pub guard: Guard,
    /// What.
    pub object: Object,
}

/// What became of putting one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// It is there.
    As {
        /// Its name, which may be another one than it was to have.
        name: String,
        /// Its tag, only where the service says that it stored what it was given, octet for octet (RFC 4791
        /// section 5.3.4); else it is read back.
        tag: Option<String>,
    },
    /// The guard was not met: there is one, or it is another one, or none.
    NotMet,
    /// The service refuses this object; not trouble with the service as a whole.
    Refused(Rejection),
}

/// What became of removing something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// It was there, and is not any more.
    Gone,
    /// It was not there.
    Absent,
    /// It is not as it was known, and stays.
    NotMet,
    /// The service refuses.
    Refused(Rejection),
}

/// A service of objects: one side of a migration.
///
/// What goes wrong with one object is part of the answer ([`Rejection`]); [`Trouble`] is with the service as a
/// whole, and after it nothing is known about what was asked last: it may have been done, or may be done
/// later. An error is never absence.
pub trait Objects {
    /// All collections, each kind on its own; at most [`COLLECTIONS_MAX`].
    async fn collections(&mut self) -> Result<Vec<Collection>, Trouble>;

    /// Makes a collection, or finds the one that an earlier try has made.
    async fn make(&mut self, new: &NewCollection)
    -> Result<Result<Collection, Rejection>, Trouble>;

    /// Asks what is in a collection, or what changed in it since a state. What is left of an earlier answer
    /// is given up.
    async fn start_listing(
        &mut self,
        place: &Place,
        since: Option<&str>,
    ) -> Result<Listing, Trouble>;

    /// The next part of the answer. An object may be listed twice.
    async fn next_part(&mut self) -> Result<Part, Trouble>;

    /// Reads objects, some of them where they are more than [`READ_MAX_OCTETS`] together; each with the name
    /// by which it was asked for. One that is not answered may be asked for again.
    async fn read(
        &mut self,
        place: &Place,
        names: &[String],
    ) -> Result<Vec<(String, Read)>, Trouble>;

    /// The name that an object gets which is made at this service: from `stamp`, 32 hexadecimal digits that
    /// are the same in every try, to what the protocol wants, such as `STAMP.ics`.
    fn named(&self, kind: Item, stamp: &str) -> String;

    /// Puts objects, several in flight where that is possible; the answers in their order.
    async fn put(&mut self, place: &Place, puts: Vec<Put>) -> Result<Vec<Stored>, Trouble>;

    /// Removes an object if it still has this tag.
    async fn remove(&mut self, place: &Place, name: &str, tag: &str) -> Result<Removed, Trouble>;

    /// Removes a collection in which nothing is, of whatever kind; [`Removed::NotMet`] where something is.
    async fn remove_collection(&mut self, place: &Place) -> Result<Removed, Trouble>;
}
