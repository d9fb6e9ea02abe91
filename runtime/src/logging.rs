//! The log: one line an event on standard error, at the level of `--log`.
//!
//! Requests are logged without query and body, which is where passwords and addresses are.

use std::io::Write;

use log::{LevelFilter, Log, Metadata, Record};
use time::OffsetDateTime;
use time::macros::format_description;

struct Lines;

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Other crates' lines may hold what they handle.
        metadata.target().starts_with("runtime")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let format = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        let when = OffsetDateTime::now_utc().format(&format).unwrap_or_default();
        let level = record.level().as_str().to_lowercase();
        // There is nowhere to tell of a broken standard error.
        let _ = writeln!(std::io::stderr().lock(), "{when} {level} {}", record.args());
    }

    fn flush(&self) {}
}

/// Starts logging.
pub fn start(level: LevelFilter) {
    // Fails only where a log is already set up.
    let _ = log::set_logger(&Lines).map(|()| log::set_max_level(level));
}
