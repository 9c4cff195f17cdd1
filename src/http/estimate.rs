//! The responses of POST /estimate and of the estimates of evidence.

use serde::Serialize;
use utoipa::ToSchema;

use crate::explainer::{Estimate, MethodEstimate};

/// The expected cost of a request.
#[derive(Serialize, ToSchema)]
pub struct EstimateResponse {
    /// The model that would be used.
    model: String,
    /// Total of all inputs.
    tokens: usize,
    forward_rows: usize,
    gradient_rows: usize,
    /// In the order of the request's methods.
    methods: Vec<MethodPrice>,
    /// The kinds of evidence in POST /explain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<EvidencePrice>,
    /// Rows that belong to no method: first passes, attention, measures.
    other_rows: usize,
    /// Tokens x rows x layers, the unit of the queue.
    cost: usize,
    /// Maximum cost in flight; requests over it are rejected.
    cost_limit: usize,
    /// On all cores, at the speed of this model's recent passes. For adaptive methods, the time
    /// that most inputs need.
    expected_ms: f32,
    /// Expected time of the other requests in flight.
    queue_ms: f32,
}

impl EstimateResponse {
    pub fn new(model: String, estimate: Estimate, cost_limit: usize) -> Self {
        Self {
            model,
            tokens: estimate.tokens,
            forward_rows: estimate.forward_rows,
            gradient_rows: estimate.gradient_rows,
            methods: estimate.methods.iter().map(MethodPrice::new).collect(),
            evidence: estimate.evidence.iter().map(EvidencePrice::new).collect(),
            other_rows: estimate.other_rows,
            cost: estimate.cost,
            cost_limit,
            expected_ms: estimate.time.as_secs_f32() * 1e3,
            queue_ms: estimate.queue.as_secs_f32() * 1e3,
        }
    }
}

/// The expected cost of one method.
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

/// The expected cost of one kind of evidence.
#[derive(Serialize, ToSchema)]
pub struct EvidencePrice {
    kind: &'static str,
    forward_rows: usize,
    gradient_rows: usize,
    expected_ms: f32,
}

impl EvidencePrice {
    fn new(kind: &MethodEstimate) -> Self {
        Self {
            kind: kind.name,
            forward_rows: kind.forward_rows,
            gradient_rows: kind.gradient_rows,
            expected_ms: kind.time.as_secs_f32() * 1e3,
        }
    }
}
