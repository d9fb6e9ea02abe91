//! Lists a folder of the source in windows, so that a folder of any size takes little memory.
//!
//! Windows go by message number, which shifts when messages are expunged meanwhile; each window
//! therefore begins on a message that is settled already, and steps back until it does.

use std::collections::BTreeSet;

use ledger::Message;
use mailbox::{Flags, InternalDate, UidSet, header};
use services::mail::{Asked, Event, Fetch, MailSource, Row as Told, Which};
use services::{Source, Trouble};
use wire::Stream;

/// Messages in one window: about 100 bytes each.
pub(crate) const WINDOW_MESSAGES: u32 = 10_000;
/// The same where each costs a command of its own: without pipelining 25 s at a distance of 50 ms.
pub(crate) const WINDOW_HEADERS: u32 = if cfg!(test) { 5 } else { 500 };
/// First step back when messages were expunged; it doubles.
const STEP_BACK: u32 = 100;

/// What is asked of each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The Message-ID too: dearer, since servers read the message for it.
    pub(crate) identity: bool,
    /// Only messages that have no label (Gmail's All Mail).
    pub(crate) unlabelled_only: bool,
    /// Dates are looked at, which some sources must read the header for.
    pub(crate) dates: bool,
}

impl Wanted {
    /// Whether a source that lists no more than sizes reads headers.
    pub(crate) fn header(self) -> bool {
        self.identity || self.dates
    }
}

/// A part of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// Messages with UIDs above the settled one, ascending.
    pub(crate) messages: Vec<Message>,
    /// Messages left out since they are in another folder too.
    pub(crate) elsewhere: u64,
    /// The number where the next window begins; `None` after the last.
    pub(crate) next: Option<u32>,
    /// The highest UID seen.
    pub(crate) last_uid: u32,
}

/// Messages in one window of a listing.
pub(crate) fn window<S: Stream>(source: &Source<S>, wanted: Wanted) -> u32 {
    match source.source_facts().headers_one_by_one && wanted.header() {
        true => WINDOW_HEADERS,
        false => WINDOW_MESSAGES,
    }
}

/// What is asked of each message of a window.
fn asked(wanted: Wanted) -> Asked {
    Asked {
        flags: true,
        date: true,
        date_from_header: wanted.dates,
        size: true,
        message_id: wanted.identity,
        labels: wanted.unlabelled_only,
        ..Asked::default()
    }
}

/// Asks for a window of a folder of `exists` messages, without waiting; it may go out together with the
/// question that opens the folder. Numbers beyond the last message are an error on some servers.
pub(crate) async fn start_window<S: Stream>(
    source: &mut Source<S>,
    (first, exists): (u32, u32),
    wanted: Wanted,
) -> Result<(), Trouble> {
    let last = first.saturating_add(window(source, wanted) - 1).min(exists.max(first));
    source.start_fetch(&Which::Numbers { first, last: Some(last) }, asked(wanted)).await
}

/// Asks for the rows of these messages, without waiting.
async fn start_rows<S: Stream>(
    source: &mut Source<S>,
    uids: UidSet,
    wanted: Wanted,
) -> Result<(), Trouble> {
    source.start_fetch(&Which::Uids(uids), asked(wanted)).await
}

/// The rows of these messages; those that are gone are left out.
pub(crate) async fn of<S: Stream>(
    source: &mut Source<S>,
    uids: UidSet,
    wanted: Wanted,
) -> Result<Vec<Message>, Trouble> {
    start_rows(source, uids, wanted).await?;
    Ok(collect(source, wanted).await?.0)
}

/// Reads the answer to a question about messages that is of no use any more.
pub(crate) async fn discard<S: Stream>(source: &mut Source<S>) -> Result<(), Trouble> {
    loop {
        if let Event::Done | Event::Refused(_) = source.next().await? {
            return Ok(());
        }
    }
}

/// Reads the answer of a window that was asked for from `first` on, in a folder that has `exists`
/// messages, of which all up to UID `after` are settled.
pub(crate) async fn read<S: Stream>(
    source: &mut Source<S>,
    (mut first, exists): (u32, u32),
    after: u32,
    wanted: Wanted,
) -> Result<Window, Trouble> {
    let mut step = STEP_BACK;
    loop {
        let (rows, elsewhere) = match collect(source, wanted).await {
            // The folder has shrunk since the request was made.
            Err(Trouble::Rejected(why))
                if (first > exists || first == 1) && why.wait_s.is_none() =>
            {
                (Vec::new(), 0)
            }
            other => other?,
        };
        let lowest = rows.first().map(|row| row.uid);
        let gap = first > 1 && exists > 0 && lowest.is_none_or(|uid| uid > after);
        if !gap {
            let end = first.saturating_add(window(source, wanted) - 1);
            let last_uid = rows.last().map_or(after, |row| row.uid).max(after);
            let messages = rows.into_iter().filter(|row| row.uid > after).collect();
            return Ok(Window {
                messages,
                elsewhere,
                next: (end < exists).then_some(end),
                last_uid,
            });
        }
        first = first.min(exists).saturating_sub(step).max(1);
        step = step.saturating_mul(2);
        start_window(source, (first, exists), wanted).await?;
    }
}

async fn collect<S: Stream>(
    source: &mut Source<S>,
    wanted: Wanted,
) -> Result<(Vec<Message>, u64), Trouble> {
    let mut rows = rows(source).await?;
    // A row without a part of what was asked for is asked for once more: what a server left out
    // in a long answer it often has in a short one.
    let is_short = |row: &&Row| row.size.is_none() || row.date.is_none() || row.flags.is_none();
    let short: UidSet = rows.iter().filter(is_short).map(|row| row.uid).collect();
    if !short.is_empty() && short.len() <= ASKED_AGAIN_MAX {
        start_rows(source, short, wanted).await?;
        rows.extend(self::rows(source).await?);
        rows = merged(rows);
    }
    let all = rows.len();
    let rows = rows.into_iter().filter(|row| !wanted.unlabelled_only || !row.labelled);
    let rows: Vec<Message> = rows.filter_map(Row::message).collect();
    let elsewhere = (all - rows.len()) as u64;
    Ok((rows, elsewhere))
}

/// Rows that are asked for once more, where a server leaves something out of them: more are its way
/// of listing, and asking again would cost as much as the listing did.
const ASKED_AGAIN_MAX: u64 = 1_000;

/// What FETCH responses say about one message, as far as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) uid: u32,
    size: Option<u64>,
    date: Option<InternalDate>,
    flags: Option<Flags>,
    identity: Option<u64>,
    labelled: bool,
}

impl Row {
    /// Of one response.
    pub(crate) fn of(told: Told) -> Row {
        Row {
            uid: told.uid,
            size: told.size,
            date: told.date,
            flags: told.flags,
            identity: told.message_id.map(|block| header::identity(&block)),
            labelled: told.labelled,
        }
    }

    /// Whether it is of one of these identities, as far as this response tells.
    pub(crate) fn may_be_of(&self, identities: &BTreeSet<u64>) -> bool {
        self.identity.is_none_or(|own| identities.contains(&own))
    }

    /// Takes over what a later response says; of flags the latest news counts.
    fn merge(&mut self, later: Row) {
        self.size = self.size.or(later.size);
        self.date = self.date.or(later.date);
        self.flags = later.flags.or(self.flags.take());
        self.identity = self.identity.or(later.identity);
        self.labelled |= later.labelled;
    }

    /// The message. A server that has no INTERNALDATE for it leaves it out: 1970 is as good as any.
    /// Size 0 says that none was announced.
    pub(crate) fn message(self) -> Option<Message> {
        Some(Message {
            uid: self.uid,
            size: self.size.unwrap_or(0),
            date: self.date.or_else(|| InternalDate::new(0, 0))?,
            flags: self.flags.unwrap_or_default(),
            identity: self.identity.unwrap_or(0),
        })
    }
}

/// One row a message, in the order of UIDs: what is said of one may come in several responses, or
/// twice (RFC 9051 section 7.5.2).
pub(crate) fn merged(mut rows: Vec<Row>) -> Vec<Row> {
    if !rows.is_sorted_by(|a, b| a.uid < b.uid) {
        // Stable: responses about one message stay in the order they came.
        rows.sort_by_key(|row| row.uid);
        rows.dedup_by(|later, first| {
            let same = later.uid == first.uid;
            if same {
                first.merge(later.clone());
            }
            same
        });
    }
    rows
}

/// The answer to a question about messages.
async fn rows<S: Stream>(source: &mut Source<S>) -> Result<Vec<Row>, Trouble> {
    let mut rows = Vec::new();
    loop {
        match source.next().await? {
            Event::Message(told) if told.uid != 0 => rows.push(Row::of(told)),
            Event::Done => return Ok(merged(rows)),
            Event::Refused(reply) => return Err(Trouble::Rejected(reply)),
            Event::Message(_) | Event::Chunk(_) | Event::EndOfBody(_) | Event::Vanished(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use imap::Session;
    use wire::script::Script;

    const PLAIN: Wanted = Wanted { identity: false, unlabelled_only: false, dates: false };

    fn row(number: u32, uid: u32) -> String {
        format!(
            "S: * {number} FETCH (UID {uid} FLAGS (\\Recent \\Seen) INTERNALDATE \"01-Jan-2001 10:00:00 +0100\" RFC822.SIZE 9)\n"
        )
    }

    #[test]
    fn steps_back_when_messages_went_away() {
        let start = "S: * PREAUTH [CAPABILITY IMAP4rev1] hi\n";
        let ask = |tag: &str, first: u32| {
            let last = 201;
            format!("C: {tag} FETCH {first}:{last} (UID FLAGS INTERNALDATE RFC822.SIZE)\n")
        };
        let script = [
            start.to_owned(),
            ask("A1", 200),
            row(200, 501),
            "S: A1 OK done\n".into(),
            ask("A2", 100),
            row(100, 400),
            row(101, 450),
            row(200, 501),
            "S: A2 OK done\n".into(),
        ]
        .concat();
        block_on(async {
            let session = Session::greet(Script::new(&script, 7)).await.unwrap();
            let mut source = Source::imap(session);
            start_window(&mut source, (200, 201), PLAIN).await.unwrap();
            let window = read(&mut source, (200, 201), 400, PLAIN).await.unwrap();
            let uids: Vec<u32> = window.messages.iter().map(|message| message.uid).collect();
            assert_eq!((uids, window.next, window.last_uid), (vec![450, 501], None, 501));
        });
    }
}
