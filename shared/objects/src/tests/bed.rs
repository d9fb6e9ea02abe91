//! Two services in memory, a store, a frame, and a switch that cuts the power after any operation.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};

use model::{Counters, Failure, FolderReport, Item, MigrationId, Options, Verdict};
use services::objects::Service;
use services::objects::fake::{Step, World};
use store::memory::Memory;
use store::{Error, Store};

use crate::context::{Context, Deed, Halt};

/// A generator of numbers, so that a seed names a run.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
    pub(super) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Counts operations and lets none happen after the last one allowed.
#[derive(Clone, Default)]
pub(super) struct Power {
    left: Rc<Cell<Option<u32>>>,
    used: Rc<Cell<u32>>,
    /// Whether every operation gives others a turn.
    turns: Rc<Cell<bool>>,
}

impl Power {
    async fn step(&self) {
        if self.turns.get() {
            let mut given = false;
            std::future::poll_fn(|_| match std::mem::replace(&mut given, true) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
        }
        self.used.set(self.used.get() + 1);
        if let Some(left) = self.left.get() {
            if left == 0 {
                std::future::pending::<()>().await;
            }
            self.left.set(Some(left - 1));
        }
    }

    pub(super) fn as_step(&self) -> Step {
        let power = self.clone();
        Rc::new(move || {
            let power = power.clone();
            Box::pin(async move { power.step().await })
        })
    }
}

/// A store that can be cut off.
pub(super) struct CutStore(Memory, Power);

impl Store for CutStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.0.get(key).await
    }
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        self.0.get_many(keys).await
    }
    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), Error> {
        self.0.set(key, value).await
    }
    async fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        self.1.step().await;
        self.0.set_many(pairs).await
    }
    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.0.delete(key).await
    }
    async fn delete_many(&self, keys: &[String]) -> Result<(), Error> {
        self.0.delete_many(keys).await
    }
    async fn increment(&self, key: &str, by: u64) -> Result<u64, Error> {
        self.0.increment(key, by).await
    }
    async fn swap(&self, key: &str, expected: &[u8], new: Vec<u8>) -> Result<bool, Error> {
        self.0.swap(key, expected, new).await
    }
}

/// What the frame has written down.
#[derive(Debug, Clone, Default)]
pub(super) struct Saved {
    pub(super) counters: BTreeMap<Item, Counters>,
    pub(super) failures: Vec<Failure>,
    pub(super) brought: u64,
    pub(super) updated: u64,
    pub(super) removed: u64,
    pub(super) kept: u64,
}

impl Saved {
    /// The sums of all kinds.
    pub(super) fn all(&self) -> Counters {
        let mut all = Counters::default();
        self.counters.values().for_each(|own| all += own);
        all
    }

    pub(super) fn losses(&self) -> usize {
        self.failures.iter().filter(|it| it.code.is_loss()).count()
    }
}

/// Why the frame ended a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Budget,
    Lost,
    Owner,
}

/// The frame of a slice.
pub(super) struct Frame {
    store: CutStore,
    id: MigrationId,
    run: u32,
    retry: bool,
    options: Options,
    saved: Saved,
    staged: Vec<(String, Vec<u8>)>,
    fence: u32,
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    saved: RefCell<Saved>,
    fence: Cell<u32>,
    owner_stops: Cell<bool>,
    tiny_slices: Cell<bool>,
}

impl Context for Frame {
    type Store = CutStore;
    type Stop = Stop;
    fn store(&self) -> &CutStore {
        &self.store
    }
    fn id(&self) -> &MigrationId {
        &self.id
    }
    fn sync_point(&self) -> u32 {
        self.run
    }
    fn is_retry(&self) -> bool {
        self.retry
    }
    fn options(&self) -> &Options {
        &self.options
    }
    fn wants(&self, kind: Item) -> bool {
        kind != Item::Mail
    }
    fn counters(&mut self, kind: Item) -> &mut Counters {
        self.saved.counters.entry(kind).or_default()
    }
    fn fail(&mut self, failure: Failure) {
        if failure.code.is_loss() {
            self.counters(failure.item).failed += 1;
        }
        self.saved.failures.push(failure);
    }
    fn count(&mut self, deed: Deed, objects: u64) {
        match deed {
            Deed::Brought => self.saved.brought += objects,
            Deed::Updated => self.saved.updated += objects,
            Deed::Removed => self.saved.removed += objects,
            Deed::Kept => self.saved.kept += objects,
            Deed::Lost => {}
        }
    }
    fn stage(&mut self, key: String, value: Vec<u8>) {
        self.staged.push((key, value));
    }
    fn at_work(&mut self, _: Option<&str>) {}
    fn progressed(&mut self) {}
    fn check_budget(&self) -> Result<(), Stop> {
        if self.shared.tiny_slices.get() { Err(Stop::Budget) } else { Ok(()) }
    }
    async fn checkpoint(&mut self) -> Result<(), Stop> {
        if self.shared.fence.get() != self.fence {
            return Err(Stop::Lost);
        }
        let staged = std::mem::take(&mut self.staged);
        self.store.1.step().await;
        if self.shared.fence.get() != self.fence {
            return Err(Stop::Lost);
        }
        // What the store writes and what the frame counts is one transaction.
        self.store.0.set_many(staged).await.unwrap();
        *self.shared.saved.borrow_mut() = self.saved.clone();
        if self.shared.owner_stops.get() { Err(Stop::Owner) } else { Ok(()) }
    }
}

/// How a slice ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Done,
    Cut,
    Stopped(Stop),
    Trouble(String),
}

/// What is asked of the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Run,
    Retry,
    Remove(u32),
}

/// Everything outside the lane.
pub(super) struct Bed {
    pub(super) source: World,
    pub(super) destination: World,
    pub(super) memory: Memory,
    pub(super) id: MigrationId,
    pub(super) options: Options,
    pub(super) run: Cell<u32>,
    power: Power,
    shared: Rc<Shared>,
}

type Slice = Pin<Box<dyn Future<Output = Ended>>>;

impl Bed {
    pub(super) fn new() -> Bed {
        Bed {
            source: World::default(),
            destination: World::default(),
            memory: Memory::default(),
            id: MigrationId::from_random(&[9; 26]),
            options: Options::default(),
            run: Cell::new(1),
            power: Power::default(),
            shared: Rc::default(),
        }
    }

    /// A further run begins, as the frame does it.
    pub(super) fn again(&self) {
        self.run.set(self.run.get() + 1);
        *self.shared.saved.borrow_mut() = Saved::default();
    }

    /// A slice, as a driver begins it: whoever had the lease has it no more.
    pub(super) fn slice(&self, ask: Ask) -> Slice {
        let step = self.power.as_step();
        let source = Service::Fake(self.source.session(step.clone()));
        self.slice_between(ask, (source, Service::Fake(self.destination.session(step))))
    }

    /// The same between other services.
    pub(super) fn slice_between(&self, ask: Ask, services: (Service, Service)) -> Slice {
        self.shared.fence.set(self.shared.fence.get() + 1);
        let mut frame = Frame {
            store: CutStore(self.memory.clone(), self.power.clone()),
            id: self.id.clone(),
            run: self.run.get(),
            retry: ask == Ask::Retry,
            options: self.options.clone(),
            saved: self.shared.saved.borrow().clone(),
            staged: Vec::new(),
            fence: self.shared.fence.get(),
            shared: self.shared.clone(),
        };
        let (mut source, mut destination) = services;
        Box::pin(async move {
            let done = match ask {
                Ask::Run | Ask::Retry => {
                    crate::run(&mut frame, &mut source, &mut destination).await
                }
                Ask::Remove(from) => {
                    crate::remove(&mut frame, from, &mut source, &mut destination).await
                }
            };
            match done {
                Ok(()) => Ended::Done,
                Err(Halt::Stop(stop)) => Ended::Stopped(stop),
                Err(Halt::Trouble(side, trouble)) => Ended::Trouble(format!("{side}: {trouble:?}")),
                Err(Halt::Store(error)) => panic!("the store: {error}"),
            }
        })
    }

    /// Lets no more than so many operations happen.
    pub(super) fn allow(&self, operations: Option<u32>) {
        self.power.left.set(operations);
    }

    /// One slice; cut off after so many operations.
    pub(super) fn tick(&self, ask: Ask, allowed: Option<u32>) -> Ended {
        self.power.left.set(allowed);
        let mut slice = self.slice(ask);
        let mut context = TaskContext::from_waker(Waker::noop());
        // Nothing waits for anything but for the power, or for a turn.
        let ended = loop {
            match slice.as_mut().poll(&mut context) {
                Poll::Ready(ended) => break ended,
                Poll::Pending if self.power.left.get() == Some(0) => break Ended::Cut,
                Poll::Pending => assert!(self.power.turns.get(), "nothing can happen any more"),
            }
        };
        self.power.left.set(None);
        ended
    }

    /// Two drivers at once, the second of which takes the lease at some time; whether one of them came to
    /// the end.
    pub(super) fn two_drivers(&self, ask: Ask, dice: &mut Dice) -> bool {
        self.power.left.set(None);
        self.power.turns.set(true);
        let mut context = TaskContext::from_waker(Waker::noop());
        let mut slices = vec![self.slice(ask)];
        let begins = dice.below(40);
        let mut done = false;
        for turn in 0..2_000 {
            if turn == begins && !done {
                slices.push(self.slice(ask));
            }
            if slices.is_empty() {
                break;
            }
            let at = dice.below(slices.len());
            if let Poll::Ready(ended) = slices[at].as_mut().poll(&mut context) {
                done |= ended == Ended::Done;
                drop(slices.remove(at));
            }
        }
        self.power.turns.set(false);
        done
    }

    /// Slices until it is through.
    #[track_caller]
    pub(super) fn finish(&self, ask: Ask) -> Saved {
        let mut last = Ended::Done;
        for _ in 0..400 {
            last = self.tick(ask, None);
            if last == Ended::Done {
                return self.saved();
            }
        }
        panic!("does not end: {last:?}");
    }

    pub(super) fn saved(&self) -> Saved {
        self.shared.saved.borrow().clone()
    }

    pub(super) fn tiny_slices(&self, tiny: bool) {
        self.shared.tiny_slices.set(tiny);
    }

    pub(super) fn owner_stops(&self, stops: bool) {
        self.shared.owner_stops.set(stops);
    }

    /// Operations so far.
    pub(super) fn used(&self) -> u32 {
        self.power.used.get()
    }

    pub(super) fn report(&self) -> Vec<FolderReport> {
        futures::executor::block_on(crate::report(&self.memory, &self.id)).unwrap()
    }

    pub(super) fn verdict(&self) -> Verdict {
        futures::executor::block_on(crate::verdict(&self.memory, &self.id)).unwrap()
    }
}

/// Texts by what people call the collection and what identifies the object; stamps of servers do not count.
pub(super) type Texts = BTreeMap<(String, String), Vec<String>>;

/// What stands in a service.
pub(super) fn texts(world: &World) -> Texts {
    let mut found = Texts::new();
    for shelf in world.all().into_values() {
        for content in shelf.objects.values() {
            let id = services::objects::fake::line(&content.text, "ID").unwrap().to_owned();
            let kept = content.text.lines().filter(|line| !line.starts_with("X-STAMP"));
            let text = kept.collect::<Vec<_>>().join("\n");
            found.entry((shelf.display_name.clone(), id)).or_default().push(text);
        }
    }
    found
}

pub(super) fn text(id: &str, version: u32) -> String {
    let kind = if id.starts_with('t') { "tasks" } else { "calendars" };
    format!("KIND {kind}\nID {id}\nTITLE {id}\nVERSION {version}")
}
