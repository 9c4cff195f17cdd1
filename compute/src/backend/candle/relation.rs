//! How the distance of two tokens enters their attention, and its gradient.
//! Tensors are `[spans, heads, …]`.

use candle_core::{D, Result, Tensor};

use super::attention::Group;
use crate::backend::{Attention, Heads, Relation};
use crate::blocks::{Angles, Distances};

/// By the angle of the position, or by its opposite: the gradient's way.
#[derive(Clone, Copy)]
pub enum Turn {
    There,
    Back,
}

/// Rotary position embeddings (Su et al. 2021): the halves of a head are the
/// parts of its complex numbers.
pub fn turn(
    query: &Tensor,
    key: &Tensor,
    group: &Group,
    angles: &Angles,
    turn: Turn,
) -> Result<(Tensor, Tensor)> {
    let keys: Vec<usize> = (0..group.keys).collect();
    Ok((turned(query, &group.places(), angles, turn)?, turned(key, &keys, angles, turn)?))
}

fn turned(x: &Tensor, places: &[usize], angles: &Angles, turn: Turn) -> Result<Tensor> {
    let sign = match turn {
        Turn::There => 1.,
        Turn::Back => -1.,
    };
    let half = angles.half;
    let table = |values: Vec<f64>| {
        Tensor::from_vec(values, (places.len(), half), x.device())?.to_dtype(x.dtype())
    };
    let cos = table(places.iter().flat_map(|&place| angles.at(place).0).copied().collect())?;
    let sin = places.iter().flat_map(|&place| angles.at(place).1).map(|sin| sign * sin);
    let sin = table(sin.collect())?;
    let (real, imaginary) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
    let a = (real.broadcast_mul(&cos)? - imaginary.broadcast_mul(&sin)?)?;
    let b = (imaginary.broadcast_mul(&cos)? + real.broadcast_mul(&sin)?)?;
    Tensor::cat(&[a, b], D::Minus1)
}

/// What the softmax is taken of, `[spans, heads, queries, keys]`.
pub fn scores(
    block: &Attention<Tensor>,
    group: &Group,
    query: &Tensor,
    key: &Tensor,
) -> Result<Tensor> {
    let mut products = query.matmul(&key.t()?)?;
    if let Relation::Disentangled { key: on_key, query: on_query, distances } = &block.relation {
        if let Some(positions) = on_key {
            let index = buckets(group, distances, query)?;
            let by_bucket = query.broadcast_matmul(&by_head(block.heads, positions)?.t()?)?;
            products = (products + by_bucket.contiguous()?.gather(&index, D::Minus1)?)?;
        }
        if let Some(positions) = on_query {
            let index = buckets(group, distances, query)?.t()?.contiguous()?;
            let by_bucket = key.broadcast_matmul(&by_head(block.heads, positions)?.t()?)?;
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
        let hidden = pairs(group, 1, |_, query, key| match block.sees(query, key) {
            true => 0.,
            false => f64::NEG_INFINITY,
        });
        let hidden = Tensor::from_vec(hidden, (group.queries, group.keys), query.device())?;
        scores = scores.broadcast_add(&hidden.to_dtype(query.dtype())?)?;
    }
    Ok(scores)
}

/// Gradient at the products → at query and key.
pub fn scores_vjp(
    block: &Attention<Tensor>,
    group: &Group,
    query: &Tensor,
    key: &Tensor,
    grad: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let (mut to_query, mut to_key) = (grad.matmul(key)?, grad.t()?.matmul(query)?);
    if let Relation::Disentangled { key: on_key, query: on_query, distances } = &block.relation {
        if let Some(positions) = on_key {
            let index = buckets(group, distances, query)?;
            to_query = (to_query + by_bucket_vjp(block.heads, positions, &index, grad)?)?;
        }
        if let Some(positions) = on_query {
            let index = buckets(group, distances, query)?.t()?.contiguous()?;
            let grad = grad.t()?.contiguous()?;
            to_key = (to_key + by_bucket_vjp(block.heads, positions, &index, &grad)?)?;
        }
    }
    Ok((to_query, to_key))
}

/// The gradients of each bucket summed, times the bucket's row.
fn by_bucket_vjp(
    heads: Heads,
    positions: &Tensor,
    index: &Tensor,
    grad: &Tensor,
) -> Result<Tensor> {
    let (spans, count, rows, _) = grad.dims4()?;
    let shape = (spans, count, rows, positions.dim(0)?);
    let sums = Tensor::zeros(shape, grad.dtype(), grad.device())?;
    let sums = sums.scatter_add(index, &grad.contiguous()?, D::Minus1)?;
    sums.broadcast_matmul(&by_head(heads, positions)?)
}

/// `[buckets, hidden]` → `[1, heads, buckets, head size]`
fn by_head(heads: Heads, positions: &Tensor) -> Result<Tensor> {
    let buckets = positions.dim(0)?;
    positions.reshape((1, buckets, heads.count, heads.size))?.transpose(1, 2)?.contiguous()
}

/// The bucket of each pair, `[spans, heads, queries, keys]`.
fn buckets(group: &Group, distances: &Distances, like: &Tensor) -> Result<Tensor> {
    let (spans, heads, ..) = like.dims4()?;
    let pairs = pairs(group, 1, |_, query, key| distances.bucket(query, key) as u32);
    let pairs = Tensor::from_vec(pairs, (1, 1, group.queries, group.keys), like.device())?;
    pairs.broadcast_as((spans, heads, group.queries, group.keys))?.contiguous()
}

/// `value(head, query, key)` of every pair, by places in the row.
fn pairs<T>(group: &Group, heads: usize, value: impl Fn(usize, usize, usize) -> T) -> Vec<T> {
    let (places, keys) = (group.places(), group.keys);
    let (value, places) = (&value, &places);
    (0..heads)
        .flat_map(|head| places.iter().map(move |&query| (head, query)))
        .flat_map(|(head, query)| (0..keys).map(move |key| value(head, query, key)))
        .collect()
}
