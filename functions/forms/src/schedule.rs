//! When a migration runs, as the API's options say it.

use model::{Options, QuietHours, Repeat, TimeOfDay, Timestamp};
use serde_json::Value;

use crate::input::{Errors, Object, text, wrong_type};
use crate::refusals::{Code, Refusal};
use crate::submission::WORD_MAX_BYTES;

/// The most hours between two runs: a year.
pub const EVERY_HOURS_MAX: u64 = 8_760;
/// How far ahead credentials may be kept for later runs: a year, with its leap day.
pub const KEPT_MAX_MS: u64 = 366 * 86_400_000;
/// Offsets from UTC that there are, in minutes.
pub const ZONES: std::ops::RangeInclusive<i64> = -720..=840;

/// Takes what the options say about the time.
pub fn take(errors: &mut Errors, options: &mut Object, into: &mut Options) {
    into.start_at = moment(errors, options, "start_at");
    into.keep_credentials_until = moment(errors, options, "keep_credentials_until");
    if let Some(value) = options.take("repeat") {
        into.repeat = repeat(errors, value);
    }
    if let Some(value) = options.take("quiet_hours") {
        into.quiet_hours = quiet_hours(errors, value);
    }
}

fn moment(errors: &mut Errors, object: &mut Object, name: &str) -> Option<Timestamp> {
    let text = object.text(errors, name, WORD_MAX_BYTES)?;
    let moment = Timestamp::parse(&text);
    if moment.is_none() {
        let detail = "This must be a moment such as 2026-11-22T15:04:05Z.";
        errors.add(object.at(name), Code::BadDate, detail);
    }
    moment
}

fn repeat(errors: &mut Errors, value: Value) -> Option<Repeat> {
    let mut object = Object::new(errors, "/options/repeat", value)?;
    let every_hours = object.need(errors, "every_hours").and_then(|value| {
        let pointer = object.at("every_hours");
        match value.as_u64() {
            Some(hours @ 1..=EVERY_HOURS_MAX) => u32::try_from(hours).ok(),
            Some(_) => {
                let detail = format!("This must be from 1 to {EVERY_HOURS_MAX} hours.");
                errors.add(pointer, Code::BadValue, detail);
                None
            }
            None => {
                wrong_type(errors, &pointer, "a whole number", &value);
                None
            }
        }
    });
    let until = moment(errors, &mut object, "until");
    let missing = object.at("until");
    object.finish(errors);
    if until.is_none() && !errors.has(&missing) {
        errors.add(missing, Code::Required, "The field until is needed: when the last run begins.");
    }
    Some(Repeat { every_hours: every_hours?, until: until? })
}

fn quiet_hours(errors: &mut Errors, value: Value) -> Option<QuietHours> {
    let mut object = Object::new(errors, "/options/quiet_hours", value)?;
    let mut time = |object: &mut Object, name: &str| {
        let value = object.need(errors, name)?;
        let pointer = object.at(name);
        let text = text(errors, &pointer, value, WORD_MAX_BYTES)?;
        let time = TimeOfDay::parse(&text);
        if time.is_none() {
            errors.add(pointer, Code::BadValue, "This must be a time of day such as 22:30.");
        }
        time
    };
    let (from, to) = (time(&mut object, "from"), time(&mut object, "to"));
    if from.is_some() && from == to {
        let detail = "The quiet hours must end at another time than they begin.";
        errors.add(object.at("to"), Code::BadValue, detail);
    }
    let zone = match object.take("zone") {
        Some(value) => zone(errors, &object.at("zone"), &value),
        None => Some(0),
    };
    object.finish(errors);
    Some(QuietHours { from: from?, to: to?, zone: zone? })
}

/// Minutes ahead of UTC, or `"UTC"`.
fn zone(errors: &mut Errors, pointer: &str, value: &Value) -> Option<i16> {
    let minutes = match value {
        Value::String(text) if text == "UTC" => Some(0),
        other => other.as_i64().filter(|minutes| ZONES.contains(minutes)),
    };
    if minutes.is_none() {
        let detail =
            "This must be UTC, or the minutes that the clock is ahead of it (-720 to 840).";
        errors.add(pointer, Code::BadValue, detail);
    }
    minutes.and_then(|minutes| i16::try_from(minutes).ok())
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
