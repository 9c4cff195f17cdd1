//! What is put through a model and what comes back: plain data, no tensor.
//!
//! A [`Row`] is one sequence, described and not computed: token ids, a point
//! on a path between two embeddings, and what is wanted. So a row costs a few
//! dozen bytes on its way through the queue, and a gradient comes back as one
//! number a token instead of `[tokens, hidden]`.

use std::sync::Arc;

/// The ids of one sequence, special tokens included; `[tokens]` each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tokens {
    pub input_ids: Vec<u32>,
    pub token_type_ids: Vec<u32>,
}

impl Tokens {
    pub fn len(&self) -> usize {
        self.input_ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.input_ids.is_empty()
    }
}

/// A place in the model: between the words and the first layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// The word embeddings alone, before position, type and layer norm.
    WordEmbeddings,
    /// The output of the whole embedding block, after its layer norm.
    Embeddings,
}

/// The reference that an input is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Baseline {
    /// Other token ids on the same positions and types; `[tokens]`.
    Ids(Arc<[u32]>),
    /// The zero vector at the path's layer.
    Zero,
}

/// The point `x' + alpha (x - x')` at the row's layer.
#[derive(Debug, Clone)]
pub struct Path {
    pub baseline: Baseline,
    pub alpha: f64,
}

/// Which of the model's outputs a scalar is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    Logit,
    Probability,
}

/// The scalar that is explained: a weighted sum of outputs. A label is one
/// term of weight 1, a contrast two of weight 1 and -1.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    pub output: Output,
    pub terms: Vec<(usize, f64)>,
}

impl Scalar {
    /// The scalar's value, given one row's logits and probabilities.
    pub fn value(&self, logits: &[f64], probabilities: &[f64]) -> f64 {
        let outputs = match self.output {
            Output::Logit => logits,
            Output::Probability => probabilities,
        };
        self.terms.iter().map(|&(index, weight)| weight * outputs[index]).sum()
    }
}

/// How the gradient of one token, `[hidden]`, becomes one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduce {
    /// Sum of magnitudes.
    L1,
    /// Euclidean norm.
    L2,
    /// Mean of magnitudes.
    Mean,
    /// Product with the input at that layer, summed.
    TimesInput,
    /// Product with the path's `x - x'`, summed.
    TimesDifference,
}

/// A wish for the gradient of each scalar with respect to the row's layer.
#[derive(Debug, Clone)]
pub struct Gradient {
    pub reduce: Reduce,
    pub scalars: Vec<Scalar>,
}

/// One sequence to put through a model, and what is wanted of it. Logits come
/// back always.
#[derive(Debug, Clone)]
pub struct Row {
    pub tokens: Arc<Tokens>,
    /// Where its path runs and its gradient is taken.
    pub layer: Layer,
    pub path: Option<Path>,
    /// Layers whose attention is wanted, counted from 0, each once.
    pub attention: Vec<usize>,
    pub gradient: Option<Gradient>,
}

impl Row {
    /// A forward row: logits only.
    pub fn forward(tokens: Arc<Tokens>) -> Self {
        Self {
            tokens,
            layer: Layer::WordEmbeddings,
            path: None,
            attention: Vec::new(),
            gradient: None,
        }
    }
}

/// The attention of one layer, `[heads, tokens, tokens]`; each query's weights
/// over the keys sum to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionMap {
    pub heads: usize,
    pub tokens: usize,
    pub weights: Vec<f64>,
}

/// What one row gave.
#[derive(Debug, Clone)]
pub struct RowOutput {
    /// `[labels]`
    pub logits: Vec<f64>,
    /// `[labels]`, after the model's activation.
    pub probabilities: Vec<f64>,
    /// One map for each layer that the row asked for, in its order.
    pub attention: Vec<AttentionMap>,
    /// `[scalars][tokens]`, empty where no gradient was asked for.
    pub token_scores: Vec<Vec<f64>>,
}

impl RowOutput {
    /// Whether every number in it can be served.
    pub fn is_finite(&self) -> bool {
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        finite(&self.logits)
            && finite(&self.probabilities)
            && self.attention.iter().all(|map| finite(&map.weights))
            && self.token_scores.iter().all(|scores| finite(scores))
    }
}
