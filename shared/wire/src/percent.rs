//! Percent-encoding (RFC 3986 section 2.1).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but what is unreserved, RFC 3986 section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `text` for a place in a path or a query: every octet that is not unreserved is encoded.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// What `text` stands for; `None` where `%` is not followed by two hexadecimal digits, or where the
/// octets are no UTF-8.
pub fn decode(text: &str) -> Option<String> {
    // The library leaves a % as it is that is followed by something else.
    let is_octet = |rest: &str| {
        let digits = rest.as_bytes().first_chunk::<2>();
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let whole = text.split('%').skip(1).all(is_octet);
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    whole.then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_unreserved_stays() {
        assert_eq!(encode("a+b@ü c"), "a%2Bb%40%C3%BC%20c");
        assert_eq!(encode("AZaz09-._~"), "AZaz09-._~");
        assert_eq!(
            encode("%:/?#[]!$&'()*,;=\"\0"),
            "%25%3A%2F%3F%23%5B%5D%21%24%26%27%28%29%2A%2C%3B%3D%22%00"
        );
    }

    #[test]
    fn what_was_encoded_comes_back() {
        for text in ["", "anna@example.org", "Käse %41 100%", "\u{10ffff}\n"] {
            assert_eq!(decode(&encode(text)).as_deref(), Some(text));
        }
        assert_eq!(decode("a%3ab+c%C3%bc").as_deref(), Some("a:b+cü"));
    }

    #[test]
    fn what_is_no_octet_is_refused() {
        for text in ["a%4", "a%", "a%+1", "%%", "%4%41", "%ü", "%zz", "%ff", "%c3", "%25%"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
