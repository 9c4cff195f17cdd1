//! POST /explain and POST /predict.

use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::accept::{self, Form};
use super::ask::RequestTimeout;
use super::body::JsonBody;
use super::cache::answered;
use super::gate::Caller;
use super::openapi::WorkProblems;
use super::problem::{Failure, Problem};
use super::request::{ExplainRequest, PredictRequest};
use super::{Service, ask, formats, stream};
use crate::render::json::{self, Line};

/// Explain inputs: predictions, attributions of tokens and words, attention.
///
/// In a list, an input that fails gives an element with `error`, and the
/// others their answers; only where every input fails is the status an error. With
/// lines it was sent before: only where no input can be read.
#[utoipa::path(
    post, path = "/explain", tag = "explanations", params(RequestTimeout),
    request_body(content = ExplainRequest, example = json!({"inputs": "This movie is really great."})),
    responses(
        (
            status = 200,
            description = "Explanations, one an input, in the form that Accept likes best; the \
                           picture has the first input's, lines come as they are \
                           ready",
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
    JsonBody(request, room): JsonBody<ExplainRequest>,
) -> Result<Response, Failure> {
    let form = accept::choose(&headers, Form::ALL)?;
    let work = service.work.clone();
    work.run(async move {
        let _room = room;
        let (question, key) = ask::question(&service, &caller, &headers, request)?;
        if form == Form::Lines {
            let prepared = service.explainer.prepare(question).await?;
            // Lines, unless it is known before the first one that no input has an answer.
            return match prepared.unreadable().and_then(formats::of_all) {
                Some(failure) => Err(failure),
                None => Ok(stream::lines(&service, prepared)),
            };
        }
        let key = key.map(|key| key.in_form("/explain", form.media_type()));
        let compute = formats::respond(&service, form, question);
        answered(service.cache.as_ref(), key, compute).await
    })
    .await
}

/// Predictions only.
///
/// What POST /explain answers without methods, attention and tokens.
#[utoipa::path(
    post, path = "/predict", tag = "explanations", params(RequestTimeout),
    request_body(content = PredictRequest, example = json!({"inputs": "This movie is really great."})),
    responses((status = 200, description = "Predictions, one an input", body = json::PredictResponse<Problem>), WorkProblems),
    security(("key" = []), ()),
)]
pub async fn predict(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    JsonBody(request, room): JsonBody<PredictRequest>,
) -> Result<Response, Failure> {
    let form = accept::choose(&headers, &[Form::Json])?;
    let work = service.work.clone();
    work.run(async move {
        let _room = room;
        let (question, key) = ask::question(&service, &caller, &headers, request)?;
        let key = key.map(|key| key.in_form("/predict", form.media_type()));
        let predict = |answer| json::predict(answer, formats::problem);
        answered(service.cache.as_ref(), key, formats::json(&service, question, predict)).await
    })
    .await
}
