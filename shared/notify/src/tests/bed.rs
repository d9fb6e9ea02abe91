//! A submission server, a webhook, a store and a clock in one thread, and a switch that cuts the
//! power.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::{Poll, Waker};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dial::{Ciphers, Dialer, Networks, Trust};
use futures::executor::LocalPool;
use futures::future::abortable;
use futures::task::LocalSpawnExt;
use model::{Account, Item, Migration, MigrationId, Notify, Options, ServerType, Timestamp};
use store::memory::Memory;
use store::seal::Seal;
use store::{Error as StoreError, Store, due, keys, records};
use wire::pipe::{End, pipe};
use wire::{Bytes, Clock, Error, Http, Network, Random, Secret, Stream};

pub(super) use super::seen::{Mood, Seen};
use crate::delivery::Delivery;
use crate::{Office, Outbox, Settings, Told, tick};

pub(super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const START_MS: u64 = 1_790_000_000_000;

#[derive(Clone, Default)]
struct Power {
    left: Rc<Cell<Option<u32>>>,
    used: Rc<Cell<u32>>,
    dead: Rc<Cell<bool>>,
}

impl Power {
    async fn step(&self) {
        self.used.set(self.used.get() + 1);
        match self.left.get() {
            Some(0) => {
                self.dead.set(true);
                pending::<()>().await;
            }
            Some(left) => self.left.set(Some(left - 1)),
            None => {}
        }
    }
}

#[derive(Clone, Default)]
struct Timers {
    now_ms: Rc<Cell<u64>>,
    waiting: Rc<RefCell<Vec<(u64, Waker)>>>,
}

pub(super) struct Bed {
    pool: RefCell<LocalPool>,
    pub(super) memory: Memory,
    pub(super) migration: Migration,
    power: Power,
    timers: Timers,
    pub(super) seen: Rc<RefCell<Seen>>,
    pub(super) mood: Rc<RefCell<Mood>>,
    pub(super) webhook_status: Rc<Cell<u16>>,
    pub(super) settings: Settings,
    pub(super) networks: &'static str,
    pub(super) plaintext: bool,
    /// Every address that was connected to.
    pub(super) connected: Rc<RefCell<Vec<SocketAddr>>>,
    /// How often each name was looked up.
    pub(super) looked_up: Rc<RefCell<Vec<String>>>,
}

struct TestHost {
    spawner: futures::executor::LocalSpawner,
    power: Power,
    timers: Timers,
    seen: Rc<RefCell<Seen>>,
    mood: Rc<RefCell<Mood>>,
    webhook_status: Rc<Cell<u16>>,
    connected: Rc<RefCell<Vec<SocketAddr>>>,
    looked_up: Rc<RefCell<Vec<String>>>,
}

pub(super) struct Cuttable(End, Power);

impl Stream for Cuttable {
    async fn read(&mut self) -> Result<Bytes, Error> {
        self.1.step().await;
        self.0.read().await
    }
    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.1.step().await;
        self.0.write(bytes).await
    }
}

impl Network for TestHost {
    type Stream = Cuttable;
    async fn connect(&self, address: SocketAddr, _: u32) -> Result<Cuttable, Error> {
        self.power.step().await;
        self.connected.borrow_mut().push(address);
        let (near, far) = pipe();
        if address == "10.0.0.5:25".parse().unwrap() {
            let server = serve(far, self.mood.borrow().clone(), self.seen.clone());
            self.spawner.spawn_local(async move { _ = server.await }).unwrap();
        } else {
            let hook = hook(far, self.webhook_status.get(), self.seen.clone());
            self.spawner.spawn_local(async move { _ = hook.await }).unwrap();
        }
        Ok(Cuttable(near, self.power.clone()))
    }
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        self.looked_up.borrow_mut().push(name.to_owned());
        let addresses = match name {
            "smtp.example" => "10.0.0.5",
            "inside.example" => "10.0.0.6",
            _ => "9.9.9.9",
        };
        Ok(vec![addresses.parse().unwrap()])
    }
}

impl Http for TestHost {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        _: usize,
    ) -> Result<http::Response<Bytes>, Error> {
        panic!("the host's client looks names up by itself: {}", request.uri());
    }
}

impl Clock for TestHost {
    fn now_ms(&self) -> u64 {
        self.timers.now_ms.get()
    }
    fn monotonic_ms(&self) -> u64 {
        self.timers.now_ms.get()
    }
    async fn sleep_ms(&self, ms: u64) {
        let until = self.timers.now_ms.get() + ms;
        poll_fn(|context| {
            if self.timers.now_ms.get() >= until {
                return Poll::Ready(());
            }
            self.timers.waiting.borrow_mut().push((until, context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
    async fn give_way(&self) {}
}

pub(super) struct Sevens;
impl Random for Sevens {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

struct CutStore(Memory, Power);

impl Store for CutStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key).await
    }
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.0.get_many(keys).await
    }
    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), StoreError> {
        self.1.step().await;
        self.0.set(key, value).await
    }
    async fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Result<(), StoreError> {
        self.1.step().await;
        self.0.set_many(pairs).await
    }
    async fn set_many_if(
        &self,
        guard: (&str, &[u8]),
        pairs: Vec<(String, Vec<u8>)>,
    ) -> Result<Result<(), Vec<(String, Vec<u8>)>>, StoreError> {
        self.1.step().await;
        self.0.set_many_if(guard, pairs).await
    }
    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.1.step().await;
        self.0.delete(key).await
    }
    async fn delete_many(&self, keys: &[String]) -> Result<(), StoreError> {
        self.1.step().await;
        self.0.delete_many(keys).await
    }
    async fn increment(&self, key: &str, by: u64) -> Result<u64, StoreError> {
        self.1.step().await;
        self.0.increment(key, by).await
    }
    async fn swap(&self, key: &str, expected: &[u8], new: Vec<u8>) -> Result<bool, StoreError> {
        self.1.step().await;
        self.0.swap(key, expected, new).await
    }
}

fn seal() -> Seal {
    Seal::from_variable(&STANDARD.encode([1; 32])).unwrap()
}

impl Bed {
    /// A migration that was created just now; its owner wants to be told as `notify` says.
    pub(super) fn new(notify: Notify) -> Self {
        let account = Account {
            server_type: ServerType::Imap,
            url: "imaps://a.example".into(),
            login: "anna@example.org".into(),
            delegate: None,
        };
        let migration = Migration::new(
            MigrationId::from_random(&[9; 26]),
            Timestamp(START_MS),
            (account.clone(), account),
            vec![Item::Mail],
            Options::default(),
            notify,
        );
        let bed = Bed {
            pool: RefCell::new(LocalPool::new()),
            memory: Memory::default(),
            migration,
            power: Power::default(),
            timers: Timers::default(),
            seen: Rc::default(),
            mood: Rc::default(),
            webhook_status: Rc::new(Cell::new(204)),
            settings: Settings {
                smtp_url: Secret::new("smtp://user:pass@smtp.example:25?tls=none".into()),
                mail_from: "Trasloco <news@move.example>".into(),
                public_url: "https://here.example".into(),
            },
            networks: "",
            plaintext: true,
            connected: Rc::default(),
            looked_up: Rc::default(),
        };
        bed.timers.now_ms.set(START_MS);
        bed.store();
        bed
    }

    pub(super) fn id(&self) -> &MigrationId {
        &self.migration.id
    }

    fn store(&self) {
        let id = self.id();
        let key = keys::webhook_secret(id);
        let secret = seal().seal_secret(&key, &Secret::new(SECRET.into()), &Sevens).unwrap();
        let record = records::encode("m", &self.migration).unwrap();
        let mut pairs = vec![(keys::migration(id), record), (key, secret)];
        pairs.push(Delivery::unclaimed(id).unwrap());
        let mut outbox = Outbox::new(&self.migration, "https://here.example").unwrap();
        pairs.extend(outbox.take_change(id).unwrap());
        futures::executor::block_on(async {
            self.memory.set_many(pairs).await.unwrap();
            outbox.announce(&self.memory, id, START_MS).await.unwrap();
        });
    }

    /// Changes the outbox as the engine does.
    pub(super) fn tell(&self, change: impl FnOnce(&mut Outbox, &Migration, Timestamp)) {
        futures::executor::block_on(async {
            let mut outbox = Outbox::read(&self.memory, &self.migration).await.unwrap().unwrap();
            let now = Timestamp(self.timers.now_ms.get());
            change(&mut outbox, &self.migration, now);
            if let Some((key, value)) = outbox.take_change(self.id()).unwrap() {
                self.memory.set(&key, value).await.unwrap();
            }
            outbox.announce(&self.memory, self.id(), now.0).await.unwrap();
        });
    }

    /// One call; `None` where the power was cut in it.
    pub(super) fn tick(&self, allowed: Option<u32>) -> Option<Told> {
        self.power.left.set(allowed);
        self.power.dead.set(false);
        let host = TestHost {
            spawner: self.pool.borrow().spawner(),
            power: self.power.clone(),
            timers: self.timers.clone(),
            seen: self.seen.clone(),
            mood: self.mood.clone(),
            webhook_status: self.webhook_status.clone(),
            connected: self.connected.clone(),
            looked_up: self.looked_up.clone(),
        };
        let store = CutStore(self.memory.clone(), self.power.clone());
        let (settings, networks) = (self.settings.clone(), self.networks);
        let allow_plaintext = self.plaintext;
        self.run(async move {
            let dialer = Dialer {
                host: &host,
                networks: Networks::parse(networks).unwrap(),
                trust: Trust::new("").unwrap(),
                doh_url: String::new(),
                allow_plaintext,
                idle_timeout_s: 60,
                ciphers: Ciphers::All,
            };
            let seal = seal();
            let office =
                Office { host: &host, store: &store, dialer: &dialer, seal: &seal, settings };
            tick(&office).await.unwrap()
        })
    }

    fn run<T: 'static>(&self, work: impl Future<Output = T> + 'static) -> Option<T> {
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
            if result.borrow().is_some() || self.power.dead.get() {
                break;
            }
            self.time_passes();
        }
        handle.abort();
        pool.run_until_stalled();
        self.timers.waiting.borrow_mut().clear();
        result.take()
    }

    fn time_passes(&self) {
        let mut timers = self.timers.waiting.borrow_mut();
        let next = timers.iter().map(|timer| timer.0).min().expect("something can happen");
        self.timers.now_ms.set(next.max(self.timers.now_ms.get()));
        for (_, waker) in timers.extract_if(.., |timer| timer.0 <= next) {
            waker.wake();
        }
    }

    /// When the migration is due.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let due = futures::executor::block_on(due::all_notices(&self.memory)).unwrap();
        due.first().map(|(due_ms, _)| *due_ms)
    }

    /// What the record says about what was not delivered.
    pub(super) fn log(&self) -> Vec<String> {
        let key = keys::delivery(self.id());
        let read = records::read::<Delivery>(&self.memory, &key);
        futures::executor::block_on(read).unwrap().unwrap().log.into()
    }

    pub(super) fn wait(&self, ms: u64) {
        self.timers.now_ms.set(self.timers.now_ms.get() + ms);
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.timers.now_ms.get()
    }

    /// Calls when something is due, until nothing is; everything that was given up.
    pub(super) fn finish(&self) -> Vec<String> {
        let mut given_up = Vec::new();
        for _ in 0..1000 {
            let Some(due_ms) = self.due_ms() else { return given_up };
            // As a driver does: somebody may be at what is due.
            self.wait(due_ms.saturating_sub(self.now_ms()).max(250));
            given_up.extend(self.tick(None).unwrap().given_up);
        }
        panic!("does not end");
    }

    pub(super) fn used(&self) -> u32 {
        self.power.used.get()
    }

    pub(super) fn mails(&self) -> Vec<String> {
        self.seen.borrow().mails.clone()
    }

    pub(super) fn calls(&self) -> Vec<(http::HeaderMap, Bytes)> {
        self.seen.borrow().calls.clone()
    }
}

/// A web server for one request, which it takes down.
async fn hook(mut far: End, status: u16, seen: Rc<RefCell<Seen>>) -> Result<(), Error> {
    let mut heard = Vec::new();
    loop {
        let bytes = far.read().await?;
        if bytes.is_empty() || bytes.first() == Some(&0x16) {
            return Ok(());
        }
        heard.extend_from_slice(&bytes);
        let Some(end) = heard.windows(4).position(|it| it == b"\r\n\r\n") else { continue };
        let mut headers = http::HeaderMap::new();
        for line in String::from_utf8_lossy(&heard[..end]).split("\r\n").skip(1) {
            let (name, value) = line.split_once(": ").unwrap();
            let name: http::HeaderName = name.parse().unwrap();
            headers.insert(name, value.parse().unwrap());
        }
        let length: usize = headers["content-length"].to_str().unwrap().parse().unwrap();
        let body = &heard[end + 4..];
        if body.len() < length {
            continue;
        }
        seen.borrow_mut().calls.push((headers, Bytes::copy_from_slice(body)));
        let location = if status == 302 { "Location: http://10.0.0.6/\r\n" } else { "" };
        let answer = format!("HTTP/1.1 {status} x\r\n{location}\r\n");
        return far.write(Bytes::from(answer)).await;
    }
}

/// A submission server for one connection.
async fn serve(mut far: End, mood: Mood, seen: Rc<RefCell<Seen>>) -> Result<(), Error> {
    let mut unread = Vec::new();
    let mut message: Option<String> = None;
    say(&mut far, "220 smtp.example").await?;
    loop {
        let line = match line(&mut unread) {
            Some(line) => line,
            None => {
                let bytes = far.read().await?;
                if bytes.is_empty() {
                    return Ok(());
                }
                unread.extend_from_slice(&bytes);
                continue;
            }
        };
        if let Some(text) = &mut message {
            if line != "." {
                text.push_str(line.strip_prefix('.').unwrap_or(&line));
                text.push('\n');
                continue;
            }
            let text = message.take().unwrap_or_default();
            match mood.message {
                Some(refusal) if !refusal.is_empty() => say(&mut far, refusal).await?,
                hangs_up => {
                    seen.borrow_mut().mails.push(text);
                    if mood.silent {
                        pending::<()>().await;
                    }
                    if hangs_up.is_some() {
                        return Ok(());
                    }
                    say(&mut far, "250 2.0.0 taken").await?;
                }
            }
            continue;
        }
        match line.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => {
                say(&mut far, "250-smtp.example\r\n250-PIPELINING\r\n250 AUTH PLAIN").await?;
            }
            "AUTH" => {
                assert_eq!(line, format!("AUTH PLAIN {}", STANDARD.encode("\0user\0pass")));
                say(&mut far, "235 2.7.0 welcome").await?;
            }
            "RCPT" => say(&mut far, mood.recipient.unwrap_or("250 2.1.5 ok")).await?,
            "DATA" if mood.recipient.is_some() => say(&mut far, "554 5.5.1 nobody").await?,
            "DATA" => {
                message = Some(String::new());
                say(&mut far, "354 go").await?;
            }
            "QUIT" => return say(&mut far, "221 bye").await,
            _ => say(&mut far, "250 ok").await?,
        }
    }
}

async fn say(far: &mut End, line: &str) -> Result<(), Error> {
    far.write(Bytes::from(format!("{line}\r\n"))).await
}

fn line(unread: &mut Vec<u8>) -> Option<String> {
    let end = unread.windows(2).position(|pair| pair == b"\r\n")?;
    let line: Vec<u8> = unread.drain(..end + 2).collect();
    Some(String::from_utf8_lossy(&line[..end]).into_owned())
}
