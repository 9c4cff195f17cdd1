//! Liveness, readiness and metrics.

use std::fmt::Write;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use metrics::gauge;
use serde::Serialize;
use utoipa::ToSchema;

use super::Service;
use super::openapi::NotReady;
use super::problem::Failure;
use crate::engine::{Progress, Status};
use crate::telemetry;

#[derive(Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ready")]
    status: &'static str,
    /// Models that could not be loaded; GET /models has the reasons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<String>,
    /// Models whose files have changed since they were loaded; GET /models has the details.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    drifted: Vec<String>,
}

/// Whether the process responds.
///
/// Also true while models are loading and during shutdown.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, description = "The process is alive", body = Health)))]
pub async fn livez() -> Json<Health> {
    Json(Health { status: "live", failed: Vec::new(), drifted: Vec::new() })
}

/// Whether requests can be answered.
///
/// False until the configured models are loaded, while no model is served, while passes fail, and
/// during shutdown. Based on a pass within the last seconds, or on one that is run for the check.
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    responses((status = 200, description = "The service is ready", body = Health), NotReady),
)]
pub async fn readyz(State(service): State<Service>) -> Result<Json<Health>, Failure> {
    service.ready().await?;
    let list = service.explainer.pool.list();
    let ids = |matches: fn(&Status) -> bool| {
        list.iter().filter(|status| matches(status)).map(|status| status.id.clone()).collect()
    };
    Ok(Json(Health {
        status: "ready",
        failed: ids(|status| matches!(status.progress, Some(Progress::Failed(_)))),
        drifted: ids(|status| status.drift.is_some()),
    }))
}

/// Metrics in the Prometheus text format.
///
/// Requests by route and outcome, passes, queues, memory of models, and the process.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, description = "Metrics", body = String, content_type = "text/plain")),
)]
pub async fn metrics(State(service): State<Service>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    if let Some(cache) = &service.cache {
        gauge!("explaind_cache_bytes").set(cache.bytes().await as f64);
    }
    if let Some(keys) = &service.keys {
        keys.refresh();
    }
    (
        kind,
        service.metrics.render()
            + &model_bytes(&service)
            + &unsent_bytes(&service)
            + &telemetry::process(),
    )
}

/// A gauge that is computed at each scrape, because it changes with every piece that is sent.
fn unsent_bytes(service: &Service) -> String {
    let name = "explaind_unsent_response_bytes";
    let help = "Bytes of responses that are not sent yet";
    let bytes = service.unsent.bytes();
    format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {bytes}\n\n")
}

/// One gauge per model, computed at each scrape, so that unloaded models disappear.
fn model_bytes(service: &Service) -> String {
    let name = "explaind_model_bytes";
    let help = "Bytes of a model's weights; models with shared weights have the same value";
    let mut text = format!("# HELP {name} {help}\n# TYPE {name} gauge\n");
    for model in service.explainer.pool.models() {
        // Ids contain no characters that need escaping.
        let _ = writeln!(text, "{name}{{model=\"{}\"}} {}", model.id, model.memory_bytes());
    }
    text + "\n"
}
