//! The lane against services in memory.

mod bed;
mod cuts;
mod life;
mod whole;
