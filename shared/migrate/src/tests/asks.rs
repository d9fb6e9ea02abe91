//! What the owner of a bed's migration asks for besides.

use model::Timestamp;
use store::seal::Seal;

use super::bed::{Bed, KEY, credentials};
use crate::owner::lifecycle;

impl Bed {
    pub(super) fn stop(&self) {
        let now = Timestamp(self.now_ms());
        let boot = self.boot.get().to_string();
        let work = lifecycle::stop(&self.memory, &self.id, now, &boot);
        futures::executor::block_on(work).unwrap();
    }

    pub(super) fn pause(&self) {
        let now = Timestamp(self.now_ms());
        let boot = self.boot.get().to_string();
        let work = lifecycle::pause(&self.memory, &self.id, now, &boot);
        assert_eq!(futures::executor::block_on(work), Ok(lifecycle::Outcome::Done));
    }

    pub(super) fn resume(&self) {
        let now = Timestamp(self.now_ms());
        let boot = self.boot.get().to_string();
        let work = lifecycle::resume(&self.memory, &self.id, now, &boot);
        assert_eq!(futures::executor::block_on(work), Ok(lifecycle::Outcome::Done));
    }

    /// Takes back what the sync points from `from` on brought.
    pub(super) fn remove(&self, from: u32) {
        let seal = Seal::from_variable(KEY).unwrap();
        let host = self.host();
        let now = Timestamp(self.now_ms());
        let boot = self.boot.get().to_string();
        let work = lifecycle::remove(
            &self.memory,
            (&seal, &host),
            &self.id,
            (from, credentials().destination),
            now,
            &boot,
        );
        assert_eq!(futures::executor::block_on(work), Ok(lifecycle::Outcome::Done));
    }

    pub(super) fn retry(&self) {
        let seal = Seal::from_variable(KEY).unwrap();
        let host = self.host();
        let now = Timestamp(self.now_ms());
        let credentials = credentials();
        let boot = self.boot.get().to_string();
        let work =
            lifecycle::retry(&self.memory, (&seal, &host), &self.id, &credentials, now, &boot);
        assert_eq!(futures::executor::block_on(work), Ok(lifecycle::Outcome::Done));
    }
}
