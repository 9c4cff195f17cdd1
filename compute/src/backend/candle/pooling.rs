//! Pools a row's states into one vector.

use std::ops::Range;

use candle_core::{DType, Result, Tensor};

use crate::blocks::Pool;

/// The index of the maximum of each dimension, `[1, width]` per range, relative to the range's
/// start; `None` without max pooling.
pub struct Pooled {
    argmax: Vec<Option<Tensor>>,
}

fn weights(like: &Tensor, weights: Vec<f64>) -> Result<Tensor> {
    let shape = (1, weights.len());
    Tensor::from_vec(weights, shape, like.device())?.to_dtype(like.dtype())
}

/// Pools each range in every mode of `pool`, concatenated.
pub fn pool(x: &Tensor, pool: &Pool, ranges: &[Range<usize>]) -> Result<(Tensor, Pooled)> {
    let (mut rows, mut argmax) = (Vec::new(), Vec::new());
    for range in ranges {
        let states = x.narrow(0, range.start, range.len())?;
        let (mut parts, mut maxima) = (Vec::new(), None);
        for mode in &pool.modes {
            parts.push(match pool.weights(*mode, range.len()) {
                Some(sum) => weights(x, sum)?.matmul(&states)?,
                None => {
                    let index = states.argmax_keepdim(0)?;
                    let values = states.gather(&index, 0)?;
                    maxima = Some(index);
                    values
                }
            });
        }
        rows.push(Tensor::cat(&parts, 1)?);
        argmax.push(maxima);
    }
    Ok((Tensor::cat(&rows, 0)?, Pooled { argmax }))
}

/// Gradient at the vectors → at the rows. Ranges are contiguous.
pub fn pool_vjp(
    grad: &Tensor,
    pool: &Pool,
    saved: &Pooled,
    ranges: &[Range<usize>],
) -> Result<Tensor> {
    let width = grad.dim(1)? / pool.modes.len();
    let of_range = |(i, range): (usize, &Range<usize>)| {
        let mut sum = Tensor::zeros((range.len(), width), grad.dtype(), grad.device())?;
        for (number, mode) in pool.modes.iter().enumerate() {
            let part = grad.narrow(0, i, 1)?.narrow(1, number * width, width)?.contiguous()?;
            sum = match (pool.weights(*mode, range.len()), &saved.argmax[i]) {
                (Some(mean), _) => (sum + weights(grad, mean)?.t()?.matmul(&part)?)?,
                (None, Some(maxima)) => sum.scatter_add(&maxima.to_dtype(DType::U32)?, &part, 0)?,
                (None, None) => sum,
            };
        }
        Ok(sum)
    };
    Tensor::cat(&ranges.iter().enumerate().map(of_range).collect::<Result<Vec<_>>>()?, 0)
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
            let saved = |x: &Tensor| pool(x, &by, &ranges).unwrap().1;
            check_vjp(
                &x,
                |x| Ok(pool(x, &by, &ranges)?.0),
                |x, grad| pool_vjp(grad, &by, &saved(x), &ranges),
            );
        }
    }

    #[test]
    fn vectors_equal_those_of_torch() {
        // Computed by hand from [[1, 4], [3, 2], [-1, 0]].
        let x = Tensor::new(&[[1f64, 4.], [3., 2.], [-1., 0.]], random(&[1], 1).device()).unwrap();
        let by = |mode: PoolingMode| {
            let by = Pool { modes: vec![mode], skip: 0 };
            pool(&x, &by, std::slice::from_ref(&(0..3)))
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
