//! What an earlier numbering of a folder says was brought, so that what the user deleted at the
//! destination since is not brought again.

use std::collections::BTreeMap;

use ledger::Message;
use ledger::fold::Row;
use ledger::folder::Folder;
use ledger::skips::Skips;
use mailbox::UidSet;
use model::MigrationId;
use store::Store;

use crate::mail::orphans::mixed;
use crate::mail::windows;
use crate::run::Run;
use crate::trouble::Halt;
use crate::world::Host;

/// Messages brought before a side numbered its messages anew: 12 bytes each, since there may be a
/// million of them.
#[derive(Debug, Default)]
pub(crate) struct Brought {
    /// Message-ID and date of each as one number, in order.
    same: Vec<u64>,
    taken: Skips,
    left: usize,
}

impl Brought {
    /// Reads the journal of a folder, where it tells anything.
    pub(crate) async fn read<H: Host, S: Store>(
        run: &Run<'_, H, S>,
        at: usize,
    ) -> Result<Self, Halt> {
        match run.folder(at)? {
            folder if folder.recognise => {
                Brought::of_journal(run.store(), run.id(), at, folder).await
            }
            _ => Ok(Brought::default()),
        }
    }

    /// Reads the journal of a folder that is numbered anew.
    pub(crate) async fn of_journal(
        store: &impl Store,
        id: &MigrationId,
        at: usize,
        folder: &Folder,
    ) -> Result<Self, Halt> {
        let now = (folder.found.uid_validity, folder.destination_uid_validity);
        let is_now = |row: &Row| (row.source_uid_validity, row.destination_uid_validity) == now;
        // A message has a row for each way in which the source numbered it; one that has a number
        // of now at both sides is settled.
        let mut settled: BTreeMap<u32, UidSet> = BTreeMap::new();
        let mut windows = windows::of(id, at, folder.segments);
        while let Some(ledger) = windows.next(store).await? {
            for row in ledger.rows.iter().filter(|row| is_now(row)) {
                let uids = settled.entry(row.destination_uid_validity).or_default();
                uids.insert(row.entry.destination_uid);
            }
        }
        let mut same = Vec::new();
        let mut windows = windows::of(id, at, folder.segments);
        while let Some(ledger) = windows.next(store).await? {
            for row in ledger.rows.iter().filter(|row| !is_now(row)) {
                let uids = settled.entry(row.destination_uid_validity).or_default();
                if uids.contains(row.entry.destination_uid) {
                    continue;
                }
                uids.insert(row.entry.destination_uid);
                // Without a Message-ID, one second is no sign that two messages are one.
                if row.entry.identity != 0 {
                    same.push(number(row.entry.identity, row.entry.date.unix_s()));
                }
            }
        }
        Ok(Brought::of(same))
    }

    fn of(mut same: Vec<u64>) -> Self {
        same.sort_unstable();
        let (taken, left) = (Skips::new(same.len()), same.len());
        Brought { same, taken, left }
    }

    /// Whether there are none, or no more.
    pub(crate) fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Takes one that is this message; whether there was one.
    pub(crate) fn take(&mut self, message: &Message) -> bool {
        if self.left == 0 || message.identity == 0 {
            return false;
        }
        let wanted = number(message.identity, message.date.unix_s());
        let place = self.taken.free(self.same.partition_point(|same| *same < wanted));
        let found = self.same.get(place) == Some(&wanted);
        if found {
            self.taken.take(place);
            self.left -= 1;
        }
        found
    }
}

fn number(identity: u64, unix_s: i64) -> u64 {
    mixed(&[identity, unix_s.cast_unsigned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_taken_once() {
        let message = |identity, second| {
            let date = mailbox::InternalDate::new(second, 0).unwrap();
            Message { uid: 1, size: 1, date, flags: mailbox::Flags::new(), identity }
        };
        let mut brought = Brought::of(vec![number(7, 1), number(8, 1), number(7, 1)]);
        assert!(!brought.take(&message(7, 2)));
        assert!(brought.take(&message(7, 1)) && brought.take(&message(7, 1)));
        assert!(!brought.take(&message(7, 1)) && !brought.is_empty());
        assert!(brought.take(&message(8, 1)) && brought.is_empty());
        assert!(!Brought::default().take(&message(8, 1)));
    }
}
