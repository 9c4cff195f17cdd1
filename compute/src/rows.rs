//! The input and output of a pass, as plain data without tensors.
//!
//! A [`Row`] describes one sequence to run: token ids, a point on a path between two embeddings,
//! and what to return. A queued row takes a few dozen bytes, and a gradient comes back as one
//! number per token instead of `[tokens, hidden]`.

mod output;
mod path;
mod scalar;

use std::ops::Range;
use std::sync::Arc;

pub use output::{AttentionMap, LayerOutput, LensOutput, RowOutput};
pub use path::{Baseline, Ends, Noise, Path};
pub use scalar::{Output, Scalar, highest};

/// The ids of one sequence, special tokens included; each field is `[tokens]`.
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

    /// Returns the sequence with other input ids but the same token types and positions.
    pub fn with_ids(&self, input_ids: Vec<u32>) -> Self {
        Self { input_ids, ..self.clone() }
    }
}

/// Where a path runs and gradients are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// The word embeddings, before position and type embeddings and layer norm.
    WordEmbeddings,
    /// The output of the embedding block, after its layer norm.
    Embeddings,
    /// The output of this transformer layer, from 1, before a final layer norm.
    Hidden(usize),
}

/// `Σ a b`
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Sums that do not wait for each other: several times as fast as one.
    const LANES: usize = 8;
    let (a, b) = (&a[..a.len().min(b.len())], &b[..a.len().min(b.len())]);
    let (a_lanes, b_lanes) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_lanes.remainder().iter().zip(b_lanes.remainder()).map(|(a, b)| a * b);
    let rest: f64 = rest.sum();
    let mut sums = [0.; LANES];
    for (a, b) in a_lanes.zip(b_lanes) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// The Euclidean norm of `a`.
pub fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// Divides numbers by their sum, if it is not 0.
pub fn shares(numbers: Vec<f64>) -> Vec<f64> {
    let sum: f64 = numbers.iter().sum();
    if sum == 0. { numbers } else { numbers.into_iter().map(|x| x / sum).collect() }
}

/// The size of a gradient, `[hidden]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// The sum of absolute values.
    L1,
    /// The Euclidean norm.
    L2,
    /// The mean of absolute values.
    Mean,
}

impl Norm {
    pub fn of(self, gradient: &[f64]) -> f64 {
        let magnitudes = || gradient.iter().map(|g| g.abs()).sum::<f64>();
        match self {
            Self::L1 => magnitudes(),
            Self::L2 => norm(gradient),
            Self::Mean => magnitudes() / gradient.len() as f64,
        }
    }
}

/// How the gradient of a token, `[hidden]`, is reduced to one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduce {
    Norm(Norm),
    /// The dot product with the input at that layer.
    TimesInput,
    /// The dot product with the path's `x - x'`.
    TimesDifference,
    /// No reduction: the gradient is returned as `[tokens, hidden]`.
    Keep,
}

impl Reduce {
    /// Reduces the gradients of tokens at a [`Layer::Hidden`] with these states, where `path` may
    /// run. `[tokens]`, or `[tokens · hidden]` without reduction.
    pub fn hidden(
        self,
        gradient: &[Vec<f64>],
        states: &[Vec<f64>],
        path: Option<&Path>,
    ) -> Vec<f64> {
        let pairs = gradient.iter().zip(states);
        match self {
            Self::Norm(norm) => gradient.iter().map(|gradient| norm.of(gradient)).collect(),
            Self::TimesInput => pairs.map(|(gradient, state)| dot(gradient, state)).collect(),
            Self::TimesDifference => {
                let Some(Path { baseline: Baseline::States(ends), .. }) = path else {
                    return vec![0.; gradient.len()];
                };
                let width = states.first().map_or(1, Vec::len).max(1);
                let ends = ends.input.chunks(width).zip(ends.baseline.chunks(width));
                let score = |(gradient, (input, baseline)): (&Vec<f64>, (&[f64], &[f64]))| {
                    let difference = input.iter().zip(baseline).map(|(x, other)| x - other);
                    gradient.iter().zip(difference).map(|(g, d)| g * d).sum()
                };
                gradient.iter().zip(ends).map(score).collect()
            }
            Self::Keep => gradient.concat(),
        }
    }
}

/// Which attention maps a row returns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maps {
    /// Layer indices from 0, without duplicates.
    pub layers: Vec<usize>,
    pub kind: MapKind,
    pub heads: MapHeads,
}

impl Maps {
    /// Whether the queries that the head reads are enough in the last layer: the maps add up what is
    /// zero for the others.
    pub fn need_only_reads(&self) -> bool {
        self.kind.needs_gradient() && self.heads == MapHeads::Sums
    }

    /// Returns maps of all `layers`, one per layer.
    pub fn of_all(layers: usize, kind: MapKind) -> Self {
        Self { layers: (0..layers).collect(), kind, heads: MapHeads::Together }
    }
}

/// What a map contains, where `A` is the attention weights, `[queries, keys]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MapKind {
    /// `A`.
    #[default]
    Weights,
    /// `‖A f(x)‖`, where `f` is a head's transform of a key's state up to the attention output
    /// (Kobayashi et al. 2020).
    Norms,
    /// `‖T(x)‖`, where `T` maps a key's state to what it contributes to the query through the
    /// attention of all heads, the residual connection and the layer norm after them (Kobayashi et
    /// al. 2021). One map per layer.
    BlockNorms,
    /// The share of `T(x)` in the query's state after the attention block (ALTI, Ferrando et al.
    /// 2022). One map per layer.
    Alti,
    /// `A ∂F/∂A`, where `F` is the first scalar that the row differentiates.
    Gradients,
    /// `max(A ∂F/∂A, 0)` (Chefer et al. 2021).
    PositiveGradients,
}

impl MapKind {
    /// Whether the map needs a backward pass.
    pub fn needs_gradient(self) -> bool {
        matches!(self, Self::Gradients | Self::PositiveGradients)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MapHeads {
    #[default]
    Each,
    /// One map per layer: the heads' mean or, for [`MapKind::Norms`], the norm of the heads' sum.
    Together,
    /// One number per head: the sum of its map. Of [`MapKind::Gradients`] it is the derivative
    /// with respect to a factor of the head's context, at 1 (Michel, Levy & Neubig 2019).
    Sums,
}

/// A row's states after one layer, pooled to one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PooledState {
    /// 0 is the embedding block, then the layers, as in transformers' `hidden_states`. The last
    /// layer's states are those that the head reads.
    pub layer: usize,
    pub pooling: StatePooling,
}

/// How the states of tokens are pooled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StatePooling {
    /// The mean of all tokens including special ones, as in sentence-transformers.
    #[default]
    Mean,
    /// The first token, `[CLS]`.
    First,
}

/// What a row returns.
#[derive(Debug, Clone, PartialEq)]
pub enum Want {
    /// All outputs.
    Outputs,
    /// The final hidden states, `[tokens, hidden]`, and all outputs.
    States,
    /// The pooled states after one layer, `[hidden]`, and all outputs.
    Pooled(PooledState),
    /// Only the values of scalars.
    Values(Vec<Scalar>),
    /// The values of scalars and their gradients with respect to the row's layer; for a head with
    /// pooling, which has few, also all outputs.
    Gradients(Reduce, Vec<Scalar>),
    /// The states after these transformer layers, from 1; of a scalar, its value and its gradient
    /// with respect to each. Without a scalar, the layers after them and the head do not
    /// run, and there are no maps. With a scalar, the last layer's states are those of the tokens
    /// that the head reads, and zero for the others, where the gradient is zero.
    Layers(Range<usize>, Option<Scalar>),
    /// The same, but means of the states over all tokens, and the sums of the gradients: the
    /// gradient with respect to a vector that is added to the state of every token. `[hidden]` each.
    Means(Means),
    /// All outputs, and those that the head computes from the states after every layer.
    Lens,
    /// The attention flow from this token at the last layer down to each input token through all
    /// layers (see [`crate::flow`]); `[tokens]`, in `token_scores`.
    Flow(usize),
}

/// Means over all tokens of the states after some layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Means {
    /// Transformer layers, from 1.
    pub layers: Range<usize>,
    /// The factor of each token's state in the mean; `None` for equal parts.
    pub weights: Option<Arc<[f64]>>,
    /// What is differentiated, if anything.
    pub scalar: Option<Scalar>,
}

/// One sequence to run through a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub tokens: Arc<Tokens>,
    /// Where the path runs and the gradient is taken.
    pub layer: Layer,
    pub path: Option<Path>,
    pub maps: Maps,
    /// The tokens whose outputs to return, ascending, for a head with outputs per token; empty for
    /// other heads.
    pub reads: Arc<[usize]>,
    /// An attention head whose context is zero. Only for rows without gradients.
    pub without: Option<AttentionHead>,
    /// A token whose value vectors are zero in one layer. Only for rows without gradients.
    pub without_value: Option<TokenValue>,
    pub precision: Precision,
    pub want: Want,
}

/// How precisely a row is computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    #[default]
    Full,
    /// With products of rounded numbers, where the model was loaded with them. Only for rows that
    /// ask for nothing but outputs or values of scalars.
    Reduced,
}

/// The value vectors of all heads for one token, both indices from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenValue {
    pub layer: usize,
    pub token: usize,
}

/// An attention head, both indices from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttentionHead {
    pub layer: usize,
    pub head: usize,
}

impl Row {
    /// Returns a row that asks for all outputs.
    pub fn forward(tokens: Arc<Tokens>, reads: Arc<[usize]>) -> Self {
        Self {
            tokens,
            layer: Layer::WordEmbeddings,
            path: None,
            maps: Maps::default(),
            reads,
            without: None,
            without_value: None,
            precision: Precision::Full,
            want: Want::Outputs,
        }
    }

    /// Returns the scalars to differentiate.
    pub fn differentiated(&self) -> &[Scalar] {
        match &self.want {
            Want::Gradients(_, scalars) => scalars,
            Want::Layers(_, scalar) => scalar.as_slice(),
            Want::Means(means) => means.scalar.as_slice(),
            Want::Outputs
            | Want::States
            | Want::Pooled(_)
            | Want::Values(_)
            | Want::Lens
            | Want::Flow(_) => &[],
        }
    }

    /// Returns the scalars to evaluate.
    pub fn scalars(&self) -> &[Scalar] {
        match &self.want {
            Want::Values(scalars) => scalars,
            _ => self.differentiated(),
        }
    }

    /// Returns the states to start with, one vector per token, if the row does not start with the
    /// embeddings but after layer [`Self::first_layer`].
    pub fn start(&self) -> Option<Vec<Vec<f64>>> {
        let path = self.path.as_ref()?;
        match &path.baseline {
            Baseline::States(ends) => Some(ends.at(path.alpha, self.tokens.len())),
            Baseline::Ids(_) | Baseline::Zero => None,
        }
    }

    /// Returns the number of transformer layers that the row skips.
    pub fn first_layer(&self) -> usize {
        match (self.layer, &self.path) {
            (Layer::Hidden(layer), Some(Path { baseline: Baseline::States(_), .. })) => layer,
            _ => 0,
        }
    }

    /// Returns the number of layers to run, if the row needs nothing of the others and of the head.
    pub fn last_layer(&self) -> Option<usize> {
        match &self.want {
            Want::Layers(layers, None) | Want::Means(Means { layers, scalar: None, .. }) => {
                Some(layers.end - 1)
            }
            _ => None,
        }
    }

    /// Returns the transformer layers, from 1, after which the row needs the states.
    pub fn kept_layers(&self) -> Range<usize> {
        match (&self.want, self.layer) {
            (Want::Layers(layers, _) | Want::Means(Means { layers, .. }), _) => layers.clone(),
            (Want::Gradients(..), Layer::Hidden(layer)) => layer..layer + 1,
            _ => 0..0,
        }
    }
}
