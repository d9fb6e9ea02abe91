//! APPEND: RFC 3501 section 6.3.11, MULTIAPPEND (RFC 3502), limits, refusals.

use wire::{Bytes, Stream};

use crate::account::Message;
use crate::command::Arg;
use crate::odd::Odd;
use crate::session::{Expunges, Outcome, Session};
use crate::sets;

/// INTERNALDATE of a message that came without one; a constant, since nothing reads a clock.
const ARRIVAL: &str = "22-Nov-2026 12:00:00 +0000";

impl<S: Stream> Session<S> {
    pub(crate) fn append(&mut self, args: &[Arg]) -> Outcome {
        let (mailbox, rest) = args.split_first().ok_or("BAD APPEND takes a mailbox")?;
        let name = self.name_in(mailbox)?;
        let messages = self.read_messages(rest)?;
        if messages.is_empty() {
            return Err("BAD APPEND takes a message".into());
        }
        if messages.len() > 1 && !self.features.multiappend {
            return Err("BAD MULTIAPPEND is not announced".into());
        }
        {
            let account = self.account.lock();
            match account.folders.get(&name) {
                None => return Err("NO [TRYCREATE] no such mailbox".into()),
                Some(folder) if folder.no_select => return Err("NO not selectable".into()),
                Some(_) => {}
            }
            let size: u64 = messages.iter().map(|message| message.bytes.len() as u64).sum();
            let quota = self.features.quota_kib.map(|kib| kib * 1024);
            if quota.is_some_and(|quota| account.size() + size > quota) {
                return Err("NO [OVERQUOTA] the quota is used up".into());
            }
        }
        if let Some(reply) = messages.iter().find_map(|it| self.faults.refused(&it.bytes)) {
            return Err(reply);
        }
        let (messages, refusal) = self.odd_storing(messages);
        let mut account = self.account.lock();
        let folder = account.folders.get_mut(&name).ok_or("NO [TRYCREATE] no such mailbox")?;
        let uids: Vec<u32> = messages.into_iter().map(|message| folder.put(message)).collect();
        let validity = folder.uid_validity;
        drop(account);
        self.report_changes(Expunges::Held);
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        if self.features.uidplus || self.rev2 {
            return Ok(format!("OK [APPENDUID {validity} {}] done", sets::print(&uids)));
        }
        Ok("OK done".into())
    }

    /// What is kept of these messages, and what is answered instead of OK.
    fn odd_storing(&self, mut messages: Vec<Message>) -> (Vec<Message>, Option<String>) {
        let refuses = |odd: &Odd| match odd {
            Odd::StoreAndRefuse(reply) => Some(reply.clone()),
            _ => None,
        };
        let refusal = messages.iter().find_map(|it| self.faults.oddity(&it.bytes, refuses));
        messages.retain(|it| !self.faults.is(&it.bytes, &Odd::Forget));
        for message in &mut messages {
            let keeps = |odd: &Odd| match odd {
                Odd::KeepOnly(octets) => Some(*octets),
                _ => None,
            };
            if let Some(octets) = self.faults.oddity(&message.bytes, keeps) {
                message.bytes.truncate(octets);
            }
        }
        (messages, refusal)
    }

    /// `[flags] [date] literal`, and again for MULTIAPPEND.
    fn read_messages(&self, mut args: &[Arg]) -> Result<Vec<Message>, String> {
        let mut messages = Vec::new();
        while !args.is_empty() {
            let mut flags = Vec::new();
            if let Some((Arg::List(list), rest)) = args.split_first() {
                let words = list.iter().map(Arg::text).collect::<Option<Vec<_>>>();
                flags = words.ok_or("BAD flags")?;
                args = rest;
            }
            let bad = |flag: &String| flag.eq_ignore_ascii_case("\\Recent") || !is_flag(flag);
            if let Some(flag) = flags.iter().find(|flag| bad(flag)) {
                return Err(format!("BAD flag {flag}"));
            }
            flags.retain(|flag| self.features.keeps(flag));
            let mut internal_date = ARRIVAL.to_owned();
            if let [Arg::Text(date), Arg::Text(_) | Arg::Atom(_), ..] = args
                && let Some(date) = as_date(date)
            {
                internal_date = date;
                args = &args[1..];
            }
            let (literal, rest) = args.split_first().ok_or("BAD message expected")?;
            let (bytes, rest) = self.message_octets(literal, rest)?;
            messages.push(Message { bytes, flags, internal_date });
            args = rest;
        }
        Ok(messages)
    }

    /// A literal, or `UTF8 (literal)` of RFC 6855 section 4.
    fn message_octets<'a>(
        &self,
        literal: &Arg,
        rest: &'a [Arg],
    ) -> Result<(Bytes, &'a [Arg]), String> {
        match (literal, rest) {
            (Arg::Text(bytes), rest) => Ok((bytes.clone(), rest)),
            (Arg::Atom(word), [Arg::List(list), rest @ ..])
                if self.utf8 && word.eq_ignore_ascii_case("UTF8") =>
            {
                match list.as_slice() {
                    [Arg::Text(bytes)] => Ok((bytes.clone(), rest)),
                    _ => Err("BAD UTF8 takes one literal".into()),
                }
            }
            (Arg::Atom(_) | Arg::List(_), _) => Err("BAD a date or message expected".into()),
        }
    }
}

/// Whether `text` can be a flag: `\` and letters, or an atom.
pub(crate) fn is_flag(text: &str) -> bool {
    let word = text.strip_prefix('\\').unwrap_or(text);
    let bad = |octet: u8| !octet.is_ascii_graphic() || b"(){%*\"\\]".contains(&octet);
    !word.is_empty() && !word.bytes().any(bad)
}

/// `date-time` of RFC 3501 section 9: `dd-Mon-yyyy hh:mm:ss +zzzz`. A day below ten comes with a
/// space or a zero in front, both being `date-day-fixed`, and is kept with a space.
fn as_date(octets: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(octets).ok()?;
    let shape = |pattern: &str| {
        let fits = |(letter, want): (char, char)| match want {
            '9' => letter.is_ascii_digit(),
            'A' => letter.is_ascii_alphabetic(),
            '_' => letter == ' ' || letter.is_ascii_digit(),
            '+' => letter == '+' || letter == '-',
            _ => letter == want,
        };
        text.len() == pattern.len() && text.chars().zip(pattern.chars()).all(fits)
    };
    let known = crate::search::MONTHS.iter().any(|month| text.get(3..6) == Some(*month));
    (shape("_9-AAA-9999 99:99:99 +9999") && known).then(|| match text.strip_prefix('0') {
        Some(rest) => format!(" {rest}"),
        None => text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_dates_from_messages() {
        assert!(as_date(b" 1-Feb-2020 10:11:12 +0100").is_some());
        assert!(as_date(b"31-Dec-1999 23:59:59 -0730").is_some());
        assert_eq!(as_date(b"01-Feb-2020 10:11:12 +0100"), as_date(b" 1-Feb-2020 10:11:12 +0100"));
        assert!(as_date(b"1-Feb-2020 10:11:12 +0100").is_none());
        assert!(as_date(b"From: a@example.org").is_none());
        assert!(is_flag("\\Seen") && is_flag("$MDNSent") && !is_flag("a b") && !is_flag(""));
    }
}
