//! What computes. The encoder and the heads are written once over
//! [`Backend`]; each back end has every block kind's forward pass and its
//! vector-Jacobian product: given the gradient of a scalar at the block's
//! output, the gradient at its input. No gradient of a weight is ever computed
//! and nothing is taped.
//!
//! - [`cpu`]: slices of f32, the one that serves.
//! - `candle`: candle tensors, for GPUs, and in f64 as the judge in tests.
//!
//! Rows of different lengths lie one after the other in `[tokens of all rows,
//! width]`, without padding: no mask exists and no row can attend to another.

#[cfg(feature = "candle")]
pub mod candle;
pub mod cpu;
#[cfg(test)]
#[cfg(feature = "candle")]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::blocks::{Activation, Angles, Distances, Numbering, Pool};
use crate::rows::{AttentionMap, Reduce, Row};

/// One row's place among the packed ones: the queries that are wanted of it and
/// its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub queries: Range<usize>,
    pub keys: Range<usize>,
    /// Which of the row's tokens the queries are, where they are not all.
    pub chosen: Option<Arc<[usize]>>,
}

impl Span {
    /// A whole row.
    pub fn whole(tokens: Range<usize>) -> Self {
        Self { queries: tokens.clone(), keys: tokens, chosen: None }
    }

    /// The place in its row of the `i`-th query.
    pub fn place(&self, i: usize) -> usize {
        self.chosen.as_ref().map_or(i, |chosen| chosen[i])
    }
}

/// The shape of multi-head attention.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    pub count: usize,
    pub size: usize,
}

/// What attention does beside its linear maps.
#[derive(Debug)]
pub struct Attention<A> {
    pub heads: Heads,
    /// What a product of query and key is multiplied with.
    pub scale: f64,
    /// The farthest key that a query sees.
    pub window: Option<usize>,
    pub relation: Relation<A>,
}

impl<A> Attention<A> {
    /// Vaswani et al. 2017, and nothing else.
    pub fn plain(heads: Heads) -> Self {
        let scale = 1. / (heads.size as f64).sqrt();
        Self { heads, scale, window: None, relation: Relation::None }
    }

    /// Whether this query looks at this key.
    pub fn sees(&self, query: usize, key: usize) -> bool {
        self.window.is_none_or(|window| query.abs_diff(key) <= window)
    }
}

/// A [`blocks::Relation`](crate::blocks::Relation) with its weights.
#[derive(Debug)]
pub enum Relation<A> {
    None,
    Rotary(Arc<Angles>),
    /// Added to the scaled product; `[buckets, heads]`.
    Bias {
        table: Vec<f32>,
        distances: Arc<Distances>,
    },
    /// Added to the product before it is scaled: query · key row of the bucket,
    /// and key · query row of the bucket; `[buckets, hidden]` each.
    Disentangled {
        key: Option<A>,
        query: Option<A>,
        distances: Arc<Distances>,
    },
}

/// Row-major tables of the embedding block: `[vocabulary, width]`,
/// `[positions, width]`, `[types, width]`.
#[derive(Debug)]
pub struct Tables {
    pub width: usize,
    pub word: Vec<f32>,
    pub position: Option<Vec<f32>>,
    pub token_type: Option<Vec<f32>>,
    pub numbering: Numbering,
}

/// An `Array` is a matrix `[n, width]`; `Linear`, `LayerNorm` and `Embeddings`
/// are blocks with their weights in place. The other types are what a forward
/// pass leaves for the gradient. A gradient may cover fewer rows than the
/// forward pass had: the first ones.
pub trait Backend: Send + Sync + 'static {
    type Error: fmt::Display;
    type Array: Send + Sync;
    type Linear: Send + Sync;
    type LayerNorm: Send + Sync;
    type Embeddings: Send + Sync;
    type Normalized;
    type Pooled;
    type Attended;
    type Embedded;

    /// A map from its weight `[out, input]`, as checkpoints store it, and its
    /// bias `[out]`.
    fn place_linear(
        &self,
        weight: &[f32],
        bias: &[f32],
        input: usize,
    ) -> Result<Self::Linear, Self::Error>;

    fn place_layer_norm(
        &self,
        weight: &[f32],
        bias: &[f32],
        eps: f64,
    ) -> Result<Self::LayerNorm, Self::Error>;

    /// `norm(word + position + type)`
    fn place_embeddings(
        &self,
        tables: Tables,
        norm: Self::LayerNorm,
    ) -> Result<Self::Embeddings, Self::Error>;

    /// `x Wᵀ + b`, plus `onto`: `[n, input]` → `[n, out]`.
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

    /// `act(x Wᵀ + b)`, and the slope of the activation there.
    fn linear_activated(
        &self,
        map: &Self::Linear,
        activation: Activation,
        x: &Self::Array,
    ) -> Result<(Self::Array, Self::Array), Self::Error>;

    /// Gradient at the output of `map`, whose input was an activation → before
    /// that activation.
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

    /// Scaled dot-product attention (Vaswani et al. 2017), each span by itself:
    /// query, key and value to the context, `[queries, hidden]`.
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

    /// The weights of one span.
    fn attention_weights(
        &self,
        saved: &Self::Attended,
        span: usize,
    ) -> Result<AttentionMap, Self::Error>;

    /// Gradient at the context of the first spans → at the weights of span number
    /// `span`, one of them.
    fn attention_weights_vjp(
        &self,
        block: &Attention<Self::Array>,
        saved: &Self::Attended,
        spans: &[Span],
        span: usize,
        grad: &Self::Array,
    ) -> Result<AttentionMap, Self::Error>;

    /// The values of one span, `[keys, hidden]`.
    fn attention_values(
        &self,
        saved: &Self::Attended,
        spans: &[Span],
        span: usize,
    ) -> Result<Vec<Vec<f64>>, Self::Error>;

    /// Packed rows after the embedding block, each at its own point.
    fn embed(
        &self,
        embeddings: &Self::Embeddings,
        rows: &[&Row],
    ) -> Result<(Self::Array, Self::Embedded), Self::Error>;

    /// Gradient at the block's output → at the word embeddings; word, position
    /// and type are added, so theirs is one.
    fn embed_vjp(
        &self,
        embeddings: &Self::Embeddings,
        embedded: &Self::Embedded,
        grad: &Self::Array,
    ) -> Result<Self::Array, Self::Error>;

    /// The gradient of row number `row`, which lies at `tokens` of `grad`, as
    /// one number a token.
    fn reduce(
        &self,
        embedded: &Self::Embedded,
        row: usize,
        tokens: Range<usize>,
        grad: &Self::Array,
        reduce: Reduce,
    ) -> Result<Vec<f64>, Self::Error>;

    /// `x + y`, element by element.
    fn plus(&self, x: &Self::Array, y: &Self::Array) -> Result<Self::Array, Self::Error>;

    /// `x y`, element by element; of `y`, as many first rows as `x` has.
    fn times(&self, x: &Self::Array, y: &Self::Array) -> Result<Self::Array, Self::Error>;

    fn copy(&self, x: &Self::Array) -> Result<Self::Array, Self::Error>;

    /// Each range of rows as one: `[total, width]` → `[ranges, width · ways]`.
    fn pool(
        &self,
        pool: &Pool,
        x: &Self::Array,
        ranges: &[Range<usize>],
    ) -> Result<(Self::Array, Self::Pooled), Self::Error>;

    /// Gradient at what the first ranges became → at their rows; the ranges lie one
    /// after the other.
    fn pool_vjp(
        &self,
        pool: &Pool,
        saved: &Self::Pooled,
        grad: &Self::Array,
        ranges: &[Range<usize>],
    ) -> Result<Self::Array, Self::Error>;

    /// Each token's channels with their `size` neighbours around it side by side,
    /// zeros beyond the row: `[total, width]` → `[total, width · size]`.
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

    /// The rows `places` of `x`, in that order.
    fn gather(&self, x: &Self::Array, places: &[usize]) -> Result<Self::Array, Self::Error>;

    /// `[total, width]`: the rows of `x` at `places`, zeros elsewhere.
    fn spread(
        &self,
        x: &Self::Array,
        places: &[usize],
        total: usize,
    ) -> Result<Self::Array, Self::Error>;

    /// `[n, width]` from its rows.
    fn array(&self, rows: &[Vec<f64>]) -> Result<Self::Array, Self::Error>;

    /// The rows of `x`.
    fn rows(&self, x: &Self::Array) -> Result<Vec<Vec<f64>>, Self::Error>;
}
