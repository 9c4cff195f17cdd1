//! What a request's head may take. The HTTP library has bounds of its own, beyond
//! these, that it answers without a body.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Service;
use super::problem::Failure;
use crate::error::{Code, Error, Result};

/// Bytes of a path with its query.
const PATH_BYTES: usize = 8_192;

/// Header fields.
pub const FIELDS: usize = 100;

/// Middleware that refuses heads that are too large.
pub async fn bounded(State(service): State<Service>, request: Request, next: Next) -> Response {
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
        "the request has {} header fields of {bytes} bytes; {FIELDS} of {limit} bytes are taken",
        headers.len()
    );
    Err(Error::new(Code::HeadersTooLarge, detail))
}
