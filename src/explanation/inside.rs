//! What the layers and heads of a model contribute to one output, as requested and as returned.

use super::{Predicted, Resolved};
use crate::choice::choices;
use crate::rows::AttentionHead;

choices! {
    /// A view inside the model.
    pub enum View {
        /// What the head answers from the states after each layer.
        Lens = "lens",
        /// The score of each token at each layer.
        Conductance = "conductance",
        /// The importance of each attention head.
        HeadImportance = "head_importance",
        /// What changes without each of the most important heads.
        Ablation = "ablation",
    }
}

/// The requested views of one input.
#[derive(Default)]
pub struct Inside {
    pub lens: Option<Lens>,
    pub conductance: Option<Conductance>,
    pub head_importance: Option<HeadImportance>,
    pub ablation: Option<Ablation>,
}

/// What the head answers from the states after the embeddings, and after every layer (nostalgebraist
/// 2020). The last one is the model's own answer.
pub enum Lens {
    Predictions {
        predictions: Vec<Predicted>,
        /// The first layer from which on the prediction is the model's own. 0 is the embeddings.
        decided_at: usize,
    },
    /// The cosine of two texts, both embedded from the states after the layer.
    Similarity(Vec<f64>),
}

/// The conductance of every token at every layer (Dhamdhere, Sundararajan & Yan 2018).
pub struct Conductance {
    pub target: Resolved,
    /// `[layers][tokens]`, from the first layer.
    pub tokens: Vec<Vec<f64>>,
    /// `[layers][words]`, the sums of their tokens.
    pub words: Vec<Vec<f64>>,
    /// Per layer, the sum of the scores minus the change of the scalar from the baseline.
    pub deltas: Vec<f64>,
    pub converged: bool,
    /// Number of gradients along the path.
    pub n_steps: usize,
}

impl Conductance {
    /// Returns the delta of the layer where it is largest in magnitude.
    pub fn convergence_delta(&self) -> f64 {
        self.deltas.iter().copied().fold(0., |a, b| if b.abs() > a.abs() { b } else { a })
    }
}

impl Inside {
    /// Appends the units of a second text, which have no scores of their own.
    pub fn pad(&mut self, tokens: usize, words: usize) {
        let Some(conductance) = &mut self.conductance else { return };
        let pad = |rows: &mut Vec<Vec<f64>>, more: usize| {
            rows.iter_mut().for_each(|row| row.extend(std::iter::repeat_n(0., more)));
        };
        pad(&mut conductance.tokens, tokens);
        pad(&mut conductance.words, words);
    }
}

/// The derivative of the scalar with respect to a factor on each head's context, at 1 (Michel,
/// Levy & Neubig 2019), signed.
pub struct HeadImportance {
    pub target: Resolved,
    /// `[layers][heads]`
    pub scores: Vec<Vec<f64>>,
}

/// How much the scalar changes without single heads.
pub struct Ablation {
    pub target: Resolved,
    /// The heads with the largest importance in magnitude, largest first.
    pub heads: Vec<(AttentionHead, f64)>,
}
