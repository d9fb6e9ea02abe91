//! `trasloco migrate`: one migration from the terminal, by the same components.
//!
//! Nothing listens: the API is called in process, and the driver runs until the migration is over.

mod account;
mod password;
mod progress;
mod request;
mod runs;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use http::{Method, StatusCode};
use serde_json::Value;

use crate::app::App;
use crate::cli;
use crate::client::{self, Answer, escape};
use crate::driver;
use crate::load::{self, Options};
use crate::server::Signals;
use progress::{Progress, Totals};
use request::Request;
use runs::Runs;

/// The migrations of the API.
const PATH: &str = "/api/v1/migrations";

/// How often the progress is read while somebody watches.
const LIVE_POLL: Duration = Duration::from_millis(200);

/// How often it is read otherwise.
const QUIET_POLL: Duration = Duration::from_secs(1);

/// How long a migration may take to stop within its batch.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// Failures that the terminal shows; the report has all of them.
const MAX_FAILURES_SHOWN: usize = 10;

/// Everything was migrated but some items.
const SOME_FAILED: u8 = 2;

/// Neither completed nor completed with errors.
const FAILED: u8 = 1;

/// Runs one migration to its end.
pub async fn migrate(arguments: cli::Migrate, options: Options) -> Result<ExitCode> {
    let started = Instant::now();
    let loading = tokio::task::spawn_blocking(move || load::load(&options));
    let request = Request::read(&arguments)?;
    let app = loading.await??;
    log::info!("ready after {} ms", started.elapsed().as_millis());
    let migration = begin(&app, &request).await?;
    // It ends with the process: what it needs is in the store.
    tokio::spawn(driver::drive(app.clone()));
    let ended = migration.follow(&app).await?;
    report(&app, &migration, &ended, &arguments, started.elapsed()).await
}

/// A migration of this run.
struct Migration {
    id: String,
    /// Who may ask for it.
    account: String,
}

/// Continues, synchronises or creates the migration of this pair.
async fn begin(app: &Arc<App>, request: &Request) -> Result<Migration> {
    let key = runs::key(&request.without_passwords());
    let mut runs = Runs::read(&app.folder)?;
    if let Some(id) = runs.find(&key) {
        let migration = Migration { id: id.to_owned(), account: request.source.login.clone() };
        if migration.take_up(app, request).await? {
            return Ok(migration);
        }
    }
    let body = request.with_passwords();
    let answer = client::send(app, Method::POST, PATH, Some(&body), None).await?;
    if answer.status != StatusCode::CREATED {
        bail!("{}", answer.refusal());
    }
    let id = answer.json.get("id").and_then(Value::as_str).context("the answer has no id")?;
    runs.keep(key, id.to_owned())?;
    Ok(Migration { id: id.to_owned(), account: request.source.login.clone() })
}

impl Migration {
    fn path(&self, call: &str) -> String {
        format!("{PATH}/{}{call}?account={}", escape(&self.id), escape(&self.account))
    }

    async fn get(&self, app: &Arc<App>) -> Result<Answer> {
        client::send(app, Method::GET, &self.path(""), None, None).await
    }

    /// Goes on with an earlier run; `false` where there is nothing to go on with.
    async fn take_up(&self, app: &Arc<App>, request: &Request) -> Result<bool> {
        let answer = self.get(app).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        if !answer.status.is_success() {
            bail!("{}", answer.refusal());
        }
        if !is_over(&answer.json) {
            log::info!("going on with migration {}", self.id);
            return Ok(true);
        }
        let body = request.passwords();
        let path = self.path("/synchronise");
        let answer = client::send(app, Method::POST, &path, Some(&body), None).await?;
        match answer.status {
            status if status.is_success() => Ok(true),
            // Erased meanwhile, or components that cannot synchronise: what is at the
            // destination is found there, and not copied again.
            StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_IMPLEMENTED => Ok(false),
            _ => bail!("{}", answer.refusal()),
        }
    }

    /// Waits for the end and shows the way there.
    async fn follow(&self, app: &Arc<App>) -> Result<Value> {
        let mut progress = Progress::start();
        let poll = if progress.is_live() { LIVE_POLL } else { QUIET_POLL };
        let mut stopping: Option<Instant> = None;
        let mut signals = Signals::new()?;
        loop {
            tokio::select! {
                () = app.advanced.notified() => {}
                () = tokio::time::sleep(poll) => {}
                () = signals.told_to_stop() => {
                    if stopping.is_some() {
                        bail!("interrupted; run the same command again to go on");
                    }
                    stopping = Some(Instant::now());
                    eprintln!("stopping; what is migrated stays");
                    client::send(app, Method::POST, &self.path("/stop"), None, None).await?;
                }
            }
            let answer = self.get(app).await?;
            if !answer.status.is_success() {
                bail!("{}", answer.refusal());
            }
            progress.show(&answer.json);
            if is_over(&answer.json) {
                progress.finish();
                return Ok(answer.json);
            }
            if stopping.is_some_and(|since| since.elapsed() > STOP_PATIENCE) {
                bail!("the migration does not stop; run the same command again to go on");
            }
        }
    }
}

fn status(migration: &Value) -> &str {
    migration.get("status").and_then(Value::as_str).unwrap_or_default()
}

fn is_over(migration: &Value) -> bool {
    matches!(status(migration), "completed" | "completed_with_errors" | "stopped" | "failed")
}

async fn report(
    app: &Arc<App>,
    migration: &Migration,
    ended: &Value,
    arguments: &cli::Migrate,
    took: Duration,
) -> Result<ExitCode> {
    if arguments.json {
        println!("{ended}");
        if let Some(error) = ended.get("last_error").and_then(Value::as_str) {
            eprintln!("trasloco: {error}");
        }
    } else {
        println!("{}", progress::summary(ended, took));
    }
    let failed = Totals::of(ended).failed;
    if failed > 0 {
        let path = migration.path("/failures");
        let answer = client::send(app, Method::GET, &path, None, None).await?;
        let failures = answer.json.as_array().map(Vec::as_slice).unwrap_or_default();
        for failure in failures.iter().take(MAX_FAILURES_SHOWN) {
            eprintln!("{}", progress::failure_line(failure));
        }
    }
    Ok(exit_code(status(ended), failed))
}

fn exit_code(status: &str, failed: u64) -> ExitCode {
    match (status, failed) {
        ("completed", 0) => ExitCode::SUCCESS,
        ("completed" | "completed_with_errors", _) => SOME_FAILED.into(),
        _ => FAILED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes() {
        for (status, failed, code) in [
            ("completed", 0, ExitCode::SUCCESS),
            ("completed", 1, SOME_FAILED.into()),
            ("completed_with_errors", 0, SOME_FAILED.into()),
            ("stopped", 0, FAILED.into()),
            ("failed", 3, FAILED.into()),
        ] {
            assert_eq!(exit_code(status, failed), code, "{status}");
        }
    }

    #[test]
    fn only_final_states_are_over() {
        for (status, over) in
            [("completed", true), ("stopped", true), ("waiting", false), ("removing", false)]
        {
            assert_eq!(is_over(&serde_json::json!({"status": status})), over, "{status}");
        }
    }
}
