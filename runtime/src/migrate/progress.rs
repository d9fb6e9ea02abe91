//! What a person sees while a migration runs, and at its end.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};
use serde_json::Value;

/// How often a line is written where standard error is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Counters of all items together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    /// Known after discovery.
    pub(super) total: u64,
    /// Brought over.
    pub(super) migrated: u64,
    /// There already.
    pub(super) skipped: u64,
    /// Left out by the owner's options.
    pub(super) left_out: u64,
    /// Not possible.
    pub(super) failed: u64,
    /// Bytes brought over.
    pub(super) bytes_migrated: u64,
}

impl Totals {
    /// Adds up `progress` of `GET /migrations/{id}`.
    pub(super) fn of(migration: &Value) -> Self {
        let mut totals = Totals::default();
        let items = migration.get("progress").and_then(Value::as_object);
        for counts in items.into_iter().flat_map(|items| items.values()) {
            let count = |name| counts.get(name).and_then(Value::as_u64).unwrap_or(0);
            totals.total += count("total");
            totals.migrated += count("migrated");
            totals.skipped += count("skipped");
            totals.left_out += count("left_out");
            totals.failed += count("failed");
            totals.bytes_migrated += count("bytes_migrated");
        }
        totals
    }

    fn done(&self) -> u64 {
        self.migrated + self.skipped + self.left_out + self.failed
    }
}

/// A progress bar, or lines where standard error is no terminal.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    started: Instant,
    last_line: Instant,
    bytes_at_start: Option<u64>,
}

impl Progress {
    /// Begins.
    pub(super) fn start() -> Self {
        let now = Instant::now();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(style(Known::Nothing));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Progress { bar, started: now, last_line: now, bytes_at_start: None }
    }

    /// Whether a person watches.
    pub(super) fn is_live(&self) -> bool {
        self.bar.is_some()
    }

    /// Shows `GET /migrations/{id}`.
    pub(super) fn show(&mut self, migration: &Value) {
        let totals = Totals::of(migration);
        let before = *self.bytes_at_start.get_or_insert(totals.bytes_migrated);
        let bytes = totals.bytes_migrated.saturating_sub(before);
        let rate = bytes as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        let mut said = doing(migration);
        if bytes > 0 {
            said.push_str(&format!(", {} at {}/s", HumanBytes(bytes), HumanBytes(rate as u64)));
        }
        if totals.failed > 0 {
            said.push_str(&format!(", {} failed", totals.failed));
        }
        match &self.bar {
            Some(bar) => {
                if totals.total > 0 {
                    if bar.length() != Some(totals.total) {
                        bar.set_style(style(Known::Total));
                        bar.set_length(totals.total);
                    }
                    bar.set_position(totals.done());
                }
                bar.set_message(said);
            }
            None if self.last_line.elapsed() >= LINE_EVERY => {
                self.last_line = Instant::now();
                eprintln!("{} of {}: {said}", totals.done(), totals.total);
            }
            None => {}
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

enum Known {
    Nothing,
    Total,
}

fn style(known: Known) -> ProgressStyle {
    let template = match known {
        Known::Nothing => "{spinner} {elapsed} {msg}",
        Known::Total => "{wide_bar} {pos}/{len} {elapsed}, {eta} left\n{msg}",
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The phase, or what is waited for.
fn doing(migration: &Value) -> String {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    if let Some(waiting) = migration.get("waiting").filter(|waiting| !waiting.is_null()) {
        let reason = text(waiting.get("reason")).unwrap_or_default();
        let until = text(waiting.get("until")).unwrap_or_default();
        return format!("waiting until {until}: {reason}");
    }
    text(migration.get("phase")).or_else(|| text(migration.get("status"))).unwrap_or_default()
}

/// The lines at the end.
pub(super) fn summary(migration: &Value, took: Duration) -> String {
    let text = |name| migration.get(name).and_then(Value::as_str).unwrap_or_default();
    let totals = Totals::of(migration);
    let mut lines = vec![format!(
        "{}: {} migrated, {} already there, {} left out, {} failed, {} in {}",
        text("status").replace('_', " "),
        totals.migrated,
        totals.skipped,
        totals.left_out,
        totals.failed,
        HumanBytes(totals.bytes_migrated),
        HumanDuration(took)
    )];
    if let Some(removal) = migration.get("removal").filter(|removal| removal.is_object()) {
        let count = |name| removal.get(name).and_then(Value::as_u64).unwrap_or(0);
        lines.push(format!(
            "taken back: {} messages; still there of what was brought: {}",
            count("removed"),
            count("left")
        ));
    }
    if !text("last_error").is_empty() {
        lines.push(text("last_error").to_owned());
    }
    lines.push(format!("migration {}", text("id")));
    lines.join("\n")
}

/// One line of `GET /migrations/{id}/failures`.
pub(super) fn failure_line(failure: &Value) -> String {
    let text = |name| failure.get(name).and_then(Value::as_str).unwrap_or_default();
    format!(
        "failed: {} {:?} {:?}: {}",
        text("item"),
        text("folder"),
        text("subject"),
        text("reason")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn adds_up_and_sums_up() {
        let migration = json!({"id": "x1", "status": "completed_with_errors", "last_error": null,
            "progress": {
                "mail": {"total": 10, "migrated": 4, "skipped": 3, "failed": 1, "bytes_migrated": 2048},
                "contacts": {"total": 2, "migrated": 2, "skipped": 0, "failed": 0, "bytes_migrated": 0}}});
        let totals = Totals::of(&migration);
        assert_eq!((totals.total, totals.done(), totals.migrated), (12, 10, 6));
        assert_eq!(
            summary(&migration, Duration::from_secs(3)),
            "completed with errors: 6 migrated, 3 already there, 0 left out, 1 failed, 2.00 KiB in 3 seconds\n\
             migration x1"
        );
        assert_eq!(Totals::of(&json!({})), Totals::default());
        let removed = json!({"id": "x1", "status": "completed", "progress": {},
            "removal": {"removed": 96, "left": 2, "kept": 2}});
        let said = summary(&removed, Duration::from_secs(3));
        assert!(
            said.contains("taken back: 96 messages; still there of what was brought: 2"),
            "{said}"
        );
    }

    #[test]
    fn says_what_is_waited_for() {
        assert_eq!(doing(&json!({"status": "running", "phase": "mail", "waiting": null})), "mail");
        assert_eq!(doing(&json!({"status": "pending", "phase": null})), "pending");
        let waiting = json!({"phase": "mail", "waiting": {"until": "12:00", "reason": "busy"}});
        assert_eq!(doing(&waiting), "waiting until 12:00: busy");
    }
}
