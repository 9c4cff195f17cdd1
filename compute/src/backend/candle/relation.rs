//! How the distance between two tokens enters their attention, and its gradient. Tensors are
//! `[spans, heads, …]`.

use candle_core::{D, Result, Tensor};

use super::groups::Group;
use crate::backend::{Attention, Heads, Relation};
use crate::blocks::{Angles, Distances};

/// The direction of a rotation: by the position's angle, or by its inverse for the gradient.
#[derive(Clone, Copy)]
pub enum Rotation {
    Forward,
    Inverse,
}

/// Rotary position embeddings (Su et al. 2021): the two halves of a head are real and imaginary
/// parts.
pub fn rotate(
    query: &Tensor,
    key: &Tensor,
    group: &Group,
    angles: &Angles,
    rotation: Rotation,
) -> Result<(Tensor, Tensor)> {
    let keys: Vec<usize> = (0..group.keys).collect();
    let queries = group.positions();
    Ok((rotated(query, &queries, angles, rotation)?, rotated(key, &keys, angles, rotation)?))
}

fn rotated(x: &Tensor, positions: &[usize], angles: &Angles, rotation: Rotation) -> Result<Tensor> {
    let sign = match rotation {
        Rotation::Forward => 1.,
        Rotation::Inverse => -1.,
    };
    let half = angles.half;
    let table = |values: Vec<f64>| {
        Tensor::from_vec(values, (positions.len(), half), x.device())?.to_dtype(x.dtype())
    };
    let cos = table(positions.iter().flat_map(|&p| angles.at(p).0).copied().collect())?;
    let sin = positions.iter().flat_map(|&p| angles.at(p).1).map(|sin| sign * sin);
    let sin = table(sin.collect())?;
    let (real, imaginary) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
    let a = (real.broadcast_mul(&cos)? - imaginary.broadcast_mul(&sin)?)?;
    let b = (imaginary.broadcast_mul(&cos)? + real.broadcast_mul(&sin)?)?;
    Tensor::cat(&[a, b], D::Minus1)
}

/// Returns the softmax's input, `[spans, heads, queries, keys]`.
pub fn scores(
    block: &Attention<Tensor>,
    group: &Group,
    query: &Tensor,
    key: &Tensor,
) -> Result<Tensor> {
    let mut products = query.matmul(&key.t()?)?;
    if let Relation::Disentangled { key: on_key, query: on_query, distances } = &block.relation {
        if let Some(embeddings) = on_key {
            let index = buckets(group, distances, query)?;
            let by_bucket = query.broadcast_matmul(&by_head(block.heads, embeddings)?.t()?)?;
            products = (products + by_bucket.contiguous()?.gather(&index, D::Minus1)?)?;
        }
        if let Some(embeddings) = on_query {
            let index = buckets(group, distances, query)?.t()?.contiguous()?;
            let by_bucket = key.broadcast_matmul(&by_head(block.heads, embeddings)?.t()?)?;
            products = (products + by_bucket.contiguous()?.gather(&index, D::Minus1)?.t()?)?;
        }
    }
    let mut scores = (products * block.scale)?;
    if let Relation::Bias { table, distances } = &block.relation {
        let heads = block.heads.count;
        let bias = pairs(group, heads, |head, query, key| {
            f64::from(table[distances.bucket(query, key) * heads + head])
        });
        let bias = Tensor::from_vec(bias, (heads, group.queries, group.keys), query.device())?;
        scores = scores.broadcast_add(&bias.to_dtype(query.dtype())?)?;
    }
    if block.window.is_some() {
        let mask = pairs(group, 1, |_, query, key| match block.sees(query, key) {
            true => 0.,
            false => f64::NEG_INFINITY,
        });
        let mask = Tensor::from_vec(mask, (group.queries, group.keys), query.device())?;
        scores = scores.broadcast_add(&mask.to_dtype(query.dtype())?)?;
    }
    Ok(scores)
}

/// Gradient at the scores → at query and key.
pub fn scores_vjp(
    block: &Attention<Tensor>,
    group: &Group,
    query: &Tensor,
    key: &Tensor,
    grad: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let (mut query_grad, mut key_grad) = (grad.matmul(key)?, grad.t()?.matmul(query)?);
    if let Relation::Disentangled { key: on_key, query: on_query, distances } = &block.relation {
        if let Some(embeddings) = on_key {
            let index = buckets(group, distances, query)?;
            query_grad = (query_grad + by_bucket_vjp(block.heads, embeddings, &index, grad)?)?;
        }
        if let Some(embeddings) = on_query {
            let index = buckets(group, distances, query)?.t()?.contiguous()?;
            let grad = grad.t()?.contiguous()?;
            key_grad = (key_grad + by_bucket_vjp(block.heads, embeddings, &index, &grad)?)?;
        }
    }
    Ok((query_grad, key_grad))
}

/// Sums the gradients per bucket and multiplies them with the bucket's row.
fn by_bucket_vjp(
    heads: Heads,
    embeddings: &Tensor,
    index: &Tensor,
    grad: &Tensor,
) -> Result<Tensor> {
    let (spans, count, rows, _) = grad.dims4()?;
    let shape = (spans, count, rows, embeddings.dim(0)?);
    let sums = Tensor::zeros(shape, grad.dtype(), grad.device())?;
    let sums = sums.scatter_add(index, &grad.contiguous()?, D::Minus1)?;
    sums.broadcast_matmul(&by_head(heads, embeddings)?)
}

/// `[buckets, hidden]` → `[1, heads, buckets, head size]`
fn by_head(heads: Heads, embeddings: &Tensor) -> Result<Tensor> {
    let buckets = embeddings.dim(0)?;
    embeddings.reshape((1, buckets, heads.count, heads.size))?.transpose(1, 2)?.contiguous()
}

/// Returns the bucket of each pair, `[spans, heads, queries, keys]`.
fn buckets(group: &Group, distances: &Distances, like: &Tensor) -> Result<Tensor> {
    let (spans, heads, ..) = like.dims4()?;
    let pairs = pairs(group, 1, |_, query, key| distances.bucket(query, key) as u32);
    let pairs = Tensor::from_vec(pairs, (1, 1, group.queries, group.keys), like.device())?;
    pairs.broadcast_as((spans, heads, group.queries, group.keys))?.contiguous()
}

/// Returns `f(head, query, key)` for all pairs of positions in the row.
fn pairs<T>(group: &Group, heads: usize, f: impl Fn(usize, usize, usize) -> T) -> Vec<T> {
    let (positions, keys) = (group.positions(), group.keys);
    let (f, positions) = (&f, &positions);
    (0..heads)
        .flat_map(|head| positions.iter().map(move |&query| (head, query)))
        .flat_map(|(head, query)| (0..keys).map(move |key| f(head, query, key)))
        .collect()
}
