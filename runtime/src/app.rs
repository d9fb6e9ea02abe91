//! The application: components, their routes, and the way of a request through them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Result;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use wasmtime_wasi_http::WasiBody;

use crate::driver;
use crate::gate::Gate;
use crate::health::{self, Pulse};
use crate::instance::{Body, Ready, is_event_stream};
use crate::key_value::Database;
use crate::metrics::Metrics;
use crate::own_addresses::OwnAddresses;
use crate::peer::Peer;
use crate::receive::{self, Held, lock};
use crate::refusals::Reason;
use crate::routes::Routes;
use crate::state::Folder;

/// The most that a component may answer to `GET /metrics`.
const MAX_METRICS_BYTES: usize = 1 << 20;

/// Where the components' and this runtime's counts are read.
const METRICS_PATHS: [&str; 2] = ["/metrics", "/api/v1/metrics"];

/// A loaded application.
pub struct App {
    pub(crate) components: BTreeMap<String, Arc<Ready>>,
    pub(crate) routes: Routes,
    pub(crate) database: Arc<Database>,
    pub(crate) advance_token: Option<String>,
    pub(crate) metrics: Metrics,
    /// How the driver fares.
    pub(crate) pulse: Pulse,
    /// How much clients may have at a time.
    pub(crate) gate: Arc<Gate>,
    /// Where users reach it; empty where that is not set.
    pub(crate) public_url: String,
    /// Where no migration may lead.
    pub(crate) own_addresses: Arc<OwnAddresses>,
    /// Where slices run, so that pages do not wait behind them.
    pub(crate) batch: Option<Handle>,
    /// Told after every request that may have made work for `advance`.
    pub(crate) changed: Notify,
    /// Told after every slice of the driver.
    pub(crate) advanced: Notify,
    /// True once the process is told to stop: no more slices, and event streams end.
    pub(crate) stopping: watch::Sender<bool>,
    /// Held for as long as the application lives.
    pub(crate) folder: Folder,
}

impl App {
    /// Answers a request by its path.
    pub async fn handle(
        self: &Arc<Self>,
        mut request: Request<WasiBody>,
        peer: Option<SocketAddr>,
    ) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let Some(found) = self.routes.find(&path) else {
            let nothing = problem(StatusCode::NOT_FOUND, "There is nothing at this address.");
            return never_sniffed(nothing);
        };
        let client = peer.map(|peer| self.gate.proxies.client(peer, request.headers()));
        complete_uri(&mut request);
        describe(&mut request, found.base, peer);
        let name = found.component.to_owned();
        let method = request.method().clone();
        let mut response = match client {
            None => self.call(&name, request).await,
            Some(client) => self.call_for(Peer::of(client.ip()), &name, request).await,
        };
        if METRICS_PATHS.contains(&path.as_str()) && method == Method::GET {
            response = self.with_own_metrics(response).await;
        }
        if health::PATHS.contains(&path.as_str()) && method == Method::GET {
            response = health::judged(response, self.folder.free_bytes()).await;
        }
        if !method.is_safe() && path != driver::PATH {
            self.changed.notify_one();
        }
        never_sniffed(response)
    }

    /// Answers a client's request, within what one client and all of them may have.
    async fn call_for(
        self: &Arc<Self>,
        peer: Peer,
        name: &str,
        request: Request<WasiBody>,
    ) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let refuse = |reason: Reason| {
            self.gate.refusals.count(reason);
            reason.response(&path)
        };
        // A request that is still arriving has no place yet, so that it cannot keep one.
        let (request, held) = match receive::gather(request, &self.gate, peer).await {
            Ok(gathered) => gathered,
            Err(reason) => return refuse(reason),
        };
        match self.gate.request(peer) {
            Ok(place) => lock(&held).insert(0, place),
            Err(reason) => return refuse(reason),
        }
        let response = self.run(name, request, held.clone()).await;
        if !is_event_stream(&response) {
            return response;
        }
        // It lasts: it has a place of its kind from here on, and its first one is free.
        match self.gate.event_stream(peer) {
            Ok(place) => {
                if let Some(first) = lock(&held).first_mut() {
                    *first = place;
                }
                response
            }
            Err(reason) => refuse(reason),
        }
    }

    /// Answers a request by the component's name, as the driver and other components reach it: in
    /// places that no client can take.
    pub async fn call(self: &Arc<Self>, name: &str, request: Request<WasiBody>) -> Response<Body> {
        match self.gate.request(Peer::Inner) {
            Ok(place) => self.run(name, request, Arc::new(vec![place].into())).await,
            Err(reason) => {
                self.gate.refusals.count(reason);
                reason.response(request.uri().path())
            }
        }
    }

    /// Has a component answer; `held` is given back when its instance ends.
    async fn run(
        self: &Arc<Self>,
        name: &str,
        request: Request<WasiBody>,
        held: Held,
    ) -> Response<Body> {
        let Some(component) = self.components.get(name) else {
            return problem(StatusCode::NOT_FOUND, "There is no such component.");
        };
        let started = Instant::now();
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let is_batch = self.routes.find(driver::PATH).is_some_and(|found| found.component == name);
        let batch = self.batch.as_ref().filter(|_| is_batch);
        let response =
            component.answer(self, request, (held, batch)).await.unwrap_or_else(|error| {
                log::error!("{name}: {error:?}");
                problem(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The component failed; the log says why.",
                )
            });
        let (status, took) = (response.status(), started.elapsed());
        self.metrics.count(name, status, took);
        // The driver's own calls come every second.
        let level = if path == driver::PATH { log::Level::Debug } else { log::Level::Info };
        log::log!(level, "{name}: {method} {path} {} in {} ms", status.as_u16(), took.as_millis());
        response
    }

    /// Waits until the process is told to stop.
    pub(crate) fn stopped(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut stopping = self.stopping.subscribe();
        Box::pin(async move {
            // The application itself is gone: that is a stop, too.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        })
    }

    async fn with_own_metrics(&self, response: Response<Body>) -> Response<Body> {
        let (mut parts, body) = response.into_parts();
        let theirs = match parts.status.is_success() {
            true => Limited::new(body, MAX_METRICS_BYTES).collect().await.ok(),
            false => None,
        };
        let mut text = theirs.map(|theirs| theirs.to_bytes().to_vec()).unwrap_or_default();
        if text.last().is_some_and(|byte| *byte != b'\n') {
            text.push(b'\n');
        }
        let peaks = self.components.values().map(|component| {
            let settings = &component.settings;
            (settings.name.as_str(), settings.memory_peak_bytes.load(Ordering::Relaxed))
        });
        text.extend_from_slice(self.metrics.text(peaks).as_bytes());
        let own = self.pulse.text(self.database.failed_writes(), self.folder.free_bytes());
        text.extend_from_slice(own.as_bytes());
        text.extend_from_slice(self.gate.text().as_bytes());
        parts.status = StatusCode::OK;
        parts.headers.remove(CONTENT_LENGTH);
        let media_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        parts.headers.insert(CONTENT_TYPE, media_type);
        Response::from_parts(parts, Body::full(text))
    }
}

/// Gives a request a whole URI, as `wasi:http` wants it.
fn complete_uri(request: &mut Request<WasiBody>) {
    let uri = request.uri();
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let authority = uri.authority().map(ToString::to_string);
    let authority = authority.or(host.map(str::to_owned)).unwrap_or("localhost".to_owned());
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let whole =
        http::Uri::builder().scheme("http").authority(authority).path_and_query(path).build();
    if let Ok(whole) = whole {
        *request.uri_mut() = whole;
    }
}

/// A browser takes every answer for what it says that it is (Fetch section 3.6).
fn never_sniffed(mut response: Response<Body>) -> Response<Body> {
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// Sets the headers that Spin sets; what a client sends under these names is dropped.
fn describe(request: &mut Request<WasiBody>, base: &str, peer: Option<SocketAddr>) {
    let foreign: Vec<_> = request
        .headers()
        .keys()
        .filter(|name| name.as_str().starts_with("spin-"))
        .cloned()
        .collect();
    for name in foreign {
        request.headers_mut().remove(name);
    }
    let path_info = request.uri().path().strip_prefix(base).unwrap_or_default().to_owned();
    let url = request.uri().to_string();
    let peer = peer.map(|peer| peer.to_string());
    let headers = [
        ("spin-path-info", Some(path_info)),
        ("spin-full-url", Some(url)),
        ("spin-base-path", Some("/".to_owned())),
        ("spin-component-route", Some(base.to_owned())),
        ("spin-raw-component-route", Some(base.to_owned())),
        ("spin-client-addr", peer),
    ];
    for (name, value) in headers {
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            request.headers_mut().insert(name, value);
        }
    }
}

/// A refusal of this runtime (RFC 9457).
pub fn problem(status: StatusCode, detail: &str) -> Response<Body> {
    let title = status.canonical_reason().unwrap_or("Refused");
    let text = serde_json::json!({
        "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail
    });
    let mut response = Response::new(Body::full(text.to_string()));
    *response.status_mut() = status;
    let media_type = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

/// The whole body of an answer, at most `max_bytes`.
pub async fn collect(response: Response<Body>, max_bytes: usize) -> Result<(StatusCode, Vec<u8>)> {
    let status = response.status();
    let body = Limited::new(response.into_body(), max_bytes).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("the answer was cut off: {error}"))?;
    Ok((status, body.to_bytes().to_vec()))
}
