//! What servers say, cut to a length that people read and that records have room for.

/// The most characters kept of a server's words: RFC 5321 section 4.5.3.1.5 allows 512 octets in
/// a reply, and nobody reads more of a sentence.
pub const WORDS_MAX: usize = 500;

/// A server's words as text, at most [`WORDS_MAX`] characters of them. What is no UTF-8 becomes
/// U+FFFD.
pub fn words(bytes: &[u8]) -> String {
    // A character takes at most four octets, so more than these are never needed.
    let enough = bytes.get(..4 * WORDS_MAX).unwrap_or(bytes);
    String::from_utf8_lossy(enough).chars().take(WORDS_MAX).collect()
}

/// Octets of a sample.
const SAMPLE_OCTETS: usize = 80;

/// The start of what cannot be read, for people: escaped, at most 80 octets of it.
pub fn sample(bytes: &[u8]) -> String {
    let start = bytes.iter().take(SAMPLE_OCTETS);
    start.flat_map(|byte| byte.escape_ascii()).map(char::from).collect()
}

/// The beginning of `text`, at most `octets` long, on a character's boundary.
pub fn cut(text: &str, octets: usize) -> &str {
    text.get(..text.floor_char_boundary(octets)).unwrap_or(text)
}

/// At most `octets` of a text, with blanks for control characters, which JSON spells with six.
pub fn plain(text: &str, octets: usize) -> String {
    cut(text, octets).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_on_a_character() {
        assert_eq!(words(b"no room"), "no room");
        for character in ["a", "é", "漢", "😀"] {
            let long = character.repeat(2_000_000);
            assert_eq!(words(long.as_bytes()), character.repeat(WORDS_MAX));
            let shifted = format!("x{long}");
            assert_eq!(words(shifted.as_bytes()).chars().count(), WORDS_MAX);
            assert!(!words(shifted.as_bytes()).contains('\u{fffd}'));
        }
        assert_eq!(words(&[0xff; 5_000]), "\u{fffd}".repeat(WORDS_MAX));
    }

    #[test]
    fn samples_are_escaped() {
        assert_eq!(sample(b"* OK\r\n\xff"), "* OK\\r\\n\\xff");
        assert_eq!(sample(&[b'x'; 5_000]).len(), SAMPLE_OCTETS);
    }

    #[test]
    fn cuts_on_a_boundary() {
        assert_eq!(
            (cut("漢字", 5), cut("漢字", 6), cut("漢字", 99), cut("", 0)),
            ("漢", "漢字", "漢字", "")
        );
    }
}
