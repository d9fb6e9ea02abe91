//! How long a migration would take, and on what that rests.

use serde::Serialize;

/// Where nothing was measured, a line of 16 Mbit/s is assumed.
const ASSUMED_BYTES_PER_S: u64 = 2_000_000;
/// What a server stores at most when messages are small; Dovecot on a disk takes 300 to 1,000.
const ASSUMED_MESSAGES_PER_S: u64 = 250;

/// How long it would take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Forecast {
    /// In seconds.
    pub seconds: u64,
    /// The rate that it rests on.
    pub bytes_per_second: u64,
    /// Whether that was measured, just now, at the source.
    pub measured: bool,
    /// A sentence that says so.
    pub rests_on: String,
}

/// How much is to be moved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Volume {
    /// Messages.
    pub(crate) messages: u64,
    /// Their octets, where the source tells.
    pub(crate) bytes: Option<u64>,
    /// Folders.
    pub(crate) folders: u64,
    /// Round trip to the destination, in milliseconds.
    pub(crate) round_trip_ms: u64,
}

/// From what was seen, and the rate in octets a second that was `measured` at the source.
pub(crate) fn forecast(volume: Volume, measured: Option<u64>) -> Forecast {
    let bytes_per_second = measured.unwrap_or(ASSUMED_BYTES_PER_S).max(1);
    // The average of the messages that people keep.
    let bytes = volume.bytes.unwrap_or_else(|| volume.messages.saturating_mul(100_000));
    let line_s = bytes / bytes_per_second;
    let store_s = volume.messages / ASSUMED_MESSAGES_PER_S;
    // Both happen side by side; folders are made and looked at one after the other.
    let folders_ms = volume.folders.saturating_mul(4 * volume.round_trip_ms.max(1));
    let seconds = line_s.max(store_s).saturating_add(folders_ms / 1000).saturating_add(2);
    let rests_on = match measured {
        Some(rate) => format!(
            "The source sent a message at {rate} bytes a second just now. The destination is \
             assumed to take as much, and {ASSUMED_MESSAGES_PER_S} messages a second at most."
        ),
        None => format!(
            "Nothing could be measured. Assumed are {ASSUMED_BYTES_PER_S} bytes and \
             {ASSUMED_MESSAGES_PER_S} messages a second."
        ),
    };
    Forecast { seconds, bytes_per_second, measured: measured.is_some(), rests_on }
}
