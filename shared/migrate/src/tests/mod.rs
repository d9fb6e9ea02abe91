//! The whole engine against servers in memory: what arrives, and what a power cut leaves.

mod asks;
mod bed;
mod chaos;
mod cuts;
mod damage;
mod erasing;
mod fake_pop;
mod faults;
mod finding;
mod leases;
mod life;
mod limits;
mod lines;
mod notices;
mod odd;
mod pop;
mod power;
mod preflight;
mod projects;
mod removals;
mod requests;
mod retention;
mod schedule;
mod slow;
mod synchronise;
mod whole;
