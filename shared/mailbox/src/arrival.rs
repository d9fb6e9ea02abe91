//! When a message arrived, as its header tells: POP3 has no internal date.
//!
//! RFC 5322 section 3.3, with what is really written: zones by unknown names or none, which count
//! as UTC.

use crate::date::InternalDate;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// The date of a `Received` field: what follows its last semicolon (RFC 5321 section 4.4).
pub fn of_received(value: &[u8]) -> Option<InternalDate> {
    let at = memchr::memrchr(b';', value)?;
    of_date(value.get(at + 1..)?)
}

/// The date of a `Date` field.
pub fn of_date(value: &[u8]) -> Option<InternalDate> {
    let text = std::str::from_utf8(value).ok()?;
    let text = text.trim();
    let date = OffsetDateTime::parse(text, &Rfc2822).ok().or_else(|| {
        // Up to the time, which alone has colons, and without a zone that nobody knows.
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let time = words.iter().position(|word| word.contains(':'))?;
        let plain = format!("{} +0000", words.get(..=time)?.join(" "));
        OffsetDateTime::parse(&plain, &Rfc2822).ok()
    })?;
    InternalDate::new(date.unix_timestamp(), date.offset().whole_minutes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let found = of_date(text.as_bytes()).map(|date| date.to_string());
        assert_eq!(found.as_deref(), expected, "{text}");
    }

    #[test]
    fn dates_as_they_are_written() {
        check("Fri, 21 Nov 1997 09:55:06 -0600", Some("21-Nov-1997 09:55:06 -0600"));
        check(" Wed, 01 Jan 2020 10:00:00 +0100 (CET)", Some("01-Jan-2020 10:00:00 +0100"));
        check("1 Jan 20 10:00 EST", Some("01-Jan-2020 10:00:00 -0500"));
        check("Wed, 1 Jan 2020 10:00:00 CEST", Some("01-Jan-2020 10:00:00 +0000"));
        check("Wed, 1 Jan 2020 10:00:00", Some("01-Jan-2020 10:00:00 +0000"));
        check("Wed, 1 Jan 2020 10:00:00 +9999", Some("01-Jan-2020 10:00:00 +0000"));
        check("Mon, 1 Jan 2020 10:00:00 +0000", Some("01-Jan-2020 10:00:00 +0000"));
        for text in ["", ";", "yesterday", "Wed, 32 Jan 2020 10:00:00 +0000", ":", "12:00"] {
            check(text, None);
        }
        assert_eq!(of_date(b"\xff 1 Jan 2020 10:00:00 +0000"), None);
    }

    #[test]
    fn a_received_field_ends_with_its_date() {
        let field = b" from a (b; c) by d with ESMTP id e;\tTue, 4 Feb 2020 11:00:00 +0100 (CET)";
        let found = of_received(field).map(|date| date.to_string());
        assert_eq!(found.as_deref(), Some("04-Feb-2020 11:00:00 +0100"));
        assert_eq!(of_received(b"from a by b"), None);
    }
}
