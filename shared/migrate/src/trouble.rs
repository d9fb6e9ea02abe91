//! Why a slice goes no further.

use model::Timestamp;
use services::{Side, Trouble};
use store::Error as StoreError;

/// Why a slice goes no further.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The slice's time is over.
    Budget,
    /// The owner asked to stop.
    Stopped,
    /// The owner asked to hold on.
    Paused,
    /// The owner of its project asked to hold all of it on.
    Held,
    /// The quiet hours have begun; until when they last.
    Quiet(Timestamp),
    /// Not before this moment, for a reason; nothing was begun.
    Later(Timestamp, &'static str),
    /// Another migration of the same accounts is at work.
    Taken,
    /// Someone else has the lease.
    Lost,
    /// A server or the line.
    Trouble(Side, Trouble),
    /// Not possible, whatever one does; a sentence.
    Impossible(String),
    /// The store.
    Store(StoreError),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Halt::Store(error)
    }
}

/// Says whose error it is.
pub(crate) trait At<T> {
    /// The error as one of this side.
    fn at(self, side: Side) -> Result<T, Halt>;
}

impl<T, E: Into<Trouble>> At<T> for Result<T, E> {
    fn at(self, side: Side) -> Result<T, Halt> {
        self.map_err(|error| Halt::Trouble(side, error.into()))
    }
}
