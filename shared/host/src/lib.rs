//! Spin behind our traits.
//!
//! In scope: [`Host`] is the network, the HTTP client, the clock and the randomness of `wire`;
//! [`KeyValue`] is the store of `store`; [`settings`] reads the variables. Out of scope: any
//! decision. It runs only inside a component (`wasm32-wasip2`).
//!
//! Reading order: [`network`], [`stream`], [`idle`], [`http`], [`clock`], [`key_value`],
//! [`settings`].
//!
//! Invariants: only interfaces that Spin provides are imported; nothing here holds more than a
//! named limit; nothing waits without one.
#![allow(async_fn_in_trait)] // single-threaded by design: no `Send` bound is wanted

mod clock;
mod http;
mod idle;
mod key_value;
mod network;
mod settings;
mod stream;

pub use http::HTTP_TIMEOUT_S;
pub use key_value::KeyValue;
pub use settings::{BadSetting, Settings, settings};
pub use stream::Tcp;

/// Network, HTTP, clock and randomness of the component.
#[derive(Debug, Clone, Copy, Default)]
pub struct Host;
