//! POST /explain and POST /predict.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::accept::{self, Form};
use super::body::JsonBody;
use super::openapi::WorkProblems;
use super::problem::{Failure, Problem};
use super::request::{ExplainRequest, PredictRequest};
use super::{Service, formats};
use crate::error::{Error, Result};
use crate::explanation::{Answer, Question};
use crate::render::json;

/// Explain inputs: predictions, attributions of tokens and words, attention.
///
/// In a list, an input that fails gives an element with `error`, and the
/// others their answers; only where every input fails is the status an error.
#[utoipa::path(
    post, path = "/explain", tag = "explanations",
    request_body(content = ExplainRequest, example = json!({"inputs": "This movie is really great."})),
    responses(
        (
            status = 200,
            description = "Explanations, one an input, in the form that Accept likes best; the \
                           picture has the first input's",
            content(
                (json::ExplainResponse<Problem> = "application/json"),
                (String = "text/html"),
                (String = "image/svg+xml"),
                ("application/x-safetensors"),
            ),
        ),
        WorkProblems,
    ),
)]
pub async fn explain(
    State(service): State<Service>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ExplainRequest>,
) -> Result<Response, Failure> {
    service.open()?;
    let form = accept::choose(&headers, Form::ALL)?;
    let question = request.into_question(&service.explainer)?;
    let answer = answer(&service, question).await?;
    Ok(formats::respond(form, answer).await?)
}

/// Predictions only.
#[utoipa::path(
    post, path = "/predict", tag = "explanations",
    request_body(content = PredictRequest, example = json!({"inputs": "This movie is really great."})),
    responses((status = 200, description = "Predictions, one an input", body = json::PredictResponse<Problem>), WorkProblems),
)]
pub async fn predict(
    State(service): State<Service>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<PredictRequest>,
) -> Result<Response, Failure> {
    service.open()?;
    accept::choose(&headers, &[Form::Json])?;
    let question = request.into_question(&service.explainer)?;
    let answer = answer(&service, question).await?;
    Ok(formats::predictions(answer).await?)
}

/// The answer, or the failures where no input has one.
async fn answer(service: &Service, question: Question) -> Result<Answer, Failure> {
    let answer = service.explainer.explain(question).await?;
    let failed = |(_, result): &(_, Result<_>)| result.as_ref().err().cloned();
    let every: Option<Vec<Error>> = answer.results.iter().map(failed).collect();
    match every.map(Vec::into_iter).and_then(|mut errors| Some((errors.next()?, errors))) {
        Some((error, others)) => Err(Failure { error, others: others.collect() }),
        None => Ok(answer),
    }
}
