//! A maildrop as a source of mail: one folder, INBOX, without flags.
//!
//! What a listing says of sizes is not believed: whoever stores a message must be told its size before it
//! comes, so a message is read before it is handed on, and read twice where it is large.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::pin;

use futures::future::select;
use mailbox::header::{Header, HeaderReader};
use mailbox::{Hierarchy, MailboxName, Spelling, UidSet};
use pop::{Command, Error, Session};
use wire::{Bytes, Clock, Stream};

use super::names;
use super::spool::{SPOOL_MAX, Spool};
use crate::mail::{
    Asked, Event, Fetch, FolderStatus, Found, FoundFolder, MailFacts, MailService, MailSource,
    Name, Names, OpenFolder, Quota, Row, SourceFacts, Which,
};
use crate::trouble::Trouble;

/// The UIDVALIDITY of every maildrop: UIDs are ours, and last.
const UID_VALIDITY: u32 = 1;
/// Octets, as they are listed, that may be on their way: a slice that ends lets them pass.
const FLIGHT_MAX: u64 = 4 << 20;
/// Longest time that a server is given to let go of a maildrop, in milliseconds.
const PART_MS: u64 = 2_000;
/// The most names ever given: each slice reads them all, some 16 octets a name.
const NAMES_MAX: u32 = 4_000_000;
/// Larger sizes of a listing are not believed, so that their sum stays a number.
const SIZE_MAX: u64 = 1 << 40;
/// What is handed out instead of no octets at all: to store none means something else to IMAP (RFC 3502
/// section 6.3.11).
const EMPTY: &[u8] = b"\r\n";

/// A message of this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    uid: u32,
    number: u32,
    size: u64,
}

/// One thing to do for an answer; places are those in the rows.
#[derive(Debug)]
enum Step {
    /// Says what the listing has.
    Listed(Range<usize>),
    /// Reads the header too.
    Header(usize),
    /// Reads the header, and all of the message where that does not identify it.
    Identify(usize),
    /// Reads all of the message to know its size.
    Measure(usize),
    /// Hands out the message.
    Body(usize),
    /// Hands out a message that was read before and was too large to hold.
    Again(usize, u64, Box<Header>),
}

/// One question.
#[derive(Debug, Default)]
struct Job {
    todo: VecDeque<Step>,
    sent: VecDeque<Step>,
}

/// The body that is being handed out.
#[derive(Debug)]
enum Body {
    Held(Spool),
    /// As it comes; so many octets are left.
    Coming(u64),
}

/// A maildrop that is logged in and listed.
pub struct Maildrop<S> {
    session: Session<S>,
    /// By UID.
    rows: Vec<Entry>,
    /// How many there are as the server counts them, where it does.
    counted: Option<u32>,
    uid_next: u32,
    /// The most octets of a message that are held.
    spool_max: u64,
    jobs: VecDeque<Job>,
    body: Option<Body>,
    /// The last answer was a refusal, which may have been a farewell.
    doubtful: bool,
}

impl<S: Stream> Maildrop<S> {
    /// Of a session that is logged in.
    pub fn new(session: Session<S>) -> Self {
        Maildrop {
            session,
            rows: Vec::new(),
            counted: None,
            uid_next: 1,
            spool_max: SPOOL_MAX,
            jobs: VecDeque::new(),
            body: None,
            doubtful: false,
        }
    }

    /// The same, which holds messages up to so many octets.
    pub fn holding(self, octets: u64) -> Self {
        Maildrop { spool_max: octets, ..self }
    }

    /// Places in the rows.
    fn ranges(&self, which: &Which) -> Vec<Range<usize>> {
        let place = |uid: u32| self.rows.partition_point(|row| row.uid < uid);
        let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let all = self.rows.len();
        match which {
            Which::Uids(uids) => uids
                .ranges()
                .map(|range| {
                    let after = range.end().checked_add(1).map_or(all, place);
                    place(*range.start())..after
                })
                .collect(),
            Which::UidsFrom(uid) => std::iter::once(place(*uid)..all).collect(),
            Which::Numbers { first, last } => {
                let last = last.map_or(all, number).min(all);
                let first = number(first.saturating_sub(1)).min(last);
                std::iter::once(first..last).collect()
            }
        }
    }

    async fn start(&mut self, todo: VecDeque<Step>) -> Result<(), Error> {
        self.jobs.push_back(Job { todo, sent: VecDeque::new() });
        self.send().await
    }

    /// Keeps the line busy: sends commands of the first question that has any left, as many as may
    /// wait for their answers.
    async fn send(&mut self) -> Result<(), Error> {
        let (window, top) = (self.session.window(), self.session.capabilities().top());
        let coming = matches!(self.body, Some(Body::Coming(_)));
        for job in &mut self.jobs {
            if job.todo.is_empty() && job.sent.is_empty() {
                if self.doubtful && !coming {
                    // A server that has hung up leaves nothing unread.
                    self.session.noop().await?;
                    self.doubtful = false;
                }
                continue;
            }
            let room = self.session.room();
            // By the half: single commands would be single packets.
            if room == 0 || (!job.sent.is_empty() && room < window.div_ceil(2)) {
                return Ok(());
            }
            let size = |step: &Step| self.rows.get(step.place()).map_or(0, |row| row.size);
            let mut flight: u64 = job.sent.iter().map(size).fold(0, u64::saturating_add);
            let mut commands = Vec::new();
            while commands.len() < room
                && let Some(step) = job.todo.pop_front()
            {
                flight = flight.saturating_add(size(&step));
                let first = job.sent.is_empty();
                let number = self.rows.get(step.place()).map_or(0, |row| row.number);
                let command = step.command(number, top);
                let Some(command) = command.filter(|_| first || flight <= FLIGHT_MAX) else {
                    job.todo.push_front(step);
                    break;
                };
                commands.push(command);
                job.sent.push_back(step);
            }
            return match commands.is_empty() {
                true => Ok(()),
                false => self.session.ask(&commands).await,
            };
        }
        Ok(())
    }

    /// What comes next of the oldest question.
    async fn event(&mut self) -> Result<Event, Error> {
        if let Some(event) = self.next_of_body().await? {
            return Ok(event);
        }
        loop {
            self.send().await?;
            let Some(job) = self.jobs.front_mut() else {
                return Err(Error::OutOfTurn { what: "nothing was asked" });
            };
            if let Some(step) = job.sent.pop_front() {
                if let Some(event) = self.answered(step).await? {
                    return Ok(event);
                }
                continue;
            }
            let Some(Step::Listed(places)) = job.todo.front_mut() else {
                self.jobs.pop_front();
                return Ok(Event::Done);
            };
            match places.next() {
                Some(at) => return Ok(Event::Message(self.row(at))),
                None => drop(job.todo.pop_front()),
            }
        }
    }

    fn row(&self, at: usize) -> Row {
        let row = self.rows.get(at);
        Row { uid: row.map_or(0, |row| row.uid), size: row.map(|row| row.size), ..Row::default() }
    }

    /// The same with what the header says.
    fn row_with(&self, at: usize, header: Header) -> Row {
        let message_id = Some(header.message_id.into_boxed_slice());
        let message_id = message_id.filter(|id| !id.is_empty());
        Row { date: header.date, message_id, ..self.row(at) }
    }

    /// Puts a step before what is left of the oldest question.
    fn also(&mut self, step: Step) {
        if let Some(job) = self.jobs.front_mut() {
            job.todo.push_front(step);
        }
    }

    /// Reads the answer to a step; `None` where it makes no event yet.
    async fn answered(&mut self, step: Step) -> Result<Option<Event>, Error> {
        let reply = self.session.answer().await?;
        self.doubtful = !reply.ok;
        if !reply.ok {
            return match step {
                _ if reply.is_temporary() => Err(Error::Refused(reply)),
                Step::Header(at) => {
                    self.also(Step::Measure(at));
                    Ok(None)
                }
                Step::Body(at) | Step::Again(at, ..) => Ok(Some(Event::Message(self.row(at)))),
                Step::Identify(_) | Step::Measure(_) | Step::Listed(_) => Ok(None),
            };
        }
        let event = match step {
            Step::Header(at) => {
                let (_, header) = self.read(None).await?;
                self.row_with(at, header)
            }
            Step::Identify(at) => {
                let (_, header) = self.read(None).await?;
                if header.message_id.is_empty() {
                    self.also(Step::Measure(at));
                    return Ok(None);
                }
                self.row_with(at, header)
            }
            Step::Measure(at) => {
                let (size, header) = self.read(None).await?;
                Row { size: Some(size), ..self.row_with(at, header) }
            }
            Step::Body(at) => return self.body_read(at).await,
            Step::Again(at, size, header) => {
                self.body = Some(Body::Coming(size));
                Row { body: Some(size), ..self.row_with(at, *header) }
            }
            Step::Listed(_) => return Ok(None),
        };
        Ok(Some(Event::Message(event)))
    }

    /// Reads a message that is to be handed out, and asks for it once more if it is too large.
    async fn body_read(&mut self, at: usize) -> Result<Option<Event>, Error> {
        let mut spool = Spool::default();
        let hold = self.rows.get(at).is_some_and(|row| row.size <= self.spool_max);
        let (size, header) = self.read(hold.then_some(&mut spool)).await?;
        if !hold || size > self.spool_max {
            // What was only listed as large is held this time.
            self.rows.get_mut(at).into_iter().for_each(|row| row.size = size);
            let large = size > self.spool_max;
            self.also(if large { Step::Again(at, size, Box::new(header)) } else { Step::Body(at) });
            return Ok(None);
        }
        self.body = Some(Body::Held(spool));
        let row = Row { body: Some(size), ..self.row_with(at, header) };
        Ok(Some(Event::Message(row)))
    }

    /// Reads one content to its end: its size and what its header says. It is held in `spool` as
    /// far as that goes.
    async fn read(&mut self, mut spool: Option<&mut Spool>) -> Result<(u64, Header), Error> {
        let (mut size, mut header) = (0, HeaderReader::dating());
        while let Some(bytes) = self.session.chunk().await? {
            size += bytes.len() as u64;
            header.feed(&bytes);
            if size > self.spool_max {
                spool.take().into_iter().for_each(Spool::clear);
            }
            spool.iter_mut().for_each(|spool| spool.push(bytes.clone()));
        }
        if size == 0 {
            size = EMPTY.len() as u64;
            spool.iter_mut().for_each(|spool| spool.push(Bytes::from_static(EMPTY)));
        }
        Ok((size, header.finish()))
    }

    async fn next_of_body(&mut self) -> Result<Option<Event>, Error> {
        let chunk = match &mut self.body {
            None => return Ok(None),
            Some(Body::Held(spool)) => spool.pop(),
            Some(Body::Coming(left)) => {
                let chunk = self.session.chunk().await?;
                let octets = chunk.as_ref().map_or(0, Bytes::len) as u64;
                let fits = octets <= *left && (chunk.is_some() || *left == 0);
                if !fits {
                    let what = "a message is not as long as a moment ago";
                    return Err(Error::Unreadable { what, sample: String::new() });
                }
                *left -= octets;
                chunk
            }
        };
        Ok(Some(match chunk {
            Some(bytes) => Event::Chunk(bytes),
            None => {
                self.body = None;
                Event::EndOfBody(Row::default())
            }
        }))
    }

    /// Says goodbye. What is on its way passes first; a large message is not waited for.
    async fn farewell(mut self) {
        let places = self.jobs.iter().flat_map(|job| &job.sent).map(Step::place);
        let sizes = places.filter_map(|at| Some(self.rows.get(at)?.size));
        let flight = sizes.fold(0, u64::saturating_add);
        if matches!(self.body, Some(Body::Coming(_))) || flight > FLIGHT_MAX {
            return;
        }
        while self.session.outstanding() > 0 {
            let passed = self.session.answer().await;
            let passed = match passed {
                Ok(reply) if reply.ok => self.read(None).await.map(drop),
                other => other.map(drop),
            };
            if passed.is_err() {
                return;
            }
        }
        self.session.quit().await;
    }
}

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

impl Step {
    fn place(&self) -> usize {
        match self {
            Step::Listed(places) => places.start,
            Step::Header(at)
            | Step::Identify(at)
            | Step::Measure(at)
            | Step::Body(at)
            | Step::Again(at, ..) => *at,
        }
    }

    /// The command, where it takes one.
    fn command(&self, number: u32, top: bool) -> Option<Command> {
        match self {
            Step::Listed(_) => None,
            Step::Header(_) | Step::Identify(_) if top => Some(Command::Header(number)),
            Step::Header(_)
            | Step::Identify(_)
            | Step::Measure(_)
            | Step::Body(_)
            | Step::Again(..) => Some(Command::Retrieve(number)),
        }
    }
}
