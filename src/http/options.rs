//! OPTIONS: which methods a path takes, and what scripts of other origins may send
//! and read (CORS).

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Extension, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::cors::CorsLayer;
use tower_http::request_id::RequestId;
use utoipa::openapi::{PathItem, Paths};

use super::ask::REQUEST_TIMEOUT;
use super::cache::CACHE_STATUS;
use super::formats::SERVER_TIMING;
use super::outer::REQUEST_ID;
use super::problem;

const METHODS: [Method; 5] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE];

/// What the service reads, beyond what browsers set by themselves.
const READ: [HeaderName; 9] = [
    header::ACCEPT,
    header::AUTHORIZATION,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::IF_NONE_MATCH,
    REQUEST_ID,
    REQUEST_TIMEOUT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// What the service writes for its callers, beyond what every script may read.
const WRITTEN: [HeaderName; 7] = [
    header::ALLOW,
    CACHE_STATUS,
    header::ETAG,
    header::RETRY_AFTER,
    SERVER_TIMING,
    header::WWW_AUTHENTICATE,
    REQUEST_ID,
];

/// Lets the scripts of these origins ask; without any, no browser does.
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

/// Middleware that says which methods a path takes, whether a browser asks on behalf of
/// a script or somebody else does. It needs no key: browsers send none.
pub async fn allow(
    State(Allowed(paths)): State<Allowed>,
    Extension(request_id): Extension<RequestId>,
    request: Request,
    next: Next,
) -> Response {
    if request.method() != Method::OPTIONS {
        return next.run(request).await;
    }
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let Some(allow) = path.and_then(|path| paths.get(path)).cloned() else {
        return problem::written(StatusCode::NOT_FOUND.into_response(), &request_id);
    };
    let mut response = next.run(request).await;
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

/// Middleware that keeps OPTIONS from the routes, where no CORS layer does.
pub async fn end(request: Request, next: Next) -> Response {
    match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    }
}
