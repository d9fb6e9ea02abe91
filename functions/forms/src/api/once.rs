//! A request that is sent again gets the answer that it got the first time: what a client does whose
//! line broke while it waited. The client names its request with an `Idempotency-Key`.
//!
//! An answer may have secrets in it that are told only once, and the request has passwords: both are
//! sealed, the request as a digest. What was refused is not kept, so that it may be tried again.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::answers::{self, Taken};
use wire::Secret;

use crate::answer::{Answer, Body};
use crate::app::{App, Outside};
use crate::refusals::{Code, Refusal};

/// The most bytes of a key; a UUID has 36.
const KEY_MAX_BYTES: usize = 255;

/// What the seal is bound to, before the name of the key.
const BOUND_TO: &str = "answer";

/// How long the first request is waited for; trying both accounts takes less.
const WAIT_MAX_MS: u64 = 20_000;

/// How often it is looked at meanwhile.
const LOOK_MS: u64 = 250;

/// What was asked, and what was answered.
#[derive(Serialize, Deserialize)]
struct Kept {
    asked: String,
    body: String,
    location: String,
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a migration, or answers what the first request with this key was answered.
pub async fn once<O: Outside>(
    app: &App<O>,
    (key, body): (&str, &[u8]),
    make: impl Future<Output = Result<Answer, Refusal>>,
) -> Result<Answer, Refusal> {
    if key.is_empty() || key.len() > KEY_MAX_BYTES {
        let detail = format!("An Idempotency-Key has 1 to {KEY_MAX_BYTES} bytes.");
        return Err(Refusal::because(Code::InvalidInput, detail));
    }
    let (name, asked) = (digest(key.as_bytes()), digest(body));
    let bound_to = format!("{BOUND_TO}/{name}");
    let began_ms = app.outside.monotonic_ms();
    loop {
        match answers::take(app.store(), &name, app.now().0).await? {
            Taken::Yours => break,
            Taken::Answered(sealed) => return answered(app, (&bound_to, &sealed), &asked),
            Taken::Pending => {}
        }
        if app.outside.monotonic_ms().saturating_sub(began_ms) >= WAIT_MAX_MS {
            let detail = "The first request with this Idempotency-Key has no answer yet.";
            let refusal = Refusal::because(Code::Busy, detail);
            return Err(Refusal { retry_after_s: Some(5), ..refusal });
        }
        app.outside.sleep_ms(LOOK_MS).await;
    }
    let made = make.await;
    let sealed = match &made {
        Ok(answer) => Some(keep(app, &bound_to, answer, asked)?),
        Err(_) => None,
    };
    answers::settle(app.store(), &name, sealed.as_deref(), app.now().0).await?;
    made
}

fn keep<O: Outside>(
    app: &App<O>,
    bound_to: &str,
    answer: &Answer,
    asked: String,
) -> Result<Vec<u8>, Refusal> {
    let body = match &answer.body {
        Body::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Body::Feed(_) => String::new(),
    };
    let location = answer.header("location").unwrap_or_default().to_owned();
    let text = serde_json::to_string(&Kept { asked, body, location })
        .map_err(|error| Refusal::because(Code::Unreadable, error.to_string()))?;
    Ok(app.seal()?.seal_secret(bound_to, &Secret::new(text), &app.outside)?)
}

fn answered<O: Outside>(
    app: &App<O>,
    (bound_to, sealed): (&str, &[u8]),
    asked: &str,
) -> Result<Answer, Refusal> {
    let text = app.seal()?.open_secret(bound_to, sealed)?;
    let unreadable =
        |error: serde_json::Error| Refusal::because(Code::Unavailable, error.to_string());
    let kept: Kept = serde_json::from_str(text.expose()).map_err(unreadable)?;
    if kept.asked != asked {
        return Err(Refusal::of(Code::KeyReused));
    }
    let body: serde_json::Value = serde_json::from_str(&kept.body).map_err(unreadable)?;
    Ok(Answer::json(201, &body).with("location", kept.location))
}
