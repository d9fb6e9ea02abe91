//! Names of mailboxes: what people read and what goes over the line (RFC 9051 section 5.1).

use std::fmt;

use crate::utf7;

/// How names are spelled on the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spelling {
    /// RFC 3501 section 5.1.3; every server until UTF8=ACCEPT or IMAP4rev2 is enabled.
    #[default]
    ModifiedUtf7,
    /// RFC 6855 and RFC 9051 section 5.1.
    Utf8,
}

/// The name of a mailbox.
///
/// Equal when the line's bytes are equal, so a server's malformed names stay apart and are sent
/// back exactly as they came. `INBOX` is upper-cased, since it alone ignores case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailboxName {
    raw: Vec<u8>,
    text: String,
}

impl MailboxName {
    /// A name spelled by us.
    pub fn new(text: &str, spelling: Spelling) -> Self {
        let text = inbox(text.as_bytes()).map_or_else(|| text.to_owned(), str::to_owned);
        let raw = match spelling {
            Spelling::ModifiedUtf7 => utf7::encode(&text),
            Spelling::Utf8 => text.clone().into_bytes(),
        };
        MailboxName { raw, text }
    }

    /// The mailbox that every account has.
    pub fn inbox() -> Self {
        MailboxName { raw: b"INBOX".to_vec(), text: "INBOX".to_owned() }
    }

    /// A name as a server spelled it. Where the spelling is broken (8-bit names, a lone `&`), the
    /// text is read as UTF-8 as far as possible and the bytes are kept.
    pub fn from_wire(raw: &[u8], spelling: Spelling) -> Self {
        if let Some(inbox) = inbox(raw) {
            return MailboxName { raw: inbox.as_bytes().to_vec(), text: inbox.to_owned() };
        }
        let text = match spelling {
            Spelling::ModifiedUtf7 => utf7::decode(raw),
            Spelling::Utf8 => String::from_utf8(raw.to_vec()).ok(),
        };
        let text = text.unwrap_or_else(|| String::from_utf8_lossy(raw).into_owned());
        MailboxName { raw: raw.to_vec(), text }
    }

    /// The beginning of a name that is too long, for people: no server knows it.
    pub fn shortened(&self, octets: usize) -> Self {
        let raw = self.raw.get(..octets).unwrap_or(&self.raw).to_vec();
        MailboxName {
            raw,
            text: self
                .text
                .get(..self.text.floor_char_boundary(octets))
                .unwrap_or(&self.text)
                .to_owned(),
        }
    }

    /// The name for people, hierarchy delimiters and all.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The bytes as they go over the line, not quoted.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Whether this is the `INBOX`.
    pub fn is_inbox(&self) -> bool {
        self.text == "INBOX"
    }

    /// Whether the name is spelled as [`MailboxName::new`] would spell its text; if not, the
    /// server's name cannot be rebuilt from the text.
    pub fn is_regular(&self, spelling: Spelling) -> bool {
        MailboxName::new(&self.text, spelling).raw == self.raw
    }

    /// The parts between delimiters; the whole where the mailbox has no hierarchy.
    pub fn split(&self, delimiter: Option<char>) -> Vec<&str> {
        match delimiter {
            Some(delimiter) => self.text.split(delimiter).collect(),
            None => vec![&self.text],
        }
    }

    /// A name of parts joined by the delimiter; `None` where a part is empty or holds it, or
    /// where several parts meet a server without hierarchy.
    pub fn join(parts: &[&str], delimiter: Option<char>, spelling: Spelling) -> Option<Self> {
        let clean = |part: &&str| !part.is_empty() && delimiter.is_none_or(|d| !part.contains(d));
        if parts.is_empty() || !parts.iter().all(clean) {
            return None;
        }
        let text = match (delimiter, parts) {
            (_, [only]) => (*only).to_owned(),
            (Some(delimiter), parts) => parts.join(delimiter.encode_utf8(&mut [0; 4])),
            (None, _) => return None,
        };
        Some(MailboxName::new(&text, spelling))
    }
}

fn inbox(name: &[u8]) -> Option<&'static str> {
    name.eq_ignore_ascii_case(b"INBOX").then_some("INBOX")
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Spelling::{ModifiedUtf7, Utf8};

    #[test]
    fn spelled_both_ways() {
        assert_eq!(MailboxName::new("Entwürfe", ModifiedUtf7).raw(), b"Entw&APw-rfe");
        assert_eq!(MailboxName::new("Entwürfe", Utf8).raw(), "Entwürfe".as_bytes());
        assert_eq!(MailboxName::from_wire(b"Entw&APw-rfe", ModifiedUtf7).text(), "Entwürfe");
        assert_eq!(MailboxName::from_wire(b"R&-D", Utf8).text(), "R&-D");
    }

    #[test]
    fn broken_names_keep_their_bytes() {
        for raw in [&b"R&D"[..], b"Entw\xfcrfe", "Entwürfe".as_bytes(), b"&AGE-", b"&AGF-"] {
            let name = MailboxName::from_wire(raw, ModifiedUtf7);
            assert_eq!(name.raw(), raw);
            assert!(!name.is_regular(ModifiedUtf7), "{name:?}");
        }
        assert_eq!(MailboxName::from_wire("Entwürfe".as_bytes(), ModifiedUtf7).text(), "Entwürfe");
    }

    #[test]
    fn inbox_ignores_case_and_only_inbox() {
        let inbox = MailboxName::from_wire(b"Inbox", ModifiedUtf7);
        assert_eq!((&inbox, inbox.is_inbox()), (&MailboxName::new("iNBOX", Utf8), true));
        assert!(!MailboxName::new("Inbox/x", Utf8).is_inbox());
        assert_eq!(MailboxName::new("Inbox/x", Utf8).raw(), b"Inbox/x");
    }

    #[test]
    fn splits_and_joins() {
        let name = MailboxName::new("a/b c/d", ModifiedUtf7);
        assert_eq!(name.split(Some('/')), ["a", "b c", "d"]);
        assert_eq!(name.split(None), ["a/b c/d"]);
        assert_eq!(MailboxName::join(&["a", "b c", "d"], Some('/'), ModifiedUtf7), Some(name));
        assert_eq!(MailboxName::join(&["a.b", "c"], Some('.'), ModifiedUtf7), None);
        assert_eq!(MailboxName::join(&["a", "b"], None, ModifiedUtf7), None);
        assert_eq!(MailboxName::join(&["a", ""], Some('/'), ModifiedUtf7), None);
        assert_eq!(MailboxName::join(&["a/b"], None, Utf8).map(|n| n.text), Some("a/b".into()));
    }
}
