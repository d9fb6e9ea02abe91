//! What people see: HTML pages, their style and script, in every language.
//!
//! In scope: turning values of `model` into pages, choosing a language, the files that pages name.
//! Out of scope: HTTP, storage, what a form means.
//!
//! Reading order: [`words`] (the translation catalogue), [`Language`], [`layout`] (what all pages
//! share), then one module a page: [`home`], [`form`] (and `detection` in it), [`preflight`], [`find`], [`tracking`],
//! [`report`], [`token`], [`problem`], those of a [`project`]; [`mail`] is what comes by e-mail;
//! [`show`] writes numbers and times,
//! [`assets`] holds style and script.
//!
//! Invariants: every page works without its script; nothing is loaded from elsewhere, and on pages no
//! script or style is inline, so [`layout::CONTENT_SECURITY_POLICY`] can be strict; a password
//! never gets into a page; what people read comes from the catalogue or from a server's answer.

pub mod assets;
mod detection;
mod filled;
pub mod find;
pub mod form;
pub mod home;
mod labels;
mod language;
pub mod layout;
pub mod mail;
pub mod neutral;
pub mod preflight;
pub mod problem;
pub mod project;
pub mod removal;
pub mod report;
pub mod show;
mod tables;
pub mod token;
pub mod tracking;
pub mod words;

pub use language::Language;
pub use layout::Page;

#[cfg(test)]
mod tests;
