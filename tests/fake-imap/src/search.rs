//! SEARCH: RFC 3501 section 6.4.4, ESEARCH (RFC 4731), MODSEQ (RFC 7162).

use wire::Stream;

use crate::account::Stored;
use crate::command::Arg;
use crate::folders::has;
use crate::header::header;
use crate::session::{Expunges, Outcome, Session};
use crate::sets;

pub(crate) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A search key.
#[derive(Debug, Clone)]
enum Key {
    All,
    Flag(String, bool),
    Header(String, String),
    Text(String),
    Before(Day),
    On(Day),
    Since(Day),
    Larger(u64),
    Smaller(u64),
    Uids(Vec<(u32, u32)>),
    Numbers(Vec<(u32, u32)>),
    ModSequence(u64),
    Not(Box<Key>),
    Or(Box<Key>, Box<Key>),
    Every(Vec<Key>),
}

/// Year, month, day, as written: SEARCH disregards time and zone.
type Day = (u32, usize, u32);

impl<S: Stream> Session<S> {
    pub(crate) fn search(&mut self, tag: &str, args: &[Arg], by_uid: bool) -> Outcome {
        let mut args = args;
        let mut wanted = None;
        if let [Arg::Atom(word), Arg::List(options), rest @ ..] = args
            && word.eq_ignore_ascii_case("RETURN")
        {
            if !self.features.esearch && !self.rev2 {
                return Err("BAD RETURN without ESEARCH".into());
            }
            wanted = Some(options.iter().filter_map(Arg::word).collect::<Vec<_>>());
            args = rest;
        }
        if let [Arg::Atom(word), charset, rest @ ..] = args
            && word.eq_ignore_ascii_case("CHARSET")
        {
            let charset = charset.text().unwrap_or_default().to_ascii_uppercase();
            if charset != "UTF-8" && charset != "US-ASCII" {
                return Err("NO [BADCHARSET (US-ASCII UTF-8)] unknown charset".into());
            }
            args = rest;
        }
        let selected = self.selected.as_ref().ok_or("BAD no mailbox is selected")?;
        let largest = selected.view.last().copied().unwrap_or(0);
        let mut reader = Keys { args, exists: selected.view.len() as u32, largest };
        let mut keys = vec![reader.key()?];
        while !reader.args.is_empty() {
            keys.push(reader.key()?);
        }
        let key = Key::Every(keys);
        let mut found = Vec::new();
        let mut highest = 0;
        {
            let account = self.account.lock();
            let folder = account.folders.get(&selected.name).ok_or("NO the mailbox is gone")?;
            for (at, uid) in selected.view.iter().enumerate() {
                let Ok(index) = folder.messages.binary_search_by_key(uid, |it| it.uid) else {
                    continue;
                };
                let message = &folder.messages[index];
                if key.fits(at + 1, message)
                    && !self.faults.is(&message.bytes, &crate::odd::Odd::Unsearched)
                {
                    found.push(if by_uid { *uid } else { (at + 1) as u32 });
                    highest = highest.max(message.mod_sequence);
                }
            }
        }
        let wanted = wanted.or_else(|| self.rev2.then(|| vec!["ALL".to_owned()]));
        self.tell_found(tag, &found, by_uid, wanted);
        self.report_changes(if by_uid { Expunges::Told } else { Expunges::Held });
        Ok("OK done".into())
    }

    fn tell_found(&mut self, tag: &str, found: &[u32], by_uid: bool, wanted: Option<Vec<String>>) {
        let Some(wanted) = wanted else {
            let numbers: String = found.iter().map(|number| format!(" {number}")).collect();
            return self.say(&format!("* SEARCH{numbers}"));
        };
        let all = wanted.is_empty();
        let asks = |word: &str| wanted.iter().any(|want| want == word);
        let mut line = format!("* ESEARCH (TAG {})", crate::session::quote(tag));
        if by_uid {
            line.push_str(" UID");
        }
        if let (Some(first), Some(last)) = (found.first(), found.last()) {
            if asks("MIN") {
                line.push_str(&format!(" MIN {first}"));
            }
            if asks("MAX") {
                line.push_str(&format!(" MAX {last}"));
            }
            if all || asks("ALL") {
                line.push_str(&format!(" ALL {}", sets::print(found)));
            }
        }
        if asks("COUNT") {
            line.push_str(&format!(" COUNT {}", found.len()));
        }
        self.say(&line);
    }
}

struct Keys<'a> {
    args: &'a [Arg],
    exists: u32,
    largest: u32,
}

impl Keys<'_> {
    fn next(&mut self) -> Result<&Arg, String> {
        let (first, rest) = self.args.split_first().ok_or("BAD search key expected")?;
        self.args = rest;
        Ok(first)
    }

    fn text(&mut self) -> Result<String, String> {
        Ok(self.next()?.text().ok_or("BAD search argument")?)
    }

    fn number(&mut self) -> Result<u64, String> {
        self.text()?.parse().map_err(|_| "BAD number".into())
    }

    fn key(&mut self) -> Result<Key, String> {
        let (exists, largest) = (self.exists, self.largest);
        let arg = self.next()?.clone();
        if let Arg::List(list) = &arg {
            let mut inner = Keys { args: list, exists, largest };
            let mut keys = vec![inner.key()?];
            while !inner.args.is_empty() {
                keys.push(inner.key()?);
            }
            return Ok(Key::Every(keys));
        }
        let word = arg.word().ok_or("BAD search key")?;
        let flag = |name: &str, on: bool| Key::Flag(name.to_owned(), on);
        Ok(match word.as_str() {
            "ALL" | "OLD" => Key::All,
            "RECENT" | "NEW" => Key::Not(Box::new(Key::All)),
            "ANSWERED" | "DELETED" | "DRAFT" | "FLAGGED" | "SEEN" => {
                flag(&format!("\\{word}"), true)
            }
            "UNANSWERED" | "UNDELETED" | "UNDRAFT" | "UNFLAGGED" | "UNSEEN" => {
                flag(&format!("\\{}", &word[2..]), false)
            }
            "KEYWORD" => flag(&self.text()?, true),
            "UNKEYWORD" => flag(&self.text()?, false),
            "HEADER" => Key::Header(self.text()?, self.text()?),
            "FROM" | "TO" | "CC" | "BCC" | "SUBJECT" => Key::Header(word, self.text()?),
            "TEXT" | "BODY" => Key::Text(self.text()?),
            "BEFORE" => Key::Before(day(&self.text()?).ok_or("BAD date")?),
            "ON" => Key::On(day(&self.text()?).ok_or("BAD date")?),
            "SINCE" => Key::Since(day(&self.text()?).ok_or("BAD date")?),
            "LARGER" => Key::Larger(self.number()?),
            "SMALLER" => Key::Smaller(self.number()?),
            "MODSEQ" => Key::ModSequence(self.number()?),
            "UID" => Key::Uids(sets::parse(&self.text()?, largest).ok_or("BAD set")?),
            "NOT" => Key::Not(Box::new(self.key()?)),
            "OR" => Key::Or(Box::new(self.key()?), Box::new(self.key()?)),
            set => Key::Numbers(sets::parse(set, exists).ok_or(format!("BAD key {set}"))?),
        })
    }
}

impl Key {
    fn fits(&self, number: usize, message: &Stored) -> bool {
        // The date of an INTERNALDATE is its first eleven characters.
        let date = || day(message.internal_date.get(..11).unwrap_or_default().trim());
        let size = message.bytes.len() as u64;
        let contains = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        match self {
            Key::All => true,
            Key::Flag(name, on) => has(&message.flags, name) == *on,
            Key::Header(name, part) => {
                header(&message.bytes, name).is_some_and(|value| contains(&value, part))
            }
            Key::Text(part) => contains(&String::from_utf8_lossy(&message.bytes), part),
            Key::Before(limit) => date().is_some_and(|date| date < *limit),
            Key::On(limit) => date().is_some_and(|date| date == *limit),
            Key::Since(limit) => date().is_some_and(|date| date >= *limit),
            Key::Larger(limit) => size > *limit,
            Key::Smaller(limit) => size < *limit,
            Key::Uids(ranges) => sets::contains(ranges, message.uid),
            Key::Numbers(ranges) => sets::contains(ranges, number as u32),
            Key::ModSequence(at_least) => message.mod_sequence >= *at_least,
            Key::Not(key) => !key.fits(number, message),
            Key::Or(one, other) => one.fits(number, message) || other.fits(number, message),
            Key::Every(keys) => keys.iter().all(|key| key.fits(number, message)),
        }
    }
}

/// `1-Feb-2020` as numbers that compare.
fn day(text: &str) -> Option<Day> {
    let mut parts = text.split('-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|known| known.eq_ignore_ascii_case(month))?;
    Some((year.parse().ok()?, month, day.trim().parse().ok()?))
}
