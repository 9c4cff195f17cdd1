//! Scaled dot-product attention (Vaswani et al. 2017), in one batch per bucket of spans.

use candle_core::{Result, Tensor};

use super::buckets::{Plan, Shape};
use super::kernels;
use super::relation::{self, Rotation};
use super::transfer::download;
use crate::backend::{Attention, Heads, Projected, Relation, Span};
use crate::rows::AttentionMap;

/// What the forward pass saves for the gradient.
#[derive(Debug)]
pub struct Attended {
    buckets: Vec<BucketAttended>,
    /// The numbers of queries and keys of each span.
    sizes: Vec<(usize, usize)>,
}

/// `[spans, heads, …]`, of a bucket whose attention weights are kept.
#[derive(Debug)]
struct BucketAttended {
    shape: Shape,
    /// The indices of the spans, ascending.
    spans: Vec<usize>,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    /// `[spans, heads, queries, keys]`; zero where there is padding.
    weights: Tensor,
}

/// Query, key and value, `[tokens, hidden]` → context, `[queries, hidden]`.
pub fn forward(
    block: &Attention<Tensor>,
    projected: &Projected<Tensor>,
    spans: &[Span],
    plan: &Plan,
) -> Result<(Tensor, Attended)> {
    let heads = block.heads;
    let Projected { query, key, value, .. } = projected;
    let (mut contexts, mut buckets) = (Vec::new(), Vec::new());
    for bucket in &plan.buckets {
        let split = |x: &Tensor| kernels::split_heads(x, bucket.spans.len(), heads);
        let query = split(&bucket.queries(query)?)?;
        let (key, value) = (split(&bucket.keys(key)?)?, split(&bucket.keys(value)?)?);
        let (query, key) = match &block.relation {
            Relation::Rotary(angles) => {
                relation::rotate(&query, &key, bucket, angles, Rotation::Forward)?
            }
            _ => (query, key),
        };
        let (scores, scale) = relation::scores(block, bucket, &query, &key)?;
        let weights = kernels::softmax(&scores, &bucket.sizes, scale)?;
        contexts.push(kernels::join_heads(&weights.matmul(&value)?)?);
        if bucket.shape.kept {
            let (shape, spans) = (bucket.shape, bucket.spans.clone());
            buckets.push(BucketAttended { shape, spans, query, key, value, weights });
        }
    }
    let sizes = spans.iter().map(|span| (span.queries.len(), span.keys.len())).collect();
    Ok((plan.pack_queries(&contexts)?, Attended { buckets, sizes }))
}

/// With weights `A = softmax(S)`, `S = s Q Kᵀ`: `∂V = Aᵀ ∂C`, `∂A = ∂C Vᵀ`,
/// `∂S = A (∂A - Σ_key A ∂A)`, `∂Q = s ∂S K`, `∂K = s ∂Sᵀ Q`. `plan` is of the first spans, whose
/// gradient this is.
pub fn vjp(
    block: &Attention<Tensor>,
    saved: &Attended,
    plan: &Plan,
    grad: &Tensor,
) -> Result<Projected<Tensor>> {
    let mut grads = Vec::new();
    for bucket in &plan.buckets {
        let saved = saved.of_shape(bucket.shape)?;
        let first = |x: &Tensor| x.narrow(0, 0, bucket.spans.len());
        let (query, key) = (first(&saved.query)?, first(&saved.key)?);
        let (value, weights) = (first(&saved.value)?, first(&saved.weights)?);
        let grad = bucket.queries(grad)?;
        let grad = kernels::split_heads(&grad, bucket.spans.len(), block.heads)?;
        let grad_weights = grad.matmul(&value.t()?)?;
        let scores = kernels::softmax_vjp(&weights, &grad_weights, block.scale)?;
        let (query_grad, key_grad) = relation::scores_vjp(block, bucket, &query, &key, &scores)?;
        let (query_grad, key_grad) = match &block.relation {
            Relation::Rotary(angles) => {
                relation::rotate(&query_grad, &key_grad, bucket, angles, Rotation::Inverse)?
            }
            _ => (query_grad, key_grad),
        };
        grads.push([query_grad, key_grad, weights.t()?.matmul(&grad)?]);
    }
    match plan.every_token_queries {
        true => side_by_side(plan, &grads),
        false => apart(plan, &grads),
    }
}

/// Packs the gradients of each bucket, `[spans, heads, tokens, head size]`.
fn apart(plan: &Plan, grads: &[[Tensor; 3]]) -> Result<Projected<Tensor>> {
    let joined = |part: usize| -> Result<Vec<Tensor>> {
        grads.iter().map(|grads| kernels::join_heads(&grads[part])).collect()
    };
    Ok(Projected::apart(
        plan.pack_queries(&joined(0)?)?,
        plan.pack_keys(&joined(1)?)?,
        plan.pack_keys(&joined(2)?)?,
    ))
}

/// The same for as many queries as keys, in one array.
fn side_by_side(plan: &Plan, grads: &[[Tensor; 3]]) -> Result<Projected<Tensor>> {
    let of_bucket = |grads: &[Tensor; 3]| kernels::join_heads_of_three(grads.each_ref());
    let grads: Vec<Tensor> = grads.iter().map(of_bucket).collect::<Result<_>>()?;
    columns(plan.pack_keys(&grads)?)
}

/// Returns query, key and value as columns of an array of all three.
pub fn columns(joined: Tensor) -> Result<Projected<Tensor>> {
    let hidden = joined.dim(1)? / 3;
    let part = |number: usize| joined.narrow(1, number * hidden, hidden);
    let (query, key, value) = (part(0)?, part(1)?, part(2)?);
    Ok(Projected { query, key, value, joined: Some(joined) })
}

/// Gradient at the context → at the weights of one span, `∂A = ∂C Vᵀ`.
pub fn weights_vjp(
    heads: Heads,
    saved: &Attended,
    span: &Span,
    span_index: usize,
    grad: &Tensor,
) -> Result<AttentionMap> {
    let (bucket, index) = saved.bucket(span_index)?;
    let value = bucket.value.get(index)?.narrow(1, 0, span.keys.len())?;
    let grad = grad.narrow(0, span.queries.start, span.queries.len())?;
    let grad = grad.reshape((span.queries.len(), heads.count, heads.size))?.transpose(0, 1)?;
    map(&grad.contiguous()?.matmul(&value.t()?.contiguous()?)?)
}

/// Converts `[heads, queries, keys]` to plain numbers.
fn map(weights: &Tensor) -> Result<AttentionMap> {
    let (heads, _, tokens) = weights.dims3()?;
    Ok(AttentionMap { heads, tokens, weights: download(weights)? })
}

impl Attended {
    fn of_shape(&self, shape: Shape) -> Result<&BucketAttended> {
        match self.buckets.iter().find(|bucket| bucket.shape == shape) {
            Some(bucket) => Ok(bucket),
            None => candle_core::bail!("the attention weights of this span were not kept"),
        }
    }

    /// Returns the bucket of the span with this index, and the index within the bucket.
    fn bucket(&self, span: usize) -> Result<(&BucketAttended, usize)> {
        let within = |bucket: &BucketAttended| bucket.spans.binary_search(&span).ok();
        let found = self.buckets.iter().find_map(|bucket| Some((bucket, within(bucket)?)));
        match found {
            Some(found) => Ok(found),
            None => candle_core::bail!("the attention weights of this span were not kept"),
        }
    }

    /// Returns the attention weights of one span.
    pub fn map(&self, span: usize) -> Result<AttentionMap> {
        let (bucket, index) = self.bucket(span)?;
        let (queries, keys) = self.sizes[span];
        map(&bucket.weights.get(index)?.narrow(1, 0, queries)?.narrow(2, 0, keys)?)
    }

    /// Returns the values of one span, `[keys, hidden]`.
    pub fn values(&self, span: usize) -> Result<Tensor> {
        let (bucket, index) = self.bucket(span)?;
        let value = bucket.value.get(index)?.narrow(1, 0, self.sizes[span].1)?;
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
        let chosen = Some([1, 4].into());
        let last = Span { queries: 6..8, chosen, ..Span::whole(6..11) };
        vec![Span::whole(0..3), Span::whole(3..6), last]
    }

    fn plan(like: &Tensor) -> Plan {
        Plan::new(&spans(), like).unwrap()
    }

    /// Query, key and value of [`spans`], concatenated in one tensor.
    fn parts(qkv: &Tensor) -> Projected<Tensor> {
        let parts = [(0, 8), (8, 11), (19, 11)];
        let [query, key, value] = parts.map(|(start, len)| qkv.narrow(0, start, len).unwrap());
        Projected::apart(query, key, value)
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
                |qkv| Ok(forward(&block, &parts(qkv), &spans(), &plan(qkv))?.0),
                |qkv, grad| {
                    let plan = plan(qkv);
                    let saved = forward(&block, &parts(qkv), &spans(), &plan)?.1;
                    let grads = vjp(&block, &saved, &plan, grad)?;
                    assert!(grads.joined.is_none());
                    Tensor::cat(&[grads.query, grads.key, grads.value], 0)
                },
            );
        }
    }

    #[test]
    fn gradients_side_by_side_equal_finite_differences() {
        // Buckets of two sizes, not in order.
        let spans = [Span::whole(0..5), Span::whole(5..6), Span::whole(6..12)];
        for block in blocks() {
            let plan = |x: &Tensor| Plan::new(&spans, x).unwrap();
            check_vjp(
                &random(&[12, 36], 7),
                |x| Ok(forward(&block, &columns(x.clone())?, &spans, &plan(x))?.0),
                |x, grad| {
                    let (plan, projected) = (plan(x), columns(x.clone())?);
                    let saved = forward(&block, &projected, &spans, &plan)?.1;
                    let grads = vjp(&block, &saved, &plan, grad)?;
                    let joined = grads.joined.unwrap();
                    let parts = Tensor::cat(&[grads.query, grads.key, grads.value], 1)?;
                    assert_eq!(parts.to_vec2::<f64>()?, joined.to_vec2::<f64>()?);
                    Ok(joined)
                },
            );
        }
    }

    #[test]
    fn weights_that_nothing_needs_are_not_kept() {
        let spans = spans().into_iter().zip([true, false, true]);
        let spans: Vec<Span> = spans.map(|(span, kept)| Span { kept, ..span }).collect();
        let (block, qkv) = (Attention::plain(HEADS), random(&[30, 12], 7));
        let plan = Plan::new(&spans, &qkv).unwrap();
        let (_, saved) = forward(&block, &parts(&qkv), &spans, &plan).unwrap();
        let kept: Vec<bool> = (0..3).map(|span| saved.map(span).is_ok()).collect();
        assert_eq!(kept, [true, false, true]);
    }

    #[test]
    fn attention_weights_sum_to_one_over_the_visible_keys() {
        for block in blocks() {
            let qkv = random(&[30, 12], 7);
            let (_, saved) = forward(&block, &parts(&qkv), &spans(), &plan(&qkv)).unwrap();
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
