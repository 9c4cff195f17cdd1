//! Whether it lives, whether it can work, and what it did.

use std::fmt::Write;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::Service;
use super::openapi::NotReady;
use super::problem::Failure;
use crate::engine::Progress;

#[derive(Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ready")]
    status: &'static str,
    /// Models that could not be loaded; GET /models says why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<String>,
}

/// Whether the process answers at all.
///
/// It does while models load and while it shuts down.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, description = "It lives", body = Health)))]
pub async fn livez() -> Json<Health> {
    Json(Health { status: "live", failed: Vec::new() })
}

/// Whether requests can be answered.
///
/// Not until the configured models are loaded, while none is, and while it shuts
/// down.
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    responses((status = 200, description = "It can work", body = Health), NotReady),
)]
pub async fn readyz(State(service): State<Service>) -> Result<Json<Health>, Failure> {
    service.ready()?;
    let list = service.explainer.pool.list().into_iter();
    let failed = list.filter(|status| matches!(status.progress, Some(Progress::Failed(_))));
    Ok(Json(Health { status: "ready", failed: failed.map(|status| status.id).collect() }))
}

/// What it did, as Prometheus' text.
///
/// Requests by route and outcome, passes, queues, models' memory.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, description = "Counts and times", body = String, content_type = "text/plain")),
)]
pub async fn metrics(State(service): State<Service>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, service.metrics.render() + &model_bytes(&service))
}

/// A gauge a model, made when it is asked for: a label goes with its model.
fn model_bytes(service: &Service) -> String {
    let name = "explaind_model_bytes";
    let help = "Bytes of a model's weights; models that share them say the same";
    let mut text = format!("# HELP {name} {help}\n# TYPE {name} gauge\n");
    for model in service.explainer.pool.models() {
        // An id has no character that would have to be escaped.
        let _ = writeln!(text, "{name}{{model=\"{}\"}} {}", model.id, model.memory_bytes());
    }
    text + "\n"
}
