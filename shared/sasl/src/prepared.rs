//! SASLprep (RFC 4013): the form of names and passwords in which both sides compute with them.

use std::borrow::Cow;

use zeroize::Zeroizing;

/// Longest text that is prepared, in octets: normalisation takes a multiple of it, and no password
/// is as long.
const TEXT_MAX: usize = 4096;

/// `text` in that form; `None` where it has none, since it has control characters, characters of
/// private use, or letters of both directions of writing in a way that RFC 3454 section 6 forbids.
pub(crate) fn prepared(text: &str) -> Option<Zeroizing<String>> {
    if text.len() > TEXT_MAX {
        return None;
    }
    let prepared = stringprep::saslprep(text).ok()?;
    Some(Zeroizing::new(match prepared {
        Cow::Borrowed(same) => same.to_owned(),
        Cow::Owned(other) => other,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_4013() {
        for (text, form) in [
            ("I\u{ad}X", Some("IX")),
            ("user", Some("user")),
            ("USER", Some("USER")),
            ("\u{aa}", Some("a")),
            ("\u{2168}", Some("IX")),
            ("\u{7}", None),
            ("\u{627}1", None),
        ] {
            let prepared = prepared(text);
            assert_eq!(prepared.as_deref().map(String::as_str), form, "{text:?}");
        }
    }

    #[test]
    fn letters_beyond_ascii() {
        // Composed and decomposed are the same password; a space of another kind is a space.
        for text in ["Käse\u{a0}ü", "Ka\u{308}se u\u{308}"] {
            assert_eq!(prepared(text).as_deref().map(String::as_str), Some("Käse ü"));
        }
        assert!(prepared(&"ü".repeat(TEXT_MAX)).is_none());
    }
}
