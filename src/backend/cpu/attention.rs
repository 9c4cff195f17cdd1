//! Scaled dot-product attention (Vaswani et al. 2017), head by head.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::Isa;
use super::array::{Array, Buffer, LINE, padded};
use super::lanes::{exp, multiply_add};
use super::matmul::{Left, Out, Right, product};
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
    tokens: usize,
    size: usize,
}

impl<'a> HeadView<'a> {
    fn new(x: &'a Array, tokens: &Range<usize>, heads: Heads, head: usize) -> Self {
        let (stride, size) = (x.stride(), heads.size);
        let data = &x.as_slice()[tokens.start * stride + head * size..];
        Self { data, stride, tokens: tokens.len(), size }
    }

    fn row(&self, i: usize) -> &'a [f32] {
        &self.data[i * self.stride..]
    }

    fn left(&self) -> Left<'a> {
        Left { data: self.data, rows: self.tokens, row: self.stride, column: 1 }
    }

    /// `out = left · this`. Whole lines are read where they lie; else the next
    /// head's numbers would be read beyond the last.
    #[inline(always)]
    fn multiplied<S: Simd>(&self, simd: S, isa: Isa, left: Left<'_>, out: &Out<'_>) {
        if self.size.is_multiple_of(LINE) {
            let right = Right::rows(self.data, self.tokens, self.size, self.stride);
            product(simd, left, right, out);
        } else {
            let mut panels = Panels::scratch(isa, self.tokens, self.size);
            panels.fill_rows(|i| self.row(i));
            product(simd, left, Right::packed(&panels), out);
        }
    }

    /// `out = left · thisᵀ`
    #[inline(always)]
    fn multiplied_transposed<S: Simd>(&self, simd: S, isa: Isa, left: Left<'_>, out: &Out<'_>) {
        let mut panels = Panels::scratch(isa, self.size, self.tokens);
        panels.fill_columns(|i| self.row(i));
        product(simd, left, Right::packed(&panels), out);
    }
}

/// Weights or scores of one span and head, `[queries, keys]`, keys padded.
#[derive(Clone, Copy)]
struct Square {
    queries: usize,
    keys: usize,
    stride: usize,
}

impl Square {
    fn of(span: &Span) -> Self {
        let keys = span.keys.len();
        Self { queries: span.queries.len(), keys, stride: padded(keys) }
    }

    fn len(self) -> usize {
        self.queries * self.stride
    }

    /// As it lies.
    fn left(self, data: &[f32]) -> Left<'_> {
        Left { data, rows: self.queries, row: self.stride, column: 1 }
    }

    /// Transposed.
    fn left_transposed(self, data: &[f32]) -> Left<'_> {
        Left { data, rows: self.keys, row: 1, column: self.stride }
    }

    fn out(self, data: &mut [f32]) -> Out<'_> {
        Out::new(data, self.stride, self.stride)
    }
}

/// Multiply-adds of one span's forward pass.
fn work(heads: Heads, span: &Span) -> usize {
    2 * heads.count * heads.size * span.queries.len() * span.keys.len()
}

/// The columns of each head in a span's rows of `x`.
fn outs<'a>(x: &'a mut Array, rows: &Range<usize>, heads: Heads) -> impl Iterator<Item = Out<'a>> {
    let stride = x.stride();
    let rows = &mut x.as_mut_slice()[rows.start * stride..][..rows.len() * stride];
    Out::side_by_side(rows, stride, heads.size)
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
        let square = Square::of(span);
        let mut block = Buffer::take(heads.count * square.len());
        let blocks = block.as_mut_slice().chunks_exact_mut(square.len());
        let items = blocks.zip(outs(&mut context, &span.queries, heads)).enumerate();
        threads.each(work(heads, span), items, |(head, (weights, context))| {
            isa.run(Forward {
                isa,
                query: HeadView::new(&query, &span.queries, heads, head),
                key: HeadView::new(&key, &span.keys, heads, head),
                value: HeadView::new(&value, &span.keys, heads, head),
                square,
                scale: heads.scale() as f32,
                weights,
                context,
            });
        });
        weights.push(block);
    }
    let shape = |span: &Span| [heads.count, span.queries.len(), span.keys.len()];
    let shapes = spans.iter().map(shape).collect();
    (context, Attended { query, key, value, weights, shapes })
}

/// One head of one span.
struct Forward<'a> {
    isa: Isa,
    query: HeadView<'a>,
    key: HeadView<'a>,
    value: HeadView<'a>,
    square: Square,
    scale: f32,
    weights: &'a mut [f32],
    context: Out<'a>,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { isa, square, weights, .. } = self;
        let left = self.query.left();
        self.key.multiplied_transposed(simd, isa, left, &square.out(weights));
        softmax(simd, weights, square, self.scale);
        self.value.multiplied(simd, isa, square.left(weights), &self.context);
    }
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
    let [mut to_query, mut to_key, mut to_value] =
        [grad.rows, tokens, tokens].map(|rows| Array::zeros_in_padding(rows, grad.width));
    for (span, weights) in spans.iter().zip(&saved.weights) {
        let square = Square::of(span);
        let blocks = weights.as_slice().chunks_exact(square.len());
        let items = blocks
            .zip(outs(&mut to_query, &span.queries, heads))
            .zip(outs(&mut to_key, &span.keys, heads))
            .zip(outs(&mut to_value, &span.keys, heads))
            .enumerate();
        let work = 2 * work(heads, span);
        threads.each(work, items, |(head, (((weights, to_query), to_key), to_value))| {
            isa.run(Backward {
                isa,
                query: HeadView::new(&saved.query, &span.queries, heads, head),
                key: HeadView::new(&saved.key, &span.keys, heads, head),
                value: HeadView::new(&saved.value, &span.keys, heads, head),
                grad: HeadView::new(grad, &span.queries, heads, head),
                square,
                scale: heads.scale() as f32,
                weights,
                to: [to_query, to_key, to_value],
            });
        });
    }
    [to_query, to_key, to_value]
}

/// One head of one span, backwards.
struct Backward<'a> {
    isa: Isa,
    query: HeadView<'a>,
    key: HeadView<'a>,
    value: HeadView<'a>,
    grad: HeadView<'a>,
    square: Square,
    scale: f32,
    weights: &'a [f32],
    /// Query, key and value.
    to: [Out<'a>; 3],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { isa, square, weights, .. } = self;
        let [to_query, to_key, to_value] = &self.to;
        self.grad.multiplied(simd, isa, square.left_transposed(weights), to_value);
        let mut scores = Buffer::take(square.len());
        let scores = scores.as_mut_slice();
        let left = self.grad.left();
        self.value.multiplied_transposed(simd, isa, left, &square.out(scores));
        softmax_vjp(simd, weights, scores, square, self.scale);
        self.key.multiplied(simd, isa, square.left(scores), to_query);
        self.query.multiplied(simd, isa, square.left_transposed(scores), to_key);
    }
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

/// Scores to `softmax(scale · scores)`, query by query, in place.
#[inline(always)]
fn softmax<S: Simd>(simd: S, scores: &mut [f32], square: Square, scale: f32) {
    let scale = simd.splat_f32s(scale);
    for row in scores.chunks_exact_mut(square.stride) {
        // Padding vanishes in the exponential.
        row[square.keys..].fill(f32::NEG_INFINITY);
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

/// Gradient at the weights → at the products of query and key, in place.
#[inline(always)]
fn softmax_vjp<S: Simd>(simd: S, weights: &[f32], grad: &mut [f32], square: Square, scale: f32) {
    let scale = simd.splat_f32s(scale);
    let rows = grad.chunks_exact_mut(square.stride);
    for (grad, weights) in rows.zip(weights.chunks_exact(square.stride)) {
        let (grad, weights) = (S::as_mut_simd_f32s(grad).0, S::as_simd_f32s(weights).0);
        let along = grad.iter().zip(weights).fold(simd.splat_f32s(0.), |sum, (grad, weight)| {
            multiply_add(simd, *grad, *weight, sum)
        });
        let along = simd.splat_f32s(simd.reduce_sum_f32s(along));
        for (grad, weight) in grad.iter_mut().zip(weights) {
            let centred = simd.mul_f32s(simd.sub_f32s(*grad, along), scale);
            *grad = simd.mul_f32s(*weight, centred);
        }
    }
}
