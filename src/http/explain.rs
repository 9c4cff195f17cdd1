//! POST /explain, POST /predict and POST /estimate.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::accept::{self, Format};
use super::body::JsonBody;
use super::cache::cached;
use super::caller::Caller;
use super::estimate::EstimateResponse;
use super::openapi::WorkProblems;
use super::problem::{Failure, Problem};
use super::request::{ExplainRequest, PredictRequest};
use super::timeout::RequestTimeout;
use super::{Service, extract, respond, stream};
use crate::render::json::{self, Line};

/// Explain inputs: predictions, attributions of tokens and words, attention.
///
/// In a list, an input that fails gets an element with `error`; the others are answered. The
/// status is an error only if all inputs fail. For NDJSON, whose status is sent earlier, it is an
/// error only if no input can be read.
#[utoipa::path(
    post, path = "/explain", tag = "explanations", params(RequestTimeout),
    request_body(content = ExplainRequest, example = json!({"inputs": "This movie is really great."})),
    responses(
        (
            status = 200,
            description = "Explanations, one per input, in the format that Accept prefers. The \
                           picture shows the first input. NDJSON lines are sent as soon as they \
                           are ready",
            content(
                (json::ExplainResponse<Problem> = "application/json"),
                (String = "text/html"),
                (String = "image/svg+xml"),
                ("application/x-safetensors"),
                (Line<Problem> = "application/x-ndjson"),
            ),
        ),
        WorkProblems,
    ),
    security(("key" = []), ()),
)]
pub async fn explain(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    JsonBody(request, permit): JsonBody<ExplainRequest>,
) -> Result<Response, Failure> {
    let format = accept::choose(&headers, Format::ALL)?;
    let work = service.work.clone();
    work.run(async move {
        let _permit = permit;
        let (question, key) = extract::question(&service, &caller, &headers, request)?;
        if format == Format::Lines {
            let prepared = service.explainer.prepare(question).await?;
            // If no input can be read, the response is an error instead of lines.
            return match prepared.unreadable().and_then(respond::all_failed) {
                Some(failure) => Err(failure),
                None => Ok(stream::lines(&service, prepared)),
            };
        }
        let key = key.map(|key| key.for_format("/explain", format.media_type()));
        let compute = respond::respond(&service, format, question);
        cached(service.cache.as_ref(), key, compute).await
    })
    .await
}

/// Predictions only.
///
/// The response of POST /explain without methods, attention and tokens.
#[utoipa::path(
    post, path = "/predict", tag = "explanations", params(RequestTimeout),
    request_body(content = PredictRequest, example = json!({"inputs": "This movie is really great."})),
    responses((status = 200, description = "Predictions, one per input", body = json::PredictResponse<Problem>), WorkProblems),
    security(("key" = []), ()),
)]
pub async fn predict(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    JsonBody(request, permit): JsonBody<PredictRequest>,
) -> Result<Response, Failure> {
    let format = accept::choose(&headers, &[Format::Json])?;
    let work = service.work.clone();
    work.run(async move {
        let _permit = permit;
        let (question, key) = extract::question(&service, &caller, &headers, request)?;
        let key = key.map(|key| key.for_format("/predict", format.media_type()));
        let predict = |answer| json::predict(answer, respond::problem);
        cached(service.cache.as_ref(), key, respond::json(&service, question, predict)).await
    })
    .await
}

/// Estimate the cost of a request: tokens, rows per method, expected milliseconds.
///
/// Takes the body of POST /explain. Texts are tokenized, but no model is run.
#[utoipa::path(
    post, path = "/estimate", tag = "explanations", params(RequestTimeout),
    request_body(content = ExplainRequest, example = json!({"inputs": "This movie is really great.", "methods": ["lime"]})),
    responses((status = 200, description = "The estimate", body = EstimateResponse), WorkProblems),
    security(("key" = []), ()),
)]
pub async fn estimate(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    JsonBody(request, permit): JsonBody<ExplainRequest>,
) -> Result<Json<EstimateResponse>, Failure> {
    accept::choose(&headers, &[Format::Json])?;
    let work = service.work.clone();
    work.run(async move {
        let _permit = permit;
        let (question, _) = extract::question(&service, &caller, &headers, request)?;
        let model = question.model.id.clone();
        let estimate = service.explainer.estimate(question).await?;
        let cost_limit = service.explainer.engine.admission.capacity();
        Ok(Json(EstimateResponse::new(model, estimate, cost_limit)))
    })
    .await
}
