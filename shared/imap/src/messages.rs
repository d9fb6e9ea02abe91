//! What happens to messages in a mailbox: STORE, COPY, MOVE, EXPUNGE, SEARCH; and QUOTA.

use wire::Stream;

use crate::command::Command;
use crate::cursor::{Cursor, Malformed};
use crate::error::Error;
use crate::reply::{Code, CopyUid, Reply};
use crate::response::Line;
use crate::session::Session;
use mailbox::Day;
use mailbox::Flags;
use mailbox::MailboxName;
use mailbox::UidSet;
use mailbox::uid_set::SET_TEXT_MAX;

/// What STORE does with flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// `+FLAGS.SILENT`.
    Add,
    /// `-FLAGS.SILENT`.
    Remove,
    /// `FLAGS.SILENT`.
    Replace,
}

/// What SEARCH looks for; all that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Criteria {
    /// Only among these UIDs.
    pub uids: Option<UidSet>,
    /// A Message-ID field that contains this.
    pub message_id: Option<String>,
    /// Internal date on this day or later, in the server's zone.
    pub since: Option<Day>,
    /// Internal date before this day.
    pub before: Option<Day>,
    /// Marked as `\Deleted`.
    pub deleted: bool,
}

/// What a quota root has of one resource (RFC 9208).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaResource {
    /// `STORAGE` (in units of 1024 octets), `MESSAGE`, ….
    pub name: String,
    /// In use.
    pub usage: u64,
    /// Allowed.
    pub limit: u64,
}

/// A quota root that holds for a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Its name.
    pub root: String,
    /// Its resources.
    pub resources: Vec<QuotaResource>,
}

/// Most ranges of UIDs kept of a search: every second message of a mailbox of two million.
const FOUND_MAX: usize = 1_000_000;

/// Most quota roots and resources read; RFC 9208 knows four resources.
const QUOTAS_MAX: usize = 1_000;

impl<S: Stream> Session<S> {
    /// Changes flags by UID, without asking for the result. UIDs that are gone are passed over
    /// (RFC 9051 section 6.4.9).
    pub async fn store_flags(
        &mut self,
        uids: &UidSet,
        flags: &Flags,
        change: Change,
    ) -> Result<(), Error> {
        self.store_all(&[(uids, flags, change)]).await
    }

    /// Several changes of flags at once, in this order; the first refusal is the error, after all
    /// were tried.
    pub async fn store_all(&mut self, all: &[(&UidSet, &Flags, Change)]) -> Result<(), Error> {
        let mut commands = Vec::new();
        for (uids, flags, change) in all {
            let verb = match change {
                Change::Add => "+FLAGS.SILENT",
                Change::Remove => "-FLAGS.SILENT",
                Change::Replace => "FLAGS.SILENT",
            };
            for piece in uids.pieces(SET_TEXT_MAX) {
                let text = format!(" {piece} {verb} ({flags})");
                commands.push(self.command("UID STORE").text(&text));
            }
        }
        let replies = self.run_all(commands, |_, _| Ok(())).await?;
        all_accepted(replies).map(drop)
    }

    /// Copies messages; one [`CopyUid`] a command where the server tells.
    pub async fn copy(&mut self, uids: &UidSet, to: &MailboxName) -> Result<Vec<CopyUid>, Error> {
        self.transfer("UID COPY", uids, to).await
    }

    /// Moves messages (MOVE must be announced); one [`CopyUid`] a command where the server tells.
    pub async fn move_(&mut self, uids: &UidSet, to: &MailboxName) -> Result<Vec<CopyUid>, Error> {
        self.transfer("UID MOVE", uids, to).await
    }

    async fn transfer(
        &mut self,
        verb: &str,
        uids: &UidSet,
        to: &MailboxName,
    ) -> Result<Vec<CopyUid>, Error> {
        let mut commands = Vec::new();
        for piece in uids.pieces(SET_TEXT_MAX) {
            commands.push(self.command(verb).text(&format!(" {piece}")).mailbox(to)?);
        }
        // COPY tells in its tagged OK, MOVE in an untagged one before (RFC 6851 section 4.3).
        let count = commands.len();
        let mut untagged = Vec::new();
        let hear = |_, line: Line<'_>| {
            if let Line::Status(Reply { code: Some(Code::CopyUid(copied)), .. }) = line
                && untagged.len() < count
            {
                untagged.push((**copied).clone());
            }
            Ok(())
        };
        let replies = all_accepted(self.run_all(commands, hear).await?)?;
        let tagged = replies.into_iter().filter_map(|reply| match reply.code {
            Some(Code::CopyUid(copied)) => Some(*copied),
            _ => None,
        });
        Ok(untagged.into_iter().chain(tagged).collect())
    }

    /// Removes those of these UIDs that are `\Deleted`; UIDPLUS must be announced, because plain
    /// EXPUNGE would take others along.
    pub async fn expunge_uids(&mut self, uids: &UidSet) -> Result<(), Error> {
        let mut commands = Vec::new();
        for piece in uids.pieces(SET_TEXT_MAX) {
            commands.push(self.command("UID EXPUNGE").text(&format!(" {piece}")));
        }
        let replies = self.run_all(commands, |_, _| Ok(())).await?;
        all_accepted(replies).map(drop)
    }

    /// Removes all messages that are `\Deleted`, whoever marked them.
    pub async fn expunge(&mut self) -> Result<(), Error> {
        let command = self.command("EXPUNGE");
        self.run(command, |_| Ok(())).await.map(drop)
    }

    /// UIDs that meet the criteria, ascending.
    pub async fn search(&mut self, criteria: &Criteria) -> Result<UidSet, Error> {
        let verb = match self.state.capabilities.esearch() {
            true => "UID SEARCH RETURN (ALL)",
            false => "UID SEARCH",
        };
        let pieces = match &criteria.uids {
            Some(uids) => uids.pieces(SET_TEXT_MAX).into_iter().map(Some).collect(),
            None => vec![None],
        };
        let mut commands = Vec::new();
        for piece in pieces {
            let command = self.command(verb);
            commands.push(criteria.write(command, piece.as_ref())?);
        }
        let mut found = Vec::new();
        let hear = |_, line: Line<'_>| {
            if found.len() > FOUND_MAX {
                return Err(Malformed("search results without end"));
            }
            match line {
                Line::Search(cursor) => read_search(cursor, &mut found),
                Line::Esearch(cursor) => read_esearch(cursor, &mut found),
                _ => Ok(()),
            }
        };
        all_accepted(self.run_all(commands, hear).await?)?;
        let mut uids = UidSet::new();
        found.sort_unstable();
        found.into_iter().for_each(|(first, last)| uids.insert_range(first..=last));
        Ok(uids)
    }

    /// The quota that holds for a mailbox (GETQUOTAROOT).
    pub async fn quota(&mut self, mailbox: &MailboxName) -> Result<Vec<Quota>, Error> {
        let command = self.command("GETQUOTAROOT").mailbox(mailbox)?;
        let mut quotas = Vec::new();
        self.run(command, |line| {
            if let Line::Quota(mut cursor) = line
                && quotas.len() < QUOTAS_MAX
            {
                quotas.push(read_quota(&mut cursor)?);
            }
            Ok(())
        })
        .await?;
        Ok(quotas)
    }
}

fn all_accepted(replies: Vec<Reply>) -> Result<Vec<Reply>, Error> {
    match replies.iter().find(|reply| !reply.is_ok()) {
        Some(refused) => Err(Error::Refused(refused.clone())),
        None => Ok(replies),
    }
}

impl Criteria {
    fn write(&self, mut command: Command, uids: Option<&UidSet>) -> Result<Command, Error> {
        if self.message_id.as_ref().is_some_and(|id| !id.is_ascii()) {
            command = command.text(" CHARSET UTF-8");
        }
        if let Some(uids) = uids {
            command = command.text(&format!(" UID {uids}"));
        }
        if let Some(since) = self.since {
            command = command.text(&format!(" SINCE {since}"));
        }
        if let Some(before) = self.before {
            command = command.text(&format!(" BEFORE {before}"));
        }
        if let Some(id) = &self.message_id {
            command = command.text(" HEADER Message-ID").string(id.as_bytes(), "a Message-ID")?;
        }
        if self.deleted {
            command = command.text(" DELETED");
        }
        let empty = uids.is_none() && self.since.is_none() && self.before.is_none();
        if empty && !self.deleted && self.message_id.is_none() {
            command = command.text(" ALL");
        }
        Ok(command)
    }
}

/// `"SEARCH" *(SP nz-number) [SP search-sort-mod-seq]`, after `SEARCH`.
fn read_search(mut cursor: Cursor<'_>, found: &mut Vec<(u32, u32)>) -> Result<(), Malformed> {
    loop {
        cursor.spaces();
        if cursor.at_end() || cursor.peek() == Some(b'(') {
            return Ok(());
        }
        let uid = cursor.number32()?;
        match found.last_mut() {
            Some(end) if end.1.checked_add(1) == Some(uid) => end.1 = uid,
            _ => found.push((uid, uid)),
        }
    }
}

/// `"ESEARCH" [search-correlator] [SP "UID"] *(SP search-return-data)`, after `ESEARCH`.
fn read_esearch(mut cursor: Cursor<'_>, found: &mut Vec<(u32, u32)>) -> Result<(), Malformed> {
    loop {
        cursor.spaces();
        if cursor.at_end() {
            return Ok(());
        }
        if cursor.peek() == Some(b'(') {
            cursor.skip_value()?;
            continue;
        }
        let name = cursor.atom();
        if name.is_empty() {
            return Err(Malformed("the name of a search result was expected"));
        }
        if name.eq_ignore_ascii_case(b"UID") {
            continue;
        }
        cursor.spaces();
        if name.eq_ignore_ascii_case(b"ALL") {
            let set = UidSet::parse(cursor.atom()).ok_or(Malformed("a set was expected"))?;
            found.extend(set.ranges().map(|range| (*range.start(), *range.end())));
        } else {
            cursor.skip_value()?;
        }
    }
}

/// `"QUOTA" SP quota-root-name SP "(" [quota-resource *(SP quota-resource)] ")"`.
fn read_quota(cursor: &mut Cursor<'_>) -> Result<Quota, Malformed> {
    let root = String::from_utf8_lossy(&cursor.astring()?).into_owned();
    let mut resources = Vec::new();
    cursor.spaces();
    // Courier 5.0 leaves the list out where it is empty (observed 2026-11).
    if !cursor.eat(b'(') {
        return Ok(Quota { root, resources });
    }
    loop {
        cursor.spaces();
        if cursor.eat(b')') {
            return Ok(Quota { root, resources });
        }
        let name = String::from_utf8_lossy(cursor.atom()).to_ascii_uppercase();
        cursor.spaces();
        let usage = cursor.number64()?;
        cursor.spaces();
        let limit = cursor.number64()?;
        if resources.len() < QUOTAS_MAX {
            resources.push(QuotaResource { name, usage, limit });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{name, play, play_error};
    use mailbox::SystemFlag;

    fn uids(text: &str) -> UidSet {
        UidSet::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn stores_flags() {
        let done = play(
            "",
            "C: A1 UID STORE 1:3 +FLAGS.SILENT (\\Seen)
             S: * 1 FETCH (UID 1 MODSEQ (5))
             S: A1 OK done
             C: A2 UID STORE 9 FLAGS.SILENT (\\Draft k)
             S: A2 OK done
             C: A3 UID STORE 9 -FLAGS.SILENT ()
             S: A3 NO [NOPERM] no",
            async |session| {
                let seen = [SystemFlag::Seen].into_iter().collect();
                session.store_flags(&uids("1:3"), &seen, Change::Add).await?;
                let draft = ["\\Draft", "k", "\\Recent"].into_iter().collect();
                session.store_flags(&uids("9"), &draft, Change::Replace).await?;
                session.store_flags(&uids("9"), &Flags::new(), Change::Remove).await
            },
        );
        assert!(matches!(done, Err(Error::Refused(reply)) if reply.code == Some(Code::Permission)));
    }

    #[test]
    fn copies_and_moves() {
        let done = play(
            "",
            "C: A1 UID COPY 2:4 \"a\"
             S: A1 OK [COPYUID 38505 2:4 56:58] Done
             C: A2 UID MOVE 7 \"a\"
             S: * OK [COPYUID 38505 7 59] Done
             S: * 3 EXPUNGE
             S: A2 OK done
             C: A3 UID COPY 9 \"a\"
             S: A3 OK nothing to tell",
            async |session| {
                let mut told = session.copy(&uids("2:4"), &name("a")).await?;
                told.extend(session.move_(&uids("7"), &name("a")).await?);
                told.extend(session.copy(&uids("9"), &name("a")).await?);
                Ok::<_, Error>(told)
            },
        );
        let told = |from, to| CopyUid { uid_validity: 38_505, from: uids(from), to: uids(to) };
        assert_eq!(done, Ok(vec![told("2:4", "56:58"), told("7", "59")]));
    }

    #[test]
    fn expunges_only_these() {
        let done = play(
            "UIDPLUS",
            "C: A1 UID EXPUNGE 3,5
             S: * 3 EXPUNGE
             S: A1 OK done",
            async |session| session.expunge_uids(&uids("3,5")).await,
        );
        assert_eq!(done, Ok(()));
        assert_eq!(play("", "", async |s| s.expunge_uids(&UidSet::new()).await), Ok(()));
    }

    fn search(capabilities: &str, criteria: &Criteria, command: &str, answer: &str) -> String {
        let dialogue = format!("C: A1 UID SEARCH{command}\n{answer}\nS: A1 OK done");
        play(capabilities, &dialogue, async |session| session.search(criteria).await)
            .unwrap()
            .to_string()
    }

    #[test]
    fn searches() {
        let all = Criteria::default();
        let id = Criteria { message_id: Some("<a\"b@c>".into()), ..all.clone() };
        let dated = Criteria {
            uids: Some(uids("1:9")),
            since: Day::new(1994, 2, 1),
            before: Day::new(1995, 2, 1),
            ..all.clone()
        };
        let plain =
            search("", &id, " HEADER Message-ID \"<a\\\"b@c>\"", "S: * SEARCH 7 2 3 (MODSEQ 9)");
        assert_eq!(plain, "2:3,7");
        let set = " UID 1:9 SINCE 01-Feb-1994 BEFORE 01-Feb-1995";
        assert_eq!(search("", &dated, set, "S: * SEARCH"), "");
        assert_eq!(search("", &all, " ALL", "S: * SEARCH 1 2\nS: * SEARCH 3"), "1:3");
        let back = " RETURN (ALL) ALL";
        let answer = "S: * ESEARCH (TAG \"A1\") UID MIN 2 ALL 2,10:15 MODSEQ 9";
        assert_eq!(search("ESEARCH", &all, back, answer), "2,10:15");
        assert_eq!(search("ESEARCH", &all, back, "S: * ESEARCH (TAG \"A1\") UID"), "");
        assert_eq!(search("ESEARCH", &all, back, "S: * SEARCH 4"), "4");
        let foreign = Criteria { message_id: Some("<ü>".into()), ..all };
        let literal = " CHARSET UTF-8 HEADER Message-ID {4+}\nC: <ü>";
        assert_eq!(search("LITERAL+", &foreign, literal, "S: * SEARCH"), "");
    }

    #[test]
    fn bad_answers_to_searches() {
        for answer in [
            "SEARCH x",
            "SEARCH 99999999999",
            "ESEARCH UID ALL x",
            "ESEARCH ALL",
            "ESEARCH \"",
            "ESEARCH MIN",
        ] {
            let error =
                play_error(&format!("C: A1 UID SEARCH ALL\nS: * {answer}"), async |session| {
                    session.search(&Criteria::default()).await
                });
            assert!(matches!(error, Error::Unreadable { .. }), "{answer}: {error:?}");
        }
    }

    #[test]
    fn quotas() {
        // RFC 9208 section 4.2.2.
        let quotas = play(
            "QUOTA",
            "C: A1 GETQUOTAROOT \"INBOX\"
             S: * QUOTAROOT INBOX \"\" #user/alice
             S: * QUOTA \"\" (STORAGE 10 512 message 3 1000)
             S: * QUOTA #user/alice
             S: A1 OK done",
            async |session| session.quota(&name("INBOX")).await,
        );
        let resource = |name: &str, usage, limit| QuotaResource { name: name.into(), usage, limit };
        let first = vec![resource("STORAGE", 10, 512), resource("MESSAGE", 3, 1000)];
        let expected = vec![
            Quota { root: String::new(), resources: first },
            Quota { root: "#user/alice".into(), resources: vec![] },
        ];
        assert_eq!(quotas, Ok(expected));
    }
}
