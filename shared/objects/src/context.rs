//! What the lane needs of the frame that it runs in: a slice of a migration.

use model::{Counters, Failure, Item, MigrationId, Options};
use services::{Side, Trouble};
use store::Store;

/// A slice of a migration, as the lane sees it. Everything that is said between two checkpoints is written
/// down with the second one, together or not at all.
pub trait Context {
    /// Where records are.
    type Store: Store;
    /// Why the frame ends a slice: its time is over, the owner asked for it, somebody else has the lease.
    type Stop;

    /// Where records are read; they are written through [`Context::stage`].
    fn store(&self) -> &Self::Store;
    /// The migration.
    fn id(&self) -> &MigrationId;
    /// The number of the run.
    fn sync_point(&self) -> u32;
    /// Whether this run only tries once more what was refused.
    fn is_retry(&self) -> bool;
    /// What the owner chose.
    fn options(&self) -> &Options;
    /// Whether objects of this kind are to be moved.
    fn wants(&self, kind: Item) -> bool;
    /// The counters of a kind.
    fn counters(&mut self, kind: Item) -> &mut Counters;
    /// A line in the failures; one that is a loss counts as failed.
    fn fail(&mut self, failure: Failure);
    /// Something was done that the sync point or the removal counts.
    fn count(&mut self, deed: Deed, objects: u64);
    /// Adds a write to the next checkpoint.
    fn stage(&mut self, key: String, value: Vec<u8>);
    /// What is worked on, for people.
    fn at_work(&mut self, collection: Option<&str>);
    /// Something was done for good in this slice.
    fn progressed(&mut self);
    /// Ends the slice if its time is over.
    fn check_budget(&self) -> Result<(), Self::Stop>;
    /// Writes everything down in one step, if the slice still has the right to.
    async fn checkpoint(&mut self) -> Result<(), Self::Stop>;
}

/// What is counted beside the counters of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Put at the destination.
    Brought,
    /// Changed at the destination, since it was changed at the source.
    Updated,
    /// Taken back.
    Removed,
    /// Not taken back.
    Kept,
    /// Not at the destination, beyond those that have a line in the failures.
    Lost,
}

/// Why a slice goes no further.
#[derive(Debug)]
pub enum Halt<S> {
    /// The frame ends it.
    Stop(S),
    /// A service or the line.
    Trouble(Side, Trouble),
    /// The store.
    Store(store::Error),
}

impl<S> From<store::Error> for Halt<S> {
    fn from(error: store::Error) -> Self {
        Halt::Store(error)
    }
}

/// Says whose trouble it is.
pub(crate) trait At<T> {
    fn at<S>(self, side: Side) -> Result<T, Halt<S>>;
}

impl<T> At<T> for Result<T, Trouble> {
    fn at<S>(self, side: Side) -> Result<T, Halt<S>> {
        self.map_err(|trouble| Halt::Trouble(side, trouble))
    }
}
