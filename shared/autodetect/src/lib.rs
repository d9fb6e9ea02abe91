//! From an e-mail address alone to the servers of its mailbox.
//!
//! In scope: which questions to ask (DNS, the domain's own web servers, Mozilla's database), what
//! their answers mean, whether a server that was named is there and proves its name. Out of scope:
//! passwords (none is ever sent, nor known here), storing what was found (`migrate`).
//!
//! Reading order: [`address`], [`candidate`] (what is found), [`provider`], [`providers`] with the table in
//! [`large`], [`national`] and [`hosters`], [`facts`] (what DNS says), [`ovh`], [`autoconfig`] and [`exchange`]
//! (what documents and refusals say), [`plan`] (from all that to candidates); then what reaches
//! out: [`names`], [`page`], [`probe`], [`detect`].
//!
//! Invariants: every connection goes through `dial`, so its address is one that was looked up and
//! permitted a moment before, and names lead nowhere else in between; a certificate is always
//! checked; nothing takes longer than [`LIMIT_S`]; whatever a stranger's domain answers ends as a
//! candidate or as a sentence, never as a failure.
#![allow(async_fn_in_trait)] // single-threaded by design: no `Send` bound is wanted
#![forbid(unsafe_code)]

pub mod address;
pub mod autoconfig;
pub mod candidate;
mod detect;
pub mod exchange;
pub mod facts;
pub mod hosters;
pub mod large;
#[cfg(any(test, fuzzing))]
pub mod laws;
mod names;
pub mod national;
pub mod ovh;
mod page;
pub mod plan;
mod probe;
pub mod provider;
pub mod providers;

pub use address::Address;
pub use candidate::{Candidate, Detection, Hint};
pub use detect::{LIMIT_S, Settings, detect};

/// Mozilla's database of providers, the place of which a domain follows.
pub const ISPDB_URL: &str = "https://autoconfig.thunderbird.net/v1.1/";

#[cfg(test)]
mod tests;
