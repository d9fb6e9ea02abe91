//! Cleans a host's words of what was sent to it in confidence.
//!
//! Servers repeat what they were told: a refusal quotes the command line, or the answer to a
//! challenge, whole or cut off, in other letters or over several lines. Such words reach logs,
//! records, pages and mails, so a session keeps what it sent while it logged in, and takes every
//! piece of it out of what it hands on. Words that are no echo stay as they are.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::{Zeroize, Zeroizing};

use crate::{Secret, percent, sample};

/// What stands where something was taken out.
pub const MASK: &str = "***";

/// The shortest piece of a secret that is taken out, in characters; a shorter secret is taken out
/// only whole. Fewer would take everyday words, and so tell what the secret is made of.
const PIECE_CHARS: usize = 6;
/// The same for its encodings: base64 and hexadecimal have no everyday words.
const ENCODED_PIECE_CHARS: usize = 8;
/// A secret that is shorter is taken out only where it stands as a word of its own.
const WORD_CHARS: usize = 4;
/// The most characters of words that are looked at; the rest is dropped, since a page shows less.
const TEXT_CHARS: usize = 4096;
/// What is remembered of one log-in: one command, the answers to some challenges, and their forms.
const FORMS_MAX: usize = 64;
/// Words that refusals have anyway; where a piece is no more than this, it tells nothing.
const EVERYDAY: [&str; 14] = [
    "account",
    "accounts",
    "authentication",
    "credential",
    "credentials",
    "incorrect",
    "invalid",
    "failed",
    "mailbox",
    "password",
    "passwort",
    "rejected",
    "server",
    "username",
];

/// What was sent to one host in confidence.
#[derive(Clone, Default)]
pub struct Sent {
    forms: Vec<Form>,
}

/// One spelling of a secret, as [`letters`] has it.
#[derive(Clone)]
struct Form {
    text: Zeroizing<String>,
    /// The shortest piece of it that is taken out.
    piece: usize,
    /// Whether it must stand alone.
    word: bool,
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sent({} forms)", self.forms.len())
    }
}

impl Sent {
    /// Whether nothing was sent, so that there is nothing to take out.
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// Remembers a password or token, and how a server may spell it: in base64 at each of the three
    /// places it can have within a longer text, in hexadecimal, percent-encoded.
    pub fn secret(&mut self, secret: &Secret) {
        self.text(secret.expose());
    }

    /// The same for a secret that is only lent.
    pub fn text(&mut self, secret: &str) {
        self.form(secret, PIECE_CHARS);
        if secret.len() < WORD_CHARS {
            return;
        }
        for shift in 0..3usize {
            let lent: Vec<u8> = std::iter::repeat_n(0, shift).chain(secret.bytes()).collect();
            let shifted = Zeroizing::new(lent);
            let lead = [0, 2, 3].get(shift).copied().unwrap_or(0);
            for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
                let encoded = Zeroizing::new(engine.encode(shifted.as_slice()));
                // The first characters hold the octets in front as well.
                self.encoded(encoded.get(lead..).unwrap_or_default());
            }
        }
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.encoded(&Zeroizing::new(hex));
        self.encoded(&Zeroizing::new(percent::encode(secret)));
    }

    /// Remembers what went out in an encoding of its own, such as a digest.
    pub fn encoded(&mut self, text: &str) {
        self.form(text, ENCODED_PIECE_CHARS);
    }

    fn form(&mut self, text: &str, piece: usize) {
        let text = Zeroizing::new(letters(text).map(|(_, letter)| letter).collect::<String>());
        let length = text.chars().count();
        let known = self.forms.iter().any(|form| form.text == text);
        if length == 0 || known || self.forms.len() >= FORMS_MAX {
            return;
        }
        self.forms.push(Form { text, piece: piece.min(length), word: length < WORD_CHARS });
    }

    /// `text` without what was sent; the same text where there is nothing of it.
    pub fn cleaned(&self, text: &str) -> String {
        if self.forms.is_empty() {
            return text.to_owned();
        }
        let end = text.char_indices().nth(TEXT_CHARS).map_or(text.len(), |(at, _)| at);
        let text = text.get(..end).unwrap_or(text);
        let (places, mut said): (Vec<usize>, Vec<char>) = letters(text).unzip();
        let mut taken = vec![false; said.len()];
        for form in &self.forms {
            form.mark(&said, &mut taken);
        }
        let cleaned = without(text, &places, &said, &taken);
        said.zeroize();
        cleaned
    }

    /// The same for several lines that belong together: a piece may go over their ends.
    pub fn cleaned_lines(&self, lines: &[String]) -> Vec<String> {
        if self.forms.is_empty() || lines.is_empty() {
            return lines.to_vec();
        }
        self.cleaned(&lines.join("\n")).split('\n').map(str::to_owned).collect()
    }

    /// The start of what cannot be read, for people, without what was sent.
    pub fn sample(&self, bytes: &[u8]) -> String {
        match self.is_empty() {
            true => sample(bytes),
            // Before it is cut off, so that no cut hides a piece.
            false => sample(self.cleaned(&String::from_utf8_lossy(bytes)).as_bytes()),
        }
    }
}

impl Form {
    /// Marks every letter of `said` that belongs to a piece of this.
    fn mark(&self, said: &[char], taken: &mut [bool]) {
        let mut own: Vec<char> = self.text.chars().collect();
        let pieces: HashSet<&[char]> = own.windows(self.piece).collect();
        for (at, window) in said.windows(self.piece).enumerate() {
            let alone = |at: Option<usize>| {
                at.and_then(|at| said.get(at)).is_none_or(|letter| !letter.is_alphanumeric())
            };
            let stands = !self.word || (alone(at.checked_sub(1)) && alone(Some(at + self.piece)));
            if stands && pieces.contains(window) {
                taken.iter_mut().skip(at).take(self.piece).for_each(|it| *it = true);
            }
        }
        drop(pieces);
        own.zeroize();
    }
}

/// `text` with [`MASK`] for each run of letters that is taken out.
fn without(text: &str, places: &[usize], said: &[char], taken: &[bool]) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut copied = 0;
    let mut at = 0;
    while at < taken.len() {
        let run = taken.iter().skip(at).take_while(|it| **it).count();
        if run == 0 {
            at += 1;
            continue;
        }
        let word: String = said.iter().skip(at).take(run).collect();
        let (from, last) = (places.get(at), places.get(at + run - 1));
        at += run;
        if EVERYDAY.contains(&word.trim()) {
            continue;
        }
        let (Some(&from), Some(&last)) = (from, last) else { continue };
        let rest = text.get(last..).unwrap_or_default();
        let end = last + rest.chars().next().map_or(0, char::len_utf8);
        cleaned.push_str(text.get(copied..from).unwrap_or_default());
        cleaned.push_str(MASK);
        // What was broken over lines keeps its lines.
        let lines = text.get(from..end).unwrap_or_default().matches('\n').count();
        cleaned.extend(std::iter::repeat_n('\n', lines));
        copied = end;
    }
    cleaned.push_str(text.get(copied..).unwrap_or_default());
    cleaned
}

/// The characters that count when spellings are compared, each with its place: in lower case,
/// without line ends, quotes, and the backslashes in front of quoted characters.
fn letters(text: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    let counts = |letter: char| !matches!(letter, '\\' | '"') && !letter.is_control();
    text.char_indices()
        .filter(move |(_, letter)| counts(*letter))
        .map(|(at, letter)| (at, letter.to_lowercase().next().unwrap_or(letter)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    fn sent(secret: &str) -> Sent {
        let mut sent = Sent::default();
        sent.text(secret);
        sent
    }

    const SECRET: &str = "Zq7-pa\"ss\\word-Zq7";

    /// Every spelling that a server may answer with.
    fn spellings() -> Vec<String> {
        let quoted = SECRET.replace('\\', "\\\\").replace('"', "\\\"");
        let plain = format!("\0anna\0{SECRET}");
        let bearer = format!("user=anna\u{1}auth=Bearer {SECRET}\u{1}\u{1}");
        vec![
            SECRET.to_owned(),
            quoted,
            SECRET.to_uppercase(),
            SECRET.to_lowercase(),
            STANDARD.encode(SECRET),
            STANDARD.encode(plain),
            STANDARD.encode(bearer).to_lowercase(),
            SECRET.bytes().map(|byte| format!("{byte:02X}")).collect(),
            "Zq7-pa%22ss%5Cword-Zq7".to_owned(),
            "Zq7-pa\r\n\"ss\\wo\r\nrd-Zq7".to_owned(),
            "Zq7-pass".to_owned(),
        ]
    }

    #[test]
    fn every_spelling_goes() {
        let mut sent = sent(SECRET);
        sent.encoded(&STANDARD.encode(format!("\0anna\0{SECRET}")));
        for spelling in spellings() {
            let cleaned = sent.cleaned(&format!("LOGIN anna {spelling} is not known here"));
            assert!(cleaned.starts_with("LOGIN anna "), "{cleaned}");
            assert!(cleaned.ends_with(" is not known here"), "{cleaned}");
            assert!(cleaned.contains(MASK), "{spelling}: {cleaned}");
            // Nothing of any length that helps a guess.
            let left: Vec<char> = cleaned.chars().collect();
            let lower = SECRET.to_lowercase();
            for window in left.windows(PIECE_CHARS) {
                let piece: String = window.iter().collect::<String>().to_lowercase();
                assert!(!lower.contains(&piece), "{spelling}: {piece} in {cleaned}");
            }
        }
    }

    #[test]
    fn other_words_stay() {
        for (secret, words) in [
            (SECRET, "[AUTHENTICATIONFAILED] wrong login or password for anna"),
            ("my-password-1", "wrong password"),
            ("a", "a wrong login"),
            ("in", "invalid login"),
            ("secret", ""),
        ] {
            let mut cleaned = sent(secret).cleaned(words);
            if secret == "a" {
                // A word of its own is taken even then.
                cleaned = cleaned.replacen(MASK, "a", 1);
            }
            assert_eq!(cleaned, words, "{secret}");
        }
        assert_eq!(Sent::default().cleaned("anything"), "anything");
    }

    #[test]
    fn lines_stay_lines() {
        let sent = sent("correct-horse-battery");
        let lines = ["5.7.8 you said correct-ho", "rse-battery, no"].map(str::to_owned);
        assert_eq!(sent.cleaned_lines(&lines), ["5.7.8 you said ***", ", no"]);
        assert!(sent.cleaned_lines(&[]).is_empty());
    }

    #[test]
    fn short_secrets_go_where_they_stand_alone() {
        assert_eq!(sent("pw").cleaned("NO anna/pw: spw"), "NO anna/***: spw");
        assert_eq!(sent("pass1").cleaned("xpass1x"), "x***x");
    }

    #[test]
    fn large_tokens_and_texts_are_bounded() {
        let token: String = (0..16_000).map(|n| char::from(b'a' + (n * n % 26) as u8)).collect();
        let cleaned = sent(&token).cleaned(&token.repeat(3));
        assert_eq!(cleaned, MASK);
        assert!(format!("{:?}", sent(&token)).len() < 40);
    }
}
