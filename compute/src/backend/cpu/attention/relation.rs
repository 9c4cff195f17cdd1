//! How the distance of two tokens enters the scores of one head, and its
//! gradient.

use std::ops::Range;

use pulp::Simd;

use super::head::{HeadView, Square};
use crate::backend::cpu::array::{Array, Buffer, padded};
use crate::backend::cpu::matmul::{Left, Out};
use crate::backend::cpu::panels::Panels;
use crate::backend::{Attention, Relation, Span};
use crate::blocks::Distances;

/// What a gradient is multiplied with, and how many rows it gets.
struct Side<'a> {
    content: HeadView<'a>,
    positions: HeadView<'a>,
    rows: usize,
}

/// The gradient at the products, and the bucket of each pair.
struct Grad<'a> {
    of: &'a [f32],
    square: Square,
    distances: &'a Distances,
}

/// One head of one span, and the block that it belongs to.
pub struct Related<'a> {
    pub block: &'a Attention<Array>,
    pub head: usize,
    pub span: &'a Span,
    pub query: HeadView<'a>,
    pub key: HeadView<'a>,
}

impl<'a> Related<'a> {
    /// Adds what the block's relation says to the products of query and key, and
    /// hides the keys out of sight. Returns what is left to multiply with.
    #[inline(always)]
    pub fn finish_scores<S: Simd>(
        &self,
        simd: S,
        panels: &mut Panels,
        scores: &mut [f32],
        square: Square,
    ) -> f32 {
        let scale = self.block.scale as f32;
        let scale = match &self.block.relation {
            Relation::None | Relation::Rotary(_) => scale,
            Relation::Bias { table, distances } => {
                let heads = self.block.heads.count;
                self.each(scores, square, |score, query, key| {
                    let bucket = distances.bucket(query, key);
                    *score = *score * scale + table[bucket * heads + self.head];
                });
                1.
            }
            Relation::Disentangled { key, query, distances } => {
                let seen = self.buckets(distances);
                if let Some(positions) = key {
                    let positions = self.positions(positions, &seen);
                    let products = products(simd, panels, self.query, positions);
                    let width = padded(seen.len());
                    self.each_numbered(scores, square, |score, [i, _], query, key| {
                        let bucket = distances.bucket(query, key) - seen.start;
                        *score += products.as_slice()[i * width + bucket];
                    });
                }
                if let Some(positions) = query {
                    let positions = self.positions(positions, &seen);
                    let products = products(simd, panels, self.key, positions);
                    let width = padded(seen.len());
                    self.each(scores, square, |score, query, key| {
                        let bucket = distances.bucket(query, key) - seen.start;
                        *score += products.as_slice()[key * width + bucket];
                    });
                }
                scale
            }
        };
        if self.block.window.is_some() {
            self.each(scores, square, |score, query, key| {
                if !self.block.sees(query, key) {
                    *score = f32::NEG_INFINITY;
                }
            });
        }
        scale
    }

    /// Gradient at the products → at the query: by the keys and, where positions
    /// take part in it, by them.
    #[inline(always)]
    pub fn to_query<S: Simd>(
        &self,
        simd: S,
        panels: &mut Panels,
        grad: &[f32],
        square: Square,
        out: &Out<'_>,
    ) {
        let Relation::Disentangled { key: Some(positions), distances, .. } = &self.block.relation
        else {
            return self.key.multiplied(simd, panels, square.left(grad), out);
        };
        let positions = self.positions(positions, &self.buckets(distances));
        let side = Side { content: self.key, positions, rows: square.queries };
        let grad = Grad { of: grad, square, distances };
        self.both(simd, panels, &side, &grad, |query, key| (query, key), out);
    }

    /// The same at the key.
    #[inline(always)]
    pub fn to_key<S: Simd>(
        &self,
        simd: S,
        panels: &mut Panels,
        grad: &[f32],
        square: Square,
        out: &Out<'_>,
    ) {
        let Relation::Disentangled { query: Some(positions), distances, .. } = &self.block.relation
        else {
            return self.query.multiplied(simd, panels, square.left_transposed(grad), out);
        };
        let positions = self.positions(positions, &self.buckets(distances));
        let side = Side { content: self.query, positions, rows: square.keys };
        let grad = Grad { of: grad, square, distances };
        self.both(simd, panels, &side, &grad, |query, key| (key, query), out);
    }

    /// `∂X = ∂S Y + ∂C P`: by content, and by positions with the gradients of each
    /// bucket summed in `∂C`. `at` says in which row and column of `∂S` a pair of
    /// query and key stands.
    #[inline(always)]
    fn both<S: Simd>(
        &self,
        simd: S,
        panels: &mut Panels,
        side: &Side<'_>,
        grad: &Grad<'_>,
        at: impl Fn(usize, usize) -> (usize, usize),
        out: &Out<'_>,
    ) {
        let first = self.buckets(grad.distances).start;
        let depth = side.content.tokens + side.positions.tokens;
        let mut left = Buffer::take(side.rows * padded(depth));
        let sums = left.as_mut_slice();
        sums.fill(0.);
        for (i, row) in grad.of.chunks_exact(grad.square.stride).enumerate() {
            let query = self.span.place(i);
            for (key, value) in row[..grad.square.keys].iter().enumerate() {
                let (row, column) = at(i, key);
                let sums = &mut sums[row * padded(depth)..][..depth];
                sums[column] = *value;
                let bucket = grad.distances.bucket(query, key) - first;
                sums[side.content.tokens + bucket] += *value;
            }
        }
        let data = left.as_slice();
        let left = Left { data, rows: side.rows, row: padded(depth), column: 1 };
        side.content.stacked(simd, Some(side.positions), panels, left, out);
    }

    /// The buckets that this span's distances fall into.
    fn buckets(&self, distances: &Distances) -> Range<usize> {
        distances.range(self.span.keys.len())
    }

    /// This head's part of the embedded buckets `seen`.
    fn positions<'p>(&self, positions: &'p Array, seen: &Range<usize>) -> HeadView<'p> {
        HeadView::new(positions, seen, self.block.heads, self.head)
    }

    /// Every score with its query's and its key's place in the row.
    #[inline(always)]
    fn each(&self, scores: &mut [f32], square: Square, change: impl Fn(&mut f32, usize, usize)) {
        self.each_numbered(scores, square, |score, _, query, key| change(score, query, key));
    }

    /// The same, and where the score lies in the square.
    #[inline(always)]
    fn each_numbered(
        &self,
        scores: &mut [f32],
        square: Square,
        change: impl Fn(&mut f32, [usize; 2], usize, usize),
    ) {
        for (i, row) in scores.chunks_exact_mut(square.stride).enumerate() {
            let query = self.span.place(i);
            for (key, score) in row[..square.keys].iter_mut().enumerate() {
                change(score, [i, key], query, key);
            }
        }
    }
}

/// `content · positionsᵀ`, `[content rows, positions, padded]`.
#[inline(always)]
fn products<S: Simd>(
    simd: S,
    panels: &mut Panels,
    content: HeadView<'_>,
    positions: HeadView<'_>,
) -> Buffer {
    let width = padded(positions.tokens);
    let mut products = Buffer::take(content.tokens * width);
    let out = Out::new(products.as_mut_slice(), width, width);
    positions.multiplied_transposed(simd, panels, content.left(), &out);
    products
}
