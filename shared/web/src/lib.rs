//! HTTP/1.1 as a client: requests and answers as values, over lines that somebody else opens.
//!
//! In scope: writing requests and reading answers (RFC 9110, RFC 9112), bodies that stream both ways,
//! lines kept alive, redirections within rules, log-ins (Basic, Digest, Bearer), content codings,
//! `Retry-After`. Out of scope: names, addresses and TLS, which [`Connect`] hides; time limits, which
//! are the caller's; cookies, caches, proxies.
//!
//! Reading order: [`url`], [`request`], [`write`], [`receive`] (pure), [`connection`], [`pool`],
//! [`client`], then [`redirect`], [`auth`], [`coding`], [`retry_after`].
//!
//! Invariants: an answer that breaks off is an error and never a shorter answer; a request that may
//! have arrived is sent again only where twice is the same as once; a login goes to its own origin
//! only; whatever a server sends has a limit with a name.
#![allow(async_fn_in_trait)] // single-threaded by design: no `Send` bound is wanted
#![forbid(unsafe_code)]

mod auth;
mod client;
mod coding;
mod connection;
mod error;
#[cfg(any(test, fuzzing))]
pub mod laws;
mod pool;
mod receive;
mod redirect;
mod request;
mod retry_after;
#[cfg(test)]
mod tests;
mod url;
mod write;

pub use auth::{Clear, Login, Refusal};
pub use client::{Answer, Client, Connect};
pub use coding::{FREE_BYTES, RATIO_MAX};
pub use connection::Line;
pub use error::Error;
pub use receive::{EXTENSIONS_MAX_BYTES, HEAD_MAX_BYTES, TRAILERS_MAX_BYTES};
pub use redirect::{Next, Redirects, next};
pub use request::{Body, Coding, Repeat, Request};
pub use retry_after::{RETRY_AFTER_MAX_S, retry_after_s};
pub use url::{Origin, Scheme, Url};
