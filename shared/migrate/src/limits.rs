//! How long anything may take, and how many slices there are at a time: all in one place.
//!
//! A slice has a budget (`slice_seconds`), which it looks at between its steps. A step may take
//! longer: a large message over a slow line, or a server that thinks. So whoever watches the slice
//! ([`crate::watch`]) lets it go on beyond its budget while its lines carry at least
//! [`LEAST_BYTES_PER_S`], measured over [`WINDOW_MS`], and ends it otherwise. However slow a server
//! is, a slice that brings nothing ends `slice_seconds` + [`WINDOW_MS`] after its beginning, and every
//! slice after [`SLICE_MAX_MS`]. Opening a line has limits of its own (`dial::OPEN_TIMEOUT_S`), and
//! so has complete silence, which ends a line after the dialer's `idle_timeout_s`.

/// The rate below which a line does not count as one, in octets a second, both lines of a slice
/// together. A line of 56 kbit/s carries some 6,000; a third of that is left to a server that
/// shares it. One octet every 20 s is none.
pub const LEAST_BYTES_PER_S: u64 = 2_048;

/// Over how long the rate is measured. As long as a server may be silent: one that searches a large
/// folder, or looks a message of 50 MB over for viruses, is honest and sends nothing meanwhile.
pub const WINDOW_MS: u64 = 60_000;

/// The same where migrations wait because there are [`SLICES_MAX`] slices already.
pub const PRESSED_WINDOW_MS: u64 = 15_000;

/// No slice lasts longer. Within this, 50 MB (more than mail servers take as a message) go over a
/// line of 56 kbit/s.
pub const SLICE_MAX_MS: u64 = 2 * 3_600_000;

/// A slice beyond its budget ends after this long where somebody else waits for the place that it
/// holds. 25 MB go over a line of 128 KiB/s meanwhile.
pub const YIELD_AFTER_MS: u64 = 5 * 60_000;

/// Slices at a time, of all drivers of an installation: each has a component of at most 64 MiB,
/// 3 GiB together; observed are some 10 MiB each.
pub const SLICES_MAX: usize = 48;

/// How many of these may go on for long beyond their budget, so that slow lines leave half of the
/// places to all others.
pub const LONG_SLICES_MAX: u32 = 24;

/// How often a slice at work looks whether its owner asks for something, and how its lines fare. A
/// stop is to be seen within 5 s.
pub(crate) const LOOK_MS: u64 = 1_000;

/// A migration whose lines were too slow before, and for which there is no place among the slow ones,
/// looks again after this long.
pub(crate) const SLOW_LOOK_MS: u64 = 15_000;
