//! Mailbox names: modified UTF-7 (RFC 3501 section 5.1.3) and INBOX in any case.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

fn engine() -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&alphabet::IMAP_MUTF7, config)
}

/// Encodes a Unicode name in modified UTF-7.
pub fn to_utf7(name: &str) -> String {
    let mut out = String::new();
    let mut pending: Vec<u16> = Vec::new();
    let flush = |pending: &mut Vec<u16>, out: &mut String| {
        if !pending.is_empty() {
            let octets: Vec<u8> = pending.drain(..).flat_map(u16::to_be_bytes).collect();
            out.push('&');
            out.push_str(&engine().encode(octets));
            out.push('-');
        }
    };
    for letter in name.chars() {
        if (' '..='~').contains(&letter) {
            flush(&mut pending, &mut out);
            out.push(letter);
            if letter == '&' {
                out.push('-');
            }
        } else {
            pending.extend(letter.encode_utf16(&mut [0; 2]).iter());
        }
    }
    flush(&mut pending, &mut out);
    out
}

/// Decodes modified UTF-7; `None` where the name is not valid.
pub fn from_utf7(name: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = name;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        let end = start + rest[start..].find('-')?;
        let coded = &rest[start + 1..end];
        if coded.is_empty() {
            out.push('&');
        } else {
            let octets = engine().decode(coded).ok()?;
            if octets.len() % 2 != 0 {
                return None;
            }
            let units = octets.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            for letter in char::decode_utf16(units) {
                out.push(letter.ok()?);
            }
        }
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Some(out)
}

/// INBOX is the same mailbox in any case (RFC 3501 section 5.1); also as a parent.
pub(crate) fn canonical(name: &str, delimiter: &str) -> String {
    match name.get(..5) {
        Some(head) if head.eq_ignore_ascii_case("INBOX") => {
            let tail = &name[5..];
            if tail.is_empty() || tail.starts_with(delimiter) {
                return format!("INBOX{tail}");
            }
            name.to_owned()
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_both_ways() {
        for (plain, coded) in [
            ("Entwürfe", "Entw&APw-rfe"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("A&B", "A&-B"),
            ("😀", "&2D3eAA-"),
        ] {
            assert_eq!(to_utf7(plain), coded);
            assert_eq!(from_utf7(coded).as_deref(), Some(plain));
        }
        assert_eq!(from_utf7("a&b"), None);
        assert_eq!(canonical("inbox.a", "."), "INBOX.a");
        assert_eq!(canonical("Inboxes", "."), "Inboxes");
    }
}
