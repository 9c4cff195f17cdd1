//! One head of one row: the products of query, key and value.

use pulp::{Simd, WithSimd};

use super::relation::HeadRelation;
use super::softmax::{softmax, softmax_vjp};
use super::view::{HeadView, Layout};
use crate::backend::cpu::Isa;
use crate::backend::cpu::array::{Array, Buffer};
use crate::backend::cpu::matmul::Out;
use crate::backend::cpu::panels::Panels;
use crate::backend::{Attention, Span};

/// One head of one span in the forward pass.
pub struct ForwardHead<'a> {
    pub head: usize,
    pub span: &'a Span,
    pub query: HeadView<'a>,
    pub key: HeadView<'a>,
    pub value: HeadView<'a>,
    pub layout: Layout,
    pub weights: &'a mut [f32],
    pub context: Out<'a>,
}

/// Runs several heads sequentially in shared scratch memory.
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
            let ForwardHead { head, span, query, key, value, layout, weights, context } = item;
            let relation = HeadRelation { block: self.block, head, span, query, key };
            key.multiplied_transposed(simd, &mut panels, query.left(), &layout.out(weights));
            let scale = relation.finish_scores(simd, &mut panels, weights, layout);
            softmax(simd, weights, layout, scale);
            value.multiplied(simd, &mut panels, layout.left(weights), &context);
        }
    }
}

/// One head of one span in the backward pass.
pub struct BackwardHead<'a> {
    pub head: usize,
    pub span: &'a Span,
    pub query: HeadView<'a>,
    pub key: HeadView<'a>,
    pub value: HeadView<'a>,
    pub grad: HeadView<'a>,
    pub layout: Layout,
    pub weights: &'a [f32],
    /// Gradients at query, key and value.
    pub grads: [Out<'a>; 3],
}

/// Runs several heads sequentially in shared scratch memory.
pub struct Backward<'a> {
    pub isa: Isa,
    pub block: &'a Attention<Array>,
    pub items: Vec<BackwardHead<'a>>,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let largest = self.items.iter().map(|item| item.layout.len()).max().unwrap_or_default();
        let mut scores = Buffer::take(largest);
        let mut panels = Panels::scratch(self.isa);
        for item in self.items {
            let BackwardHead { head, span, query, key, value, grad, layout, weights, grads } = item;
            let [query_grad, key_grad, value_grad] = &grads;
            let relation = HeadRelation { block: self.block, head, span, query, key };
            grad.multiplied(simd, &mut panels, layout.left_transposed(weights), value_grad);
            let scores = &mut scores.as_mut_slice()[..layout.len()];
            value.multiplied_transposed(simd, &mut panels, grad.left(), &layout.out(scores));
            softmax_vjp(simd, weights, scores, layout, self.block.scale as f32);
            relation.query_vjp(simd, &mut panels, scores, layout, query_grad);
            relation.key_vjp(simd, &mut panels, scores, layout, key_grad);
        }
    }
}

/// Computes one head's gradient at its weights.
pub struct WeightsBackward<'a> {
    pub isa: Isa,
    pub value: HeadView<'a>,
    pub grad: HeadView<'a>,
    pub layout: Layout,
    pub scores: &'a mut [f32],
}

impl WithSimd for WeightsBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { isa, value, grad, layout, scores } = self;
        let mut panels = Panels::scratch(isa);
        value.multiplied_transposed(simd, &mut panels, grad.left(), &layout.out(scores));
    }
}
