//! What this runtime adds to `GET /metrics`, in Prometheus's text format.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the latency buckets, milliseconds: from a page to a slice.
const BUCKETS_MS: [u64; 9] = [1, 5, 10, 50, 100, 500, 1000, 5000, 15000];

/// Counts of requests.
#[derive(Default)]
pub struct Metrics(Mutex<BTreeMap<String, Component>>);

#[derive(Default)]
struct Component {
    /// By the first digit of the status.
    by_class: BTreeMap<u16, u64>,
    /// One more than the bounds: the rest.
    by_latency: [u64; BUCKETS_MS.len() + 1],
    sum: Duration,
}

impl Metrics {
    /// Counts one answer.
    pub fn count(&self, component: &str, status: http::StatusCode, took: Duration) {
        let mut components = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = match components.get_mut(component) {
            Some(counts) => counts,
            None => components.entry(component.to_owned()).or_default(),
        };
        *counts.by_class.entry(status.as_u16() / 100).or_default() += 1;
        let bucket = BUCKETS_MS.partition_point(|bound| u128::from(*bound) < took.as_millis());
        if let Some(count) = counts.by_latency.get_mut(bucket) {
            *count += 1;
        }
        counts.sum += took;
    }

    /// The lines; `peaks` are the components' memory peaks in bytes.
    pub fn text<'a>(&self, peaks: impl Iterator<Item = (&'a str, u64)>) -> String {
        let components = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = write_requests(&mut text, &components);
        let _ = write_latencies(&mut text, &components);
        let _ = write_peaks(&mut text, peaks);
        text
    }
}

fn write_requests(text: &mut String, components: &BTreeMap<String, Component>) -> std::fmt::Result {
    writeln!(text, "# HELP trasloco_component_requests_total Answers by component and class.")?;
    writeln!(text, "# TYPE trasloco_component_requests_total counter")?;
    for (name, counts) in components {
        for (class, count) in &counts.by_class {
            writeln!(
                text,
                "trasloco_component_requests_total{{component=\"{name}\",status=\"{class}xx\"}} {count}"
            )?;
        }
    }
    Ok(())
}

fn write_latencies(
    text: &mut String,
    components: &BTreeMap<String, Component>,
) -> std::fmt::Result {
    let metric = "trasloco_component_request_seconds";
    writeln!(text, "# HELP {metric} Time until the head of the answer.")?;
    writeln!(text, "# TYPE {metric} histogram")?;
    for (name, counts) in components {
        let mut total = 0;
        let bounds = BUCKETS_MS.iter().map(|ms| (*ms as f64 / 1000.0).to_string());
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(counts.by_latency) {
            total += count;
            writeln!(text, "{metric}_bucket{{component=\"{name}\",le=\"{bound}\"}} {total}")?;
        }
        writeln!(text, "{metric}_sum{{component=\"{name}\"}} {}", counts.sum.as_secs_f64())?;
        writeln!(text, "{metric}_count{{component=\"{name}\"}} {total}")?;
    }
    Ok(())
}

fn write_peaks<'a>(
    text: &mut String,
    peaks: impl Iterator<Item = (&'a str, u64)>,
) -> std::fmt::Result {
    let metric = "trasloco_component_memory_peak_bytes";
    writeln!(text, "# HELP {metric} Most linear memory that one instance had.")?;
    writeln!(text, "# TYPE {metric} gauge")?;
    for (name, peak) in peaks {
        writeln!(text, "{metric}{{component=\"{name}\"}} {peak}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_class_and_latency() {
        let metrics = Metrics::default();
        metrics.count("forms", http::StatusCode::OK, Duration::from_millis(3));
        metrics.count("forms", http::StatusCode::NOT_FOUND, Duration::from_secs(60));
        let text = metrics.text([("forms", 42)].into_iter());
        for line in [
            "trasloco_component_requests_total{component=\"forms\",status=\"2xx\"} 1",
            "trasloco_component_requests_total{component=\"forms\",status=\"4xx\"} 1",
            "trasloco_component_request_seconds_bucket{component=\"forms\",le=\"0.001\"} 0",
            "trasloco_component_request_seconds_bucket{component=\"forms\",le=\"0.005\"} 1",
            "trasloco_component_request_seconds_bucket{component=\"forms\",le=\"15\"} 1",
            "trasloco_component_request_seconds_bucket{component=\"forms\",le=\"+Inf\"} 2",
            "trasloco_component_request_seconds_count{component=\"forms\"} 2",
            "trasloco_component_memory_peak_bytes{component=\"forms\"} 42",
        ] {
            assert!(text.lines().any(|own| own == line), "{line}\n{text}");
        }
    }
}
