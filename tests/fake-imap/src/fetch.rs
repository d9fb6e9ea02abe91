//! FETCH: RFC 3501 section 6.4.5, MODSEQ, CHANGEDSINCE and VANISHED of RFC 7162.

use wire::{Bytes, Stream};

use crate::account::Stored;
use crate::command::{Arg, Command};
use crate::header::{fields, header_end};
use crate::odd::Odd;
use crate::session::{Expunges, Gone, Outcome, Session};
use crate::sets;

/// What one response carries.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Uid,
    Flags,
    Date,
    Size,
    ModSequence,
    Body { label: String, section: Section, peek: bool, partial: Option<(usize, usize)> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Section {
    Whole,
    Header,
    Text,
    Fields { names: Vec<String>, but_these: bool },
}

struct Query {
    items: Vec<Item>,
    changed_since: Option<u64>,
    vanished: bool,
}

impl<S: Stream> Session<S> {
    pub(crate) async fn fetch(&mut self, command: &Command) -> Result<Outcome, Gone> {
        let by_uid = command.name == "UID FETCH";
        let query = match self.query(&command.args, by_uid) {
            Ok(query) => query,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let (name, picked) = match self.pick(&command.args[0], by_uid) {
            Ok(picked) => picked,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if query.vanished
            && let Some(since) = query.changed_since
        {
            self.tell_vanished(&name, &command.args[0], since);
        }
        for (number, uid) in picked {
            let message = {
                let mut account = self.account.lock();
                let folder = account.folders.get_mut(&name);
                let find = |folder: &mut crate::account::Folder| {
                    let reads = query
                        .items
                        .iter()
                        .any(|item| matches!(item, Item::Body { peek: false, .. }));
                    folder.messages.iter_mut().find(|message| message.uid == uid).map(|message| {
                        if reads && !message.flags.iter().any(|flag| flag == "\\Seen") {
                            message.flags.push("\\Seen".into());
                            message.flags.sort();
                        }
                        message.clone()
                    })
                };
                folder.and_then(find)
            };
            let Some(message) = message else { continue };
            if query.changed_since.is_some_and(|since| message.mod_sequence <= since) {
                continue;
            }
            self.respond_oddly(number, &message, &query.items);
            self.flush_some().await?;
        }
        let told = if by_uid { Expunges::Told } else { Expunges::Held };
        self.report_changes(told);
        Ok(Ok("OK done".into()))
    }

    /// Numbers and UIDs of the messages in a set, in order.
    pub(crate) fn pick(
        &self,
        set: &Arg,
        by_uid: bool,
    ) -> Result<(String, Vec<(usize, u32)>), String> {
        let selected = self.selected.as_ref().ok_or("BAD no mailbox is selected")?;
        let text = set.word().ok_or("BAD a set is expected")?;
        let exists = selected.view.len() as u32;
        let largest = if by_uid { selected.view.last().copied().unwrap_or(0) } else { exists };
        let ranges = sets::parse(&text, largest).ok_or("BAD not a set")?;
        if !by_uid && ranges.iter().any(|(_, high)| *high > exists) {
            return Err("BAD no such message".into());
        }
        let numbered = selected.view.iter().enumerate().map(|(at, uid)| (at + 1, *uid));
        let wanted = numbered.filter(|(number, uid)| {
            let key = if by_uid { *uid } else { *number as u32 };
            sets::contains(&ranges, key)
        });
        Ok((selected.name.clone(), wanted.collect()))
    }

    fn query(&self, args: &[Arg], by_uid: bool) -> Result<Query, String> {
        let (items, modifiers) = match args {
            [_, items] => (items, None),
            [_, items, Arg::List(modifiers)] => (items, Some(modifiers)),
            _ => return Err("BAD FETCH takes a set and items".into()),
        };
        let words: Vec<String> = match items {
            Arg::List(list) => list.iter().filter_map(Arg::text).collect(),
            single => single.text().into_iter().collect(),
        };
        let mut query = Query { items: Vec::new(), changed_since: None, vanished: false };
        if by_uid {
            query.items.push(Item::Uid);
        }
        for word in &words {
            for item in item(word).ok_or_else(|| format!("BAD fetch item {word}"))? {
                if !query.items.contains(&item) {
                    query.items.push(item);
                }
            }
        }
        let condstore = self.features.condstore || self.features.qresync;
        let mut modifiers = modifiers.map(Vec::as_slice).unwrap_or_default().iter();
        while let Some(word) = modifiers.next() {
            match word.word().as_deref() {
                Some("CHANGEDSINCE") if condstore => {
                    let value = modifiers.next().and_then(Arg::text);
                    let value = value.and_then(|text| text.parse().ok());
                    query.changed_since = Some(value.ok_or("BAD CHANGEDSINCE takes a number")?);
                    if !query.items.contains(&Item::ModSequence) {
                        query.items.push(Item::ModSequence);
                    }
                }
                Some("VANISHED") if self.qresync && by_uid => query.vanished = true,
                _ => return Err("BAD fetch modifier".into()),
            }
        }
        if query.vanished && query.changed_since.is_none() {
            return Err("BAD VANISHED without CHANGEDSINCE".into());
        }
        if query.items.contains(&Item::ModSequence) && !condstore {
            return Err("BAD MODSEQ without CONDSTORE".into());
        }
        Ok(query)
    }

    fn tell_vanished(&mut self, name: &str, set: &Arg, since: u64) {
        let ranges = sets::parse(&set.text().unwrap_or_default(), u32::MAX).unwrap_or_default();
        let account = self.account.lock();
        let Some(folder) = account.folders.get(name) else { return };
        let gone =
            folder.expunged.iter().filter(|(uid, at)| *at > since && sets::contains(&ranges, *uid));
        let mut uids: Vec<u32> = gone.map(|(uid, _)| *uid).collect();
        drop(account);
        uids.sort_unstable();
        if !uids.is_empty() {
            self.say(&format!("* VANISHED (EARLIER) {}", sets::print(&uids)));
        }
    }

    /// The response, as odd as the script has it.
    fn respond_oddly(&mut self, number: usize, message: &Stored, items: &[Item]) {
        let is_body = |item: &Item| matches!(item, Item::Body { section: Section::Whole, .. });
        let body = items.iter().any(is_body);
        let (faults, style, bytes) = (self.faults.clone(), self.faults.look(), &message.bytes);
        let left_out = if body { Odd::NoBody } else { Odd::Unlisted };
        if faults.is(bytes, &left_out) {
            return;
        }
        let mut items = items.to_vec();
        if !body {
            for (odd, item) in [
                (Odd::Unsized, Item::Size),
                (Odd::Undated, Item::Date),
                (Odd::Unflagged, Item::Flags),
            ] {
                items.retain(|own| *own != item || !faults.is(bytes, &odd));
            }
        }
        if style.reversed {
            items.reverse();
        }
        if style.body_first {
            items.sort_by_key(|item| !is_body(item));
        }
        if style.chatty {
            self.chat(number, message);
        }
        let twice = if body { Odd::BodyTwice } else { Odd::RowTwice };
        let times = 1 + usize::from(faults.is(bytes, &twice));
        for _ in 0..times {
            match (style.split && !body, items.as_slice()) {
                (true, [first @ .., last]) if !first.is_empty() => {
                    let uid = |some: &[Item]| {
                        let mut some = some.to_vec();
                        if !some.contains(&Item::Uid) {
                            some.push(Item::Uid);
                        }
                        some
                    };
                    self.respond(number, message, &uid(std::slice::from_ref(last)));
                    self.respond(number, message, &uid(first));
                }
                _ => self.respond(number, message, &items),
            }
        }
    }

    /// What a server may say at any time.
    fn chat(&mut self, number: usize, message: &Stored) {
        let (uid, flags) = (message.uid, message.flags.join(" "));
        match number % 4 {
            0 => self.say(&format!("* {number} FETCH (FLAGS ({flags}))")),
            1 => self.say(&format!("* {number} FETCH (FLAGS ({flags}) UID {uid})")),
            2 => self.say("* OK still here"),
            _ => {
                let exists = self.selected.as_ref().map_or(0, |selected| selected.view.len());
                self.say(&format!("* {exists} EXISTS"));
            }
        }
    }

    fn respond(&mut self, number: usize, message: &Stored, items: &[Item]) {
        let (size_lie, literal_lie) = self.faults.sizes();
        let lied = |size: usize, by: i64| (size as i64 + by).max(0);
        self.out.extend_from_slice(format!("* {number} FETCH (").as_bytes());
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.push(b' ');
            }
            let text = match item {
                Item::Uid => format!("UID {}", message.uid),
                Item::Flags => format!("FLAGS ({})", message.flags.join(" ")),
                Item::Date => format!("INTERNALDATE \"{}\"", message.internal_date),
                Item::Size => format!("RFC822.SIZE {}", lied(message.bytes.len(), size_lie)),
                Item::ModSequence => format!("MODSEQ ({})", message.mod_sequence),
                Item::Body { label, section, partial, .. } => {
                    let mut bytes = octets(&message.bytes, section, *partial);
                    if *section == Section::Whole {
                        if self.faults.is(&message.bytes, &Odd::NilBody) {
                            self.out.extend_from_slice(format!("{label} NIL").as_bytes());
                            continue;
                        }
                        let short = |odd: &Odd| match odd {
                            Odd::Short(octets) => Some(*octets),
                            _ => None,
                        };
                        let keep = self.faults.oddity(&message.bytes, short);
                        bytes.truncate(keep.unwrap_or(usize::MAX));
                    }
                    let origin = partial.map(|(from, _)| format!("<{from}>")).unwrap_or_default();
                    let size = lied(bytes.len(), literal_lie);
                    let head = format!("{label}{origin} {{{size}}}\r\n");
                    self.out.extend_from_slice(head.as_bytes());
                    self.out.extend_from_slice(&bytes);
                    continue;
                }
            };
            self.out.extend_from_slice(text.as_bytes());
        }
        self.out.extend_from_slice(b")\r\n");
    }
}

fn item(word: &str) -> Option<Vec<Item>> {
    let upper = word.to_ascii_uppercase();
    let body = |label: &str, section, peek| {
        vec![Item::Body { label: label.into(), section, peek, partial: None }]
    };
    Some(match upper.as_str() {
        "UID" => vec![Item::Uid],
        "FLAGS" => vec![Item::Flags],
        "INTERNALDATE" => vec![Item::Date],
        "RFC822.SIZE" => vec![Item::Size],
        "MODSEQ" => vec![Item::ModSequence],
        "FAST" => vec![Item::Flags, Item::Date, Item::Size],
        "RFC822" => body("RFC822", Section::Whole, false),
        "RFC822.HEADER" => body("RFC822.HEADER", Section::Header, true),
        "RFC822.TEXT" => body("RFC822.TEXT", Section::Text, false),
        _ => return section_item(word),
    })
}

fn section_item(word: &str) -> Option<Vec<Item>> {
    let (head, rest) = word.split_once('[')?;
    let (inner, tail) = rest.rsplit_once(']')?;
    let peek = match head.to_ascii_uppercase().as_str() {
        "BODY" => false,
        "BODY.PEEK" => true,
        _ => return None,
    };
    let partial = match tail {
        "" => None,
        _ => {
            let (from, length) = tail.strip_prefix('<')?.strip_suffix('>')?.split_once('.')?;
            Some((from.parse().ok()?, length.parse().ok()?))
        }
    };
    let section = match inner.to_ascii_uppercase().as_str() {
        "" => Section::Whole,
        "HEADER" => Section::Header,
        "TEXT" => Section::Text,
        _ => {
            let (kind, names) = inner.split_once(' ')?;
            let names = names.strip_prefix('(')?.strip_suffix(')')?;
            let but_these = match kind.to_ascii_uppercase().as_str() {
                "HEADER.FIELDS" => false,
                "HEADER.FIELDS.NOT" => true,
                _ => return None,
            };
            let names = names.split(' ').map(|name| name.trim_matches('"').to_owned()).collect();
            Section::Fields { names, but_these }
        }
    };
    Some(vec![Item::Body { label: format!("BODY[{inner}]"), section, peek, partial }])
}

fn octets(message: &Bytes, section: &Section, partial: Option<(usize, usize)>) -> Bytes {
    let end = header_end(message);
    let whole = match section {
        Section::Whole => message.clone(),
        Section::Header => message.slice(..end),
        Section::Text => message.slice(end..),
        Section::Fields { names, but_these } => {
            let named = |name: &str| names.iter().any(|want| want.eq_ignore_ascii_case(name));
            let chosen = fields(&message[..end]).filter(|(name, _)| named(name) != *but_these);
            let mut out: Vec<u8> = chosen.flat_map(|(_, octets)| octets.to_vec()).collect();
            out.extend_from_slice(b"\r\n");
            out.into()
        }
    };
    match partial {
        None => whole,
        Some((from, length)) => {
            let from = from.min(whole.len());
            whole.slice(from..from.saturating_add(length).min(whole.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::header;

    #[test]
    fn cuts_sections() {
        let message: Bytes = "A: 1\r\nSubject: x\r\n y\r\nB: 2\r\n\r\nbody\r\n".into();
        let cut = |word: &str| {
            let items = item(word).unwrap();
            let Item::Body { section, partial, .. } = &items[0] else { panic!() };
            String::from_utf8(octets(&message, section, *partial).to_vec()).unwrap()
        };
        assert_eq!(cut("BODY.PEEK[HEADER.FIELDS (SUBJECT)]"), "Subject: x\r\n y\r\n\r\n");
        assert_eq!(cut("BODY[HEADER.FIELDS.NOT (SUBJECT)]"), "A: 1\r\nB: 2\r\n\r\n");
        assert_eq!(cut("BODY[TEXT]"), "body\r\n");
        assert_eq!(cut("BODY[]<2.3>"), " 1\r");
        assert_eq!(cut("BODY[]<200.3>"), "");
        assert_eq!(header(&message, "subject").as_deref(), Some("x y"));
        assert_eq!(item("ENVELOPE"), None);
    }
}
