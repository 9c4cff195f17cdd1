//! The windows of a long text.

use serde::Serialize;
use utoipa::ToSchema;

use super::{PredictionBody, number};
use crate::explanation::{self, WindowShare};

/// One window and its share of the explanations.
#[derive(Serialize, ToSchema)]
pub struct WindowPart {
    /// The half-open range of its tokens in `tokens`, of the text that was split.
    #[schema(min_items = 2, max_items = 2)]
    pub tokens: [usize; 2],
    #[serde(flatten)]
    pub prediction: PredictionBody,
    /// Its share of each explanation that it contributes to.
    pub explanations: Vec<Share>,
}

/// Contribution of a window to one explanation: all its values times `weight`.
#[derive(Serialize, ToSchema)]
pub struct Share {
    /// The index in the result's `explanations`.
    pub explanation: usize,
    pub weight: f32,
    pub output_value: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline_value: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub convergence_delta: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub converged: Option<bool>,
}

pub fn part(part: explanation::WindowPart) -> WindowPart {
    WindowPart {
        tokens: [part.tokens.start, part.tokens.end],
        prediction: part.predicted.into(),
        explanations: part.shares.iter().map(share).collect(),
    }
}

fn share(share: &WindowShare) -> Share {
    Share {
        explanation: share.explanation,
        weight: number(share.weight),
        output_value: number(share.output_value),
        baseline_value: share.completeness.map(|c| number(c.baseline_value)),
        convergence_delta: share.completeness.map(|c| number(c.convergence_delta)),
        converged: share.completeness.map(|c| c.converged),
    }
}
