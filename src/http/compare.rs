//! POST /explain/compare: every method on one input, measured and ranked.

use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::accept::{self, Form};
use super::ask::RequestTimeout;
use super::body::JsonBody;
use super::cache::answered;
use super::gate::Caller;
use super::openapi::WorkProblems;
use super::problem::{Failure, Problem};
use super::request::{ExplainRequest, MethodShape};
use super::shapes::{OneOrMany, PlainOr};
use super::{Service, ask, formats};
use crate::attribution::METHODS;
use crate::evaluation::ranking;
use crate::explanation::{Answer, Explained};
use crate::render::json::{self, ExplainItem, ModelEcho, Usage};

/// The answer of POST /explain/compare.
#[derive(Serialize, ToSchema)]
pub struct CompareResponse {
    model: ModelEcho,
    /// One an input, in the order of the inputs.
    results: Vec<Compared>,
    usage: Usage,
}

/// What POST /explain answers of one input, and which method to believe first.
#[derive(Serialize, ToSchema)]
pub struct Compared {
    #[serde(flatten)]
    explained: ExplainItem<Problem>,
    /// The most faithful method first, by its mean place by comprehensiveness,
    /// sufficiency and infidelity.
    ranking: Vec<Ranked>,
}

/// A method's mean place; 1 is the best.
#[derive(Serialize, ToSchema)]
pub struct Ranked {
    method: String,
    mean_rank: f32,
}

/// Compare methods: which should be trusted for this input?
///
/// Takes the body of POST /explain. Every method with its defaults, unless
/// `methods` names some; every measure, unless `evaluate` does.
#[utoipa::path(
    post, path = "/explain/compare", tag = "explanations", params(RequestTimeout),
    request_body(content = ExplainRequest, example = json!({"inputs": "This movie is really great."})),
    responses((status = 200, description = "Measured explanations and a ranking, one an input", body = CompareResponse), WorkProblems),
    security(("key" = []), ()),
)]
pub async fn compare(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    JsonBody(mut request, room): JsonBody<ExplainRequest>,
) -> Result<Response, Failure> {
    let form = accept::choose(&headers, &[Form::Json])?;
    let every = || METHODS.iter().map(|entry| MethodShape::Name(entry.name.to_owned())).collect();
    request.methods.get_or_insert_with(every);
    request.evaluate.get_or_insert_with(|| OneOrMany::One(PlainOr::Plain("all".to_owned())));
    let work = service.work.clone();
    work.run(async move {
        let _room = room;
        let (question, key) = ask::question(&service, &caller, &headers, request)?;
        let key = key.map(|key| key.in_form("/explain/compare", form.media_type()));
        answered(service.cache.as_ref(), key, formats::json(&service, question, response)).await
    })
    .await
}

fn response(answer: Answer) -> CompareResponse {
    let of_result = |(_, result): &(_, crate::error::Result<Explained>)| {
        let evaluation = result.as_ref().ok().and_then(|explained| explained.evaluation.as_ref());
        evaluation.map(ranking::rank).unwrap_or_default()
    };
    let rankings: Vec<_> = answer.results.iter().map(of_result).collect();
    let explained = json::explain(answer, formats::problem);
    let ranked = |ranked: ranking::Ranked| Ranked {
        method: ranked.method,
        mean_rank: ranked.mean_rank as f32,
    };
    let results = explained.results.into_iter().zip(rankings).map(|(explained, ranking)| {
        Compared { explained, ranking: ranking.into_iter().map(ranked).collect() }
    });
    CompareResponse { model: explained.model, results: results.collect(), usage: explained.usage }
}
