//! The encoding of a text file that does not name one.

use std::io::{self, Read};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How much of a file is looked at for the zero bytes that tell UTF-16 without a mark.
const SAMPLE_BYTES: usize = 4 << 10;
/// What is decoded at a time: some hundred rows.
const CHUNK_BYTES: usize = 16 << 10;

/// The encoding: what the byte order mark says; else UTF-16 where every other byte of the
/// beginning is zero, UTF-8 where all of it is that, and Windows-1252, which Excel writes in
/// Western Europe and in which every byte means something.
pub(super) fn detect(bytes: &[u8]) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return encoding;
    }
    let sample = bytes.get(..SAMPLE_BYTES).unwrap_or(bytes);
    let zeros = |offset: usize| sample.iter().skip(offset).step_by(2).filter(|b| **b == 0).count();
    let (high_first, low_first) = (zeros(0), zeros(1));
    let most = sample.len() / 2 * 3 / 4;
    if sample.len() >= 4 && low_first > most && high_first == 0 {
        UTF_16LE
    } else if sample.len() >= 4 && high_first > most && low_first == 0 {
        UTF_16BE
    } else if std::str::from_utf8(bytes).is_ok() {
        UTF_8
    } else {
        WINDOWS_1252
    }
}

/// The file as UTF-8 without its byte order mark, decoded while it is read.
pub(super) struct Decoded<'b> {
    decoder: Decoder,
    rest: &'b [u8],
    chunk: Vec<u8>,
    /// How much of `chunk` was handed out.
    taken: usize,
    finished: bool,
}

impl<'b> Decoded<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
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
}
