//! Modified UTF-7 of mailbox names (RFC 3501 section 5.1.3).

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// Writes a name in modified UTF-7: printable ASCII as it is, `&` as `&-`, runs of the rest as
/// `&` base64 of UTF-16BE `-`.
pub fn encode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut shifted: Vec<u16> = Vec::new();
    for character in text.chars() {
        if !(' '..='~').contains(&character) {
            let mut units = [0; 2];
            shifted.extend_from_slice(character.encode_utf16(&mut units));
            continue;
        }
        flush(&mut shifted, &mut out);
        match character {
            '&' => out.extend_from_slice(b"&-"),
            plain => out.extend(u8::try_from(plain)),
        }
    }
    flush(&mut shifted, &mut out);
    out
}

fn flush(units: &mut Vec<u16>, out: &mut Vec<u8>) {
    if units.is_empty() {
        return;
    }
    out.push(b'&');
    let (mut bits, mut held) = (0u32, 0);
    for unit in units.drain(..) {
        bits = bits << 16 | u32::from(unit);
        held += 16;
        while held >= 6 {
            held -= 6;
            out.push(letter(bits >> held));
            bits &= (1 << held) - 1;
        }
    }
    if held > 0 {
        out.push(letter(bits << (6 - held)));
    }
    out.push(b'-');
}

fn letter(value: u32) -> u8 {
    ALPHABET.get((value & 63) as usize).copied().unwrap_or(b'A')
}

/// Reads modified UTF-7; `None` where the bytes are none.
///
/// Forms that decode but are not what [`encode`] writes (a printable character in base64, two
/// shifts in a row, bits left over) give text: whether the spelling is the regular one is for
/// the caller to compare.
pub fn decode(raw: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        match byte {
            b'&' => {
                let end = memchr::memchr(b'-', after)?;
                match after.get(..end)? {
                    [] => text.push('&'),
                    base64 => text.push_str(&decode_shifted(base64)?),
                }
                rest = after.get(end + 1..)?;
            }
            b' '..=b'~' => {
                text.push(char::from(byte));
                rest = after;
            }
            _ => return None,
        }
    }
    Some(text)
}

fn decode_shifted(base64: &[u8]) -> Option<String> {
    let mut units = Vec::with_capacity(base64.len() * 6 / 16);
    let (mut bits, mut held) = (0u32, 0);
    for byte in base64 {
        let value = ALPHABET.iter().position(|letter| letter == byte)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        held += 6;
        if held >= 16 {
            held -= 16;
            units.push(u16::try_from(bits >> held).ok()?);
            bits &= (1 << held) - 1;
        }
    }
    // Padding is less than one letter, and zero.
    let whole = held < 6 && bits == 0;
    whole.then(|| String::from_utf16(&units).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_both_ways() {
        for (text, raw) in [
            ("INBOX", "INBOX"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"), // RFC 3501 section 5.1.3
            ("Entwürfe", "Entw&APw-rfe"),
            ("Posta & affini", "Posta &- affini"),
            ("Отправленные", "&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-"),
            ("📬", "&2D3c7A-"),
            ("a\tb\u{7f}", "a&AAk-b&AH8-"),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8(encode(text)).as_deref(), Ok(raw));
            assert_eq!(decode(raw.as_bytes()).as_deref(), Some(text));
        }
    }

    #[test]
    fn refuses_what_is_none() {
        // Raw 8-bit, no end, lone surrogate, half a unit, a letter too many, other alphabets.
        for raw in ["Entw\u{fc}rfe", "R&D", "&2D0-", "&AA-", "&AGEA-", "&AG/-", "&AGF-", "&A G-"] {
            assert_eq!(decode(raw.as_bytes()), None, "{raw}");
        }
    }

    #[test]
    fn irregular_spellings_are_read() {
        assert_eq!(decode(b"&AGE-").as_deref(), Some("a"));
        assert_eq!(decode(b"&APw-&APw-").as_deref(), Some("üü"));
    }
}
