//! One log line and one count for each request, at the time when the last byte of its
//! response was handed to the connection, or when it was given up.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use tracing::field::Empty;
use tracing::{Instrument, Span, info, info_span};

use super::accept::Form;
use super::malformed::{Begun, Requests};
use super::outer::REQUEST_ID;
use super::trace;
use crate::config;
use crate::telemetry::{self, Ended, Outcome, UNMATCHED};

/// Middleware that accounts for a request, however it ends: when its future is
/// dropped, the client has left.
pub async fn account(request: Request, next: Next) -> Response {
    let account = Account::open(&request);
    let span = account.span.clone();
    let response = next.run(request).instrument(span).await;
    account.follow(response)
}

/// Notes the name of the key that the current request carries.
pub fn note_key(name: &str) {
    Span::current().record("key", name);
}

/// Notes the model that the current request is about; never what a caller merely wrote.
pub fn note_model(id: &str) {
    Span::current().record("model", id);
}

/// A request in progress. Dropped, it is logged and counted.
pub struct Account {
    route: String,
    method: &'static str,
    management: Option<Management>,
    span: Span,
    start: Instant,
    status: Option<StatusCode>,
    outcome: Outcome,
    _begun: Option<Begun>,
}

impl Account {
    fn open(request: &Request) -> Self {
        let route =
            request.extensions().get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str);
        let id = request.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok());
        let method = known(request.method());
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

    /// Accounts for a request whose head could not be read.
    pub fn of_malformed(id: &str, status: StatusCode) {
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

    /// Goes with the response until it has been sent, or is given up.
    fn follow(mut self, response: Response) -> Response {
        let kind = response.headers().get(header::CONTENT_TYPE);
        let lines = kind.is_some_and(|kind| kind == Form::Lines.media_type());
        let sent = match outcome(response.status()) {
            Outcome::Ok if lines => Outcome::Streamed,
            outcome => outcome,
        };
        self.status = Some(response.status());
        // The body of a response to HEAD is never read.
        let nothing_to_send = self.method == "HEAD" || response.body().is_end_stream();
        self.outcome = if nothing_to_send { sent } else { Outcome::Aborted };
        response.map(|body| Body::new(Followed { body, sent, account: self }))
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

/// A request that changes which models are served.
struct Management {
    action: &'static str,
    /// None where it is no id, and could be anything.
    model: Option<String>,
}

impl Management {
    fn of(request: &Request, route: &str) -> Option<Self> {
        let action = match (request.method(), route) {
            (&Method::PUT, "/models/{id}") => "load",
            (&Method::DELETE, "/models/{id}") => "unload",
            _ => return None,
        };
        let id = request.uri().path().rsplit('/').next().unwrap_or_default();
        let model = config::check_id(id).is_ok().then(|| id.to_owned());
        Some(Self { action, model })
    }
}

/// A body as it was, its length included, with the account of its request.
struct Followed {
    body: Body,
    /// How the request ends if the body is sent to its end.
    sent: Outcome,
    account: Account,
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        let last = match &frame {
            Poll::Ready(None) => true,
            Poll::Ready(Some(Ok(_))) => self.body.is_end_stream(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => false,
        };
        if last {
            self.account.outcome = self.sent;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// How a request ends whose response has this status and is sent to its end.
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

/// What OpenTelemetry's conventions call a method that HTTP does not define.
const OTHER: &str = "_OTHER";

fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|name| *name == method.as_str()).unwrap_or(OTHER)
}
