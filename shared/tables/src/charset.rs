//! The encoding of a text file that does not name one.
//!
//! What a file is told by: its byte order mark; zero bytes, which only UTF-16 has; whether all of it is
//! UTF-8; and else the letters beyond ASCII, which are counted as browsers do (`chardetng`). A table has
//! few of these, so the countries of the addresses in it say what is likelier: where they are Polish,
//! `Księgowość` is one word in Windows-1250, and nobody means `Ksiêgowoœæ`.

use std::collections::BTreeMap;
use std::io::{self, Read};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// How much of a file is looked at for the zero bytes that tell UTF-16 without a mark.
const SAMPLE_BYTES: usize = 4 << 10;
/// What is decoded at a time: some hundred rows.
const CHUNK_BYTES: usize = 16 << 10;
/// Of this many characters in UTF-16 at least one is ASCII, so that one of its bytes is zero: what
/// parts cells and rows is ASCII, also where all words are Greek.
const ASCII_ONE_IN: usize = 20;

/// The encoding of a file.
pub(crate) fn detect(bytes: &[u8]) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return encoding;
    }
    if let Some(encoding) = utf_16(bytes.get(..SAMPLE_BYTES).unwrap_or(bytes)) {
        return encoding;
    }
    if std::str::from_utf8(bytes).is_ok() {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let country = country(bytes);
    detector.guess(country.as_ref().map(<[u8; 2]>::as_slice), Utf8Detection::Deny)
}

/// UTF-16 without a byte order mark: zero bytes in one half of its characters' bytes, and hardly any in
/// the other.
fn utf_16(sample: &[u8]) -> Option<&'static Encoding> {
    let zeros = |offset: usize| sample.iter().skip(offset).step_by(2).filter(|b| **b == 0).count();
    let (high_first, low_first) = (zeros(0), zeros(1));
    let least = (sample.len() / 2).div_ceil(ASCII_ONE_IN).max(2);
    // The low byte of a letter is seldom zero: Ā (U+0100) is one that has it.
    let is = |many: usize, few: usize| many >= least && few * ASCII_ONE_IN <= many;
    match (is(low_first, high_first), is(high_first, low_first)) {
        (true, false) => Some(UTF_16LE),
        (false, true) => Some(UTF_16BE),
        _ => None,
    }
}

/// The country (ISO 3166) that most addresses of a file end with, as its two small letters.
fn country(bytes: &[u8]) -> Option<[u8; 2]> {
    // At most as many as there are pairs of letters.
    let mut counts: BTreeMap<[u8; 2], usize> = BTreeMap::new();
    for after in bytes.split(|byte| *byte == b'@').skip(1) {
        let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        let length = after.iter().take_while(|byte| part(byte)).count();
        let host = after.get(..length).unwrap_or_default();
        let last = host.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
        if let [first, second] = last
            && length > last.len()
            && last.iter().all(u8::is_ascii_alphabetic)
        {
            let key = [first.to_ascii_lowercase(), second.to_ascii_lowercase()];
            *counts.entry(key).or_default() += 1;
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(country, _)| country)
}

/// The file as UTF-8 without its byte order mark, decoded while it is read.
pub(crate) struct Decoded<'b> {
    decoder: Decoder,
    rest: &'b [u8],
    chunk: Vec<u8>,
    /// How much of `chunk` was handed out.
    taken: usize,
    finished: bool,
}

impl<'b> Decoded<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        let decoder = detect(bytes).new_decoder_with_bom_removal();
        Decoded { decoder, rest: bytes, chunk: Vec::new(), taken: 0, finished: false }
    }

    fn decode(&mut self) {
        self.chunk.resize(CHUNK_BYTES, 0);
        let (result, read, written, _) =
            self.decoder.decode_to_utf8(self.rest, &mut self.chunk, true);
        self.rest = self.rest.get(read..).unwrap_or_default();
        self.chunk.truncate(written);
        self.taken = 0;
        self.finished = matches!(result, CoderResult::InputEmpty);
    }
}

impl Read for Decoded<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.taken >= self.chunk.len() && !self.finished {
            self.decode();
        }
        let ready = self.chunk.get(self.taken..).unwrap_or_default();
        let length = ready.len().min(into.len());
        for (to, from) in into.iter_mut().zip(ready) {
            *to = *from;
        }
        self.taken += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::WINDOWS_1252;

    fn decoded(bytes: &[u8]) -> String {
        let mut text = String::new();
        Decoded::new(bytes).read_to_string(&mut text).unwrap();
        text
    }

    fn utf16(text: &str, big: bool, mark: bool) -> Vec<u8> {
        let mark = mark.then_some(0xfeff);
        let units = mark.into_iter().chain(text.encode_utf16());
        units.flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
    }

    #[test]
    fn every_encoding_is_found_out() {
        let text = "Søurce;naïve;€\r\n".repeat(3000);
        assert_eq!(decoded(text.as_bytes()), text);
        assert_eq!(decoded(format!("\u{feff}{text}").as_bytes()), text);
        for (big, mark) in [(false, true), (true, true), (false, false), (true, false)] {
            assert_eq!(decoded(&utf16(&text, big, mark)), text, "{big} {mark}");
        }
        let (western, _, lost) = WINDOWS_1252.encode(&text);
        assert!(!lost);
        assert_eq!(decoded(&western), text);
        assert_eq!(decoded(b""), "");
    }

    /// An import as somebody there would make it: the header and the addresses are ASCII, the names of
    /// departments are not.
    fn import(country: &str, departments: &[&str]) -> String {
        let header = "Source Login;Source Password;Destination Mail;Destination Password;Group\r\n";
        let row = |(at, group): (usize, &&str)| {
            format!("u{at}@firma.{country};pass{at};u{at}@nowa.{country};tajne{at};{group}\r\n")
        };
        header.to_owned() + &departments.iter().enumerate().map(row).collect::<String>()
    }

    #[test]
    fn words_of_every_country_are_read() {
        let polish = ["Księgowość", "Sprzedaż", "Zarząd", "Dział Łódź", "Obsługa klienta"];
        let czech = ["Účetnictví", "Obchodní oddělení", "Ředitelství", "Zákaznická péče", "Údržba"];
        let greek = ["Λογιστήριο", "Πωλήσεις", "Διοίκηση", "Εξυπηρέτηση πελατών"];
        let russian = ["Бухгалтерия", "Отдел продаж", "Руководство", "Служба поддержки"];
        let italian = ["Contabilità", "Qualità", "Attività", "Pubblicità", "Perché no"];
        let german = ["Geschäftsführung", "Verkäufer", "Büro Köln", "Außendienst"];
        use encoding_rs::{
            ISO_8859_2, ISO_8859_7, KOI8_R, WINDOWS_1250, WINDOWS_1251, WINDOWS_1253,
        };
        let cases: [(&str, &[&str], &[&'static Encoding]); 6] = [
            ("pl", &polish, &[WINDOWS_1250, ISO_8859_2]),
            ("cz", &czech, &[WINDOWS_1250, ISO_8859_2]),
            ("gr", &greek, &[WINDOWS_1253, ISO_8859_7]),
            ("ru", &russian, &[WINDOWS_1251, KOI8_R]),
            ("it", &italian, &[WINDOWS_1252]),
            ("de", &german, &[WINDOWS_1252]),
        ];
        for (country, words, encodings) in cases {
            // Of companies at home, and of those whose addresses say nothing.
            for country in [country, "com"] {
                let text = import(country, words);
                for encoding in encodings {
                    let (bytes, _, lost) = encoding.encode(&text);
                    assert!(!lost);
                    assert_eq!(decoded(&bytes), text, "{} {country}", encoding.name());
                }
                for (big, mark) in [(false, true), (true, true), (false, false), (true, false)] {
                    assert_eq!(decoded(&utf16(&text, big, mark)), text, "UTF-16 {country}");
                }
            }
        }
    }

    /// One letter is too little to count: then the country decides.
    #[test]
    fn one_letter_is_read_as_the_country_writes() {
        use encoding_rs::{WINDOWS_1250, WINDOWS_1251};
        let cases: [(&str, &str, &'static Encoding); 4] = [
            ("pl", "Sprzedaż", WINDOWS_1250),
            ("ru", "Ж", WINDOWS_1251),
            ("fr", "Comptabilité", WINDOWS_1252),
            ("com", "Comptabilité", WINDOWS_1252),
        ];
        for (country, word, encoding) in cases {
            let text = import(country, &["IT", word, "HR"]);
            assert_eq!(decoded(&encoding.encode(&text).0), text, "{country}");
        }
    }

    #[test]
    fn a_few_zeros_make_no_utf_16() {
        assert_eq!(utf_16(b"a;b\r\n\0\0\0\0\0\0"), None, "zeros in both halves");
        assert_eq!(utf_16(b""), None);
        let mut text = b"Source;Destination\r\n".repeat(100);
        text[41] = 0;
        assert_eq!(utf_16(&text), None, "a single one");
        let greek = utf16("Λογιστήριο;Πωλήσεις\r\n", false, false);
        assert_eq!(utf_16(&greek), Some(UTF_16LE));
    }

    #[test]
    fn addresses_tell_their_country() {
        assert_eq!(country(b"a@x.pl;b@y.PL,c@z.com d@e.it"), Some(*b"pl"));
        assert_eq!(country(b"a@b;c@d.com;@;@pl;x.pl"), None);
        // The characters between the letters' cases are no letters.
        assert_eq!(country(b"a@b.[_"), None);
    }
}
