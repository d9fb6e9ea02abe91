//! INTERNALDATE and the dates of SEARCH (RFC 9051 section 9, `date-time` and `date`).

use std::fmt;
use std::ops::RangeInclusive;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY_S: i64 = 86_400;

/// A moment with the zone in which the server wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InternalDate {
    unix_s: i64,
    zone_minutes: i16,
}

/// A day of SEARCH's `SINCE` and `BEFORE`, without time and zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    days: i64,
}

impl InternalDate {
    /// The moment `unix_s` seconds after 1970-01-01T00:00:00Z, written `zone_minutes` east of
    /// UTC; `None` outside the years 0 to 9999 and beyond 24 hours of zone.
    pub fn new(unix_s: i64, zone_minutes: i16) -> Option<Self> {
        let days = unix_s.checked_add(i64::from(zone_minutes) * 60)?.div_euclid(DAY_S);
        let (year, _, _) = civil(Some(days).filter(|days| days.abs() < 4_000_000)?);
        let fits = (0..=9999).contains(&year) && zone_minutes.unsigned_abs() < 24 * 60;
        fits.then_some(InternalDate { unix_s, zone_minutes })
    }

    /// Reads `dd-Mon-yyyy hh:mm:ss +zzzz`, without quotes.
    ///
    /// `date-day-fixed = (SP DIGIT) / 2DIGIT`; one digit alone is taken too, since quoting
    /// servers trim it. A second of 60 is the leap second and counts as the next one.
    pub fn parse(text: &[u8]) -> Option<Self> {
        // By hand, octet by octet: every message of a listing has one.
        let mut rest = text.trim_ascii();
        let day = digits(&mut rest, 1..=2)?;
        let month = month(&mut rest)?;
        let year = digits(&mut rest, 4..=4)?;
        rest = rest.strip_prefix(b" ")?.trim_ascii_start();
        let hour = digits(&mut rest, 2..=2)?;
        rest = rest.strip_prefix(b":")?;
        let minute = digits(&mut rest, 2..=2)?;
        rest = rest.strip_prefix(b":")?;
        let second = digits(&mut rest, 2..=2)?;
        rest = rest.strip_prefix(b" ")?.trim_ascii_start();
        let (sign, zone) = rest.split_first()?;
        let mut rest = zone;
        let zone = digits(&mut rest, 4..=4)?;
        let zone = (zone / 100) * 60 + zone % 100;
        let zone = match sign {
            b'+' => zone,
            b'-' => -zone,
            _ => return None,
        };
        if !rest.is_empty() || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let days = Day::new(year, month, day)?.days;
        let local_s = days * DAY_S + hour * 3600 + minute * 60 + second;
        InternalDate::new(local_s - zone * 60, i16::try_from(zone).ok()?)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn unix_s(&self) -> i64 {
        self.unix_s
    }

    /// Minutes east of UTC.
    pub fn zone_minutes(&self) -> i16 {
        self.zone_minutes
    }
}

impl Day {
    /// A day of the Gregorian calendar, years 0 to 9999; `None` where there is no such day.
    pub fn new(year: i64, month: i64, day: i64) -> Option<Self> {
        if !(0..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let days = days_of(year, month, day);
        (civil(days) == (year, month, day)).then_some(Day { days })
    }

    /// The day on which a moment falls in UTC; `None` outside the years 0 to 9999.
    pub fn of_unix_s(unix_s: i64) -> Option<Self> {
        let date = InternalDate::new(unix_s, 0)?;
        Some(Day { days: date.unix_s.div_euclid(DAY_S) })
    }
}

/// Days from 1970-01-01, counting years from March so that the leap day comes last.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a number of days from 1970-01-01; the inverse of [`days_of`].
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Takes a number of so many digits.
fn digits(rest: &mut &[u8], width: RangeInclusive<usize>) -> Option<i64> {
    let digits = rest.iter().take(*width.end()).take_while(|byte| byte.is_ascii_digit());
    let (mut value, mut n) = (0, 0);
    for digit in digits {
        value = value * 10 + i64::from(digit - b'0');
        n += 1;
    }
    *rest = rest.get(n..)?;
    width.contains(&n).then_some(value)
}

/// Takes `-Mon-`.
fn month(rest: &mut &[u8]) -> Option<i64> {
    let name = rest.strip_prefix(b"-")?.get(..3)?;
    *rest = rest.get(4..)?.strip_prefix(b"-")?;
    let at = MONTHS.iter().position(|own| own.as_bytes().eq_ignore_ascii_case(name))?;
    Some(1 + at as i64)
}

/// Two digits.
fn two(value: i64) -> [u8; 2] {
    let digit = |n: i64| b'0' + u8::try_from(n.rem_euclid(10)).unwrap_or(0);
    [digit(value / 10), digit(value)]
}

/// `dd-Mon-yyyy`.
fn day_text(days: i64) -> [u8; 11] {
    let (year, month, day) = civil(days);
    let name = usize::try_from(month - 1).ok().and_then(|at| MONTHS.get(at)).unwrap_or(&"Jan");
    let [d1, d2] = two(day);
    let [y1, y2] = two(year / 100);
    let [y3, y4] = two(year);
    let [m1, m2, m3] = name.as_bytes().try_into().unwrap_or(*b"Jan");
    [d1, d2, b'-', m1, m2, m3, b'-', y1, y2, y3, y4]
}

impl fmt::Display for InternalDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local_s = self.unix_s + i64::from(self.zone_minutes) * 60;
        let day = day_text(local_s.div_euclid(DAY_S));
        let s = local_s.rem_euclid(DAY_S);
        let zone = i64::from(self.zone_minutes.abs());
        let ([h1, h2], [m1, m2], [s1, s2]) = (two(s / 3600), two(s / 60 % 60), two(s % 60));
        let ([z1, z2], [z3, z4]) = (two(zone / 60), two(zone % 60));
        let sign = if self.zone_minutes < 0 { b'-' } else { b'+' };
        let time = [b' ', h1, h2, b':', m1, m2, b':', s1, s2, b' ', sign, z1, z2, z3, z4];
        f.write_str(&String::from_utf8_lossy(&day))?;
        f.write_str(&String::from_utf8_lossy(&time))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&day_text(self.days)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, unix_s: i64, zone_minutes: i16, printed: &str) {
        let date = InternalDate::parse(text.as_bytes()).unwrap();
        assert_eq!((date.unix_s(), date.zone_minutes()), (unix_s, zone_minutes), "{text}");
        assert_eq!(date.to_string(), printed);
        assert_eq!(InternalDate::parse(printed.as_bytes()), Some(date));
    }

    /// The smallest number has no positive counterpart; a damaged record may hold it.
    #[test]
    fn no_zone_is_beyond_a_day() {
        for zone_minutes in [i16::MIN, i16::MIN + 1, -1440, 1440, i16::MAX] {
            assert_eq!(InternalDate::new(0, zone_minutes), None, "{zone_minutes}");
        }
        assert!(InternalDate::new(0, -1439).is_some() && InternalDate::new(0, 1439).is_some());
        assert_eq!(InternalDate::new(i64::MIN, 0), None);
    }

    #[test]
    fn reads_and_prints() {
        // RFC 9051 section 7.5.2 and 6.4.5; Cyrus pads with a space, Dovecot with a zero.
        check("17-Jul-1996 02:44:25 -0700", 837_596_665, -420, "17-Jul-1996 02:44:25 -0700");
        check(" 5-Jan-2001 09:11:12 +0000", 978_685_872, 0, "05-Jan-2001 09:11:12 +0000");
        check("05-jan-2001 10:11:12 +0100", 978_685_872, 60, "05-Jan-2001 10:11:12 +0100");
        check("5-Jan-2001  10:11:12 +0545", 978_668_772, 345, "05-Jan-2001 10:11:12 +0545");
        check("31-Dec-1969 23:59:59 +0000", -1, 0, "31-Dec-1969 23:59:59 +0000");
        check("29-Feb-2000 00:00:00 -0030", 951_784_200, -30, "29-Feb-2000 00:00:00 -0030");
        check("31-Dec-2016 23:59:60 +0000", 1_483_228_800, 0, "01-Jan-2017 00:00:00 +0000");
    }

    #[test]
    fn refuses_what_is_no_date() {
        for text in [
            "",
            "NIL",
            "17-Jul-1996",
            "17-Jul-1996 02:44:25",
            "31-Feb-1996 02:44:25 -0700",
            "00-Jan-1996 02:44:25 +0000",
            "17-Jul-96 02:44:25 -0700",
            "17-Juli-1996 02:44:25 -0700",
            "17-Jul-1996 24:44:25 -0700",
            "17-Jul-1996 02:44:25 0700",
            "17-Jul-1996 02:44:25 +9900",
            "17-Jul-1996 02:44:25 -0700 x",
            "-7-Jul-1996 02:44:25 -0700",
        ] {
            assert_eq!(InternalDate::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(InternalDate::new(i64::MAX, 1), None);
        assert_eq!(InternalDate::new(i64::MIN, -1), None);
    }

    #[test]
    fn every_day_has_one_number() {
        for days in (-719_000..2_900_000).step_by(37) {
            let (year, month, day) = civil(days);
            assert_eq!(days_of(year, month, day), days);
        }
        assert_eq!(Day::new(1994, 2, 1).map(|day| day.to_string()).as_deref(), Some("01-Feb-1994"));
        assert_eq!(Day::new(2023, 2, 29), None);
        assert_eq!(Day::of_unix_s(978_685_872), Day::new(2001, 1, 5));
    }
}
