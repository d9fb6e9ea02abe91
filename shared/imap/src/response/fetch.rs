//! Reads what a FETCH response says about a message (RFC 9051 section 7.5.2).

use std::borrow::Cow;

use crate::attributes::Attributes;
use crate::cursor::{Cursor, Malformed};
use mailbox::InternalDate;
use mailbox::{MailboxName, Spelling};

/// Most labels kept of one message; Gmail allows 10,000 to an account, a message bears a few.
const LABELS_MAX: usize = 1_000;

/// Items of a response, as bits of a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Item {
    Flags = 1,
    InternalDate = 2,
    Size = 4,
    MessageId = 8,
    ModSeq = 16,
    Body = 32,
    Gmail = 64,
}

/// A FETCH response, or its part before or after a body that passes in chunks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fetched {
    pub(crate) attributes: Attributes,
    /// Which items were there, `NIL` ones included.
    items: u8,
    /// A body that came as a quoted string or as a gathered literal.
    pub(crate) body: Option<Vec<u8>>,
}

impl Fetched {
    /// Reads after `FETCH`: `"(" msg-att-item *(SP msg-att-item) ")"`, up to the end or to where a
    /// body begins.
    pub(crate) fn read(
        number: u32,
        mut cursor: Cursor<'_>,
        spelling: Spelling,
    ) -> Result<Self, Malformed> {
        cursor.spaces();
        cursor.expect(b'(', "a list of items was expected")?;
        let mut fetched = Fetched::default();
        fetched.attributes.number = number;
        fetched.read_items(&mut cursor, spelling)?;
        Ok(fetched)
    }

    /// Reads what follows a body.
    pub(crate) fn read_rest(
        number: u32,
        rest: &[u8],
        spelling: Spelling,
    ) -> Result<Self, Malformed> {
        let mut fetched = Fetched::default();
        fetched.attributes.number = number;
        fetched.read_items(&mut Cursor::new(rest), spelling)?;
        Ok(fetched)
    }

    pub(crate) fn has(&self, item: Item) -> bool {
        self.items & item as u8 != 0
    }

    fn read_items(&mut self, cursor: &mut Cursor<'_>, spelling: Spelling) -> Result<(), Malformed> {
        loop {
            cursor.spaces();
            // Some servers leave out the last parenthesis; the response is over all the same.
            if cursor.at_end() || cursor.eat(b')') {
                return Ok(());
            }
            let name = cursor.item_name();
            let section = cursor.section()?;
            if name.is_empty() {
                return Err(Malformed("the name of an item was expected"));
            }
            if !self.read_item(name, section, cursor, spelling)? {
                let mut upper = [0; 16];
                let known = upper.get_mut(..name.len()).is_some_and(|upper| {
                    upper.copy_from_slice(name);
                    upper.make_ascii_uppercase();
                    upper != name
                });
                let upper = upper.get(..name.len()).unwrap_or_default();
                if !known || !self.read_item(upper, section, cursor, spelling)? {
                    cursor.skip_value()?;
                }
            }
        }
    }

    /// Reads the value of an item; `false` where its name is not known as it is written.
    fn read_item(
        &mut self,
        name: &[u8],
        section: &[u8],
        cursor: &mut Cursor<'_>,
        spelling: Spelling,
    ) -> Result<bool, Malformed> {
        let own = &mut self.attributes;
        let item = match name {
            b"UID" => {
                cursor.spaces();
                own.uid = cursor.number32()?;
                return Ok(true);
            }
            b"FLAGS" => {
                own.flags = Some(crate::flags::read(cursor).of_message());
                Item::Flags
            }
            b"INTERNALDATE" => {
                cursor.spaces();
                own.internal_date = cursor.nstring()?.and_then(|text| InternalDate::parse(&text));
                Item::InternalDate
            }
            b"RFC822.SIZE" => {
                cursor.spaces();
                own.size = Some(cursor.number64()?);
                Item::Size
            }
            b"MODSEQ" => {
                cursor.spaces();
                cursor.expect(b'(', "MODSEQ without parenthesis")?;
                own.modseq = Some(cursor.number64()?);
                cursor.expect(b')', "MODSEQ without parenthesis")?;
                Item::ModSeq
            }
            b"BODY" => return self.read_body(section, cursor),
            b"X-GM-MSGID" => {
                cursor.spaces();
                own.gmail_message_id = Some(cursor.number64()?);
                Item::Gmail
            }
            b"X-GM-LABELS" => {
                own.gmail_labels = read_labels(cursor, spelling)?;
                Item::Gmail
            }
            _ => return Ok(false),
        };
        self.items |= item as u8;
        Ok(true)
    }

    /// `BODY[]`, `BODY[HEADER.FIELDS (MESSAGE-ID)]`; other sections and `BODY (structure)` are
    /// left to be skipped.
    fn read_body(&mut self, section: &[u8], cursor: &mut Cursor<'_>) -> Result<bool, Malformed> {
        let header = section.get(..13).is_some_and(|s| s.eq_ignore_ascii_case(b"HEADER.FIELDS"));
        if header {
            cursor.spaces();
            let field = cursor.nstring()?;
            self.attributes.message_id = field.and_then(|field| read_message_id(&field));
            self.items |= Item::MessageId as u8;
            return Ok(true);
        }
        if !section.is_empty() || cursor.peek() == Some(b'(') {
            return Ok(false);
        }
        if cursor.eat(b'<') {
            cursor.number64()?;
            cursor.expect(b'>', "an origin octet without end")?;
        }
        cursor.spaces();
        if cursor.peek() == Some(b'(') {
            return Ok(false);
        }
        self.items |= Item::Body as u8;
        if !cursor.at_end() {
            self.body = cursor.nstring()?.map(Cow::into_owned);
            self.attributes.body = self.body.as_ref().map(|body| body.len() as u64);
        }
        Ok(true)
    }
}

/// The value of the first field: unfolded (RFC 5322 section 2.2.3), trimmed; `None` where empty.
fn read_message_id(field: &[u8]) -> Option<Box<[u8]>> {
    let value = field.get(memchr::memchr(b':', field)? + 1..)?;
    let mut end = 0;
    loop {
        let rest = value.get(end..)?;
        let Some(at) = memchr::memchr(b'\n', rest) else {
            end = value.len();
            break;
        };
        end += at;
        if !matches!(value.get(end + 1), Some(b' ' | b'\t')) {
            break;
        }
        end += 1;
    }
    let value = value.get(..end)?.trim_ascii();
    if value.is_empty() {
        return None;
    }
    match memchr::memchr2(b'\r', b'\n', value) {
        None => Some(value.into()),
        Some(_) => Some(value.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect()),
    }
}

fn read_labels(cursor: &mut Cursor<'_>, spelling: Spelling) -> Result<Vec<String>, Malformed> {
    let mut labels = Vec::new();
    cursor.spaces();
    if !cursor.eat(b'(') {
        return cursor.skip_value().map(|()| labels);
    }
    loop {
        cursor.spaces();
        if cursor.eat(b')') {
            return Ok(labels);
        }
        let label =
            if cursor.at_string() { cursor.string()? } else { Cow::Borrowed(cursor.flag()) };
        if label.is_empty() && cursor.at_end() {
            return Err(Malformed("a list of labels without end"));
        }
        if label.is_empty() {
            cursor.skip(1);
        } else if labels.len() < LABELS_MAX {
            labels.push(match label.strip_prefix(b"\\") {
                Some(_) => String::from_utf8_lossy(&label).into_owned(),
                None => MailboxName::from_wire(&label, spelling).text().to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailbox::SystemFlag;

    fn read(text: &str) -> Fetched {
        Fetched::read(12, Cursor::new(text.as_bytes()), Spelling::ModifiedUtf7).unwrap()
    }

    #[test]
    fn reads_what_servers_send() {
        // RFC 9051 section 7.5.2, Cyrus's order, and items nobody asked for.
        let fetched = read(
            " (flags (\\Seen) X-ODD ((1 \"x)\" {2}\r\n))) y) Uid 7 INTERNALDATE \" 5-Jan-2001 09:11:12 +0000\" \
             RFC822.SIZE 44827 MODSEQ (12121231000) ENVELOPE (\"d\" NIL) BODY (\"TEXT\" \"PLAIN\") BODY[TEXT] NIL)",
        );
        let own = &fetched.attributes;
        assert_eq!(
            (own.number, own.uid, own.size, own.modseq),
            (12, 7, Some(44_827), Some(12_121_231_000))
        );
        assert!(own.flags.as_ref().unwrap().has(SystemFlag::Seen));
        assert_eq!(own.internal_date.unwrap().unix_s(), 978_685_872);
        assert!(!fetched.has(Item::Body) && fetched.has(Item::Size));
        // Exchange: odd spaces.
        assert_eq!(read("  ( UID  5  FLAGS  ( ) )").attributes.uid, 5);
        // A bad date is no reason to stop.
        assert_eq!(read(" (INTERNALDATE \"never\" UID 3)").attributes.uid, 3);
        assert_eq!(read(" (UID 3").attributes.uid, 3);
    }

    #[test]
    fn bodies_of_every_form() {
        assert!(read(" (BODY[] ").has(Item::Body));
        assert_eq!(read(" (BODY[] NIL UID 1)").attributes.body, None);
        assert_eq!(read(" (BODY[]<0> \"ab\" UID 1)").body.as_deref(), Some(&b"ab"[..]));
        let literal = read(" (BODY[] {3}\r\na)c UID 1)");
        assert_eq!((literal.attributes.body, literal.attributes.uid), (Some(3), 1));
        let rest = Fetched::read_rest(12, b" UID 9 FLAGS (\\Draft))", Spelling::Utf8).unwrap();
        assert_eq!(rest.attributes.uid, 9);
    }

    #[test]
    fn message_ids() {
        for (field, value) in [
            ("Message-ID: <a@b>\r\n\r\n", Some("<a@b>")),
            ("message-id:\r\n <a@b>\r\n\r\n", Some("<a@b>")),
            ("Message-Id: <a\r\n\t@b>\r\nMessage-ID: <c@d>\r\n\r\n", Some("<a\t@b>")),
            ("Message-ID: <a@b>", Some("<a@b>")),
            ("Message-ID: \r\n\r\n", None),
            ("\r\n", None),
            ("", None),
        ] {
            assert_eq!(
                read_message_id(field.as_bytes()).as_deref(),
                value.map(str::as_bytes),
                "{field:?}"
            );
        }
        let text =
            " (BODY[HEADER.FIELDS (\"MESSAGE-ID\")] {21}\r\nMessage-ID: <a@b>\r\n\r\n UID 1)";
        assert_eq!(read(text).attributes.message_id.as_deref(), Some(&b"<a@b>"[..]));
        assert_eq!(read(text).attributes.uid, 1);
    }

    #[test]
    fn gmail() {
        let text = r#" (X-GM-MSGID 1278455344230334865 X-GM-LABELS (\Inbox "\\Sent" Important "Entw&APw-rfe" "a b") UID 4)"#;
        let own = read(text).attributes;
        assert_eq!(own.gmail_message_id, Some(1_278_455_344_230_334_865));
        assert_eq!(own.gmail_labels, ["\\Inbox", "\\Sent", "Important", "Entwürfe", "a b"]);
        assert_eq!(own.uid, 4);
    }

    #[test]
    fn refuses_what_cannot_be_followed() {
        for text in [
            " UID 1",
            " (UID x)",
            " (UID 1 ((",
            " (MODSEQ 5)",
            " (RFC822.SIZE -1)",
            " (BODY[HEADER {",
            " (\"x\")",
            " (X-GM-LABELS (",
        ] {
            let read = Fetched::read(1, Cursor::new(text.as_bytes()), Spelling::Utf8);
            assert!(read.is_err(), "{text} {read:?}");
        }
    }
}
