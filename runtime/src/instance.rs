//! One request: a fresh instance of a component, its limits, and its end.
//!
//! An instance lives until its component has nothing left to do, also after the answer is out. It
//! ends early when it traps, when its time is over (`--request-timeout`), or when whoever reads
//! the answer goes away before its end.

mod nodelay;

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, Store};
use wasmtime_wasi::HostMonotonicClock;
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::p3::Request as GuestRequest;
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::{WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::app::App;
use crate::chaining::Hooks;
use crate::key_value::Database;
use crate::outbound::AllowedHosts;
use crate::own_addresses::{self, OwnAddresses};
use crate::receive::Held;

/// Elements of all tables of an instance; Rust components need some hundreds.
const MAX_TABLE_ELEMENTS: usize = 100_000;

/// What one component may do.
pub struct Settings {
    /// Its name in `spin.toml`.
    pub name: String,
    /// Labels it may open.
    pub stores: HashSet<String>,
    /// Its variables.
    pub variables: HashMap<String, String>,
    /// What it may connect to.
    pub hosts: Arc<AllowedHosts>,
    /// Its environment.
    pub environment: Vec<(String, String)>,
    /// Told to it in its environment.
    pub own_addresses: Arc<OwnAddresses>,
    /// Most linear memory of one instance.
    pub memory_limit_bytes: usize,
    /// The most linear memory that an instance had so far, bytes.
    pub memory_peak_bytes: AtomicU64,
    /// Refuse what Spin refuses.
    pub as_spin: bool,
    /// How long an instance may live.
    pub request_timeout: Option<Duration>,
}

/// A component that is ready for requests.
pub struct Ready {
    /// What it may do.
    pub settings: Arc<Settings>,
    /// The checked and linked component.
    pub pre: ServicePre<State>,
}

/// What belongs to one instance.
pub struct State {
    pub(crate) table: ResourceTable,
    pub(crate) settings: Arc<Settings>,
    pub(crate) database: Arc<Database>,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Hooks,
    memory: Memory,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}

/// Counts and limits the linear memory of an instance.
struct Memory {
    settings: Arc<Settings>,
    total_bytes: usize,
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total_bytes = self.total_bytes.saturating_sub(current).saturating_add(desired);
        if total_bytes > self.settings.memory_limit_bytes {
            log::warn!(
                "{}: asked for {total_bytes} bytes of memory, more than the limit of {}",
                self.settings.name,
                self.settings.memory_limit_bytes
            );
            return Ok(false);
        }
        self.total_bytes = total_bytes;
        self.settings.memory_peak_bytes.fetch_max(total_bytes as u64, Ordering::Relaxed);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }
}

impl Ready {
    /// Answers one request; the instance holds its place until its end, and runs on the threads of
    /// `batch` where these are given.
    pub async fn answer(
        self: &Arc<Self>,
        app: &Arc<App>,
        request: http::Request<WasiBody>,
        (held, batch): (Held, Option<&Handle>),
    ) -> anyhow::Result<http::Response<Body>> {
        let safe = request.method().is_safe();
        let mut store = self.store(app);
        let pre = self.clone();
        let (sender, receiver) = oneshot::channel();
        let work = async move {
            let service = pre.pre.instantiate_async(&mut store).await?;
            let ran = store.run_concurrent(async |accessor| {
                let (request, request_io) =
                    GuestRequest::from_http(wasmtime_wasi_http::default_hooks(), request);
                let response = service.handle(accessor, request).await??;
                let response = accessor.with(|access| response.into_http(access, request_io))?;
                // Nobody waits any more: the rest of the work is done all the same.
                let _ = sender.send(response);
                std::future::poll_fn(|context| accessor.poll_no_interesting_tasks(context)).await;
                wasmtime::error::Ok(())
            });
            let ended = ran.await.and_then(|result| result);
            drop(held);
            ended
        };
        let work = supervise(self.settings.clone(), work);
        let instance = match batch {
            Some(batch) => batch.spawn(work),
            None => tokio::spawn(work),
        };
        let instance = instance.abort_handle();
        let waiting = AbortUnanswered(safe.then(|| instance.clone()));
        let answer = receiver.await;
        waiting.answered();
        match answer {
            Ok(response) => {
                let end = is_event_stream(&response).then(|| app.stopped());
                Ok(response.map(|body| Body { body, instance: Some(instance), end }))
            }
            Err(_) => anyhow::bail!("the component {} gave no answer", self.settings.name),
        }
    }

    fn store(&self, app: &Arc<App>) -> Store<State> {
        let settings = &self.settings;
        let state = State {
            table: ResourceTable::new(),
            wasi: wasi(settings),
            http: WasiHttpCtx::new(),
            hooks: Hooks { app: Arc::downgrade(app), hosts: settings.hosts.clone() },
            memory: Memory { settings: settings.clone(), total_bytes: 0 },
            database: app.database.clone(),
            settings: settings.clone(),
        };
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(|state| &mut state.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store
    }
}

/// Ends the instance where nobody waits any more for the answer; one that changes something
/// (RFC 9110 section 9.2.1) goes on.
struct AbortUnanswered(Option<AbortHandle>);

impl AbortUnanswered {
    fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for AbortUnanswered {
    fn drop(&mut self) {
        if let Some(instance) = &self.0 {
            instance.abort();
        }
    }
}

/// Lets an instance run to its end and reports how it failed.
async fn supervise(
    settings: Arc<Settings>,
    work: impl Future<Output = wasmtime::Result<()>> + Send,
) {
    let ended = match settings.request_timeout {
        Some(limit) => match tokio::time::timeout(limit, work).await {
            Ok(ended) => ended,
            Err(_) => {
                log::warn!("{}: ended after {} s", settings.name, limit.as_secs());
                return;
            }
        },
        None => work.await,
    };
    if let Err(error) = ended {
        log::error!("{}: {error:?}", settings.name);
    }
}

/// One monotonic clock for all instances, which otherwise have each their own: a lease that one of
/// them holds is judged by another.
struct Monotonic;

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        u64::try_from(STARTED.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

fn wasi(settings: &Settings) -> WasiCtx {
    let hosts = settings.hosts.clone();
    let own = match settings.as_spin {
        true => None,
        false => Some((own_addresses::ENVIRONMENT, settings.own_addresses.text())),
    };
    let own: Vec<_> = own.into_iter().collect();
    let mut wasi = WasiCtxBuilder::new();
    wasi.stdout(std::io::stderr())
        .stderr(std::io::stderr())
        .envs(&settings.environment)
        .envs(&own)
        .monotonic_clock(Monotonic)
        .allow_tcp(true)
        .allow_udp(true)
        .allow_ip_name_lookup(!settings.as_spin)
        .socket_addr_check(move |address, purpose| {
            let allowed = match purpose {
                SocketAddrUse::TcpConnect => {
                    nodelay::set_on_unconnected_sockets();
                    hosts.allows_tcp(address)
                }
                // Connecting binds first, to any address and port.
                SocketAddrUse::TcpBind => address.ip().is_unspecified() && address.port() == 0,
                SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => false,
                SocketAddrUse::UdpBind | SocketAddrUse::UdpSend | SocketAddrUse::UdpReceive => {
                    hosts.allows_udp(address)
                }
            };
            Box::pin(async move { allowed })
        });
    wasi.build()
}

/// An event stream (HTML, Server-sent events) has no end of its own.
pub fn is_event_stream<T>(response: &http::Response<T>) -> bool {
    let media_type = response.headers().get(http::header::CONTENT_TYPE);
    media_type.is_some_and(|media_type| media_type.as_bytes().starts_with(b"text/event-stream"))
}

/// The body of an answer; dropping it before its end ends the instance.
pub struct Body {
    body: WasiBody,
    instance: Option<AbortHandle>,
    /// When to end it early.
    end: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Body {
    /// A body that is there as a whole.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let body = http_body_util::Full::new(bytes.into());
        Body {
            body: body.map_err(|never| match never {}).boxed_unsync(),
            instance: None,
            end: None,
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(end) = &mut self.end
            && end.as_mut().poll(context).is_ready()
        {
            self.end = None;
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.instance = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(instance) = self.instance.take() {
            instance.abort();
        }
    }
}
