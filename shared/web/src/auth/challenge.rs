//! What a server asks for: `WWW-Authenticate`, RFC 9110 section 11.6.1.

use std::fmt::Write as _;

use http::{HeaderMap, header};
use http_auth::ChallengeRef;
use http_auth::parser::ChallengeParser;

/// The most challenges that are looked at; Exchange has four.
pub(crate) const CHALLENGES_MAX: usize = 16;
/// The most bytes of a field that are looked at; tokens of Kerberos reach some thousand.
const FIELD_MAX_BYTES: usize = 16 << 10;
/// Schemes from which on a field is read again where something before them could not be.
const KNOWN: [&str; 3] = ["basic ", "digest ", "bearer "];

/// One challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// In lower case.
    pub(crate) scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// A parameter by its name in lower case, without quotes and escapes. The first counts.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is `true`, in any letters.
    pub(crate) fn says(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

/// All challenges of an answer, in their order. What cannot be read (NTLM's and Negotiate's data, a
/// forgotten quote) is passed over.
pub(crate) fn all(headers: &HeaderMap) -> Vec<Challenge> {
    let mut found = Vec::new();
    for value in headers.get_all(header::WWW_AUTHENTICATE) {
        let bytes = value.as_bytes();
        let bytes = bytes.get(..FIELD_MAX_BYTES).unwrap_or(bytes);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            // ISO-8859-1, which fields were written in once (RFC 9110 section 5.5).
            Err(_) => bytes.iter().copied().map(char::from).collect(),
        };
        read(&text, &mut found);
    }
    found
}

/// The library reads ASCII only, but realms have names like "Büro": other letters become their
/// numbers between two tabs, which a quoted string may hold and nobody writes.
fn to_ascii(text: &str) -> String {
    text.chars().fold(String::new(), |mut ascii, letter| {
        match letter {
            '\t' => ascii.push(' '),
            _ if letter.is_ascii() => ascii.push(letter),
            _ => {
                let _ = write!(ascii, "\t{:x}\t", u32::from(letter));
            }
        }
        ascii
    })
}

/// The text that [`to_ascii`] was given, tabs apart.
fn from_ascii(ascii: &str) -> String {
    let mut is_number = true;
    let pieces = ascii.split('\t').map(|piece| {
        is_number = !is_number;
        let letter = u32::from_str_radix(piece, 16).ok().and_then(char::from_u32);
        match (is_number, letter) {
            (true, Some(letter)) => letter.to_string(),
            _ => piece.to_owned(),
        }
    });
    pieces.collect()
}

/// As [`all`], for one field.
pub(crate) fn read(text: &str, found: &mut Vec<Challenge>) {
    let text = to_ascii(text);
    let mut rest = text.as_str();
    // Each turn begins further on, at another known scheme.
    loop {
        let mut is_whole = true;
        for challenge in ChallengeParser::new(rest) {
            match challenge {
                Ok(_) if found.len() >= CHALLENGES_MAX => return,
                Ok(challenge) => found.push(own(&challenge)),
                Err(_) => is_whole = false,
            }
        }
        if is_whole {
            return;
        }
        match after(rest) {
            Some(next) => rest = next,
            None => return,
        }
    }
}

/// The rest of `text` from the next known scheme on that begins after its first letter.
fn after(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase();
    let begins = |scheme: &str| {
        let places = lower.match_indices(scheme).map(|(at, _)| at);
        let stands_free = |at: &usize| {
            *at > 0 && lower.get(..*at).is_some_and(|before| before.ends_with([',', ' ', '\t']))
        };
        places.into_iter().find(stands_free)
    };
    let next = KNOWN.iter().filter_map(|scheme| begins(scheme)).min()?;
    text.get(next..)
}

fn own(challenge: &ChallengeRef<'_>) -> Challenge {
    let parameters = challenge.params.iter();
    let parameters = parameters
        .map(|(name, value)| (name.to_ascii_lowercase(), from_ascii(&value.to_unescaped())));
    Challenge { scheme: challenge.scheme.to_ascii_lowercase(), parameters: parameters.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schemes(fields: &[&[u8]]) -> Vec<(String, Option<String>)> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(header::WWW_AUTHENTICATE, http::HeaderValue::from_bytes(field).unwrap());
        }
        let own = |it: Challenge| (it.scheme.clone(), it.get("realm").map(str::to_owned));
        all(&headers).into_iter().map(own).collect()
    }

    fn is(scheme: &str, realm: &str) -> (String, Option<String>) {
        (scheme.to_owned(), (!realm.is_empty()).then(|| realm.to_owned()))
    }

    #[test]
    fn lists() {
        // RFC 9110 section 11.6.1.
        let both =
            br#"Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\"""#;
        assert_eq!(schemes(&[both]), [is("basic", "simple"), is("newauth", "apps")]);
        assert_eq!(schemes(&[b"Negotiate", b"NTLM", br#"Basic realm="mx""#]).len(), 3);
        assert_eq!(schemes(&[b"BASIC Realm=x"]), [is("basic", "x")]);
        assert_eq!(schemes(&[br#"Basic realm="a, Digest b""#]), [is("basic", "a, Digest b")]);
        assert_eq!(schemes(&[br#"Bearer realm="", error="invalid_token""#]).len(), 1);
        assert_eq!(schemes(&[b"Basic realm=\"b\xfcro\""]), [is("basic", "b\u{fc}ro")]);
        assert_eq!(schemes(&["Basic realm=\"büro\"".as_bytes()]), [is("basic", "büro")]);
    }

    #[test]
    fn odd_ones() {
        let data = b"Negotiate oRQwEqADCgEBoQsGCSqGSIb3EgECAg==, Basic realm=\"x\"";
        assert_eq!(schemes(&[data]).last(), Some(&is("basic", "x")));
        let unquoted = b"Digest realm=Web Access, Basic realm=\"x\"";
        assert_eq!(schemes(&[unquoted]).last(), Some(&is("basic", "x")));
        assert_eq!(schemes(&[b"", b",", b"=", b"\"", b"Basic realm=\"x"]), []);
        assert!(schemes(&[b"Basic basic basic "]).len() <= CHALLENGES_MAX);
        let many = b"Basic realm=x, ".repeat(500);
        assert_eq!(schemes(&[&many]).len(), CHALLENGES_MAX);
    }
}
