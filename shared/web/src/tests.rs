//! Exchanges against transcripts, and against servers in memory.

mod bed;
mod exchanges;
mod lines;
mod logins;
mod receiving;
