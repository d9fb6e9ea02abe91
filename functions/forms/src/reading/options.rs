//! How a migration is made, and when it runs, as the API's options say it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use model::{Options, QuietHours, Repeat, TimeOfDay, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::values::{Day, List, Whole, inline_schema};
use super::{Errors, FromJson, Object, escape, object, text};
use crate::refusals::{Code, Refusal};

/// The most bytes of a folder's name with all its levels.
pub const FOLDER_MAX_BYTES: usize = 1000;
/// The most folders left out, and the most renamed: all options must fit in one stored value.
pub const FOLDERS_MAX: usize = 200;
/// The most hours between two runs: a year.
pub const EVERY_HOURS_MAX: u64 = 8_760;
/// How far ahead credentials may be kept for later runs: a year, with its leap day.
pub const KEPT_MAX_MS: u64 = 366 * 86_400_000;
/// Offsets from UTC that there are, in minutes.
const ZONES: std::ops::RangeInclusive<i64> = -720..=840;

object! {
    /// Choices for one migration; without any of them everything is moved.
    pub struct OptionsBody {
        /// Source folders that are left out, with everything below them. A special-use name such as
        /// `Junk` also matches the folder that the server marks as such.
        may exclude_folders: List<FolderName, FOLDERS_MAX>,
        /// Source folder to destination folder; what lies below moves along. `/` separates levels.
        may folder_map: FolderMap,
        /// Only messages whose internal date is on or after this day (UTC).
        may since: Day,
        /// Only messages whose internal date is before this day (UTC).
        may until: Day,
        /// Messages with more bytes than this are left out and reported.
        may max_item_bytes: Whole<1, { u64::MAX }>,
        /// Whether the manifest has the SHA-256 of each message.
        may content_digests: bool,
        /// Not before this moment.
        may start_at: Timestamp,
        /// Again and again after that, each run a sync point.
        may repeat: RepeatBody,
        /// Not in these hours of the day.
        may quiet_hours: QuietHoursBody,
        /// The credentials stay sealed until this moment, at most a year.
        may keep_credentials_until: Timestamp,
    }
}

object! {
    /// Runs that follow each other.
    pub struct RepeatBody {
        /// Hours from one to the next.
        need every_hours: Whole<1, EVERY_HOURS_MAX>,
        /// When the last run begins.
        need until: Timestamp,
    }
}

object! {
    /// Hours in which nothing is moved.
    pub struct QuietHoursBody {
        /// When they begin.
        need from: TimeOfDay,
        /// When they end; before `from` where midnight lies between.
        need to: TimeOfDay,
        /// Minutes that the clock of `from` and `to` is ahead of UTC.
        may zone: Zone,
    }
}

impl OptionsBody {
    /// The options, unless something is wrong with them.
    pub fn check(self, errors: &mut Errors) -> Option<Options> {
        if let (Some(since), Some(until)) = (&self.since, &self.until)
            && since >= until
        {
            errors.add("/options/until", Code::OutOfOrder, Code::OutOfOrder.title());
        }
        let repeat = self.repeat.and_then(|repeat| {
            let every_hours = u32::try_from(repeat.every_hours?.0).ok()?;
            Some(Repeat { every_hours, until: repeat.until? })
        });
        let excluded = self.exclude_folders.map(|folders| folders.0).unwrap_or_default();
        Some(Options {
            exclude_folders: excluded.into_iter().map(|folder| folder.0).collect(),
            folder_map: self.folder_map.map(|map| map.0).unwrap_or_default(),
            since: self.since.map(|day| day.0),
            until: self.until.map(|day| day.0),
            max_item_bytes: self.max_item_bytes.map(|bytes| bytes.0),
            start_at: self.start_at,
            content_digests: self.content_digests.unwrap_or(false),
            repeat,
            quiet_hours: self.quiet_hours.and_then(|hours| hours.check(errors)),
            keep_credentials_until: self.keep_credentials_until,
        })
    }
}

impl QuietHoursBody {
    fn check(self, errors: &mut Errors) -> Option<QuietHours> {
        let (from, to) = (self.from?, self.to?);
        if from == to {
            let detail = "The quiet hours must end at another time than they begin.";
            errors.add("/options/quiet_hours/to", Code::BadValue, detail);
        }
        Some(QuietHours { from, to, zone: self.zone.map_or(0, |zone| zone.0) })
    }
}

/// The name of a folder, with `/` between levels.
#[derive(Debug)]
pub struct FolderName(pub String);

impl FromJson for FolderName {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        let name = text(errors, pointer, value, FOLDER_MAX_BYTES)?;
        if name.trim().is_empty() {
            errors.add(pointer, Code::Required, "A folder's name is needed.");
            return None;
        }
        Some(FolderName(name))
    }
}

impl JsonSchema for FolderName {
    inline_schema!("FolderName");

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": FOLDER_MAX_BYTES})
    }
}

/// Names of folders, and what they become.
#[derive(Debug)]
pub struct FolderMap(pub BTreeMap<String, String>);

impl FromJson for FolderMap {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        let object = Object::new(errors, pointer, value)?;
        let mut map = BTreeMap::new();
        for (at, (from, value)) in object.rest().enumerate() {
            if at == FOLDERS_MAX {
                let detail = format!("At most {FOLDERS_MAX} folders can be renamed.");
                errors.add(pointer, Code::TooMany, detail);
                return None;
            }
            let shown: String = from.chars().take(60).collect();
            let pointer = format!("{pointer}/{}", escape(&shown));
            let from = FolderName::from_json(errors, &pointer, Value::String(from));
            let to = from.as_ref().and_then(|_| FolderName::from_json(errors, &pointer, value));
            if let (Some(from), Some(to)) = (from, to) {
                map.insert(from.0, to.0);
            }
        }
        Some(FolderMap(map))
    }
}

impl JsonSchema for FolderMap {
    inline_schema!("FolderMap");

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<FolderName>();
        json_schema!({"type": "object", "additionalProperties": name, "maxProperties": FOLDERS_MAX})
    }
}

/// Minutes ahead of UTC, or `"UTC"`.
#[derive(Debug, Clone, Copy)]
pub struct Zone(pub i16);

impl FromJson for Zone {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        let minutes = match &value {
            Value::String(text) if text == "UTC" => Some(0),
            other => other.as_i64().filter(|minutes| ZONES.contains(minutes)),
        };
        if minutes.is_none() {
            let detail =
                "This must be UTC, or the minutes that the clock is ahead of it (-720 to 840).";
            errors.add(pointer, Code::BadValue, detail);
        }
        minutes.and_then(|minutes| i16::try_from(minutes).ok()).map(Zone)
    }
}

impl JsonSchema for Zone {
    inline_schema!("Zone");

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"oneOf": [
            {"const": "UTC"},
            {"type": "integer", "minimum": ZONES.start(), "maximum": ZONES.end()},
        ]})
    }
}

/// Refuses times that lie wrong as the clock stands `now`.
pub fn check(options: &Options, now: Timestamp) -> Result<(), Refusal> {
    let mut errors = Errors::default();
    let begin = options.start_at.unwrap_or(now).max(now);
    let mut ahead = |pointer: &str, moment: Option<Timestamp>, after: Timestamp| {
        let Some(moment) = moment else { return };
        if moment <= after {
            let detail = "This moment is over before the first run begins.";
            errors.add(pointer, Code::BadValue, detail);
        } else if moment.0 > now.0.saturating_add(KEPT_MAX_MS) {
            let detail = "Passwords are kept for later runs for a year at most.";
            errors.add(pointer, Code::BadValue, detail);
        }
    };
    ahead("/options/repeat/until", options.repeat.map(|repeat| repeat.until), begin);
    ahead("/options/keep_credentials_until", options.keep_credentials_until, now);
    errors.finish(Some(()))
}
