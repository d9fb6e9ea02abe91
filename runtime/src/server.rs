//! `trasloco serve`: HTTP/1.1 and HTTP/2 (prior knowledge) in front of the application.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::app::App;
use crate::connection::{Arriving, Connection, House, Leaving};
use crate::connections::Connections;
use crate::load::{self, Options};
use crate::patience::{self, Patient};
use crate::refusals::Reason;
use crate::{descriptors, driver, own_addresses};

/// How long a client may take over the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// The part of all connections that one client may have: a company behind one address has less.
const SHARE_OF_CLIENT: usize = 4;

/// How often a connection is looked at: whether it is silent, or its reader too slow.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// The most that is read ahead of a request, and with it the longest head (hyper's own is 400 KiB).
const READ_AHEAD_BYTES: usize = 64 << 10;

/// Requests at a time on one HTTP/2 connection; a page and its files need a dozen.
const MAX_STREAMS: u32 = 64;

/// What an HTTP/2 client may send ahead on a stream, and on all of them: nobody has taken it yet,
/// so that no budget counts it.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 256 << 10;

/// The most header fields of an HTTP/2 request, as RFC 9113 section 6.5.2 counts them.
const MAX_HEADER_LIST_BYTES: u32 = 32 << 10;

/// Streams that an HTTP/2 client may reset before they were looked at, or make us reset, before the
/// connection ends (CVE-2023-44487, CVE-2025-8671).
const MAX_RESETS: usize = 32;

/// How often an HTTP/2 client is asked whether it is there, and how long it may take.
const PING_EVERY: Duration = Duration::from_secs(20);

/// How long running requests and slices may take to end when the process is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// How long what was deleted may stay in the log of the database.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// The pause after a connection could not be accepted (no file descriptor left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often it is said that connections cannot be accepted.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// Serves until the process is told to stop (SIGTERM, SIGINT).
pub async fn serve(options: Options, listen: SocketAddr) -> Result<()> {
    let mut signals = Signals::new()?;
    let most = descriptors::connections(descriptors::raise());
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let app = tokio::task::spawn_blocking(move || load::load(&options)).await??;
    let known = own_addresses::look(&app.own_addresses, &app.public_url, Vec::new()).await;
    tokio::spawn(own_addresses::watch(app.clone(), known));
    let driver = tokio::spawn(driver::drive(app.clone()));
    tokio::spawn(tidy(app.clone()));
    println!("listening on http://{}", listener.local_addr()?);
    let door = Door {
        house: Arc::new(Mutex::new(Connections::new(most, (most / SHARE_OF_CLIENT).max(1)))),
        graceful: GracefulShutdown::new(),
        builder: builder(),
        app: app.clone(),
    };
    tokio::select! {
        () = door.accept(&listener) => {}
        () = signals.told_to_stop() => {}
    }
    log::info!("stopping");
    drop(listener);
    app.stopping.send_replace(true);
    let end = async {
        door.graceful.shutdown().await;
        // A driver that failed is at its end, too.
        let _ = driver.await;
    };
    tokio::select! {
        _ = tokio::time::timeout(GRACE, end) => {}
        () = signals.told_to_stop() => {}
    }
    Ok(())
}

/// Keeps what was deleted from staying in the log of the database.
async fn tidy(app: Arc<App>) {
    loop {
        tokio::time::sleep(TIDY_EVERY).await;
        let database = app.database.clone();
        match tokio::task::spawn_blocking(move || database.tidy()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::warn!("the log of the database was not emptied: {error}"),
            Err(_) => return,
        }
    }
}

/// Where connections come in.
struct Door {
    app: Arc<App>,
    house: Arc<House>,
    graceful: GracefulShutdown,
    builder: Builder<TokioExecutor>,
}

impl Door {
    /// Lets connections in, for ever.
    async fn accept(&self, listener: &TcpListener) {
        let mut complain = Instant::now();
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.open(stream, peer),
                Err(error) => {
                    if Instant::now() >= complain {
                        log::warn!("cannot accept a connection: {error}");
                        complain = Instant::now() + COMPLAIN_EVERY;
                    }
                    self.make_room();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Where descriptors are short, a silent connection is one that nobody misses.
    fn make_room(&self) {
        let close = self.house.lock().unwrap_or_else(PoisonError::into_inner).evict();
        if let Some(close) = close {
            self.app.gate.refusals.count(Reason::ConnectionGaveWay);
            close.notify_one();
        }
    }

    fn open(&self, stream: TcpStream, from: SocketAddr) {
        let gate = &self.app.gate;
        let Some(opened) = Connection::open(&self.house, from, gate.proxies.trusts(from.ip()))
        else {
            gate.refusals.count(Reason::Connections);
            return;
        };
        let (connection, gave_way) = opened;
        if gave_way {
            gate.refusals.count(Reason::ConnectionGaveWay);
        }
        // Answers in small pieces would wait for the client's delayed acknowledgements.
        if let Err(error) = stream.set_nodelay(true) {
            log::debug!("{from}: {error}");
        }
        let (app, requests) = (self.app.clone(), connection.clone());
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let (app, flight) = (app.clone(), requests.begin(!request.body().is_end_stream()));
            async move {
                let request = request.map(|body| {
                    let body = Arriving::new(body, flight.clone());
                    Patient::new(body, patience::BODY).boxed_unsync()
                });
                let response = app.handle(request, Some(from)).await;
                Ok::<_, Infallible>(response.map(|body| Leaving::new(body, flight)))
            }
        });
        let served = self.builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let served = self.graceful.watch(served);
        let app = self.app.clone();
        tokio::spawn(async move {
            tokio::select! {
                ended = served => {
                    if let Err(error) = ended {
                        log::debug!("{from}: {error}");
                    }
                }
                () = connection.close.notified() => {}
                reason = over(&connection) => app.gate.refusals.count(reason),
            }
        });
    }
}

/// Waits until a connection has been open for nothing.
async fn over(connection: &Connection) -> Reason {
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        if let Some(reason) = connection.over(Instant::now()) {
            return reason;
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(READ_AHEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(READ_AHEAD_BYTES)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(MAX_RESETS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY);
    builder
}

/// What asks this process to end.
#[cfg(unix)]
pub struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Takes the signals over.
    pub fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let terminate = signal(SignalKind::terminate())?;
        Ok(Signals { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Returns at the next signal.
    pub async fn told_to_stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What asks this process to end.
#[cfg(not(unix))]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Takes the signals over.
    pub fn new() -> Result<Self> {
        Ok(Signals)
    }

    /// Returns at the next signal.
    pub async fn told_to_stop(&mut self) {
        // An error would mean that there is no such signal: then nobody can ask.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Gate;
    use crate::key_value::{Database, Journal};
    use crate::manifest::Manifest;
    use crate::routes::Routes;
    use crate::state::Folder;
    use std::collections::BTreeMap;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::{Notify, watch};

    const MANIFEST: &str = "spin_manifest_version = 2\n[application]\nname = \"a\"\n\
        [[trigger.http]]\nroute = \"/...\"\ncomponent = \"a\"\n[component.a]\nsource = \"a.wasm\"\n";

    /// An application whose component is missing: every request is answered 404, but only after it
    /// has come through the gate.
    fn application(folder: &std::path::Path) -> Arc<App> {
        let database = Database::open(&folder.join("database"), Journal::Wal).unwrap();
        Arc::new(App {
            components: BTreeMap::new(),
            routes: Routes::new(&Manifest::parse(MANIFEST).unwrap()),
            database: Arc::new(database),
            advance_token: None,
            metrics: crate::metrics::Metrics::default(),
            pulse: crate::health::Pulse::default(),
            gate: Arc::new(Gate::new(crate::peer::Proxies::default())),
            public_url: String::new(),
            own_addresses: Arc::default(),
            batch: None,
            changed: Notify::new(),
            advanced: Notify::new(),
            stopping: watch::Sender::new(false),
            folder: Folder::open(&folder.join("state")).unwrap(),
        })
    }

    async fn serve_with(most: usize) -> (Arc<App>, SocketAddr, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let app = application(folder.path());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let house = Mutex::new(Connections::new(most, most / SHARE_OF_CLIENT));
        let (house, graceful) = (Arc::new(house), GracefulShutdown::new());
        let door = Door { app: app.clone(), house, graceful, builder: builder() };
        tokio::spawn(async move { door.accept(&listener).await });
        (app, address, folder)
    }

    async fn flood(to: SocketAddr, said: &str, n: usize) -> Vec<TcpStream> {
        let mut open = Vec::new();
        for _ in 0..n {
            let mut stream = TcpStream::connect(to).await.unwrap();
            // It may be closed already.
            let _ = stream.write_all(said.as_bytes()).await;
            open.push(stream);
        }
        open
    }

    /// The status line of one request on a connection of its own, and how long it took.
    async fn ask(to: SocketAddr, request: &str) -> (String, Duration) {
        let start = Instant::now();
        let mut stream = TcpStream::connect(to).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut octets = vec![0; 4096];
        let n = stream.read(&mut octets).await.unwrap();
        let text = String::from_utf8_lossy(&octets[..n]).into_owned();
        (text.lines().next().unwrap_or_default().to_owned(), start.elapsed())
    }

    const PAGE: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    const FORM: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
    const UNFINISHED: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 200000\r\n\r\nabc";
    const HTTP2: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0";

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_says_nothing_or_half_keeps_nobody_out() {
        descriptors::raise();
        let (app, to, _folder) = serve_with(800).await;
        // More than the 200 that one client may have, so that the newest take the place of the oldest.
        let mut held = flood(to, UNFINISHED, 300).await;
        held.extend(flood(to, "", 300).await);
        held.extend(flood(to, HTTP2, 100).await);
        held.extend(flood(to, "PRI", 20).await);
        let mut took = Vec::new();
        for request in [PAGE, FORM].into_iter().cycle().take(100) {
            let (status, time) = ask(to, request).await;
            assert_eq!(status, "HTTP/1.1 404 Not Found");
            took.push(time);
        }
        took.sort();
        assert!(took[98] < Duration::from_secs(2), "{:?}", took[98]);
        assert_eq!(app.gate.requests.taken(), 0, "who is still sending has no place");
        let text = app.gate.text();
        assert!(!text.contains("{reason=\"connection_gave_way\"} 0\n"), "{text}");
        assert!(text.contains("{reason=\"connections\"} 0\n"), "{text}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn silence_ends_in_every_protocol() {
        let (app, to, _folder) = serve_with(800).await;
        let mut held = Vec::new();
        for said in ["", "PRI", HTTP2, "GET / HTT", UNFINISHED] {
            held.extend(flood(to, said, 1).await);
        }
        for mut stream in held {
            let ended = tokio::time::timeout(Duration::from_secs(50), async {
                let mut octets = [0; 4096];
                while stream.read(&mut octets).await.is_ok_and(|n| n > 0) {}
            });
            assert!(ended.await.is_ok(), "it is still open");
        }
        let text = app.gate.text();
        assert!(!text.contains("{reason=\"silent_connection\"} 0\n"), "{text}");
        assert!(text.contains("{reason=\"slow_body\"} 1\n"), "{text}");
    }
}
