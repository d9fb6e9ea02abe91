//! Reads LIST, LSUB, XLIST, STATUS and NAMESPACE (RFC 9051 section 7.3).

use crate::cursor::{Cursor, Malformed};
use crate::listed::{Mailbox, MailboxStatus, NAME_OCTETS_MAX, Namespace, Namespaces};
use mailbox::SpecialUse;
use mailbox::{MailboxName, Spelling};

/// Most namespaces of one kind; real servers have one to three.
const NAMESPACES_MAX: usize = 1_000;

/// `mailbox-list = "(" [mbx-list-flags] ")" SP (DQUOTE QUOTED-CHAR DQUOTE / nil) SP mailbox
/// [SP mbox-list-extended]`.
pub(crate) fn read_mailbox(
    cursor: &mut Cursor<'_>,
    spelling: Spelling,
) -> Result<Mailbox, Malformed> {
    let mut mailbox = Mailbox {
        name: MailboxName::inbox(),
        delimiter: None,
        selectable: true,
        inferiors: true,
        subscribed: false,
        special_use: None,
        status: None,
        overlong: false,
    };
    cursor.expect(b'(', "a list of attributes was expected")?;
    loop {
        cursor.spaces();
        if cursor.eat(b')') {
            break;
        }
        match cursor.flag() {
            b"" => return Err(Malformed("a list of attributes without end")),
            attribute => mailbox.note(&attribute.to_ascii_lowercase()),
        }
    }
    cursor.spaces();
    mailbox.delimiter = read_delimiter(cursor)?;
    cursor.spaces();
    mailbox.name = read_name(cursor, spelling)?;
    if mailbox.name.raw().len() > NAME_OCTETS_MAX {
        mailbox.name = mailbox.name.shortened(NAME_OCTETS_MAX);
        (mailbox.overlong, mailbox.selectable) = (true, false);
    }
    Ok(mailbox)
}

impl Mailbox {
    fn note(&mut self, attribute: &[u8]) {
        let special_use = match attribute {
            b"\\noselect" => return self.selectable = false,
            // RFC 5258 section 3: it implies \Noselect.
            b"\\nonexistent" => return self.selectable = false,
            b"\\noinferiors" => return self.inferiors = false,
            b"\\subscribed" => return self.subscribed = true,
            b"\\all" | b"\\allmail" => SpecialUse::All,
            b"\\archive" => SpecialUse::Archive,
            b"\\drafts" => SpecialUse::Drafts,
            b"\\flagged" | b"\\starred" => SpecialUse::Flagged,
            b"\\important" => SpecialUse::Important,
            b"\\junk" | b"\\spam" => SpecialUse::Junk,
            b"\\sent" => SpecialUse::Sent,
            b"\\trash" => SpecialUse::Trash,
            _ => return,
        };
        // Gmail gives one; where a server gives several, the first is the most specific.
        self.special_use = self.special_use.or(Some(special_use));
    }
}

fn read_delimiter(cursor: &mut Cursor<'_>) -> Result<Option<char>, Malformed> {
    let text = cursor.nstring()?;
    // Empty quotes mean what NIL means (observed: hMailServer without hierarchy).
    Ok(text.and_then(|text| std::str::from_utf8(&text).ok()?.chars().next()))
}

/// A mailbox name. Servers that forget the quotes around a name with spaces exist; where a word
/// is followed by more words, all up to an extension's parenthesis belong to the name.
fn read_name(cursor: &mut Cursor<'_>, spelling: Spelling) -> Result<MailboxName, Malformed> {
    if cursor.at_string() {
        return cursor.string().map(|raw| MailboxName::from_wire(&raw, spelling));
    }
    let rest = cursor.rest();
    cursor.astring()?;
    while cursor.peek() == Some(b' ') {
        let mark = cursor.clone();
        cursor.spaces();
        if cursor.at_end() || cursor.peek() == Some(b'(') || cursor.atom().is_empty() {
            *cursor = mark;
            break;
        }
    }
    let raw = rest.get(..rest.len() - cursor.rest().len()).unwrap_or_default();
    Ok(MailboxName::from_wire(raw, spelling))
}

/// `"STATUS" SP mailbox SP "(" [status-att-list] ")"`, after `STATUS`.
pub(crate) fn read_status_of(
    cursor: &mut Cursor<'_>,
    spelling: Spelling,
) -> Result<(MailboxName, MailboxStatus), Malformed> {
    let name = read_name(cursor, spelling)?;
    let mut status = MailboxStatus::default();
    cursor.spaces();
    cursor.expect(b'(', "a list of figures was expected")?;
    loop {
        cursor.spaces();
        if cursor.eat(b')') {
            return Ok((name, status));
        }
        let item = cursor.atom().to_ascii_uppercase();
        cursor.spaces();
        match &item[..] {
            b"" => return Err(Malformed("a list of figures without end")),
            b"MESSAGES" => status.messages = Some(cursor.number64()?),
            b"SIZE" => status.size = Some(cursor.number64()?),
            // Some servers say 0 or nothing useful for mailboxes they cannot open.
            b"UIDNEXT" => status.uid_next = Some(cursor.number32()?).filter(|n| *n > 0),
            b"UIDVALIDITY" => status.uid_validity = Some(cursor.number32()?).filter(|n| *n > 0),
            b"HIGHESTMODSEQ" => status.highest_modseq = Some(cursor.number64()?),
            b"APPENDLIMIT" => {
                status.append_limit = match cursor.peek().is_some_and(|b| b.is_ascii_digit()) {
                    true => Some(cursor.number64()?),
                    false => cursor.skip_value().map(|()| None)?,
                }
            }
            b"MAILBOXID" => {
                cursor.expect(b'(', "MAILBOXID without parenthesis")?;
                status.mailbox_id = Some(wire::words(cursor.atom()));
                cursor.expect(b')', "MAILBOXID without parenthesis")?;
            }
            _ => cursor.skip_value()?,
        }
    }
}

/// `"NAMESPACE" SP namespace SP namespace SP namespace`, after `NAMESPACE`.
pub(crate) fn read_namespaces(
    cursor: &mut Cursor<'_>,
    spelling: Spelling,
) -> Result<Namespaces, Malformed> {
    let mut kinds = [const { Vec::new() }; 3];
    for kind in &mut kinds {
        cursor.spaces();
        if !cursor.eat(b'(') {
            cursor.skip_value()?;
            continue;
        }
        loop {
            cursor.spaces();
            if cursor.eat(b')') {
                break;
            }
            let namespace = read_namespace(cursor, spelling)?;
            if kind.len() < NAMESPACES_MAX {
                kind.push(namespace);
            }
        }
    }
    let [personal, others, shared] = kinds;
    Ok(Namespaces { personal, others, shared })
}

fn read_namespace(cursor: &mut Cursor<'_>, spelling: Spelling) -> Result<Namespace, Malformed> {
    cursor.expect(b'(', "a namespace was expected")?;
    cursor.spaces();
    let prefix = cursor.astring()?;
    cursor.spaces();
    let delimiter = read_delimiter(cursor)?;
    loop {
        cursor.spaces();
        if cursor.eat(b')') {
            let prefix = MailboxName::from_wire(&prefix, spelling);
            return Ok(Namespace { prefix, delimiter });
        }
        cursor.skip_value()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<Mailbox, Malformed> {
        read_mailbox(&mut Cursor::new(text.as_bytes()), Spelling::ModifiedUtf7)
    }

    #[test]
    fn lists() {
        let mailbox = list(r#"(\Subscribed \HasNoChildren \Drafts) "/" Entw&APw-rfe"#).unwrap();
        assert_eq!(mailbox.name.text(), "Entwürfe");
        assert_eq!((mailbox.delimiter, mailbox.special_use), (Some('/'), Some(SpecialUse::Drafts)));
        assert!(mailbox.subscribed && mailbox.selectable && mailbox.inferiors);
        let mailbox =
            list(r#"(\NonExistent \NoInferiors) "\\" "a \"b\"" ("CHILDINFO" ("SUBSCRIBED"))"#)
                .unwrap();
        assert_eq!((mailbox.name.text(), mailbox.delimiter), (r#"a "b""#, Some('\\')));
        assert!(!mailbox.selectable && !mailbox.inferiors);
        assert_eq!(list("() NIL {3}\r\na{b").unwrap().name.text(), "a{b");
        assert_eq!(list("() \"\" x").unwrap().delimiter, None);
        // Names without the quotes they need, brackets included.
        assert_eq!(list(r#"() "/" [Gmail]/All Mail"#).unwrap().name.text(), "[Gmail]/All Mail");
        assert_eq!(
            list(r#"(\Noselect \AllMail) "/" "[Gmail]""#).unwrap().special_use,
            Some(SpecialUse::All)
        );
        for bad in ["", "(", "()", "() \"/\"", "() \"/\" \"a", "\"/\" a"] {
            assert!(list(bad).is_err(), "{bad}");
        }
    }

    fn status(text: &str) -> Result<(MailboxName, MailboxStatus), Malformed> {
        read_status_of(&mut Cursor::new(text.as_bytes()), Spelling::ModifiedUtf7)
    }

    #[test]
    fn statuses() {
        let (name, own) = status(
            r#""a b" (MESSAGES 231 UIDNEXT 44292 UIDVALIDITY 1 SIZE 5000000000 HIGHESTMODSEQ 9 MAILBOXID (F22) DELETED-STORAGE (1 2) APPENDLIMIT NIL)"#,
        )
        .unwrap();
        let expected = MailboxStatus {
            messages: Some(231),
            size: Some(5_000_000_000),
            uid_next: Some(44_292),
            uid_validity: Some(1),
            highest_modseq: Some(9),
            mailbox_id: Some("F22".into()),
            append_limit: None,
        };
        assert_eq!((name.text(), own), ("a b", expected));
        assert_eq!(status("a b c (MESSAGES 1)").unwrap().0.text(), "a b c");
        assert_eq!(status("x () ").unwrap().1, MailboxStatus::default());
        for bad in ["x", "x (", "x (MESSAGES)", "x (MESSAGES -1)", "x (UIDNEXT 4294967296)"] {
            assert!(status(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn namespaces() {
        let read = |text: &str| read_namespaces(&mut Cursor::new(text.as_bytes()), Spelling::Utf8);
        // RFC 2342 section 5, and Courier's.
        let own = read(r##"(("INBOX." ".")) NIL (("#shared." ".")("shared." "."))"##).unwrap();
        assert_eq!(own.personal[0].prefix.text(), "INBOX.");
        assert_eq!((own.others.len(), own.shared.len()), (0, 2));
        let own = read(r##"(("" "/" "X-PARAM" ("FLAG1" "FLAG2"))("#mh/" NIL)) NIL NIL"##).unwrap();
        assert_eq!(own.personal[1].delimiter, None);
        assert!(read("((").is_err() && read("NIL NIL").is_err() && read("").is_err());
    }
}
