//! Counters, in the text that Prometheus reads (exposition format 0.0.4).

use std::fmt::Write;

use migrate::backlog::backlog;
use store::metrics::ALL;
use store::{Store, keys};

use crate::answer::Answer;
use crate::app::{App, Outside};
use crate::refusals::Refusal;

/// `GET /metrics`.
pub async fn answer<O: Outside>(app: &App<O>) -> Result<Answer, Refusal> {
    let store = app.store();
    let names: Vec<String> = ALL.iter().map(|(name, _)| keys::metric(name)).collect();
    let values = store.get_many(&names).await?;
    let mut text = String::new();
    for ((name, help), value) in ALL.iter().zip(values) {
        let value = value.map_or(0, |bytes| read_counter(&bytes));
        metric(&mut text, (&format!("{name}_total"), "counter"), help, value);
    }
    let backlog = backlog(store, app.now().0, &app.boot).await?;
    let mut gauge = |name: &str, help: &str, value: u64| {
        metric(&mut text, (name, "gauge"), help, value);
    };
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    gauge("migrations_active", "Migrations that have something to do", number(backlog.active));
    let help = "For how long that waits which is due first and nobody works on";
    gauge("oldest_due_seconds", help, backlog.oldest_ms / 1000);
    let help = "Lists of what is due that cannot be read";
    gauge("damaged_lists", help, number(backlog.damaged));
    let help = "Slices that are beyond their budget, over slow lines";
    gauge("long_slices", help, migrate::long_slices(store).await?.into());
    let media_type = "text/plain; version=0.0.4; charset=utf-8";
    Ok(Answer::whole(200, media_type, text.into()))
}

fn metric(text: &mut String, (name, kind): (&str, &str), help: &str, value: u64) {
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "# HELP trasloco_{name} {help}.\n# TYPE trasloco_{name} {kind}\ntrasloco_{name} {value}\n"
    );
}

/// Stores keep a counter as eight bytes, little endian (SQLite) or as decimal text (Redis). Eight
/// digits read as a number would be beyond 3·10^18, where no counter gets.
fn read_counter(bytes: &[u8]) -> u64 {
    let text = std::str::from_utf8(bytes).ok();
    if let Some(n) = text.and_then(|text| text.parse().ok()) {
        return n;
    }
    <[u8; 8]>::try_from(bytes).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_both_kinds() {
        for (bytes, expected) in
            [(&b"\x07\x01\0\0\0\0\0\0"[..], 263), (b"12345678", 12_345_678), (b"5", 5), (b"", 0)]
        {
            assert_eq!(read_counter(bytes), expected);
        }
    }
}
