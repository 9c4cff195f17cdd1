//! Logs and metrics. Neither ever carries a caller's text.

use std::io::IsTerminal;
use std::sync::OnceLock;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::attribution::METHODS;
use crate::config::{Log, LogFormat};

/// Starts logging to standard error. A second call changes nothing.
pub fn start_logging(log: &Log) {
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(coloured)
        .with_writer(std::io::stderr);
    // An error means that logging has been started already.
    let _ = match log.format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

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
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)?
        .set_buckets_for_metric(Matcher::Full("explaind_pass_rows".to_owned()), &counts)?
        .set_buckets_for_metric(Matcher::Full("explaind_pass_tokens".to_owned()), &counts)?
        .set_buckets_for_metric(Matcher::Full("explaind_steps".to_owned()), &counts)?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // Lost races leave the first recorder in place, whose handle is stored.
    if metrics::set_global_recorder(recorder).is_ok() {
        let _ = HANDLE.set(handle.clone());
        describe();
    }
    Ok(HANDLE.get().cloned().unwrap_or(handle))
}

/// Describes every metric, and makes what needs no sample exist at zero.
fn describe() {
    describe_counter!("explaind_requests_total", "Requests by route and outcome");
    describe_histogram!("explaind_request_seconds", "Time from request to answer, by route");
    describe_counter!("explaind_pass_failures_total", "Passes that ended in a fault");
    describe_histogram!("explaind_pass_seconds", "Time of one pass");
    describe_histogram!("explaind_pass_rows", "Rows of one pass");
    describe_histogram!("explaind_pass_tokens", "Tokens of one pass");
    describe_gauge!("explaind_queue_tokens", "Tokens x rows of the requests in flight");
    describe_gauge!("explaind_models", "Models in memory");
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
    }
    counter!("explaind_pass_failures_total").absolute(0);
    gauge!("explaind_queue_tokens").set(0.);
    gauge!("explaind_models").set(0.);
}

/// Makes the counts of these routes exist, at zero.
pub fn describe_routes<'a>(routes: impl Iterator<Item = &'a String>) {
    for route in routes {
        for outcome in OUTCOMES {
            counter!("explaind_requests_total", "route" => route.clone(), "outcome" => *outcome)
                .increment(0);
        }
    }
}
