//! Moments, to the millisecond.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since 1970-01-01T00:00:00Z; RFC 3339 in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// `2026-11-22T15:04:05Z`, to the second.
    pub fn rfc3339(self) -> String {
        let seconds = i64::try_from(self.0 / 1000).unwrap_or(i64::MAX);
        OffsetDateTime::from_unix_timestamp(seconds)
            .ok()
            .and_then(|moment| moment.format(&Rfc3339).ok())
            .unwrap_or_else(|| "9999-12-31T23:59:59Z".to_owned())
    }

    /// Reads RFC 3339; moments before 1970 are refused.
    pub fn parse(text: &str) -> Option<Self> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok().map(Timestamp)
    }

    /// Start of a day `YYYY-MM-DD`, UTC.
    pub fn parse_day(text: &str) -> Option<Self> {
        Timestamp::parse(&format!("{text}T00:00:00Z"))
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let about = "A moment (RFC 3339), from 1970 on.";
        json_schema!({"type": "string", "format": "date-time", "description": about})
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.rfc3339())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::parse(&text)
            .ok_or_else(|| serde::de::Error::custom("not a moment in RFC 3339, from 1970 on"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        for text in ["1970-01-01T00:00:00Z", "2026-11-22T15:04:05Z"] {
            assert_eq!(Timestamp::parse(text).map(Timestamp::rfc3339).as_deref(), Some(text));
        }
        assert_eq!(
            Timestamp::parse("2026-11-22T16:04:05+01:00"),
            Timestamp::parse("2026-11-22T15:04:05Z")
        );
        for bad in ["", "yesterday", "1969-12-31T23:59:59Z", "2026-02-30T00:00:00Z"] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
    }
}
