//! How the distance between two tokens enters the scores of one head, and its gradient.

use std::ops::Range;

use pulp::Simd;

use super::view::{HeadView, Layout};
use crate::backend::cpu::array::{Array, Buffer, padded};
use crate::backend::cpu::matmul::{Left, Out};
use crate::backend::cpu::panels::Panels;
use crate::backend::{Attention, Relation, Span};
use crate::blocks::Distances;

/// The matrices that a score gradient is multiplied with, and the number of result rows.
struct Side<'a> {
    content: HeadView<'a>,
    positions: HeadView<'a>,
    rows: usize,
}

/// The gradient at the query-key products, and the distance buckets.
struct Grad<'a> {
    of: &'a [f32],
    layout: Layout,
    distances: &'a Distances,
}

/// One head of one span, with its block's relation.
pub struct HeadRelation<'a> {
    pub block: &'a Attention<Array>,
    pub head: usize,
    pub span: &'a Span,
    pub query: HeadView<'a>,
    pub key: HeadView<'a>,
}

impl<'a> HeadRelation<'a> {
    /// Applies the relation to the query-key products and masks keys outside the window. Returns
    /// the factor that the scores still have to be scaled by.
    #[inline(always)]
    pub fn finish_scores<S: Simd>(
        &self,
        simd: S,
        panels: &mut Panels,
        scores: &mut [f32],
        layout: Layout,
    ) -> f32 {
        let scale = self.block.scale as f32;
        let scale = match &self.block.relation {
            Relation::None | Relation::Rotary(_) => scale,
            Relation::Bias { table, distances } => {
                let heads = self.block.heads.count;
                self.each(scores, layout, |score, query, key| {
                    let bucket = distances.bucket(query, key);
                    *score = *score * scale + table[bucket * heads + self.head];
                });
                1.
            }
            Relation::Disentangled { key, query, distances } => {
                let buckets = self.buckets(distances);
                if let Some(positions) = key {
                    let positions = self.positions(positions, &buckets);
                    let products = products(simd, panels, self.query, positions);
                    let width = padded(buckets.len());
                    self.each_indexed(scores, layout, |score, [i, _], query, key| {
                        let bucket = distances.bucket(query, key) - buckets.start;
                        *score += products.as_slice()[i * width + bucket];
                    });
                }
                if let Some(positions) = query {
                    let positions = self.positions(positions, &buckets);
                    let products = products(simd, panels, self.key, positions);
                    let width = padded(buckets.len());
                    self.each(scores, layout, |score, query, key| {
                        let bucket = distances.bucket(query, key) - buckets.start;
                        *score += products.as_slice()[key * width + bucket];
                    });
                }
                scale
            }
        };
        if self.block.window.is_some() {
            self.each(scores, layout, |score, query, key| {
                if !self.block.sees(query, key) {
                    *score = f32::NEG_INFINITY;
                }
            });
        }
        scale
    }

    /// Gradient at the products → at the query: from the keys and, if used, from the positions.
    #[inline(always)]
    pub fn query_vjp<S: Simd>(
        &self,
        simd: S,
        panels: &mut Panels,
        grad: &[f32],
        layout: Layout,
        out: &Out<'_>,
    ) {
        let Relation::Disentangled { key: Some(positions), distances, .. } = &self.block.relation
        else {
            return self.key.multiplied(simd, panels, layout.left(grad), out);
        };
        let positions = self.positions(positions, &self.buckets(distances));
        let side = Side { content: self.key, positions, rows: layout.queries };
        let grad = Grad { of: grad, layout, distances };
        self.content_and_position_vjp(simd, panels, &side, &grad, |query, key| (query, key), out);
    }

    /// Gradient at the products → at the key: from the queries and, if used, from the positions.
    #[inline(always)]
    pub fn key_vjp<S: Simd>(
        &self,
        simd: S,
        panels: &mut Panels,
        grad: &[f32],
        layout: Layout,
        out: &Out<'_>,
    ) {
        let Relation::Disentangled { query: Some(positions), distances, .. } = &self.block.relation
        else {
            return self.query.multiplied(simd, panels, layout.left_transposed(grad), out);
        };
        let positions = self.positions(positions, &self.buckets(distances));
        let side = Side { content: self.query, positions, rows: layout.keys };
        let grad = Grad { of: grad, layout, distances };
        self.content_and_position_vjp(simd, panels, &side, &grad, |query, key| (key, query), out);
    }

    /// Computes `∂X = ∂S Y + ∂C P`: the content term, and the position term with gradients summed
    /// per bucket in `∂C`. `cell` maps a query and a key to row and column of `∂S`.
    #[inline(always)]
    fn content_and_position_vjp<S: Simd>(
        &self,
        simd: S,
        panels: &mut Panels,
        side: &Side<'_>,
        grad: &Grad<'_>,
        cell: impl Fn(usize, usize) -> (usize, usize),
        out: &Out<'_>,
    ) {
        let first = self.buckets(grad.distances).start;
        let depth = side.content.tokens + side.positions.tokens;
        let mut left = Buffer::take(side.rows * padded(depth));
        let sums = left.as_mut_slice();
        sums.fill(0.);
        for (i, row) in grad.of.chunks_exact(grad.layout.stride).enumerate() {
            let query = self.span.position(i);
            for (key, value) in row[..grad.layout.keys].iter().enumerate() {
                let (row, column) = cell(i, key);
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

    /// Returns the range of buckets that occur in this span.
    fn buckets(&self, distances: &Distances) -> Range<usize> {
        distances.range(self.span.keys.len())
    }

    /// Returns this head's part of the embeddings of `buckets`.
    fn positions<'p>(&self, positions: &'p Array, buckets: &Range<usize>) -> HeadView<'p> {
        HeadView::new(positions, buckets, self.block.heads, self.head)
    }

    /// Calls `change` with every score and the positions of its query and key in the row.
    #[inline(always)]
    fn each(&self, scores: &mut [f32], layout: Layout, change: impl Fn(&mut f32, usize, usize)) {
        self.each_indexed(scores, layout, |score, _, query, key| change(score, query, key));
    }

    /// Like [`Self::each`], and also passes row and column of the score.
    #[inline(always)]
    fn each_indexed(
        &self,
        scores: &mut [f32],
        layout: Layout,
        change: impl Fn(&mut f32, [usize; 2], usize, usize),
    ) {
        for (i, row) in scores.chunks_exact_mut(layout.stride).enumerate() {
            let query = self.span.position(i);
            for (key, score) in row[..layout.keys].iter_mut().enumerate() {
                change(score, [i, key], query, key);
            }
        }
    }
}

/// Returns `content · positionsᵀ`, `[content rows, positions, padded]`.
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
