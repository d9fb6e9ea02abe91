//! What the end-to-end tests stand on: real servers, the real binary, a real browser.
//!
//! In scope: starting and ending Dovecot, Cyrus, Courier and scripted servers on free loopback
//! ports; the application as a process; clients of the tests' own for IMAP, HTTP and WebDriver,
//! which share no code with the application. Out of scope: the tests (`cases/`).
//!
//! Reading order: [`process`], [`tls`], [`servers`], [`mailbox`], [`content`], [`http`], [`app`],
//! [`stored`], [`doh`], [`dns`], [`site`], [`browser`].
//!
//! Invariants: whatever is started ends with the value that stands for it, and with the test
//! process at the latest; what cannot be started is a failure that says what to install, never
//! a test passed over.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a panic is a failed test"
)]

pub mod app;
pub mod browser;
pub mod content;
pub mod dns;
pub mod doh;
pub mod http;
pub mod mailbox;
pub mod process;
pub mod servers;
pub mod site;
pub mod stored;
pub mod tls;
