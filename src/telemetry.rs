//! Logs and metrics. Neither ever carries a caller's text.

mod logging;
#[cfg(feature = "otlp")]
mod otlp;

use std::sync::OnceLock;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::attribution::METHODS;
pub use logging::{Logging, start_logging};
#[cfg(feature = "otlp")]
pub use otlp::{HEADERS, join};

/// How a request can end, as the metrics count it.
pub const OUTCOMES: &[&str] = &["ok", "client_error", "overloaded", "server_error"];

/// The process's metrics in Prometheus' text format. One recorder serves all
/// routers of the process.
pub fn metrics() -> Result<PrometheusHandle, BuildError> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1., 2.5, 5., 10., 30.];
    let counts = [1., 2., 4., 8., 16., 32., 64., 128., 256., 512., 1024., 4096.];
    let shares = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.];
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)?
        .set_buckets_for_metric(Matcher::Full("explaind_pass_rows".to_owned()), &counts)?
        .set_buckets_for_metric(Matcher::Full("explaind_pass_tokens".to_owned()), &counts)?
        .set_buckets_for_metric(Matcher::Full("explaind_steps".to_owned()), &counts)?
        .set_buckets_for_metric(Matcher::Full("explaind_pass_fill".to_owned()), &shares)?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // Lost races leave the first recorder in place, whose handle is stored.
    if metrics::set_global_recorder(recorder).is_ok() {
        let _ = HANDLE.set(handle.clone());
        describe();
    }
    Ok(HANDLE.get().cloned().unwrap_or(handle))
}

/// Metrics without labels, or with those of a table, and what they say.
const COUNTERS: &[(&str, &str)] = &[
    ("explaind_pass_failures_total", "Passes that ended in a fault"),
    ("explaind_worker_restarts_total", "Panics of workers outside of a pass"),
    ("explaind_cache_evictions_total", "Kept answers that made room for others"),
];

const GAUGES: &[(&str, &str)] = &[
    ("explaind_queue_work", "Tokens x rows x layers of the requests in flight"),
    ("explaind_queue_requests", "Requests in flight"),
    ("explaind_models", "Models in memory"),
    ("explaind_models_drifted", "Models that are not what is on disk any more"),
    ("explaind_cache_bytes", "Bytes of the answers that are kept"),
];

const HISTOGRAMS: &[(&str, &str)] = &[
    ("explaind_pass_seconds", "Time of one pass"),
    ("explaind_pass_rows", "Rows of one pass"),
    ("explaind_pass_tokens", "Tokens of one pass"),
    ("explaind_pass_fill", "Tokens of one pass over those that it has room for"),
];

/// Describes every metric, and makes it exist at zero.
fn describe() {
    for (name, meaning) in COUNTERS {
        describe_counter!(*name, *meaning);
        counter!(*name).absolute(0);
    }
    for (name, meaning) in GAUGES {
        describe_gauge!(*name, *meaning);
        gauge!(*name).set(0.);
    }
    for (name, meaning) in HISTOGRAMS {
        describe_histogram!(*name, *meaning);
        at_zero(histogram!(*name));
    }
    describe_counter!("explaind_requests_total", "Requests by route and outcome");
    describe_histogram!("explaind_request_seconds", "Time from request to answer, by route");
    describe_counter!(
        "explaind_not_converged_total",
        "Explanations whose scores do not add up within tolerance, by method"
    );
    describe_counter!(
        "explaind_stopped_early_total",
        "Explanations that ran out of time before all samples, by method"
    );
    describe_histogram!("explaind_steps", "Gradients along a path, by method");
    for method in METHODS {
        counter!("explaind_not_converged_total", "method" => method.name).absolute(0);
        counter!("explaind_stopped_early_total", "method" => method.name).absolute(0);
        at_zero(histogram!("explaind_steps", "method" => method.name));
    }
}

/// To be in the text before its first sample, a histogram must have been asked for
/// and read once.
fn at_zero(_: metrics::Histogram) {}

/// Makes the counts and times of these routes exist, at zero.
pub fn describe_routes<'a>(routes: impl Iterator<Item = &'a String>) {
    for route in routes {
        for outcome in OUTCOMES {
            counter!("explaind_requests_total", "route" => route.clone(), "outcome" => *outcome)
                .increment(0);
        }
        at_zero(histogram!("explaind_request_seconds", "route" => route.clone()));
    }
}
