//! What is held at the limits, counted: of a component's 64 MiB nothing takes more than a part.

use futures::executor::block_on;
use imap::Session;
use mailbox::InternalDate;
use model::{Migration, MigrationId};
use services::Destination;
use store::memory::Memory;
use store::{Store, keys};
use wire::{Bytes, Error, Stream};

use super::bed::Bed;
use super::whole::fill;
use crate::mail::brought::Brought;
use crate::mail::orphans::ORPHANS_MAX;
use crate::mail::proof::Known;
use crate::mail::standing::{STANDING_MAX, Standing};
use ledger::Message;
use ledger::fold::WINDOW_ROWS;
use ledger::folder::Folder;
use ledger::journal::{Entry, Origin, Segment};

#[global_allocator]
static COUNTING: counting::Counting = counting::Counting;

const MIB: usize = 1 << 20;
/// Messages of a folder that is large.
const MILLION: u32 = 1_000_000;
/// Entries of a segment, as a batch has them.
const BATCH: u32 = 2_000;

/// A server with a folder of so many messages, whose answers are made as they are read.
struct Large {
    count: u32,
    next: u32,
    asked: usize,
}

impl Stream for Large {
    async fn read(&mut self) -> Result<Bytes, Error> {
        let text = match self.asked {
            0 => {
                self.asked = 1;
                "* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n".to_owned()
            }
            2 => {
                self.asked = 3;
                let count = self.count;
                format!("* {count} EXISTS\r\n* OK [UIDVALIDITY 7] x\r\nA1 OK [READ-ONLY] done\r\n")
            }
            _ if self.next == self.count => "A2 OK done\r\n".to_owned(),
            _ => {
                let mut rows = String::new();
                for _ in 0..500.min(self.count - self.next) {
                    self.next += 1;
                    let n = self.next;
                    let id = format!("Message-ID: <{n}@x>\r\n\r\n");
                    let octets = id.len();
                    rows += &format!(
                        "* {n} FETCH (UID {n} RFC822.SIZE {} BODY[HEADER.FIELDS (MESSAGE-ID)] \
                         {{{octets}}}\r\n{id})\r\n",
                        n % 5_000
                    );
                }
                rows
            }
        };
        Ok(text.into())
    }

    async fn write(&mut self, _: Bytes) -> Result<(), Error> {
        self.asked = self.asked.max(2);
        Ok(())
    }
}

/// Everything that may stand in a folder of the destination, and each of it taken.
#[test]
fn a_destination_folder_as_large_as_it_may_be() {
    let count = u32::try_from(STANDING_MAX).unwrap();
    let (mut standing, peak) = counting::peak_of(|| {
        block_on(async {
            let large = Large { count, next: 0, asked: 0 };
            let mut session = Destination::imap(Session::greet(large).await.unwrap());
            let name = mailbox::MailboxName::inbox();
            Standing::read(&mut session, &name, false).await.unwrap()
        })
    });
    assert!(peak < 32 * MIB, "{} MiB", peak / MIB);
    let date = InternalDate::new(0, 0).unwrap();
    for n in [1, count / 2, count] {
        let identity = mailbox::header::identity(format!("<{n}@x>").as_bytes());
        let size = u64::from(n % 5_000);
        let message = Message { uid: 9, size, date, flags: mailbox::Flags::new(), identity };
        assert_eq!(standing.take(&message), Some(n));
        assert_eq!(standing.take(&message), None);
    }
    // One more is refused with a sentence.
    let more = block_on(async {
        let large = Large { count: count + 1, next: 0, asked: 0 };
        let mut session = Destination::imap(Session::greet(large).await.unwrap());
        Standing::read(&mut session, &mailbox::MailboxName::inbox(), false).await.map(drop)
    });
    let told = format!("{:?}", more.unwrap_err());
    assert!(told.contains("messages at the destination"), "{told}");
}

fn entry(n: u32) -> Entry {
    Entry {
        source_uid: n,
        destination_uid: n + 7,
        size: 300,
        date: InternalDate::new(i64::from(n), 60).unwrap(),
        identity: u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        flags: 0,
        origin: Origin::Copied,
    }
}

/// A store with the journal of a folder of a million messages, all brought.
fn journalled() -> (Memory, MigrationId, Folder) {
    let bed = Bed::new(fake_imap::Features::modern(), fake_imap::Features::modern());
    fill(&bed);
    bed.finish();
    let Migration { id, .. } = bed.migration();
    let mut folder = block_on(ledger::table::all(&bed.memory, &id, 4)).unwrap().remove(0);
    let memory = Memory::default();
    folder.segments = MILLION / BATCH;
    folder.segments_before = 0;
    for number in 0..folder.segments {
        let segment = Segment {
            sync_point: 1,
            source_uid_validity: folder.found.uid_validity,
            destination_uid_validity: folder.destination_uid_validity,
            flag_sets: vec![String::new()],
            entries: (number * BATCH + 1..=(number + 1) * BATCH).map(entry).collect(),
        };
        block_on(memory.set(&keys::journal(&id, 0, number), segment.encode())).unwrap();
    }
    (memory, id, folder)
}

/// What the verification, a folder that is numbered anew and the walk through a ledger hold.
#[test]
fn a_journal_of_a_million_messages() {
    crate::mail::windows::TESTED.set(WINDOW_ROWS);
    let (memory, id, mut folder) = journalled();
    let all: mailbox::UidSet = (1..=MILLION + 1).collect();

    let (known, peak) =
        counting::peak_of(|| block_on(Known::of_journal(&memory, &id, 0, &folder)).unwrap());
    assert_eq!(known.unknown(&all).to_string(), (MILLION + 1).to_string());
    assert!(peak < 32 * MIB, "known: {} MiB", peak / MIB);

    let (count, peak) = counting::peak_of(|| {
        let mut windows = crate::mail::windows::of(&id, 0, folder.segments);
        let mut count = 0;
        while let Some(ledger) = block_on(windows.next(&memory)).unwrap() {
            count += ledger.rows.len();
        }
        count
    });
    assert_eq!(count, MILLION as usize);
    assert!(peak < 20 * MIB, "windows: {} MiB", peak / MIB);

    folder.found.uid_validity += 1;
    let (mut brought, peak) =
        counting::peak_of(|| block_on(Brought::of_journal(&memory, &id, 0, &folder)).unwrap());
    assert!(peak < 40 * MIB, "brought: {} MiB", peak / MIB);
    for n in (1..=MILLION).step_by(1_000) {
        assert!(brought.take(&entry(n).message()));
        assert!(!brought.take(&entry(n).message()));
    }
}

/// As many messages as may be gone from their folders at the source between two runs.
#[test]
fn a_million_messages_that_left_their_folders() {
    let count = u32::try_from(ORPHANS_MAX).unwrap();
    let pages = (0..count / BATCH).map(|page| Segment {
        entries: (page * BATCH + 1..=(page + 1) * BATCH).map(entry).collect(),
        ..Segment::default()
    });
    let (mut orphans, peak) =
        counting::peak_of(|| crate::mail::orphans::Orphans::of_pages(3, pages, ORPHANS_MAX));
    assert!(peak < 32 * MIB, "{} MiB", peak / MIB);
    for n in (1..=count).step_by(1_000) {
        assert!(orphans.take(1, &entry(n).message()).is_some());
        assert!(orphans.take(1, &entry(n).message()).is_none());
    }
}
