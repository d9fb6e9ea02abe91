//! The whole engine against servers in memory: what arrives, and what a power cut leaves.

mod bed;
mod cuts;
mod faults;
mod life;
mod notices;
mod synchronise;
mod whole;
