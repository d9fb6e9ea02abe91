//! A service of objects, whatever protocol it speaks: one variant for each.
//!
//! A new protocol is a file beside this one that implements [`Objects`], a variant here with a line in
//! [`forward`], and its tests. The engine is compiled for this type alone: with a type parameter a side it would
//! be there once for each pair of protocols, and traits with async functions make no trait objects.

use model::Item;

use crate::objects::{
    Collection, Listing, NewCollection, Objects, Part, Place, Put, Read, Removed, Stored,
};
#[cfg(feature = "testing")]
use crate::objects::{fake::Fake, toy::Toy};
use crate::trouble::{Rejection, Trouble};

/// One side's service of objects, logged in.
pub enum Service {
    /// A service in memory with every oddity, for tests of the engine.
    #[cfg(feature = "testing")]
    Fake(Fake),
    /// The least that a service can be, for tests.
    #[cfg(feature = "testing")]
    Toy(Toy),
}

/// Asks the protocol that is spoken.
macro_rules! forward {
    ($service:expr, $spoken:ident => $answer:expr) => {
        match *$service {
            #[cfg(feature = "testing")]
            Service::Fake(ref $spoken) => $answer,
            #[cfg(feature = "testing")]
            Service::Toy(ref $spoken) => $answer,
        }
    };
    (mut $service:expr, $spoken:ident => $answer:expr) => {
        match *$service {
            #[cfg(feature = "testing")]
            Service::Fake(ref mut $spoken) => $answer,
            #[cfg(feature = "testing")]
            Service::Toy(ref mut $spoken) => $answer,
        }
    };
}

#[cfg_attr(not(feature = "testing"), allow(unused_variables, reason = "no protocol is there yet"))]
impl Objects for Service {
    async fn collections(&mut self) -> Result<Vec<Collection>, Trouble> {
        forward!(mut self, spoken => spoken.collections().await)
    }

    async fn make(
        &mut self,
        new: &NewCollection,
    ) -> Result<Result<Collection, Rejection>, Trouble> {
        forward!(mut self, spoken => spoken.make(new).await)
    }

    async fn start_listing(
        &mut self,
        place: &Place,
        since: Option<&str>,
    ) -> Result<Listing, Trouble> {
        forward!(mut self, spoken => spoken.start_listing(place, since).await)
    }

    async fn next_part(&mut self) -> Result<Part, Trouble> {
        forward!(mut self, spoken => spoken.next_part().await)
    }

    async fn read(
        &mut self,
        place: &Place,
        names: &[String],
    ) -> Result<Vec<(String, Read)>, Trouble> {
        forward!(mut self, spoken => spoken.read(place, names).await)
    }

    fn named(&self, kind: Item, stamp: &str) -> String {
        forward!(self, spoken => spoken.named(kind, stamp))
    }

    async fn put(&mut self, place: &Place, puts: Vec<Put>) -> Result<Vec<Stored>, Trouble> {
        forward!(mut self, spoken => spoken.put(place, puts).await)
    }

    async fn remove(&mut self, place: &Place, name: &str, tag: &str) -> Result<Removed, Trouble> {
        forward!(mut self, spoken => spoken.remove(place, name, tag).await)
    }

    async fn remove_collection(&mut self, place: &Place) -> Result<Removed, Trouble> {
        forward!(mut self, spoken => spoken.remove_collection(place).await)
    }
}
