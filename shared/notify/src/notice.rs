//! One thing that an owner is to be told, and how.

use model::{Event, Timestamp};
use serde::{Deserialize, Serialize};

/// A way to an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// To `notify.email`.
    Mail,
    /// To `notify.webhook`.
    Webhook,
}

/// An event on its way to an owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// From 1, without gaps.
    pub number: u32,
    /// How it goes.
    pub channel: Channel,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}
