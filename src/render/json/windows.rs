//! The parts of a text that was read in several.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Said, number};
use crate::explanation::{self, WindowShare};

/// One part, and what it adds.
#[derive(Serialize, ToSchema)]
pub struct WindowPart {
    /// Its tokens of the text that was cut, `[first, last)` of `tokens`.
    #[schema(min_items = 2, max_items = 2)]
    pub tokens: [usize; 2],
    #[serde(flatten)]
    pub said: Said,
    /// Of each explanation that it counts for.
    pub explanations: Vec<Share>,
}

/// What a part adds to one explanation: everything times `weight`.
#[derive(Serialize, ToSchema)]
pub struct Share {
    /// Its place in the result's `explanations`.
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
        said: part.predicted.into(),
        explanations: part.shares.iter().map(share).collect(),
    }
}

fn share(share: &WindowShare) -> Share {
    Share {
        explanation: share.explanation,
        weight: number(share.weight),
        output_value: number(share.output_value),
        baseline_value: share.completeness.map(|whole| number(whole.baseline_value)),
        convergence_delta: share.completeness.map(|whole| number(whole.convergence_delta)),
        converged: share.completeness.map(|whole| whole.converged),
    }
}
