//! The timer that drives `advance`: at once while work is due, then when it is due again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use http::Method;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use crate::app::App;
use crate::client;

/// The path of the component that advances migrations.
pub const PATH: &str = "/api/v1/advance";

/// The longest sleep: another driver may have left work.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// The shortest sleep, where what is due belongs to another slice.
const MIN_SLEEP: Duration = Duration::from_millis(50);

/// The longest sleep after errors.
const MAX_BACK_OFF: Duration = Duration::from_secs(30);

/// What `advance` answered.
#[derive(Debug, Default, Deserialize)]
struct Report {
    /// Migrations that this slice worked on.
    #[serde(default)]
    advanced: u64,
    /// Migrations that are not over.
    #[serde(default)]
    active: usize,
    next_due_at: Option<String>,
}

/// A call that lasts longer than its slices' budget by this much waits for slow servers: others are
/// made beside it as if it were not there.
const LATE: Duration = Duration::from_secs(3);

/// Calls at a time, late ones included. `advance` itself begins no more slices than its bound
/// (`migrate::limits::SLICES_MAX`, 48), so that more calls than that have nothing to wait for; each
/// has an instance of some MiB.
const CALLS_MAX: usize = 64;

/// No call is waited for any longer: more than the longest slice, two hours.
const CALL_TIMEOUT: Duration = Duration::from_secs(2 * 3600 + 600);

/// What `advance` is asked for by default, where nothing is set.
const SLICE_SECONDS: u64 = 10;

/// The calls under way.
struct Calls {
    app: Arc<App>,
    token: Arc<str>,
    running: JoinSet<Result<Report>>,
    /// When each of them began.
    began: HashMap<Id, Instant>,
    /// Calls at a time that are not late.
    most: usize,
    late_after: Duration,
}

impl Calls {
    fn new(app: Arc<App>, token: Arc<str>) -> Self {
        let most = std::thread::available_parallelism().map_or(1, usize::from);
        let late_after = slice(&app) + LATE;
        Calls { app, token, running: JoinSet::new(), began: HashMap::new(), most, late_after }
    }

    /// How many are not late at `now`.
    fn fresh(&self, now: Instant) -> usize {
        self.began.values().filter(|began| now < **began + self.late_after).count()
    }

    fn has_room(&self) -> bool {
        self.fresh(Instant::now()) < self.most && self.running.len() < CALLS_MAX
    }

    /// When the next of them is late, so that there is room.
    fn next_late(&self, now: Instant) -> Option<Instant> {
        self.began.values().map(|began| *began + self.late_after).filter(|late| *late > now).min()
    }

    fn begin(&mut self) {
        let (app, token) = (self.app.clone(), self.token.clone());
        let id = self.running.spawn(advance(app, token)).id();
        self.began.insert(id, Instant::now());
        self.tell();
    }

    /// The next answer; `None` for a call that failed to run at all.
    async fn next(&mut self) -> Option<Result<Report>> {
        let (id, answer) = match self.running.join_next_with_id().await? {
            Ok((id, answer)) => (id, Some(answer)),
            Err(error) => (error.id(), None),
        };
        self.began.remove(&id);
        self.tell();
        answer
    }

    fn tell(&self) {
        let late = self.running.len().saturating_sub(self.fresh(Instant::now()));
        self.app.pulse.calls(self.running.len(), late);
    }
}

/// The budget of a slice, as `advance` has it.
fn slice(app: &App) -> Duration {
    let settings = app.routes.find(PATH).and_then(|found| app.components.get(found.component));
    let set = settings.and_then(|ready| ready.settings.variables.get("slice_seconds"));
    let seconds = set.and_then(|text| text.trim().parse().ok()).unwrap_or(SLICE_SECONDS);
    Duration::from_secs(seconds)
}

/// Drives until the application stops, then until the running slices end.
pub async fn drive(app: Arc<App>) {
    let mut stop = app.stopping.subscribe();
    let Some(token) = app.advance_token.clone() else {
        log::warn!("spin.toml declares no advance_token: nothing drives advance");
        return;
    };
    let mut calls = Calls::new(app.clone(), token.into());
    let mut errors = 0;
    let mut next = Instant::now();
    loop {
        let now = Instant::now();
        let room = calls.has_room();
        let late = calls.next_late(now).unwrap_or(now + MAX_SLEEP);
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            answer = calls.next(), if !calls.running.is_empty() => {
                app.advanced.notify_one();
                let report = match answer {
                    Some(Ok(report)) => report,
                    Some(Err(error)) => {
                        errors += 1;
                        app.pulse.failures(errors);
                        log::error!("advance: {error:#}");
                        next = Instant::now() + back_off(errors);
                        continue;
                    }
                    None => continue,
                };
                errors = 0;
                app.pulse.failures(errors);
                next = Instant::now() + sleep(&report, OffsetDateTime::now_utc());
                if report.advanced > 0 {
                    // As many as there is work for, late ones not counted.
                    let wanted = report.active.clamp(1, calls.most);
                    while calls.fresh(Instant::now()) < wanted && calls.has_room() {
                        calls.begin();
                    }
                }
            }
            () = app.changed.notified(), if room && errors == 0 => calls.begin(),
            () = tokio::time::sleep_until(next), if room => {
                next = Instant::now() + MAX_SLEEP;
                calls.begin();
            }
            // Then there is room again.
            () = tokio::time::sleep_until(late), if !room => {}
        }
    }
    while calls.next().await.is_some() {}
}

async fn advance(app: Arc<App>, token: Arc<str>) -> Result<Report> {
    let request = (Method::POST, PATH, None, Some(&*token));
    let answer = client::send_within(&app, CALL_TIMEOUT, request).await?;
    ensure!(answer.status.is_success(), "{}: {}", answer.status, answer.refusal());
    Ok(serde_json::from_value(answer.json)?)
}

fn sleep(report: &Report, now: OffsetDateTime) -> Duration {
    let due =
        report.next_due_at.as_deref().and_then(|due| OffsetDateTime::parse(due, &Rfc3339).ok());
    let until_due = due.map(|due| Duration::try_from(due - now).unwrap_or_default());
    until_due.unwrap_or(MAX_SLEEP).clamp(MIN_SLEEP, MAX_SLEEP)
}

fn back_off(errors: u32) -> Duration {
    (Duration::from_millis(100) * 2u32.saturating_pow(errors.min(16))).min(MAX_BACK_OFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeps_until_work_is_due() {
        let now = OffsetDateTime::parse("2026-01-01T00:00:00Z", &Rfc3339).unwrap();
        let due = |due: Option<&str>| {
            let next_due_at = due.map(str::to_owned);
            sleep(&Report { next_due_at, ..Report::default() }, now)
        };
        assert_eq!(due(None), MAX_SLEEP);
        assert_eq!(due(Some("2026-01-01T00:00:00.300Z")), Duration::from_millis(300));
        assert_eq!(due(Some("2026-01-01T01:00:00Z")), MAX_SLEEP);
        assert_eq!(due(Some("2025-01-01T01:00:00Z")), MIN_SLEEP);
    }

    #[test]
    fn backs_off() {
        assert_eq!(back_off(1), Duration::from_millis(200));
        assert_eq!(back_off(100), MAX_BACK_OFF);
    }
}
