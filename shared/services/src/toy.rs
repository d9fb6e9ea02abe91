//! A protocol of mail that nobody speaks, for the tests of the engine: the least that a service can be.
//!
//! A request is a line of words between tabs, an answer is lines too, and octets follow where a line announces
//! them. It has folders without levels, tells nothing of a folder that is not open, takes one message at a time,
//! and moves nothing. What it is asked, in order: `folders`, `open NAME`, `status NAME`, `make NAME`, `drop NAME`,
//! `rename NAME NAME`, `rows UIDS BODY`, `put NAME SIZE DATE ZONE FLAGS`, `mark UIDS FLAGS ADD`, `remove UIDS`,
//! `marked`, `here UIDS`.

use std::collections::VecDeque;

use mailbox::header::HeaderReader;
use mailbox::{
    Flags, Hierarchy, InternalDate, MailboxName, PermanentFlags, SpecialUse, Spelling, UidSet,
};
use wire::{Bytes, Clock, Stream};

use crate::mail::{
    Access, Asked, Change, DestinationFacts, Event, Fetch, FolderStatus, Found, FoundFolder, Head,
    MailDestination, MailFacts, MailService, MailSource, Moved, OpenFolder, Quota, Row,
    SourceFacts, Stored, Which,
};
use crate::trouble::{Reason, Rejection, Trouble};

/// A session; `S` is the line.
pub struct Toy<S> {
    line: S,
    /// What came and was not read yet.
    rest: Bytes,
    /// Octets of the body that is being handed out.
    body: u64,
    /// Questions about messages that are not answered, and what of each is wanted.
    asked: VecDeque<Asked>,
}

impl<S: Stream> Toy<S> {
    /// Of a line that is open.
    pub fn new(line: S) -> Self {
        Toy { line, rest: Bytes::new(), body: 0, asked: VecDeque::new() }
    }

    async fn say(&mut self, words: &[&str]) -> Result<(), Trouble> {
        Ok(self.line.write(format!("{}\n", words.join("\t")).into()).await?)
    }

    async fn more(&mut self) -> Result<(), Trouble> {
        let bytes = self.line.read().await?;
        if bytes.is_empty() {
            return Err(wire::Error::Closed.into());
        }
        self.rest = [self.rest.as_ref(), bytes.as_ref()].concat().into();
        Ok(())
    }

    /// The next line of an answer, as its words.
    async fn hear(&mut self) -> Result<Vec<String>, Trouble> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&self.rest.split_to(end + 1)).into_owned();
                return Ok(line.trim_end().split('\t').map(str::to_owned).collect());
            }
            self.more().await?;
        }
    }

    /// Says something, and hears `ok` with words, or why not.
    async fn ask(&mut self, words: &[&str]) -> Result<Result<Vec<String>, Rejection>, Trouble> {
        self.say(words).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<Result<Vec<String>, Rejection>, Trouble> {
        let words = self.hear().await?;
        match words.split_first() {
            Some((first, rest)) if first == "ok" => Ok(Ok(rest.to_vec())),
            Some((first, rest)) => {
                let reason = if first == "none" { Reason::NoFolder } else { Reason::Other };
                Ok(Err(Rejection { reason, wait_s: None, words: rest.join(" ") }))
            }
            None => Err(Trouble::Unreadable("an answer without a word".into())),
        }
    }

    async fn uids(&mut self, words: &[&str]) -> Result<UidSet, Trouble> {
        let told = self.ask(words).await?.map_err(Trouble::Rejected)?;
        Ok(UidSet::parse(told.first().map_or("", String::as_str).as_bytes()).unwrap_or_default())
    }

    /// A row as its line tells it, and the octets of its header where the identity is wanted.
    async fn row(&mut self, words: &[String], asked: Asked) -> Result<Row, Trouble> {
        let number =
            |at: usize| words.get(at).and_then(|word| word.parse::<i64>().ok()).unwrap_or(0);
        let uid = u32::try_from(number(1)).unwrap_or(0);
        let size = u64::try_from(number(2)).unwrap_or(0);
        let date = InternalDate::new(number(3), i16::try_from(number(4)).unwrap_or(0));
        let flags: Flags =
            words.get(5).map_or("", String::as_str).split_ascii_whitespace().collect();
        let head = u64::try_from(number(6)).unwrap_or(0);
        let mut reader = HeaderReader::default();
        for bytes in self.octets(head).await? {
            reader.feed(&bytes);
        }
        let id = Some(reader.finish().message_id).filter(|id| !id.is_empty());
        self.body = if asked.body { size } else { 0 };
        Ok(Row {
            uid,
            flags: Some(flags),
            date,
            size: Some(size),
            message_id: id.map(Vec::into_boxed_slice),
            body: asked.body.then_some(size),
            labelled: false,
        })
    }

    async fn octets(&mut self, mut left: u64) -> Result<Vec<Bytes>, Trouble> {
        let mut pieces = Vec::new();
        while left > 0 {
            let piece = self.piece(left).await?;
            left -= piece.len() as u64;
            pieces.push(piece);
        }
        Ok(pieces)
    }

    async fn piece(&mut self, most: u64) -> Result<Bytes, Trouble> {
        while self.rest.is_empty() {
            self.more().await?;
        }
        let some = self.rest.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(self.rest.split_to(some))
    }
}

fn refused() -> Rejection {
    let words = "this service has no such thing".to_owned();
    Rejection { reason: Reason::Forbidden, wait_s: None, words }
}

impl<S: Stream> Fetch for Toy<S> {
    async fn start_fetch(&mut self, which: &Which, asked: Asked) -> Result<(), Trouble> {
        let which = match which {
            Which::Uids(uids) => uids.to_string(),
            Which::UidsFrom(first) => format!("{first}-"),
            Which::Numbers { first, last } => format!("#{first}-{}", last.unwrap_or(u32::MAX)),
        };
        self.asked.push_back(asked);
        self.say(&["rows", &which, if asked.body { "body" } else { "" }]).await
    }

    async fn next(&mut self) -> Result<Event, Trouble> {
        if self.body > 0 {
            let piece = self.piece(self.body).await?;
            self.body -= piece.len() as u64;
            if self.body == 0 {
                self.rest = [b"end\n".as_ref(), &self.rest].concat().into();
            }
            return Ok(Event::Chunk(piece));
        }
        let words = self.hear().await?;
        let asked = self.asked.front().copied().unwrap_or_default();
        match words.first().map(String::as_str) {
            Some("row") => Ok(Event::Message(self.row(&words, asked).await?)),
            Some("end") => Ok(Event::EndOfBody(Row::default())),
            Some("ok") => {
                self.asked.pop_front();
                Ok(Event::Done)
            }
            _ => {
                self.asked.pop_front();
                Ok(Event::Refused(Rejection { words: words.join(" "), ..refused() }))
            }
        }
    }
}

impl<S: Stream> MailService for Toy<S> {
    fn facts(&self) -> MailFacts {
        MailFacts::default()
    }
    fn greeting(&self) -> &str {
        "toy"
    }
    fn announced(&self) -> Vec<String> {
        Vec::new()
    }
    fn spelling(&self) -> Spelling {
        Spelling::Utf8
    }

    async fn folders(&mut self) -> Result<Found, Trouble> {
        let names = self.ask(&["folders"]).await?.map_err(Trouble::Rejected)?;
        let folder = |name: &String| FoundFolder {
            name: MailboxName::new(name, Spelling::Utf8),
            selectable: true,
            subscribed: false,
            special_use: None,
            status: None,
        };
        let hierarchy = Hierarchy { spelling: Spelling::Utf8, ..Hierarchy::default() };
        let folders = names.iter().filter(|name| !name.is_empty()).map(folder).collect();
        Ok(Found { folders, hierarchy, overlong: Vec::new() })
    }

    async fn quota(&mut self) -> Result<Option<Quota>, Trouble> {
        Ok(None)
    }
    async fn noop(&mut self) -> Result<(), Trouble> {
        self.folders().await.map(drop)
    }

    async fn start_select(&mut self, name: &MailboxName) -> Result<(), Trouble> {
        self.say(&["open", name.text()]).await
    }

    async fn selected(&mut self) -> Result<OpenFolder, Trouble> {
        let told = self.answer().await?.map_err(Trouble::Rejected)?;
        let number = |at: usize| told.get(at).and_then(|word| word.parse().ok()).unwrap_or(0);
        let permanent_flags = PermanentFlags {
            flags: ["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "\\Deleted"]
                .into_iter()
                .collect(),
            any_keyword: true,
        };
        let (exists, uid_validity, uid_next) = (number(0), number(1), Some(number(2)));
        Ok(OpenFolder { exists, uid_validity, uid_next, modseq: None, permanent_flags })
    }

    async fn unselect(&mut self) -> Result<(), Trouble> {
        Ok(())
    }
    async fn present(&mut self, uids: &UidSet) -> Result<UidSet, Trouble> {
        self.uids(&["here", &uids.to_string()]).await
    }
    async fn leave(self, _: &impl Clock) {}
    async fn logout(self, _: &impl Clock) {}
}

impl<S: Stream> MailSource for Toy<S> {
    fn source_facts(&self) -> SourceFacts {
        SourceFacts::default()
    }
    async fn push(&mut self) -> Result<(), Trouble> {
        Ok(())
    }
    async fn track_vanished(&mut self) -> Result<bool, Trouble> {
        Ok(false)
    }
    async fn start_identifying(&mut self, uids: &UidSet) -> Result<(), Trouble> {
        self.start_fetch(&Which::Uids(uids.clone()), Asked::default()).await
    }
    async fn true_size(&mut self, _: u32, size: u64) -> Result<Option<u64>, Trouble> {
        Ok(Some(size))
    }
    async fn part(self, _: &impl Clock) {}
}

impl<S: Stream> MailDestination for Toy<S> {
    fn destination_facts(&self) -> DestinationFacts {
        DestinationFacts { removes_singly: true, ..DestinationFacts::default() }
    }

    async fn open(&mut self, name: &MailboxName, _: Access) -> Result<Option<OpenFolder>, Trouble> {
        let answer = self.select(name).await;
        self.or_absent(name, answer).await
    }

    async fn or_absent(
        &mut self,
        _: &MailboxName,
        answer: Result<OpenFolder, Trouble>,
    ) -> Result<Option<OpenFolder>, Trouble> {
        match answer {
            Err(Trouble::Rejected(why)) if why.reason == Reason::NoFolder => Ok(None),
            other => other.map(Some),
        }
    }

    async fn folder_names(&mut self) -> Result<(Vec<MailboxName>, Option<char>), Trouble> {
        let found = self.folders().await?;
        Ok((found.folders.into_iter().map(|folder| folder.name).collect(), None))
    }

    async fn look_into(&mut self, name: &MailboxName) -> Result<OpenFolder, Trouble> {
        self.select(name).await
    }

    async fn status(
        &mut self,
        names: &[MailboxName],
    ) -> Result<Vec<Result<FolderStatus, Rejection>>, Trouble> {
        let mut all = Vec::new();
        for name in names {
            all.push(self.ask(&["status", name.text()]).await?.map(|told| {
                let number = |at: usize| told.get(at).and_then(|word| word.parse::<u32>().ok());
                FolderStatus {
                    messages: number(0).map(u64::from),
                    bytes: None,
                    uid_validity: number(1),
                    uid_next: number(2),
                    modseq: None,
                }
            }));
        }
        Ok(all)
    }

    async fn create(
        &mut self,
        folders: &[(MailboxName, Option<SpecialUse>)],
    ) -> Result<Vec<Result<(), Rejection>>, Trouble> {
        let mut all = Vec::new();
        for (name, _) in folders {
            all.push(self.ask(&["make", name.text()]).await?.map(drop));
        }
        Ok(all)
    }

    async fn rename(
        &mut self,
        from: &MailboxName,
        to: &MailboxName,
    ) -> Result<Result<(), Rejection>, Trouble> {
        Ok(self.ask(&["rename", from.text(), to.text()]).await?.map(drop))
    }

    async fn delete_folder(
        &mut self,
        name: &MailboxName,
    ) -> Result<Result<(), Rejection>, Trouble> {
        Ok(self.ask(&["drop", name.text()]).await?.map(drop))
    }

    async fn subscribe(&mut self, _: &[MailboxName]) -> Result<(), Trouble> {
        Ok(())
    }
    async fn unsubscribe(&mut self, _: &[MailboxName]) -> Result<(), Trouble> {
        Ok(())
    }

    async fn begin(
        &mut self,
        folder: &MailboxName,
        head: &Head<'_>,
        _: bool,
    ) -> Result<Result<(), Rejection>, Trouble> {
        let (seconds, zone) = head.date.map_or((0, 0), |it| (it.unix_s(), it.zone_minutes()));
        let (size, seconds, zone) = (head.size.to_string(), seconds.to_string(), zone.to_string());
        let words = ["put", folder.text(), &size, &seconds, &zone, &head.flags.to_string()];
        self.say(&words).await.map(Ok)
    }

    async fn chunk(&mut self, bytes: Bytes) -> Result<(), Trouble> {
        Ok(self.line.write(bytes).await?)
    }
    async fn end_command(&mut self) -> Result<(), Trouble> {
        Ok(())
    }

    /// Answers come in the order of the messages; a line of its own ends them.
    async fn finish(&mut self) -> Result<Vec<Stored>, Trouble> {
        self.say(&["stored"]).await?;
        let mut all = Vec::new();
        loop {
            let words = self.hear().await?;
            let number = |at: usize| words.get(at).and_then(|word| word.parse().ok());
            match words.first().map(String::as_str) {
                Some("at") => all.push(Stored::Ok { uid: number(1), uid_validity: number(2) }),
                Some("ok") => return Ok(all),
                _ => all.push(Stored::Refused(Rejection { words: words.join(" "), ..refused() })),
            }
        }
    }

    async fn change_flags(
        &mut self,
        changes: &[(&UidSet, &Flags, Change)],
    ) -> Result<Result<(), Rejection>, Trouble> {
        for (uids, flags, change) in changes {
            let add = if *change == Change::Add { "add" } else { "take" };
            let words = ["mark", &uids.to_string(), &flags.to_string(), add];
            if let Err(why) = self.ask(&words).await? {
                return Ok(Err(why));
            }
        }
        Ok(Ok(()))
    }

    async fn move_messages(&mut self, _: &UidSet, _: &MailboxName) -> Result<Vec<Moved>, Trouble> {
        Err(Trouble::Rejected(refused()))
    }
    async fn marked_deleted(&mut self) -> Result<UidSet, Trouble> {
        self.uids(&["marked"]).await
    }
    async fn remove(&mut self, uids: &UidSet) -> Result<Result<(), Rejection>, Trouble> {
        Ok(self.ask(&["remove", &uids.to_string()]).await?.map(drop))
    }
    async fn remove_marked(&mut self) -> Result<Result<(), Rejection>, Trouble> {
        Ok(Err(refused()))
    }
}
