//! PUT and DELETE /models/{id}: loading and unloading while the service runs.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Service;
use super::admin::Admin;
use super::body::JsonBody;
use super::catalogue::{ModelInfo, Reader};
use super::openapi::{ManageProblems, UnloadProblems};
use super::problem::Failure;
use crate::checkpoint::Source;
use crate::config::{self, ActivationName};
use crate::engine::{Put, Wanted};
use crate::error::{Error, Result};

/// What to load.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadRequest {
    /// `builtin:NAME`, a directory of the service's machine, or
    /// `hf:OWNER/NAME[@REVISION]`.
    #[schema(example = "builtin:sentiment-en")]
    source: String,
    /// In place of what config.json says.
    activation: Option<ActivationName>,
}

/// Load a model, or another one in the place of the one that serves.
///
/// It is loaded in the background; GET /models/{id} says how far it is. One
/// that serves under this id goes on until the new one is ready.
#[utoipa::path(
    put, path = "/models/{id}", tag = "catalogue",
    params((
        "id" = String, Path,
        description = "1 to 64 of the characters A-Z a-z 0-9 . _ -, no dot first; not `auto`",
        pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$",
    )),
    request_body(content = LoadRequest),
    responses(
        (status = 200, description = "It serves already, from this source", body = ModelInfo),
        (status = 202, description = "It is being loaded", body = ModelInfo),
        ManageProblems,
    ),
    security(("admin_key" = [])),
)]
pub async fn load(
    _: Admin,
    State(service): State<Service>,
    Path(id): Path<String>,
    JsonBody(request, _room): JsonBody<LoadRequest>,
) -> Result<Response, Failure> {
    config::check_id(&id).map_err(|reason| Error::field("", format!("the id {reason}")))?;
    let sources = Arc::clone(&service.sources);
    let activation = request.activation.map(ActivationName::activation);
    let wanted = move || {
        sources.check(&request.source.parse()?)?;
        let source: Source = config::check_source(&request.source)?;
        Ok(Wanted::new(source, activation))
    };
    // It asks the file system.
    let wanted = tokio::task::spawn_blocking(wanted).await.map_err(Error::internal)?;
    let wanted = wanted.map_err(|reason: String| Error::field("/source", reason))?;
    let pool = &service.explainer.pool;
    let status = match pool.load(&id, wanted).await? {
        Put::Same => StatusCode::OK,
        Put::Loading => StatusCode::ACCEPTED,
    };
    Ok((status, Json(ModelInfo::new(pool.status(&id)?, Reader::Admin))).into_response())
}

/// Unload a model.
///
/// No new request gets it, those in flight are answered, then its memory is freed.
#[utoipa::path(
    delete, path = "/models/{id}", tag = "catalogue",
    params(("id" = String, Path, description = "An id of GET /models")),
    responses(
        (status = 202, description = "Requests in flight still use it", body = ModelInfo),
        (status = 204, description = "It is gone"),
        UnloadProblems,
    ),
    security(("admin_key" = [])),
)]
pub async fn unload(
    _: Admin,
    State(service): State<Service>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let status = service.explainer.pool.remove(&id)?;
    Ok(match status.progress {
        Some(_) => {
            (StatusCode::ACCEPTED, Json(ModelInfo::new(status, Reader::Admin))).into_response()
        }
        None => StatusCode::NO_CONTENT.into_response(),
    })
}
