//! Back ends. The encoder and the heads are written once over [`Backend`]; each back end
//! implements every block's forward pass and vector-Jacobian product (VJP): the gradient of a
//! scalar with respect to the block's output → with respect to its input. Weight gradients are
//! never computed, and there is no autograd tape.
//!
//! - [`cpu`]: f32 slices; serves requests.
//! - `candle`: candle tensors, for GPUs, and the f64 reference in tests.
//!
//! Rows of different lengths are concatenated into `[tokens of all rows, width]` without padding,
//! so there are no masks, and no row can attend to another.

#[cfg(feature = "candle")]
pub mod candle;
pub mod cpu;
#[cfg(test)]
#[cfg(feature = "candle")]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::blocks::{Activation, Angles, Distances, Numbering, Pool};
use crate::rows::{AttentionMap, Layer, Reduce, Row};

/// The packed ranges of one row: its queries and its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub queries: Range<usize>,
    pub keys: Range<usize>,
    /// The row's tokens that are queries; `None` if all are.
    pub chosen: Option<Arc<[usize]>>,
    /// Whether the attention weights are needed after the forward pass: for a gradient or a map.
    pub kept: bool,
}

impl Span {
    /// Returns the span of a row in which every token is a query.
    pub fn whole(tokens: Range<usize>) -> Self {
        Self { queries: tokens.clone(), keys: tokens, chosen: None, kept: true }
    }

    /// Returns the position in its row of the `i`-th query.
    pub fn position(&self, i: usize) -> usize {
        self.chosen.as_ref().map_or(i, |chosen| chosen[i])
    }
}

/// Packed tokens of which many have equal embeddings.
#[derive(Debug, PartialEq, Eq)]
pub struct Repeats {
    /// The index of the first token with each embedding.
    pub distinct: Vec<usize>,
    /// Per token, the index in `distinct` of the token with the same embedding.
    pub places: Vec<usize>,
}

/// The number and size of attention heads.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    pub count: usize,
    pub size: usize,
}

/// The parts of attention that are not linear maps.
#[derive(Debug)]
pub struct Attention<A> {
    pub heads: Heads,
    /// The factor of the query-key products.
    pub scale: f64,
    /// The maximum distance between query and key.
    pub window: Option<usize>,
    pub relation: Relation<A>,
}

impl<A> Attention<A> {
    /// Plain scaled dot-product attention (Vaswani et al. 2017).
    pub fn plain(heads: Heads) -> Self {
        let scale = 1. / (heads.size as f64).sqrt();
        Self { heads, scale, window: None, relation: Relation::None }
    }

    /// Whether `query` attends to `key`.
    pub fn sees(&self, query: usize, key: usize) -> bool {
        self.window.is_none_or(|window| query.abs_diff(key) <= window)
    }
}

/// A [`blocks::Relation`](crate::blocks::Relation) with loaded weights.
#[derive(Debug)]
pub enum Relation<A> {
    None,
    Rotary(Arc<Angles>),
    /// Added to the scaled products; `[buckets, heads]`.
    Bias {
        table: Vec<f32>,
        distances: Arc<Distances>,
    },
    /// Added to the products before scaling: query · `key[bucket]` and key · `query[bucket]`;
    /// `[buckets, hidden]` each.
    Disentangled {
        key: Option<A>,
        query: Option<A>,
        distances: Arc<Distances>,
    },
}

/// A row whose gradient is to be reduced.
#[derive(Debug, Clone)]
pub struct ToReduce {
    /// Where its tokens are among the packed ones.
    pub tokens: Range<usize>,
    pub reduce: Reduce,
}

/// The embedding tables, row-major: `[vocabulary, width]`, `[positions, width]`, `[types, width]`.
#[derive(Debug)]
pub struct Tables {
    pub width: usize,
    pub word: Vec<f32>,
    pub position: Option<Vec<f32>>,
    pub token_type: Option<Vec<f32>>,
    pub numbering: Numbering,
}

/// The memory of a device, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceMemory {
    pub free: usize,
    pub total: usize,
}

/// A back end. An `Array` is a matrix `[n, width]`; `Linear`, `LayerNorm` and `Embeddings` are
/// blocks with loaded weights; the other types hold what a forward pass saves for the gradient. A
/// gradient may cover fewer rows than the forward pass: the first ones.
pub trait Backend: Clone + Send + Sync + 'static {
    type Error: fmt::Display;
    type Array: Send + Sync;
    type Linear: Send + Sync;
    type LayerNorm: Send + Sync;
    type Embeddings: Send + Sync;
    type Normalized;
    type Pooled;
    type Attended;
    type Embedded;
    /// Reduced gradients, which may still be on a device.
    type Scores;

    /// Loads a linear map: weight `[out, input]` as in checkpoints, bias `[out]`.
    fn load_linear(
        &self,
        weight: &[f32],
        bias: &[f32],
        input: usize,
    ) -> Result<Self::Linear, Self::Error>;

    /// Returns the back end without reduced precision.
    fn exact(&self) -> Cow<'_, Self> {
        Cow::Borrowed(self)
    }

    /// Loads a linear map of a layer, which forward passes may run in reduced precision.
    fn load_layer_linear(
        &self,
        weight: &[f32],
        bias: &[f32],
        input: usize,
    ) -> Result<Self::Linear, Self::Error> {
        self.load_linear(weight, bias, input)
    }

    /// Returns the map to some outputs of `map`, in this order. They are the same to the last bit, and
    /// so is the gradient at the input, if it is zero at the others and the order ascends.
    fn some_outputs(
        &self,
        map: &Self::Linear,
        outputs: &[usize],
    ) -> Result<Self::Linear, Self::Error>;

    fn load_layer_norm(
        &self,
        weight: &[f32],
        bias: &[f32],
        eps: f64,
    ) -> Result<Self::LayerNorm, Self::Error>;

    /// Loads the embedding block, `norm(word + position + type)`.
    fn load_embeddings(
        &self,
        tables: Tables,
        norm: Self::LayerNorm,
    ) -> Result<Self::Embeddings, Self::Error>;

    /// Returns `x Wᵀ + b`, plus `onto`: `[n, input]` → `[n, out]`.
    fn linear(
        &self,
        map: &Self::Linear,
        x: &Self::Array,
        onto: Option<&Self::Array>,
    ) -> Result<Self::Array, Self::Error>;

    /// Gradient at the output → at the input, plus `onto`.
    fn linear_vjp(
        &self,
        map: &Self::Linear,
        grad: &Self::Array,
        onto: Option<&Self::Array>,
    ) -> Result<Self::Array, Self::Error>;

    /// Returns `act(x Wᵀ + b)`, and the activation's derivative in the first `slopes` rows, all if
    /// there are fewer. With reduced precision, which has no gradients, that may be empty.
    fn linear_activated(
        &self,
        map: &Self::Linear,
        activation: Activation,
        x: &Self::Array,
        slopes: usize,
    ) -> Result<(Self::Array, Self::Array), Self::Error>;

    /// Gradient at the output of `map`, whose input was an activation → before that activation.
    fn linear_vjp_activated(
        &self,
        map: &Self::Linear,
        slope: &Self::Array,
        grad: &Self::Array,
    ) -> Result<Self::Array, Self::Error>;

    fn layer_norm(
        &self,
        norm: &Self::LayerNorm,
        x: Self::Array,
    ) -> Result<(Self::Array, Self::Normalized), Self::Error>;

    fn layer_norm_vjp(
        &self,
        norm: &Self::LayerNorm,
        saved: &Self::Normalized,
        grad: &Self::Array,
    ) -> Result<Self::Array, Self::Error>;

    /// Scaled dot-product attention (Vaswani et al. 2017), each span by itself: query, key and
    /// value → context, `[queries, hidden]`.
    fn attention(
        &self,
        block: &Attention<Self::Array>,
        qkv: [Self::Array; 3],
        spans: &[Span],
    ) -> Result<(Self::Array, Self::Attended), Self::Error>;

    /// Gradient at the context of the first spans → at query, key and value.
    fn attention_vjp(
        &self,
        block: &Attention<Self::Array>,
        saved: &Self::Attended,
        spans: &[Span],
        grad: &Self::Array,
    ) -> Result<[Self::Array; 3], Self::Error>;

    /// Returns the attention weights of one span.
    fn attention_weights(
        &self,
        saved: &Self::Attended,
        span: usize,
    ) -> Result<AttentionMap, Self::Error>;

    /// Gradient at the context of the first spans → at the weights of the span with index `span`.
    fn attention_weights_vjp(
        &self,
        block: &Attention<Self::Array>,
        saved: &Self::Attended,
        spans: &[Span],
        span: usize,
        grad: &Self::Array,
    ) -> Result<AttentionMap, Self::Error>;

    /// Returns the values of one span, `[keys, hidden]`.
    fn attention_values(
        &self,
        saved: &Self::Attended,
        spans: &[Span],
        span: usize,
    ) -> Result<Vec<Vec<f64>>, Self::Error>;

    /// Returns the table of word embeddings, `[vocabulary, width]`.
    fn words<'a>(&self, embeddings: &'a Self::Embeddings) -> Result<Cow<'a, [f32]>, Self::Error>;

    /// Runs the embedding block on packed rows, each at its point on the path.
    fn embed(
        &self,
        embeddings: &Self::Embeddings,
        rows: &[&Row],
    ) -> Result<(Self::Array, Self::Embedded), Self::Error>;

    /// Returns which tokens of packed rows have equal embeddings, if mapping each distinct one once
    /// saves time.
    fn repeats(&self, _rows: &[&Row]) -> Option<Repeats> {
        None
    }

    /// Gradient at the block's output → at the word embeddings. Position and type embeddings are
    /// only added, so they do not change it.
    fn embed_vjp(
        &self,
        embeddings: &Self::Embeddings,
        embedded: &Self::Embedded,
        grad: &Self::Array,
    ) -> Result<Self::Array, Self::Error>;

    /// Reduces the gradient of rows at `layer`, which `grad` is of.
    fn reduce(
        &self,
        embedded: &Self::Embedded,
        layer: Layer,
        grad: &Self::Array,
        rows: &[ToReduce],
    ) -> Result<Self::Scores, Self::Error>;

    /// Returns the numbers of each row of each of `all`. They may come back from a device together.
    fn scores(&self, all: Vec<Self::Scores>) -> Result<Vec<Vec<Vec<f64>>>, Self::Error>;

    /// Returns `x + y`, elementwise.
    fn add(&self, x: &Self::Array, y: &Self::Array) -> Result<Self::Array, Self::Error>;

    /// Returns `x y`, elementwise; `y` may have more rows than `x`, the rest is ignored.
    fn mul(&self, x: &Self::Array, y: &Self::Array) -> Result<Self::Array, Self::Error>;

    fn copy(&self, x: &Self::Array) -> Result<Self::Array, Self::Error>;

    /// Pools each range of rows into one: `[total, width]` → `[ranges, width · modes]`.
    fn pool(
        &self,
        pool: &Pool,
        x: &Self::Array,
        ranges: &[Range<usize>],
    ) -> Result<(Self::Array, Self::Pooled), Self::Error>;

    /// Gradient at the pooled vectors of the first ranges → at their rows. Ranges are contiguous.
    fn pool_vjp(
        &self,
        pool: &Pool,
        saved: &Self::Pooled,
        grad: &Self::Array,
        ranges: &[Range<usize>],
    ) -> Result<Self::Array, Self::Error>;

    /// Concatenates each channel with its `size` neighbours around the token, with zeros outside
    /// the row: `[total, width]` → `[total, width · size]`.
    fn unfold(
        &self,
        x: &Self::Array,
        rows: &[Range<usize>],
        size: usize,
    ) -> Result<Self::Array, Self::Error>;

    /// Gradient at the neighbourhoods → at the tokens.
    fn unfold_vjp(
        &self,
        grad: &Self::Array,
        rows: &[Range<usize>],
        size: usize,
    ) -> Result<Self::Array, Self::Error>;

    /// Returns the rows of `x` at `indices`, in that order.
    fn gather(&self, x: &Self::Array, indices: &[usize]) -> Result<Self::Array, Self::Error>;

    /// Returns `x` with zeros where the range of rows and the range of columns of a part meet.
    fn without(
        &self,
        x: Self::Array,
        parts: &[(Range<usize>, Range<usize>)],
    ) -> Result<Self::Array, Self::Error>;

    /// Returns `[total, width]` with the rows of `x` at `indices` and zeros elsewhere.
    fn scatter(
        &self,
        x: &Self::Array,
        indices: &[usize],
        total: usize,
    ) -> Result<Self::Array, Self::Error>;

    /// Creates an array `[n, width]` from its rows.
    fn array(&self, rows: &[Vec<f64>]) -> Result<Self::Array, Self::Error>;

    /// Returns the rows of `x`.
    fn rows(&self, x: &Self::Array) -> Result<Vec<Vec<f64>>, Self::Error>;
}
