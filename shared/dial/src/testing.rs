//! Doubles for the tests of this crate: an authority, a TLS server in memory, a world to dial in.
#![cfg_attr(fuzzing, allow(dead_code))] // the laws need some of them
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a panic is a failed test"
)]

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;

use futures::executor::block_on;
use futures::future::{Either, select};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CipherSuite, ServerConfig, ServerConnection, SupportedCipherSuite};
use std::io::{Read, Write};
use wire::pipe::End;
use wire::{Bytes, Clock, Error, Http, Network, Stream};

/// 2026-11-22T00:00:00Z.
pub(crate) const NOW_MS: u64 = 1_795_305_600_000;

/// A private certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let name = format!("Authority {:?}", key.public_key_raw());
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// A server with a certificate for `name`, valid in the years 2026 and 2027, that takes only
    /// `suites`, or all.
    pub(crate) fn server(&self, name: &str, suites: &[CipherSuite]) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        self.server_with(name, suites, key)
    }

    pub(crate) fn server_with(
        &self,
        name: &str,
        suites: &[CipherSuite],
        key: KeyPair,
    ) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 12, 31);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        serving(certificate, &key, suites)
    }

    /// A server that shows the authority's own certificate.
    pub(crate) fn as_server(&self) -> Arc<ServerConfig> {
        let certificate = CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap();
        serving(certificate, self.issuer.key(), &[])
    }
}

fn serving(
    certificate: CertificateDer<'static>,
    key: &KeyPair,
    suites: &[CipherSuite],
) -> Arc<ServerConfig> {
    let wanted =
        |suite: &SupportedCipherSuite| suites.is_empty() || suites.contains(&suite.suite());
    let all = ring::ALL_CIPHER_SUITES.to_vec();
    let cipher_suites = all.into_iter().filter(wanted).collect();
    let provider = CryptoProvider { cipher_suites, ..ring::default_provider() };
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    // AES first, as servers have it.
    config.ignore_client_order = true;
    Arc::new(config)
}

/// A TLS server that says back what it hears, until the client is gone or breaks the rules.
pub(crate) async fn echo(end: End, config: Arc<ServerConfig>) -> Result<(), rustls::Error> {
    echo_on(end, &mut ServerConnection::new(config)?).await
}

/// As [`echo`], changing its keys at each question mark and ending at each full stop.
pub(crate) async fn echo_on(mut end: End, tls: &mut ServerConnection) -> Result<(), rustls::Error> {
    tls.set_buffer_limit(None);
    loop {
        let bytes = end.read().await.unwrap();
        if bytes.is_empty() {
            return Ok(());
        }
        let mut rest = bytes.as_ref();
        let mut result = Ok(());
        while !rest.is_empty() && result.is_ok() {
            tls.read_tls(&mut rest).unwrap();
            result = tls.process_new_packets().map(drop);
            let mut heard = Vec::new();
            let _ = tls.reader().read_to_end(&mut heard);
            tls.writer().write_all(&heard).unwrap();
            match heard.as_slice() {
                b"?" => tls.refresh_traffic_keys()?,
                b"." => tls.send_close_notify(),
                _ => {}
            }
        }
        let mut out = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut out).unwrap();
        }
        let _ = end.write(out.into()).await;
        result?;
    }
}

/// A stream whose reads are cut into pieces of at most `bite` octets.
pub(crate) struct Bitten<S> {
    pub(crate) stream: S,
    pub(crate) bite: usize,
    rest: Bytes,
}

impl<S> Bitten<S> {
    pub(crate) fn new(stream: S, bite: usize) -> Self {
        Bitten { stream, bite, rest: Bytes::new() }
    }
}

impl<S: Stream> Stream for Bitten<S> {
    async fn read(&mut self) -> Result<Bytes, Error> {
        if self.rest.is_empty() {
            self.rest = self.stream.read().await?;
        }
        Ok(self.rest.split_to(self.bite.min(self.rest.len())))
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.stream.write(bytes).await
    }
}

/// Runs a client beside its server, and gives what the client comes to.
pub(crate) fn beside<T>(client: impl Future<Output = T>, server: impl Future) -> T {
    block_on(async {
        match select(pin!(client), pin!(server)).await {
            Either::Left((done, _)) => done,
            Either::Right((_, client)) => client.await,
        }
    })
}

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

/// Lets the other side of a test run.
pub(crate) async fn give_way() {
    let mut given = false;
    futures::future::poll_fn(|context| {
        context.waker().wake_by_ref();
        match std::mem::replace(&mut given, true) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}

/// An RSA key, since the tests cannot make one. It protects nothing.
pub(crate) const RSA_KEY: &str = "-----BEGIN PRIVATE KEY-----
MIIEvwIBADANBgkqhkiG9w0BAQEFAASCBKkwggSlAgEAAoIBAQCxWCU6VS/CQhn9
69sWGO13T7gXQst9koeonM7CcUCewLcCwX9d4vUuaI2g0NRxazkq3VIkhFY5QTAc
4bJrdYO4UpAmwqpD6/4MGIQQ3AjJuaebGC7GhRLXKP40TKBKqPkls9Kc6+lwq7Sw
pxNmGpVeCqsU2atLoIETESrCLPnBjJGX3+7XI8eGWnoSvWrNOjuo49YzEO8TDXHd
zykyL34ReymS3c/Q/RlaTAfHjABB/n+E9HxvZ+4PeICGr30NMmJgxCXT9S09GmhB
lyy6aCf8fhoUZr4Yw4MdRcchMSrjF7GiCYDsXzd7JEwM2/FQpbAqfw0piAtZrjTH
5bVf2G2dAgMBAAECggEAFZ7/eusj1XUlohV9MmZ7nQ41DXDxSi/xJhdoBcC09iXc
qhNZKeMfrTbF/ZM4M1O1NoqhFx6jPHu8F+lUTVGYa4J1XKRjCcDdyi+6+is5Tw65
Zmk+WqmisGSpCUtGR5PuPDB+Pu9sGHZ2owrbjJk1GLAIR5R6E9BPrDltkxrUoEoE
eMejMDIYfj3o3uLo4X3e+W6ILlMPaKT9R39DSp4+25ed9CEd7tQER6lQryrK1orG
V/YBInK6iUGXTUXTrsSTBwNJZEWyAo0m8xTyB3WWe7LC4lB4fR5ON+Z0C08XL2md
D3nizKe9rswldDcqhs/6bIXacbhzc8puayMfR3LQaQKBgQD27fVG9x2DXu+Q2pxb
wLjU7plW3yVPsquew5KajjDaGZRwmEIwspOxBU9tAdP+qzNuIKdJF7YD5IplaniI
EzquJi7s/9JelM9fvJR8AuWXszuaw4prLqu5SyOLQLMLGMgbp74u1v25uC9BdAFi
hom/OvDQDYeqXxsRxTdKnLoDWwKBgQC329TemtdGAGFDayTY0wBkoqlIxKlfTkx9
Bv7COpkGuJMtOnYh+NzHwe+V0p2a49R1lunnxxIRQc14o7U6a5LIz9C9S93pf8Ha
kQ+ZUIuqMokYTf9p/xXzh8d/jZnKe8mD30lC4RL7eC5ikUW9cMPraKh7Bj/ooO4w
GL1VmPN8ZwKBgQDSbGWgW+VilfxAzIqCBfF8QveY9/+rsu5dFPxRiOpIcZP1f0qo
hQUmzQeqNOybEPl614i22OXa2160nc6o5voSfadvf3Gd9+HgC6vdIfrVE3+vmwLR
46ui800O1cu9oRiluIRxFfSR10st09V6SHwJ4ghkw6LgpLtEoXNEudoqEQKBgQCO
Q/0gTqIa2XppZ4O4fvTD6hWhaANC6txGtl30vtDgIXxIt/7m5KE5tLgFr1Yinv4s
Cx1tKl2xmsA6BDrcPJb06dE0WHsbDa9bx3lRgcDAbqAkfV4Qj8BVk4/sBA6nXkec
0e7nYC+HBASoYo6bOqFvC6mqoDhdcgE8mDgQ/uwRKwKBgQCk/okwjPzm89pfsfKN
ZId6j5fHcmwX163R35eukKfD16V+vi4Q2+IzqNTVuHiXXVS9uFXmKqJj4Zf5xB7o
Aue74iY8PBj+MsKudLjeq00VefNF25tMyMKKLuvJAFN8sG082NX8WXzxtpW8c113
HnHoW2k2UzP2wHmoN2VIlUfZYw==
-----END PRIVATE KEY-----";
