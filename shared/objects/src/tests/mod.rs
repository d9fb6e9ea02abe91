//! The lane against services in memory.

mod bed;
mod cuts;
mod life;
mod memory;
mod odd;
mod single;
mod whole;
