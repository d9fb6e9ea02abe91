//! What the server says: a code and lines of text (RFC 5321 section 4.2).

use std::fmt;

/// An enhanced status code (RFC 3463), such as `5.1.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enhanced {
    /// 2 success, 4 for the moment, 5 for good.
    pub class: u8,
    /// Of what: an address, a mailbox, the mail system, …
    pub subject: u16,
    /// What exactly.
    pub detail: u16,
}

/// A reply, all its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The code; its first digit says how it went.
    pub code: u16,
    /// The enhanced status code, where the server gives one.
    pub enhanced: Option<Enhanced>,
    /// The text of all lines, without codes; the server's own words, of each line at most
    /// [`wire::WORDS_MAX`] characters.
    pub lines: Vec<String>,
}

impl Reply {
    /// 2xx.
    pub fn is_done(&self) -> bool {
        self.code / 100 == 2
    }

    /// 3xx: the server waits for more.
    pub fn wants_more(&self) -> bool {
        self.code / 100 == 3
    }

    /// 5xx: the same would be refused again.
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }
}

/// On one line, as a person would quote it; at most [`wire::WORDS_MAX`] characters of the words.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(Enhanced { class, subject, detail }) = self.enhanced {
            write!(f, " {class}.{subject}.{detail}")?;
        }
        let mut room = wire::WORDS_MAX;
        for line in self.lines.iter().filter(|line| !line.is_empty()) {
            let words: String = line.escape_debug().take(room).collect();
            room -= words.chars().count();
            if room == 0 {
                return write!(f, " {words}");
            }
            write!(f, " {words}")?;
        }
        Ok(())
    }
}
