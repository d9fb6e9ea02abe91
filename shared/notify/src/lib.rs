//! Tells owners what happens to their migrations: by mail, and by webhook.
//!
//! In scope: what is to be told, written down in the very write that makes it true; delivering it
//! with retries; the mail as MIME; the webhook's JSON and signature (Standard Webhooks). Out of
//! scope: SMTP (`smtp`), connections (`dial`), the words of a mail (`pages`), when something
//! happens (`migrate`).
//!
//! Reading order: [`outbox`] (what is to be told), [`delivery`] (what became of it),
//! [`deliver`] (one pass over what is due), `mail.rs` with [`mime`], `webhook.rs` with
//! `post.rs` and [`signature`].
//!
//! Invariants: the outbox has one writer, whoever writes the migration's record, and the delivery
//! another, whoever wins its compare-and-swap; a mail is marked as being sent before the line
//! that ends it goes out, so it is sent at most once; a webhook's retries have the same
//! identifier; nothing is tried for longer than [`delivery::GIVE_UP_MS`].
#![forbid(unsafe_code)]
#![allow(async_fn_in_trait)] // single-threaded by design: no `Send` bound is wanted

pub mod deliver;
pub mod delivery;
mod mail;
pub mod mime;
pub mod notice;
pub mod office;
pub mod outbox;
mod post;
pub mod signature;
#[cfg(test)]
mod tests;
mod webhook;

pub use deliver::{Told, tick};
pub use mail::NO_PUBLIC_URL;
pub use office::{Office, Settings};
pub use outbox::Outbox;
