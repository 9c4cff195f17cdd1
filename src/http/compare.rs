//! POST /explain/compare: runs, measures and ranks all methods on an input.

use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::accept::{self, Format};
use super::body::JsonBody;
use super::cache::cached;
use super::caller::Caller;
use super::methods::MethodShape;
use super::openapi::WorkProblems;
use super::problem::{Failure, Problem};
use super::request::ExplainRequest;
use super::shapes::{OneOrMany, PlainOr};
use super::timeout::RequestTimeout;
use super::{Service, extract, respond};
use crate::attribution::{self, MethodEntry};
use crate::evaluation::ranking;
use crate::explanation::{Answer, Explained};
use crate::render::json::{self, ExplainItem, ModelEcho, Usage};

/// The response of POST /explain/compare.
#[derive(Serialize, ToSchema)]
pub struct CompareResponse {
    model: ModelEcho,
    /// One per input, in the order of the inputs.
    results: Vec<Compared>,
    usage: Usage,
}

/// The result of POST /explain for one input, and a ranking of the methods.
#[derive(Serialize, ToSchema)]
pub struct Compared {
    #[serde(flatten)]
    explained: ExplainItem<Problem>,
    /// Methods ordered by their mean rank in comprehensiveness, sufficiency and infidelity, the
    /// most faithful first.
    ranking: Vec<Ranked>,
}

/// A method's mean rank; 1 is the best.
#[derive(Serialize, ToSchema)]
pub struct Ranked {
    method: String,
    mean_rank: f32,
}

/// Compare methods: which should be trusted for this input?
///
/// Takes the body of POST /explain. By default, all methods that score no pairs are compared, with
/// their default options, by all measures; `methods` and `evaluate` select others.
#[utoipa::path(
    post, path = "/explain/compare", tag = "explanations", params(RequestTimeout),
    request_body(content = ExplainRequest, example = json!({"inputs": "This movie is really great."})),
    responses((status = 200, description = "Measured explanations and a ranking per input", body = CompareResponse), WorkProblems),
    security(("key" = []), ()),
)]
pub async fn compare(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    JsonBody(mut request, permit): JsonBody<ExplainRequest>,
) -> Result<Response, Failure> {
    let format = accept::choose(&headers, &[Format::Json])?;
    let shape = |entry: &MethodEntry| MethodShape::Name(entry.name.to_owned());
    let all = || attribution::without_pairs().map(shape).collect();
    request.methods.get_or_insert_with(|| OneOrMany::Many(all()));
    request.evaluate.get_or_insert_with(|| OneOrMany::One(PlainOr::Plain("all".to_owned())));
    let work = service.work.clone();
    work.run(async move {
        let _permit = permit;
        let (question, key) = extract::question(&service, &caller, &headers, request)?;
        let key = key.map(|key| key.for_format("/explain/compare", format.media_type()));
        cached(service.cache.as_ref(), key, respond::json(&service, question, response)).await
    })
    .await
}

fn response(answer: Answer) -> CompareResponse {
    let of_result = |(_, result): &(_, crate::error::Result<Explained>)| {
        let evaluation = result.as_ref().ok().and_then(|explained| explained.evaluation.as_ref());
        evaluation.map(ranking::rank).unwrap_or_default()
    };
    let rankings: Vec<_> = answer.results.iter().map(of_result).collect();
    let explained = json::explain(answer, respond::problem);
    let ranked = |ranked: ranking::Ranked| Ranked {
        method: ranked.method,
        mean_rank: ranked.mean_rank as f32,
    };
    let results = explained.results.into_iter().zip(rankings).map(|(explained, ranking)| {
        Compared { explained, ranking: ranking.into_iter().map(ranked).collect() }
    });
    CompareResponse { model: explained.model, results: results.collect(), usage: explained.usage }
}
