//! `trasloco serve`: HTTP/1.1 and HTTP/2 (prior knowledge) in front of the application.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::BodyExt;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};

use crate::app::App;
use crate::driver;
use crate::load::{self, Options};
use crate::patience::Patient;

/// How long a client may take over the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may send nothing in the middle of a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// How long running requests and slices may take to end when the process is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// How long what was deleted may stay in the log of the database.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// The pause after a connection could not be accepted (no file descriptor left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the process is told to stop (SIGTERM, SIGINT).
pub async fn serve(options: Options, listen: SocketAddr) -> Result<()> {
    let mut signals = Signals::new()?;
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let app = tokio::task::spawn_blocking(move || load::load(&options)).await??;
    let driver = tokio::spawn(driver::drive(app.clone()));
    tokio::spawn(tidy(app.clone()));
    println!("listening on http://{}", listener.local_addr()?);
    let graceful = GracefulShutdown::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => connection(&app, &graceful, stream, peer),
                Err(error) => {
                    log::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = signals.told_to_stop() => break,
        }
    }
    log::info!("stopping");
    drop(listener);
    app.stopping.send_replace(true);
    let end = async {
        graceful.shutdown().await;
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

fn connection(app: &Arc<App>, graceful: &GracefulShutdown, stream: TcpStream, peer: SocketAddr) {
    // Answers in small pieces would wait for the client's delayed acknowledgements.
    if let Err(error) = stream.set_nodelay(true) {
        log::debug!("{peer}: {error}");
    }
    let app = app.clone();
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let app = app.clone();
        async move {
            let request = request.map(|body| Patient::new(body, BODY_TIMEOUT).boxed_unsync());
            Ok::<_, Infallible>(app.handle(request, Some(peer)).await)
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder.http2().timer(TokioTimer::new());
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            log::debug!("{peer}: {error}");
        }
    });
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
