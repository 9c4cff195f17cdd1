//! The Open Inference Protocol (KServe's V2) over REST: texts in, named tensors out, as JSON or with
//! the binary tensor data extension.

pub mod metadata;
pub mod outputs;
pub mod question;
pub mod request;
pub mod response;
pub mod tensor;

use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::relocated;
use crate::error::{Code, Error, Result};
use crate::explanation::Answer;
use crate::http::body::RawBody;
use crate::http::cache::cached;
use crate::http::caller::Caller;
use crate::http::openapi::WorkProblems;
use crate::http::problem::Failure;
use crate::http::respond;
use crate::http::timeout::RequestTimeout;
use crate::http::{Service, extract};
use crate::model::Model;
use question::{Meaning, meaning};
use request::InferenceRequest;
use response::InferenceResponse;

/// Infer, in the Open Inference Protocol.
///
/// Returns the requested outputs, or those of a prediction. If an input fails, all do. With the
/// binary tensor data extension, the body is `application/octet-stream`: JSON of which the header
/// `Inference-Header-Content-Length` has the length, and tensors after it.
#[utoipa::path(
    post, path = "/v2/models/{id}/infer", tag = "kserve", operation_id = "v2_infer",
    params(("id" = String, Path, description = "A model's id", example = "sentiment-en"), RequestTimeout),
    request_body(
        content = InferenceRequest,
        example = json!({
            "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["This movie is really great."]}],
            "outputs": [{"name": "label"}, {"name": "word_attributions"}],
        }),
    ),
    responses(
        (
            status = 200, description = "The outputs",
            content((InferenceResponse<'static> = "application/json"), ("application/octet-stream")),
        ),
        WorkProblems,
    ),
    security(("key" = []), ()),
)]
pub async fn infer(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: RawBody,
) -> Result<Response, Failure> {
    answer(service, caller, id, None, headers, body).await
}

/// Infer with one version of a model, in the Open Inference Protocol.
///
/// The version is the model's revision; with any other one, the status is 404.
#[utoipa::path(
    post, path = "/v2/models/{id}/versions/{version}/infer", tag = "kserve",
    operation_id = "v2_infer_version",
    params(
        ("id" = String, Path, description = "A model's id", example = "sentiment-en"),
        ("version" = String, Path, description = "Its revision"), RequestTimeout,
    ),
    request_body(
        content = InferenceRequest,
        example = json!({
            "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["This movie is really great."]}],
        }),
    ),
    responses(
        (
            status = 200, description = "The outputs",
            content((InferenceResponse<'static> = "application/json"), ("application/octet-stream")),
        ),
        WorkProblems,
    ),
    security(("key" = []), ()),
)]
pub async fn infer_version(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    Path((id, version)): Path<(String, String)>,
    headers: HeaderMap,
    body: RawBody,
) -> Result<Response, Failure> {
    answer(service, caller, id, Some(version), headers, body).await
}

async fn answer(
    service: Service,
    caller: Caller,
    id: String,
    version: Option<String>,
    headers: HeaderMap,
    RawBody(bytes, permit): RawBody,
) -> Result<Response, Failure> {
    let work = service.work.clone();
    work.run(async move {
        let _permit = permit;
        let model = model(&service, &id, version.as_deref())?;
        let infer = request::read(&headers, &bytes)?;
        drop(bytes);
        let id = infer.id.clone();
        let Meaning { request, outputs, places } = meaning(&model, infer)?;
        let of_request = |failure| relocated(failure, |error| places.located(error));
        let (question, key) = extract::question(&service, &caller, &headers, request)
            .map_err(|error| places.located(error))?;
        let shown: Vec<_> = outputs.iter().map(|one| (one.output.name, one.is_binary)).collect();
        let key =
            key.map(|key| key.depending_on(format!("{id:?} {shown:?}")).for_format("/v2", ""));
        let limit = service.limits.response_bytes;
        let render = move |answer: Answer, writer: &mut _| {
            let tensors = response::tensors(answer, &outputs, limit)?;
            response::write(&model, id.as_deref(), &tensors, &outputs, writer)
        };
        let compute = respond::with_headers(&service, question, render);
        cached(service.cache.as_ref(), key, compute).await.map_err(of_request)
    })
    .await
}

/// Returns the model of this id and version.
pub fn model(service: &Service, id: &str, version: Option<&str>) -> Result<Arc<Model>> {
    let model = service.explainer.pool.get(Some(id))?;
    match version.filter(|version| **version != *model.revision) {
        None => Ok(model),
        Some(version) => {
            let detail = format!("{id} has no version {version:?}; it has {}", model.revision);
            Err(Error::new(Code::ModelNotFound, detail))
        }
    }
}
