//! OPTIONS: the methods of a path, and what scripts of other origins may send and read (CORS).

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::cors::CorsLayer;
use tower_http::request_id::RequestId;
use utoipa::openapi::{PathItem, Paths};

use super::cache::CACHE_STATUS;
use super::kserve::v2::request::JSON_LENGTH;
use super::request_id::REQUEST_ID;
use super::respond::SERVER_TIMING;
use super::timeout::REQUEST_TIMEOUT;
use super::{problem, route};

const METHODS: [Method; 5] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE];

/// Request headers that the service reads, beyond those that browsers always allow.
const READ: [HeaderName; 10] = [
    header::ACCEPT,
    header::AUTHORIZATION,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::IF_NONE_MATCH,
    JSON_LENGTH,
    REQUEST_ID,
    REQUEST_TIMEOUT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// Response headers for clients, beyond those that scripts can always read.
const WRITTEN: [HeaderName; 8] = [
    header::ALLOW,
    CACHE_STATUS,
    header::ETAG,
    JSON_LENGTH,
    header::RETRY_AFTER,
    SERVER_TIMING,
    header::WWW_AUTHENTICATE,
    REQUEST_ID,
];

/// Allows requests by scripts of these origins; without origins, browsers block them.
pub fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> =
        origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    (!origins.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods(METHODS)
            .allow_headers(READ)
            .expose_headers(WRITTEN)
    })
}

/// The Allow header of each path.
#[derive(Clone)]
pub struct Allowed(Arc<HashMap<String, HeaderValue>>);

impl Allowed {
    pub fn of(paths: &Paths) -> Self {
        let allow = |(path, item): (&String, &PathItem)| Some((path.clone(), methods(item)?));
        Self(Arc::new(paths.paths.iter().filter_map(allow).collect()))
    }
}

fn methods(item: &PathItem) -> Option<HeaderValue> {
    let methods = [
        ("GET, HEAD", &item.get),
        ("POST", &item.post),
        ("PUT", &item.put),
        ("DELETE", &item.delete),
    ];
    let methods = methods.iter().filter(|(_, operation)| operation.is_some());
    let names: Vec<&str> = methods.map(|(name, _)| *name).chain(["OPTIONS"]).collect();
    HeaderValue::from_str(&names.join(", ")).ok()
}

/// Middleware that answers OPTIONS with the methods of a path, both for CORS preflights and other
/// requests, and names them in responses to other methods. OPTIONS needs no key, because browsers
/// send none.
pub async fn allow(
    State(Allowed(paths)): State<Allowed>,
    Extension(request_id): Extension<RequestId>,
    request: Request,
    next: Next,
) -> Response {
    let allow = route::of(&request).and_then(|path| paths.get(path)).cloned();
    let asks = request.method() == Method::OPTIONS;
    if asks && allow.is_none() {
        return problem::with_problem_body(StatusCode::NOT_FOUND.into_response(), &request_id);
    }
    let mut response = next.run(request).await;
    if asks {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    let lists = asks || response.status() == StatusCode::METHOD_NOT_ALLOWED;
    if let Some(allow) = allow.filter(|_| lists) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// Middleware that answers OPTIONS before the routes do, if there is no CORS layer.
pub async fn end(request: Request, next: Next) -> Response {
    match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    }
}
