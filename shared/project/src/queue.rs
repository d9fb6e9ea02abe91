//! Which migrations of a project run, and which come next: pure decisions on one small record.
//!
//! Migrations that are ready stand in **lanes**, one for each wave and pair of servers, and are
//! taken from them in turn, so that a slow server holds up nobody but its own lane. A lane has
//! nothing to give while its wave has not begun or one of its servers has all it can bear. The
//! record knows migrations by their numbers in the project; whoever is **active** is in the index of
//! what is due, everybody else costs nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::{ProjectOptions, Timestamp};
use serde::{Deserialize, Serialize};

/// Servers beyond this many pairs share one lane, which keeps the record small; what a server
/// bears is still seen to when a slice begins.
const LANES_MAX: usize = 1_000;
/// Lanes looked at in one go, so that only so many servers have to be looked up.
const LANES_AT_ONCE: usize = 64;
/// Where a lane waits for a server that others keep busy, it is looked at again after this long.
const BUSY_LOOK_MS: u64 = 3_000;
/// Where a migration is to go on and somebody is still ending its last slice, it is tried again after
/// this long.
const HELD_LOOK_MS: u64 = 500;
/// Whoever runs is put into the index of what is due once more after this long, since a migration that
/// fell out of it, whatever the reason, would keep its place and never go on.
const AGAIN_MS: u64 = 600_000;
/// Stands for any server in the lane that servers share.
const ANY: &str = "*";

/// Migrations that wait for the same wave and the same servers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Lane {
    group: String,
    source: String,
    destination: String,
    ready: VecDeque<u32>,
}

/// A migration that waits for a time of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Later {
    at_ms: u64,
    lane: usize,
}

/// A migration that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Active {
    lane: usize,
    /// Tells this start from an earlier one.
    start: u64,
    /// Whether it is in the index of what is due.
    started: bool,
    /// Whether it holds.
    holds: bool,
}

/// What a server bears at most, by its name; one that is missing bears everything.
pub type Ceilings = BTreeMap<String, u32>;

/// Where a migration belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its wave; empty for none.
    pub group: String,
    /// The source's server.
    pub source: String,
    /// The destination's server.
    pub destination: String,
}

/// How a slice left a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It goes on at once.
    Unfinished,
    /// It goes on by itself then (ms since 1970).
    Waiting(u64),
    /// It holds as long as its project does.
    Held,
    /// It holds until its own owner says otherwise.
    HeldByOwner,
    /// Nothing happens with it any more by itself.
    Ended,
}

/// What is to be done so that the record is true; done twice does no harm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deeds {
    /// To be put into the index of what is due, each with the number of its start.
    pub start: Vec<(u32, u64)>,
    /// To be told to hold.
    pub hold: Vec<u32>,
    /// Hold, and are to go on; each with the number of its start.
    pub resume: Vec<(u32, u64)>,
}

impl Deeds {
    /// Whether there is nothing to be done.
    pub fn is_empty(&self) -> bool {
        self.start.is_empty() && self.hold.is_empty() && self.resume.is_empty()
    }
}

/// The record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Whether the owner holds it.
    pub paused: bool,
    /// Numbers given out so far.
    pub count: u32,
    /// Counts starts.
    starts: u64,
    /// The lane that is asked first.
    turn: usize,
    lanes: Vec<Lane>,
    later: BTreeMap<u32, Later>,
    active: BTreeMap<u32, Active>,
    /// When all who run were put into the index last (ms since 1970).
    #[serde(default)]
    again_ms: u64,
}

impl Queue {
    /// Adds a migration at the end of its lane; its number.
    pub fn add(&mut self, place: &Place) -> u32 {
        let (number, lane) = (self.count, self.lane(place));
        self.count += 1;
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.ready.push_back(number);
        }
        number
    }

    /// Puts a migration that is in the queue no more at the head of its lane.
    pub fn again(&mut self, number: u32, place: &Place) {
        if self.holds_number(number) {
            return;
        }
        let lane = self.lane(place);
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.ready.push_front(number);
        }
    }

    /// Whether `number` runs, is ready or waits for a time.
    pub fn holds_number(&self, number: u32) -> bool {
        self.active.contains_key(&number)
            || self.later.contains_key(&number)
            || self.lanes.iter().any(|lane| lane.ready.contains(&number))
    }

    /// Whether `number` runs.
    pub fn is_active(&self, number: u32) -> bool {
        self.active.contains_key(&number)
    }

    /// Migrations that run.
    pub fn active(&self) -> usize {
        self.active.len()
    }

    /// Migrations that are ready or wait for a time.
    pub fn waiting(&self) -> usize {
        self.later.len() + self.lanes.iter().map(|lane| lane.ready.len()).sum::<usize>()
    }

    /// Takes note of how a slice, or its owner, left `number`.
    pub fn settle(&mut self, number: u32, left: Left) {
        match left {
            // It saw nothing of a hold, or that is over.
            Left::Unfinished => {
                if let Some(active) = self.active.get_mut(&number) {
                    active.holds = false;
                }
            }
            Left::Waiting(at_ms) => {
                let Some(active) = self.active.remove(&number) else { return };
                self.later.insert(number, Later { at_ms, lane: active.lane });
            }
            // It keeps its place, and goes on with it.
            Left::Held => {
                if let Some(active) = self.active.get_mut(&number) {
                    active.holds = true;
                }
            }
            Left::HeldByOwner | Left::Ended => self.forget(number),
        }
    }

    /// Takes note that `number` goes on by itself at `at_ms` (ms since 1970); where it neither runs nor
    /// waits, it comes into the queue with that.
    pub fn wait(&mut self, number: u32, at_ms: u64, place: &Place) {
        if self.active.contains_key(&number) {
            self.settle(number, Left::Waiting(at_ms));
        } else if !self.holds_number(number) {
            let lane = self.lane(place);
            self.later.insert(number, Later { at_ms, lane });
        }
    }

    /// Takes note that `number` holds as its project does, wherever it stood: it goes on with it.
    pub fn hold(&mut self, number: u32, place: &Place) {
        if !self.active.contains_key(&number) {
            let lane = match self.later.remove(&number) {
                Some(later) => later.lane,
                None => self.lane(place),
            };
            self.forget(number);
            self.starts += 1;
            let active = Active { lane, start: self.starts, started: true, holds: true };
            self.active.insert(number, active);
        }
        self.settle(number, Left::Held);
    }

    fn forget(&mut self, number: u32) {
        self.active.remove(&number);
        self.later.remove(&number);
        for lane in &mut self.lanes {
            lane.ready.retain(|ready| *ready != number);
        }
    }

    /// The waves that migrations wait in, or have waited in of late.
    pub fn groups(&self) -> BTreeSet<&str> {
        let groups = self.lanes.iter().map(|lane| lane.group.as_str());
        groups.filter(|group| !group.is_empty()).collect()
    }

    /// The servers whose ceilings [`Queue::turn`] should know.
    pub fn servers(&self) -> BTreeSet<String> {
        let named = self.in_turn().filter(|(_, lane)| !lane.ready.is_empty()).take(LANES_AT_ONCE);
        let pairs = named.flat_map(|(_, lane)| [lane.source.clone(), lane.destination.clone()]);
        pairs.filter(|server| server != ANY).collect()
    }

    /// Takes as many into the active ones as may run now, and says what is to be done.
    pub fn turn(&mut self, options: &ProjectOptions, now: Timestamp, ceilings: &Ceilings) -> Deeds {
        self.wake(now);
        if !self.paused {
            self.fill(options, now, ceilings);
        }
        let mut deeds = Deeds::default();
        let again = self.is_again(now);
        for (number, active) in &mut self.active {
            if self.paused {
                if !active.holds {
                    deeds.hold.push(*number);
                }
            } else if active.holds {
                deeds.resume.push((*number, active.start));
            } else if !active.started || again {
                deeds.start.push((*number, active.start));
            }
        }
        deeds
    }

    /// Whether all who run are to be put into the index once more; takes note of that.
    fn is_again(&mut self, now: Timestamp) -> bool {
        // A clock that was set back has nobody wait for longer.
        let is_over = now.0 >= self.again_ms.saturating_add(AGAIN_MS) || now.0 < self.again_ms;
        let is_again = is_over && !self.paused && !self.active.is_empty();
        if is_again {
            self.again_ms = now.0;
        }
        is_again
    }

    /// Takes note of what was done of `deeds`; what was changed meanwhile stays.
    pub fn done(&mut self, deeds: &Deeds) {
        for (number, start) in deeds.start.iter().chain(&deeds.resume) {
            if let Some(active) = self.active.get_mut(number).filter(|one| one.start == *start) {
                active.started = true;
            }
        }
        for (number, start) in &deeds.resume {
            if let Some(active) = self.active.get_mut(number).filter(|one| one.start == *start) {
                active.holds = false;
            }
        }
    }

    /// When [`Queue::turn`] has something to do again (ms since 1970), if nothing is settled before.
    pub fn next_ms(&self, options: &ProjectOptions, now: Timestamp) -> Option<u64> {
        if self.paused {
            return None;
        }
        let later = self.later.values().map(|later| later.at_ms).min();
        // Whoever could not be let go, since a slice was still ending, is tried again.
        let held = self.active.values().any(|active| active.holds).then_some(now.0 + HELD_LOOK_MS);
        let waves = self.lanes.iter().filter(|lane| !lane.ready.is_empty());
        let waves = waves.map(|lane| match options.starts_at(&lane.group) {
            start if start > now => start.0,
            // Something else holds it up: a place, or a server.
            _ => now.0 + BUSY_LOOK_MS,
        });
        // Whoever ends gives its place on; only a server may be kept busy by others.
        let full = self.active.len() >= usize::try_from(options.concurrency).unwrap_or(1);
        let waves = waves.filter(|_| !full).min();
        let again = self.again_ms.saturating_add(AGAIN_MS);
        let again = (!self.active.is_empty()).then_some(again);
        later.into_iter().chain(waves).chain(held).chain(again).min()
    }

    /// What waited for a time that is over comes next.
    fn wake(&mut self, now: Timestamp) {
        let over = self.later.iter().filter(|(_, later)| later.at_ms <= now.0);
        let over: Vec<(u32, usize)> = over.map(|(number, later)| (*number, later.lane)).collect();
        for (number, lane) in over.into_iter().rev() {
            self.later.remove(&number);
            if let Some(lane) = self.lanes.get_mut(lane) {
                lane.ready.push_front(number);
            }
        }
    }

    fn fill(&mut self, options: &ProjectOptions, now: Timestamp, ceilings: &Ceilings) {
        let most = usize::try_from(options.concurrency).unwrap_or(1);
        let mut used = self.used();
        // One of each lane in turn, until a whole round has given nothing.
        while self.active.len() < most {
            let free = |server: &String, used: &BTreeMap<String, u32>| {
                let most = ceilings.get(server).copied().unwrap_or(u32::MAX);
                let most = most.min(options.requests_per_server).max(1);
                server == ANY || used.get(server).copied().unwrap_or(0) < most
            };
            let fits = |lane: &Lane| {
                let ready = !lane.ready.is_empty() && options.starts_at(&lane.group) <= now;
                ready && free(&lane.source, &used) && free(&lane.destination, &used)
            };
            let found = self.in_turn().filter(|(_, lane)| !lane.ready.is_empty());
            let found = found.take(LANES_AT_ONCE).find(|(_, lane)| fits(lane)).map(|(at, _)| at);
            let Some(at) = found else { return };
            let Some(lane) = self.lanes.get_mut(at) else { return };
            let Some(number) = lane.ready.pop_front() else { return };
            for server in [&lane.source, &lane.destination] {
                *used.entry(server.clone()).or_default() += 1;
            }
            self.starts += 1;
            let active = Active { lane: at, start: self.starts, started: false, holds: false };
            self.active.insert(number, active);
            self.turn = at + 1;
        }
    }

    /// The lanes with their numbers, from the one whose turn it is.
    fn in_turn(&self) -> impl Iterator<Item = (usize, &Lane)> {
        let turn = self.turn.checked_rem(self.lanes.len()).unwrap_or(0);
        let numbered = self.lanes.iter().enumerate();
        numbered.clone().skip(turn).chain(numbered.take(turn))
    }

    /// How many of the active ones each server has.
    fn used(&self) -> BTreeMap<String, u32> {
        let mut used = BTreeMap::new();
        for active in self.active.values() {
            let Some(lane) = self.lanes.get(active.lane) else { continue };
            for server in [&lane.source, &lane.destination] {
                *used.entry(server.clone()).or_default() += 1;
            }
        }
        used
    }

    fn lane(&mut self, place: &Place) -> usize {
        let is = |lane: &Lane, source: &str, destination: &str| {
            lane.group == place.group && lane.source == source && lane.destination == destination
        };
        let mut servers = (place.source.as_str(), place.destination.as_str());
        let mut found = self.lanes.iter().position(|lane| is(lane, servers.0, servers.1));
        if found.is_none() && self.lanes.len() >= LANES_MAX {
            servers = (ANY, ANY);
            found = self.lanes.iter().position(|lane| is(lane, servers.0, servers.1));
        }
        found.unwrap_or_else(|| {
            self.lanes.push(Lane {
                group: place.group.clone(),
                source: servers.0.to_owned(),
                destination: servers.1.to_owned(),
                ready: VecDeque::new(),
            });
            self.lanes.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(group: &str, source: &str) -> Place {
        let destination = "to.example".to_owned();
        Place { group: group.to_owned(), source: source.to_owned(), destination }
    }

    fn options(concurrency: u32, requests_per_server: u32) -> ProjectOptions {
        ProjectOptions { concurrency, requests_per_server, ..ProjectOptions::default() }
    }

    fn started(deeds: &Deeds) -> Vec<u32> {
        deeds.start.iter().map(|(number, _)| *number).collect()
    }

    const NOW: Timestamp = Timestamp(1_000);

    #[test]
    fn servers_take_turns_and_none_gets_more_than_it_bears() {
        let mut queue = Queue::default();
        for n in 0..9 {
            queue.add(&place("", ["a", "b", "c"][n / 3]));
        }
        let options = ProjectOptions { requests_per_server: 64, ..options(8, 64) };
        let ceilings = Ceilings::from([("a".to_owned(), 1)]);
        let deeds = queue.turn(&options, NOW, &ceilings);
        assert_eq!(started(&deeds), [0, 3, 4, 5, 6, 7, 8], "a bears one");
        queue.done(&deeds);
        assert_eq!(queue.turn(&options, NOW, &ceilings), Deeds::default());
        queue.settle(0, Left::Ended);
        assert_eq!(started(&queue.turn(&options, NOW, &ceilings)), [1]);
        assert_eq!((queue.active(), queue.waiting()), (7, 1));
    }

    #[test]
    fn what_was_not_done_is_asked_for_again() {
        let mut queue = Queue::default();
        queue.add(&place("", "a"));
        let none = Ceilings::new();
        let first = queue.turn(&options(1, 1), NOW, &none);
        assert_eq!(queue.turn(&options(1, 1), NOW, &none), first);
        queue.done(&first);
        assert!(queue.turn(&options(1, 1), NOW, &none).is_empty());
        // What was done of an earlier start says nothing of this one.
        queue.settle(0, Left::Ended);
        queue.again(0, &place("", "a"));
        let second = queue.turn(&options(1, 1), NOW, &none);
        queue.done(&first);
        assert_eq!(queue.turn(&options(1, 1), NOW, &none), second);
    }

    #[test]
    fn whoever_runs_is_put_into_the_index_again_and_again() {
        let mut queue = Queue::default();
        queue.add(&place("", "a"));
        let (options, none) = (options(1, 1), Ceilings::new());
        let deeds = queue.turn(&options, NOW, &none);
        queue.done(&deeds);
        assert_eq!(queue.next_ms(&options, NOW), Some(AGAIN_MS));
        assert!(queue.turn(&options, Timestamp(AGAIN_MS - 1), &none).is_empty());
        assert_eq!(started(&queue.turn(&options, Timestamp(AGAIN_MS), &none)), [0]);
        assert!(queue.turn(&options, Timestamp(AGAIN_MS), &none).is_empty());
        assert_eq!(queue.next_ms(&options, NOW), Some(2 * AGAIN_MS));
        assert_eq!(started(&queue.turn(&options, NOW, &none)), [0], "the clock was set back");
        queue.settle(0, Left::Ended);
        assert_eq!(queue.next_ms(&options, NOW), None);
    }

    #[test]
    fn waiting_brings_into_the_queue_who_is_in_none() {
        let mut queue = Queue::default();
        let number = queue.add(&place("", "a"));
        queue.wait(number, 5_000, &place("", "a"));
        assert_eq!(queue.next_ms(&options(1, 1), NOW), Some(NOW.0 + BUSY_LOOK_MS), "it is ready");
        queue.settle(number, Left::Ended);
        queue.wait(number, 5_000, &place("", "a"));
        assert_eq!((queue.waiting(), queue.next_ms(&options(1, 1), NOW)), (1, Some(5_000)));
        assert_eq!(started(&queue.turn(&options(1, 1), Timestamp(5_000), &Ceilings::new())), [0]);
        queue.wait(number, 6_000, &place("", "a"));
        assert_eq!((queue.active(), queue.waiting()), (0, 1));
    }

    #[test]
    fn waves_and_waits_have_their_times() {
        let mut queue = Queue::default();
        let waves = BTreeMap::from([("sales".to_owned(), Timestamp(5_000))]);
        let options = ProjectOptions { waves, ..options(4, 4) };
        queue.add(&place("sales", "a"));
        queue.add(&place("", "a"));
        let none = Ceilings::new();
        let deeds = queue.turn(&options, NOW, &none);
        assert_eq!(started(&deeds), [1]);
        queue.done(&deeds);
        assert_eq!(queue.next_ms(&options, NOW), Some(5_000));
        queue.settle(1, Left::Waiting(3_000));
        assert_eq!(queue.next_ms(&options, NOW), Some(3_000));
        assert!(queue.turn(&options, Timestamp(2_999), &none).is_empty());
        assert_eq!(started(&queue.turn(&options, Timestamp(3_000), &none)), [1]);
        assert_eq!(started(&queue.turn(&options, Timestamp(5_000), &none)), [0, 1]);
    }

    #[test]
    fn a_pause_holds_those_that_run_and_they_go_on_first() {
        let mut queue = Queue::default();
        for _ in 0..3 {
            queue.add(&place("", "a"));
        }
        let (options, none) = (options(2, 2), Ceilings::new());
        let deeds = queue.turn(&options, NOW, &none);
        queue.done(&deeds);
        queue.paused = true;
        assert_eq!(queue.turn(&options, NOW, &none).hold, [0, 1]);
        queue.settle(0, Left::Held);
        assert_eq!(queue.turn(&options, NOW, &none).hold, [1], "still to be told");
        assert_eq!(queue.next_ms(&options, NOW), None);
        queue.paused = false;
        let deeds = queue.turn(&options, NOW, &none);
        assert_eq!(deeds.resume.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0]);
        queue.done(&deeds);
        // What it was told before the queue went on reaches it only now.
        queue.settle(1, Left::Held);
        let deeds = queue.turn(&options, NOW, &none);
        assert_eq!(deeds.resume.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn whom_its_owner_holds_gives_its_place_on() {
        let mut queue = Queue::default();
        queue.add(&place("", "a"));
        queue.add(&place("", "a"));
        let (options, none) = (options(1, 1), Ceilings::new());
        let deeds = queue.turn(&options, NOW, &none);
        queue.done(&deeds);
        queue.settle(0, Left::HeldByOwner);
        assert_eq!(started(&queue.turn(&options, NOW, &none)), [1]);
        queue.again(0, &place("", "a"));
        queue.settle(1, Left::Ended);
        assert_eq!(started(&queue.turn(&options, NOW, &none)), [0]);
    }

    #[test]
    fn many_servers_do_not_make_the_record_large() {
        let mut queue = Queue::default();
        for n in 0..10_000 {
            let name = format!("{n:0>60}.example");
            queue.add(&Place { group: "g".repeat(40), source: name.clone(), destination: name });
        }
        let bytes = store::records::encode("p/x/queue", &queue).unwrap().len();
        assert!(bytes < 400_000, "{bytes}");
        let started = queue.turn(&options(32, 1), NOW, &Ceilings::new()).start.len();
        assert_eq!(started, 32);
    }
}
