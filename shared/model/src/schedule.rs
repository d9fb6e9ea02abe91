//! When a migration runs: again and again, and not at certain hours. What follows for a migration is in
//! [`crate::migration`].

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Timestamp;

/// A minute in milliseconds.
const MINUTE_MS: u64 = 60_000;
/// An hour in milliseconds.
const HOUR_MS: u64 = 60 * MINUTE_MS;
/// Minutes of a day.
const DAY_MINUTES: u64 = 24 * 60;
/// A slot that a run began this much before is its own: clocks are set right by some minutes.
const CLOCK_ERROR_MS: u64 = 10 * MINUTE_MS;

/// Why a migration waits in its quiet hours, as [`crate::Waiting`] has it.
pub const QUIET_REASON: &str = "These are the quiet hours that you set.";

/// Runs again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// Hours from one run's slot to the next one's, at least 1.
    pub every_hours: u32,
    /// No run begins at this moment or later.
    pub until: Timestamp,
}

/// A time of day, `HH:MM`; minutes since midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay(u16);

/// Hours of the day in which nothing is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// When they begin.
    pub from: TimeOfDay,
    /// When they end; before `from` where midnight lies between.
    pub to: TimeOfDay,
    /// Minutes that the clock of `from` and `to` is ahead of UTC.
    #[serde(default)]
    pub zone: i16,
}

impl TimeOfDay {
    /// Reads `HH:MM`, from 00:00 to 23:59.
    pub fn parse(text: &str) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        let two = |digits: &str, below: u16| {
            let is_number = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| digits.parse::<u16>().ok()).flatten().filter(|n| *n < below)
        };
        Some(TimeOfDay(two(hours, 24)? * 60 + two(minutes, 60)?))
    }
}

impl std::fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl JsonSchema for TimeOfDay {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TimeOfDay".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"})
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        TimeOfDay::parse(&text).ok_or_else(|| serde::de::Error::custom("not a time such as 22:30"))
    }
}

impl QuietHours {
    /// When the quiet hours end that `now` lies in; `None` outside of them.
    pub fn end(&self, now: Timestamp) -> Option<Timestamp> {
        let minute = now.0 / MINUTE_MS;
        let local = i64::try_from(minute).ok()? + i64::from(self.zone);
        let of_day = u64::try_from(local.rem_euclid(1440)).ok()?;
        let after_from = (of_day + DAY_MINUTES - u64::from(self.from.0)) % DAY_MINUTES;
        let length = (u64::from(self.to.0) + DAY_MINUTES - u64::from(self.from.0)) % DAY_MINUTES;
        (after_from < length).then(|| Timestamp((minute + length - after_from) * MINUTE_MS))
    }
}

impl Repeat {
    pub(crate) fn every_ms(&self) -> u64 {
        u64::from(self.every_hours.max(1)) * HOUR_MS
    }

    /// When the next run begins, where the last one began at `begun` and is over `now`: at the first
    /// slot after it, counted from `first`. What was due while it ran is due now, and only once.
    /// However the clock was set, it is at most `every_hours` from `now`.
    pub(crate) fn next(
        &self,
        first: Timestamp,
        begun: Timestamp,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let every_ms = self.every_ms();
        let since = (begun.0 + CLOCK_ERROR_MS).saturating_sub(first.0);
        let slot = first.0 + (since / every_ms + 1) * every_ms;
        let next = Timestamp(slot.clamp(now.0, now.0 + every_ms));
        (next < self.until).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(&format!("2026-11-{text}:00Z")).unwrap()
    }

    fn quiet(from: &str, to: &str, zone: i16) -> QuietHours {
        let time = |text| TimeOfDay::parse(text).unwrap();
        QuietHours { from: time(from), to: time(to), zone }
    }

    #[test]
    fn times_of_day() {
        for text in ["00:00", "23:59", "09:05"] {
            assert_eq!(TimeOfDay::parse(text).map(|time| time.to_string()).as_deref(), Some(text));
        }
        for bad in ["24:00", "9:05", "12:60", "12", "", "+1:00", "12:5 "] {
            assert_eq!(TimeOfDay::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn quiet_hours_end() {
        let night = quiet("22:00", "06:30", 0);
        assert_eq!(night.end(at("10T21:59")), None);
        assert_eq!(night.end(at("10T22:00")), Some(at("11T06:30")));
        assert_eq!(night.end(at("11T06:29")), Some(at("11T06:30")));
        assert_eq!(night.end(at("11T06:30")), None);
        let rome = quiet("08:00", "18:00", 60);
        assert_eq!(rome.end(at("10T06:59")), None);
        assert_eq!(rome.end(at("10T07:00")), Some(at("10T17:00")));
        let honolulu = quiet("20:00", "23:00", -600);
        assert_eq!(honolulu.end(at("10T06:00")), Some(at("10T09:00")));
        assert_eq!(quiet("10:00", "10:00", 0).end(at("10T10:00")), None);
        assert_eq!(honolulu.end(Timestamp(0)), None);
    }

    #[test]
    fn slots_stay_where_they_are() {
        let repeat = Repeat { every_hours: 6, until: at("20T00:00") };
        let first = at("10T01:00");
        let next = |begun, now| repeat.next(first, begun, now);
        assert_eq!(next(first, at("10T01:30")), Some(at("10T07:00")));
        assert_eq!(next(at("10T07:02"), at("10T08:00")), Some(at("10T13:00")));
        // Still going when the next ones are due: one follows at once, and then the slots hold.
        assert_eq!(next(first, at("10T20:00")), Some(at("10T20:00")));
        assert_eq!(next(at("10T20:00"), at("10T20:10")), Some(at("11T01:00")));
        // The clock was a little fast when the slot began: that slot is not run twice.
        assert_eq!(next(at("10T06:58"), at("10T07:05")), Some(at("10T13:00")));
        // Set back by a day while it ran, or forward by a day.
        assert_eq!(next(at("10T07:00"), at("09T07:30")), Some(at("09T13:30")));
        assert_eq!(next(at("10T07:00"), at("11T07:30")), Some(at("11T07:30")));
        assert_eq!(next(at("19T18:50"), at("19T20:00")), None, "not at its end or later");
    }
}
