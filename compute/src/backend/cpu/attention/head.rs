//! One head of one row: the products between query, key and value.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::relation::Related;
use super::softmax::{softmax, softmax_vjp};
use crate::backend::cpu::Isa;
use crate::backend::cpu::array::{Array, Buffer, LINE, padded};
use crate::backend::cpu::matmul::{Left, Out, Right, product};
use crate::backend::cpu::panels::Panels;
use crate::backend::{Attention, Heads, Span};

/// The part of `x` that belongs to one span and one head, `[tokens, size]`.
#[derive(Clone, Copy)]
pub struct HeadView<'a> {
    data: &'a [f32],
    stride: usize,
    pub tokens: usize,
    size: usize,
}

impl<'a> HeadView<'a> {
    pub fn new(x: &'a Array, tokens: &Range<usize>, heads: Heads, head: usize) -> Self {
        let (stride, size) = (x.stride(), heads.size);
        let data = &x.as_slice()[tokens.start * stride + head * size..];
        Self { data, stride, tokens: tokens.len(), size }
    }

    pub fn row(&self, i: usize) -> &'a [f32] {
        &self.data[i * self.stride..]
    }

    pub fn left(&self) -> Left<'a> {
        Left { data: self.data, rows: self.tokens, row: self.stride, column: 1 }
    }

    /// `out = left · this`. Whole lines are read where they lie; else the next
    /// head's numbers would be read beyond the last.
    #[inline(always)]
    pub fn multiplied<S: Simd>(&self, simd: S, panels: &mut Panels, left: Left<'_>, out: &Out<'_>) {
        if self.size.is_multiple_of(LINE) {
            let right = Right::rows(self.data, self.tokens, self.size, self.stride);
            product(simd, left, right, out);
        } else {
            self.stacked(simd, None, panels, left, out);
        }
    }

    /// `out = left · [this; below]`, the rows of both one after the other.
    #[inline(always)]
    pub fn stacked<S: Simd>(
        &self,
        simd: S,
        below: Option<HeadView<'_>>,
        panels: &mut Panels,
        left: Left<'_>,
        out: &Out<'_>,
    ) {
        let depth = self.tokens + below.map_or(0, |below| below.tokens);
        panels.reshape(depth, self.size);
        panels.fill_rows(|i| match below {
            Some(below) if i >= self.tokens => below.row(i - self.tokens),
            _ => self.row(i),
        });
        product(simd, left, Right::packed(panels), out);
    }

    /// `out = left · thisᵀ`
    #[inline(always)]
    pub fn multiplied_transposed<S: Simd>(
        &self,
        simd: S,
        panels: &mut Panels,
        left: Left<'_>,
        out: &Out<'_>,
    ) {
        panels.reshape(self.size, self.tokens);
        panels.fill_columns(|i| self.row(i));
        product(simd, left, Right::packed(panels), out);
    }
}

/// Weights or scores of one span and head, `[queries, keys]`, keys padded.
#[derive(Debug, Clone, Copy)]
pub struct Square {
    pub queries: usize,
    pub keys: usize,
    pub stride: usize,
    /// Where its span's first head begins among all.
    start: usize,
}

impl Square {
    /// One a span; the heads of a span lie one after the other.
    pub fn of_all(spans: &[Span], heads: usize) -> Vec<Self> {
        let mut end = 0;
        let square = |span: &Span| {
            let (queries, keys) = (span.queries.len(), span.keys.len());
            let square = Self { queries, keys, stride: padded(keys), start: end };
            end += heads * square.len();
            square
        };
        spans.iter().map(square).collect()
    }

    /// Numbers of all spans and heads.
    pub fn total(squares: &[Self], heads: usize) -> usize {
        squares.last().map_or(0, |last| last.start + heads * last.len())
    }

    pub fn len(self) -> usize {
        self.queries * self.stride
    }

    /// One head's part of what `total` counts.
    pub fn of_head(self, all: &[f32], head: usize) -> &[f32] {
        &all[self.start + head * self.len()..][..self.len()]
    }

    /// The numbers of one head without padding, query after query.
    pub fn unpadded(self, of_head: &[f32]) -> impl Iterator<Item = f64> {
        let rows = of_head.chunks(self.stride).take(self.queries);
        rows.flat_map(move |row| row[..self.keys].iter().copied().map(f64::from))
    }

    /// As it lies.
    pub fn left(self, data: &[f32]) -> Left<'_> {
        Left { data, rows: self.queries, row: self.stride, column: 1 }
    }

    /// Transposed.
    pub fn left_transposed(self, data: &[f32]) -> Left<'_> {
        Left { data, rows: self.keys, row: 1, column: self.stride }
    }

    pub fn out(self, data: &mut [f32]) -> Out<'_> {
        Out::new(data, self.stride, self.stride)
    }
}

/// One head of one span.
pub struct ForwardHead<'a> {
    pub head: usize,
    pub span: &'a Span,
    pub query: HeadView<'a>,
    pub key: HeadView<'a>,
    pub value: HeadView<'a>,
    pub square: Square,
    pub weights: &'a mut [f32],
    pub context: Out<'a>,
}

/// Heads one after the other, in memory that they share.
pub struct Forward<'a> {
    pub isa: Isa,
    pub block: &'a Attention<Array>,
    pub items: Vec<ForwardHead<'a>>,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut panels = Panels::scratch(self.isa);
        for item in self.items {
            let ForwardHead { head, span, query, key, value, square, weights, context } = item;
            let related = Related { block: self.block, head, span, query, key };
            key.multiplied_transposed(simd, &mut panels, query.left(), &square.out(weights));
            let scale = related.finish_scores(simd, &mut panels, weights, square);
            softmax(simd, weights, square, scale);
            value.multiplied(simd, &mut panels, square.left(weights), &context);
        }
    }
}

/// One head of one span, backwards.
pub struct BackwardHead<'a> {
    pub head: usize,
    pub span: &'a Span,
    pub query: HeadView<'a>,
    pub key: HeadView<'a>,
    pub value: HeadView<'a>,
    pub grad: HeadView<'a>,
    pub square: Square,
    pub weights: &'a [f32],
    /// Query, key and value.
    pub to: [Out<'a>; 3],
}

/// Heads one after the other, in memory that they share.
pub struct Backward<'a> {
    pub isa: Isa,
    pub block: &'a Attention<Array>,
    pub items: Vec<BackwardHead<'a>>,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let largest = self.items.iter().map(|item| item.square.len()).max().unwrap_or_default();
        let mut scores = Buffer::take(largest);
        let mut panels = Panels::scratch(self.isa);
        for item in self.items {
            let BackwardHead { head, span, query, key, value, grad, square, weights, to } = item;
            let [to_query, to_key, to_value] = &to;
            let related = Related { block: self.block, head, span, query, key };
            grad.multiplied(simd, &mut panels, square.left_transposed(weights), to_value);
            let scores = &mut scores.as_mut_slice()[..square.len()];
            value.multiplied_transposed(simd, &mut panels, grad.left(), &square.out(scores));
            softmax_vjp(simd, weights, scores, square, self.block.scale as f32);
            related.to_query(simd, &mut panels, scores, square, to_query);
            related.to_key(simd, &mut panels, scores, square, to_key);
        }
    }
}

/// One head's gradient at its weights.
pub struct WeightsBackward<'a> {
    pub isa: Isa,
    pub value: HeadView<'a>,
    pub grad: HeadView<'a>,
    pub square: Square,
    pub scores: &'a mut [f32],
}

impl WithSimd for WeightsBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { isa, value, grad, square, scores } = self;
        let mut panels = Panels::scratch(isa);
        value.multiplied_transposed(simd, &mut panels, grad.left(), &square.out(scores));
    }
}
