//! How the distance between two tokens enters their attention, and its gradient. Tensors are
//! `[spans, heads, …]`.

use std::sync::Arc;

use candle_core::{D, Result, Tensor};

use super::buckets::Bucket;
use super::prepared::Prepared;
use super::transfer::upload;
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
    bucket: &Bucket,
    angles: &Arc<Angles>,
    rotation: Rotation,
) -> Result<(Tensor, Tensor)> {
    let find = |prepared: &Prepared| match prepared {
        Prepared::Rotation(of, tables) if Arc::ptr_eq(of, angles) => Some(tables.clone()),
        _ => None,
    };
    let make = || {
        let (queries, keys) = (bucket.shape.queries, bucket.shape.keys);
        let of_queries = tables(&bucket.positions, queries, angles, query)?;
        let tables = [of_queries, tables(&bucket.key_positions, keys, angles, key)?];
        Ok((Prepared::Rotation(Arc::clone(angles), tables.clone()), tables))
    };
    let [queries, keys] = bucket.prepared.get(find, make)?;
    Ok((rotated(query, &queries, rotation)?, rotated(key, &keys, rotation)?))
}

/// Returns cosines and sines, `[groups, 1, tokens, half]` each.
fn tables(
    positions: &[usize],
    tokens: usize,
    angles: &Angles,
    like: &Tensor,
) -> Result<[Tensor; 2]> {
    let shape = [positions.len() / tokens, 1, tokens, angles.half];
    let cos: Vec<f64> = positions.iter().flat_map(|&p| angles.at(p).0).copied().collect();
    let sin: Vec<f64> = positions.iter().flat_map(|&p| angles.at(p).1).copied().collect();
    Ok([upload(&cos, &shape, like)?, upload(&sin, &shape, like)?])
}

fn rotated(x: &Tensor, [cos, sin]: &[Tensor; 2], rotation: Rotation) -> Result<Tensor> {
    let half = x.dim(D::Minus1)? / 2;
    let (real, imaginary) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
    let across = [imaginary.broadcast_mul(sin)?, real.broadcast_mul(sin)?];
    let along = [real.broadcast_mul(cos)?, imaginary.broadcast_mul(cos)?];
    let parts = match rotation {
        Rotation::Forward => [(&along[0] - &across[0])?, (&along[1] + &across[1])?],
        Rotation::Inverse => [(&along[0] + &across[0])?, (&along[1] - &across[1])?],
    };
    Tensor::cat(&parts, D::Minus1)
}

/// Returns the softmax's input, `[spans, heads, queries, keys]`, and by what it is still to be scaled.
pub fn scores(
    block: &Attention<Tensor>,
    bucket: &Bucket,
    query: &Tensor,
    key: &Tensor,
) -> Result<(Tensor, f64)> {
    let mut products = query.matmul(&key.t()?)?;
    if let Relation::Disentangled { key: on_key, query: on_query, distances } = &block.relation {
        let index = every_head(&pairs(bucket, distances, query)?, query)?;
        if let Some(embeddings) = on_key {
            let by_bucket = query.broadcast_matmul(&by_head(block.heads, embeddings)?.t()?)?;
            products = (products + by_bucket.contiguous()?.gather(&index, D::Minus1)?)?;
        }
        if let Some(embeddings) = on_query {
            let index = index.t()?.contiguous()?;
            let by_bucket = key.broadcast_matmul(&by_head(block.heads, embeddings)?.t()?)?;
            products = (products + by_bucket.contiguous()?.gather(&index, D::Minus1)?.t()?)?;
        }
    }
    if let Some(size) = block.window {
        products = products.broadcast_add(&window(bucket, size, query)?)?;
    }
    match &block.relation {
        Relation::Bias { table, distances } => {
            let bias = bias(bucket, table, distances, query)?;
            Ok(((products * block.scale)?.broadcast_add(&bias)?, 1.))
        }
        _ => Ok((products, block.scale)),
    }
}

/// Gradient at the scores → at query and key.
pub fn scores_vjp(
    block: &Attention<Tensor>,
    bucket: &Bucket,
    query: &Tensor,
    key: &Tensor,
    grad: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let (mut query_grad, mut key_grad) = (grad.matmul(key)?, grad.t()?.matmul(query)?);
    if let Relation::Disentangled { key: on_key, query: on_query, distances } = &block.relation {
        let index = every_head(&pairs(bucket, distances, query)?, query)?;
        if let Some(embeddings) = on_key {
            query_grad = (query_grad + by_bucket_vjp(block.heads, embeddings, &index, grad)?)?;
        }
        if let Some(embeddings) = on_query {
            let index = index.t()?.contiguous()?;
            let grad = grad.t()?.contiguous()?;
            key_grad = (key_grad + by_bucket_vjp(block.heads, embeddings, &index, &grad)?)?;
        }
    }
    Ok((query_grad, key_grad))
}

/// Sums the gradients per distance bucket and multiplies them with the bucket's row.
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

/// Returns the distance bucket of each pair, `[groups, 1, queries, keys]`.
fn pairs(bucket: &Bucket, distances: &Arc<Distances>, like: &Tensor) -> Result<Tensor> {
    let find = |prepared: &Prepared| match prepared {
        Prepared::Distances(of, pairs) if Arc::ptr_eq(of, distances) => Some(pairs.clone()),
        _ => None,
    };
    let make = || {
        let pairs = of_pairs(bucket, |query, key| distances.bucket(query, key) as u32);
        let pairs = Tensor::from_vec(pairs, &shape_of_pairs(bucket), like.device())?;
        Ok((Prepared::Distances(Arc::clone(distances), pairs.clone()), pairs))
    };
    bucket.prepared.get(find, make)
}

/// `[groups, 1, queries, keys]` → `[spans, heads, queries, keys]`
fn every_head(pairs: &Tensor, like: &Tensor) -> Result<Tensor> {
    let (spans, heads, ..) = like.dims4()?;
    let (_, _, queries, keys) = pairs.dims4()?;
    pairs.broadcast_as((spans, heads, queries, keys))?.contiguous()
}

/// Returns the bias of each pair, `[groups, heads, queries, keys]`, from a table `[buckets, heads]`.
fn bias(
    bucket: &Bucket,
    table: &[f32],
    distances: &Arc<Distances>,
    like: &Tensor,
) -> Result<Tensor> {
    let heads = like.dim(1)?;
    let table = Tensor::from_slice(table, (table.len() / heads, heads), like.device())?;
    let pairs = pairs(bucket, distances, like)?;
    let (groups, _, queries, keys) = pairs.dims4()?;
    let of_pairs = table.to_dtype(like.dtype())?.index_select(&pairs.flatten_all()?, 0)?;
    of_pairs.reshape((groups, queries, keys, heads))?.permute((0, 3, 1, 2))
}

fn window(bucket: &Bucket, size: usize, like: &Tensor) -> Result<Tensor> {
    let find = |prepared: &Prepared| match prepared {
        Prepared::Window(of, mask) if *of == size => Some(mask.clone()),
        _ => None,
    };
    let make = || {
        let mask = of_pairs(bucket, |query, key| match query.abs_diff(key) <= size {
            true => 0.,
            false => f64::NEG_INFINITY,
        });
        let mask = upload(&mask, &shape_of_pairs(bucket), like)?;
        Ok((Prepared::Window(size, mask.clone()), mask))
    };
    bucket.prepared.get(find, make)
}

/// `[groups, 1, queries, keys]`
fn shape_of_pairs(bucket: &Bucket) -> [usize; 4] {
    [bucket.groups(), 1, bucket.shape.queries, bucket.shape.keys]
}

/// Returns `f(query, key)` of all pairs of positions.
fn of_pairs<T>(bucket: &Bucket, f: impl Fn(usize, usize) -> T) -> Vec<T> {
    let (f, keys) = (&f, &bucket.key_positions);
    bucket.positions.iter().flat_map(|&query| keys.iter().map(move |&key| f(query, key))).collect()
}
