//! PUT and DELETE /models/{id}: load and unload models at run time.

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
use crate::config::{self, ActivationName, DtypeName};
use crate::engine::{ModelSpec, Put};
use crate::error::{Error, Result};

/// The model to load.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadRequest {
    /// `builtin:NAME`, a directory on the service's machine, or `hf:OWNER/NAME[@REVISION]`.
    #[schema(example = "builtin:sentiment-en")]
    source: String,
    /// Overrides the activation of config.json.
    activation: Option<ActivationName>,
    /// `int8` computes inputs that methods perturb in 8-bit integers, where the processor has
    /// AVX512-VNNI. `tf32` and `bf16` round the factors of matrix products on a GPU.
    #[serde(default)]
    dtype: DtypeName,
}

/// Load a model, or replace the one with this id.
///
/// It is loaded in the background; GET /models/{id} shows the progress. A model that is served
/// under this id stays available until the new one is ready.
#[utoipa::path(
    put, path = "/models/{id}", tag = "catalogue",
    params((
        "id" = String, Path,
        description = "1 to 64 characters of A-Z a-z 0-9 . _ -, no leading dot; not `auto`",
        pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$",
    )),
    request_body(content = LoadRequest),
    responses(
        (status = 200, description = "It is already served from this source", body = ModelInfo),
        (status = 202, description = "It is being loaded", body = ModelInfo),
        ManageProblems,
    ),
    security(("admin_key" = [])),
)]
pub async fn load(
    _: Admin,
    State(service): State<Service>,
    Path(id): Path<String>,
    JsonBody(request, _permit): JsonBody<LoadRequest>,
) -> Result<Response, Failure> {
    config::check_id(&id).map_err(|reason| Error::field("", format!("the id {reason}")))?;
    let shared = service.clone();
    let activation = request.activation.map(ActivationName::activation);
    let spec = move || {
        shared.sources.check(&request.source.parse()?)?;
        let source: Source = config::check_source(&request.source)?;
        Ok(ModelSpec::new(source, activation, request.dtype.dtype()))
    };
    // Accesses the file system.
    let spec = tokio::task::spawn_blocking(spec).await.map_err(Error::internal)?;
    let spec = spec.map_err(|reason: String| Error::field("/source", reason))?;
    let pool = &service.explainer.pool;
    let status = match pool.load(&id, spec).await? {
        Put::Same => StatusCode::OK,
        Put::Loading => StatusCode::ACCEPTED,
    };
    Ok((status, Json(ModelInfo::new(pool.status(&id)?, Reader::Admin))).into_response())
}

/// Unload a model.
///
/// New requests cannot use it. Requests in flight are answered, then its memory is freed.
#[utoipa::path(
    delete, path = "/models/{id}", tag = "catalogue",
    params(("id" = String, Path, description = "An id from GET /models")),
    responses(
        (status = 202, description = "Requests in flight still use it", body = ModelInfo),
        (status = 204, description = "It is unloaded"),
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
