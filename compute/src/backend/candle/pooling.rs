//! Pools a row's states into one vector, in one batch per bucket of rows.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{DType, Result, Tensor};

use super::buckets::{Bucket, Plan, Plans};
use super::transfer::upload;
use crate::backend::Span;
use crate::blocks::{Pool, PoolingMode};

/// The index of the maximum of each dimension in each range, `[ranges, width]`, relative to the
/// range's start; `None` without max pooling.
pub struct Pooled {
    argmax: Option<Tensor>,
}

fn planned(plans: &Plans, like: &Tensor, ranges: &[Range<usize>]) -> Result<Arc<Plan>> {
    let spans: Vec<Span> = ranges.iter().cloned().map(Span::whole).collect();
    plans.of(&spans, like)
}

/// Returns the weight of each state of a bucket, zero for padding, `[ranges, states, 1]`; `None` if
/// the mode is not a weighted sum.
fn weights(
    pool: &Pool,
    mode: PoolingMode,
    bucket: &Bucket,
    ranges: &[Range<usize>],
    like: &Tensor,
) -> Result<Option<Tensor>> {
    let states = bucket.shape.keys;
    let mut all = vec![0.; bucket.spans.len() * states];
    for (own, &range) in all.chunks_mut(states).zip(&bucket.spans) {
        let Some(weights) = pool.weights(mode, ranges[range].len()) else { return Ok(None) };
        own[..weights.len()].copy_from_slice(&weights);
    }
    upload(&all, &[bucket.spans.len(), states, 1], like).map(Some)
}

/// Pools each range in every mode of `pool`, concatenated.
pub fn pool(
    x: &Tensor,
    pool: &Pool,
    ranges: &[Range<usize>],
    plans: &Plans,
) -> Result<(Tensor, Pooled)> {
    let plan = planned(plans, x, ranges)?;
    let width = x.dim(1)?;
    let (mut pooled, mut maxima) = (Vec::new(), Vec::new());
    for bucket in &plan.buckets {
        let shape = (bucket.spans.len(), bucket.shape.keys, width);
        let states = bucket.keys(x)?.reshape(shape)?;
        let mut parts = Vec::new();
        for mode in &pool.modes {
            parts.push(match weights(pool, *mode, bucket, ranges, x)? {
                Some(weights) => states.broadcast_mul(&weights)?.sum(1)?,
                None => {
                    let index = real(&states, bucket, ranges)?.argmax_keepdim(1)?;
                    let values = states.gather(&index, 1)?.squeeze(1)?;
                    maxima.push(index.squeeze(1)?);
                    values
                }
            });
        }
        pooled.push(Tensor::cat(&parts, 1)?);
    }
    let argmax = (!maxima.is_empty()).then(|| plan.pack_spans(&maxima)).transpose()?;
    Ok((plan.pack_spans(&pooled)?, Pooled { argmax }))
}

/// Returns states with -inf in place of padding.
fn real(states: &Tensor, bucket: &Bucket, ranges: &[Range<usize>]) -> Result<Tensor> {
    let (spans, size, _) = states.dims3()?;
    let mask = bucket.spans.iter().flat_map(|&range| {
        let len = ranges[range].len();
        (0..size).map(move |i| if i < len { 0. } else { f64::NEG_INFINITY })
    });
    states.broadcast_add(&upload(&mask.collect::<Vec<_>>(), &[spans, size, 1], states)?)
}

/// Gradient at the vectors → at the rows. Ranges are contiguous.
pub fn pool_vjp(
    grad: &Tensor,
    pool: &Pool,
    saved: &Pooled,
    ranges: &[Range<usize>],
    plans: &Plans,
) -> Result<Tensor> {
    let width = grad.dim(1)? / pool.modes.len();
    let plan = planned(plans, grad, ranges)?;
    let mut all = Vec::new();
    for bucket in &plan.buckets {
        let (count, states) = (bucket.spans.len(), bucket.shape.keys);
        let own = bucket.of_spans(grad)?;
        let mut sum = Tensor::zeros((count, states, width), grad.dtype(), grad.device())?;
        for (number, mode) in pool.modes.iter().enumerate() {
            let part = own.narrow(1, number * width, width)?.unsqueeze(1)?;
            let factors = match (weights(pool, *mode, bucket, ranges, grad)?, &saved.argmax) {
                (Some(weights), _) => weights,
                (None, Some(argmax)) => one_hot(&bucket.of_spans(argmax)?, states, grad.dtype())?,
                (None, None) => continue,
            };
            sum = (sum + part.broadcast_mul(&factors)?)?;
        }
        all.push(sum.reshape((count * states, width))?);
    }
    plan.pack_keys(&all)
}

/// Returns 1 at the index of each dimension, else 0: `[ranges, width]` → `[ranges, states, width]`.
fn one_hot(index: &Tensor, states: usize, dtype: DType) -> Result<Tensor> {
    let numbers = Tensor::arange(0, states as u32, index.device())?.reshape((1, states, 1))?;
    numbers.broadcast_eq(&index.unsqueeze(1)?)?.to_dtype(dtype)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::candle::testing::{check_vjp, random};
    use crate::blocks::PoolingMode;

    #[test]
    fn every_mode_equals_finite_differences_alone_and_concatenated() {
        let all = [
            PoolingMode::First,
            PoolingMode::Last,
            PoolingMode::Mean,
            PoolingMode::MeanSqrt,
            PoolingMode::WeightedMean,
            PoolingMode::Max,
        ];
        let x = random(&[7, 5], 3);
        let ranges = [0..2, 2..3, 3..7];
        for modes in all.chunks(1).chain([&all[..]]) {
            let by = Pool { modes: modes.into(), skip: 2 };
            let plans = Plans::default();
            let saved = |x: &Tensor| pool(x, &by, &ranges, &plans).unwrap().1;
            check_vjp(
                &x,
                |x| Ok(pool(x, &by, &ranges, &plans)?.0),
                |x, grad| pool_vjp(grad, &by, &saved(x), &ranges, &plans),
            );
        }
    }

    #[test]
    fn vectors_equal_those_of_torch() {
        // Computed by hand from [[1, 4], [3, 2], [-1, 0]].
        let x = Tensor::new(&[[1f64, 4.], [3., 2.], [-1., 0.]], random(&[1], 1).device()).unwrap();
        let by = |mode: PoolingMode| {
            let by = Pool { modes: vec![mode], skip: 0 };
            pool(&x, &by, std::slice::from_ref(&(0..3)), &Plans::default())
                .unwrap()
                .0
                .to_vec2::<f64>()
                .unwrap()
                .remove(0)
        };
        assert_eq!(by(PoolingMode::First), [1., 4.]);
        assert_eq!(by(PoolingMode::Last), [-1., 0.]);
        assert_eq!(by(PoolingMode::Max), [3., 4.]);
        let near = |mode: PoolingMode, expected: [f64; 2]| {
            let gap = by(mode).iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0., f64::max);
            assert!(gap < 1e-12, "{mode:?}");
        };
        near(PoolingMode::Mean, [1., 2.]);
        near(PoolingMode::MeanSqrt, [3. / 3f64.sqrt(), 6. / 3f64.sqrt()]);
        near(PoolingMode::WeightedMean, [4. / 6., 8. / 6.]);
    }
}
