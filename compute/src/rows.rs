//! What is put through a model and what comes back: plain data, no tensor.
//!
//! A [`Row`] is one sequence, described and not computed: token ids, a point
//! on a path between two embeddings, and what is wanted. So a row costs a few
//! dozen bytes on its way through the queue, and a gradient comes back as one
//! number a token instead of `[tokens, hidden]`.

use std::sync::Arc;

use crate::random::Generator;

/// The ids of one sequence, special tokens included; `[tokens]` each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tokens {
    pub input_ids: Vec<u32>,
    pub token_type_ids: Vec<u32>,
    pub position_ids: Vec<u32>,
}

impl Tokens {
    pub fn len(&self) -> usize {
        self.input_ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.input_ids.is_empty()
    }

    /// The same places with other words.
    pub fn with_ids(&self, input_ids: Vec<u32>) -> Self {
        Self { input_ids, ..self.clone() }
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
    /// Other token ids; `[tokens]`. Token types stay the input's. Among the word
    /// embeddings positions do too; the embedding block's output has those that
    /// the model gives these ids.
    Ids(Arc<[u32]>),
    /// The zero vector at the path's layer.
    Zero,
}

/// The point `x' + alpha (x - x')` at the row's layer.
#[derive(Debug, Clone)]
pub struct Path {
    pub baseline: Baseline,
    pub alpha: f64,
    /// Among the word embeddings: what is added to x.
    pub noise: Option<Noise>,
    /// Tokens at the end that stay the input's: they have no noise, and `x - x'` is 0.
    pub held: usize,
}

impl Path {
    /// How many of `tokens` it moves: the first ones.
    pub fn moved(&self, tokens: usize) -> usize {
        tokens.saturating_sub(self.held)
    }
}

/// Gaussian noise, drawn where it is needed: token by token, dimension by
/// dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    pub generator: Generator,
    /// Its standard deviation, as a share of the range of the row's embeddings.
    pub level: f64,
}

impl Noise {
    /// One number for each of `input`, the row's embeddings one after the other.
    pub fn draw(mut self, input: impl Iterator<Item = f64> + Clone) -> Vec<f64> {
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        let (low, high) = input.clone().fold(ends, |(low, high), x| (low.min(x), high.max(x)));
        let deviation = self.level * (high - low);
        input.map(|_| deviation * self.generator.normal()).collect()
    }
}

/// Which of the model's outputs a scalar is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    Logit,
    Probability,
}

/// The scalar that is explained.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A weighted sum of outputs: a label is one term of weight 1, a contrast
    /// two of weight 1 and -1.
    Sum { output: Output, terms: Vec<(usize, f64)> },
    /// The cosine of the outputs, as one vector, with this one.
    Cosine(Arc<[f64]>),
}

impl Scalar {
    /// One output by itself.
    pub fn one(output: Output, index: usize) -> Self {
        Self::Sum { output, terms: vec![(index, 1.)] }
    }

    /// The scalar's value, given one row's logits and probabilities.
    pub fn value(&self, logits: &[f64], probabilities: &[f64]) -> f64 {
        match self {
            Self::Sum { output, terms } => {
                let outputs = match output {
                    Output::Logit => logits,
                    Output::Probability => probabilities,
                };
                terms.iter().map(|&(index, weight)| weight * outputs[index]).sum()
            }
            Self::Cosine(other) => dot(logits, other) / (norm(logits) * norm(other)),
        }
    }
}

/// `Σ a b`
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The Euclidean norm.
pub fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
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
    /// Not at all: `[tokens, hidden]` comes back.
    Keep,
}

/// Which attention a row gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maps {
    /// Counted from 0, each once.
    pub layers: Vec<usize>,
    pub kind: MapKind,
    pub heads: MapHeads,
}

impl Maps {
    /// One map of each of a model's layers.
    pub fn of_all(layers: usize, kind: MapKind) -> Self {
        Self { layers: (0..layers).collect(), kind, heads: MapHeads::Together }
    }
}

/// What a map is made of, with A the weights, query by key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MapKind {
    /// A itself.
    #[default]
    Weights,
    /// `‖A f(x)‖`, f a head's way from a key's state to the output of the
    /// attention (Kobayashi et al. 2020).
    Norms,
    /// `A ∂F/∂A`, F the first scalar that the row differentiates.
    Gradients,
    /// The same where it is positive, else 0 (Chefer et al. 2021).
    PositiveGradients,
}

impl MapKind {
    /// Whether a walk back gives it.
    pub fn needs_gradient(self) -> bool {
        matches!(self, Self::Gradients | Self::PositiveGradients)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MapHeads {
    #[default]
    Each,
    /// One map a layer: their mean; of norms, the norm of their sum.
    Together,
}

/// What a row gives.
#[derive(Debug, Clone)]
pub enum Want {
    /// Every output.
    Outputs,
    /// The final hidden states, `[tokens, hidden]`, and every output.
    States,
    /// Scalars' values alone.
    Values(Vec<Scalar>),
    /// Scalars' values, and the gradient of each with respect to the row's layer.
    Gradients(Reduce, Vec<Scalar>),
    /// How much of what this token has at the top can flow down to each token, through the
    /// attention of all layers (`flow`); `[tokens]`, in `token_scores`.
    Flow(usize),
}

/// One sequence to put through a model, and what is wanted of it.
#[derive(Debug, Clone)]
pub struct Row {
    pub tokens: Arc<Tokens>,
    /// Where its path runs and its gradient is taken.
    pub layer: Layer,
    pub path: Option<Path>,
    pub maps: Maps,
    /// The tokens whose outputs are wanted, ascending, for a head that gives
    /// outputs for each token; empty for others.
    pub reads: Arc<[usize]>,
    pub want: Want,
}

impl Row {
    /// A row that gives its outputs.
    pub fn forward(tokens: Arc<Tokens>, reads: Arc<[usize]>) -> Self {
        Self {
            tokens,
            layer: Layer::WordEmbeddings,
            path: None,
            maps: Maps::default(),
            reads,
            want: Want::Outputs,
        }
    }

    /// The scalars whose gradients it gives.
    pub fn differentiated(&self) -> &[Scalar] {
        match &self.want {
            Want::Gradients(_, scalars) => scalars,
            Want::Outputs | Want::States | Want::Values(_) | Want::Flow(_) => &[],
        }
    }

    /// The scalars whose values it gives.
    pub fn scalars(&self) -> &[Scalar] {
        match &self.want {
            Want::Gradients(_, scalars) | Want::Values(scalars) => scalars,
            Want::Outputs | Want::States | Want::Flow(_) => &[],
        }
    }
}

/// The attention of one layer, `[heads, tokens, tokens]`: query by key.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionMap {
    pub heads: usize,
    pub tokens: usize,
    pub weights: Vec<f64>,
}

impl AttentionMap {
    /// Its heads as one, their mean.
    pub fn mean(self) -> Self {
        let (size, heads) = (self.tokens * self.tokens, self.heads);
        let sum =
            |cell: usize| (0..heads).map(|head| self.weights[head * size + cell]).sum::<f64>();
        let weights = (0..size).map(|cell| sum(cell) / heads as f64).collect();
        Self { heads: 1, tokens: self.tokens, weights }
    }

    /// Of one head: `A' = (A + I) / 2`, with each query's sum made 1, which is what the residual
    /// connection leaves of a layer's attention (Abnar & Zuidema 2020). `[tokens, tokens]`
    pub fn with_residual(&self) -> Vec<f64> {
        let mut weights = self.weights.clone();
        for (query, row) in weights.chunks_mut(self.tokens).enumerate() {
            row[query] += 1.;
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|weight| *weight /= sum);
        }
        weights
    }

    /// Element by element.
    pub fn map(mut self, change: impl Fn(usize, f64) -> f64) -> Self {
        self.weights.iter_mut().enumerate().for_each(|(i, weight)| *weight = change(i, *weight));
        self
    }
}

/// What one row gave.
#[derive(Debug, Clone, Default)]
pub struct RowOutput {
    /// `[labels]`, or `[reads, labels]` of a head that gives them for each token;
    /// empty where only scalars were asked for.
    pub logits: Vec<f64>,
    /// The same after the model's activation.
    pub probabilities: Vec<f64>,
    /// `[tokens, hidden]`, where they were asked for.
    pub states: Vec<f64>,
    /// `[scalars]`
    pub values: Vec<f64>,
    /// One map for each layer that the row asked for, in its order.
    pub attention: Vec<AttentionMap>,
    /// `[scalars][tokens]`, or `[scalars][tokens · hidden]` of gradients that are
    /// kept; the flow, where that was asked for; else empty.
    pub token_scores: Vec<Vec<f64>>,
}

impl RowOutput {
    /// Whether every number in it can be served.
    pub fn is_finite(&self) -> bool {
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        let lists = [&self.logits, &self.probabilities, &self.states, &self.values];
        lists.into_iter().all(|list| finite(list))
            && self.attention.iter().all(|map| finite(&map.weights))
            && self.token_scores.iter().all(|scores| finite(scores))
    }
}
