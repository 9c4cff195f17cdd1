//! POST /explain and POST /predict.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::Span;

use super::Service;
use super::body::JsonBody;
use super::openapi::WorkProblems;
use super::problem::{Failure, Problem};
use super::request::{ExplainRequest, PredictRequest};
use super::stream;
use crate::error::{Code, Error, Result};
use crate::explanation::{Answer, Question};
use crate::render::json;

/// Explain inputs: predictions, attributions of tokens and words, attention.
///
/// In a list, an input that fails gives an element with `error`, and the
/// others their answers; only where every input fails is the status an error.
#[utoipa::path(
    post, path = "/explain", tag = "explanations",
    request_body(content = ExplainRequest, example = json!({"inputs": "This movie is really great."})),
    responses((status = 200, description = "Explanations, one an input", body = json::ExplainResponse<Problem>), WorkProblems),
)]
pub async fn explain(
    State(service): State<Service>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ExplainRequest>,
) -> Result<Response, Failure> {
    service.open()?;
    let lines = headers.get(header::ACCEPT).is_some_and(|value| value == stream::NDJSON);
    if lines {
        let question = request.into_question(&service.explainer)?;
        return Ok(stream::lines(service.explainer.prepare(question).await?));
    }
    accepts_json(&headers)?;
    let question = request.into_question(&service.explainer)?;
    let answer = answer(&service, question).await?;
    json_response(move || json::explain(answer, |error| Problem::new(error, None))).await
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
    accepts_json(&headers)?;
    let question = request.into_question(&service.explainer)?;
    let answer = answer(&service, question).await?;
    json_response(move || json::predict(answer, |error| Problem::new(error, None))).await
}

/// The answer, or the failures where no input has one.
pub async fn answer(service: &Service, question: Question) -> Result<Answer, Failure> {
    let answer = service.explainer.explain(question).await?;
    let failed = |(_, result): &(_, Result<_>)| result.as_ref().err().cloned();
    let every: Option<Vec<Error>> = answer.results.iter().map(failed).collect();
    match every.map(Vec::into_iter).and_then(|mut errors| Some((errors.next()?, errors))) {
        Some((error, others)) => Err(Failure { error, others: others.collect() }),
        None => Ok(answer),
    }
}

/// Writes JSON on a thread that may block: attention can be millions of
/// numbers.
pub async fn json_response<T: Serialize>(
    render: impl FnOnce() -> T + Send + 'static,
) -> Result<Response, Failure> {
    // The request's span goes along: an input's internal error is logged there.
    let span = Span::current();
    let write = move || span.in_scope(|| serde_json::to_vec(&render()));
    let bytes = tokio::task::spawn_blocking(write)
        .await
        .map_err(Error::internal)?
        .map_err(Error::internal)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

/// Refuses a caller that takes no JSON.
fn accepts_json(headers: &HeaderMap) -> Result<()> {
    let ranges: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|range| !range.is_empty())
        .collect();
    if ranges.is_empty() || ranges.iter().any(|range| covers_json(range)) {
        return Ok(());
    }
    Err(Error::new(Code::NotAcceptable, "answers are application/json; accept that"))
}

/// Whether a media range of an Accept header allows JSON.
fn covers_json(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let refused = parts
        .filter_map(|part| part.to_ascii_lowercase().strip_prefix("q=").map(str::to_owned))
        .any(|quality| quality.parse::<f32>().is_ok_and(|quality| quality == 0.));
    !refused && matches!(kind.as_str(), "*/*" | "application/*" | "application/json")
}

#[cfg(test)]
mod tests {
    use super::covers_json;

    #[test]
    fn media_ranges() {
        for range in ["*/*", "application/*;q=0.5", "Application/JSON; charset=utf-8"] {
            assert!(covers_json(range), "{range}");
        }
        for range in ["text/html", "application/json;q=0", "application/jsonl", ""] {
            assert!(!covers_json(range), "{range}");
        }
    }
}
