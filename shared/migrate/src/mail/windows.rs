//! The ledger of a folder, read in windows of the size that this build uses.

use ledger::fold::{Room, Windows};
use model::MigrationId;

#[cfg(test)]
thread_local! {
    /// Messages of a window in the tests of this thread: so few that they walk through many windows.
    pub(crate) static TESTED: std::cell::Cell<usize> = const { std::cell::Cell::new(4) };
}

#[cfg(not(test))]
fn room() -> Room {
    Room::default()
}

#[cfg(test)]
fn room() -> Room {
    Room { rows: TESTED.get(), flags: 1_000 }
}

/// The whole ledger of a folder whose journal has `segments`.
pub(crate) fn of(id: &MigrationId, at: usize, segments: u32) -> Windows {
    Windows::of(id, at, segments).with_room(room())
}
