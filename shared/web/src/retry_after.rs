//! When to come again: `Retry-After`, RFC 9110 section 10.2.3, with 429 (RFC 6585) and 503.

use std::time::UNIX_EPOCH;

use http::{HeaderMap, HeaderName, header};

/// The longest time that a server is believed, in seconds: a day. Whoever says more has a clock that
/// is wrong, or means never.
pub const RETRY_AFTER_MAX_S: u32 = 86_400;

/// How many seconds from now on the server wants to be left alone; `None` where it says nothing
/// that can be read. A date counts from the server's own clock where it tells that (`Date`), else
/// from `now_s`, seconds since 1970.
pub fn retry_after_s(headers: &HeaderMap, now_s: u64) -> Option<u32> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse().unwrap_or(RETRY_AFTER_MAX_S).min(RETRY_AFTER_MAX_S));
    }
    let until_s = seconds(text)?;
    let from_s = date_s(headers, header::DATE).unwrap_or(now_s);
    let wait_s = until_s.saturating_sub(from_s);
    Some(u32::try_from(wait_s).unwrap_or(RETRY_AFTER_MAX_S).min(RETRY_AFTER_MAX_S))
}

fn date_s(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    seconds(headers.get(name)?.to_str().ok()?.trim())
}

fn seconds(date: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(date).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 section 5.6.7.
    const THEN_S: u64 = 784_111_777;

    fn read(retry_after: &str, date: Option<&str>) -> Option<u32> {
        let mut headers = HeaderMap::new();
        headers.append(header::RETRY_AFTER, retry_after.parse().unwrap());
        if let Some(date) = date {
            headers.append(header::DATE, date.parse().unwrap());
        }
        retry_after_s(&headers, THEN_S - 10)
    }

    #[test]
    fn seconds_and_dates() {
        assert_eq!(read("120", None), Some(120));
        assert_eq!(read(" 0 ", None), Some(0));
        assert_eq!(read("99999999999999999999", None), Some(RETRY_AFTER_MAX_S));
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(read(date, None), Some(10), "{date}");
            assert_eq!(read(date, Some("Sun, 06 Nov 1994 08:49:07 GMT")), Some(30), "{date}");
        }
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT", Some("yesterday")), Some(10));
        assert_eq!(read("Sat, 05 Nov 1994 08:49:37 GMT", None), Some(0));
        assert_eq!(read("Fri, 31 Dec 2100 23:59:59 GMT", None), Some(RETRY_AFTER_MAX_S));
        for wrong in ["", "soon", "-1", "1.5", "+5", "Sun, 32 Nov 1994 08:49:37 GMT"] {
            assert_eq!(read(wrong, None), None, "{wrong}");
        }
        assert_eq!(retry_after_s(&HeaderMap::new(), 0), None);
    }
}
