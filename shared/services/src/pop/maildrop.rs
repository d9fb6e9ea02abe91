//! A maildrop as a source of mail: one folder, INBOX, without flags.
//!
//! What a listing says of sizes is not believed: whoever stores a message must be told its size before it
//! comes, so a message is read before it is handed on, and read twice where it is large.

use std::collections::VecDeque;
use std::ops::Range;

use mailbox::header::{Header, HeaderReader};
use pop::{Command, Error, Session};
use wire::{Bytes, Stream};

use super::spool::{SPOOL_MAX, Spool};
use crate::mail::{Event, Row, Which};

/// Octets, as they are listed, that may be on their way: a slice that ends lets them pass.
const FLIGHT_MAX: u64 = 4 << 20;
/// What is handed out instead of no octets at all: to store none means something else to IMAP (RFC 3502
/// section 6.3.11).
const EMPTY: &[u8] = b"\r\n";

/// A message of this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) uid: u32,
    pub(super) number: u32,
    pub(super) size: u64,
}

/// One thing to do for an answer; places are those in the rows.
#[derive(Debug)]
pub(super) enum Step {
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
    pub(super) session: Session<S>,
    /// By UID.
    pub(super) rows: Vec<Entry>,
    /// How many there are as the server counts them, where it does.
    pub(super) counted: Option<u32>,
    pub(super) uid_next: u32,
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
    pub(super) fn ranges(&self, which: &Which) -> Vec<Range<usize>> {
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

    pub(super) async fn start(&mut self, todo: VecDeque<Step>) -> Result<(), Error> {
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
    pub(super) async fn event(&mut self) -> Result<Event, Error> {
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
    pub(super) async fn farewell(mut self) {
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
