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
    own_addresses::look(&app);
    tokio::spawn(own_addresses::watch(app.clone()));
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
