//! Outcomes of requests, as in logs and metrics.

use metrics::{Gauge, counter, describe_counter, describe_gauge, describe_histogram};
use metrics::{Label, gauge, histogram};

/// How a request ended. The set is fixed, so that dashboards can list all values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The response was sent completely.
    Ok,
    /// An NDJSON response was sent completely. Its lines may contain problems.
    Streamed,
    /// 400: the head or the body is malformed.
    Malformed,
    /// 413, 414 or 431: the body, the path or the headers are too large.
    TooLarge,
    /// Any other 4xx.
    ClientError,
    /// 429 or 503: there is no capacity, or the service or the model is not ready.
    Overloaded,
    /// 504: the deadline passed.
    Deadline,
    /// Any other 5xx.
    ServerError,
    /// No response was started: the client disconnected, or the process ended.
    Cancelled,
    /// The response was started but not completed.
    Aborted,
}

impl Outcome {
    pub const ALL: [Self; 10] = [
        Self::Ok,
        Self::Streamed,
        Self::Malformed,
        Self::TooLarge,
        Self::ClientError,
        Self::Overloaded,
        Self::Deadline,
        Self::ServerError,
        Self::Cancelled,
        Self::Aborted,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Streamed => "streamed",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::ClientError => "client_error",
            Self::Overloaded => "overloaded",
            Self::Deadline => "deadline",
            Self::ServerError => "server_error",
            Self::Cancelled => "cancelled",
            Self::Aborted => "aborted",
        }
    }
}

/// Route label of requests that match no route, including malformed ones. Their path may contain
/// anything, so it is neither logged nor used as a label.
pub const UNMATCHED: &str = "unmatched";

const REQUESTS: &str = "explaind_requests_total";
const SECONDS: &str = "explaind_request_seconds";
/// From OpenTelemetry's semantic conventions for HTTP, in Prometheus spelling.
pub const DURATION: &str = "http_server_request_duration_seconds";
/// The buckets that these conventions recommend.
pub const DURATION_BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1., 2.5, 5., 7.5, 10.];

const CONNECTIONS: &str = "explaind_connections_open";

/// Creates the counters and histograms of these routes, with the value zero.
pub fn describe_routes<'a>(routes: impl Iterator<Item = &'a str>) {
    describe_counter!(REQUESTS, "Requests by route and outcome");
    describe_histogram!(SECONDS, "Time from a request to the end of its response, by route");
    describe_histogram!(DURATION, "Time from a request to the end of its response");
    describe_gauge!(CONNECTIONS, "Open connections");
    gauge!(CONNECTIONS).increment(0.);
    for route in routes.chain([UNMATCHED]) {
        for outcome in Outcome::ALL {
            let labels = [("route", route.to_owned()), ("outcome", outcome.name().to_owned())];
            counter!(REQUESTS, &labels).increment(0);
        }
        // Creating a histogram exports it before its first sample.
        let _ = histogram!(SECONDS, "route" => route.to_owned());
    }
}

/// A request that has ended.
pub struct Ended<'a> {
    pub route: &'a str,
    /// A method that HTTP defines, or `_OTHER`.
    pub method: &'static str,
    /// `None` if no response was started.
    pub status: Option<u16>,
    pub outcome: Outcome,
    pub seconds: f64,
}

impl Ended<'_> {
    pub fn count(&self) {
        let route = self.route.to_owned();
        let outcome = self.outcome.name();
        counter!(REQUESTS, "route" => route.clone(), "outcome" => outcome).increment(1);
        histogram!(SECONDS, "route" => route).record(self.seconds);
        histogram!(DURATION, self.conventional_labels()).record(self.seconds);
    }

    /// Omits unknown attributes, as the conventions ask.
    fn conventional_labels(&self) -> Vec<Label> {
        let mut labels = vec![Label::from_static_parts("http_request_method", self.method)];
        if let Some(status) = self.status {
            labels.push(Label::new("http_response_status_code", status.to_string()));
        }
        if self.route != UNMATCHED {
            labels.push(Label::new("http_route", self.route.to_owned()));
        }
        labels
    }
}

/// Counts a connection as open until dropped.
pub struct OpenConnection(Gauge);

impl OpenConnection {
    pub fn count() -> Self {
        let gauge = gauge!(CONNECTIONS);
        gauge.increment(1.);
        Self(gauge)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.decrement(1.);
    }
}
