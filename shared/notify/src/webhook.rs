//! An event to an owner's webhook: JSON, signed (Standard Webhooks 1.0.0).

use http::{HeaderName, HeaderValue, Method, header};
use model::{Event, Migration};
use pages::layout::encode;
use serde_json::{Value, json};
use store::{Store, keys};
use web::{Body, Request, Scheme, Url};
use wire::{Bytes, Clock, Error, Http, Network, within};

use crate::delivery::Ended;
use crate::notice::Notice;
use crate::office::Office;
use crate::post;

/// Longest time for the whole exchange; Standard Webhooks recommends 15 to 30 s.
const EXCHANGE_TIMEOUT_S: u32 = 15;

/// Who calls.
const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("trasloco/", env!("CARGO_PKG_VERSION")));

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
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::USER_AGENT, USER_AGENT),
        (HeaderName::from_static("webhook-id"), value(id)),
        (HeaderName::from_static("webhook-timestamp"), timestamp_s.into()),
        (HeaderName::from_static("webhook-signature"), value(signature)),
    ];
    let url = match Url::parse(url) {
        Ok(url) => url,
        Err(error) => return Ok(Ended::Never(format!("The webhook cannot be called: {error}."))),
    };
    if url.origin().scheme != Scheme::Https && !office.dialer.allow_plaintext {
        let sentence = "The webhook cannot be called: this installation calls https:// only.";
        return Ok(Ended::Never(sentence.to_owned()));
    }
    let request = Request::new(Method::POST, url).body(Body::Whole(body));
    let request = headers.into_iter().fold(request, |it, (name, value)| it.header(name, value));
    let exchange = async { Ok::<_, Error>(post::post(office.dialer, request).await) };
    Ok(match within(office.host, EXCHANGE_TIMEOUT_S, exchange).await {
        Ok(Ok(status)) => judge(status),
        Ok(Err(error @ web::Error::Unsent(Error::Forbidden { .. }))) => {
            Ended::Never(format!("The webhook cannot be called: {error}."))
        }
        Ok(Err(error)) => Ended::Later(format!("The webhook cannot be reached: {error}.")),
        Err(error) => Ended::Later(format!("The webhook cannot be reached: {error}.")),
    })
}

/// What we make ourselves has only letters that a field can hold.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
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
