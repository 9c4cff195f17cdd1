//! Who comes in: nobody new while the service shuts down, whoever has a key where
//! keys are configured, and no key for more than its share.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Service;
use super::problem::Failure;
use super::quota::Counted;
use crate::error::{Code, Error, Result};

/// Routes for orchestrators and readers: they run no model, and are open to all.
pub const OPEN: [&str; 4] = ["/livez", "/readyz", "/metrics", "/openapi.json"];

/// Those that say how the service does, on the listener for probes too.
pub const PROBES: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// A name for all who need no key, and one for who holds the admin key: no key can
/// be called so.
const ANYONE: &str = "*";
const ADMIN: &str = "*admin";

/// Middleware that lets pass who may.
pub async fn gate(State(service): State<Service>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if path.is_some_and(|path| OPEN.contains(&path)) {
        return next.run(request).await;
    }
    let entered = enter(&service, request.headers());
    match entered {
        Ok(counted) => counted.until_sent(next.run(request).await),
        Err(error) => Failure::from(error).into_response(),
    }
}

fn enter(service: &Service, headers: &HeaderMap) -> Result<Counted> {
    service.open()?;
    service.unsent.room()?;
    service.quotas.count(&caller(service, headers)?)
}

/// The name of the request's key.
fn caller(service: &Service, headers: &HeaderMap) -> Result<String> {
    let Some(ring) = &service.keys else { return Ok(ANYONE.to_owned()) };
    let of_admin = || service.guard.is_admin(headers).then(|| ADMIN.to_owned());
    ring.name_of(headers).or_else(of_admin).ok_or_else(|| {
        let detail = "this needs a key; send Authorization: Bearer KEY";
        Error::new(Code::Unauthorized, detail)
    })
}

/// Middleware that tells callers not to send more through a connection that is
/// about to end.
pub async fn last_words(State(service): State<Service>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if service.stays().is_err() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
