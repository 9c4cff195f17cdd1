//! How requests end, as logs and metrics say it.

use metrics::{Gauge, counter, describe_counter, describe_gauge, describe_histogram};
use metrics::{Label, gauge, histogram};

/// How a request can end. The list is closed: dashboards may name each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The response was sent to its end.
    Ok,
    /// So was one of lines, each sent as soon as it was ready. They may hold problems.
    Streamed,
    /// 400: the head or the body cannot be read.
    Malformed,
    /// 413, 414 or 431: the body, the path or the headers are too large.
    TooLarge,
    /// Any other 4xx.
    ClientError,
    /// 429 or 503: there is no room, or the service or the model is not ready.
    Overloaded,
    /// 504: there was no answer in time.
    Deadline,
    /// Any other 5xx.
    ServerError,
    /// No response was begun: the client left, or the process ended.
    Cancelled,
    /// A response was begun, and given up before its end.
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

/// The route of requests that no route takes, those whose head cannot be read among
/// them. What they ask for could hold anything, and is neither logged nor counted by.
pub const UNMATCHED: &str = "unmatched";

const REQUESTS: &str = "explaind_requests_total";
const SECONDS: &str = "explaind_request_seconds";
/// By OpenTelemetry's semantic conventions for HTTP, written as Prometheus does.
pub const DURATION: &str = "http_server_request_duration_seconds";
/// The buckets that these conventions ask for.
pub const DURATION_BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1., 2.5, 5., 7.5, 10.];

const CONNECTIONS: &str = "explaind_connections_open";

/// Makes the counts and times of these routes exist, at zero.
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
        // Asked for and read once, it is in the text before its first sample.
        let _ = histogram!(SECONDS, "route" => route.to_owned());
    }
}

/// A request that has ended.
pub struct Ended<'a> {
    pub route: &'a str,
    /// One of those that HTTP defines, or `_OTHER`.
    pub method: &'static str,
    /// None where no response was begun.
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

    /// What is not known of a request is left out, as the conventions ask.
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

/// A connection that counts as open until this is dropped.
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
