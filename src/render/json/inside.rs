//! Views inside the model.

use serde::Serialize;
use utoipa::ToSchema;

use super::target::target;
use super::{Nested, PredictionBody, Target, number};
use crate::explanation as plain;
use crate::rows::AttentionHead;

/// What the layers and heads contribute to the first target.
#[derive(Serialize, ToSchema)]
pub struct Inside {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lens: Option<Lens>,
    /// For embedding models, in place of the lens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similarity: Option<SimilarityLens>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conductance: Option<Conductance>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_importance: Option<HeadImportance>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ablation: Option<Ablation>,
}

/// What the head answers from the states after each layer.
#[derive(Serialize, ToSchema)]
pub struct Lens {
    /// 0 is the embedding block; the last one is the served prediction.
    pub layers: Vec<usize>,
    /// Per layer, in the form that `predictions`, `masks` or `answer` of the result has.
    pub predictions: Vec<LensPrediction>,
    /// The first layer from which on the prediction is the served one.
    pub decided_at: usize,
}

/// The cosine of two texts, both embedded from the states after each layer.
#[derive(Serialize, ToSchema)]
pub struct SimilarityLens {
    /// 0 is the embedding block; the last one is the served cosine.
    pub layers: Vec<usize>,
    pub cosine: Vec<f32>,
}

/// The prediction of one layer: of the text, of each token, of each mask, or an answer.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum LensPrediction {
    Labels(Vec<super::Prediction>),
    Tokens(Vec<Vec<super::Prediction>>),
    Masks(Vec<super::prediction::Mask>),
    Answer(super::prediction::BestAnswer),
}

/// The score of each token and word at each layer. The scores of all tokens of a layer add up to
/// the change of the scalar from the baseline.
#[derive(Serialize, ToSchema)]
pub struct Conductance {
    pub target: Target,
    /// Counted from 1.
    pub layers: Vec<usize>,
    /// `[layer][token]`
    #[schema(value_type = Vec<Vec<f32>>)]
    pub token: Nested,
    /// `[layer][word]`
    #[schema(value_type = Vec<Vec<f32>>)]
    pub word: Nested,
    /// The largest difference, over the layers, of the sum of the scores from that change.
    pub convergence_delta: f32,
    /// Whether every layer's delta is within one percent of its scores' magnitudes and the last
    /// doubling of the steps did not move them.
    pub converged: bool,
    pub n_steps: usize,
}

/// The derivative of the scalar with respect to a factor on each head's context, at 1.
#[derive(Serialize, ToSchema)]
pub struct HeadImportance {
    pub target: Target,
    /// The numbers of layers and heads.
    #[schema(min_items = 2, max_items = 2)]
    pub shape: [usize; 2],
    /// `[layer][head]`, signed.
    #[schema(value_type = Vec<Vec<f32>>)]
    pub scores: Nested,
}

/// How much the scalar changes without single heads, all else being equal.
#[derive(Serialize, ToSchema)]
pub struct Ablation {
    pub target: Target,
    /// The ten heads with the largest importance in magnitude, largest first.
    pub heads: Vec<Ablated>,
}

/// The effect of switching off one attention head.
#[derive(Serialize, ToSchema)]
pub struct Ablated {
    /// Counted from 0, as in the attention.
    pub layer: usize,
    pub head: usize,
    /// The scalar without the head minus the scalar.
    pub change: f32,
}

pub fn inside(inside: plain::Inside) -> Inside {
    let (lens, similarity) = match inside.lens {
        Some(plain::Lens::Predictions { predictions, decided_at }) => {
            (Some(lens(predictions, decided_at)), None)
        }
        Some(plain::Lens::Similarity(cosine)) => (None, Some(similarity(cosine))),
        None => (None, None),
    };
    Inside {
        lens,
        similarity,
        conductance: inside.conductance.map(conductance),
        head_importance: inside.head_importance.map(head_importance),
        ablation: inside.ablation.map(ablation),
    }
}

fn similarity(cosine: Vec<f64>) -> SimilarityLens {
    SimilarityLens {
        layers: (0..cosine.len()).collect(),
        cosine: cosine.into_iter().map(number).collect(),
    }
}

fn lens(predictions: Vec<plain::Predicted>, decided_at: usize) -> Lens {
    let prediction = |predicted: plain::Predicted| match PredictionBody::from(predicted) {
        PredictionBody::Labels { predictions } => Some(LensPrediction::Labels(predictions)),
        PredictionBody::Tokens { predictions, .. } => Some(LensPrediction::Tokens(predictions)),
        PredictionBody::Masks { masks } => Some(LensPrediction::Masks(masks)),
        PredictionBody::Answer { answer, .. } => Some(LensPrediction::Answer(answer)),
        // Embedding models have a lens of their own.
        PredictionBody::Similarity { .. } => None,
    };
    Lens {
        layers: (0..predictions.len()).collect(),
        predictions: predictions.into_iter().filter_map(prediction).collect(),
        decided_at,
    }
}

fn conductance(conductance: plain::Conductance) -> Conductance {
    Conductance {
        target: target(&conductance.target),
        layers: (1..=conductance.tokens.len()).collect(),
        convergence_delta: number(conductance.convergence_delta()),
        converged: conductance.converged,
        n_steps: conductance.n_steps,
        token: matrix(conductance.tokens),
        word: matrix(conductance.words),
    }
}

fn head_importance(heads: plain::HeadImportance) -> HeadImportance {
    let shape = [heads.scores.len(), heads.scores.first().map_or(0, Vec::len)];
    HeadImportance { target: target(&heads.target), shape, scores: matrix(heads.scores) }
}

fn ablation(ablation: plain::Ablation) -> Ablation {
    let ablated = |(head, change): (AttentionHead, f64)| Ablated {
        layer: head.layer,
        head: head.head,
        change: number(change),
    };
    let heads = ablation.heads.into_iter().map(ablated).collect();
    Ablation { target: target(&ablation.target), heads }
}

fn matrix(rows: Vec<Vec<f64>>) -> Nested {
    let shape = vec![rows.len(), rows.first().map_or(0, Vec::len)];
    Nested { shape, values: rows.concat() }
}
