//! Logs, metrics and traces. None of them contains clients' texts.

mod logging;
#[cfg(feature = "otlp")]
mod otlp;
mod process;
mod requests;

use std::sync::OnceLock;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::attribution::METHODS;
pub use logging::{Logging, start_logging};
#[cfg(feature = "otlp")]
pub use otlp::{HEADERS, join};
pub use process::process;
pub use requests::{Ended, OpenConnection, Outcome, UNMATCHED, describe_routes};

/// Target of the log lines that record who changed the served models.
pub const AUDIT: &str = "explaind::audit";

/// Returns the process's metrics, for the Prometheus text format. All routers of the process share
/// one recorder.
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
        .set_buckets_for_metric(
            Matcher::Full(requests::DURATION.to_owned()),
            &requests::DURATION_BUCKETS,
        )?
        .set_buckets_for_metric(Matcher::Full("explaind_pass_rows".to_owned()), &counts)?
        .set_buckets_for_metric(Matcher::Full("explaind_pass_tokens".to_owned()), &counts)?
        .set_buckets_for_metric(Matcher::Full("explaind_steps".to_owned()), &counts)?
        .set_buckets_for_metric(Matcher::Full("explaind_pass_fill".to_owned()), &shares)?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // If another thread was faster, its recorder stays in place, with its handle stored.
    if metrics::set_global_recorder(recorder).is_ok() {
        let _ = HANDLE.set(handle.clone());
        describe();
    }
    Ok(HANDLE.get().cloned().unwrap_or(handle))
}

/// Names and descriptions of metrics that have no labels.
const COUNTERS: &[(&str, &str)] = &[
    ("explaind_pass_failures_total", "Passes that failed"),
    ("explaind_passes_halved_total", "Passes that ran in halves for lack of memory on a device"),
    ("explaind_worker_restarts_total", "Panics of workers outside of a pass"),
    ("explaind_cache_evictions_total", "Cached responses evicted to make room for others"),
];

const GAUGES: &[(&str, &str)] = &[
    ("explaind_queue_work", "Tokens x rows x layers of the requests in flight"),
    ("explaind_queue_requests", "Requests in flight"),
    ("explaind_models", "Models in memory"),
    ("explaind_models_drifted", "Models whose files have changed since they were loaded"),
    ("explaind_keys_file_failed", "1 while server.keys_file cannot be read or is malformed"),
    ("explaind_cache_bytes", "Bytes of the cached responses"),
];

const HISTOGRAMS: &[(&str, &str)] = &[
    ("explaind_pass_seconds", "Time of one pass"),
    ("explaind_pass_rows", "Rows of one pass"),
    ("explaind_pass_tokens", "Tokens of one pass"),
    ("explaind_pass_fill", "Tokens of one pass divided by the tokens that it has room for"),
];

/// Describes all metrics and creates them with the value zero.
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
    describe_gauge!("explaind_build_info", "1, with the running version as a label");
    gauge!("explaind_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.);
    describe_gauge!(
        "explaind_device_memory_bytes",
        "Memory of a GPU, free and used by all processes, after the last pass; absent without one"
    );
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

/// A histogram is exported before its first sample only if it has been created once, as the
/// caller of this does.
fn at_zero(_: metrics::Histogram) {}
