//! The timer that drives `advance`: at once while work is due, then when it is due again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use http::Method;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::JoinSet;
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

/// Drives until the application stops, then until the running slices end.
pub async fn drive(app: Arc<App>) {
    let mut stop = app.stopping.subscribe();
    let Some(token) = app.advance_token.clone() else {
        log::warn!("spin.toml declares no advance_token: nothing drives advance");
        return;
    };
    let token: Arc<str> = token.into();
    let most = std::thread::available_parallelism().map_or(1, usize::from);
    let mut slices = JoinSet::new();
    let mut errors = 0;
    let mut next = Instant::now();
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            Some(ended) = slices.join_next(), if !slices.is_empty() => {
                app.advanced.notify_one();
                let report = match ended {
                    Ok(Ok(report)) => report,
                    Ok(Err(error)) => {
                        errors += 1;
                        log::error!("advance: {error:#}");
                        next = Instant::now() + back_off(errors);
                        continue;
                    }
                    Err(_) => continue,
                };
                errors = 0;
                next = Instant::now() + sleep(&report, OffsetDateTime::now_utc());
                if report.advanced > 0 {
                    while slices.len() < report.active.clamp(1, most) {
                        slices.spawn(advance(app.clone(), token.clone()));
                    }
                }
            }
            () = app.changed.notified(), if slices.len() < most && errors == 0 => {
                slices.spawn(advance(app.clone(), token.clone()));
            }
            () = tokio::time::sleep_until(next), if slices.len() < most => {
                next = Instant::now() + MAX_SLEEP;
                slices.spawn(advance(app.clone(), token.clone()));
            }
        }
    }
    while slices.join_next().await.is_some() {}
}

async fn advance(app: Arc<App>, token: Arc<str>) -> Result<Report> {
    let answer = client::send(&app, Method::POST, PATH, None, Some(&token)).await?;
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
