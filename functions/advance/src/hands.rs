//! Other instances of this component, each of which takes one migration a slice further.

use std::cell::Cell;

use bytes::Bytes;
use host::{Host, Settings};
use http::{Method, Request, StatusCode};
use migrate::advance::{Ended, Hands};
use migrate::limits::SLICE_MAX_MS;
use model::MigrationId;
use serde::Deserialize;
use wire::Secret;

/// This component, as others of the same application reach it.
const INSIDE: &str = "http://advance.spin.internal";
/// Its path.
const PATH: &str = "/api/v1/advance";
/// How much longer than the longest slice one is waited for: it still has to write down how it ended.
const GRACE_S: u64 = 300;
/// The longest answer.
const ANSWER_MAX_BYTES: usize = 10_000;
/// The most slices at a time, whatever is asked for.
const MANY_MAX: u32 = 64;

/// What an instance answers.
#[derive(Debug, Deserialize)]
struct Answer {
    advanced: u32,
    active: u32,
}

/// Calls the component for each slice.
pub(crate) struct Instances<'a> {
    token: &'a Secret,
    public_url: &'a str,
    many: usize,
    slice_seconds: u32,
    /// Whether components are not reached in process here.
    outside: Cell<bool>,
}

impl<'a> Instances<'a> {
    pub(crate) fn new(settings: &'a Settings) -> Self {
        let many = settings.parallel_slices.clamp(1, MANY_MAX);
        Instances {
            token: &settings.advance_token,
            public_url: settings.public_url.trim_end_matches('/'),
            many: usize::try_from(many).unwrap_or(1),
            slice_seconds: settings.slice_seconds,
            outside: Cell::new(false),
        }
    }

    async fn call(&self, base: &str, query: &str) -> Result<Option<Answer>, wire::Error> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{base}{PATH}?{query}"))
            .header("authorization", format!("Bearer {}", self.token.expose()))
            .body(Bytes::new())
            .map_err(|error| wire::Error::Http(error.to_string()))?;
        // The slice ends itself (`migrate::limits`); this is for an instance that hangs.
        let longest_s = SLICE_MAX_MS / 1000 + u64::from(self.slice_seconds) + GRACE_S;
        let seconds = u32::try_from(longest_s).unwrap_or(u32::MAX);
        let answer = Host.send_within(request, ANSWER_MAX_BYTES, seconds).await?;
        if answer.status() != StatusCode::OK {
            eprintln!("a slice was answered with {}", answer.status());
            return Ok(None);
        }
        Ok(serde_json::from_slice(answer.body()).ok())
    }
}

impl Hands for Instances<'_> {
    fn many(&self) -> usize {
        self.many
    }

    async fn slice(&self, id: &MigrationId, budget_ms: u64) -> Ended {
        let query = format!("migration={id}&budget_ms={budget_ms}");
        let mut answer = match self.outside.get() {
            false => self.call(INSIDE, &query).await,
            true => self.call(self.public_url, &query).await,
        };
        if answer.is_err() && !self.outside.get() && !self.public_url.is_empty() {
            // Not every host lets components call each other in process.
            self.outside.set(true);
            answer = self.call(self.public_url, &query).await;
        }
        match answer {
            Ok(Some(Answer { advanced: 1.., active })) => Ended::Worked { active: active > 0 },
            Ok(_) => Ended::Busy,
            Err(error) => {
                eprintln!("a slice could not be begun: {error}");
                Ended::Busy
            }
        }
    }
}
