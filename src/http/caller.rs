//! Who sends a request, and the routes that do not need to know.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, header};
use tokio::time::Instant;

use super::request_id::REQUEST_ID;
use crate::remote::Forwarded;

/// Routes for orchestrators and readers. They run no model and need no key.
pub const OPEN: [&str; 14] = [
    "/livez",
    "/readyz",
    "/ping",
    "/v2/health/live",
    "/v2/health/ready",
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
    "/metrics",
    "/openapi.json",
    "/problems",
    "/problems/{code}",
    "/",
    "/docs",
    "/web/{folder}/{file}",
];

/// Routes that report health, also on the probe listener.
pub const PROBES: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// The sender of a request, as an extension of all admitted requests except those to open routes.
#[derive(Clone)]
pub struct Caller {
    /// The name of the request's key.
    pub name: Arc<str>,
    /// Header fields that are sent on to the server of a remote model.
    pub forwarded: Forwarded,
    /// When the head of the request had arrived; the body may arrive later.
    pub since: Instant,
}

/// What KServe sends on from a request to the next server.
static FORWARDED: [HeaderName; 3] =
    [REQUEST_ID, HeaderName::from_static("x-b3-traceid"), header::AUTHORIZATION];

/// Returns the header fields to send on. The Authorization is, unless it has a key of this service.
pub fn forwarded(headers: &HeaderMap, has_key: bool) -> Forwarded {
    let names = FORWARDED.iter().filter(|name| !has_key || **name != header::AUTHORIZATION);
    let field = |name: &'static HeaderName| {
        Some((name.as_str(), headers.get(name)?.to_str().ok()?.to_owned()))
    };
    Forwarded(names.filter_map(field).collect())
}
