//! Who comes in: nobody new while the service shuts down, whoever has a key where
//! keys are configured, and no key for more than its share.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use super::problem::Failure;
use super::quota::Counted;
use super::{Service, accounting};
use crate::error::{Code, Error, Result};
use crate::passes::ANYONE;

/// Routes for orchestrators and readers: they run no model, and are open to all.
pub const OPEN: [&str; 6] =
    ["/livez", "/readyz", "/metrics", "/openapi.json", "/problems", "/problems/{code}"];

/// Those that say how the service does, on the listener for probes too.
pub const PROBES: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Who sends a request, and since when; in every request that was let in, but to routes
/// that are open to all.
#[derive(Clone)]
pub struct Caller {
    /// The name of the key that the request carries.
    pub name: Arc<str>,
    /// When the request's head had come: its body may take a while.
    pub since: Instant,
}

/// The name of who holds the admin key, which no other key can have.
const ADMIN: &str = "*admin";

/// Middleware that lets pass who may.
pub async fn gate(State(service): State<Service>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if path.is_some_and(|path| OPEN.contains(&path)) {
        return next.run(request).await;
    }
    match enter(&service, request.headers()) {
        Ok((caller, counted)) => {
            request.extensions_mut().insert(caller);
            counted.until_sent(next.run(request).await)
        }
        Err(error) => Failure::from(error).into_response(),
    }
}

fn enter(service: &Service, headers: &HeaderMap) -> Result<(Caller, Counted)> {
    service.open()?;
    service.unsent.room()?;
    let caller = Caller { name: name(service, headers)?.into(), since: Instant::now() };
    accounting::note_key(&caller.name);
    let counted = service.quotas.count(&caller.name)?;
    Ok((caller, counted))
}

/// Whose key the request carries.
fn name(service: &Service, headers: &HeaderMap) -> Result<String> {
    let of_admin = || service.guard.is_admin(headers).then(|| ADMIN.to_owned());
    let Some(ring) = &service.keys else {
        return Ok(of_admin().unwrap_or_else(|| ANYONE.to_owned()));
    };
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
