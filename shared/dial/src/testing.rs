//! The double that the tests of this crate dial in: a world of names and servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a panic is a failed test"
)]

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::net::{IpAddr, SocketAddr};

use fake_tls::NOW_MS;
use wire::pipe::End;
use wire::{Bytes, Clock, Error, Http, Network};

type Connect = Box<dyn Fn(SocketAddr) -> Result<End, Error>>;

/// A host whose names and servers the test chooses.
pub(crate) struct World {
    pub(crate) names: Vec<(&'static str, Vec<IpAddr>)>,
    pub(crate) connect: Connect,
    /// Addresses that were connected to.
    pub(crate) connected: RefCell<Vec<SocketAddr>>,
    /// Whether every timer goes off at once; else none does.
    pub(crate) timers_ring: Cell<bool>,
}

impl World {
    pub(crate) fn new(connect: impl Fn(SocketAddr) -> Result<End, Error> + 'static) -> Self {
        World {
            names: Vec::new(),
            connect: Box::new(connect),
            connected: RefCell::default(),
            timers_ring: Cell::new(false),
        }
    }
}

impl Network for World {
    type Stream = End;

    async fn connect(&self, address: SocketAddr, _: u32) -> Result<End, Error> {
        self.connected.borrow_mut().push(address);
        match (self.connect)(address) {
            // Stands for an address that never answers.
            Err(Error::TimedOut { .. }) => pending().await,
            connected => connected,
        }
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        let found = self.names.iter().find(|(known, _)| *known == name);
        found.map(|(_, addresses)| addresses.clone()).ok_or(Error::LookupRefused)
    }
}

impl Http for World {
    async fn send(
        &self,
        _: http::Request<Bytes>,
        _: usize,
    ) -> Result<http::Response<Bytes>, Error> {
        Err(Error::Http("no HTTP in this test".into()))
    }
}

impl Clock for World {
    fn now_ms(&self) -> u64 {
        NOW_MS
    }

    fn monotonic_ms(&self) -> u64 {
        NOW_MS
    }

    async fn sleep_ms(&self, _: u64) {
        if !self.timers_ring.get() {
            pending().await
        }
    }

    async fn give_way(&self) {}
}
