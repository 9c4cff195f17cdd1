//! What the service and its models are, and whether they are ready, in the Open Inference Protocol.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::question::INPUTS;
use super::{model, outputs};
use crate::error::Result;
use crate::http::Service;
use crate::http::kserve::ModelReady;
use crate::http::openapi::{ListProblems, NotReady, ReadyProblems};
use crate::http::problem::Failure;
use crate::model::Model;

/// The service.
#[derive(Serialize, ToSchema)]
pub struct ServerMetadata {
    #[schema(example = "explaind")]
    pub name: &'static str,
    pub version: &'static str,
    #[schema(example = json!(["binary_tensor_data"]))]
    pub extensions: [&'static str; 1],
}

/// A model.
#[derive(Serialize, ToSchema)]
pub struct ModelMetadata {
    pub name: String,
    /// Its revision.
    pub versions: [String; 1],
    #[schema(example = "explaind_bert")]
    pub platform: String,
    pub inputs: Vec<TensorMetadata>,
    /// Those of a prediction first.
    pub outputs: Vec<TensorMetadata>,
}

/// A tensor.
#[derive(Serialize, ToSchema)]
pub struct TensorMetadata {
    pub name: &'static str,
    pub datatype: &'static str,
    /// -1 for sizes that depend on the request. The first dimension is the inputs.
    pub shape: Vec<i64>,
}

#[derive(Serialize, ToSchema)]
pub struct Live {
    live: bool,
}

#[derive(Serialize, ToSchema)]
pub struct Ready {
    ready: bool,
}

pub const SERVER: ServerMetadata = ServerMetadata {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    extensions: ["binary_tensor_data"],
};

impl ModelMetadata {
    pub fn new(model: &Model) -> Self {
        let input = |name| TensorMetadata { name, datatype: "BYTES", shape: vec![-1] };
        let output = |output: &outputs::Output| TensorMetadata {
            name: output.name,
            datatype: output.datatype,
            shape: std::iter::once(-1).chain((output.sizes)(model)).collect(),
        };
        Self {
            name: model.id.clone(),
            versions: [model.revision.clone()],
            platform: format!("{}_{}", SERVER.name, model.architecture),
            inputs: INPUTS.into_iter().map(input).collect(),
            outputs: outputs::of(model).map(output).collect(),
        }
    }
}

/// The service, in the Open Inference Protocol.
///
/// Its name and version, and the extensions of the protocol that it has.
#[utoipa::path(
    get, path = "/v2", tag = "kserve", operation_id = "v2_server",
    responses((status = 200, description = "Its name, version and extensions of the protocol", body = ServerMetadata), ListProblems),
    security(("key" = []), ()),
)]
pub async fn server() -> Json<ServerMetadata> {
    Json(SERVER)
}

/// Whether the process responds, in the Open Inference Protocol.
///
/// The same as GET /livez.
#[utoipa::path(
    get, path = "/v2/health/live", tag = "kserve", operation_id = "v2_live",
    responses((status = 200, description = "The process is alive", body = Live)),
)]
pub async fn live() -> Json<Live> {
    Json(Live { live: true })
}

/// Whether requests can be answered, in the Open Inference Protocol.
///
/// The same check as GET /readyz.
#[utoipa::path(
    get, path = "/v2/health/ready", tag = "kserve", operation_id = "v2_ready",
    responses((status = 200, description = "The service is ready", body = Ready), NotReady),
)]
pub async fn ready(State(service): State<Service>) -> Result<Json<Ready>, Failure> {
    service.ready().await?;
    Ok(Json(Ready { ready: true }))
}

/// A model, in the Open Inference Protocol.
///
/// Its inputs and all outputs. GET /models/{id} has more, such as the names of the labels.
#[utoipa::path(
    get, path = "/v2/models/{id}", tag = "kserve", operation_id = "v2_model",
    params(("id" = String, Path, description = "A model's id", example = "sentiment-en")),
    responses((status = 200, description = "The model", body = ModelMetadata), ReadyProblems),
    security(("key" = []), ()),
)]
pub async fn describe(
    State(service): State<Service>,
    Path(id): Path<String>,
) -> Result<Json<ModelMetadata>, Failure> {
    Ok(Json(ModelMetadata::new(&*model(&service, &id, None)?)))
}

/// One version of a model, in the Open Inference Protocol.
///
/// The version is the model's revision.
#[utoipa::path(
    get, path = "/v2/models/{id}/versions/{version}", tag = "kserve", operation_id = "v2_version",
    params(
        ("id" = String, Path, description = "A model's id", example = "sentiment-en"),
        ("version" = String, Path, description = "Its revision"),
    ),
    responses((status = 200, description = "The model", body = ModelMetadata), ReadyProblems),
    security(("key" = []), ()),
)]
pub async fn describe_version(
    State(service): State<Service>,
    Path((id, version)): Path<(String, String)>,
) -> Result<Json<ModelMetadata>, Failure> {
    Ok(Json(ModelMetadata::new(&*model(&service, &id, Some(&version))?)))
}

/// Whether a model is ready, in the Open Inference Protocol.
///
/// 503 if it is still being loaded, or if the service is about to shut down.
#[utoipa::path(
    get, path = "/v2/models/{id}/ready", tag = "kserve", operation_id = "v2_model_ready",
    params(("id" = String, Path, description = "A model's id", example = "sentiment-en")),
    responses((status = 200, description = "It is", body = ModelReady), ReadyProblems),
    security(("key" = []), ()),
)]
pub async fn model_ready(
    State(service): State<Service>,
    Path(id): Path<String>,
) -> Result<Json<ModelReady>, Failure> {
    Ok(Json(ModelReady::of(&service, id)?))
}

/// Whether one version of a model is ready, in the Open Inference Protocol.
///
/// The version is the model's revision.
#[utoipa::path(
    get, path = "/v2/models/{id}/versions/{version}/ready", tag = "kserve",
    operation_id = "v2_version_ready",
    params(
        ("id" = String, Path, description = "A model's id", example = "sentiment-en"),
        ("version" = String, Path, description = "Its revision"),
    ),
    responses((status = 200, description = "It is", body = ModelReady), ReadyProblems),
    security(("key" = []), ()),
)]
pub async fn version_ready(
    State(service): State<Service>,
    Path((id, version)): Path<(String, String)>,
) -> Result<Json<ModelReady>, Failure> {
    model(&service, &id, Some(&version))?;
    Ok(Json(ModelReady::of(&service, id)?))
}
