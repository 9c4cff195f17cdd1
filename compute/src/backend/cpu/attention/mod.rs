//! Scaled dot-product attention (Vaswani et al. 2017), head by head.

mod head;
mod relation;
mod rotary;
mod softmax;

use std::ops::Range;

use super::Isa;
use super::array::{Array, Buffer};
use super::matmul::Out;
use super::threads::Threads;
use crate::backend::{Attention, Heads, Relation, Span};
use crate::rows::AttentionMap;
use head::{Backward, BackwardHead, Forward, ForwardHead, HeadView, Square, WeightsBackward};
use rotary::Turn;

/// What the forward pass leaves for the gradient.
#[derive(Debug)]
pub struct Attended {
    /// Turned already, where the block turns them.
    query: Array,
    key: Array,
    value: Array,
    /// `[heads, queries, keys]` of each span, keys padded with zeros.
    weights: Buffer,
    squares: Vec<Square>,
    heads: usize,
}

/// Multiply-adds of one pass over all spans.
fn work(heads: Heads, spans: &[Span]) -> usize {
    let pairs = |span: &Span| span.queries.len() * span.keys.len();
    2 * heads.count * heads.size * spans.iter().map(pairs).sum::<usize>()
}

/// The columns of each head in the rows of each span, spans one after the
/// other.
fn split<'a>(
    x: &'a mut Array,
    rows: impl Iterator<Item = &'a Range<usize>>,
    heads: Heads,
) -> Vec<Out<'a>> {
    let (stride, mut parts, mut at) = (x.stride(), Vec::new(), 0);
    let mut rest = x.as_mut_slice();
    for rows in rows {
        let (part, after) = rest[(rows.start - at) * stride..].split_at_mut(rows.len() * stride);
        parts.extend(Out::side_by_side(part, stride, heads.size).take(heads.count));
        (rest, at) = (after, rows.end);
    }
    parts
}

/// Query, key and value `[tokens, hidden]` to the context `[queries, hidden]`.
pub fn forward(
    isa: Isa,
    threads: Threads,
    block: &Attention<Array>,
    [mut query, mut key, value]: [Array; 3],
    spans: &[Span],
) -> (Array, Attended) {
    let heads = block.heads;
    if let Relation::Rotary(angles) = &block.relation {
        rotary::turn(&mut query, &mut key, spans, angles, Turn::There);
    }
    let squares = Square::of_all(spans, heads.count);
    let mut weights = Buffer::take(Square::total(&squares, heads.count));
    let mut context = Array::zeros_in_padding(query.rows, query.width);
    let contexts = split(&mut context, spans.iter().map(|span| &span.queries), heads);
    let mut rest = weights.as_mut_slice();
    let mut items = Vec::with_capacity(contexts.len());
    for (number, context) in contexts.into_iter().enumerate() {
        let (span, head) = (&spans[number / heads.count], number % heads.count);
        let square = squares[number / heads.count];
        let weights;
        (weights, rest) = rest.split_at_mut(square.len());
        items.push(ForwardHead {
            head,
            span,
            query: HeadView::new(&query, &span.queries, heads, head),
            key: HeadView::new(&key, &span.keys, heads, head),
            value: HeadView::new(&value, &span.keys, heads, head),
            square,
            weights,
            context,
        });
    }
    threads.each(work(heads, spans), items, |items| isa.run(Forward { isa, block, items }));
    (context, Attended { query, key, value, weights, squares, heads: heads.count })
}

/// Gradient at the context → at query, key and value. With weights
/// `A = softmax(S)`, `S = s Q Kᵀ`: `∂V = Aᵀ ∂C`, `∂A = ∂C Vᵀ`,
/// `∂S = A (∂A - Σ_key A ∂A)`, `∂Q = s ∂S K`, `∂K = s ∂Sᵀ Q`.
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
    let [mut to_query, mut to_key, mut to_value] =
        [grad.rows, tokens, tokens].map(|rows| Array::zeros_in_padding(rows, grad.width));
    let to_queries = split(&mut to_query, spans.iter().map(|span| &span.queries), heads);
    let to_keys = split(&mut to_key, spans.iter().map(|span| &span.keys), heads);
    let to_values = split(&mut to_value, spans.iter().map(|span| &span.keys), heads);
    let outs = to_queries.into_iter().zip(to_keys).zip(to_values).enumerate();
    let item = |(number, ((to_query, to_key), to_value))| {
        let (span, head) = (&spans[number / heads.count], number % heads.count);
        let square = saved.squares[number / heads.count];
        BackwardHead {
            head,
            span,
            query: HeadView::new(&saved.query, &span.queries, heads, head),
            key: HeadView::new(&saved.key, &span.keys, heads, head),
            value: HeadView::new(&saved.value, &span.keys, heads, head),
            grad: HeadView::new(grad, &span.queries, heads, head),
            square,
            weights: square.of_head(saved.weights.as_slice(), head),
            to: [to_query, to_key, to_value],
        }
    };
    let items = outs.map(item).collect();
    threads.each(2 * work(heads, spans), items, |items| isa.run(Backward { isa, block, items }));
    if let Relation::Rotary(angles) = &block.relation {
        rotary::turn(&mut to_query, &mut to_key, spans, angles, Turn::Back);
    }
    [to_query, to_key, to_value]
}

/// Gradient at the context → at the weights of one span, `∂A = ∂C Vᵀ`.
pub fn weights_vjp(
    isa: Isa,
    heads: Heads,
    saved: &Attended,
    span: &Span,
    number: usize,
    grad: &Array,
) -> AttentionMap {
    let square = saved.squares[number];
    let mut weights = Vec::with_capacity(heads.count * square.queries * square.keys);
    for head in 0..heads.count {
        let mut scores = Buffer::take(square.len());
        isa.run(WeightsBackward {
            isa,
            value: HeadView::new(&saved.value, &span.keys, heads, head),
            grad: HeadView::new(grad, &span.queries, heads, head),
            square,
            scores: scores.as_mut_slice(),
        });
        weights.extend(square.unpadded(scores.as_slice()));
    }
    AttentionMap { heads: heads.count, tokens: square.keys, weights }
}

impl Attended {
    /// The weights of one span.
    pub fn map(&self, span: usize) -> AttentionMap {
        let square = self.squares[span];
        let head = |head| square.unpadded(square.of_head(self.weights.as_slice(), head));
        let weights = (0..self.heads).flat_map(head).collect();
        AttentionMap { heads: self.heads, tokens: square.keys, weights }
    }

    /// `[tokens of all spans, hidden]`
    pub fn value(&self) -> &Array {
        &self.value
    }
}
