//! The batch step: `POST /api/v1/advance` has everything that is due taken one slice further, each
//! migration by an instance of its own (`?migration=ID`).
//!
//! In scope: who may call, the settings, the answer `{"advanced", "active", "next_due_at"}`. Out of
//! scope: everything a slice does, which is `migrate`.
//!
//! Invariant: nothing is kept between requests; a caller that hangs up, or a process that dies,
//! loses nothing but the time since the last checkpoint.
// A slice is one future inside another for as many steps as it has; the compiler counts them.
#![recursion_limit = "256"]

#[cfg(target_family = "wasm")]
mod entry;
#[cfg(target_family = "wasm")]
mod hands;
