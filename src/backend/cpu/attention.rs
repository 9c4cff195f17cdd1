//! Scaled dot-product attention (Vaswani et al. 2017), head by head.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::Isa;
use super::array::{Array, Buffer, padded};
use super::lanes::{exp, multiply_add};
use super::matmul::{Left, Out, Start, Sum, matmul};
use super::panels::Panels;
use super::threads::Threads;
use crate::backend::{Heads, Span};
use crate::rows::AttentionMap;

/// What the forward pass leaves for the gradient.
#[derive(Debug)]
pub struct Attended {
    query: Array,
    key: Array,
    value: Array,
    /// One block a span, `[heads, queries, keys]`, keys padded with zeros.
    weights: Vec<Buffer>,
    shapes: Vec<[usize; 3]>,
}

/// The part of `x` that belongs to one span and one head, `[tokens, size]`.
#[derive(Clone, Copy)]
struct HeadView<'a> {
    data: &'a [f32],
    stride: usize,
    rows: usize,
}

impl<'a> HeadView<'a> {
    fn new(x: &'a Array, tokens: &Range<usize>, column: usize) -> Self {
        let stride = x.stride();
        Self { data: &x.as_slice()[tokens.start * stride + column..], stride, rows: tokens.len() }
    }

    fn row(&self, i: usize) -> &'a [f32] {
        &self.data[i * self.stride..]
    }

    fn left(&self) -> Left<'a> {
        Left { data: self.data, rows: self.rows, row: self.stride, column: 1 }
    }

    /// Packed as it is, `[tokens, size]`.
    fn panels(&self, isa: Isa, size: usize) -> Panels {
        let mut panels = Panels::scratch(isa, self.rows, size);
        panels.fill_rows(|i| self.row(i));
        panels
    }

    /// Packed transposed, `[size, tokens]`.
    fn transposed(&self, isa: Isa, size: usize) -> Panels {
        let mut panels = Panels::scratch(isa, size, self.rows);
        panels.fill_columns(|i| self.row(i));
        panels
    }
}

/// Multiply-adds of one span's forward pass.
fn work(heads: Heads, span: &Span) -> usize {
    2 * heads.count * heads.size * span.queries.len() * span.keys.len()
}

/// One head's product, on this thread: heads are shared out, not their parts.
fn product(left: Left<'_>, right: &Panels, out: &Out<'_>) {
    matmul(Threads(1), left, right, Start::Zero, out, None, &Sum);
}

/// Query, key and value `[tokens, hidden]` to the context `[queries, hidden]`.
pub fn forward(
    isa: Isa,
    threads: Threads,
    heads: Heads,
    [query, key, value]: [Array; 3],
    spans: &[Span],
) -> (Array, Attended) {
    let mut context = Array::zeros_in_padding(query.rows, query.width);
    let mut weights = Vec::with_capacity(spans.len());
    for span in spans {
        let (queries, keys) = (span.queries.len(), padded(span.keys.len()));
        let mut block = Buffer::take(heads.count * queries * keys);
        let outs = span_outs(&mut context, &span.queries, heads.size);
        let blocks =
            block.as_mut_slice()[..heads.count * queries * keys].chunks_mut(queries * keys);
        threads.each(work(heads, span), blocks.zip(outs).enumerate(), |(head, (weights, out))| {
            let column = head * heads.size;
            let query = HeadView::new(&query, &span.queries, column);
            let key = HeadView::new(&key, &span.keys, column).transposed(isa, heads.size);
            product(query.left(), &key, &Out::new(weights, keys, keys));
            isa.run(Softmax {
                scores: weights,
                keys: span.keys.len(),
                scale: heads.scale() as f32,
            });
            let value = HeadView::new(&value, &span.keys, column).panels(isa, heads.size);
            product(by_query(weights, queries, keys), &value, &out);
        });
        weights.push(block);
    }
    let shape = |span: &Span| [heads.count, span.queries.len(), span.keys.len()];
    let shapes = spans.iter().map(shape).collect();
    (context, Attended { query, key, value, weights, shapes })
}

/// `[queries, keys]` as it lies.
fn by_query(data: &[f32], queries: usize, stride: usize) -> Left<'_> {
    Left { data, rows: queries, row: stride, column: 1 }
}

/// `[queries, keys]` transposed.
fn by_key(data: &[f32], keys: usize, stride: usize) -> Left<'_> {
    Left { data, rows: keys, row: 1, column: stride }
}

/// Gradient at the context → at query, key and value. With weights
/// `A = softmax(S)`, `S = s Q Kᵀ`: `∂V = Aᵀ ∂C`, `∂A = ∂C Vᵀ`,
/// `∂S = A (∂A - Σ_key A ∂A)`, `∂Q = s ∂S K`, `∂K = s ∂Sᵀ Q`.
pub fn vjp(
    isa: Isa,
    threads: Threads,
    heads: Heads,
    saved: &Attended,
    spans: &[Span],
    grad: &Array,
) -> [Array; 3] {
    let tokens = spans.last().map_or(0, |span| span.keys.end);
    let mut grads =
        [grad.rows, tokens, tokens].map(|rows| Array::zeros_in_padding(rows, grad.width));
    for (span, weights) in spans.iter().zip(&saved.weights) {
        let (queries, keys) = (span.queries.len(), padded(span.keys.len()));
        let [query, key, value] = &mut grads;
        let query_outs = span_outs(query, &span.queries, heads.size);
        let key_outs = span_outs(key, &span.keys, heads.size);
        let value_outs = span_outs(value, &span.keys, heads.size);
        let blocks = weights.as_slice()[..heads.count * queries * keys].chunks(queries * keys);
        let items = blocks.zip(query_outs).zip(key_outs).zip(value_outs).enumerate();
        threads.each(
            2 * work(heads, span),
            items,
            |(head, (((weights, to_query), to_key), to_value))| {
                let column = head * heads.size;
                let grad = HeadView::new(grad, &span.queries, column);
                let query = HeadView::new(&saved.query, &span.queries, column);
                let key = HeadView::new(&saved.key, &span.keys, column);
                let value = HeadView::new(&saved.value, &span.keys, column);
                let tokens = span.keys.len();
                product(by_key(weights, tokens, keys), &grad.panels(isa, heads.size), &to_value);
                let mut scores = Buffer::take(queries * keys);
                let value = value.transposed(isa, heads.size);
                product(grad.left(), &value, &Out::new(scores.as_mut_slice(), keys, keys));
                let scores = &mut scores.as_mut_slice()[..queries * keys];
                isa.run(SoftmaxVjp { weights, grad: scores, keys, scale: heads.scale() as f32 });
                let key = key.panels(isa, heads.size);
                product(by_query(scores, queries, keys), &key, &to_query);
                product(by_key(scores, tokens, keys), &query.panels(isa, heads.size), &to_key);
            },
        );
    }
    grads
}

/// The columns of each head in a span's rows of `x`.
fn span_outs<'a>(
    x: &'a mut Array,
    rows: &Range<usize>,
    size: usize,
) -> impl Iterator<Item = Out<'a>> {
    let stride = x.stride();
    let rows = &mut x.as_mut_slice()[rows.start * stride..][..rows.len() * stride];
    Out::side_by_side(rows, stride, size)
}

impl Attended {
    /// The weights of one span, without padding.
    pub fn map(&self, span: usize) -> AttentionMap {
        let [heads, queries, keys] = self.shapes[span];
        let rows = self.weights[span].as_slice().chunks(padded(keys)).take(heads * queries);
        let weights = rows.flat_map(|row| row[..keys].iter().copied().map(f64::from)).collect();
        AttentionMap { heads, tokens: keys, weights }
    }
}

/// Rows of scores `[queries, keys]` to `softmax(scale · scores)`, in place.
struct Softmax<'a> {
    scores: &'a mut [f32],
    keys: usize,
    scale: f32,
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let scale = simd.splat_f32s(self.scale);
        for row in self.scores.chunks_exact_mut(padded(self.keys)) {
            // Padding vanishes in the exponential.
            row[self.keys..].fill(f32::NEG_INFINITY);
            let row = S::as_mut_simd_f32s(row).0;
            let max = row.iter().fold(row[0], |max, score| simd.max_f32s(max, *score));
            let max = simd.splat_f32s(simd.reduce_max_f32s(max));
            let mut sum = simd.splat_f32s(0.);
            for score in &mut *row {
                *score = exp(simd, simd.mul_f32s(simd.sub_f32s(*score, max), scale));
                sum = simd.add_f32s(sum, *score);
            }
            let inverse = simd.splat_f32s(1. / simd.reduce_sum_f32s(sum));
            for weight in row {
                *weight = simd.mul_f32s(*weight, inverse);
            }
        }
    }
}

/// Gradient at the weights → at the products of query and key, in place.
struct SoftmaxVjp<'a> {
    weights: &'a [f32],
    grad: &'a mut [f32],
    /// Padded.
    keys: usize,
    scale: f32,
}

impl WithSimd for SoftmaxVjp<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let scale = simd.splat_f32s(self.scale);
        let rows = self.grad.chunks_exact_mut(self.keys);
        for (grad, weights) in rows.zip(self.weights.chunks_exact(self.keys)) {
            let (grad, weights) = (S::as_mut_simd_f32s(grad).0, S::as_simd_f32s(weights).0);
            let along =
                grad.iter().zip(weights).fold(simd.splat_f32s(0.), |sum, (grad, weight)| {
                    multiply_add(simd, *grad, *weight, sum)
                });
            let along = simd.splat_f32s(simd.reduce_sum_f32s(along));
            for (grad, weight) in grad.iter_mut().zip(weights) {
                let centred = simd.mul_f32s(simd.sub_f32s(*grad, along), scale);
                *grad = simd.mul_f32s(*weight, centred);
            }
        }
    }
}
