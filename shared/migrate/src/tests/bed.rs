//! Two IMAP servers, a store and a clock in one thread, and a switch that cuts the power.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use dial::{Ciphers, Dialer, Networks, Trust};
use fake_imap::{Features, serve};
use futures::executor::LocalPool;
use futures::future::abortable;
use futures::task::LocalSpawnExt;
use model::{Account, Item, Migration, MigrationId, Notify, Options, ServerType, Timestamp};
use store::memory::Memory;
use store::seal::{Credential, Credentials, Seal};
use store::{Error as StoreError, Store};
use wire::pipe::pipe;
use wire::{Bytes, Clock, Error, Http, Network, Random, Secret};

use super::lines::{Cuttable, Timers};
use super::power::{Failing, Power};
pub(super) use super::server::Server;
use super::toy;
use crate::World;
use crate::advance::{Alone, Tick, tick};
use crate::owner::lifecycle;

/// Everything outside the engine.
pub(super) struct Bed {
    pool: RefCell<LocalPool>,
    pub(super) source: Server,
    pub(super) destination: Server,
    /// Servers that are neither, by their ports.
    pub(super) others: Rc<RefCell<BTreeMap<u16, Server>>>,
    pub(super) memory: Memory,
    power: Power,
    pub(super) timers: Timers,
    pub(super) id: MigrationId,
    pub(super) boot: Cell<u32>,
    pub(super) slice_ms: Cell<u64>,
    /// How long a write into the store takes.
    pub(super) write_ms: Cell<u64>,
    /// Reads from the store.
    pub(super) reads: Rc<Cell<u32>>,
}

struct TestHost {
    spawner: futures::executor::LocalSpawner,
    servers: [Server; 2],
    others: Rc<RefCell<BTreeMap<u16, Server>>>,
    power: Power,
    timers: Timers,
}

impl Network for TestHost {
    type Stream = Cuttable;
    async fn connect(&self, address: SocketAddr, idle_s: u32) -> Result<Cuttable, Error> {
        let (near, far) = pipe();
        let other = self.others.borrow().get(&address.port()).cloned();
        let Server { mailboxes, faults, pop, toy, speed, .. } =
            other.unwrap_or_else(|| self.servers[usize::from(address.port() - 1) % 2].clone());
        match pop {
            Some(pop) => self.spawner.spawn_local(pop.serve(far)).unwrap(),
            None if toy => self.spawner.spawn_local(toy::serve(far, mailboxes)).unwrap(),
            None => self.spawner.spawn_local(serve(far, mailboxes, faults)).unwrap(),
        }
        let (power, timers, speed) = (self.power.clone(), self.timers.clone(), speed.clone());
        Ok(Cuttable { end: near, power, timers, idle_s, speed, rest: Bytes::new() })
    }
    async fn resolve(&self, _: &str) -> Result<Vec<IpAddr>, Error> {
        Err(Error::LookupRefused)
    }
}

impl Http for TestHost {
    async fn send(
        &self,
        _: http::Request<Bytes>,
        _: usize,
    ) -> Result<http::Response<Bytes>, Error> {
        Err(Error::Http("none here".into()))
    }
}

impl Clock for TestHost {
    fn now_ms(&self) -> u64 {
        self.timers.wall_ms()
    }
    fn monotonic_ms(&self) -> u64 {
        self.timers.now_ms.get()
    }
    async fn sleep_ms(&self, ms: u64) {
        self.timers.sleep_ms(ms).await;
    }
    async fn give_way(&self) {}
}

impl Random for TestHost {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

pub(super) struct CutStore(Memory, Power, Timers, u64, Rc<Cell<u32>>);

impl CutStore {
    async fn step(&self) {
        self.1.step().await;
        self.2.now_ms.set(self.2.now_ms.get() + self.3);
    }
}

impl Store for CutStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.4.update(|reads| reads + 1);
        self.1.call(self.0.get(key)).await
    }
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.4.update(|reads| reads + 1);
        self.1.call(self.0.get_many(keys)).await
    }
    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), StoreError> {
        self.step().await;
        self.1.call(self.0.set(key, value)).await
    }
    async fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Result<(), StoreError> {
        self.step().await;
        self.1.call(self.0.set_many(pairs)).await
    }
    async fn set_many_if(
        &self,
        guard: (&str, &[u8]),
        pairs: Vec<(String, Vec<u8>)>,
    ) -> Result<Result<(), Vec<(String, Vec<u8>)>>, StoreError> {
        self.step().await;
        self.0.set_many_if(guard, pairs).await
    }
    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.step().await;
        self.1.call(self.0.delete(key)).await
    }
    async fn delete_many(&self, keys: &[String]) -> Result<(), StoreError> {
        self.step().await;
        self.1.call(self.0.delete_many(keys)).await
    }
    async fn increment(&self, key: &str, by: u64) -> Result<u64, StoreError> {
        self.step().await;
        self.1.call(self.0.increment(key, by)).await
    }
    async fn swap(&self, key: &str, expected: &[u8], new: Vec<u8>) -> Result<bool, StoreError> {
        self.step().await;
        self.1.call(self.0.swap(key, expected, new)).await
    }
}

/// How long what is idle is kept: 60 days.
pub(super) const RETENTION_MS: u64 = 60 * 86_400_000;

pub(super) const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

pub(super) fn credentials() -> Credentials {
    let password = || Credential::Password(Secret::new("secret".into()));
    Credentials { source: password(), destination: password() }
}

impl Bed {
    pub(super) fn new(source: Features, destination: Features) -> Self {
        Bed::with(Server::new(source), Server::new(destination), Options::default())
    }

    pub(super) fn with(source: Server, destination: Server, options: Options) -> Self {
        Bed::telling(source, destination, options, Notify::default())
    }

    /// One whose owner wants to be told.
    pub(super) fn telling(
        source: Server,
        destination: Server,
        options: Options,
        notify: Notify,
    ) -> Self {
        let bed = Bed {
            pool: RefCell::new(LocalPool::new()),
            source,
            destination,
            others: Rc::default(),
            memory: Memory::default(),
            power: Power::default(),
            timers: Timers::default(),
            id: MigrationId::from_random(&[9; 26]),
            boot: Cell::new(0),
            slice_ms: Cell::new(10_000),
            write_ms: Cell::new(0),
            reads: Rc::default(),
        };
        bed.timers.now_ms.set(1_000_000);
        let account = |port, server: &Server| {
            let server_type = if server.pop.is_some() { ServerType::Pop } else { ServerType::Imap };
            let url = format!("{}://127.0.0.1:{port}?tls=none", server_type.name());
            let login = if server.toy { "toy" } else { "user" }.to_owned();
            Account { server_type, url, login, delegate: None }
        };
        let sides = (account(1, &bed.source), account(2, &bed.destination));
        let now = Timestamp(bed.timers.now_ms.get());
        let migration =
            Migration::new(bed.id.clone(), now, sides, vec![Item::Mail], options, notify);
        let host = bed.host();
        let (memory, seal) = (bed.memory.clone(), Seal::from_variable(KEY).unwrap());
        futures::executor::block_on(lifecycle::create(
            &memory,
            (&seal, &host),
            &migration,
            &credentials(),
            lifecycle::Contact::default(),
        ))
        .unwrap();
        bed
    }

    pub(super) fn host(&self) -> impl crate::Host + use<> {
        TestHost {
            spawner: self.pool.borrow().spawner(),
            servers: [self.source.clone(), self.destination.clone()],
            others: self.others.clone(),
            power: self.power.clone(),
            timers: self.timers.clone(),
        }
    }

    /// One call of the driver; `None` where the power was cut in it.
    pub(super) fn tick(&self, allowed: Option<u32>) -> Option<Tick> {
        self.try_tick(allowed).map(Result::unwrap)
    }

    /// The same with a store that may fail.
    pub(super) fn try_tick(&self, allowed: Option<u32>) -> Option<Result<Tick, StoreError>> {
        // A new process each time the power comes back.
        let boot = self.boot.get().to_string();
        let host = self.host();
        let slice_ms = self.slice_ms.get();
        let retention_ms = RETENTION_MS;
        self.with_power(allowed, |store| async move {
            let seal = Seal::from_variable(KEY).unwrap();
            let dialer = Dialer {
                host: &host,
                networks: Networks::parse("127.0.0.0/8").unwrap(),
                trust: Trust::new("").unwrap(),
                doh_url: String::new(),
                allow_plaintext: true,
                idle_timeout_s: 60,
                ciphers: Ciphers::All,
            };
            let boot = boot.as_str();
            let seal = &seal;
            let (host, store) = (&host, &store);
            let ispdb_url = "";
            let world =
                World { host, store, dialer, seal, ispdb_url, boot, slice_ms, retention_ms };
            tick(&world, &Alone).await
        })
    }

    /// A slice whose instance dies in the middle, in a process that lives on.
    pub(super) fn dies_in_the_middle(&self, allowed: u32) {
        let boot = self.boot.get();
        assert!(self.tick(Some(allowed)).is_none(), "it did not die");
        self.boot.set(boot);
        // Its lease runs out.
        self.wait(40_000);
    }

    /// Does `work`, unless the power is cut after `allowed` operations.
    pub(super) fn with_power<T: 'static, F: Future<Output = T> + 'static>(
        &self,
        allowed: Option<u32>,
        work: impl FnOnce(CutStore) -> F,
    ) -> Option<T> {
        self.power.0.left.set(allowed);
        self.power.0.dead.set(false);
        let outcome = self.run(work(CutStore(
            self.memory.clone(),
            self.power.clone(),
            self.timers.clone(),
            self.write_ms.get(),
            self.reads.clone(),
        )));
        if outcome.is_none() {
            self.boot.set(self.boot.get() + 1);
            self.power.0.left.set(None);
        }
        outcome
    }

    /// Runs `work` with the servers until it ends or the power is cut; time passes only when
    /// nothing else can happen.
    pub(super) fn run<T: 'static>(&self, work: impl Future<Output = T> + 'static) -> Option<T> {
        let result: Rc<RefCell<Option<T>>> = Rc::default();
        let slot = result.clone();
        let (work, handle) = abortable(async move {
            let value = work.await;
            slot.borrow_mut().replace(value);
        });
        let mut pool = self.pool.borrow_mut();
        pool.spawner().spawn_local(async move { _ = work.await }).unwrap();
        loop {
            pool.run_until_stalled();
            if result.borrow().is_some() || self.power.0.dead.get() {
                break;
            }
            assert!(self.time_passes(), "nothing can happen any more");
        }
        handle.abort();
        pool.run_until_stalled();
        result.take()
    }

    fn time_passes(&self) -> bool {
        let mut timers = self.timers.waiting.borrow_mut();
        let Some(next) = timers.iter().map(|timer| timer.0).min() else { return false };
        self.timers.now_ms.set(next.max(self.timers.now_ms.get()));
        for (_, waker) in timers.extract_if(.., |timer| timer.0 <= next) {
            waker.wake();
        }
        true
    }

    pub(super) fn wait(&self, ms: u64) {
        self.timers.now_ms.set(self.timers.now_ms.get() + ms);
    }

    /// Ticks until nothing is due any more; the driver waits as it is told.
    pub(super) fn finish(&self) -> Migration {
        for _ in 0..2_000 {
            if let Some(Tick { next_due_ms, .. }) = self.tick(None) {
                let Some(due_ms) = next_due_ms else { return self.migration() };
                self.wait(due_ms.saturating_sub(self.timers.wall_ms()));
            }
        }
        panic!("does not end: {:?}", self.migration());
    }

    pub(super) fn migration(&self) -> Migration {
        futures::executor::block_on(lifecycle::read(&self.memory, &self.id)).unwrap().unwrap()
    }

    /// Sets the wall clock; the driver's next call sees it.
    pub(super) fn set_clock(&self, now_ms: u64) {
        self.timers.now_ms.set(now_ms);
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.timers.now_ms.get()
    }

    /// Lets the store fail; `None`: not any more.
    pub(super) fn store_fails(&self, failing: Option<Failing>) {
        self.power.0.failing.set(failing);
    }

    /// Calls of the store since the bed was made.
    pub(super) fn store_calls(&self) -> u32 {
        self.power.0.calls.get()
    }

    /// Operations used since the bed was made.
    pub(super) fn used(&self) -> u32 {
        self.power.0.used.get()
    }

    /// Lets somebody else act after so long (ms), beside what is run then.
    pub(super) fn later(&self, ms: u64, act: impl FnOnce() + 'static) {
        let timers = self.timers.clone();
        let acting = async move {
            timers.sleep_ms(ms).await;
            act();
        };
        self.pool.borrow().spawner().spawn_local(acting).unwrap();
    }

    /// Lets somebody else act just before the operation with this number (from 0) is carried out.
    pub(super) fn before(&self, operation: u32, act: impl FnOnce() + 'static) {
        *self.power.0.before.borrow_mut() = Some((operation, Box::new(act)));
    }

    /// Nobody acts any more.
    pub(super) fn never_before(&self) {
        *self.power.0.before.borrow_mut() = None;
    }

    /// Erases as the pages do; `None` where the power was cut after `allowed` operations.
    pub(super) fn erase(&self, allowed: Option<u32>) -> Option<lifecycle::Outcome> {
        let (host, id) = (self.host(), self.id.clone());
        let boot = self.boot.get().to_string();
        self.with_power(allowed, |store| async move {
            crate::erase::erase(&store, &host, &id, &boot).await.unwrap()
        })
    }

    /// Every key and every value in which the identifier stands.
    pub(super) fn traces(&self) -> Vec<String> {
        let id = self.id.as_str().as_bytes();
        let has = |bytes: &[u8]| bytes.windows(id.len()).any(|part| part == id);
        let all = self.memory.all().into_iter();
        all.filter(|(key, value)| has(key.as_bytes()) || has(value)).map(|(key, _)| key).collect()
    }

    /// Ticks until nothing is due any more.
    pub(super) fn settle(&self) {
        for _ in 0..2_000 {
            if let Some(Tick { next_due_ms, .. }) = self.tick(None) {
                let Some(due_ms) = next_due_ms else { return };
                self.wait(due_ms.saturating_sub(self.timers.wall_ms()));
            }
        }
        panic!("does not end");
    }

    pub(super) fn synchronise(&self) {
        let outcome = self.ask_to_synchronise(&self.id, None);
        assert_eq!(outcome, Some(lifecycle::Outcome::Done));
    }

    /// What an owner asks for; `None` where the power was cut after `allowed` operations.
    pub(super) fn ask_to_synchronise(
        &self,
        id: &MigrationId,
        allowed: Option<u32>,
    ) -> Option<lifecycle::Outcome> {
        let (host, id, now) = (self.host(), id.clone(), Timestamp(self.timers.now_ms.get()));
        let boot = self.boot.get().to_string();
        self.with_power(allowed, |store| async move {
            let seal = Seal::from_variable(KEY).unwrap();
            let (by, new) = ((&seal, &host), credentials());
            lifecycle::synchronise(&store, by, &id, &new, now, &boot).await.unwrap()
        })
    }

    #[track_caller]
    pub(super) fn assert_same(&self) {
        let (source, destination) =
            (self.source.mailboxes.digest(), self.destination.mailboxes.digest());
        for (name, messages) in &source.0 {
            assert_eq!(destination.0.get(name), Some(messages), "{name}");
        }
        assert_eq!(source.0.len(), destination.0.len(), "folders");
        assert_eq!(self.destination.mailboxes.complaints(), Vec::<String>::new());
        assert_eq!(self.source.mailboxes.complaints(), Vec::<String>::new());
    }
}
