//! Scaled dot-product attention (Vaswani et al. 2017). Neighbouring spans of one
//! shape share their matrix products.

use candle_core::{D, DType, Result, Tensor};

use crate::backend::{Heads, Span};
use crate::rows::AttentionMap;

/// Neighbouring spans of one shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Group {
    spans: usize,
    queries: usize,
    keys: usize,
}

fn groups(spans: &[Span]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for span in spans {
        let (queries, keys) = (span.queries.len(), span.keys.len());
        match groups.last_mut() {
            Some(group) if (group.queries, group.keys) == (queries, keys) => group.spans += 1,
            _ => groups.push(Group { spans: 1, queries, keys }),
        }
    }
    groups
}

/// What the forward pass leaves; one entry a group.
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

/// Query, key and value `[tokens, hidden]` to the context `[queries, hidden]`.
pub fn forward(heads: Heads, qkv: &[Tensor; 3], spans: &[Span]) -> Result<(Tensor, Attended)> {
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
        let scores = (query.matmul(&key.t()?)? * heads.scale())?;
        let weights = candle_nn::ops::softmax_last_dim(&scores)?;
        contexts.push(join(heads, &weights.matmul(&value)?)?);
        saved.push(GroupAttended { query, key, value, weights });
    }
    Ok((Tensor::cat(&contexts, 0)?, Attended(saved)))
}

/// With weights `A = softmax(S)`, `S = s Q Kᵀ`: `∂V = Aᵀ ∂C`, `∂A = ∂C Vᵀ`,
/// `∂S = A (∂A - Σ_key A ∂A)`, `∂Q = s ∂S K`, `∂K = s ∂Sᵀ Q`.
pub fn vjp(heads: Heads, saved: &Attended, spans: &[Span], grad: &Tensor) -> Result<[Tensor; 3]> {
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
        let scores = ((&weights * grad_weights.broadcast_sub(&along)?)? * heads.scale())?;
        grads[0].push(join(heads, &scores.matmul(&key)?)?);
        grads[1].push(join(heads, &scores.t()?.matmul(&query)?)?);
        grads[2].push(join(heads, &weights.t()?.matmul(&grad)?)?);
    }
    let [query, key, value] = grads.map(|parts| Tensor::cat(&parts, 0));
    Ok([query?, key?, value?])
}

/// `[spans · tokens, hidden]` from row `start` on → `[spans, heads, tokens,
/// head size]`
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

impl Attended {
    /// The weights of one span.
    pub fn map(&self, mut span: usize) -> Result<AttentionMap> {
        for group in &self.0 {
            let spans = group.weights.dim(0)?;
            if span < spans {
                let weights = group.weights.get(span)?;
                let (heads, _, tokens) = weights.dims3()?;
                let weights = weights.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
                return Ok(AttentionMap { heads, tokens, weights });
            }
            span -= spans;
        }
        candle_core::bail!("no such span")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::candle::testing::{check_vjp, random};

    const HEADS: Heads = Heads { count: 3, size: 4 };

    /// Rows of 3, 3 and 5 tokens; of the last, one query.
    fn spans() -> Vec<Span> {
        let span = |queries, keys| Span { queries, keys };
        vec![span(0..3, 0..3), span(3..6, 3..6), span(6..7, 6..11)]
    }

    /// Query, key and value of `spans`, one after the other in one tensor.
    fn parts(qkv: &Tensor) -> [Tensor; 3] {
        [(0, 7), (7, 11), (18, 11)].map(|(start, len)| qkv.narrow(0, start, len).unwrap())
    }

    #[test]
    fn vjp_equals_finite_differences() {
        check_vjp(
            &random(&[29, 12], 7),
            |qkv| Ok(forward(HEADS, &parts(qkv), &spans())?.0),
            |qkv, grad| {
                let saved = forward(HEADS, &parts(qkv), &spans())?.1;
                Tensor::cat(&vjp(HEADS, &saved, &spans(), grad)?, 0)
            },
        );
    }

    #[test]
    fn every_query_spreads_one_over_its_own_row() {
        let (_, saved) = forward(HEADS, &parts(&random(&[29, 12], 7)), &spans()).unwrap();
        for (span, keys) in [3, 3, 5].into_iter().enumerate() {
            let map = saved.map(span).unwrap();
            assert_eq!((map.heads, map.tokens), (3, keys));
            for query in map.weights.chunks(keys) {
                assert!((query.iter().sum::<f64>() - 1.).abs() < 1e-12);
            }
        }
    }
}
