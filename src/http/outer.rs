//! What surrounds every route: request ids, logs and counts, compression,
//! errors in one form, and a net under panics.

use std::any::Any;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use metrics::{counter, histogram};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::cors::CorsLayer;
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::request_id::{
    MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};
use tracing::field::Empty;
use tracing::{Instrument, info, info_span};

use super::accept::Form;
use super::problem::{Failure, problems};
use super::{Service, gate, headers, unsent};
use crate::error::Error;
#[cfg(feature = "otlp")]
use crate::telemetry;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts the layers around the routes, the outermost first.
pub fn wrap(router: Router, service: Service) -> Router {
    let cors = cors(&service.cors_origins);
    let unsent = service.unsent.clone();
    router.layer(
        ServiceBuilder::new()
            .map_request(drop_odd_request_id)
            .layer(SetRequestIdLayer::new(REQUEST_ID, RandomId))
            .layer(PropagateRequestIdLayer::new(REQUEST_ID))
            .map_response(guarded)
            .option_layer(cors)
            .layer(middleware::from_fn_with_state(service.clone(), gate::last_words))
            .layer(middleware::from_fn(observe))
            .layer(middleware::from_fn_with_state(unsent.clone(), unsent::counted_compressed))
            .layer(CompressionLayer::new().compress_when(whole()))
            .layer(middleware::from_fn(problems))
            .layer(middleware::from_fn_with_state(unsent, unsent::counted))
            .layer(middleware::from_fn_with_state(service, headers::bounded))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(RequestDecompressionLayer::new()),
    )
}

/// Compresses what is written at once: lines would wait for each other.
fn whole() -> impl Predicate {
    DefaultPredicate::new().and(NotForContentType::new(Form::Lines.media_type()))
}

/// What a browser is told of every answer: it is what it says it is, it holds what a
/// caller sent, and nobody else's page may read it.
fn guarded(mut response: axum::response::Response) -> axum::response::Response {
    const GUARDS: [(HeaderName, &str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in GUARDS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Lets the scripts of these origins ask; without any, no browser does.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> =
        origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    (!origins.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::POST])
            .allow_headers([header::CONTENT_TYPE, header::AUTHORIZATION, header::ACCEPT])
            .expose_headers([REQUEST_ID, header::RETRY_AFTER])
    })
}

/// A caller's request id is echoed and logged: only short plain ones are taken.
fn drop_odd_request_id(mut request: Request) -> Request {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    let odd = |value: &HeaderValue| {
        value.is_empty() || value.len() > 128 || !value.as_bytes().iter().all(plain)
    };
    if request.headers().get(&REQUEST_ID).is_some_and(odd) {
        request.headers_mut().remove(&REQUEST_ID);
    }
    request
}

/// 128 random bits, in hexadecimal.
#[derive(Clone, Copy)]
struct RandomId;

impl MakeRequestId for RandomId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        let id = format!("{:032x}", rand::random::<u128>());
        HeaderValue::from_str(&id).ok().map(RequestId::new)
    }
}

/// Logs and counts each request once, by route; a path that no route has could
/// hold anything and is not logged.
async fn observe(request: Request, next: Next) -> axum::response::Response {
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str);
    let route = route.to_owned();
    let id = request.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    let span = info_span!("request", id, method = %request.method(), route, trace = Empty);
    if let Some(trace) = trace_id(request.headers()) {
        span.record("trace", trace);
    }
    #[cfg(feature = "otlp")]
    telemetry::join(&span, &of_trace(request.headers()));
    let start = Instant::now();
    let response = next.run(request).instrument(span.clone()).await;
    let seconds = start.elapsed().as_secs_f64();
    let status = response.status();
    span.in_scope(|| info!(status = status.as_u16(), ms = seconds * 1e3, "answered"));
    let outcome = outcome(status);
    counter!("explaind_requests_total", "route" => route.clone(), "outcome" => outcome)
        .increment(1);
    histogram!("explaind_request_seconds", "route" => route).record(seconds);
    response
}

#[cfg(feature = "otlp")]
fn of_trace(headers: &HeaderMap) -> std::collections::HashMap<String, String> {
    let value = |name: &str| Some((name.to_owned(), headers.get(name)?.to_str().ok()?.to_owned()));
    telemetry::HEADERS.iter().filter_map(|name| value(name)).collect()
}

/// The trace that a request is part of, by its traceparent (W3C Trace Context).
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let parent = headers.get("traceparent")?.to_str().ok()?;
    let parts: Vec<&str> = parent.split('-').collect();
    let hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|b| b"0123456789abcdef".contains(&b))
    };
    match parts[..] {
        ["00", trace, span, flags] => {
            (hex(trace, 32) && hex(span, 16) && hex(flags, 2)).then_some(trace)
        }
        _ => None,
    }
}

/// One of `telemetry::OUTCOMES`.
fn outcome(status: StatusCode) -> &'static str {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "overloaded",
        status if status.is_client_error() => "client_error",
        status if status.is_server_error() => "server_error",
        _ => "ok",
    }
}

fn panicked(panic: Box<dyn Any + Send>) -> Response<axum::body::Body> {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Failure::from(Error::internal(format!("a handler panicked: {text}"))).into_response()
}
