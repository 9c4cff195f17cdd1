//! Whether it lives, whether it can work, and what it did.

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
    /// Models that could not be loaded; GET /models says why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<String>,
    /// Models that are not what is on disk any more; GET /models says how.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    drifted: Vec<String>,
}

/// Whether the process answers at all.
///
/// It does while models load and while it shuts down.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, description = "It lives", body = Health)))]
pub async fn livez() -> Json<Health> {
    Json(Health { status: "live", failed: Vec::new(), drifted: Vec::new() })
}

/// Whether requests can be answered.
///
/// Not until the configured models are loaded, while none is, while passes fail, and
/// while it shuts down. What it says rests on a pass of the last seconds, or on one
/// that is run for it.
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    responses((status = 200, description = "It can work", body = Health), NotReady),
)]
pub async fn readyz(State(service): State<Service>) -> Result<Json<Health>, Failure> {
    service.ready().await?;
    let list = service.explainer.pool.list();
    let ids = |which: fn(&Status) -> bool| {
        list.iter().filter(|status| which(status)).map(|status| status.id.clone()).collect()
    };
    Ok(Json(Health {
        status: "ready",
        failed: ids(|status| matches!(status.progress, Some(Progress::Failed(_)))),
        drifted: ids(|status| status.drift.is_some()),
    }))
}

/// What it did, as Prometheus' text.
///
/// Requests by route and outcome, passes, queues, models' memory, the process.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, description = "Counts and times", body = String, content_type = "text/plain")),
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

/// A gauge of this service, made when it is asked for: it changes with every piece that is
/// sent.
fn unsent_bytes(service: &Service) -> String {
    let name = "explaind_unsent_response_bytes";
    let help = "Bytes of responses that are written and not sent";
    let bytes = service.unsent.bytes();
    format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {bytes}\n\n")
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
