//! What this runtime knows of its own health: the driver's calls, the store's writes, the disk.

use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Response, StatusCode};
use serde_json::Value;

use crate::app::collect;
use crate::instance::Body;

/// Where whoever watches an installation asks how it is.
pub(crate) const PATHS: [&str; 2] = ["/healthz", "/api/v1/healthz"];

/// With less than this free a value of the largest size does not fit on the disk: 1 MiB, as the store
/// takes it.
const FREE_MIN_BYTES: u64 = 1 << 20;

/// The most that a component answers there.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// How the driver fares.
#[derive(Default)]
pub(crate) struct Pulse {
    calls: AtomicUsize,
    late: AtomicUsize,
    failures: AtomicU32,
}

impl Pulse {
    /// So many calls of `advance` are under way, of which so many are late.
    pub(crate) fn calls(&self, calls: usize, late: usize) {
        self.calls.store(calls, Ordering::Relaxed);
        self.late.store(late, Ordering::Relaxed);
    }

    /// So many calls in a row failed.
    pub(crate) fn failures(&self, failures: u32) {
        self.failures.store(failures, Ordering::Relaxed);
    }

    /// Lines for `GET /metrics`.
    pub(crate) fn text(&self, failed_writes: u64, free_bytes: Option<u64>) -> String {
        let mut text = String::new();
        let mut one = |name: &str, kind: &str, help: &str, value: u64| {
            // Writing into a String does not fail.
            let _ = write!(
                text,
                "# HELP trasloco_{name} {help}\n# TYPE trasloco_{name} {kind}\ntrasloco_{name} {value}\n"
            );
        };
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let (calls, late) = (&self.calls, &self.late);
        let help = "Calls of advance that are under way.";
        one("driver_calls", "gauge", help, number(calls.load(Ordering::Relaxed)));
        let help =
            "Of these, calls whose slices are beyond their budget: they wait for slow servers.";
        one("driver_calls_late", "gauge", help, number(late.load(Ordering::Relaxed)));
        let help = "Calls of advance in a row that failed; 0 after one that did not.";
        let failures = self.failures.load(Ordering::Relaxed);
        one("driver_failures_in_a_row", "gauge", help, failures.into());
        let help = "Writes that the store did not take.";
        one("store_writes_failed_total", "counter", help, failed_writes);
        if let Some(free_bytes) = free_bytes {
            one("disk_free_bytes", "gauge", "Free on the disk of the state folder.", free_bytes);
        }
        text
    }
}

/// What is free on the disk of `path` for this process, bytes; `None` where the system does not say.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let disk = rustix::fs::statvfs(path).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        None
    }
}

/// The component's answer about its health, unless the disk is full: a write that only replaces
/// something may be taken even then.
pub(crate) async fn judged(answer: Response<Body>, free_bytes: Option<u64>) -> Response<Body> {
    if free_bytes.is_none_or(|free| free >= FREE_MIN_BYTES) {
        return answer;
    }
    let (mut head, body) = answer.into_parts();
    let read = collect(Response::new(body), MAX_ANSWER_BYTES).await;
    let known: Option<Value> = read.ok().and_then(|(_, bytes)| serde_json::from_slice(&bytes).ok());
    let mut told = match known {
        Some(Value::Object(told)) => told,
        _ => serde_json::Map::new(),
    };
    told.insert("status".to_owned(), "failing".into());
    told.insert("store".to_owned(), "the disk is full".into());
    head.status = StatusCode::SERVICE_UNAVAILABLE;
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(head, Body::full(Value::Object(told).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_how_the_driver_and_the_disk_are() {
        let pulse = Pulse::default();
        pulse.calls(5, 3);
        pulse.failures(2);
        let text = pulse.text(7, Some(1000));
        for line in [
            "trasloco_driver_calls 5",
            "trasloco_driver_calls_late 3",
            "trasloco_driver_failures_in_a_row 2",
            "trasloco_store_writes_failed_total 7",
            "trasloco_disk_free_bytes 1000",
        ] {
            assert!(text.lines().any(|own| own == line), "{line}\n{text}");
        }
        assert!(!pulse.text(0, None).contains("disk"));
        if cfg!(target_os = "linux") {
            assert!(free_bytes(Path::new("/")).is_some_and(|free| free > 0));
        }
    }

    #[tokio::test]
    async fn a_full_disk_is_no_health() {
        let answer = || {
            let told = serde_json::json!({"status": "ok", "version": "1", "store": "ok"});
            Response::new(Body::full(told.to_string()))
        };
        let well = judged(answer(), Some(FREE_MIN_BYTES)).await;
        assert_eq!(well.status(), StatusCode::OK);
        let full = judged(answer(), Some(FREE_MIN_BYTES - 1)).await;
        let (status, bytes) = collect(full, 1000).await.unwrap();
        let told: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((status.as_u16(), told["version"].as_str()), (503, Some("1")));
        assert_eq!(told["store"], "the disk is full");
    }
}
