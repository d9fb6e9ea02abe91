//! The world of these tests.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, pending};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;

use dial::RecordType;
use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::executor::block_on;
use futures::future::{Either, poll_fn, select};
use futures::stream::FuturesUnordered;
use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, MX, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};
use wire::pipe::{End, pipe};
use wire::{Bytes, Clock, Error, Http, Network, Stream};

/// 2026-11-22T00:00:00Z.
const NOW_MS: u64 = 1_795_305_600_000;

pub(super) fn a(text: &str) -> RData {
    RData::A(A(text.parse().unwrap()))
}

fn name(text: &str) -> Name {
    Name::from_ascii(if text == "." { text.to_owned() } else { format!("{text}.") }).unwrap()
}

pub(super) fn cname(text: &str) -> RData {
    RData::CNAME(CNAME(name(text)))
}

pub(super) fn mx(preference: u16, text: &str) -> RData {
    RData::MX(MX::new(preference, name(text)))
}

pub(super) fn srv(priority: u16, port: u16, text: &str) -> RData {
    RData::SRV(SRV::new(priority, 0, port, name(text)))
}

pub(super) fn txt(text: &str) -> RData {
    RData::TXT(TXT::new(vec![text.to_owned()]))
}

/// An authority that signs for the servers of a test.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    fn server(&self, name: &str) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        Arc::new(config.with_single_cert(vec![certificate], key).unwrap())
    }
}

#[derive(Clone)]
enum Server {
    /// Says something once TLS is on.
    Greets(Arc<ServerConfig>, String),
    /// Says something, then something else after a line, then begins TLS.
    StartsTls(Arc<ServerConfig>, String, String),
    /// Answers the first line of a request by a table.
    Web(Arc<ServerConfig>, HashMap<String, String>),
    /// Accepts, and says nothing.
    Silent,
}

pub(super) struct World {
    pub(super) authority: Authority,
    records: Vec<(&'static str, RData)>,
    servers: HashMap<SocketAddr, Server>,
    pub(super) dns_is_silent: bool,
    pub(super) dns_says_garbage: bool,
    asked: RefCell<Vec<RecordType>>,
    connected: RefCell<Vec<SocketAddr>>,
    heard: RefCell<Vec<String>>,
    now_ms: Cell<u64>,
    far: UnboundedSender<(End, Server)>,
    ends: RefCell<Option<UnboundedReceiver<(End, Server)>>>,
}

impl World {
    pub(super) fn new(records: Vec<(&'static str, RData)>) -> World {
        let (far, ends) = unbounded();
        World {
            authority: Authority::new(),
            records,
            servers: HashMap::new(),
            dns_is_silent: false,
            dns_says_garbage: false,
            asked: RefCell::default(),
            connected: RefCell::default(),
            heard: RefCell::default(),
            now_ms: Cell::new(0),
            far,
            ends: RefCell::new(Some(ends)),
        }
    }

    fn add(&mut self, at: &str, server: Server) {
        self.servers.insert(at.parse().unwrap(), server);
    }

    pub(super) fn greet(&mut self, at: &str, name: &str, greeting: &str) {
        let config = self.authority.server(name);
        self.add(at, Server::Greets(config, greeting.to_owned()));
    }

    pub(super) fn start_tls(&mut self, at: &str, name: &str, greeting: &str, answer: &str) {
        let config = self.authority.server(name);
        self.add(at, Server::StartsTls(config, greeting.to_owned(), answer.to_owned()));
    }

    pub(super) fn web(&mut self, at: &str, name: &str, pages: &[(&str, &str)]) {
        let config = self.authority.server(name);
        let pages = pages.iter().map(|(line, page)| ((*line).to_owned(), (*page).to_owned()));
        self.add(at, Server::Web(config, pages.collect()));
    }

    pub(super) fn silent(&mut self, at: &str) {
        self.add(at, Server::Silent);
    }

    /// How many questions DNS was asked.
    pub(super) fn asked(&self) -> usize {
        self.asked.borrow().len()
    }

    pub(super) fn kinds(&self) -> Vec<RecordType> {
        self.asked.borrow().clone()
    }

    pub(super) fn connected(&self) -> Vec<SocketAddr> {
        self.connected.borrow().clone()
    }

    /// Everything that web servers were told.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.borrow().clone()
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    /// Runs `work` beside the servers.
    pub(super) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let mut ends = self.ends.borrow_mut().take().unwrap();
        let serve = async {
            let mut open = FuturesUnordered::new();
            loop {
                let next = poll_fn(|context| ends.poll_next_unpin(context));
                let work =
                    async { if open.is_empty() { pending().await } else { open.next().await } };
                match select(pin!(next), pin!(work)).await {
                    Either::Left((Some((end, server)), _)) => open.push(self.serve(end, server)),
                    Either::Left((None, _)) => pending().await,
                    Either::Right(_) => {}
                }
            }
        };
        let result = block_on(async {
            match select(pin!(work), pin!(serve)).await {
                Either::Left((done, _)) => done,
                Either::Right((never, _)) => never,
            }
        });
        *self.ends.borrow_mut() = Some(ends);
        result
    }

    async fn serve(&self, mut end: End, server: Server) {
        let _ = match server {
            Server::Silent => pending().await,
            Server::Greets(config, greeting) => {
                self.secured(end, config, |_| Some(greeting.clone())).await
            }
            Server::StartsTls(config, greeting, answer) => {
                let _ = end.write(greeting.into()).await;
                let _ = end.read().await;
                let _ = end.write(answer.into()).await;
                self.secured(end, config, |_| None).await
            }
            Server::Web(config, pages) => {
                let missing = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned();
                self.secured(end, config, |heard| {
                    let line = heard.contains("\r\n\r\n").then(|| heard.lines().next())??;
                    self.heard.borrow_mut().push(heard.to_owned());
                    Some(pages.get(line).unwrap_or(&missing).clone())
                })
                .await
            }
        };
    }

    /// Begins TLS; once `answer` has one to all that was heard, says it and hears no more.
    async fn secured(
        &self,
        mut end: End,
        config: Arc<ServerConfig>,
        answer: impl Fn(&str) -> Option<String>,
    ) -> Result<(), Error> {
        let mut tls = ServerConnection::new(config).unwrap();
        tls.set_buffer_limit(None);
        let (mut heard, mut said) = (Vec::new(), false);
        loop {
            let bytes = end.read().await?;
            if bytes.is_empty() {
                return Ok(());
            }
            let mut rest = bytes.as_ref();
            while !rest.is_empty() {
                tls.read_tls(&mut rest).unwrap();
                if tls.process_new_packets().is_err() {
                    return Ok(());
                }
                let _ = tls.reader().read_to_end(&mut heard);
            }
            let text = String::from_utf8_lossy(&heard).into_owned();
            if !said
                && !tls.is_handshaking()
                && let Some(answer) = answer(&text)
            {
                tls.writer().write_all(answer.as_bytes()).unwrap();
                said = true;
            }
            let mut out = Vec::new();
            while tls.wants_write() {
                tls.write_tls(&mut out).unwrap();
            }
            end.write(out.into()).await?;
        }
    }

    fn answer(&self, asked: &Message) -> Message {
        let query = &asked.queries[0];
        self.asked.borrow_mut().push(query.query_type);
        let mut answer = Message::response(0, OpCode::Query);
        answer.add_query(query.clone());
        // As resolvers do, the aliases on the way come along.
        let mut owner = query.name().clone();
        for _ in 0..8 {
            let mut alias = None;
            for (owned, data) in self.records.iter().filter(|(owned, _)| name(owned) == owner) {
                if data.record_type() == query.query_type || matches!(data, RData::CNAME(_)) {
                    answer.add_answer(Record::from_rdata(name(owned), 60, data.clone()));
                }
                if let RData::CNAME(to) = data {
                    alias = Some(to.0.clone());
                }
            }
            match alias {
                Some(alias) if query.query_type != RecordType::CNAME => owner = alias,
                _ => break,
            }
        }
        let below =
            |owned: &str| query.name().zone_of(&name(owned)) || name(owned) == *query.name();
        if !self.records.iter().any(|(owned, _)| below(owned)) {
            answer.metadata.response_code = ResponseCode::NXDomain;
        }
        answer
    }
}

impl Http for World {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        _: usize,
    ) -> Result<http::Response<Bytes>, Error> {
        assert_eq!(request.uri().host(), Some("dns.example"));
        if self.dns_is_silent {
            return pending().await;
        }
        if self.dns_says_garbage {
            return Ok(http::Response::new(Bytes::from_static(b"<html>no</html>")));
        }
        let asked = Message::from_vec(request.body()).unwrap();
        Ok(http::Response::new(self.answer(&asked).to_vec().unwrap().into()))
    }
}

impl Network for World {
    type Stream = End;

    async fn connect(&self, address: SocketAddr, _: u32) -> Result<End, Error> {
        self.connected.borrow_mut().push(address);
        let Some(server) = self.servers.get(&address) else {
            let reason = "connection refused".to_owned();
            return Err(Error::Unreachable { address: address.to_string(), reason });
        };
        let (near, far) = pipe();
        self.far.unbounded_send((far, server.clone())).unwrap();
        Ok(near)
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        // What the system's resolver does not know is asked for over HTTPS.
        Err(Error::Unresolved { name: name.to_owned(), reason: "no such name".to_owned() })
    }
}

impl Clock for World {
    fn now_ms(&self) -> u64 {
        NOW_MS + self.now_ms.get()
    }

    fn monotonic_ms(&self) -> u64 {
        self.now_ms.get()
    }

    /// Each look at a timer is a millisecond, so that what is under way gets its turns in between.
    async fn sleep_ms(&self, ms: u64) {
        let until_ms = self.now_ms.get() + ms;
        while self.now_ms.get() < until_ms {
            self.give_way().await;
            self.now_ms.set((self.now_ms.get() + 1).min(until_ms.max(self.now_ms.get())));
        }
    }

    async fn give_way(&self) {
        let mut given = false;
        poll_fn(|context| {
            context.waker().wake_by_ref();
            match std::mem::replace(&mut given, true) {
                true => std::task::Poll::Ready(()),
                false => std::task::Poll::Pending,
            }
        })
        .await;
    }
}
