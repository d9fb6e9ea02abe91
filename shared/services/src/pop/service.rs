//! A maildrop answers the questions of a source of mail.

use std::pin::pin;

use futures::future::select;
use mailbox::{Hierarchy, MailboxName, Spelling, UidSet};
use wire::{Clock, Stream};

use super::maildrop::{Entry, Maildrop, Step};
use super::names;
use crate::mail::{
    Asked, Event, Fetch, FolderStatus, Found, FoundFolder, MailFacts, MailService, MailSource,
    Name, Names, OpenFolder, Quota, Row, SourceFacts, Which,
};
use crate::trouble::Trouble;

/// The UIDVALIDITY of every maildrop: UIDs are ours, and last.
const UID_VALIDITY: u32 = 1;
/// Longest time that a server is given to let go of a maildrop, in milliseconds.
const PART_MS: u64 = 2_000;
/// The most names ever given: each slice reads them all, some 16 octets a name.
const NAMES_MAX: u32 = 4_000_000;
/// Larger sizes of a listing are not believed, so that their sum stays a number.
const SIZE_MAX: u64 = 1 << 40;

impl<S: Stream> Fetch for Maildrop<S> {
    async fn start_fetch(&mut self, which: &Which, asked: Asked) -> Result<(), Trouble> {
        let ranges = self.ranges(which).into_iter();
        let todo = if asked.body {
            ranges.flatten().map(Step::Body).collect()
        } else if asked.message_id || asked.date_from_header {
            ranges.flatten().map(Step::Header).collect()
        } else {
            ranges.map(Step::Listed).collect()
        };
        Ok(self.start(todo).await?)
    }

    async fn next(&mut self) -> Result<Event, Trouble> {
        Ok(self.event().await?)
    }
}

impl<S: Stream> MailService for Maildrop<S> {
    fn facts(&self) -> MailFacts {
        // The size of a listing is what the server makes of it, often with lone LFs.
        MailFacts { size_is_estimate: true, ..MailFacts::default() }
    }

    fn greeting(&self) -> &str {
        self.session.greeting()
    }

    fn announced(&self) -> Vec<String> {
        self.session.announced()
    }

    fn spelling(&self) -> Spelling {
        Spelling::default()
    }

    async fn folders(&mut self) -> Result<Found, Trouble> {
        let status = FolderStatus {
            messages: Some(self.rows.len() as u64),
            bytes: Some(self.rows.iter().map(|row| row.size).fold(0, u64::saturating_add)),
            uid_next: Some(self.uid_next),
            uid_validity: Some(UID_VALIDITY),
            modseq: None,
        };
        let inbox = FoundFolder {
            name: MailboxName::inbox(),
            selectable: true,
            subscribed: false,
            special_use: None,
            status: Some(status),
        };
        let (folders, hierarchy) = (vec![inbox], Hierarchy::default());
        Ok(Found { folders, hierarchy, overlong: Vec::new() })
    }

    async fn quota(&mut self) -> Result<Option<Quota>, Trouble> {
        Ok(None)
    }

    async fn noop(&mut self) -> Result<(), Trouble> {
        Ok(self.session.noop().await?)
    }

    async fn start_select(&mut self, _name: &MailboxName) -> Result<(), Trouble> {
        Ok(())
    }

    async fn selected(&mut self) -> Result<OpenFolder, Trouble> {
        // Numbers have no gaps (RFC 1939 section 5): where there is one, a message was not listed.
        // The last one leaves no gap; only the server's own count tells of it.
        let highest = self.rows.iter().map(|row| row.number).max().unwrap_or(0);
        let listed = u32::try_from(self.rows.len()).unwrap_or(u32::MAX).max(highest);
        let exists = listed.max(self.counted.unwrap_or(0));
        let uid_next = Some(self.uid_next);
        Ok(OpenFolder { exists, uid_validity: UID_VALIDITY, uid_next, ..OpenFolder::default() })
    }

    async fn unselect(&mut self) -> Result<(), Trouble> {
        Ok(())
    }

    async fn present(&mut self, uids: &UidSet) -> Result<UidSet, Trouble> {
        let rows = self.ranges(&Which::Uids(uids.clone())).into_iter();
        Ok(rows.flatten().filter_map(|at| Some(self.rows.get(at)?.uid)).collect())
    }

    async fn leave(self, clock: &impl Clock) {
        self.part(clock).await;
    }

    async fn logout(self, clock: &impl Clock) {
        self.part(clock).await;
    }
}

impl<S: Stream> MailSource for Maildrop<S> {
    fn source_facts(&self) -> SourceFacts {
        SourceFacts {
            tells_changes: false,
            renames: false,
            headers_one_by_one: true,
            identifies_by_content: true,
        }
    }

    /// Unique-ids (UIDL), and sizes as the server lists them.
    async fn names(&mut self) -> Result<Option<Names>, Trouble> {
        let listing = names::read(&mut self.session).await?;
        self.counted = listing.counted;
        let size = |size: u64| size.min(SIZE_MAX);
        self.rows = listing
            .entries
            .iter()
            .map(|entry| Entry { uid: 0, number: entry.number, size: size(entry.size) })
            .collect();
        let name = |entry: &names::Entry| Name { digest: entry.name, number: entry.number };
        Ok(Some(Names { names: listing.entries.iter().map(name).collect(), most: NAMES_MAX }))
    }

    fn number(&mut self, uids: &[u32], uid_next: u32) {
        for (row, uid) in self.rows.iter_mut().zip(uids) {
            row.uid = *uid;
        }
        self.rows.sort_unstable_by_key(|row| row.uid);
        self.uid_next = uid_next;
    }

    async fn push(&mut self) -> Result<(), Trouble> {
        Ok(())
    }

    async fn track_vanished(&mut self) -> Result<bool, Trouble> {
        Ok(false)
    }

    async fn start_identifying(&mut self, uids: &UidSet) -> Result<(), Trouble> {
        let ranges = self.ranges(&Which::Uids(uids.clone()));
        let todo = ranges.into_iter().flatten().map(Step::Identify).collect();
        Ok(self.start(todo).await?)
    }

    async fn true_size(&mut self, uid: u32, _size: u64) -> Result<Option<u64>, Trouble> {
        let ranges = self.ranges(&Which::Uids(std::iter::once(uid).collect()));
        self.start(ranges.into_iter().flatten().map(Step::Measure).collect()).await?;
        let mut size = None;
        loop {
            match self.event().await? {
                Event::Message(Row { size: counted, .. }) => size = counted,
                Event::Done => return Ok(size),
                _ => {}
            }
        }
    }

    /// A maildrop is held by one session at a time: the next slice would find it in use.
    async fn part(self, clock: &impl Clock) {
        let patience = pin!(clock.sleep_ms(PART_MS));
        // A server that takes longer notices by itself in the end.
        let _ = select(pin!(self.farewell()), patience).await;
    }
}
