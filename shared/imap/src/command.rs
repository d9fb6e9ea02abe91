//! From values to bytes: commands and their arguments (RFC 9051 section 9, `command`).

use crate::capability::Capabilities;
use crate::error::Error;
use mailbox::{MailboxName, Spelling};

/// Largest non-synchronising literal of LITERAL- (RFC 7888 section 5), in octets.
const LITERAL_MINUS_MAX: u64 = 4096;

/// How the server takes literals, and how names are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    plus: bool,
    minus: bool,
    spelling: Spelling,
}

impl Dialect {
    pub(crate) fn new(capabilities: &Capabilities, spelling: Spelling) -> Self {
        Dialect { plus: capabilities.literal_plus(), minus: capabilities.literal_minus(), spelling }
    }

    /// Whether a literal of this size may be sent without waiting for the server.
    pub(crate) fn is_prompt(&self, size: u64) -> bool {
        self.plus || (self.minus && size <= LITERAL_MINUS_MAX)
    }
}

/// A command on its way out, tag first, without the line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) tag: u32,
    pub(crate) bytes: Vec<u8>,
    /// Where sending must stop until the server asks for more.
    pub(crate) waits: Vec<usize>,
    dialect: Dialect,
}

impl Command {
    pub(crate) fn new(tag: u32, dialect: Dialect, name: &str) -> Self {
        let bytes = format!("A{tag} {name}").into_bytes();
        Command { tag, bytes, waits: Vec::new(), dialect }
    }

    /// What goes on with an open command, such as the next message of a MULTIAPPEND.
    pub(crate) fn more(tag: u32, dialect: Dialect) -> Self {
        Command { tag, bytes: Vec::new(), waits: Vec::new(), dialect }
    }

    /// Appends a space and the start of a literal whose octets the caller sends.
    pub(crate) fn literal_head(mut self, size: u64, binary: bool) -> Self {
        let tilde = if binary { "~" } else { "" };
        let prompt = self.dialect.is_prompt(size);
        let plus = if prompt { "+" } else { "" };
        self.bytes.extend_from_slice(format!(" {tilde}{{{size}{plus}}}\r\n").as_bytes());
        if !prompt {
            self.waits.push(self.bytes.len());
        }
        self
    }

    /// Appends text as it is; a space first is the caller's business.
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    /// Appends a space and a mailbox name.
    pub(crate) fn mailbox(self, name: &MailboxName) -> Result<Self, Error> {
        self.string(name.raw(), "a mailbox name with a NUL")
    }

    /// Appends a space and a string: quoted where that is possible, else a literal.
    pub(crate) fn string(mut self, value: &[u8], what: &'static str) -> Result<Self, Error> {
        self.bytes.push(b' ');
        if value.contains(&0) {
            return Err(Error::Unsendable { what });
        }
        if is_quotable(value, self.dialect.spelling) {
            self.bytes.push(b'"');
            for byte in value {
                if matches!(byte, b'"' | b'\\') {
                    self.bytes.push(b'\\');
                }
                self.bytes.push(*byte);
            }
            self.bytes.push(b'"');
            return Ok(self);
        }
        let size = value.len() as u64;
        let prompt = self.dialect.is_prompt(size);
        let plus = if prompt { "+" } else { "" };
        self.bytes.extend_from_slice(format!("{{{size}{plus}}}\r\n").as_bytes());
        if !prompt {
            self.waits.push(self.bytes.len());
        }
        self.bytes.extend_from_slice(value);
        Ok(self)
    }
}

/// `quoted`: no CR, LF or NUL, and 8-bit only as UTF-8 where that was enabled (RFC 6855 section 3).
fn is_quotable(value: &[u8], spelling: Spelling) -> bool {
    // Servers limit the length of lines, not of literals.
    const QUOTED_MAX: usize = 1000;
    let plain = |byte: &u8| matches!(byte, b' '..=b'~');
    let utf8 = spelling == Spelling::Utf8 && std::str::from_utf8(value).is_ok();
    let clean = |byte: &u8| plain(byte) || (utf8 && *byte >= 0x80);
    value.len() <= QUOTED_MAX && value.iter().all(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(capabilities: &str, spelling: Spelling, value: &str, bytes: &str, waits: &[usize]) {
        let dialect = Dialect::new(&Capabilities::parse(capabilities), spelling);
        let command = Command::new(7, dialect, "SELECT").string(value.as_bytes(), "x").unwrap();
        assert_eq!(String::from_utf8_lossy(&command.bytes), bytes);
        assert_eq!(command.waits, waits);
    }

    #[test]
    fn quotes_where_possible() {
        let spelling = Spelling::ModifiedUtf7;
        check("", spelling, "INBOX", "A7 SELECT \"INBOX\"", &[]);
        check("", spelling, "a \"b\\", "A7 SELECT \"a \\\"b\\\\\"", &[]);
        check("", spelling, "", "A7 SELECT \"\"", &[]);
        check("", spelling, "a\r\nb", "A7 SELECT {4}\r\na\r\nb", &[15]);
        check("LITERAL+", spelling, "ü", "A7 SELECT {2+}\r\nü", &[]);
        check("LITERAL-", spelling, "ü", "A7 SELECT {2+}\r\nü", &[]);
        check("", Spelling::Utf8, "ü", "A7 SELECT \"ü\"", &[]);
        let long = "ü".repeat(2049);
        check("LITERAL-", spelling, &long, &format!("A7 SELECT {{4098}}\r\n{long}"), &[18]);
    }

    #[test]
    fn refuses_nul() {
        let dialect = Dialect::new(&Capabilities::default(), Spelling::Utf8);
        let command = Command::new(1, dialect, "X").string(b"a\0", "a name");
        assert_eq!(command, Err(Error::Unsendable { what: "a name" }));
    }
}
