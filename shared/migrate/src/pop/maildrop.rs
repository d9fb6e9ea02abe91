//! A maildrop that answers IMAP's questions.

use std::collections::VecDeque;
use std::ops::Range;

use imap::{Attributes, Capabilities, FetchEvent, FetchItems, Mailbox, MailboxStatus};
use imap::{Selected, Sequence};
use mailbox::MailboxName;
use mailbox::UidSet;
use pop::{Command, Error, Session};
use wire::{Bytes, Stream};

use super::spool::{SPOOL_MAX, Spool};
use crate::header::{Header, HeaderReader};

/// The UIDVALIDITY of every maildrop: UIDs are ours, and last.
const UID_VALIDITY: u32 = 1;
/// Octets, as they are listed, that may be on their way: a slice that ends lets them pass.
const FLIGHT_MAX: u64 = 4 << 20;
/// What IMAP gets instead of no octets at all: an APPEND of none means something else (RFC 3502
/// section 6.3.11).
const EMPTY: &[u8] = b"\r\n";

/// A message of this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) uid: u32,
    pub(crate) number: u32,
    pub(crate) size: u64,
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
pub(crate) struct Maildrop<S> {
    session: Session<S>,
    /// By UID.
    rows: Vec<Row>,
    /// How many there are as the server counts them, where it does.
    counted: Option<u32>,
    uid_next: u32,
    capabilities: Capabilities,
    jobs: VecDeque<Job>,
    body: Option<Body>,
    /// The last answer was a refusal, which may have been a farewell.
    doubtful: bool,
}

impl<S: Stream> Maildrop<S> {
    /// Of a session that is logged in.
    pub(crate) fn new(session: Session<S>) -> Self {
        Maildrop {
            session,
            rows: Vec::new(),
            counted: None,
            uid_next: 1,
            capabilities: Capabilities::default(),
            jobs: VecDeque::new(),
            body: None,
            doubtful: false,
        }
    }

    pub(super) fn session(&mut self) -> &mut Session<S> {
        &mut self.session
    }

    /// The server's greeting.
    pub(crate) fn greeting(&self) -> &str {
        self.session.greeting()
    }

    /// What the server announces.
    pub(crate) fn announced(&self) -> Vec<String> {
        self.session.announced()
    }

    /// A question for nothing but its answer.
    pub(crate) async fn noop(&mut self) -> Result<(), Error> {
        self.session.noop().await
    }

    /// Takes the listing, in order of UIDs, and how many there are as the server counts them.
    pub(super) fn fill_in(&mut self, rows: Vec<Row>, uid_next: u32, counted: Option<u32>) {
        (self.rows, self.uid_next, self.counted) = (rows, uid_next, counted);
    }

    /// No words of IMAP.
    pub(crate) fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// The only mailbox.
    pub(crate) fn inbox(&self) -> Mailbox {
        let status = MailboxStatus {
            messages: Some(self.rows.len() as u64),
            size: Some(self.rows.iter().map(|row| row.size).fold(0, u64::saturating_add)),
            uid_next: Some(self.uid_next),
            uid_validity: Some(UID_VALIDITY),
            ..MailboxStatus::default()
        };
        Mailbox {
            name: MailboxName::inbox(),
            delimiter: None,
            selectable: true,
            inferiors: false,
            subscribed: false,
            special_use: None,
            status: Some(status),
            overlong: false,
        }
    }

    /// The only mailbox, opened.
    pub(crate) fn selected(&self) -> Selected {
        // Numbers have no gaps (RFC 1939 section 5): where there is one, a message was not listed.
        // The last one leaves no gap; only the server's own count tells of it.
        let highest = self.rows.iter().map(|row| row.number).max().unwrap_or(0);
        let listed = u32::try_from(self.rows.len()).unwrap_or(u32::MAX).max(highest);
        let exists = listed.max(self.counted.unwrap_or(0));
        let uid_next = Some(self.uid_next);
        Selected { exists, uid_validity: UID_VALIDITY, uid_next, ..Selected::default() }
    }

    /// Which of these UIDs are there.
    pub(crate) fn present(&self, uids: &UidSet) -> UidSet {
        let rows = self.ranges(&Sequence::Uids(uids.clone())).into_iter();
        rows.flatten().filter_map(|at| Some(self.rows.get(at)?.uid)).collect()
    }

    /// Places in the rows.
    fn ranges(&self, sequence: &Sequence) -> Vec<Range<usize>> {
        let place = |uid: u32| self.rows.partition_point(|row| row.uid < uid);
        let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let all = self.rows.len();
        match sequence {
            Sequence::Uids(uids) => uids
                .ranges()
                .map(|range| {
                    let after = range.end().checked_add(1).map_or(all, place);
                    place(*range.start())..after
                })
                .collect(),
            Sequence::UidsFrom(uid) => std::iter::once(place(*uid)..all).collect(),
            Sequence::Numbers { first, last } => {
                let last = last.map_or(all, number).min(all);
                let first = number(first.saturating_sub(1)).min(last);
                std::iter::once(first..last).collect()
            }
        }
    }

    /// Asks as IMAP's FETCH does: for bodies, or for what the listing has.
    pub(crate) async fn start_fetch(
        &mut self,
        sequence: &Sequence,
        items: FetchItems,
    ) -> Result<(), Error> {
        let ranges = self.ranges(sequence);
        if items.body {
            self.start(ranges.into_iter().flatten().map(Step::Body).collect()).await
        } else {
            self.start(ranges.into_iter().map(Step::Listed).collect()).await
        }
    }

    /// Asks for rows of the listing, with what the header says where that is wanted.
    pub(crate) async fn start_listing(
        &mut self,
        sequence: &Sequence,
        header: bool,
    ) -> Result<(), Error> {
        let ranges = self.ranges(sequence);
        if header {
            self.start(ranges.into_iter().flatten().map(Step::Header).collect()).await
        } else {
            self.start(ranges.into_iter().map(Step::Listed).collect()).await
        }
    }

    /// Asks for Message-IDs and dates, and for true sizes of what has no Message-ID.
    pub(crate) async fn start_identifying(&mut self, uids: &UidSet) -> Result<(), Error> {
        let ranges = self.ranges(&Sequence::Uids(uids.clone()));
        self.start(ranges.into_iter().flatten().map(Step::Identify).collect()).await
    }

    /// Asks for the true size of a message.
    pub(crate) async fn start_measuring(&mut self, uid: u32) -> Result<(), Error> {
        let ranges = self.ranges(&Sequence::Uids(std::iter::once(uid).collect()));
        self.start(ranges.into_iter().flatten().map(Step::Measure).collect()).await
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
    pub(crate) async fn next(&mut self) -> Result<FetchEvent, Error> {
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
                return Ok(FetchEvent::Done);
            };
            match places.next() {
                Some(at) => return Ok(FetchEvent::Message(self.row(at))),
                None => drop(job.todo.pop_front()),
            }
        }
    }

    fn row(&self, at: usize) -> Attributes {
        let row = self.rows.get(at);
        Attributes {
            number: u32::try_from(at + 1).unwrap_or(u32::MAX),
            uid: row.map_or(0, |row| row.uid),
            size: row.map(|row| row.size),
            ..Attributes::default()
        }
    }

    /// The same with what the header says.
    fn row_with(&self, at: usize, header: Header) -> Attributes {
        let message_id = Some(header.message_id.into_boxed_slice());
        let message_id = message_id.filter(|id| !id.is_empty());
        Attributes { internal_date: header.date, message_id, ..self.row(at) }
    }

    /// Puts a step before what is left of the oldest question.
    fn also(&mut self, step: Step) {
        if let Some(job) = self.jobs.front_mut() {
            job.todo.push_front(step);
        }
    }

    /// Reads the answer to a step; `None` where it makes no event yet.
    async fn answered(&mut self, step: Step) -> Result<Option<FetchEvent>, Error> {
        let reply = self.session.answer().await?;
        self.doubtful = !reply.ok;
        if !reply.ok {
            return match step {
                _ if reply.is_temporary() => Err(Error::Refused(reply)),
                Step::Header(at) => {
                    self.also(Step::Measure(at));
                    Ok(None)
                }
                Step::Body(at) | Step::Again(at, ..) => Ok(Some(FetchEvent::Message(self.row(at)))),
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
                Attributes { size: Some(size), ..self.row_with(at, header) }
            }
            Step::Body(at) => return self.body_read(at).await,
            Step::Again(at, size, header) => {
                self.body = Some(Body::Coming(size));
                Attributes { body: Some(size), ..self.row_with(at, *header) }
            }
            Step::Listed(_) => return Ok(None),
        };
        Ok(Some(FetchEvent::Message(event)))
    }

    /// Reads a message that is to be handed out, and asks for it once more if it is too large.
    async fn body_read(&mut self, at: usize) -> Result<Option<FetchEvent>, Error> {
        let mut spool = Spool::default();
        let hold = self.rows.get(at).is_some_and(|row| row.size <= SPOOL_MAX);
        let (size, header) = self.read(hold.then_some(&mut spool)).await?;
        if !hold || size > SPOOL_MAX {
            // What was only listed as large is held this time.
            self.rows.get_mut(at).into_iter().for_each(|row| row.size = size);
            let large = size > SPOOL_MAX;
            self.also(if large { Step::Again(at, size, Box::new(header)) } else { Step::Body(at) });
            return Ok(None);
        }
        self.body = Some(Body::Held(spool));
        let row = Attributes { body: Some(size), ..self.row_with(at, header) };
        Ok(Some(FetchEvent::Message(row)))
    }

    /// Reads one content to its end: its size and what its header says. It is held in `spool` as
    /// far as that goes.
    async fn read(&mut self, mut spool: Option<&mut Spool>) -> Result<(u64, Header), Error> {
        let (mut size, mut header) = (0, HeaderReader::dating());
        while let Some(bytes) = self.session.chunk().await? {
            size += bytes.len() as u64;
            header.feed(&bytes);
            if size > SPOOL_MAX {
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

    async fn next_of_body(&mut self) -> Result<Option<FetchEvent>, Error> {
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
            Some(bytes) => FetchEvent::Chunk(bytes),
            None => {
                self.body = None;
                FetchEvent::EndOfBody(Attributes::default())
            }
        }))
    }

    /// Says goodbye. What is on its way passes first; a large message is not waited for.
    pub(crate) async fn leave(mut self) {
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
