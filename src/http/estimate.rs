//! POST /estimate: what a request would cost, before it is sent.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use super::accept::{self, Form};
use super::ask::RequestTimeout;
use super::body::JsonBody;
use super::gate::Caller;
use super::openapi::WorkProblems;
use super::problem::Failure;
use super::request::ExplainRequest;
use super::{Service, ask};
use crate::explainer::{Estimate, MethodEstimate};

/// What a request would take. Nothing was run.
#[derive(Serialize, ToSchema)]
pub struct EstimateResponse {
    /// The model that would answer.
    model: String,
    /// Of all inputs together.
    tokens: usize,
    forward_rows: usize,
    gradient_rows: usize,
    /// In the order of the request's methods.
    methods: Vec<MethodPrice>,
    /// Rows beside the methods': first passes, attention, measures.
    other_rows: usize,
    /// Tokens x rows x layers, which the queue is measured in.
    cost: usize,
    /// The most that is taken at once; a request over it is refused.
    cost_limit: usize,
    /// On all cores, at the pace of this model's recent passes. Methods that adapt
    /// are priced at what most inputs take.
    expected_ms: f32,
    /// For the work of others that is in flight.
    queue_ms: f32,
}

impl EstimateResponse {
    fn new(model: String, estimate: Estimate, cost_limit: usize) -> Self {
        Self {
            model,
            tokens: estimate.tokens,
            forward_rows: estimate.forward_rows,
            gradient_rows: estimate.gradient_rows,
            methods: estimate.methods.iter().map(MethodPrice::new).collect(),
            other_rows: estimate.other_rows,
            cost: estimate.cost,
            cost_limit,
            expected_ms: estimate.time.as_secs_f32() * 1e3,
            queue_ms: estimate.queue.as_secs_f32() * 1e3,
        }
    }
}

/// What one method would take.
#[derive(Serialize, ToSchema)]
pub struct MethodPrice {
    method: &'static str,
    forward_rows: usize,
    gradient_rows: usize,
    expected_ms: f32,
}

impl MethodPrice {
    fn new(method: &MethodEstimate) -> Self {
        Self {
            method: method.name,
            forward_rows: method.forward_rows,
            gradient_rows: method.gradient_rows,
            expected_ms: method.time.as_secs_f32() * 1e3,
        }
    }
}

/// Price a request: tokens, rows of each method, expected milliseconds.
///
/// Takes the body of POST /explain. Texts are tokenised; nothing is run.
#[utoipa::path(
    post, path = "/estimate", tag = "explanations", params(RequestTimeout),
    request_body(content = ExplainRequest, example = json!({"inputs": "This movie is really great.", "methods": ["lime"]})),
    responses((status = 200, description = "The price", body = EstimateResponse), WorkProblems),
    security(("key" = []), ()),
)]
pub async fn estimate(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    JsonBody(request, room): JsonBody<ExplainRequest>,
) -> Result<Json<EstimateResponse>, Failure> {
    accept::choose(&headers, &[Form::Json])?;
    let work = service.work.clone();
    work.run(async move {
        let _room = room;
        let (question, _) = ask::question(&service, &caller, &headers, request)?;
        let model = question.model.id.clone();
        let estimate = service.explainer.estimate(question).await?;
        let cost_limit = service.explainer.engine.admission.capacity();
        Ok(Json(EstimateResponse::new(model, estimate, cost_limit)))
    })
    .await
}
