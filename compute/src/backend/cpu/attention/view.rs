//! Where the numbers of one span and one head are in memory.

use std::ops::Range;

use pulp::Simd;

use crate::backend::cpu::array::{Array, LINE, padded};
use crate::backend::cpu::matmul::{Left, Out, Right, product};
use crate::backend::cpu::panels::Panels;
use crate::backend::{Heads, Span};

/// The part of a matrix that belongs to one span and one head, `[tokens, size]`.
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

    /// Computes `out = left · self`. Reads whole lines in place; other sizes are copied first,
    /// since a line would include the next head's numbers.
    #[inline(always)]
    pub fn multiplied<S: Simd>(&self, simd: S, panels: &mut Panels, left: Left<'_>, out: &Out<'_>) {
        if self.size.is_multiple_of(LINE) {
            let right = Right::rows(self.data, self.tokens, self.size, self.stride);
            product(simd, left, right, out);
        } else {
            self.stacked(simd, None, panels, left, out);
        }
    }

    /// Computes `out = left · [self; below]`, where the rows of `below` follow those of `self`.
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

    /// Computes `out = left · selfᵀ`.
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

/// The memory layout of one span's weights or scores: `[queries, keys]` per head, keys padded.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub queries: usize,
    pub keys: usize,
    pub stride: usize,
    /// The offset of the span's first head.
    start: usize,
}

impl Layout {
    /// Returns one layout per span. The heads of a span are contiguous.
    pub fn of_all(spans: &[Span], heads: usize) -> Vec<Self> {
        let mut end = 0;
        let layout = |span: &Span| {
            let (queries, keys) = (span.queries.len(), span.keys.len());
            let layout = Self { queries, keys, stride: padded(keys), start: end };
            end += heads * layout.len();
            layout
        };
        spans.iter().map(layout).collect()
    }

    /// Returns the size of all spans and heads together, in numbers.
    pub fn total(layouts: &[Self], heads: usize) -> usize {
        layouts.last().map_or(0, |last| last.start + heads * last.len())
    }

    pub fn len(self) -> usize {
        self.queries * self.stride
    }

    /// Returns one head's part of `all`.
    pub fn of_head(self, all: &[f32], head: usize) -> &[f32] {
        &all[self.start + head * self.len()..][..self.len()]
    }

    /// Iterates over the numbers of one head without padding, query by query.
    pub fn unpadded(self, of_head: &[f32]) -> impl Iterator<Item = f64> {
        let rows = of_head.chunks(self.stride).take(self.queries);
        rows.flat_map(move |row| row[..self.keys].iter().copied().map(f64::from))
    }

    /// The matrix as stored.
    pub fn left(self, data: &[f32]) -> Left<'_> {
        Left { data, rows: self.queries, row: self.stride, column: 1 }
    }

    /// The transposed matrix.
    pub fn left_transposed(self, data: &[f32]) -> Left<'_> {
        Left { data, rows: self.keys, row: 1, column: self.stride }
    }

    pub fn out(self, data: &mut [f32]) -> Out<'_> {
        Out::new(data, self.stride, self.stride)
    }
}
