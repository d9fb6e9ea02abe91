//! End-to-end tests: real servers, the real binary, a real browser.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a panic is a failed test"
)]

mod abuse;
mod api;
mod autodetect;
mod components;
mod crashes;
mod erasure;
mod fair;
mod hostile;
mod large;
mod large_folder;
mod life;
mod logins;
mod notices;
mod pages;
mod pairs;
mod pop;
mod preflight;
mod project_pages;
mod projects;
mod refusals;
mod secrets;
mod servers;
mod spin;
mod stored;
mod strangers;
mod terminal;
mod truth;
