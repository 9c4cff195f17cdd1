//! Logs and counts each request once, when the last byte of its response has been handed to the
//! connection or when it is abandoned.

use std::time::Instant;

use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::field::Empty;
use tracing::{Instrument, Span, info, info_span};

use super::accept::Format;
use super::observed_body::{Observer, observed};
use super::request_id::REQUEST_ID;
use super::requests::{BegunRequest, Requests};
use super::{route, trace};
use crate::config;
use crate::telemetry::{self, Ended, Outcome, UNMATCHED};

/// Middleware that accounts for each request, however it ends. If the client disconnects, the
/// future is dropped.
pub async fn account(request: Request, next: Next) -> Response {
    let account = Account::open(&request);
    let span = account.span.clone();
    let response = next.run(request).instrument(span).await;
    account.track(response)
}

/// Records the name of the current request's key.
pub fn note_key(name: &str) {
    Span::current().record("key", name);
}

/// Records the model of the current request. Must be the id of a model, not arbitrary input.
pub fn note_model(id: &str) {
    Span::current().record("model", id);
}

/// A request in progress; logged and counted when dropped.
pub struct Account {
    route: String,
    method: &'static str,
    management: Option<Management>,
    span: Span,
    start: Instant,
    status: Option<StatusCode>,
    outcome: Outcome,
    _begun: Option<BegunRequest>,
}

impl Account {
    fn open(request: &Request) -> Self {
        let route = route::of(request).unwrap_or(UNMATCHED);
        let id = request.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok());
        let method = method_label(request.method());
        let span = span(id.unwrap_or_default(), method, route);
        trace::join(&span, request.headers());
        Self {
            management: Management::of(request, route),
            route: route.to_owned(),
            method,
            span,
            start: Instant::now(),
            status: None,
            outcome: Outcome::Cancelled,
            _begun: request.extensions().get::<Requests>().map(Requests::begin),
        }
    }

    /// Accounts for a request with a malformed head.
    pub fn record_malformed(id: &str, status: StatusCode) {
        drop(Self {
            route: UNMATCHED.to_owned(),
            method: OTHER,
            management: None,
            span: span(id, OTHER, UNMATCHED),
            start: Instant::now(),
            status: Some(status),
            outcome: outcome(status),
            _begun: None,
        });
    }

    /// Tracks the response until it is sent or abandoned.
    fn track(mut self, response: Response) -> Response {
        let kind = response.headers().get(header::CONTENT_TYPE);
        let ndjson = kind.is_some_and(|kind| kind == Format::Lines.media_type());
        let sent = match outcome(response.status()) {
            Outcome::Ok if ndjson => Outcome::Streamed,
            outcome => outcome,
        };
        self.status = Some(response.status());
        // The body of a HEAD response is never polled.
        let nothing_to_send = self.method == "HEAD" || response.body().is_end_stream();
        self.outcome = if nothing_to_send { sent } else { Outcome::Aborted };
        observed(response, Sending { account: self, sent })
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let Self { route, method, status, outcome, .. } = self;
        let seconds = self.start.elapsed().as_secs_f64();
        let status = status.map(|status| status.as_u16());
        self.span.in_scope(|| {
            info!(status, outcome = outcome.name(), ms = seconds * 1e3, "request ended");
            if let Some(Management { action, model }) = &self.management {
                let outcome = outcome.name();
                info!(target: telemetry::AUDIT, action, id = model, status, outcome, "model management");
            }
        });
        Ended { route, method, status, outcome: *outcome, seconds }.count();
    }
}

fn span(id: &str, method: &str, route: &str) -> Span {
    info_span!("request", id, method, route, trace = Empty, key = Empty, model = Empty)
}

/// A request that changes which models and corpora are served.
struct Management {
    action: &'static str,
    /// `None` if it is not a valid id, since it could be anything.
    model: Option<String>,
}

impl Management {
    fn of(request: &Request, route: &str) -> Option<Self> {
        let action = match (request.method(), route) {
            (&Method::PUT, "/models/{id}") => "load",
            (&Method::DELETE, "/models/{id}") => "unload",
            (&Method::PUT, "/corpora/{id}") => "put_corpus",
            (&Method::DELETE, "/corpora/{id}") => "delete_corpus",
            _ => return None,
        };
        let id = request.uri().path().rsplit('/').next().unwrap_or_default();
        let model = config::check_id(id).is_ok().then(|| id.to_owned());
        Some(Self { action, model })
    }
}

/// Holds the account of a request while its response is sent.
struct Sending {
    account: Account,
    /// Outcome if the body is sent completely.
    sent: Outcome,
}

impl Observer for Sending {
    fn end(&mut self) {
        self.account.outcome = self.sent;
    }
}

/// Outcome of a request whose response has this status and is sent completely.
fn outcome(status: StatusCode) -> Outcome {
    match status.as_u16() {
        400 => Outcome::Malformed,
        413 | 414 | 431 => Outcome::TooLarge,
        429 | 503 => Outcome::Overloaded,
        504 => Outcome::Deadline,
        401..=499 => Outcome::ClientError,
        500.. => Outcome::ServerError,
        _ => Outcome::Ok,
    }
}

/// OpenTelemetry's name for methods that HTTP does not define.
const OTHER: &str = "_OTHER";

fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|name| *name == method.as_str()).unwrap_or(OTHER)
}
