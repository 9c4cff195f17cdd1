//! Scaled dot-product attention (Vaswani et al. 2017). Consecutive spans of equal shape are
//! batched.

use candle_core::{D, DType, Result, Tensor};

use super::groups::groups;
use super::relation::{self, Rotation};
use crate::backend::{Attention, Heads, Relation, Span};
use crate::rows::AttentionMap;

/// What the forward pass saves for the gradient; one entry per group.
#[derive(Debug)]
pub struct Attended(Vec<GroupAttended>);

/// `[spans, heads, …]`
#[derive(Debug)]
struct GroupAttended {
    query: Tensor,
    key: Tensor,
    value: Tensor,
    /// `[spans, heads, queries, keys]`
    weights: Tensor,
}

/// Query, key and value, `[tokens, hidden]` → context, `[queries, hidden]`.
pub fn forward(
    block: &Attention<Tensor>,
    qkv: &[Tensor; 3],
    spans: &[Span],
) -> Result<(Tensor, Attended)> {
    let heads = block.heads;
    let [query, key, value] = qkv;
    let (mut queries, mut keys) = (0, 0);
    let mut contexts = Vec::new();
    let mut saved = Vec::new();
    for group in groups(spans) {
        let query = split(heads, query, queries, group.spans, group.queries)?;
        let key = split(heads, key, keys, group.spans, group.keys)?;
        let value = split(heads, value, keys, group.spans, group.keys)?;
        queries += group.spans * group.queries;
        keys += group.spans * group.keys;
        let (query, key) = match &block.relation {
            Relation::Rotary(angles) => {
                relation::rotate(&query, &key, &group, angles, Rotation::Forward)?
            }
            _ => (query, key),
        };
        let scores = relation::scores(block, &group, &query, &key)?;
        let weights = candle_nn::ops::softmax_last_dim(&scores)?;
        contexts.push(join(heads, &weights.matmul(&value)?)?);
        saved.push(GroupAttended { query, key, value, weights });
    }
    Ok((Tensor::cat(&contexts, 0)?, Attended(saved)))
}

/// With weights `A = softmax(S)`, `S = s Q Kᵀ`: `∂V = Aᵀ ∂C`, `∂A = ∂C Vᵀ`,
/// `∂S = A (∂A - Σ_key A ∂A)`, `∂Q = s ∂S K`, `∂K = s ∂Sᵀ Q`.
pub fn vjp(
    block: &Attention<Tensor>,
    saved: &Attended,
    spans: &[Span],
    grad: &Tensor,
) -> Result<[Tensor; 3]> {
    let heads = block.heads;
    let mut start = 0;
    let mut grads: [Vec<Tensor>; 3] = Default::default();
    for (group, saved) in groups(spans).iter().zip(&saved.0) {
        let first = |x: &Tensor| x.narrow(0, 0, group.spans);
        let (query, key) = (first(&saved.query)?, first(&saved.key)?);
        let (value, weights) = (first(&saved.value)?, first(&saved.weights)?);
        let grad = split(heads, grad, start, group.spans, group.queries)?;
        start += group.spans * group.queries;
        let grad_weights = grad.matmul(&value.t()?)?;
        let along = (&weights * &grad_weights)?.sum_keepdim(D::Minus1)?;
        let scores = ((&weights * grad_weights.broadcast_sub(&along)?)? * block.scale)?;
        let (query_grad, key_grad) = relation::scores_vjp(block, group, &query, &key, &scores)?;
        let (query_grad, key_grad) = match &block.relation {
            Relation::Rotary(angles) => {
                relation::rotate(&query_grad, &key_grad, group, angles, Rotation::Inverse)?
            }
            _ => (query_grad, key_grad),
        };
        grads[0].push(join(heads, &query_grad)?);
        grads[1].push(join(heads, &key_grad)?);
        grads[2].push(join(heads, &weights.t()?.matmul(&grad)?)?);
    }
    let [query, key, value] = grads.map(|parts| Tensor::cat(&parts, 0));
    Ok([query?, key?, value?])
}

/// `[spans · tokens, hidden]` from row `start` on → `[spans, heads, tokens, head size]`
fn split(heads: Heads, x: &Tensor, start: usize, spans: usize, tokens: usize) -> Result<Tensor> {
    x.narrow(0, start, spans * tokens)?
        .reshape((spans, tokens, heads.count, heads.size))?
        .transpose(1, 2)?
        .contiguous()
}

/// `[spans, heads, tokens, head size]` → `[spans · tokens, hidden]`
fn join(heads: Heads, x: &Tensor) -> Result<Tensor> {
    let (spans, _, tokens, _) = x.dims4()?;
    x.transpose(1, 2)?.contiguous()?.reshape((spans * tokens, heads.count * heads.size))
}

/// Gradient at the context → at the weights of one span, `∂A = ∂C Vᵀ`.
pub fn weights_vjp(
    heads: Heads,
    saved: &Attended,
    span: &Span,
    span_index: usize,
    grad: &Tensor,
) -> Result<AttentionMap> {
    let (group, index) = saved.group(span_index)?;
    let grad = split(heads, grad, span.queries.start, 1, span.queries.len())?.squeeze(0)?;
    map(&grad.matmul(&group.value.get(index)?.t()?)?)
}

/// Converts `[heads, queries, keys]` to plain numbers.
fn map(weights: &Tensor) -> Result<AttentionMap> {
    let (heads, _, tokens) = weights.dims3()?;
    let weights = weights.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
    Ok(AttentionMap { heads, tokens, weights })
}

impl Attended {
    /// Returns the group of the span with this index, and the index within the group.
    fn group(&self, mut span: usize) -> Result<(&GroupAttended, usize)> {
        for group in &self.0 {
            let spans = group.weights.dim(0)?;
            if span < spans {
                return Ok((group, span));
            }
            span -= spans;
        }
        candle_core::bail!("no such span")
    }

    /// Returns the attention weights of one span.
    pub fn map(&self, span: usize) -> Result<AttentionMap> {
        let (group, index) = self.group(span)?;
        map(&group.weights.get(index)?)
    }

    /// Returns the values of one span, `[keys, hidden]`.
    pub fn values(&self, span: usize) -> Result<Tensor> {
        let (group, index) = self.group(span)?;
        let value = group.value.get(index)?;
        let (heads, keys, size) = value.dims3()?;
        value.transpose(0, 1)?.contiguous()?.reshape((keys, heads * size))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::backend::candle::testing::{check_vjp, random};
    use crate::blocks::{Angles, Distances};

    const HEADS: Heads = Heads { count: 3, size: 4 };

    /// Rows of 3, 3 and 5 tokens; the last one has two queries.
    fn spans() -> Vec<Span> {
        let last = Span { queries: 6..8, keys: 6..11, chosen: Some([1, 4].into()) };
        vec![Span::whole(0..3), Span::whole(3..6), last]
    }

    /// Query, key and value of [`spans`], concatenated in one tensor.
    fn parts(qkv: &Tensor) -> [Tensor; 3] {
        [(0, 8), (8, 11), (19, 11)].map(|(start, len)| qkv.narrow(0, start, len).unwrap())
    }

    /// One block per relation, some with a window.
    fn blocks() -> Vec<Attention<Tensor>> {
        let distances = || Arc::new(Distances::new(6, |d| (d.clamp(-2, 3) + 2) as usize));
        let rows = |seed| Some(random(&[6, 12], seed));
        let disentangled =
            |key, query| Relation::Disentangled { key, query, distances: distances() };
        let table: Vec<f32> = (0..18).map(|i| (i * 7 % 5) as f32 - 2.).collect();
        let plain = || Attention::plain(HEADS);
        vec![
            plain(),
            Attention { window: Some(1), ..plain() },
            Attention { relation: Relation::Rotary(Arc::new(Angles::new(100., 4, 6))), ..plain() },
            Attention { relation: Relation::Bias { table, distances: distances() }, ..plain() },
            Attention { relation: disentangled(rows(1), rows(2)), ..plain() },
            Attention { relation: disentangled(rows(1), None), window: Some(2), ..plain() },
            Attention { relation: disentangled(None, rows(2)), scale: 0.3, ..plain() },
        ]
    }

    #[test]
    fn every_vjp_equals_finite_differences() {
        for block in blocks() {
            check_vjp(
                &random(&[30, 12], 7),
                |qkv| Ok(forward(&block, &parts(qkv), &spans())?.0),
                |qkv, grad| {
                    let saved = forward(&block, &parts(qkv), &spans())?.1;
                    Tensor::cat(&vjp(&block, &saved, &spans(), grad)?, 0)
                },
            );
        }
    }

    #[test]
    fn attention_weights_sum_to_one_over_the_visible_keys() {
        for block in blocks() {
            let (_, saved) = forward(&block, &parts(&random(&[30, 12], 7)), &spans()).unwrap();
            for (span, keys) in [3, 3, 5].into_iter().enumerate() {
                let map = saved.map(span).unwrap();
                assert_eq!((map.heads, map.tokens), (3, keys));
                for (number, weights) in map.weights.chunks(keys).enumerate() {
                    assert!((weights.iter().sum::<f64>() - 1.).abs() < 1e-12);
                    let queries = spans()[span].queries.len();
                    let query = spans()[span].position(number % queries);
                    for (key, weight) in weights.iter().enumerate() {
                        assert_eq!(*weight > 0., block.sees(query, key));
                    }
                }
            }
        }
    }
}
