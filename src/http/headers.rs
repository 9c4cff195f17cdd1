//! Limits of a request's head, and security headers of responses. hyper has its own, higher limits,
//! which it enforces without a response body.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Service;
use super::problem::Failure;
use crate::error::{Code, Error, Result};

/// Maximum bytes of a path with its query.
const PATH_BYTES: usize = 8_192;

/// Maximum number of header fields.
pub const FIELDS: usize = 100;

/// Middleware that rejects heads over the limits.
pub async fn limit_head(State(service): State<Service>, request: Request, next: Next) -> Response {
    match check(&request, service.limits.header_bytes) {
        Ok(()) => next.run(request).await,
        Err(error) => Failure::from(error).into_response(),
    }
}

fn check(request: &Request, limit: usize) -> Result<()> {
    let path = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    if path > PATH_BYTES {
        let detail = format!("the path has {path} bytes and may have {PATH_BYTES}");
        return Err(Error::new(Code::UriTooLong, detail));
    }
    let headers = request.headers();
    let bytes: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.as_bytes().len()).sum();
    if headers.len() <= FIELDS && bytes <= limit {
        return Ok(());
    }
    let detail = format!(
        "the request has {} header fields, {bytes} bytes; the limits are {FIELDS} and {limit}",
        headers.len()
    );
    Err(Error::new(Code::HeadersTooLarge, detail))
}

/// Headers for browsers on every response: do not guess its type, do not store it, and do not share
/// it with other origins.
pub fn add_security_headers(mut response: Response) -> Response {
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
