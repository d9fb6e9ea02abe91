//! Numbers, sizes and times as people read them.

use maud::{Markup, html};
use model::Timestamp;

use crate::words::Words;

/// Between a number and its unit no line ends.
const NBSP: char = '\u{a0}';

/// A whole number with separators between thousands.
pub fn number(words: &Words, n: u64) -> String {
    words.number(n)
}

/// Bytes with three digits and a unit (powers of 1000, as providers sell them).
pub fn bytes(words: &Words, n: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if n < 1000 {
        return format!("{n}{NBSP}B");
    }
    let mut divisor = 1000;
    for (at, unit) in UNITS.iter().enumerate() {
        if n / divisor < 1000 || at + 1 == UNITS.len() {
            let tenths = n / (divisor / 10);
            return if tenths < 1000 {
                format!("{}{}{}{NBSP}{unit}", tenths / 10, words.decimal_separator, tenths % 10)
            } else {
                format!("{}{NBSP}{unit}", number(words, tenths / 10))
            };
        }
        divisor *= 1000;
    }
    String::new()
}

/// Seconds as the two largest units, such as `2 h 5 min`.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}{NBSP}s"),
        60..600 => format!("{}{NBSP}min {}{NBSP}s", seconds / 60, seconds % 60),
        600..3600 => format!("{}{NBSP}min", seconds / 60),
        _ => format!("{}{NBSP}h {}{NBSP}min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Whole per cent, rounded down so that 100 means all; `None` without a total.
pub fn percent(done: u64, total: u64) -> Option<u64> {
    let done = u128::from(done.min(total));
    u64::try_from(done * 100).ok()?.checked_div(total)
}

/// A moment: in UTC, and for the script in a form it can turn into local time.
pub fn moment(at: Timestamp) -> Markup {
    html! { time datetime=(at.rfc3339()) { (moment_text(at)) } }
}

/// A moment as text, in UTC.
pub fn moment_text(at: Timestamp) -> String {
    let exact = at.rfc3339();
    match exact.split_once('T') {
        Some((day, time)) => format!("{day} {} UTC", time.get(..5).unwrap_or_default()),
        None => exact,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Language;

    #[test]
    fn numbers_read_well() {
        let (english, italian) = (Language::En.words(), Language::It.words());
        for (n, expected) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (100, "100")]
        {
            assert_eq!(number(english, n), expected);
        }
        assert_eq!(number(italian, 12_345), "12.345");
        for (n, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (20_480_000, "20.4 MB"),
            (999_999, "999 kB"),
            (u64::MAX, "18,446 PB"),
        ] {
            assert_eq!(bytes(english, n).replace(NBSP, " "), expected);
        }
        assert_eq!(bytes(italian, 20_480_000), "20,4\u{a0}MB");
        for (seconds, expected) in
            [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3599, "59 min"), (7500, "2 h 5 min")]
        {
            assert_eq!(duration(seconds).replace(NBSP, " "), expected);
        }
        assert_eq!(percent(1, 0), None);
        assert_eq!(percent(999, 1000), Some(99));
        assert_eq!(percent(2000, 1000), Some(100));
        assert_eq!(
            moment(Timestamp(0)).into_string(),
            "<time datetime=\"1970-01-01T00:00:00Z\">1970-01-01 00:00 UTC</time>"
        );
    }
}
