//! Admission of requests by key: rejects new requests during shutdown, requests without a valid key
//! if keys are configured, and requests beyond a key's quota.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use super::caller::{self, Caller, OPEN};
use super::problem::Failure;
use super::quota::Counted;
use super::{Service, accounting};
use crate::error::{Code, Error, Result};
use crate::passes::ANYONE;

/// Name of the admin key's holder. No other key can have it.
const ADMIN: &str = "*admin";

/// Middleware that rejects requests that are not admitted.
pub async fn gate(State(service): State<Service>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if path.is_some_and(|path| OPEN.contains(&path)) {
        return next.run(request).await;
    }
    match admit(&service, request.headers()) {
        Ok((caller, counted)) => {
            request.extensions_mut().insert(caller);
            counted.until_sent(next.run(request).await)
        }
        Err(error) => Failure::from(error).into_response(),
    }
}

fn admit(service: &Service, headers: &HeaderMap) -> Result<(Caller, Counted)> {
    service.check_open()?;
    service.unsent.check_room()?;
    let name = name(service, headers)?.into();
    let has_key = service.keys.is_some() || service.guard.is_admin(headers);
    let forwarded = caller::forwarded(headers, has_key);
    let caller = Caller { name, forwarded, since: Instant::now() };
    accounting::note_key(&caller.name);
    let counted = service.quotas.count(&caller.name)?;
    Ok((caller, counted))
}

/// The name of the request's key.
fn name(service: &Service, headers: &HeaderMap) -> Result<String> {
    let admin_name = || service.guard.is_admin(headers).then(|| ADMIN.to_owned());
    let Some(ring) = &service.keys else {
        return Ok(admin_name().unwrap_or_else(|| ANYONE.to_owned()));
    };
    ring.name_of(headers).or_else(admin_name).ok_or_else(|| {
        let detail = "a key is required; send Authorization: Bearer KEY";
        Error::new(Code::Unauthorized, detail)
    })
}

/// Middleware that sends `Connection: close` when the service is about to shut down.
pub async fn send_close(State(service): State<Service>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if service.check_not_retiring().is_err() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
