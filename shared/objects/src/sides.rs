//! What is known of both sides of the collection that is worked on.

use crate::known::Known;
use crate::record::Entry;
use crate::standing::Stock;

/// What is known of both sides of the collection that is worked on.
pub(crate) struct Sides<'s, S> {
    pub(crate) source: &'s mut S,
    pub(crate) destination: &'s mut S,
    pub(crate) known: Known,
    pub(crate) stock: Stock,
    /// What became of objects, not yet in the journal: it is written down together.
    pub(crate) settled: Vec<Entry>,
}
