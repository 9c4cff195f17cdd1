//! Whether it lives, whether it can work, and what it did.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::Service;
use super::openapi::NotReady;
use super::problem::Failure;

#[derive(Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ready")]
    status: &'static str,
}

/// Whether the process answers at all.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, description = "It lives", body = Health)))]
pub async fn livez() -> Json<Health> {
    Json(Health { status: "live" })
}

/// Whether requests can be answered: false while loading and while draining.
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    responses((status = 200, description = "It can work", body = Health), NotReady),
)]
pub async fn readyz(State(service): State<Service>) -> Result<Json<Health>, Failure> {
    service.ready()?;
    Ok(Json(Health { status: "ready" }))
}

/// Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, description = "Counts and times", body = String, content_type = "text/plain")),
)]
pub async fn metrics(State(service): State<Service>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, service.metrics.render())
}
