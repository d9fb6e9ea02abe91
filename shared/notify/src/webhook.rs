//! An event to an owner's webhook: JSON, signed (Standard Webhooks 1.0.0).

use http::{Method, Request, header};
use model::{Event, Migration};
use pages::layout::encode;
use serde_json::{Value, json};
use store::{Store, keys};
use wire::{Bytes, Clock, Error, Http, Network, within};

use crate::deliver::Office;
use crate::delivery::Ended;
use crate::outbox::Notice;
use crate::post;

/// Longest time for the whole exchange; Standard Webhooks recommends 15 to 30 s.
const EXCHANGE_TIMEOUT_S: u32 = 15;

/// Sends `notice`.
pub(crate) async fn send<H: Network + Http + Clock, S: Store>(
    office: &Office<'_, H, S>,
    migration: &Migration,
    (notice, base): (&Notice, &str),
) -> Result<Ended, store::Error> {
    let Some(url) = &migration.notify.webhook else {
        return Ok(Ended::Never("The migration has no webhook.".to_owned()));
    };
    let key = keys::webhook_secret(&migration.id);
    let sealed = office.store.get(&key).await?.unwrap_or_default();
    let Ok(secret) = office.seal.open_secret(&key, &sealed) else {
        let sentence = "The webhook's secret cannot be opened: was the secret key changed?";
        return Ok(Ended::Never(sentence.to_owned()));
    };
    let body = Bytes::from(payload(migration, notice, base).to_string());
    let id = format!("msg_{}_{}", migration.id, notice.number);
    let timestamp_s = office.host.now_ms() / 1000;
    let signature = crate::signature::sign(&secret, &id, timestamp_s, &body);
    let signature = signature.unwrap_or_default();
    let request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, body.len())
        .header(header::USER_AGENT, concat!("trasloco/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp_s)
        .header("webhook-signature", signature)
        .body(body);
    let request = match request {
        Ok(request) => request,
        Err(error) => return Ok(Ended::Never(format!("The webhook cannot be called: {error}."))),
    };
    if request.uri().scheme_str() != Some("https") && !office.dialer.allow_plaintext {
        let sentence = "The webhook cannot be called: this installation calls https:// only.";
        return Ok(Ended::Never(sentence.to_owned()));
    }
    let exchange = post::post(office.dialer, request);
    Ok(match within(office.host, EXCHANGE_TIMEOUT_S, exchange).await {
        Ok(status) => judge(status),
        Err(error @ Error::Forbidden { .. }) => {
            Ended::Never(format!("The webhook cannot be called: {error}."))
        }
        Err(error) => Ended::Later(format!("The webhook cannot be reached: {error}.")),
    })
}

/// What an answer means: 2xx is taken, 410 asks to stop (Standard Webhooks), the rest is tried
/// again.
fn judge(status: http::StatusCode) -> Ended {
    match status.as_u16() {
        200..=299 => Ended::Taken,
        410 => Ended::Never("The webhook is gone (410).".to_owned()),
        code => Ended::Later(format!("The webhook answers with status {code}.")),
    }
}

/// What is sent: what happened, and where the migration stood then.
fn payload(migration: &Migration, notice: &Notice, base: &str) -> Value {
    let account = encode(&migration.key_account().login);
    let id = &migration.id;
    let mut data = json!({
        "id": id,
        "source": migration.source,
        "destination": migration.destination,
        "items": migration.items,
        "links": {
            "self": format!("{base}/api/v1/migrations/{id}?account={account}"),
            "page": format!("{base}/migrations/{id}?account={account}"),
        },
    });
    let more = match &notice.event {
        Event::Created { start_at } => json!({"start_at": start_at}),
        Event::Started { sync_point } => json!({"sync_point": sync_point}),
        Event::Waiting { sync_point, since, until, reason } => json!({
            "sync_point": sync_point, "since": since,
            "waiting": {"until": until, "reason": reason},
        }),
        Event::Ended(outcome) => json!({
            "sync_point": outcome.sync_point, "status": outcome.status,
            "started_at": outcome.started_at, "finished_at": notice.at,
            "progress": outcome.progress, "failures": outcome.failures,
            "folders": outcome.folders, "verdict": outcome.verdict,
            "last_error": outcome.last_error, "removal": outcome.removal,
        }),
    };
    if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
        data.extend(more);
    }
    json!({"type": notice.event.name(), "timestamp": notice.at, "data": data})
}
