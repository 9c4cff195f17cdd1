//! Who comes in: nobody new while the service shuts down, whoever has a key where
//! keys are configured, and no key for more than its share.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

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

/// Whose key a request carries, by its name; in every request that was let in, but to
/// routes that are open to all.
#[derive(Clone)]
pub struct Caller(String);

impl Caller {
    pub fn name(&self) -> &str {
        &self.0
    }
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
    let caller = caller(service, headers)?;
    accounting::note_key(caller.name());
    let counted = service.quotas.count(caller.name())?;
    Ok((caller, counted))
}

/// Whose key the request carries.
fn caller(service: &Service, headers: &HeaderMap) -> Result<Caller> {
    let of_admin = || service.guard.is_admin(headers).then(|| Caller(ADMIN.to_owned()));
    let Some(ring) = &service.keys else {
        return Ok(of_admin().unwrap_or_else(|| Caller(ANYONE.to_owned())));
    };
    ring.name_of(headers).map(Caller).or_else(of_admin).ok_or_else(|| {
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
