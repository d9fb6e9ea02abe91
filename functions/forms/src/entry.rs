//! Spin's side: a request of its kind in, a response of its kind out.

use std::convert::Infallible;

use autodetect::{Address, Detection};
use bytes::Bytes;
use dial::{Dialer, Networks, Plaintext, RecordLayer, Trust};
use futures::SinkExt;
use futures::channel::mpsc;
use host::{Host, KeyValue, Settings};
use http_body::Frame;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use migrate::login::{self, AccountReport, Detail};
use migrate::preflight::{self, Preflight};
use migrate::removal::{self, Preview, PreviewError};
use migrate::{Side, finding};
use model::{Account, MigrationId, Options};
use spin_sdk::http::{IntoResponse, Request as SpinRequest};
use spin_sdk::http_service;
use store::seal::{Credential, Credentials, Seal};
use wire::{Clock, Random};
use zeroize::Zeroizing;

use crate::answer::{Answer, Body};
use crate::app::{App, Outside};
use crate::client;
use crate::feed::Out;
use crate::feeds;
use crate::refusals::{Code, Refusal};
use crate::request::{self, Request};
use crate::router::BodyRead;
use crate::steps::session;

/// Pieces of a feed that wait for a slow reader; more are not made until it has read.
const PIECES_AHEAD: usize = 1;

/// A day in milliseconds.
const DAY_MS: u64 = 86_400_000;

/// How long a server may be silent while a log-in is tried; whoever sent the form is waiting.
const CHECK_IDLE_S: u32 = 10;

/// The most bytes read, and not kept, of a body that is too large.
const DISCARD_MAX_BYTES: usize = 32 << 20;
/// The most seconds for reading what is not kept.
const DISCARD_TIMEOUT_S: u32 = 10;

/// What this component reaches: Spin's store and the network, as the variables allow.
struct Reached {
    store: KeyValue,
    settings: Settings,
    /// Proxies that are believed what they say of their clients.
    proxies: Networks,
}

impl Reached {
    /// What opens lines; in words what the operator has set wrongly. Made only where a server is
    /// called: reading the trust anchors takes longer than any page.
    fn dialer(&self) -> Result<Dialer<'static, Host>, String> {
        let settings = &self.settings;
        Ok(Dialer {
            host: &HOST,
            networks: Networks::parse(&settings.allowed_networks)
                .and_then(|networks| networks.without(&settings.own_addresses))
                .map_err(|error| error.to_string())?
                .with_ports(&settings.allowed_ports)
                .map_err(|error| error.to_string())?,
            trust: Trust::new(&settings.extra_ca)
                .map_err(|e| e.to_string())?
                .with_records(RecordLayer::parse(&settings.tls).map_err(|e| e.to_string())?),
            doh_url: settings.doh_url.clone(),
            allow_plaintext: settings.allow_plaintext,
            idle_timeout_s: CHECK_IDLE_S,
            ciphers: dial::Ciphers::ChaCha20,
        })
    }
}

static HOST: Host = Host;

impl Clock for Reached {
    fn now_ms(&self) -> u64 {
        HOST.now_ms()
    }
    fn monotonic_ms(&self) -> u64 {
        HOST.monotonic_ms()
    }
    async fn sleep_ms(&self, ms: u64) {
        HOST.sleep_ms(ms).await;
    }
    async fn give_way(&self) {
        HOST.give_way().await;
    }
}

impl Random for Reached {
    fn fill(&self, bytes: &mut [u8]) {
        HOST.fill(bytes);
    }
}

impl Outside for Reached {
    type Store = KeyValue;

    fn store(&self) -> &KeyValue {
        &self.store
    }

    async fn check(
        &self,
        side: Side,
        account: &Account,
        credential: &Credential,
        detail: Detail,
    ) -> Result<AccountReport, login::Refusal> {
        let dialer = self.dialer().map_err(|wrong| {
            login::Refusal::Unreachable(format!("This installation is misconfigured: {wrong}."))
        })?;
        login::check(&HOST, &dialer, (side, account), credential, detail).await
    }

    async fn preview(
        &self,
        id: &MigrationId,
        from: u32,
        credential: &Credential,
    ) -> Result<Preview, PreviewError> {
        let dialer = self.dialer().map_err(|wrong| {
            PreviewError::Broke(format!("This installation is misconfigured: {wrong}."))
        })?;
        removal::preview((&HOST, &dialer), &self.store, id, from, credential).await
    }

    async fn detect(&self, address: &Address) -> Result<Detection, store::Error> {
        match self.dialer() {
            Ok(dialer) => {
                let ispdb_url = &self.settings.ispdb_url;
                finding::detection(&dialer, &self.store, ispdb_url, address).await
            }
            Err(wrong) => {
                let mut found = Detection { unanswered: true, ..Detection::default() };
                found.note(format!("This installation is misconfigured: {wrong}."));
                Ok(found)
            }
        }
    }

    async fn preflight(
        &self,
        accounts: (&Account, &Account),
        credentials: &Credentials,
        options: &Options,
    ) -> Result<Preflight, preflight::Refused> {
        let dialer = self.dialer().map_err(|wrong| {
            let sentence = format!("This installation is misconfigured: {wrong}.");
            let source = Some(login::Refusal::Unreachable(sentence));
            preflight::Refused { source, destination: None }
        })?;
        preflight::look(&HOST, &dialer, accounts, credentials, options).await
    }

    fn ready(&self) -> Result<(), String> {
        self.dialer().map(|_| ())
    }
}

#[http_service]
async fn handle(request: SpinRequest) -> impl IntoResponse {
    let (parts, body) = request.into_parts();
    let head = parts.method == http::Method::HEAD;
    let app = app(&parts.headers).await;
    let request = asked(&parts, app.as_ref().ok());
    let answer = match app {
        Ok(app) => {
            // What is large is taken only from somebody who is known.
            let body = match session::admit(&app, &request).await {
                Ok(()) => read(&request, request.body_limits(), body).await,
                Err(refusal) => {
                    let _ = read(&request, (0, DISCARD_TIMEOUT_S), body).await;
                    Err(refusal)
                }
            };
            app.answer(&request, body).await
        }
        Err(refusal) => Answer::refusal(&refusal),
    };
    respond(answer, head)
}

/// The request in our words.
fn asked(parts: &http::request::Parts, app: Option<&App<Reached>>) -> Request {
    let uri = &parts.uri;
    let host = parts.headers.get("host").and_then(|host| host.to_str().ok());
    let authority = uri.authority().map(http::uri::Authority::as_str).or(host);
    let proxied = app.is_some_and(|app| client::over_tls(&parts.headers, &app.outside.proxies));
    let scheme = if proxied { "https" } else { uri.scheme_str().unwrap_or("http") };
    let public = app.is_some_and(|app| app.public_url.starts_with("https://"));
    let method = match parts.method {
        http::Method::HEAD => http::Method::GET,
        _ => parts.method.clone(),
    };
    Request {
        method,
        path: uri.path().to_owned(),
        query: request::query(uri.query().unwrap_or_default()),
        headers: parts.headers.clone(),
        origin: format!("{scheme}://{}", authority.unwrap_or("localhost")),
        secure: public || scheme == "https",
    }
}

/// The body. Of one that is larger than any of ours nothing is kept, but it is read a while: a
/// client that is still sending would not see the answer.
async fn read(
    request: &Request,
    (max_bytes, timeout_s): (usize, u32),
    body: impl http_body::Body<Data = Bytes> + Unpin,
) -> BodyRead {
    let announced = request.header("content-length").and_then(|text| text.parse::<usize>().ok());
    // As much room as came, not as was announced: an announcement costs nothing.
    let room = match request.method {
        http::Method::GET => 0,
        _ => announced.unwrap_or(max_bytes).min(max_bytes),
    };
    let mut kept = Zeroizing::new(Vec::with_capacity(room.min(request::BODY_MAX_BYTES)));
    let arriving = async { Ok::<_, wire::Error>(take(body, max_bytes, &mut kept).await) };
    match wire::within(&HOST, timeout_s, arriving).await {
        Ok(Some(length)) if length <= max_bytes => Ok(kept),
        Ok(Some(_)) => {
            let detail = format!("The body may have at most {max_bytes} bytes.");
            Err(Refusal::because(Code::TooLarge, detail))
        }
        Ok(None) => Err(Refusal::because(Code::Unreadable, "The body broke off.")),
        Err(_) => {
            let detail = format!("The body did not arrive within {timeout_s} s.");
            Err(Refusal::because(Code::Unreadable, detail))
        }
    }
}

/// Takes a body in and tells its length, as far as it was read; `None` where it broke off.
async fn take(
    mut body: impl http_body::Body<Data = Bytes> + Unpin,
    max_bytes: usize,
    kept: &mut Zeroizing<Vec<u8>>,
) -> Option<usize> {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.ok()?.into_data() else { continue };
        length += piece.len();
        if length <= max_bytes {
            keep(kept, &piece, max_bytes);
        } else if length > DISCARD_MAX_BYTES {
            break;
        }
    }
    Some(length)
}

/// Adds a piece. A vector that grows by itself would leave copies of passwords behind; here what was
/// outgrown is wiped. Four times what came is the most that is taken.
fn keep(kept: &mut Zeroizing<Vec<u8>>, piece: &[u8], max_bytes: usize) {
    let length = kept.len() + piece.len();
    if length > kept.capacity() {
        let room = match kept.capacity() {
            large if large * 4 >= max_bytes => max_bytes.max(length),
            small => length.max(small * 2),
        };
        let mut larger = Zeroizing::new(Vec::with_capacity(room));
        larger.extend_from_slice(kept);
        *kept = larger;
    }
    kept.extend_from_slice(piece);
}

/// The component as the variables want it.
async fn app(headers: &http::HeaderMap) -> Result<App<Reached>, Refusal> {
    let settings = host::settings()
        .await
        .map_err(|error| Refusal::because(Code::NotConfigured, error.to_string()))?;
    let store = KeyValue::open().await?;
    let plaintext = if settings.allow_plaintext { Plaintext::Allowed } else { Plaintext::Refused };
    let proxies = Networks::parse(&settings.trusted_proxies).map_err(|error| {
        let words = error.to_string().replace("allowed_networks", "trusted_proxies");
        Refusal::because(Code::NotConfigured, words)
    })?;
    Ok(App {
        client: if settings.limits { client::network(headers, &proxies) } else { String::new() },
        creation_token: settings.creation_token.clone(),
        seal: Seal::from_variable(settings.secret_key.expose()),
        plaintext,
        public_url: settings.public_url.trim_end_matches('/').to_owned(),
        retention_ms: u64::from(settings.retention_days) * DAY_MS,
        boot: std::env::var("TRASLOCO_BOOT").unwrap_or_default(),
        outside: Reached { store, settings, proxies },
    })
}

/// Pieces of a feed on their way into a body.
struct Pieces(mpsc::Sender<Result<Frame<Bytes>, store::Error>>);

impl Out for Pieces {
    async fn send(&mut self, piece: Bytes) -> bool {
        piece.is_empty() || self.0.send(Ok(Frame::data(piece))).await.is_ok()
    }
}

fn respond(answer: Answer, head: bool) -> impl IntoResponse {
    let Answer { status, headers, body } = answer;
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        // Where a value cannot be a header (a control character in a foreign text), it is left out.
        if let Ok(value) = http::HeaderValue::from_str(&value) {
            response = response.header(name, value);
        }
    }
    let whole =
        |bytes: Bytes| Either::Left(Full::new(bytes).map_err(|never: Infallible| match never {}));
    let body = match body {
        Body::Whole(bytes) => {
            // Header and body go out at once only where the length is known.
            response = response.header("content-length", bytes.len());
            whole(if head { Bytes::new() } else { bytes })
        }
        Body::Feed(_) if head => whole(Bytes::new()),
        Body::Feed(feed) => {
            let (sender, receiver) = mpsc::channel(PIECES_AHEAD);
            spin_sdk::wasip3::spawn(async move {
                let mut out = Pieces(sender);
                let done = match KeyValue::open().await {
                    Ok(store) => feeds::run(&feed, &store, &HOST, &mut out).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = done {
                    // Whoever reads must see that it is not whole; gone readers do not matter.
                    let _ = out.0.send(Err(error)).await;
                }
            });
            Either::Right(StreamBody::new(receiver))
        }
    };
    response.body(body).map_err(spin_sdk::http::Error::from)
}
