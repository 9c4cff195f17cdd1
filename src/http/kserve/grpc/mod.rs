//! The Open Inference Protocol over gRPC: its six calls, on the port of the other routes, with their
//! admission, keys, limits and accounts. A handler fails with a problem as any other does;
//! [`wire::statuses`] converts it.

mod convert;
mod messages;
pub mod wire;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;

use super::v2::metadata::{ModelMetadata, SERVER};
use super::v2::question::{Meaning, meaning};
use super::v2::{model, response};
use super::{ModelReady, relocated};
use crate::error::{Code, Error};
use crate::http::body::RawBody;
use crate::http::caller::Caller;
use crate::http::problem::Failure;
use crate::http::{Service, extract, respond};
use messages::{
    ModelInferRequest, ModelReadyResponse, ModelRequest, ServerLiveRequest, ServerLiveResponse,
    ServerMetadataRequest, ServerMetadataResponse, ServerReadyRequest, ServerReadyResponse,
};
use wire::message;

/// The calls.
pub fn routes(router: Router<Service>) -> Router<Service> {
    router
        .route("/inference.GRPCInferenceService/ServerLive", post(server_live))
        .route("/inference.GRPCInferenceService/ServerReady", post(server_ready))
        .route("/inference.GRPCInferenceService/ModelReady", post(model_ready))
        .route("/inference.GRPCInferenceService/ServerMetadata", post(server_metadata))
        .route("/inference.GRPCInferenceService/ModelMetadata", post(model_metadata))
        .route("/inference.GRPCInferenceService/ModelInfer", post(model_infer))
}

async fn server_live(RawBody(bytes, _): RawBody) -> Result<Response, Failure> {
    message::<ServerLiveRequest>(&bytes)?;
    Ok(wire::response(&ServerLiveResponse { live: true })?)
}

async fn server_ready(
    State(service): State<Service>,
    RawBody(bytes, _): RawBody,
) -> Result<Response, Failure> {
    message::<ServerReadyRequest>(&bytes)?;
    let ready = service.ready().await.is_ok();
    Ok(wire::response(&ServerReadyResponse { ready })?)
}

/// A model that is still being loaded is not ready; one that does not exist is an error.
async fn model_ready(
    State(service): State<Service>,
    RawBody(bytes, _): RawBody,
) -> Result<Response, Failure> {
    let request: ModelRequest = message(&bytes)?;
    let found = model(&service, &request.name, version(&request.version));
    let ready = match found.and_then(|_| ModelReady::of(&service, request.name)) {
        Ok(_) => true,
        Err(Error { code: Code::NotReady | Code::Draining, .. }) => false,
        Err(error) => return Err(error.into()),
    };
    Ok(wire::response(&ModelReadyResponse { ready })?)
}

async fn server_metadata(RawBody(bytes, _): RawBody) -> Result<Response, Failure> {
    message::<ServerMetadataRequest>(&bytes)?;
    Ok(wire::response(&ServerMetadataResponse {
        name: SERVER.name.to_owned(),
        version: SERVER.version.to_owned(),
        extensions: SERVER.extensions.map(str::to_owned).into(),
    })?)
}

async fn model_metadata(
    State(service): State<Service>,
    RawBody(bytes, _): RawBody,
) -> Result<Response, Failure> {
    let request: ModelRequest = message(&bytes)?;
    let model = model(&service, &request.name, version(&request.version))?;
    Ok(wire::response(&convert::metadata(ModelMetadata::new(&model)))?)
}

async fn model_infer(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    RawBody(bytes, permit): RawBody,
) -> Result<Response, Failure> {
    let work = service.work.clone();
    work.run(async move {
        let _permit = permit;
        let request: ModelInferRequest = message(&bytes)?;
        drop(bytes);
        let model = model(&service, &request.model_name, version(&request.model_version))?;
        let (infer, form) = convert::infer(request)?;
        let id = infer.id.clone().unwrap_or_default();
        let Meaning { request, outputs, places } = meaning(&model, infer)?;
        let read = extract::question(&service, &caller, &headers, request);
        let (question, _) = read.map_err(|error| places.located(error))?;
        let answer = respond::answer(&service, question).await;
        let answer = answer.map_err(|failure| relocated(failure, |error| places.located(error)))?;
        let limit = service.limits.response_bytes;
        let encode = move || {
            let tensors = response::tensors(answer, &outputs, limit)?;
            wire::response(&convert::response(&model, id, tensors, &outputs, form)?)
        };
        Ok(tokio::task::spawn_blocking(encode).await.map_err(Error::internal)??)
    })
    .await
}

/// An empty version is none.
fn version(version: &str) -> Option<&str> {
    Some(version).filter(|version| !version.is_empty())
}
