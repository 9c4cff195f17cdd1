//! Scaled dot-product attention (Vaswani et al. 2017), one head at a time.

mod head;
mod relation;
mod rotary;
mod softmax;
mod view;

use std::ops::Range;

use super::Isa;
use super::array::{Array, Buffer};
use super::matmul::Out;
use super::threads::Threads;
use crate::backend::{Attention, Heads, Relation, Span};
use crate::rows::AttentionMap;
use head::{Backward, BackwardHead, Forward, ForwardHead, WeightsBackward};
use rotary::Rotation;
use view::{HeadView, Layout};

/// What the forward pass saves for the gradient.
#[derive(Debug)]
pub struct Attended {
    /// Rotated already, if the block uses rotary embeddings; so is `key`.
    query: Array,
    key: Array,
    value: Array,
    /// `[heads, queries, keys]` per span, keys padded with zeros.
    weights: Buffer,
    layouts: Vec<Layout>,
    heads: usize,
}

/// Returns the multiply-adds of one pass over all spans.
fn work(heads: Heads, spans: &[Span]) -> usize {
    let pairs = |span: &Span| span.queries.len() * span.keys.len();
    2 * heads.count * heads.size * spans.iter().map(pairs).sum::<usize>()
}

/// Splits `x` by span and head: the columns of each head in the rows of each span, span by span.
fn split<'a>(
    x: &'a mut Array,
    rows: impl Iterator<Item = &'a Range<usize>>,
    heads: Heads,
) -> Vec<Out<'a>> {
    let (stride, mut parts, mut row) = (x.stride(), Vec::new(), 0);
    let mut rest = x.as_mut_slice();
    for rows in rows {
        let (part, after) = rest[(rows.start - row) * stride..].split_at_mut(rows.len() * stride);
        parts.extend(Out::side_by_side(part, stride, heads.size).take(heads.count));
        (rest, row) = (after, rows.end);
    }
    parts
}

/// Query, key and value, `[tokens, hidden]` → context, `[queries, hidden]`.
pub fn forward(
    isa: Isa,
    threads: Threads,
    block: &Attention<Array>,
    [mut query, mut key, value]: [Array; 3],
    spans: &[Span],
) -> (Array, Attended) {
    let heads = block.heads;
    if let Relation::Rotary(angles) = &block.relation {
        rotary::rotate(&mut query, &mut key, spans, angles, Rotation::Forward);
    }
    let layouts = Layout::of_all(spans, heads.count);
    let mut weights = Buffer::take(Layout::total(&layouts, heads.count));
    let mut context = Array::zeros_in_padding(query.rows, query.width);
    let contexts = split(&mut context, spans.iter().map(|span| &span.queries), heads);
    let mut rest = weights.as_mut_slice();
    let mut items = Vec::with_capacity(contexts.len());
    for (number, context) in contexts.into_iter().enumerate() {
        let (span, head) = (&spans[number / heads.count], number % heads.count);
        let layout = layouts[number / heads.count];
        let weights;
        (weights, rest) = rest.split_at_mut(layout.len());
        items.push(ForwardHead {
            head,
            span,
            query: HeadView::new(&query, &span.queries, heads, head),
            key: HeadView::new(&key, &span.keys, heads, head),
            value: HeadView::new(&value, &span.keys, heads, head),
            layout,
            weights,
            context,
        });
    }
    threads.each(work(heads, spans), items, |items| isa.run(Forward { isa, block, items }));
    (context, Attended { query, key, value, weights, layouts, heads: heads.count })
}

/// Gradient at the context → at query, key and value. With weights `A = softmax(S)`, `S = s Q Kᵀ`:
/// `∂V = Aᵀ ∂C`, `∂A = ∂C Vᵀ`, `∂S = A (∂A - Σ_key A ∂A)`, `∂Q = s ∂S K`, `∂K = s ∂Sᵀ Q`.
pub fn vjp(
    isa: Isa,
    threads: Threads,
    block: &Attention<Array>,
    saved: &Attended,
    spans: &[Span],
    grad: &Array,
) -> [Array; 3] {
    let heads = block.heads;
    let tokens = spans.last().map_or(0, |span| span.keys.end);
    let [mut query_grad, mut key_grad, mut value_grad] =
        [grad.rows, tokens, tokens].map(|rows| Array::zeros_in_padding(rows, grad.width));
    let query_parts = split(&mut query_grad, spans.iter().map(|span| &span.queries), heads);
    let key_parts = split(&mut key_grad, spans.iter().map(|span| &span.keys), heads);
    let value_parts = split(&mut value_grad, spans.iter().map(|span| &span.keys), heads);
    let parts = query_parts.into_iter().zip(key_parts).zip(value_parts).enumerate();
    let item = |(number, ((query_grad, key_grad), value_grad))| {
        let (span, head) = (&spans[number / heads.count], number % heads.count);
        let layout = saved.layouts[number / heads.count];
        BackwardHead {
            head,
            span,
            query: HeadView::new(&saved.query, &span.queries, heads, head),
            key: HeadView::new(&saved.key, &span.keys, heads, head),
            value: HeadView::new(&saved.value, &span.keys, heads, head),
            grad: HeadView::new(grad, &span.queries, heads, head),
            layout,
            weights: layout.of_head(saved.weights.as_slice(), head),
            grads: [query_grad, key_grad, value_grad],
        }
    };
    let items = parts.map(item).collect();
    threads.each(2 * work(heads, spans), items, |items| isa.run(Backward { isa, block, items }));
    if let Relation::Rotary(angles) = &block.relation {
        rotary::rotate(&mut query_grad, &mut key_grad, spans, angles, Rotation::Inverse);
    }
    [query_grad, key_grad, value_grad]
}

/// Gradient at the context → at the weights of one span, `∂A = ∂C Vᵀ`.
pub fn weights_vjp(
    isa: Isa,
    heads: Heads,
    saved: &Attended,
    span: &Span,
    index: usize,
    grad: &Array,
) -> AttentionMap {
    let layout = saved.layouts[index];
    let mut weights = Vec::with_capacity(heads.count * layout.queries * layout.keys);
    for head in 0..heads.count {
        let mut scores = Buffer::take(layout.len());
        isa.run(WeightsBackward {
            isa,
            value: HeadView::new(&saved.value, &span.keys, heads, head),
            grad: HeadView::new(grad, &span.queries, heads, head),
            layout,
            scores: scores.as_mut_slice(),
        });
        weights.extend(layout.unpadded(scores.as_slice()));
    }
    AttentionMap { heads: heads.count, tokens: layout.keys, weights }
}

impl Attended {
    /// Returns the attention weights of one span.
    pub fn map(&self, span: usize) -> AttentionMap {
        let layout = self.layouts[span];
        let head = |head| layout.unpadded(layout.of_head(self.weights.as_slice(), head));
        let weights = (0..self.heads).flat_map(head).collect();
        AttentionMap { heads: self.heads, tokens: layout.keys, weights }
    }

    /// Returns the values of all spans, `[tokens, hidden]`.
    pub fn value(&self) -> &Array {
        &self.value
    }
}
