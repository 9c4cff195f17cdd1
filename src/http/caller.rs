//! Who sends a request, and the routes that do not need to know.

use std::sync::Arc;

use tokio::time::Instant;

/// Routes for orchestrators and readers. They run no model and need no key.
pub const OPEN: [&str; 12] = [
    "/livez",
    "/readyz",
    "/ping",
    "/v2/health/live",
    "/v2/health/ready",
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
    /// When the head of the request had arrived; the body may arrive later.
    pub since: Instant,
}
