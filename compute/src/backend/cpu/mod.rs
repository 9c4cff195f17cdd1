//! The serving back end: f32 slices, vector instructions chosen at run time, weights packed once,
//! memory reused.
//!
//! Each pass runs on one thread without barriers, as many passes at a time as threads. A lone row
//! may share its products with idle threads ([`Threads`]). Either way the results are bitwise
//! identical (`matmul`).

mod activation;
mod array;
mod attention;
mod elementwise;
mod embeddings;
mod int8;
mod isa;
mod lanes;
mod layer_norm;
mod linear;
mod matmul;
mod panels;
mod pooling;
mod repeats;
mod threads;

use std::borrow::Cow;
use std::convert::Infallible;
use std::ops::Range;

pub use array::{Array, keep_at_most, keep_nothing};
pub use int8::Int8;
pub use isa::Isa;
pub use threads::Threads;

use super::{Attention, Backend, Projected, Repeats, Span, Tables, ToReduce};
use crate::blocks::{Activation, Pool};
use crate::rows::{AttentionMap, Layer, Precision, Row, Want};

/// Computes with `isa` on up to `threads` threads of the calling rayon pool.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    pub isa: Isa,
    pub threads: Threads,
    /// What multiplies the 8-bit integers in which layers are also loaded.
    pub int8: Option<Int8>,
    /// That of the forward passes.
    pub precision: Precision,
}

impl Cpu {
    pub fn new(isa: Isa) -> Self {
        Self { isa, threads: Threads(1), int8: None, precision: Precision::Full }
    }

    /// Loads layers in 8 bits, too.
    pub fn with_int8(self, int8: Int8) -> Self {
        Self { int8: Some(int8), ..self }
    }

    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Returns the precision in which a row runs.
    pub fn precision_of(&self, row: &Row) -> Precision {
        match self.int8 {
            Some(_) if matches!(row.want, Want::Outputs | Want::Values(_)) => row.precision,
            _ => Precision::Full,
        }
    }

    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads: Threads(threads), ..self }
    }
}

type Done<T> = Result<T, Infallible>;

impl Backend for Cpu {
    type Error = Infallible;
    type Array = Array;
    type Linear = linear::Linear;
    type LayerNorm = layer_norm::LayerNorm;
    type Embeddings = embeddings::Embeddings;
    type Normalized = layer_norm::Normalized;
    type Pooled = pooling::Pooled;
    type Attended = attention::Attended;
    type Embedded = embeddings::Embedded;
    type Scores = Vec<Vec<f64>>;

    fn exact(&self) -> Cow<'_, Self> {
        Cow::Owned(self.with_precision(Precision::Full))
    }

    fn load_linear(&self, weight: &[f32], bias: &[f32], input: usize) -> Done<Self::Linear> {
        Ok(linear::Linear::new(self.isa, weight, bias, input))
    }

    fn load_layer_linear(&self, weight: &[f32], bias: &[f32], input: usize) -> Done<Self::Linear> {
        let map = linear::Linear::new(self.isa, weight, bias, input);
        Ok(match self.int8 {
            Some(int8) => map.with_int8(int8, weight, input),
            None => map,
        })
    }

    fn some_outputs(&self, map: &Self::Linear, outputs: &[usize]) -> Done<Self::Linear> {
        Ok(map.some_outputs(outputs))
    }

    fn load_layer_norm(&self, weight: &[f32], bias: &[f32], eps: f64) -> Done<Self::LayerNorm> {
        Ok(layer_norm::LayerNorm::new(self.isa, weight, bias, eps))
    }

    fn load_embeddings(&self, tables: Tables, norm: Self::LayerNorm) -> Done<Self::Embeddings> {
        Ok(embeddings::Embeddings { tables, norm })
    }

    fn words<'a>(&self, embeddings: &'a Self::Embeddings) -> Done<Cow<'a, [f32]>> {
        Ok(Cow::Borrowed(&embeddings.tables.word))
    }

    fn linear(&self, map: &Self::Linear, x: &Array, onto: Option<&Array>) -> Done<Array> {
        Ok(map.forward(self.threads, self.precision, x, onto))
    }

    fn linear_vjp(&self, map: &Self::Linear, grad: &Array, onto: Option<&Array>) -> Done<Array> {
        Ok(map.vjp(self.threads, grad, onto))
    }

    fn linear_activated(
        &self,
        map: &Self::Linear,
        activation: Activation,
        x: &Array,
        slopes: usize,
    ) -> Done<(Array, Array)> {
        let (threads, precision) = (self.threads, self.precision);
        Ok(activation::linear_activated(threads, precision, map, activation, x, slopes))
    }

    fn linear_vjp_activated(&self, map: &Self::Linear, slope: &Array, grad: &Array) -> Done<Array> {
        Ok(map.vjp_times(self.threads, grad, slope))
    }

    fn layer_norm(
        &self,
        norm: &Self::LayerNorm,
        x: Array,
    ) -> Done<(Array, layer_norm::Normalized)> {
        Ok(norm.forward(x))
    }

    fn layer_norm_vjp(
        &self,
        norm: &Self::LayerNorm,
        saved: &layer_norm::Normalized,
        grad: &Array,
    ) -> Done<Array> {
        Ok(norm.vjp(saved, grad))
    }

    fn attention(
        &self,
        block: &Attention<Array>,
        Projected { query, key, value, .. }: Projected<Array>,
        spans: &[Span],
    ) -> Done<(Array, attention::Attended)> {
        let qkv = [query, key, value];
        Ok(attention::forward(self.isa, self.threads, block, qkv, spans))
    }

    fn attention_vjp(
        &self,
        block: &Attention<Array>,
        saved: &attention::Attended,
        spans: &[Span],
        grad: &Array,
    ) -> Done<Projected<Array>> {
        let [query, key, value] = attention::vjp(self.isa, self.threads, block, saved, spans, grad);
        Ok(Projected::apart(query, key, value))
    }

    fn attention_weights(&self, saved: &attention::Attended, span: usize) -> Done<AttentionMap> {
        Ok(saved.map(span))
    }

    fn attention_weights_vjp(
        &self,
        block: &Attention<Array>,
        saved: &attention::Attended,
        spans: &[Span],
        span: usize,
        grad: &Array,
    ) -> Done<AttentionMap> {
        Ok(attention::weights_vjp(self.isa, block.heads, saved, &spans[span], span, grad))
    }

    fn attention_values(
        &self,
        saved: &attention::Attended,
        spans: &[Span],
        span: usize,
    ) -> Done<Vec<Vec<f64>>> {
        let indices: Vec<usize> = spans[span].keys.clone().collect();
        self.rows(&elementwise::gather(saved.value(), &indices))
    }

    fn embed(
        &self,
        embeddings: &Self::Embeddings,
        rows: &[&Row],
    ) -> Done<(Array, embeddings::Embedded)> {
        Ok(embeddings.forward(rows))
    }

    fn repeats(&self, rows: &[&Row]) -> Option<Repeats> {
        repeats::of(rows)
    }

    fn embed_vjp(
        &self,
        embeddings: &Self::Embeddings,
        embedded: &embeddings::Embedded,
        grad: &Array,
    ) -> Done<Array> {
        Ok(embeddings.vjp(embedded, grad))
    }

    fn reduce(
        &self,
        embedded: &embeddings::Embedded,
        _layer: Layer,
        grad: &Array,
        rows: &[ToReduce],
    ) -> Done<Vec<Vec<f64>>> {
        let scores = |row: &ToReduce| embedded.reduce(row.tokens.clone(), grad, row.reduce);
        Ok(rows.iter().map(scores).collect())
    }

    fn scores(&self, all: Vec<Vec<Vec<f64>>>) -> Done<Vec<Vec<Vec<f64>>>> {
        Ok(all)
    }

    fn add(&self, x: &Array, y: &Array) -> Done<Array> {
        Ok(elementwise::zip(x, y, |x, y| x + y))
    }

    fn mul(&self, x: &Array, y: &Array) -> Done<Array> {
        Ok(elementwise::zip(x, y, |x, y| x * y))
    }

    fn copy(&self, x: &Array) -> Done<Array> {
        Ok(elementwise::zip(x, x, |x, _| x))
    }

    fn pool(
        &self,
        pool: &Pool,
        x: &Array,
        ranges: &[Range<usize>],
    ) -> Done<(Array, pooling::Pooled)> {
        Ok(pooling::pool(x, pool, ranges))
    }

    fn pool_vjp(
        &self,
        pool: &Pool,
        saved: &pooling::Pooled,
        grad: &Array,
        ranges: &[Range<usize>],
    ) -> Done<Array> {
        Ok(pooling::pool_vjp(grad, pool, saved, ranges))
    }

    fn unfold(&self, x: &Array, rows: &[Range<usize>], size: usize) -> Done<Array> {
        Ok(elementwise::unfold(x, rows, size))
    }

    fn unfold_vjp(&self, grad: &Array, rows: &[Range<usize>], size: usize) -> Done<Array> {
        Ok(elementwise::unfold_vjp(grad, rows, size))
    }

    fn gather(&self, x: &Array, indices: &[usize]) -> Done<Array> {
        Ok(elementwise::gather(x, indices))
    }

    fn without(&self, mut x: Array, parts: &[(Range<usize>, Range<usize>)]) -> Done<Array> {
        for (rows, columns) in parts {
            rows.clone().for_each(|row| x.row_mut(row)[columns.clone()].fill(0.));
        }
        Ok(x)
    }

    fn scatter(&self, x: &Array, indices: &[usize], total: usize) -> Done<Array> {
        Ok(elementwise::scatter(x, indices, total))
    }

    fn array(&self, rows: &[Vec<f64>]) -> Done<Array> {
        let mut array = Array::zeros(rows.len(), rows.first().map_or(0, Vec::len));
        for (i, row) in rows.iter().enumerate() {
            for (x, &value) in array.row_mut(i).iter_mut().zip(row) {
                *x = value as f32;
            }
        }
        Ok(array)
    }

    fn rows(&self, x: &Array) -> Done<Vec<Vec<f64>>> {
        let row = |i| x.row(i)[..x.width].iter().copied().map(f64::from).collect();
        Ok((0..x.rows).map(row).collect())
    }
}
