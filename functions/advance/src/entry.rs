//! Spin's side: a request in, one tick, a response out.

use bytes::Bytes;
use dial::{Ciphers, Dialer, Networks, RecordLayer, Trust};
use futures::future::join;
use host::{Host, KeyValue, Settings, settings};
use http::StatusCode;
use migrate::World;
use migrate::advance::{Ended, Tick, advance, tick};
use model::{MigrationId, Timestamp};
use notify::Office;
use serde_json::json;
use spin_sdk::http::{FullBody, IntoResponse, Request, Response};
use spin_sdk::http_service;
use store::seal::Seal;
use subtle::ConstantTimeEq;

use crate::hands::Instances;

/// Longest silence of a server while a slice works with it. Longer than a busy server needs to
/// store a large batch, shorter than anyone should wait for a dead one.
const IDLE_TIMEOUT_S: u32 = 60;
/// A day in milliseconds.
const DAY_MS: u64 = 86_400_000;
/// The nonce of a host process that owns the store alone (ARCHITECTURE.md, leases).
const BOOT: &str = "TRASLOCO_BOOT";

/// A refusal: status, title, detail.
struct Refused(StatusCode, &'static str, String);

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    match answer(&request).await {
        Ok(tick) => {
            let next_due_at = tick.next_due_ms.map(|ms| Timestamp(ms).rfc3339());
            let (advanced, active) = (tick.advanced, tick.active);
            let body = json!({"advanced": advanced, "active": active, "next_due_at": next_due_at});
            respond(StatusCode::OK, "application/json", &body)
        }
        Err(Refused(status, title, detail)) => {
            let body = json!({
                "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail,
            });
            respond(status, "application/problem+json", &body)
        }
    }
}

fn respond(status: StatusCode, kind: &str, body: &serde_json::Value) -> Response<FullBody<Bytes>> {
    let bytes = Bytes::from(body.to_string());
    let length = bytes.len();
    let mut response = Response::new(FullBody::new(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Ok(kind) = http::HeaderValue::from_str(kind) {
        headers.insert(http::header::CONTENT_TYPE, kind);
    }
    headers.insert(http::header::CONTENT_LENGTH, length.into());
    let nosniff = http::HeaderValue::from_static("nosniff");
    headers.insert(http::header::X_CONTENT_TYPE_OPTIONS, nosniff);
    if status == StatusCode::UNAUTHORIZED {
        let bearer = http::HeaderValue::from_static("Bearer");
        headers.insert(http::header::WWW_AUTHENTICATE, bearer);
    }
    response
}

async fn answer(request: &Request) -> Result<Tick, Refused> {
    if request.method() != http::Method::POST {
        let detail = "Call it with POST.".to_owned();
        return Err(Refused(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", detail));
    }
    let settings = settings().await.map_err(misconfigured)?;
    authorise(request, &settings)?;
    let seal = Seal::from_variable(settings.secret_key.expose())
        .ok_or_else(|| misconfigured("secret_key must be 32 bytes in base64"))?;
    let store = KeyValue::open().await.map_err(|error| failed(&error))?;
    let boot = std::env::var(BOOT).unwrap_or_default();
    let dialer = Dialer {
        host: &Host,
        networks: Networks::parse(&settings.allowed_networks)
            .and_then(|networks| networks.without(&settings.own_addresses))
            .map_err(misconfigured)?
            .with_ports(&settings.allowed_ports)
            .map_err(misconfigured)?,
        trust: Trust::new(&settings.extra_ca)
            .map_err(misconfigured)?
            .with_records(RecordLayer::parse(&settings.tls).map_err(misconfigured)?),
        doh_url: settings.doh_url.clone(),
        allow_plaintext: settings.allow_plaintext,
        idle_timeout_s: IDLE_TIMEOUT_S,
        ciphers: Ciphers::ChaCha20,
    };
    let (migration, budget_ms) = asked(request)?;
    let slice_ms = budget_ms.unwrap_or(u64::from(settings.slice_seconds) * 1000);
    let retention_ms = u64::from(settings.retention_days) * DAY_MS;
    let (host, store, seal, boot) = (&Host, &store, &seal, boot.as_str());
    let ispdb_url = settings.ispdb_url.as_str();
    let world = World { host, store, dialer, seal, ispdb_url, boot, slice_ms, retention_ms };
    if let Some(id) = migration {
        let ended = advance(&world, &id).await.map_err(|error| failed(&error))?;
        return Ok(match ended {
            Ended::Busy => told(0, true),
            Ended::Worked { active } => told(1, active),
        });
    }
    let office = Office {
        host,
        store,
        dialer: &world.dialer,
        seal,
        settings: notify::Settings {
            smtp_url: settings.smtp_url.clone(),
            mail_from: settings.mail_from.clone(),
            public_url: settings.public_url.trim_end_matches('/').to_owned(),
        },
    };
    if !settings.smtp_url.expose().is_empty() && settings.public_url.is_empty() {
        eprintln!("{}", notify::NO_PUBLIC_URL);
    }
    let hands = Instances::new(&settings);
    // Beside each other: a slow mail server is no reason for a migration to stand still.
    let (tick, told) = join(tick(&world, &hands), notify::tick(&office)).await;
    let tick = tick.map_err(|error| failed(&error))?;
    // What cannot be told is no reason to do nothing else.
    let told = told.unwrap_or_else(|error| notify::deliver::Told {
        given_up: vec![format!("owners cannot be told: {error}")],
        ..Default::default()
    });
    for sentence in told.given_up.iter().chain(&tick.troubles) {
        eprintln!("{sentence}");
    }
    let notices = notify::deliver::next_due_ms(&office).await.map_err(|error| failed(&error))?;
    let next_due_ms = tick.next_due_ms.into_iter().chain(notices).min();
    Ok(Tick { next_due_ms, ..tick })
}

/// What is told of one slice.
fn told(advanced: u32, active: bool) -> Tick {
    Tick { advanced, active: active.into(), next_due_ms: None, troubles: Vec::new() }
}

/// Which migration is asked for, if one alone is, and for how long (ms).
fn asked(request: &Request) -> Result<(Option<MigrationId>, Option<u64>), Refused> {
    let query = request.uri().query().unwrap_or_default();
    let value =
        |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let bad = || {
        let detail = "migration is an identifier, and budget_ms a whole number.".to_owned();
        Refused(StatusCode::UNPROCESSABLE_ENTITY, "Unprocessable", detail)
    };
    let id = value("migration").map(|id| MigrationId::parse(id).ok_or_else(bad)).transpose()?;
    let budget = value("budget_ms").map(|ms| ms.parse().map_err(|_| bad())).transpose()?;
    Ok((id, budget))
}

fn authorise(request: &Request, settings: &Settings) -> Result<(), Refused> {
    let header = request.headers().get(http::header::AUTHORIZATION);
    let given = header.and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let expected = settings.advance_token.expose();
    if expected.is_empty() {
        return Err(misconfigured("advance_token is not set"));
    }
    if bool::from(given.trim().as_bytes().ct_eq(expected.as_bytes())) {
        return Ok(());
    }
    let detail = "The bearer token is missing or is not the installation's advance_token.";
    Err(Refused(StatusCode::UNAUTHORIZED, "Unauthorized", detail.to_owned()))
}

fn misconfigured(error: impl std::fmt::Display) -> Refused {
    let detail = format!("This installation is misconfigured: {error}.");
    Refused(StatusCode::INTERNAL_SERVER_ERROR, "Misconfigured", detail)
}

fn failed(error: &store::Error) -> Refused {
    let detail = format!("The store failed: {error}.");
    Refused(StatusCode::SERVICE_UNAVAILABLE, "Store failed", detail)
}
