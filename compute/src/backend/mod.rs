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
mod parts;
#[cfg(test)]
#[cfg(feature = "candle")]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

pub use parts::{
    Attention, DeviceMemory, Heads, Projected, Projections, Relation, Repeats, Span, Tables,
    ToReduce,
};

use crate::blocks::{Activation, Pool};
use crate::rows::{AttentionMap, Layer, Row};

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

    /// Returns the maps of the states to query, key and value as [`Self::project`] uses them.
    fn join(
        &self,
        [query, key, value]: [Self::Linear; 3],
    ) -> Result<Projections<Self::Linear>, Self::Error> {
        Ok(Projections { query, key, value, joined: None })
    }

    /// Returns query, key and value of all tokens, `[tokens, hidden]` each. `others` computes key and
    /// value.
    fn project(
        &self,
        others: &Self,
        maps: &Projections<Self::Linear>,
        x: &Self::Array,
    ) -> Result<Projected<Self::Array>, Self::Error> {
        let query = self.linear(&maps.query, x, None)?;
        let key = others.linear(&maps.key, x, None)?;
        Ok(Projected::apart(query, key, others.linear(&maps.value, x, None)?))
    }

    /// Gradient at query, key and value of all tokens → at the states, plus `onto`.
    fn project_vjp(
        &self,
        maps: &Projections<Self::Linear>,
        grads: &Projected<Self::Array>,
        onto: Option<&Self::Array>,
    ) -> Result<Self::Array, Self::Error> {
        let x = self.linear_vjp(&maps.query, &grads.query, onto)?;
        let x = self.linear_vjp(&maps.key, &grads.key, Some(&x))?;
        self.linear_vjp(&maps.value, &grads.value, Some(&x))
    }

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
        projected: Projected<Self::Array>,
        spans: &[Span],
    ) -> Result<(Self::Array, Self::Attended), Self::Error>;

    /// Gradient at the context of the first spans → at query, key and value.
    fn attention_vjp(
        &self,
        block: &Attention<Self::Array>,
        saved: &Self::Attended,
        spans: &[Span],
        grad: &Self::Array,
    ) -> Result<Projected<Self::Array>, Self::Error>;

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
